# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Every layer that is pruned, through everything that happens to a model."""

import os
from typing import Any, NamedTuple

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs
from tests.keras import zoo

pytestmark = [pytest.mark.legacy_keras, pytest.mark.slow]

# Four batches of 8 an epoch; the target of 0.75 is reached at batch 6, in the second.
SCHEDULE = sparsity.PolynomialDecay(0.0, 0.75, begin_step=0, end_step=6, frequency=2)


def fit(model, name, first, folder):
  x, y = zoo.data_of(name, 32)
  model.fit(x, y, batch_size=8, epochs=2, initial_epoch=first, shuffle=False, verbose=0,
            callbacks=[keras.callbacks.ModelCheckpoint(os.path.join(folder, '{epoch}.keras')),
                       sparsity.UpdatePruningStep()])


class Trained(NamedTuple):
  """A model trained for two epochs, and the folder with the one of each."""
  name: str
  model: Any
  folder: str


# With Keras 2 every second layer; `make test-all` has all of them.
@pytest.fixture(scope='module', params=legs.few(
    sorted(zoo.CASES), len(zoo.CASES) // 2, 'default', 'newest'))
def trained(request, tmp_path_factory):
  # Eagerly, as building a graph takes longer than the few batches.
  model = zoo.compiled(sparsity.prune_low_magnitude(zoo.model_of(request.param), SCHEDULE),
                       run_eagerly=True)
  folder = str(tmp_path_factory.mktemp('models'))
  fit(model, request.param, 0, folder)
  return Trained(request.param, model, folder)


def zeros_asked(size):
  return size - max(1, int(np.rint(np.float32(size) * (np.float32(1) - np.float32(0.75)))))


@pytest.mark.sampled(2)
def test_each_weight_gets_the_asked_zeros_exactly(trained):
  layers = pruned_layers(trained.model)
  assert len(layers[0].pruning.weights) == zoo.CASES[trained.name].weights
  for weight in [weight for layer in layers for weight in layer.pruning.weights]:
    value = np.asarray(weight.weight)
    assert np.sum(value == 0) == zeros_asked(value.size), weight.name
    assert np.array_equal(value != 0, np.asarray(weight.mask) == 1), weight.name


@pytest.mark.sampled(1)
def test_stripping_changes_no_output_and_leaves_plain_layers(trained):
  before = zoo.values(trained.model)
  stripped = sparsity.strip_pruning(trained.model)
  x, _ = zoo.data_of(trained.name)
  plain = zoo.model_of(trained.name)
  assert [type(layer) for layer in stripped.layers] == [type(layer) for layer in plain.layers]
  assert len(stripped.weights) == len(plain.weights)
  np.testing.assert_array_equal(stripped(x), trained.model(x))
  for value, now in zip(before, zoo.values(trained.model)):
    np.testing.assert_array_equal(value, now)


@pytest.mark.sampled(1)
def test_a_saved_model_goes_on_as_if_it_had_not_stopped(trained, tmp_path):
  read = keras.models.load_model(os.path.join(trained.folder, '1.keras'))
  read.run_eagerly = True
  fit(read, trained.name, 1, str(tmp_path))
  assert len(trained.model.weights) == len(read.weights)
  for weight, expected, value in zip(read.weights, zoo.values(trained.model), zoo.values(read)):
    np.testing.assert_array_equal(expected, value, weight.name)


@pytest.mark.sampled(2)
def test_prediction_and_evaluation_change_no_variable(trained):
  before = zoo.values(trained.model)
  x, y = zoo.data_of(trained.name)
  trained.model.predict(x, verbose=0)
  trained.model.evaluate(x, y, verbose=0)
  for value, now in zip(before, zoo.values(trained.model)):
    np.testing.assert_array_equal(value, now)


def test_depthwise_convolutions_are_passed_through():
  model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.DepthwiseConv2D(3),
                            keras.layers.Flatten(), keras.layers.Dense(4)])
  model = sparsity.prune_low_magnitude(model)
  assert [layer.plain_class for layer in pruned_layers(model)] == [keras.layers.Dense]


def test_of_separable_convolutions_the_pointwise_kernel_is_pruned():
  model = sparsity.prune_low_magnitude(zoo.model_of('SeparableConv2D'))
  assert [variables.variable_name(weight.weight).split('/')[-1]
          for weight in pruned_layers(model)[0].pruning.weights] == ['pointwise_kernel']
