# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A VAE with a custom train_step, test_step and metrics; registered, and saved whole."""

import json
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras

import model_pruning.keras as mpk


@keras.utils.register_keras_serializable(package='vae')
class Sampling(keras.layers.Layer):
  """z = mean + eps * std."""

  def call(self, inputs):
    mean, log_var = inputs
    return mean + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))


@keras.utils.register_keras_serializable(package='vae')
class VAE(keras.Model):

  def __init__(self, encoder, decoder, beta=1e-3, **kwargs):
    super().__init__(**kwargs)
    self.encoder, self.decoder, self.beta = encoder, decoder, beta
    self.loss_tracker = keras.metrics.Mean(name='total')

  @property
  def metrics(self):
    return [self.loss_tracker]

  def get_config(self):
    return {**super().get_config(), 'beta': self.beta,
            'encoder': keras.utils.serialize_keras_object(self.encoder),
            'decoder': keras.utils.serialize_keras_object(self.decoder)}

  @classmethod
  def from_config(cls, config):
    for part in ('encoder', 'decoder'):
      config[part] = keras.utils.deserialize_keras_object(config[part])
    return cls(**config)

  def call(self, x):
    return self.decoder(self.encoder(x)[0])

  def compute(self, x, training):
    mean, log_var, z = self.encoder(x, training=training)
    error = tf.reduce_mean(tf.square(x - self.decoder(z, training=training)))
    return error - self.beta * tf.reduce_mean(1 + log_var - tf.square(mean) - tf.exp(log_var))

  def train_step(self, x):
    with tf.GradientTape() as tape:
      loss = self.compute(x, True)
    grads = tape.gradient(loss, self.trainable_weights)
    self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
    self.loss_tracker.update_state(loss)
    return {m.name: m.result() for m in self.metrics}

  def test_step(self, x):
    self.loss_tracker.update_state(self.compute(x, False))
    return {m.name: m.result() for m in self.metrics}


def build():
  x = keras.Input((14,))
  h = keras.layers.Dense(12, 'relu', name='enc_hidden')(x)
  mean = keras.layers.Dense(3, name='z_mean')(h)
  log_var = keras.layers.Dense(3, name='z_log_var')(h)
  encoder = keras.Model(x, [mean, log_var, Sampling()([mean, log_var])], name='encoder')
  z = keras.Input((3,))
  out = keras.layers.Dense(14, name='dec_out')(
      keras.layers.Dense(12, 'relu', name='dec_hidden')(z))
  vae = VAE(encoder, keras.Model(z, out, name='decoder'))
  vae(np.zeros((1, 14), 'float32'))
  return vae


def main():
  folder, until = sys.argv[1], int(sys.argv[2])
  path = os.path.join(folder, 'vae.keras')
  x = np.random.RandomState(3).normal(size=(80, 14)).astype('float32')
  shapes = [list(w.shape) for w in build().weights]
  if until == 2:
    vae = mpk.prune_low_magnitude(build(), mpk.ConstantSparsity(0.6, begin_step=3, frequency=1))
    vae.compile(optimizer=keras.optimizers.Adam(1e-2))
  else:
    vae = keras.models.load_model(path)
    vae.compile(optimizer=keras.optimizers.Adam(1e-2))
  vae.fit(x, batch_size=20, epochs=until, initial_epoch=until - 2, validation_data=(x[:20],),
          verbose=0, callbacks=[mpk.UpdatePruningStep()])
  vae.save(path)
  kernels = {layer.name: layer.get_weights()[0] for part in (vae.encoder, vae.decoder)
             for layer in part.layers if isinstance(layer, keras.layers.Dense)}
  np.savez(os.path.join(folder, 'weights.npz'), **kernels)
  if until < 4:
    return {}
  before = vae(x).numpy()
  stripped = mpk.strip_pruning(vae)
  stripped.save(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before, stripped=stripped(x).numpy())
  return {'sparsity': dict.fromkeys(kernels, 0.6), 'unpruned': shapes,
          'stripped': [list(w.shape) for w in stripped.weights]}


if __name__ == '__main__':
  print(json.dumps(main()))
