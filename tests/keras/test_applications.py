# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Real architectures are pruned, trained and stripped."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers

pytestmark = [pytest.mark.legacy_keras, pytest.mark.slow]


@pytest.mark.parametrize('name, kernels', [
    ('MobileNetV2', 36), ('ResNet50', 54), ('EfficientNetB0', 66), ('DenseNet121', 121)])
def test_an_architecture_is_wrapped_trained_stripped_and_as_sparse_as_asked(name, kernels):
  keras.utils.set_random_seed(7)
  model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=10)
  pruned = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.8, 0, frequency=1))
  # Eagerly: two steps take less time than building their graph.
  pruned.compile(keras.optimizers.SGD(1e-3), 'sparse_categorical_crossentropy', run_eagerly=True)
  random = np.random.RandomState(1)
  pruned.fit(random.uniform(size=(4, 32, 32, 3)), random.randint(0, 10, 4), batch_size=2, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])

  stripped = sparsity.strip_pruning(pruned)
  assert [weight.shape for weight in stripped.weights] == [weight.shape for weight in model.weights]
  masks = {id(weight.weight): np.asarray(weight.mask) for layer in pruned_layers(pruned)
           for weight in layer.pruning.weights}
  added = {id(variable) for layer in pruned_layers(pruned)
           for variable in layer.pruning.variables().values()}
  assert len(masks) == kernels
  plain = [weight for weight in pruned.weights if id(weight) not in added]
  assert len(plain) == len(stripped.weights)
  for weight, copy in zip(plain, stripped.weights):
    value = np.asarray(copy)
    np.testing.assert_array_equal(value, np.asarray(weight))
    if id(weight) in masks:
      keep = max(1, int(np.rint(np.float32(value.size) * (np.float32(1) - np.float32(0.8)))))
      # Of two million weights a step of training may well take one to zero that is kept.
      assert np.count_nonzero(masks[id(weight)]) == keep, weight.name
      assert keep - 3 <= np.count_nonzero(value) <= keep, weight.name
      assert not np.any(value[masks[id(weight)] == 0]), weight.name
