# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which constants are kernels, which biases belong to them, and which cannot be refitted."""

import numpy as np
import pytest

from model_pruning.calibration.wiring import Wiring
from model_pruning.compat import tf
from tests.calibration import models


def layers_of(build, shape=(None, 6, 6, 2)):
  wiring = Wiring(models.graph_of(build, shape))
  return {layer.weight: layer for layer in wiring.layers(wiring.kernels())}


def test_layers_are_in_the_order_of_the_data_with_their_biases():
  layers = layers_of(models.convnet)
  assert list(layers) == ['conv1/kernel', 'conv2/kernel', 'fc1/kernel', 'fc2/kernel']
  assert not any(layer.reason for layer in layers.values())
  shifts = {name: layer.shift and (layer.shift.constant, layer.shift.sign)
            for name, layer in layers.items()}
  assert shifts == {'conv1/kernel': ('conv1/bias', 1), 'conv2/kernel': ('norm/mean', -1),
                    'fc1/kernel': ('fc1/bias', 1), 'fc2/kernel': None}


def test_a_normalization_of_plain_operations_is_found():
  def build(images, weight):
    x = tf.nn.conv2d(images, weight('kernel', 3, 3, 2, 4), strides=1, padding='SAME')
    return tf.nn.batch_normalization(x, weight('mean', 4), tf.constant(np.ones(4, np.float32)),
                                     weight('beta', 4), weight('gamma', 4), 1e-3)
  layer = layers_of(build)['kernel']
  assert (layer.shift.constant, layer.shift.sign) == ('mean', -1)


@pytest.mark.parametrize('name,build', [
    ('twice', lambda x, kernel: tf.matmul(tf.matmul(x, kernel), kernel)),
    ('tied', lambda x, kernel: tf.matmul(tf.matmul(x, kernel), kernel, transpose_b=True)),
    ('penalty', lambda x, kernel: tf.matmul(x, kernel) + tf.reduce_sum(kernel))])
def test_a_weight_with_several_uses_says_so(name, build):
  layer = layers_of(lambda x, weight: build(x, weight('kernel', 4, 4)), (None, 4))['kernel']
  assert 'used 2 times' in layer.reason


def test_a_weight_with_uses_side_by_side_has_all_of_them_and_their_bias():
  def build(x, weight):
    kernel, bias = weight('kernel', 4, 4), weight('bias', 4)
    left, right = (tf.nn.relu(tf.matmul(each, kernel) + bias) for each in (x, -x))
    return tf.matmul(left, weight('next', 4, 2)) + tf.matmul(right, weight('other', 4, 2))
  layers = layers_of(build, (None, 4))
  assert len(layers['kernel'].ops) == 2 and not layers['kernel'].reason
  assert layers['kernel'].shift.constant == 'bias'
  assert list(layers)[0] == 'kernel'


def test_a_weight_comes_after_the_inputs_of_all_its_uses():
  def build(x, weight):
    kernel = weight('kernel', 4, 4)
    left = tf.matmul(tf.nn.relu(tf.matmul(x, kernel)), weight('next', 4, 4))
    right = tf.matmul(tf.nn.relu(tf.matmul(-x, weight('before', 4, 4))), kernel)
    return left + right
  assert list(layers_of(build, (None, 4))) == ['before', 'kernel', 'next']


def test_a_weight_inside_of_a_loop_says_so():
  def build(x, weight):
    kernel = weight('kernel', 4, 4)
    return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.matmul(y, kernel)),
                         (tf.constant(0), x))[1]
  wiring = Wiring(models.graph_of(build, (None, 4)))
  layer, = wiring.layers(['kernel'])
  assert 'loop' in layer.reason or 'used 2 times' in layer.reason or 'no kernel' in layer.reason


def _looped(x, kernel):
  return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.matmul(y, kernel)),
                       (tf.constant(0), x))[1]


def _chosen(x, kernel):
  return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, kernel), lambda: x)


@pytest.mark.parametrize('build', [
    _looped, _chosen, lambda x, kernel: _looped(x, tf.identity(kernel)),
    lambda x, kernel: _chosen(_looped(x, kernel), kernel),
    lambda x, kernel: tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, _looped(y, kernel)),
                                    (tf.constant(0), x))[1]])
def test_kernels_inside_of_loops_and_branches_are_found_and_have_no_layer(build):
  def with_others(x, weight):
    table = tf.gather(weight('table', 4, 4), [0, 1])  # No kernel.
    state = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.matmul(y, y)),
                          (tf.constant(0), weight('state', 4, 4)))[1]  # Changes in the loop.
    return build(tf.matmul(x, weight('fc/kernel', 4, 4)), weight('inner/kernel', 4, 4)) + (
        tf.reduce_sum(table) + tf.reduce_sum(state))

  wiring = Wiring(models.graph_of(with_others, (None, 4)))
  assert sorted(wiring.kernels()) == ['fc/kernel', 'inner/kernel']
  layers = {layer.weight: layer for layer in wiring.layers(wiring.kernels())}
  assert layers['inner/kernel'].reason and not layers['fc/kernel'].reason


def test_a_bias_that_others_use_too_stays_as_it_is():
  def build(x, weight):
    bias = weight('bias', 4)
    return tf.matmul(x, weight('a', 4, 4)) + bias + tf.matmul(x, weight('b', 4, 4)) * bias
  assert layers_of(build, (None, 4))['a'].shift is None


def test_an_output_that_is_used_before_its_bias_keeps_its_mean():
  def build(x, weight):
    y = tf.matmul(x, weight('kernel', 4, 4))
    return tf.nn.relu(y) + tf.nn.bias_add(y, weight('bias', 4))
  assert layers_of(build, (None, 4))['kernel'].shift is None
