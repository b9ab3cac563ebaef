# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Random graphs: half of the channels of each group are masked, removed, and nothing changes."""

import numpy as np
import pytest

from model_pruning.channels import analysis
from model_pruning.compat import tf
from tests import oracle
from tests.calibration import models
from tests.channels import checking

SHAPE = (None, 8, 8, 3)


class Builder:
  """Draws operations on images, which may branch and meet again."""

  def __init__(self, rng, weight):
    self.rng = rng
    self._weight = weight
    self.count = 0

  def weight(self, *dims):
    self.count += 1
    return self._weight('w%d' % self.count, *dims)

  def conv(self, x, outputs=None, size=None, strides=1):
    outputs = outputs or int(self.rng.randint(2, 9))
    size = size or int(self.rng.choice([1, 3]))
    x = tf.nn.conv2d(x, self.weight(size, size, x.shape.as_list()[-1], outputs), strides, 'SAME')
    return tf.nn.bias_add(x, self.weight(outputs)) if self.rng.rand() < 0.5 else x

  def step(self, x):
    """Returns one random operation of images [batch, height, width, channels]."""
    operations = (self.conv, self.conv, self.activation, self.norm, self.depthwise, self.residual,
                  self.concat, self.excite, self.pool, self.split, self.shuffle, self.first,
                  self.transposed, self.attention, self.cut, self.pixels, self.dense, self.resize,
                  self.separate, self.gather, self.padded, self.dilated)
    return operations[self.rng.randint(len(operations))](x)

  def activation(self, x):
    return [tf.nn.relu, tf.tanh, tf.nn.elu, tf.nn.leaky_relu, tf.nn.selu, tf.nn.relu6,
            lambda x: x * tf.sigmoid(x), tf.abs][self.rng.randint(8)](x)

  def norm(self, x):
    channels = x.shape.as_list()[-1]
    variance = tf.abs(self.weight(channels)) + 0.5
    vectors = [self.weight(channels) for _ in range(3)]
    if self.rng.rand() < 0.5:
      return tf.nn.batch_normalization(x, vectors[0], variance, vectors[1], vectors[2], 1e-3)
    return tf.nn.fused_batch_norm(x, vectors[0], vectors[1], vectors[2], variance,
                                  is_training=False)[0]

  def depthwise(self, x):
    kernel = self.weight(3, 3, x.shape.as_list()[-1], int(self.rng.randint(1, 3)))
    return tf.nn.depthwise_conv2d(x, kernel, [1] * 4, 'SAME')

  def residual(self, x):
    inner = self.activation(self.conv(x))
    return x + self.conv(inner, x.shape.as_list()[-1])

  def concat(self, x):
    parts = [x, self.conv(x), self.activation(x)]
    return tf.concat(parts[:self.rng.randint(2, 4)], 3)

  def excite(self, x):
    channels = x.shape.as_list()[-1]
    pooled = tf.reduce_mean(x, [1, 2], keepdims=self.rng.rand() < 0.5)
    inner = tf.nn.relu(tf.matmul(tf.reshape(pooled, [-1, channels]), self.weight(channels, 3)))
    scale = tf.sigmoid(tf.matmul(inner, self.weight(3, channels)))
    return x * scale[:, tf.newaxis, tf.newaxis]

  def pool(self, x):
    function = tf.nn.max_pool if self.rng.rand() < 0.5 else tf.nn.avg_pool
    return function(x, 3, 1, 'SAME')

  def split(self, x):
    channels = x.shape.as_list()[-1]
    if channels % 2:
      return x
    left, right = tf.split(x, 2, 3)
    return left * tf.tanh(right) if self.rng.rand() < 0.5 else tf.concat([right, left], 3)

  def shuffle(self, x):
    channels = x.shape.as_list()[-1]
    if channels % 2:
      return x
    x = tf.reshape(x, [-1, 8, 8, 2, channels // 2])
    return tf.reshape(tf.transpose(x, [0, 1, 2, 4, 3]), [-1, 8, 8, channels])

  def first(self, x):
    x = tf.transpose(x, [0, 3, 1, 2])
    x = self.activation(tf.nn.bias_add(x, self.weight(x.shape.as_list()[1]), data_format='NCHW'))
    return tf.transpose(x, [0, 2, 3, 1])

  def transposed(self, x):
    outputs = int(self.rng.randint(2, 7))
    return tf.nn.conv2d_transpose(
        x, self.weight(3, 3, outputs, x.shape.as_list()[-1]),
        tf.stack([tf.shape(x)[0], 8, 8, outputs]), strides=1)

  def attention(self, x):
    heads, size = self.rng.randint(2, 4, size=2)
    x = tf.reshape(x, [-1, 64, x.shape.as_list()[-1]])
    def project():
      y = tf.tensordot(x, self.weight(x.shape.as_list()[-1], heads * size), [[2], [0]])
      return tf.transpose(tf.reshape(y, [-1, 64, heads, size]), [0, 2, 1, 3])
    scores = tf.nn.softmax(tf.matmul(project(), project(), transpose_b=True))
    y = tf.reshape(tf.transpose(tf.matmul(scores, project()), [0, 2, 1, 3]),
                   [-1, 8, 8, heads * size])
    return y

  def cut(self, x):
    channels = x.shape.as_list()[-1]
    if channels < 4:
      return x
    return x[..., 1:-1] if self.rng.rand() < 0.5 else tf.slice(x, [0] * 4, [-1, 8, 8, channels - 1])

  def pixels(self, x):
    return tf.depth_to_space(tf.space_to_depth(x, 2), 2)

  def dense(self, x):
    outputs = int(self.rng.randint(2, 8))
    return tf.tensordot(x, self.weight(x.shape.as_list()[-1], outputs), [[3], [0]])

  def resize(self, x):
    return tf.image.resize_nearest_neighbor(tf.image.resize_bilinear(x, [4, 4]), [8, 8])

  def separate(self, x):
    return tf.add_n([self.activation(x) for _ in range(3)])

  def gather(self, x):
    channels = x.shape.as_list()[-1]
    return tf.gather(x, self.rng.randint(0, channels, size=int(self.rng.randint(2, 7))), axis=3)

  def padded(self, x):
    return tf.pad(x, [[0, 0], [1, 0], [0, 1], [0, 0]])[:, 1:, :8]

  def dilated(self, x):
    x = self.conv(tf.space_to_batch_nd(x, [2, 2], [[0, 0], [0, 0]]))
    return tf.batch_to_space_nd(x, [2, 2], [[0, 0], [0, 0]])

  def end(self, x):
    outputs = int(self.rng.randint(1, 4))
    if self.rng.rand() < 0.5:
      x = tf.reshape(x, [-1, 64 * x.shape.as_list()[-1]])
    else:
      x = tf.reduce_mean(x, [1, 2])
    x = tf.nn.relu(tf.matmul(x, self.weight(x.shape.as_list()[-1], 5)) + self.weight(5))
    return tf.matmul(x, self.weight(5, outputs)) + tf.constant(np.arange(outputs, dtype=np.float32))


def graph_of(seed):
  rng = np.random.RandomState(seed)
  def build(x, weight):
    builder = Builder(rng, weight)
    x = builder.conv(x)
    for _ in range(rng.randint(1, 8)):
      x = builder.step(x)
    return builder.end(x)
  return models.graph_of(build, SHAPE, seed)


@pytest.mark.sampled(10)
@pytest.mark.parametrize('seed', range(oracle.soak(100)))
def test_half_of_the_channels_of_a_random_graph_are_removed(seed):
  graph_def = graph_of(seed)
  images = models.inputs((3,) + SHAPE[1:], seed=seed)
  groups = analysis.analyse(graph_def, ['outputs']).groups
  remove = checking.half(groups)
  zeroed = checking.masked(graph_def, groups, remove)
  checking.check_removed(graph_def, zeroed, images, remove)
