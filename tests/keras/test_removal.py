# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels removed from Keras models: the smaller model computes what the masked one does."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
from model_pruning import one_shot
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from tests import legs
from tests.calibration import models

pytestmark = pytest.mark.legacy_keras

layers = keras.layers


def _plain():
  return keras.Sequential([
      keras.Input((12, 12, 3)), layers.Conv2D(8, 3, activation='relu'), layers.MaxPooling2D(),
      layers.Conv2D(16, 3, padding='same', use_bias=False), layers.BatchNormalization(),
      layers.ReLU(), layers.Flatten(), layers.Dense(10, activation='relu'), layers.Dense(4)])


def _residual():
  inputs = keras.Input((8, 8, 3))
  x = layers.Conv2D(8, 3, padding='same')(inputs)
  y = layers.DepthwiseConv2D(3, padding='same')(layers.Activation('relu')(x))
  x = layers.Add()([x, layers.Conv2D(8, 1)(y)])
  # Squeeze and excitation.
  s = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
  s = layers.Conv2D(8, 1, activation='sigmoid')(layers.Conv2D(4, 1, activation='relu')(s))
  x = layers.Multiply()([x, s])
  x = layers.Concatenate()([x, layers.SeparableConv2D(6, 3, padding='same')(x)])
  return keras.Model(inputs, layers.Dense(4)(layers.GlobalMaxPooling2D()(x)))


def _scaleless():
  """Layers with constants in place of weights, of which Keras 2 has ones and zeros."""
  return keras.Sequential([
      keras.Input((8, 8, 3)), layers.Conv2D(8, 3, use_bias=False),
      layers.BatchNormalization(scale=False), layers.ReLU(), layers.Conv2D(6, 3, use_bias=False),
      layers.BatchNormalization(center=False), layers.GlobalAveragePooling2D(), layers.Dense(3)])


def _nested():
  inner_inputs = keras.Input((10,))
  inner = keras.Model(inner_inputs, layers.Dense(12, activation='tanh', name='deep')(
      layers.PReLU()(layers.Dense(16)(inner_inputs))), name='inner')
  inputs = keras.Input((10,))
  return keras.Model(inputs, layers.Dense(3)(layers.Add()([inner(inputs), layers.Dense(12)(
      inputs)])))


def _blocks():
  """Models in the middle, whose inputs get narrower; one is used twice, one is in another."""
  twice_inputs = keras.Input((8, 8, 6))
  twice = keras.Model(twice_inputs, layers.Add()([twice_inputs, layers.Conv2D(
      6, 3, padding='same', activation='relu')(twice_inputs)]), name='twice')
  inputs = keras.Input((8, 8, 3))
  x = keras.Sequential([layers.Conv2D(6, 3, padding='same'), layers.BatchNormalization(),
                        layers.ReLU()], name='first')(inputs)
  x = twice(twice(x))
  deep = keras.Sequential([layers.Flatten(), layers.Dense(12, activation='relu')], name='deep')
  return keras.Model(inputs, keras.Sequential([deep, layers.Dense(3)], name='head')(x))


def _sequences():
  """Dense layers of sequences, which Keras 3 and Keras 2 compute in different ways."""
  inputs = keras.Input((10, 8))
  x = layers.Dense(6)(layers.Dense(16, activation='relu')(inputs))
  return keras.Model(inputs, layers.Dense(2)(layers.Conv1D(4, 3)(x)))


def _shared():
  shared = layers.Dense(10, activation='relu')
  left, right = keras.Input((6,)), keras.Input((6,))
  return keras.Model([left, right], layers.Dense(2)(layers.Concatenate()(
      [shared(left), shared(right)])))


def _transposed():
  inputs = keras.Input((4, 4, 3))
  x = layers.Conv2DTranspose(10, 3, strides=2, activation='relu')(inputs)
  return keras.Model(inputs, layers.Conv2D(2, 3)(layers.UpSampling2D()(x)))


