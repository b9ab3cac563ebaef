# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers with plain Python state that is set after they are made."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

layers = tf.keras.layers


class Temperature(layers.Layer):
  """Divides logits by a plain Python number, which calibration finds."""

  def __init__(self):
    super().__init__(name='temperature')
    self.value = 1.0

  def call(self, logits):
    return logits / self.value


class Standardize(layers.Layer):
  """Statistics of the training data, kept as arrays."""

  def __init__(self):
    super().__init__(name='standardize')
    self.mean = self.std = None

  def fit(self, data):
    self.mean, self.std = data.mean(axis=0), data.std(axis=0)

  def call(self, x):
    return (x - self.mean) / self.std


def classifier(data):
  standardize = Standardize()
  standardize.fit(data)
  inputs = tf.keras.Input((10,))
  x = standardize(inputs)
  x = layers.Dense(20, 'relu', name='hidden')(x)
  x = layers.Dense(4, name='logits')(x)
  temperature = Temperature()
  temperature.value = 2.5
  return tf.keras.Model(inputs, temperature(x))


folder, epochs = sys.argv[1], int(sys.argv[2])
random = np.random.RandomState(13)
x = (7 + 3 * random.normal(size=(48, 10))).astype(np.float32)
y = random.randint(0, 4, 48)
model = classifier(x)
shapes = [list(w.shape) for w in model.weights]
expected = model.predict(x, verbose=0)
model = sparsity.prune_low_magnitude(
    model, sparsity.PolynomialDecay(0.0, 0.65, begin_step=1, end_step=12, frequency=1))
np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
assert model.get_layer('temperature').value == 2.5
model.compile('adam', tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
saved = os.path.join(folder, 'classifier.weights.h5')
if epochs == 4:
  model.load_weights(saved)
model.fit(x, y, batch_size=12, initial_epoch=epochs - 2, epochs=epochs, verbose=0,
          callbacks=[sparsity.UpdatePruningStep()])
model.save_weights(saved)
np.savez(os.path.join(folder, 'weights.npz'), hidden=model.get_layer('hidden').kernel.numpy(),
         logits=model.get_layer('logits').kernel.numpy())
if epochs == 2:
  print('{}')
else:
  before = model.predict(x, verbose=0)
  model = sparsity.strip_pruning(model)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before, stripped=model.predict(x, verbose=0))
  print(json.dumps({'sparsity': {'hidden': 0.65, 'logits': 0.65}, 'unpruned': shapes,
                    'stripped': [list(w.shape) for w in model.weights]}))
