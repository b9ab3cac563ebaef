# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Nets as TensorFlow 1 code writes them, frozen: half of the channels are removed."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.export import freeze
from tests.calibration import models
from tests.channels import checking

SHAPE = (None, 16, 16, 3)


class Net:
  """Layers with variables, and with the normalization of plain operations or the fused one."""

  def __init__(self, fused):
    self._fused = fused
    self._count = 0
    self._rng = np.random.RandomState(3)

  def variable(self, name, *dims, at=0.0):
    fan = max(1, int(np.prod(dims[:-1])))
    value = at + self._rng.randn(*dims) / fan**0.5 * (0.2 if len(dims) == 1 else 1.4)
    return tf.get_variable(name, initializer=value.astype(np.float32))

  def norm(self, x):
    channels = x.shape.as_list()[-1]
    scale, offset, mean = [self.variable(name, channels, at=at) for name, at in (
        ('gamma', 1.0), ('beta', 0.1), ('moving_mean', 0.0))]
    variance = tf.abs(self.variable('moving_variance', channels, at=1.0)) + 0.1
    if self._fused:
      return tf.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)[0]
    return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)

  def conv(self, x, outputs, size=3, strides=1, activation=tf.nn.relu):
    self._count += 1
    with tf.variable_scope('conv%d' % self._count):
      kernel = self.variable('kernel', size, size, x.shape.as_list()[-1], outputs)
      return activation(self.norm(tf.nn.conv2d(x, kernel, strides, 'SAME')))

  def depthwise(self, x, strides=1):
    self._count += 1
    with tf.variable_scope('depthwise%d' % self._count):
      kernel = self.variable('kernel', 3, 3, x.shape.as_list()[-1], 1)
      x = tf.nn.depthwise_conv2d(x, kernel, [1, strides, strides, 1], 'SAME')
      return tf.nn.relu6(self.norm(x))

  def dense(self, x, outputs):
    with tf.variable_scope('dense'):
      return tf.matmul(x, self.variable('kernel', x.shape.as_list()[-1], outputs)) + \
          self.variable('bias', outputs)


def resnet(net, x):
  x = net.conv(x, 8)
  for outputs, strides in ((8, 1), (12, 2), (12, 1)):
    straight = x if strides == 1 and outputs == x.shape.as_list()[-1] else net.conv(
        x, outputs, 1, strides, tf.identity)
    x = tf.nn.relu(straight + net.conv(net.conv(x, outputs, 3, strides), outputs, 3, 1,
                                       tf.identity))
  return net.dense(tf.reduce_mean(x, [1, 2]), 5)


def inception(net, x):
  x = net.conv(x, 8, strides=2)
  for _ in range(2):
    pooled = tf.nn.avg_pool(x, 3, 1, 'SAME')
    x = tf.concat([net.conv(x, 4, 1), net.conv(net.conv(x, 4, 1), 6, 3),
                   net.conv(net.conv(net.conv(x, 4, 1), 6, 3), 6, 3), net.conv(pooled, 4, 1)], 3)
  x = tf.concat([net.conv(x, 6, 3, 2), tf.nn.max_pool(x, 3, 2, 'SAME')], 3)
  return net.dense(tf.reshape(x, [-1, int(np.prod(x.shape.as_list()[1:]))]), 5)


def mobilenet(net, x):
  x = net.conv(x, 8, strides=2, activation=tf.nn.relu6)
  for outputs, strides in ((8, 1), (10, 2), (10, 1)):
    y = net.conv(x, 3 * x.shape.as_list()[-1], 1, activation=tf.nn.relu6)
    y = net.conv(net.depthwise(y, strides), outputs, 1, activation=tf.identity)
    x = x + y if y.shape.as_list() == x.shape.as_list() else y
  return net.dense(tf.reduce_mean(x, [1, 2]), 5)


def pyramid(net, x):
  """A feature pyramid with a head that all levels share."""
  levels = [net.conv(x, 6, strides=2)]
  for outputs in (8, 10):
    levels.append(net.conv(levels[-1], outputs, strides=2))
  top, heads = None, []
  shared = net.variable('shared/kernel', 3, 3, 8, 4), net.variable('shared/scores', 1, 1, 4, 2)
  for level in reversed(levels):
    y = net.conv(level, 8, 1)
    if top is not None:
      y += tf.image.resize_nearest_neighbor(top, y.shape.as_list()[1:3])
    top = y
    head = tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(y, shared[0], 1, 'SAME')), shared[1], 1, 'SAME')
    heads.append(tf.reshape(head, [-1, int(np.prod(head.shape.as_list()[1:3])), 2]))
  return tf.concat(heads, 1)


# The groups of channels of each: numbers of them by the number of channels.
NETS = {
    resnet: [8, 8, 12, 12, 12], mobilenet: [8, 8 * 3, 8 * 3, 10, 10 * 3],
    inception: [8] + [4, 4, 6, 4, 6, 6, 4] * 2 + [6], pyramid: [4, 6, 8, 8, 10]}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('fused', [True, False])
@pytest.mark.parametrize('build', list(NETS))
def test_half_of_the_channels_of_a_net_are_removed(build, fused):
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, SHAPE, 'images')
    tf.identity(build(Net(fused), x), 'outputs')
    session.run(tf.global_variables_initializer())
    graph_def = freeze.graph_def_from_session(session, ['outputs'])
  channels, smaller = checking.check(graph_def, models.inputs((4,) + SHAPE[1:]))
  assert sorted(group.channels for group in channels.groups) == sorted(NETS[build])
  assert smaller.bytes[1] < 0.4 * smaller.bytes[0] and smaller.flops[1] < 0.5 * smaller.flops[0]
