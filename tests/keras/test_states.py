# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""Models that change with each call: stateful layers, and layers that draw random numbers."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import states
from model_pruning.keras import variables
from model_pruning.keras.backend import keras

layers = keras.layers
X = np.random.RandomState(0).rand(64, 10).astype('float32')
needs_generators = pytest.mark.skipif(not backend.IS_KERAS_3, reason='generators came with Keras 3')


@pytest.fixture(autouse=True)
def no_seed():
  """With a seed, TensorFlow draws the same numbers in each graph."""
  tensorflow.random.set_seed(None)


@keras.utils.register_keras_serializable('test_states')
class OwnGenerator(layers.Layer):
  """Adds noise from a generator of its own, as in the guides of Keras."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.seed_generator = keras.random.SeedGenerator(3)

  def call(self, inputs):
    return inputs + keras.random.normal(tensorflow.shape(inputs), seed=self.seed_generator)


@keras.utils.register_keras_serializable('test_states')
class GlobalGenerator(layers.Layer):

  def call(self, inputs):
    return inputs + keras.random.normal(tensorflow.shape(inputs))


@keras.utils.register_keras_serializable('test_states')
class OperationOfTensorFlow(layers.Layer):

  def call(self, inputs):
    return inputs + tensorflow.random.normal(tensorflow.shape(inputs))


def _noisy(layer):
  inputs = keras.Input((10,))
  hidden = layers.Dense(16, 'relu', name='hidden')(inputs)
  noisy = layer(layers.Dense(6, name='before')(hidden))
  return keras.Model(inputs, layers.Dense(4, name='logits')(noisy))


def _stateful(stateful=True):
  inputs = keras.Input(batch_shape=(1, 4, 8))
  hidden = layers.GRU(6, stateful=stateful, return_sequences=True, name='gru')(inputs)
  return keras.Model(inputs, layers.Dense(3, name='logits')(hidden))


@pytest.mark.legs('newest')
@needs_generators
def test_a_copy_goes_on_with_the_random_numbers_of_the_model():
  model = _noisy(OwnGenerator())
  model(X)
  pruned = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
  assert pruned is not model
  np.testing.assert_array_equal(pruned(X), model(X))


@pytest.mark.legs('newest')
@needs_generators
def test_listing_channels_draws_no_random_numbers():
  model = _noisy(OwnGenerator())
  before = [np.asarray(state) for state in states.random_states(model)]
  assert sparsity.channel_groups(model)
  np.testing.assert_array_equal(states.random_states(model), before)


@pytest.mark.legs('newest')
@needs_generators
def test_a_model_with_a_generator_of_its_own_loses_channels_again_and_again():
  model = _noisy(OwnGenerator())
  for _ in range(2):
    before = [np.asarray(state) for state in states.random_states(model)]
    smaller = sparsity.remove_channels(model, fraction=0.5)
    assert smaller.get_layer('hidden').units == 8
    np.testing.assert_array_equal(states.random_states(model), before)
    model(X)


@pytest.mark.parametrize('layer', [
    pytest.param(GlobalGenerator, marks=needs_generators), OperationOfTensorFlow])
def test_other_random_numbers_are_named_where_outputs_cannot_be_compared(layer):
  with pytest.raises(errors.ChannelError, match='draws random numbers whenever it is called .*Ran'):
    sparsity.remove_channels(_noisy(layer()), fraction=0.5)


def test_sensitivity_says_that_outputs_are_random(caplog):
  with caplog.at_level('WARNING', logger='absl'):
    sparsity.sensitivity(_noisy(OperationOfTensorFlow()), X, classes=False, sparsities=(0.5,))
  assert 'outputs of the model are random' in caplog.text and 'RandomStandardNormal' in caplog.text


def test_sensitivity_of_other_models_says_nothing(caplog):
  model = _noisy(layers.Dropout(0.5))
  with caplog.at_level('WARNING', logger='absl'):
    sparsity.sensitivity(model, X, classes=False, sparsities=(0.5,))
  assert 'random' not in caplog.text


def test_calls_change_nothing_within_unchanged():
  model = _stateful()
  model(np.ones([1, 4, 8], 'float32'))
  before = [variables.to_array(state) for state in states.state_of(model)]
  with states.unchanged(model):
    model(np.ones([1, 4, 8], 'float32'))
    assert not all(map(np.array_equal, before, map(variables.to_array, states.state_of(model))))
  assert before and all(
      map(np.array_equal, before, map(variables.to_array, states.state_of(model))))


def test_a_tflite_file_would_forget_the_state(tmp_path):
  path = tmp_path / 'stream.tflite'
  with pytest.raises(errors.ConversionError, match='keeps gru/.* from call to call.*stateful=True'):
    sparsity.to_tflite(_stateful(), str(path))
  assert not path.exists()
  sparsity.to_tflite(_stateful(False), str(path))
  assert path.exists()


def test_int8_in_loops_is_an_error_and_ends_no_process(tmp_path):
  examples = list(np.random.RandomState(0).rand(8, 4, 8).astype('float32'))
  with pytest.raises(errors.ConversionError, match='loops .*gru.*dynamic or float16, or unroll'):
    sparsity.to_tflite(_stateful(False), str(tmp_path / 'x.tflite'), quantization='int8',
                       examples=examples)


def test_a_model_that_computes_in_half_precision_is_told_to_be_made_in_another(tmp_path):
  policy = 'mixed_float16'
  model = keras.Sequential([
      keras.Input((8, 8, 3)), layers.Conv2D(4, 3, dtype=policy), layers.Flatten(),
      layers.Dense(2, dtype='float32')])
  with pytest.raises(errors.ConversionError, match=r'compute in float16 \(.*Conv2D.*float32'):
    sparsity.to_tflite(model, str(tmp_path / 'x.tflite'))
