# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A model that is pruned in place and a copy that is pruned are the same, bit for bit."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras


def _twins(make):
  """Returns two models with the same names and weights."""
  models = []
  for _ in range(2):
    keras.backend.clear_session()  # Names start anew.
    models.append(make())
  models[1].set_weights(models[0].get_weights())
  return models


def _trained(model, data, in_place, run_eagerly=False, **kwargs):
  """Prunes and trains a model; returns the results of training, and the model."""
  dense = zoo.values(model)
  pruned = sparsity.prune_low_magnitude(
      model, sparsity.PolynomialDecay(0.1, 0.7, begin_step=0, end_step=5, frequency=2),
      in_place=in_place, **kwargs)
  assert (pruned is model) == in_place
  if not in_place:  # What was passed is left as it is.
    assert not pruned_layers(model)
    for before, after in zip(dense, zoo.values(model)):
      np.testing.assert_array_equal(after, before)
  keras.utils.set_random_seed(21)
  zoo.compiled(pruned, keras.optimizers.Adam(0.01), run_eagerly=run_eagerly)
  losses = pruned.fit(*data, batch_size=8, epochs=2, verbose=0,
                      callbacks=[sparsity.UpdatePruningStep()]).history['loss']
  return losses, pruned


def _check_same(one, other, x):
  (losses, copy), (others, same) = one, other
  assert losses == others
  assert [layer.name for layer in copy.layers] == [layer.name for layer in same.layers]
  for left, right in zip(pruned_layers(copy), pruned_layers(same)):
    assert left.name == right.name and left.get_config() == right.get_config()
    for name, variable in left.pruning.variables().items():
      np.testing.assert_array_equal(variable.numpy(), right.pruning.variables()[name].numpy())
  assert len(pruned_layers(copy)) == len(pruned_layers(same)) > 0
  assert len(copy.get_weights()) == len(same.get_weights())
  for left, right in zip(copy.get_weights(), same.get_weights()):
    np.testing.assert_array_equal(left, right)
  np.testing.assert_array_equal(copy.predict(x, verbose=0), same.predict(x, verbose=0))

  stripped = sparsity.strip_pruning(copy, in_place=False), sparsity.strip_pruning(
      same, in_place=True)
  assert stripped[0] is not copy and stripped[1] is same
  assert pruned_layers(copy) and not pruned_layers(stripped[0]) and not pruned_layers(same)
  for left, right in zip(*(each.get_weights() for each in stripped)):
    np.testing.assert_array_equal(left, right)
  np.testing.assert_array_equal(*(each.predict(x, verbose=0) for each in stripped))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', legs.few([
    'SeparableConv2D', 'Conv2D', 'Embedding', 'LSTM', 'RNN_of_cells', 'MultiHeadAttention',
    'PrunableLayer', 'block_of_layers'], 3, 'newest'))
def test_in_place_and_copied_are_the_same_bit_for_bit(name):
  data, (one, other) = zoo.data_of(name), _twins(lambda: zoo.model_of(name))
  _check_same(_trained(one, data, in_place=False), _trained(other, data, in_place=True), data[0])


@pytest.mark.sampled(2)
@pytest.mark.parametrize('settings', [
    {'block_size': (4, 2), 'block_pooling_type': 'MAX'}, {'sparsity_m_by_n': (2, 4)},
    {'hparams': 'global_pruning=true'}], ids=['blocks', 'm_by_n', 'global'])
def test_they_are_the_same_whatever_is_pruned_of_the_weights(settings):
  data, (one, other) = zoo.data_of('Dense'), _twins(lambda: zoo.model_of('Dense'))
  _check_same(_trained(one, data, in_place=False, **settings),
              _trained(other, data, in_place=True, **settings), data[0])


@pytest.mark.slow
@pytest.mark.legs()
@pytest.mark.parametrize('family, arguments', [
    ('MobileNet', {'alpha': 0.25, 'dropout': 0.0}), ('ResNet50V2', {})])
def test_they_are_the_same_of_real_architectures(family, arguments):
  random = np.random.RandomState(4)
  data = random.uniform(size=(16, 32, 32, 3)).astype(np.float32), random.randint(0, 4, 16)
  one, other = _twins(lambda: getattr(keras.applications, family)(
      weights=None, input_shape=(32, 32, 3), classes=4, **arguments))
  # Eagerly: four steps take less time than building their graph.
  _check_same(_trained(one, data, in_place=False, run_eagerly=True),
              _trained(other, data, in_place=True, run_eagerly=True), data[0])
