# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Preprocessing in the model: TextVectorization, and Normalization inside a layer."""

import json
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras

import model_pruning.keras as sparsity

WORDS = 'good bad fine awful film plot actor scene long short dull bright'.split()


class NumericFeatures(keras.layers.Layer):

  def __init__(self, units):
    super().__init__()
    self.normalize = keras.layers.Normalization()
    self.project = keras.layers.Dense(units, activation='relu')

  def adapt(self, data):
    self.normalize.adapt(data)

  def call(self, x):
    return self.project(self.normalize(x))


def data():
  rng = np.random.RandomState(15)
  texts = np.array([[' '.join(rng.choice(WORDS, 6))] for _ in range(40)])
  numbers = (100 + 30 * rng.normal(size=(40, 5))).astype('float32')
  return texts, numbers, np.array([['good' in t[0] or 'fine' in t[0]] for t in texts]).astype(float)


def make_model(texts, numbers):
  vectorize = keras.layers.TextVectorization(max_tokens=12, output_sequence_length=6)
  vectorize.adapt(texts[:, 0])
  features = NumericFeatures(9)
  features.adapt(numbers)
  text_input = keras.Input(shape=(1,), dtype='string', name='text')
  number_input = keras.Input(shape=(5,), name='numbers')
  t = vectorize(text_input)
  t = keras.layers.Embedding(12, 8, name='words')(t)
  t = keras.layers.GlobalAveragePooling1D()(t)
  both = keras.layers.concatenate([t, features(number_input)])
  model = keras.Model([text_input, number_input],
                      keras.layers.Dense(1, activation='sigmoid', name='verdict')(both))
  return model, vectorize, features


folder, epochs = sys.argv[1], int(sys.argv[2])
texts, numbers, labels = data()
inputs = [tf.constant(texts), numbers]
model, vectorize, features = make_model(texts, numbers)
vocabulary = vectorize.get_vocabulary()
# Keras 2 lists the vocabulary as well.
shapes = [list(w.shape) for w in model.weights if hasattr(w, 'shape')]
model = sparsity.prune_low_magnitude(model, sparsity.PolynomialDecay(
    initial_sparsity=0.2, final_sparsity=0.7, begin_step=0, end_step=15, frequency=3))
if epochs == 4:
  model.load_weights(os.path.join(folder, 'reviews.weights.h5'))
model.compile('adam', 'binary_crossentropy')
model.fit(inputs, labels, batch_size=10, epochs=epochs, initial_epoch=epochs - 2, verbose=0,
          callbacks=[sparsity.UpdatePruningStep()])
model.save_weights(os.path.join(folder, 'reviews.weights.h5'))

names = [layer.name for layer in model.layers]
numeric = [layer for layer in model.layers if hasattr(layer, 'project')][0]
np.testing.assert_allclose(np.ravel(numeric.normalize.mean), numbers.mean(axis=0), rtol=1e-4)
np.savez(os.path.join(folder, 'weights.npz'), words=model.get_layer('words').embeddings.numpy(),
         verdict=model.get_layer('verdict').kernel.numpy(), project=numeric.project.kernel.numpy())
if epochs == 2:
  print('{}')
  sys.exit(0)
before = model.predict(inputs, verbose=0)
stripped = sparsity.strip_pruning(model)
assert [layer.name for layer in stripped.layers] == names
again = [layer for layer in stripped.layers if isinstance(layer, keras.layers.TextVectorization)]
assert again[0].get_vocabulary() == vocabulary
np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
         stripped=stripped.predict(inputs, verbose=0))
print(json.dumps({'sparsity': {'words': 0.7, 'verdict': 0.7, 'project': 0.7}, 'unpruned': shapes,
                  'stripped': [list(w.shape) for w in stripped.weights if hasattr(w, 'shape')]}))
