# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Real architectures are pruned, trained and stripped."""

import ctypes
import gc
import sys

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs

pytestmark = pytest.mark.legacy_keras

# One of each family of keras.applications, with the smallest images it takes, and arguments.
_SLOW = {
    'EfficientNetV2B0': (32, {}),
    'ResNet50V2': (32, {}),
    'InceptionV3': (75, {}),
    'Xception': (71, {}),
    'VGG16': (32, {'include_top': False, 'pooling': 'avg'}),
    'NASNetMobile': (32, {}),
    'ConvNeXtTiny': (32, {}),
}
_FAST = {
    'MobileNet': (32, {'alpha': 0.25}),
    'MobileNetV2': (32, {'alpha': 0.35}),
    'MobileNetV3Small': (32, {'alpha': 0.75, 'minimalistic': True}),
}


@pytest.fixture(autouse=True)
def one_model_in_memory():
  yield
  keras.backend.clear_session()
  gc.collect()
  if sys.platform == 'linux':  # Else the C library keeps hundreds of megabytes of freed weights.
    getattr(ctypes.CDLL(None), 'malloc_trim', bool)(0)


@pytest.mark.slow
@pytest.mark.legs()
@pytest.mark.parametrize('name, kernels', [
    ('ResNet50', 54), ('MobileNetV2', 36), ('EfficientNetB0', 66), ('DenseNet121', 121)])
def test_an_architecture_is_wrapped_trained_stripped_and_as_sparse_as_asked(name, kernels):
  keras.utils.set_random_seed(7)
  model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=10)
  _check(model, kernels, 10)


# CI leaves the large ones to `make test-all`.
@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', [*legs.few(list(_FAST), 1, 'newest'), *[
    pytest.param(name, marks=[pytest.mark.slow, pytest.mark.legs()]) for name in _SLOW]])
def test_a_family_is_pruned_trained_and_stripped(name):
  size, arguments = {**_FAST, **_SLOW}[name]
  keras.utils.set_random_seed(8)
  outputs = 512 if 'pooling' in arguments else 6
  if 'pooling' not in arguments:
    arguments = dict(arguments, classes=outputs)
  model = getattr(keras.applications, name)(
      weights=None, input_shape=(size, size, 3), **arguments)
  # Depthwise kernels are left dense, and so are those that scale.
  kernels = sum(type(layer).__name__ in ('Conv2D', 'Dense', 'SeparableConv2D')
                for layer in _leaves(model))
  _check(model, kernels, outputs)


@pytest.mark.slow
@pytest.mark.legs()
def test_a_convnext_of_few_blocks_is_pruned_trained_and_stripped(monkeypatch):
  """As ConvNeXtTiny above, in less than 2 GB."""
  build = keras.applications.ConvNeXtTiny
  configs = sys.modules[build.__module__].MODEL_CONFIGS
  monkeypatch.setitem(configs, 'tiny', dict(
      configs['tiny'], depths=[1, 2, 1, 1], projection_dims=[24, 48, 96, 192]))
  keras.utils.set_random_seed(8)
  model = build(weights=None, input_shape=(32, 32, 3), classes=6)
  kernels = sum(type(layer).__name__ in ('Conv2D', 'Dense') for layer in _leaves(model))
  assert kernels >= 15
  _check(model, kernels, 6)


def _leaves(layer):
  inner = getattr(layer, 'layers', None)
  return [layer] if inner is None else [leaf for each in inner for leaf in _leaves(each)]


def test_twelve_families_are_tried():
  assert len(_FAST) + len(_SLOW) + 3 >= 12  # MobileNetV2 is in both tests.


def _check(model, kernels, classes):
  pruned = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.8, 0, frequency=1))
  # Eagerly: two steps take less time than building their graph.
  pruned.compile(keras.optimizers.SGD(1e-3), 'sparse_categorical_crossentropy', run_eagerly=True)
  random = np.random.RandomState(1)
  images = random.uniform(size=(4, *model.input_shape[1:])).astype(np.float32)
  pruned.fit(images, random.randint(0, classes, 4), batch_size=2, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])

  masks = {id(weight.weight): np.asarray(weight.mask) for layer in pruned_layers(pruned)
           for weight in layer.pruning.weights}
  added = {id(variable) for layer in pruned_layers(pruned)
           for variable in layer.pruning.variables().values()}
  assert len(masks) == kernels
  plain = [(id(weight), weight.name, np.array(weight)) for weight in pruned.weights
           if id(weight) not in added]
  outputs = np.asarray(pruned(images))

  stripped = sparsity.strip_pruning(pruned)
  assert not pruned_layers(stripped)
  assert [weight.shape for weight in stripped.weights] == [weight.shape for weight in model.weights]
  assert len(plain) == len(stripped.weights)
  np.testing.assert_array_equal(np.asarray(stripped(images)), outputs)
  for (identity, name, weight), copy in zip(plain, stripped.weights):
    value = np.asarray(copy)
    np.testing.assert_array_equal(value, weight)
    if identity in masks:
      keep = max(1, int(np.rint(np.float32(value.size) * (np.float32(1) - np.float32(0.8)))))
      # Of two million weights a step of training may well take one to zero that is kept.
      assert np.count_nonzero(masks[identity]) == keep, name
      assert keep - 3 <= np.count_nonzero(value) <= keep, name
      assert not np.any(value[masks[identity] == 0]), name
