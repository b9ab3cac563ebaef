# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models with lookup tables in them, which Keras 2 lists among the weights."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
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


def _model(name):
  """Returns a model with a table, inputs for it, and their labels."""
  make, dtype, values = _CASES[name]
  keras.utils.set_random_seed(3)
  inputs = keras.Input((1,), dtype=dtype)
  hidden = layers.Flatten()(layers.Embedding(10, 6, name='table')(make()(inputs)))
  hidden = layers.Dense(8, activation='relu', name='hidden')(hidden)
  model = keras.Model(inputs, layers.Dense(2, name='out')(hidden))
  return model, tensorflow.constant(values, dtype), np.array([0, 1, 1, 0])


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', _CASES)
@pytest.mark.parametrize('in_place', [None, True], ids=['default', 'in_place'])
def test_a_model_with_a_vocabulary_is_pruned_trained_and_stripped(name, in_place):
  model, x, y = _model(name)
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


@pytest.mark.sampled(3)
@pytest.mark.parametrize('name', _CASES)
def test_channels_behind_a_vocabulary_are_removed(name):
  model, x, _ = _model(name)
  dense = np.asarray(model(x))
  groups = {group.name: group.channels for group in sparsity.channel_groups(model)}
  assert groups['table/embeddings'] == 6 and groups['hidden/kernel'] == 8
  same = sparsity.remove_channels(model)
  np.testing.assert_array_equal(np.asarray(same(x)), dense)

  # As when the same channels of the embeddings are zeros.
  smaller = sparsity.remove_channels(model, remove={'table/embeddings': [0, 3, 4]})
  assert smaller.get_layer('table').get_weights()[0].shape == (10, 3)
  table, = model.get_layer('table').get_weights()
  table[:, [0, 3, 4]] = 0
  model.get_layer('table').set_weights([table])
  np.testing.assert_allclose(np.asarray(smaller(x)), np.asarray(model(x)), rtol=1e-5, atol=1e-6)


def test_channels_behind_a_vocabulary_are_refitted_to_examples():
  model, x, _ = _model('StringLookup')
  examples = np.tile(x.numpy(), (16, 1))
  refitted, other = (np.asarray(sparsity.remove_channels(model, fraction=0.5, **options)(x))
                     for options in (dict(examples=examples), {}))
  dense = np.asarray(model(x))
  assert np.abs(refitted - dense).max() < 0.1 * np.abs(other - dense).max()


def test_channels_behind_a_vocabulary_are_pruned_in_training():
  model, x, y = _model('TextVectorization')
  pruned = sparsity.prune_low_magnitude(
      model, 'target_sparsity=0.5,channel_pruning=true,sparsity_function_end_step=2,'
      'pruning_frequency=1')
  pruned.compile('sgd', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
  pruned.fit(x, y, batch_size=1, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  stripped = sparsity.strip_pruning(pruned)
  smaller = sparsity.remove_channels(stripped)
  assert smaller.get_layer('table').get_weights()[0].shape == (10, 3)
  np.testing.assert_allclose(
      np.asarray(smaller(x)), np.asarray(stripped(x)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('name', [name for name in _CASES if name != 'Hashing'])
def test_a_model_with_a_vocabulary_is_no_tflite_file(name, tmp_path):
  model, _, _ = _model(name)
  with pytest.raises(errors.ConversionError, match='looks up its inputs in tables.*convert the '
                     'model behind that.*: .*LookupTableFindV2'):
    sparsity.to_tflite(model, str(tmp_path / 'model.tflite'))


def test_a_tflite_file_with_strings_needs_examples(tmp_path):
  model, _, _ = _model('Hashing')
  with pytest.raises(errors.ConversionError, match='^Inputs of strings cannot be generated'):
    sparsity.to_tflite(model, str(tmp_path / 'model.tflite'))
