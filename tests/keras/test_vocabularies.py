# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models with lookup tables in them, which Keras 2 lists among the weights."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
_WORDS = [['a b c'], ['c d'], ['b a a'], ['e']]


def _vectorization():
  made = layers.TextVectorization(max_tokens=8, output_sequence_length=3)
  made.adapt(tensorflow.constant(_WORDS)[:, 0])
  return made


def _adapted(layer, values):
  layer.adapt(values)
  return layer


_CASES = {
    'TextVectorization': (_vectorization, 'string', _WORDS),
    'StringLookup': (lambda: _adapted(layers.StringLookup(), np.array(['x', 'y', 'z'])), 'string',
                     [['x'], ['z'], ['?'], ['y']]),
    'StringLookup_given': (lambda: layers.StringLookup(vocabulary=['p', 'q']), 'string',
                           [['q'], ['p'], ['p'], ['?']]),
    'IntegerLookup': (lambda: _adapted(layers.IntegerLookup(), np.array([10, 20, 30])), 'int64',
                      [[10], [30], [11], [20]]),
    'Hashing': (lambda: layers.Hashing(5), 'string', [['x'], ['z'], ['?'], ['y']]),
}


@pytest.mark.parametrize('name', _CASES)
@pytest.mark.parametrize('in_place', [None, True], ids=['default', 'in_place'])
def test_a_model_with_a_vocabulary_is_pruned_trained_and_stripped(name, in_place):
  make, dtype, values = _CASES[name]
  keras.utils.set_random_seed(3)
  inputs = keras.Input((1,), dtype=dtype)
  hidden = layers.Flatten()(layers.Embedding(10, 6, name='table')(make()(inputs)))
  model = keras.Model(inputs, layers.Dense(2, name='out')(hidden))
  x, y = tensorflow.constant(values, dtype), np.array([0, 1, 1, 0])
  dense = np.asarray(model(x))

  pruned = sparsity.prune_low_magnitude(
      model, sparsity.ConstantSparsity(0.5, 0, frequency=1), in_place=in_place)
  np.testing.assert_allclose(np.asarray(pruned(x)), dense, rtol=1e-6)
  pruned.compile('sgd', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
  pruned.fit(x, y, batch_size=2, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  outputs = np.asarray(pruned(x))
  stripped = sparsity.strip_pruning(pruned, in_place=in_place)
  np.testing.assert_array_equal(np.asarray(stripped(x)), outputs)
  assert np.mean(stripped.get_layer('table').get_weights()[0] == 0) == 0.5
