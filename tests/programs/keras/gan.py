# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A GAN with two optimizers; the generator is pruned further than the discriminator."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

keras = tf.keras
LATENT = 5


class GAN(keras.Model):

  def __init__(self, discriminator, generator):
    super().__init__()
    self.discriminator = discriminator
    self.generator = generator
    self.d_loss_metric = keras.metrics.Mean(name='d_loss')
    self.g_loss_metric = keras.metrics.Mean(name='g_loss')

  def compile(self, d_optimizer, g_optimizer, loss_fn):
    super().compile()
    self.d_optimizer = d_optimizer
    self.g_optimizer = g_optimizer
    self.loss_fn = loss_fn

  @property
  def metrics(self):
    return [self.d_loss_metric, self.g_loss_metric]

  def call(self, z):
    return self.discriminator(self.generator(z))

  def train_step(self, real):
    count = tf.shape(real)[0]
    fake = self.generator(tf.random.normal((count, LATENT)))
    both = tf.concat([fake, real], axis=0)
    labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)
    with tf.GradientTape() as tape:
      d_loss = self.loss_fn(labels, self.discriminator(both, training=True))
    variables = self.discriminator.trainable_weights
    self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, variables), variables))
    z = tf.random.normal((count, LATENT))
    with tf.GradientTape() as tape:
      verdict = self.discriminator(self.generator(z, training=True))
      g_loss = self.loss_fn(tf.zeros((count, 1)), verdict)
    variables = self.generator.trainable_weights
    self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, variables), variables))
    self.d_loss_metric.update_state(d_loss)
    self.g_loss_metric.update_state(g_loss)
    return {'d_loss': self.d_loss_metric.result(), 'g_loss': self.g_loss_metric.result()}


def networks():
  discriminator = keras.Sequential([
      keras.Input((6, 6, 1)), keras.layers.Conv2D(8, 3, strides=2, padding='same', name='d_conv'),
      keras.layers.LeakyReLU(), keras.layers.GlobalMaxPooling2D(),
      keras.layers.Dense(1, name='d_out')], name='discriminator')
  generator = keras.Sequential([
      keras.Input((LATENT,)), keras.layers.Dense(3 * 3 * 4, name='g_in'),
      keras.layers.LeakyReLU(), keras.layers.Reshape((3, 3, 4)),
      keras.layers.Conv2DTranspose(4, 4, strides=2, padding='same', name='g_up'),
      keras.layers.Conv2D(1, 3, padding='same', activation='tanh', name='g_out')],
      name='generator')
  return discriminator, generator


folder, epochs = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, 'gan.weights.h5')
keras.utils.set_random_seed(11)
shapes = [list(w.shape) for network in networks() for w in network.weights]
discriminator, generator = networks()
discriminator = sparsity.prune_low_magnitude(
    discriminator, sparsity.ConstantSparsity(0.4, begin_step=2, end_step=14, frequency=4))
generator = sparsity.prune_low_magnitude(
    generator, sparsity.PolynomialDecay(0.2, 0.7, begin_step=0, end_step=14, frequency=2))
gan = GAN(discriminator, generator)
gan.compile(keras.optimizers.Adam(3e-4), keras.optimizers.Adam(3e-4),
            keras.losses.BinaryCrossentropy(from_logits=True))
noise = np.random.RandomState(6).normal(size=(20, LATENT)).astype('float32')
gan(noise)
if epochs == 4:
  gan.load_weights(path)
images = np.random.RandomState(5).uniform(-1, 1, (64, 6, 6, 1)).astype('float32')
gan.fit(tf.data.Dataset.from_tensor_slices(images).shuffle(64).batch(16), epochs=2, verbose=0,
        callbacks=[sparsity.UpdatePruningStep()])
gan.save_weights(path)

wanted = {'d_conv': 0.4, 'd_out': 0.4, 'g_in': 0.7, 'g_up': 0.7, 'g_out': 0.7}
np.savez(os.path.join(folder, 'weights.npz'), **{
    name: (discriminator if name[0] == 'd' else generator).get_layer(name).kernel.numpy()
    for name in wanted})
if epochs == 2:
  print('{}')
else:
  fakes, verdicts = generator(noise).numpy(), gan(noise).numpy()
  clean = [sparsity.strip_pruning(discriminator), sparsity.strip_pruning(generator)]
  clean[1].save(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned_fake=fakes, pruned_verdict=verdicts,
           stripped_fake=clean[1](noise), stripped_verdict=clean[0](clean[1](noise)))
  print(json.dumps({'sparsity': wanted, 'unpruned': shapes,
                    'stripped': [list(w.shape) for net in clean for w in net.weights]}))
