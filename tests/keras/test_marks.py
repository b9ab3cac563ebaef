# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels that go through layers and functions with sizes as arguments."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from tests.keras.test_removal import examples_of
from tests.keras.test_removal import half_of
from tests.keras.test_removal import hide
from tests.keras.test_removal import randomized

pytestmark = pytest.mark.legacy_keras

layers = keras.layers


def between(function, channels=16):
  """Returns a model with a function of the feature maps of its first layer."""
  inputs = keras.Input((6, 6, 3))
  x = function(layers.Conv2D(channels, 3, padding='same', name='first')(inputs))
  x = layers.Conv2D(8, 3, name='second')(x)
  return keras.Model(inputs, layers.Dense(4, name='last')(layers.GlobalAveragePooling2D()(x)))


def shuffled(groups):
  """Returns a model with the shuffle of channels between groups that ShuffleNet has."""
  def shuffle(x):
    x = layers.Reshape((6, 6, groups, 16 // groups))(x)
    return layers.Reshape((6, 6, 16))(layers.Permute((1, 2, 4, 3))(x))

  return between(shuffle)


def reshaped_twice():
  return between(lambda x: layers.Reshape((6, 6, 16))(layers.Reshape((6, 6, 4, 4))(x)))


def positions():
  """Returns a model that unites the positions of a feature map, and leaves their number open."""
  return between(lambda x: layers.Reshape((6, 6, 16))(layers.Dense(16, name='middle')(
      layers.Reshape((-1, 16))(x))))


def attention(heads, width):
  inputs = keras.Input((7, 10))

  def split(name):
    x = layers.Dense(heads * width, name=name)(inputs)
    return layers.Permute((2, 1, 3))(layers.Reshape((7, heads, width))(x))

  def attend(tensors):
    query, key, value = tensors
    scores = tensorflow.matmul(query, key, transpose_b=True)
    return tensorflow.matmul(tensorflow.nn.softmax(scores), value)

  x = layers.Lambda(attend)([split(name) for name in 'qkv'])
  x = layers.Reshape((7, heads * width))(layers.Permute((2, 1, 3))(x))
  return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def gated():
  def gate(x):
    one, other = (keras.ops.split if backend.IS_KERAS_3 else tensorflow.split)(x, 2, axis=-1)
    return one * other

  return between(gate)


def scaled():
  return between(layers.Lambda(lambda x: 2 * x))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', [
    lambda: shuffled(4), lambda: shuffled(2), reshaped_twice, positions, gated, scaled,
    lambda: attention(4, 4), lambda: attention(2, 6), lambda: attention(6, 2)],
    ids=['4 groups', '2 groups', 'reshaped twice', 'positions', 'gated', 'scaled', '4 heads of 4',
         '2 heads of 6', '6 heads of 2'])
def test_sizes_follow_the_channels(make):
  model = randomized(make())
  remove = half_of(sparsity.channel_groups(model))
  assert len(remove) >= (1 if 'q' in {layer.name for layer in model.layers} else 2)
  smaller = sparsity.remove_channels(model, remove=remove)
  examples = examples_of(model)
  hide(model, remove)
  expected = model.predict(examples, verbose=0)
  np.testing.assert_allclose(smaller.predict(examples, verbose=0), expected, rtol=1e-4,
                             atol=1e-4 * np.abs(expected).max())
  assert smaller.count_params() < 0.75 * model.count_params()


def sliced():
  return between(lambda x: x[..., 4:12])


def of_a_fixed_size():
  return between(layers.Lambda(lambda x: tensorflow.reshape(x, (-1, 6, 6, 16))))


def unequal():
  if backend.IS_KERAS_3:
    return between(lambda x: keras.ops.split(x, [4], axis=-1)[1])
  return between(lambda x: tensorflow.split(x, [4, 12], axis=-1)[1])


@pytest.mark.skipif(not backend.IS_KERAS_3, reason='Keras 2 does not look at it')
def test_the_shape_of_a_result_is_an_argument_too():
  for shape, groups in ((6, 6, 16), 1), (lambda shape: shape, 2):
    model = between(layers.Lambda(lambda x: 2 * x, output_shape=shape))
    assert len(sparsity.channel_groups(model)) == groups
    assert sparsity.remove_channels(model, fraction=0.5).get_layer('second').filters == 4


def one_layer_twice():
  """Returns a model with one layer that reshapes two kinds of feature maps."""
  reshape = layers.Reshape((36, 16))

  def both(x):
    other = layers.Conv2D(16, 3, padding='same', name='other', use_bias=False)(x)
    x = layers.Concatenate()([reshape(x), reshape(other)])
    return layers.Reshape((6, 6, 32))(x)

  return between(both)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', [sliced, of_a_fixed_size, unequal])
def test_channels_stay_whose_number_is_written_into_a_function(make):
  model = randomized(make())
  assert [group.name for group in sparsity.channel_groups(model)] == ['second/kernel']
  smaller = sparsity.remove_channels(model, fraction=0.5)
  assert smaller.get_layer('first').filters == 16
  assert smaller.get_layer('second').filters == 4
  pruned = sparsity.prune_low_magnitude(
      model, 'channel_pruning=true,target_sparsity=0.5,initial_sparsity=0.5')
  pruned.compile('sgd', 'mse')
  examples = examples_of(model)
  pruned.fit(examples, np.zeros((3, 4), np.float32), verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels(sparsity.strip_pruning(pruned))
  np.testing.assert_allclose(smaller.predict(examples, verbose=0),
                             pruned.predict(examples, verbose=0), rtol=1e-4, atol=1e-4)


def test_all_calls_of_a_layer_that_reshapes_need_the_same_target():
  model = randomized(one_layer_twice())
  assert [group.name for group in sparsity.channel_groups(model)] == ['second/kernel']
  smaller = sparsity.remove_channels(model, fraction=0.5)
  assert smaller.get_layer('second').filters == 4
