# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""The nets that benchmarks prune: trained once, then read; images and patches as said."""

import os

import numpy as np
import pytest

from model_pruning.compat import tensorflow as tf

if tf.__version__.startswith('1.'):
  pytest.skip('Keras models are pruned on TensorFlow 2', allow_module_level=True)

from benchmarks import nets
from examples.digits import data as data_lib

pytestmark = pytest.mark.slow

_KERNELS = {'convnet': 9 * 32 + 9 * 32 * 64 + 1600 * 256 + 2560, 'digits': 19200 + 30000 + 1000}


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['digits', 'transformer'])
def test_a_net_is_trained_once_for_each_seed(name, tmp_path, monkeypatch):
  net, data = nets.trained(name, 1, str(tmp_path), epochs=2)
  (file,) = os.listdir(str(tmp_path))
  assert file.startswith(name + '-epochs2-keras') and file.endswith('-seed1.npz')
  accuracy = nets.accuracy(net, data.x_test, data.y_test)
  assert accuracy > 0.3  # 0.1 is chance.
  assert nets.compiled(net).evaluate(data.x_test, data.y_test, verbose=0)[1] == pytest.approx(
      accuracy)

  monkeypatch.setattr(nets, 'fit', None)  # It is not called again.
  again, _ = nets.trained(name, 1, str(tmp_path), epochs=2)
  for first, second in zip(net.get_weights(), again.get_weights()):
    np.testing.assert_array_equal(first, second)
  with pytest.raises(TypeError):
    nets.trained(name, 2, str(tmp_path), epochs=2)


@pytest.mark.parametrize('name', sorted(nets.NETS))
def test_a_seed_decides_a_net(name):
  shape = {'convnet': (28, 28, 1), 'residual': (28, 28, 1), 'digits': (64,),
           'transformer': (16, 20)}[name]
  first, same, other = (nets.build(name, shape, seed) for seed in (3, 3, 4))
  assert first.output_shape == (None, 10)
  kernels = [weight for weight in first.get_weights() if weight.ndim > 1]
  assert sum(kernel.size for kernel in kernels) == _KERNELS.get(
      name, sum(kernel.size for kernel in kernels))
  np.testing.assert_array_equal(kernels[0], same.get_weights()[0])
  assert np.any(kernels[0] != other.get_weights()[0])


def test_patches_say_where_they_are():
  images = np.arange(2 * 8 * 8, dtype=np.float32).reshape([2, 8, 8, 1])
  found = nets.patches(images)
  assert found.shape == (2, 16, 20) and found.dtype == np.float32
  np.testing.assert_array_equal(found[0, 0, :4], [0, 1, 8, 9])
  np.testing.assert_array_equal(found[1, 5, :4], 64 + np.array([18, 19, 26, 27]))
  np.testing.assert_array_equal(found[1, :, 4:], np.eye(16))


def test_labels_belong_to_the_images():
  data = nets.data_of('digits')
  assert data.x_train.shape == (1348, 64) and data.y_test.dtype == np.int32
  loaded = data_lib.load('digits')
  np.testing.assert_array_equal(data.x_test[7], loaded.test_images[7].ravel())
