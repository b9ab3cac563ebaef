# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""Maps whose keys name layers that a later model with some of the layers lacks."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tensorflow

pytestmark = pytest.mark.skipif(
    tensorflow.__version__.startswith('1.'), reason='The Keras API needs TensorFlow 2')
if not tensorflow.__version__.startswith('1.'):
  from model_pruning import keras as sparsity
  from model_pruning.keras.backend import keras

X = np.random.RandomState(0).rand(16, 8).astype('float32')
Y = (X[:, 0] > .5).astype('float32')[:, None]


def _pruned(hparams, build=True):
  model = keras.Sequential([keras.layers.Dense(8, name='a'), keras.layers.Dense(8, name='b'),
                            keras.layers.Dense(1, name='c')])
  if build:
    model.build((None, 8))
  return sparsity.prune_low_magnitude(
      model, sparsity.ConstantSparsity(0.5, 0, frequency=1), hparams=hparams)


def _head(model):
  """Returns a model with the layers a and b of another one, and a new layer."""
  inputs = keras.Input((8,))
  x = model.get_layer('b')(model.get_layer('a')(inputs))
  return keras.Model(inputs, keras.layers.Dense(1, name='new')(x))


def _fit(model):
  model.compile('sgd', 'mse')
  model.fit(X, Y, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  return [float(np.mean(np.asarray(layer.kernel) == 0)) for layer in model.layers
          if hasattr(layer, 'kernel')]


@pytest.mark.sampled(2)
@pytest.mark.parametrize('hparams', [
    'weight_sparsity_map=[c:0.0]', 'weight_sparsity_map=[c/k:0.0,a/k:0.25]',
    'block_dims_map=[c:2x1]'])
@pytest.mark.parametrize('trained', [False, True])
def test_layers_train_in_a_model_that_lacks_others_of_their_map(hparams, trained):
  model = _pruned(hparams)
  if trained:
    _fit(model)
  assert _fit(_head(model)) == [0.25 if 'a/' in hparams else 0.5, 0.5, 0]


def test_they_can_be_pruned_further():
  head = _head(_pruned('weight_sparsity_map=[c:0.0]'))
  assert _fit(sparsity.prune_low_magnitude(head, sparsity.ConstantSparsity(0.75, 0, frequency=1)
                                           )) == [0.5, 0.5, 0.75]


def test_a_clone_and_a_loaded_model_may_be_a_part(tmp_path):
  head = _head(_pruned('weight_sparsity_map=[c:0.0]'))
  head.compile('sgd', 'mse')
  assert _fit(keras.models.clone_model(head)) == [0.5, 0.5, 0]
  path = str(tmp_path / 'head.keras')
  head.save(path)
  assert _fit(keras.models.load_model(path)) == [0.5, 0.5, 0]


def test_a_part_of_a_loaded_model_trains(tmp_path):
  path = str(tmp_path / 'model.keras')
  model = _pruned('weight_sparsity_map=[c:0.0]')
  model.compile('sgd', 'mse')
  model.save(path)
  assert _fit(_head(keras.models.load_model(path))) == [0.5, 0.5, 0]


@pytest.mark.parametrize('build', [True, False])
def test_a_key_that_matches_nothing_is_an_error_in_its_own_model(build):
  with pytest.raises(errors.MapError, match="key 'd' matches no masked weight.*a/kernel"):
    _fit(_pruned('weight_sparsity_map=[d:0.0]', build))


def test_two_keys_that_match_one_weight_are_an_error():
  with pytest.raises(errors.MapError, match='a/kernel'):
    _pruned('weight_sparsity_map=[a/k:0.1,a/kernel:0.2]')
