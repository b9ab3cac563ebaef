# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers pruned in the constructors of a custom layer and of a subclassed model."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

from model_pruning.keras import ConstantSparsity
from model_pruning.keras import PolynomialDecay
from model_pruning.keras import prune_low_magnitude
from model_pruning.keras import strip_pruning
from model_pruning.keras import UpdatePruningStep

layers = tf.keras.layers


class ResidualBlock(layers.Layer):

  def __init__(self, filters, sparse=True):
    super().__init__()
    wrap = self.wrap if sparse else lambda layer: layer
    self.conv_a = wrap(layers.Conv2D(filters, 3, padding='same', use_bias=False))
    self.norm_a = layers.BatchNormalization()
    self.conv_b = wrap(layers.Conv2D(filters, 3, padding='same', use_bias=False))
    self.norm_b = layers.BatchNormalization()

  def wrap(self, layer):
    return prune_low_magnitude(layer, PolynomialDecay(0.2, 0.8, 0, 12, frequency=4))

  def call(self, x, training=False):
    y = tf.nn.relu(self.norm_a(self.conv_a(x), training=training))
    return tf.nn.relu(x + self.norm_b(self.conv_b(y), training=training))


class ResNet(tf.keras.Model):

  def __init__(self, filters=6, blocks=2, classes=4, sparse=True):
    super().__init__()
    self.stem = layers.Conv2D(filters, 3, padding='same')
    self.blocks = [ResidualBlock(filters, sparse) for _ in range(blocks)]
    self.pool = layers.GlobalAveragePooling2D()
    out = layers.Dense(classes)
    self.out = prune_low_magnitude(out, ConstantSparsity(0.5, 3, frequency=3)) if sparse else out

  def call(self, x, training=False):
    x = self.stem(x)
    for block in self.blocks:
      x = block(x, training=training)
    return self.out(self.pool(x))


def main(folder, epochs):
  checkpoint_path = os.path.join(folder, 'resnet.weights.h5')
  rng = np.random.RandomState(25)
  x, y = rng.rand(40, 7, 7, 3).astype('float32'), rng.randint(0, 4, 40)
  model = ResNet()
  model(x[:1])
  model.compile('adam', tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
  if epochs > 2:
    model.load_weights(checkpoint_path)
  model.fit(x, y, batch_size=10, epochs=epochs, initial_epoch=epochs - 2, verbose=0,
            callbacks=[UpdatePruningStep()])
  model.save_weights(checkpoint_path)

  kernels = {'out': model.out.kernel.numpy()}
  for number, block in enumerate(model.blocks):
    kernels['block_%d_a' % number] = block.conv_a.kernel.numpy()
    kernels['block_%d_b' % number] = block.conv_b.kernel.numpy()
  np.savez(os.path.join(folder, 'weights.npz'), **kernels)
  if epochs == 2:
    return {}
  before = model.predict(x, verbose=0)
  stripped = strip_pruning(model)
  stripped.compile('adam', tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  stripped.save_weights(os.path.join(folder, 'stripped.weights.h5'))
  stripped.fit(x, y, batch_size=20, verbose=0)
  plain = ResNet(sparse=False)
  plain(x[:1])
  return {'sparsity': {name: 0.5 if name == 'out' else 0.8 for name in kernels},
          'unpruned': [list(w.shape) for w in plain.weights],
          'stripped': [list(w.shape) for w in stripped.weights]}


if __name__ == '__main__':
  print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