def _videos():
  """The same layers, and the same model, for every image."""
  of_images = keras.Sequential([
      layers.Conv2D(10, 3, activation='relu'), layers.GlobalAveragePooling2D(),
      layers.Dense(8), layers.Reshape((2, 4)), layers.Dense(5), layers.Flatten()], name='of_images')
  x = inputs = keras.Input((3, 8, 8, 2))
  for layer in (layers.Conv2D(12, 3, activation='relu'), layers.BatchNormalization(), of_images,
                layers.Dense(6, activation='relu')):
    x = layers.TimeDistributed(layer)(x)
  return keras.Model(inputs, layers.SimpleRNN(3)(x))


MODELS = [_plain, _residual, _scaleless, _nested, _blocks, _sequences, _shared, _transposed,
          _videos]


def randomized(model, seed=0):
  random = np.random.RandomState(seed)
  for weight in model.weights:
    low = 0.5 if 'variance' in getattr(weight, 'path', weight.name) else -1.0
    weight.assign(random.uniform(low, 1.5, tuple(weight.shape)).astype(np.float32))
  return model


def examples_of(model):
  random = np.random.RandomState(9)
  found = [random.normal(size=(3, *tensor.shape[1:])).astype(np.float32)
           for tensor in model.inputs]
  return found if len(found) > 1 else found[0]


def half_of(groups):
  return {group.name: list(range(0, group.channels, 2)) for group in groups if group.channels > 1}


def _variables(model):
  """Returns the variables by the names that groups use."""
  from model_pruning.keras import exporting
  return exporting.freeze(model).variables


def hide(model, remove):
  """Sets all slices of channels of a model to zero."""
  groups = {group.name: group for group in sparsity.channel_groups(model)}
  found = _variables(model)
  for name, numbers in remove.items():
    for member in groups[name].members:
      if member.weight not in found:
        continue  # A constant.
      variable = found[member.weight]
      value = np.moveaxis(np.array(variable), member.axis, 0)
      value[member.indices[numbers].reshape(-1)] = 0
      variable.assign(np.moveaxis(value, 0, member.axis))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', MODELS)
def test_the_smaller_model_computes_what_the_masked_one_does(make):
  model = randomized(make())
  groups = sparsity.channel_groups(model)
  remove = half_of(groups)
  assert remove
  before = [np.array(weight) for weight in model.weights]
  smaller = sparsity.remove_channels(model, remove=remove)
  for weight, value in zip(model.weights, before):
    np.testing.assert_array_equal(weight, value)
  assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
  examples = examples_of(model)
  hide(model, remove)
  expected = model.predict(examples, verbose=0)
  np.testing.assert_allclose(smaller.predict(examples, verbose=0), expected, rtol=1e-4, atol=1e-5)
  assert expected.any()
  assert smaller.count_params() < 0.75 * model.count_params()


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', MODELS)
def test_channels_that_are_zero_are_removed_and_the_smaller_model_trains_on(make):
  model = randomized(make())
  remove = half_of(sparsity.channel_groups(model))
  hide(model, remove)
  smaller = sparsity.remove_channels(model)
  examples = examples_of(model)
  outputs = model.predict(examples, verbose=0)
  np.testing.assert_allclose(smaller.predict(examples, verbose=0), outputs, rtol=1e-4, atol=1e-5)
  assert smaller.count_params() < model.count_params()
  smaller.compile('sgd', 'mse')
  smaller.fit(examples, np.zeros_like(outputs), verbose=0)
  # There is nothing left to remove.
  again = sparsity.remove_channels(randomized(smaller))
  assert again.count_params() == smaller.count_params()


@pytest.mark.sampled(2)
@pytest.mark.parametrize('first,others', [
    ((16, 1), [(16, 4)]), ((16, 1), [(32, 16), (8, 8)]), ((8, 1), [(16, 8), (16, 2)])])
def test_of_grouped_convolutions_whole_groups_are_removed(first, others):
  inputs = x = keras.Input((8, 8, 4))
  for filters, groups in (first, *others, (8, 1)):
    x = layers.Conv2D(filters, 3, padding='same', groups=groups, activation='relu')(x)
  model = randomized(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))))
  remove = half_of(sparsity.channel_groups(model))
  smaller = sparsity.remove_channels(model, remove=remove)
  examples = examples_of(model)
  hide(model, remove)
  np.testing.assert_allclose(smaller.predict(examples, verbose=0),
                             model.predict(examples, verbose=0), rtol=1e-4, atol=1e-5)
  grouped = [(layer, before) for layer, before in zip(smaller.layers[1:-2], model.layers[1:-2])
             if before.groups > 1]
  assert all(layer.filters / layer.groups == before.filters / before.groups
             for layer, before in grouped)
  assert any(layer.groups < before.groups for layer, before in grouped)
  # Keras makes it again from its config.
  assert keras.Model.from_config(smaller.get_config()).count_params() == smaller.count_params()


def _constants(padding):
  """A model with constant channels: in each of three layers, two have kernels of zeros."""
  model = randomized(keras.Sequential([
      keras.Input((8, 8, 3)), layers.Conv2D(6, 3, activation='sigmoid', name='first'),
      layers.Conv2D(8, 3, padding=padding, use_bias=False, name='second'),
      layers.BatchNormalization(), layers.Activation('softplus'), layers.Flatten(),
      layers.Dense(6, activation='elu', name='third'), layers.Dense(4, name='last')]))
  for name in ('first', 'second', 'third'):
    kernel = model.get_layer(name).kernel
    value = np.array(kernel)
    value[..., 1:3] = 0
    kernel.assign(value)
  return model


@pytest.mark.parametrize('padding, filters', [('valid', 4), ('same', 6)])
def test_constant_channels_go_into_biases_and_moving_means(padding, filters):
  model = _constants(padding)
  x = examples_of(model)
  expected = model.predict(x, verbose=0)
  for options in ({}, {'remove': {group.name: [1, 2] for group in sparsity.channel_groups(model)
                                  if padding == 'valid' or 'first' not in group.name}}):
    smaller = sparsity.remove_channels(model, **options)
    assert [smaller.get_layer('first').filters, smaller.get_layer('second').filters,
            smaller.get_layer('third').units] == [filters, 6, 4]
    np.testing.assert_allclose(smaller.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
  model.compile('sgd', 'mse')  # In training, the constants may change.
  assert sparsity.remove_channels_in_training(model).count_params() == model.count_params()


def test_the_channels_of_smallest_norm_are_removed():
  model = randomized(keras.Sequential([keras.Input((5,)), layers.Dense(8, name='a'),
                                    layers.Dense(3, name='b')]))
  kernel, bias, reader = (np.array(weight) for weight in model.weights[:3])
  norms = np.sqrt((kernel**2).sum(axis=0) + bias**2 + (reader**2).sum(axis=1))
  stay = np.sort(np.argsort(norms)[4:])
  smaller = sparsity.remove_channels(model, fraction=0.5)
  np.testing.assert_array_equal(smaller.weights[0], kernel[:, stay])
  np.testing.assert_array_equal(smaller.weights[2], reader[stay])
  assert smaller.get_layer('a').units == 4
  assert sparsity.remove_channels(model, fraction=0.5, multiple_of=6).get_layer('a').units == 6
  assert sparsity.remove_channels(model, fraction=0.5, keep='(.*/)?a/').get_layer('a').units == 8


class _Own(layers.Layer):
  """A layer of a user's, whose widths no argument sets."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.first, self.second = layers.Dense(8), layers.Dense(6)

  def build(self, shape):
    self.first.build(shape)
    self.second.build((None, 8))
    self.built = True

  def call(self, x):
    return self.second(self.first(x))


def test_layers_of_users_stay_as_they_are():
  model = randomized(keras.Sequential([
      keras.Input((5,)), layers.Dense(8, name='a'), _Own(name='own'), layers.Dense(3, name='b')]))
  groups = sparsity.channel_groups(model)
  assert not any('own' in member.weight for group in groups for member in group.members)
  smaller = sparsity.remove_channels(model, fraction=0.5)
  assert [tuple(weight.shape) for weight in smaller.weights] == [
      tuple(weight.shape) for weight in model.weights]


@pytest.mark.parametrize('policy', ['mixed_float16', 'mixed_bfloat16'])
def test_half_precision_rounds_more(policy):
  set_policy = getattr(keras.mixed_precision, 'set_dtype_policy', None) or (
      keras.mixed_precision.set_global_policy)
  set_policy(policy)
  try:
    model = randomized(keras.Sequential([
        keras.Input((8,)), layers.Dense(16, activation='relu'), layers.Dense(2, dtype='float32')]))
  finally:
    set_policy('float32')
  examples = np.random.RandomState(3).randn(64, 8).astype(np.float32)
  smaller = sparsity.remove_channels(model, fraction=0.5, examples=examples)
  assert smaller.layers[0].units == 8
  dense, found = [each.predict(examples, verbose=0) for each in (model, smaller)]
  assert np.sum((found - dense)**2) < 0.2 * np.sum((dense - dense.mean(axis=0))**2)


class Subclassed(keras.Model):

  def __init__(self):
    super().__init__()
    self.dense = layers.Dense(3)

  def call(self, x):
    return self.dense(x)


def test_what_cannot_be_removed_is_refused_with_advice():
  model = randomized(_plain())
  with pytest.raises(errors.ChannelError, match='no group of channels .conv.'):
    sparsity.remove_channels(model, remove={'conv': [0]})
  with pytest.raises(errors.ChannelError, match='fraction=1.5'):
    sparsity.remove_channels(model, fraction=1.5)
  with pytest.raises(errors.ChannelError, match="fraction='0.5'; expected"):
    sparsity.remove_channels(model, fraction='0.5')
  with pytest.raises(errors.ChannelError, match='multiple_of=2.5; expected'):
    sparsity.remove_channels(model, fraction=0.5, multiple_of=2.5)
  with pytest.raises(errors.ChannelError, match='expected numbers of channels by the names'):
    sparsity.remove_channels(model, remove=['conv'])
  with pytest.raises(errors.MapError, match="keep='c9' matches the beginning of no name"):
    sparsity.remove_channels(model, fraction=0.5, keep='c9')
  name = sparsity.channel_groups(model)[0].name
  for numbers in (3, None, ['a'], [0.5], np.arange(8) < 4):
    with pytest.raises(errors.ChannelError, match='expected a list of numbers of channels'):
      sparsity.remove_channels(model, remove={name: numbers})
  with pytest.raises(errors.ChannelError, match='goes without a fraction'):
    sparsity.remove_channels(model, fraction=0.5, remove={name: [0]})
  with pytest.raises(errors.MapError, match='expected a regular expression'):
    sparsity.remove_channels(model, fraction=0.5, keep=['conv'])
  with pytest.raises(errors.LayerError, match='has masks; strip_pruning'):
    sparsity.remove_channels(sparsity.prune_low_magnitude(model))
  own = Subclassed()
  own(np.zeros((1, 4), np.float32))
  with pytest.raises(errors.LayerError, match='is neither functional nor Sequential'):
    sparsity.remove_channels(own)


def _inputs(model, seed=0):
  """Returns inputs with few degrees of freedom, as images have."""
  found = [models.inputs((64, *tensor.shape[1:]), seed + number)
           for number, tensor in enumerate(model.inputs)]
  return found if len(found) > 1 else found[0]


def _error(model, smaller, examples):
  expected = model.predict(examples, verbose=0)
  wrong = smaller.predict(examples, verbose=0) - expected
  return np.sum(wrong**2) / np.sum((expected - expected.mean(axis=0))**2)


def test_embeddings_of_saved_models(tmp_path):
  model = keras.Sequential([keras.Input((4,), dtype='int32'), layers.Embedding(9, 6),
                            layers.Flatten(), layers.Dense(8, activation='relu'), layers.Dense(2)])
  # Keras 2 gathers from the variable itself, in a function.
  (model.export if backend.IS_KERAS_3 else model.save)(str(tmp_path / 'dense'))
  numbers = np.random.RandomState(0).randint(0, 9, (128, 4)).astype(np.int32)
  smaller = one_shot.shrink_saved_model(
      str(tmp_path / 'dense'), str(tmp_path / 'small'), numbers, fraction=0.5)
  assert (9, 3) in {tuple(width.after) for width in smaller.widths}
  assert _served(tmp_path / 'small', numbers[:5]).shape == (5, 2)


def test_tables_of_saved_models_are_filled_for_examples(tmp_path):
  words = ['w%d' % index for index in range(9)]
  model = keras.Sequential([
      keras.Input((4,), dtype='string'), layers.StringLookup(vocabulary=words),
      layers.Embedding(10, 6), layers.Flatten(), layers.Dense(8, activation='relu'),
      layers.Dense(2)])
  (model.export if backend.IS_KERAS_3 else model.save)(str(tmp_path / 'dense'))
  texts = np.array(words)[np.random.RandomState(0).randint(0, 9, (128, 4))]
  one_shot.shrink_saved_model(
      str(tmp_path / 'dense'), str(tmp_path / 'small'), texts, fraction=0.5)
  expected, found = (_served(tmp_path / name, texts) for name in ('dense', 'small'))
  assert np.sum((found - expected)**2) < np.sum((expected - expected.mean(axis=0))**2)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('make', [lambda: layers.LSTM(6), lambda: layers.Bidirectional(
    layers.GRU(4))], ids=['LSTM', 'Bidirectional'])
def test_saved_models_with_loops_are_refitted_and_load_again(make, tmp_path):
  keras.utils.set_random_seed(0)
  model = keras.Sequential([
      keras.Input((5,), dtype='int32'), layers.Embedding(9, 6), make(),
      layers.Dense(16, activation='relu'), layers.Dense(2)])
  dense, small, pruned = (str(tmp_path / name) for name in ('dense', 'small', 'pruned'))
  (model.export if backend.IS_KERAS_3 else model.save)(dense)
  numbers = np.random.RandomState(0).randint(0, 9, (128, 5)).astype(np.int32)
  one_shot.shrink_saved_model(dense, small, numbers, fraction=0.25)
  rows = one_shot.prune_saved_model(dense, pruned, 'target_sparsity=0.5', numbers)
  assert sum(not row.reason for row in rows) == 2  # The dense layers.
  expected, *found = (_served(name, numbers) for name in (dense, small, pruned))
  for outputs in found:
    assert np.sum((outputs - expected)**2) < 0.5 * np.sum((expected - expected.mean(axis=0))**2)


def _served(folder, values):
  """Returns the output of the default signature of a SavedModel."""
  read = tensorflow.saved_model.load(str(folder))
  function = read.signatures['serving_default']
  (name, _), = function.structured_input_signature[1].items()
  (result, ) = function(**{name: tensorflow.constant(values)}).values()
  return result.numpy()


@pytest.mark.parametrize('activation', ['swish', 'gelu'])
def test_activations_with_gradients_of_their_own_are_refitted_jointly(activation):
  model = keras.Sequential([keras.Input((12,)), layers.Dense(16, activation=activation),
                            layers.Dense(3)])
  examples = models.inputs((128, 12), 0)
  alone, jointly = (sparsity.remove_channels(
      model, fraction=0.5, examples=examples, joint_steps=steps) for steps in (0, 40))
  assert _error(model, jointly, examples) < _error(model, alone, examples)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', legs.few(MODELS, 4, 'default'))
def test_the_weights_that_stay_are_refitted_to_examples(make):
  keras.utils.set_random_seed(0)
  model = make()
  examples = _inputs(model)
  before = [np.array(weight) for weight in model.weights]
  smaller = sparsity.remove_channels(model, fraction=0.5, examples=examples)
  for weight, value in zip(model.weights, before):
    np.testing.assert_array_equal(weight, value)
  plain = sparsity.remove_channels(model, fraction=0.5)
  assert smaller.count_params() == plain.count_params() < 0.75 * model.count_params()
  # Two uses of a layer are not refitted; the layer after them is.
  assert _error(model, smaller, examples) < 0.6 * _error(model, plain, examples)
  smaller.compile('sgd', 'mse')
  smaller.fit(examples, model.predict(examples, verbose=0), verbose=0)


def test_all_layers_are_refitted_together():
  keras.utils.set_random_seed(0)
  model = _plain()
  examples = _inputs(model)
  alone, jointly = (sparsity.remove_channels(model, fraction=0.75, examples=examples,
                                             joint_steps=steps) for steps in (0, 60))
  assert jointly.count_params() == alone.count_params()
  assert _error(model, jointly, examples) < 0.7 * _error(model, alone, examples)


def test_budgets_are_met():
  keras.utils.set_random_seed(0)
  model = _plain()
  examples = _inputs(model)
  smaller = sparsity.remove_channels(model, max_bytes=9000, examples=examples)
  assert 8000 < 4 * smaller.count_params() <= 9000
  smaller = sparsity.remove_channels(model, max_bytes=9000, multiple_of=4)
  assert 4 * smaller.count_params() <= 9000
  assert not any(layer.filters % 4 for layer in smaller.layers if hasattr(layer, 'filters'))
  smaller = sparsity.remove_channels(model, max_loss=0.1, examples=examples, classes=False)
  assert smaller.count_params() < model.count_params()
  assert _error(model, smaller, examples) < 0.1


@pytest.mark.parametrize('options, message', [
    ({'max_loss': 0.1}, 'max_loss=0.1 is measured on examples'),
    ({'fraction': 0.5, 'joint_steps': 10}, 'joint_steps=10 refits .* give examples'),
    ({'remove': {}, 'joint_steps': 10}, 'joint_steps=10 refits .* give examples'),
    ({'max_bytes': 5}, 'max_bytes=5 cannot be met'),
    ({'remove': {}, 'fraction': 0.5}, 'remove names the channels'),
    ({'fraction': 0.5, 'max_bytes': 5}, 'Give one of')])
def test_goals_that_do_not_fit_are_refused(options, message):
  with pytest.raises(errors.ChannelError, match=message):
    sparsity.remove_channels(_plain(), **options)


def test_arguments_that_do_not_exist_are_refused_by_name():
  with pytest.raises(TypeError, match=r"remove_channels\(\) got .*'max_flop'.*max_flops"):
    sparsity.remove_channels(_plain(), max_flop=5)


def test_a_fraction_of_nothing_is_said(caplog):
  model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
  with caplog.at_level('WARNING', logger='absl'):
    sparsity.remove_channels(model, fraction=0.5)
  assert 'fraction=0.5 removes no channel: there are none' in caplog.text


@pytest.mark.skipif(not backend.IS_KERAS_3, reason='LoRA came with Keras 3')
@pytest.mark.legs('newest')
def test_a_layer_with_lora_stays_whole():
  model = keras.Sequential([keras.Input((6,)), layers.Dense(8, name='adapted'), layers.Dense(5),
                            layers.Dense(3)])
  model.get_layer('adapted').enable_lora(2)
  assert [group.channels for group in sparsity.channel_groups(model)] == [5]
  smaller = sparsity.remove_channels(model, fraction=0.4)
  assert [layer.units for layer in smaller.layers] == [8, 3, 3]
