# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Constant channels are removed, and the biases of their readers take the values."""

import numpy as np
import pytest

from model_pruning import export
from model_pruning.channels import analysis
from model_pruning.compat import tf
from tests.calibration import models
from tests.channels import checking

IMAGES = (None, 8, 8, 4)


def _graph(build, **slices):
  """Returns a graph with zeros in slices of constants: name=(axis, indices)."""
  graph_def = models.graph_of(build, IMAGES)
  values = checking.values_of(graph_def)
  for name, (axis, indices) in slices.items():
    values[name] = values[name].copy()
    np.moveaxis(values[name], axis, 0)[list(indices)] = 0
  return checking.with_values(graph_def, values)


def _check(graph_def, expected, outputs=('outputs',), **options):
  """Returns the smaller graph, after a check that both graphs have the same outputs."""
  shrink = export.shrink if 'fraction' in options else export.remove_channels
  smaller = shrink(graph_def, list(outputs), **options)
  assert smaller.removed == expected
  images = models.inputs((16,) + IMAGES[1:])
  for output in outputs:
    values = models.run(graph_def, images, output)
    assert np.ptp(values) > 0.1
    np.testing.assert_allclose(models.run(smaller.graph_def, images, output), values,
                               rtol=1e-5, atol=1e-5)
  return smaller


def _dense(x, weight):
  x = tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)) + weight('a_bias', 6))
  return tf.matmul(x, weight('b', 6, 3)) + weight('b_bias', 3)


def _flat(x, weight):
  """A dense layer reads each channel at 36 positions, through a pooling and a reshape."""
  x = tf.exp(tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME'))
  x = tf.nn.max_pool2d(x, 3, 1, 'VALID')
  return tf.nn.bias_add(tf.matmul(tf.reshape(x, [-1, 216]), weight('b', 216, 3)),
                        weight('b_bias', 3))


def _valid(x, weight):
  x = tf.nn.bias_add(tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME'),
                     weight('a_bias', 6))
  x = tf.nn.conv2d(tf.nn.elu(x), weight('b', 3, 3, 6, 3), strides=2, padding='VALID')
  return tf.nn.bias_add(x, weight('b_bias', 3))


def _pointwise(x, weight):
  x = 1 + tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
  return tf.nn.conv2d(x, weight('b', 1, 1, 6, 3), strides=2, padding='SAME') + weight('b_bias', 3)


def _fused(x, weight):
  """The moving mean of a normalization takes the constants."""
  x = tf.nn.sigmoid(tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME'))
  x = tf.nn.conv2d(x, weight('b', 3, 3, 6, 3), strides=1, padding='VALID')
  return tf.nn.fused_batch_norm(x, weight('scale', 3), weight('offset', 3), weight('mean', 3),
                                tf.constant(np.full(3, 2, np.float32)), is_training=False)[0]


def _plain_normalization(x, weight):
  x = tf.nn.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
  return tf.nn.batch_normalization(
      tf.matmul(x, weight('b', 6, 3)), weight('mean', 3), tf.constant(np.full(3, 2, np.float32)),
      weight('offset', 3), weight('scale', 3), 1e-3)


def _depthwise(x, weight):
  """A depthwise convolution without padding keeps a channel constant."""
  x = 1 + tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
  x = tf.nn.depthwise_conv2d(x, weight('deep', 3, 3, 6, 1), [1, 1, 1, 1], 'VALID')
  return tf.nn.conv2d(x, weight('b', 1, 1, 6, 3), strides=1, padding='VALID') + weight('b_bias', 3)


def _einsum(x, weight):
  x = tf.sigmoid(tf.einsum('bhwc,cd->bhwd', x, weight('a', 4, 6)))
  return tf.einsum('bhwd,def->bhwef', x, weight('b', 6, 3, 2)) + weight('b_bias', 3, 2)


def _one_output(x, weight):
  x = tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
  return tf.matmul(x, weight('b', 6, 1)) + weight('b_bias', 1)


def _gated(x, weight):
  """An activation with a gradient of its own, so that TensorFlow adds an IdentityN."""
  x = tf.nn.swish(tf.matmul(x[:, 0, 0], weight('a', 4, 6)) + weight('a_bias', 6))
  return tf.matmul(x, weight('b', 6, 3)) + weight('b_bias', 3)


def _complement(x, weight):
  """The normal distribution, as GELU computes it in some versions."""
  x = tf.matmul(x[:, 0, 0], weight('a', 4, 6)) + weight('a_bias', 6)
  return tf.matmul(x * tf.math.erfc(-x), weight('b', 6, 3)) + weight('b_bias', 3)


TAKEN = [(_dense, 1, 'b_bias'), (_flat, 3, 'b_bias'), (_valid, 3, 'b_bias'),
         (_pointwise, 3, 'b_bias'), (_fused, 3, 'mean'), (_plain_normalization, 1, 'mean'),
         (_depthwise, 3, 'b_bias'), (_one_output, 1, 'b_bias'), (_gated, 1, 'b_bias'),
         (_complement, 1, 'b_bias')]
if not tf.version.VERSION.startswith('1.'):  # It makes matrix products, and reshapes the outputs.
  TAKEN.append((_einsum, 1, 'b_bias'))


@pytest.mark.parametrize('build, axis, constant', TAKEN)
def test_a_constant_goes_into_the_bias_of_the_reader(build, axis, constant):
  smaller = _check(_graph(build, a=(axis, [1, 4])), {'a': [1, 4]})
  assert list(smaller.absorbed) == [constant] and constant in smaller.table()


@pytest.mark.parametrize('build, axis, constant', TAKEN)
def test_named_channels_that_are_constant_do_no_damage(build, axis, constant):
  smaller = _check(_graph(build, a=(axis, [1, 4])), {'a': [4]}, remove={'a': [4]})
  assert list(smaller.absorbed) == [constant]


def test_constant_channels_go_first():
  graph_def = _graph(_dense, a=(1, [1, 4]))
  values = checking.values_of(graph_def)
  values['b'][[1, 4]] *= 100  # The largest norms of all.
  smaller = _check(checking.with_values(graph_def, values), {'a': [1, 4]}, fraction=0.34)
  assert list(smaller.absorbed) == ['b_bias']


def test_a_layer_that_only_constants_reach_is_constant():
  def build(x, weight):
    x = tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)) + weight('a_bias', 6))
    x = tf.sigmoid(tf.matmul(x, weight('b', 6, 5)) + weight('b_bias', 5))
    return tf.matmul(x, weight('c', 5, 3)) + weight('c_bias', 3)
  graph_def = _graph(build, a=(1, [1, 4]))
  values = checking.values_of(graph_def)
  values['b'][[0, 2, 3, 5], 2] = 0  # Output 2 reads the constant channels alone.
  smaller = _check(checking.with_values(graph_def, values), {'a': [1, 4], 'b': [2]})
  assert list(smaller.absorbed) == ['b_bias', 'c_bias']


def _padded(x, weight):
  x = 1 + tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
  return tf.nn.conv2d(x, weight('b', 3, 3, 6, 3), strides=1, padding='SAME') + weight('b_bias', 3)


def _padded_depthwise(x, weight):
  x = 1 + tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
  x = tf.nn.depthwise_conv2d(x, weight('deep', 3, 3, 6, 1), [1, 1, 1, 1], 'SAME')
  return tf.nn.conv2d(x, weight('b', 1, 1, 6, 3), strides=1, padding='VALID') + weight('b_bias', 3)


def _without_bias(x, weight):
  return tf.matmul(tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6))), weight('b', 6, 3))


def _activation_before_the_bias(x, weight):
  x = tf.matmul(tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6))), weight('b', 6, 3))
  return tf.tanh(x) + weight('b_bias', 3)


def _shared_bias(x, weight):
  x = tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
  bias = weight('b_bias', 3)
  return tf.matmul(x, weight('b', 6, 3)) + bias + tf.tanh(bias)


def _bias_along_the_examples(x, weight):
  """The bias has as many elements as there are outputs, along the axis of examples."""
  x = tf.sigmoid(tf.matmul(x[:1, :3, 0][0], weight('a', 4, 6)))
  return tf.matmul(x, weight('b', 6, 3)) + weight('b_bias', 3, 1)


def _two_readers(x, weight):
  x = tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
  return tf.concat([tf.matmul(x, weight('b', 6, 3)) + weight('b_bias', 3),
                    tf.matmul(x, weight('c', 6, 3))], 1)


def _rounded(x, weight):
  x = tf.cast(tf.cast(1.5 + tf.matmul(x[:, 0, 0], weight('a', 4, 6)), tf.int32), tf.float32)
  return tf.matmul(x, weight('b', 6, 3)) + weight('b_bias', 3)


@pytest.mark.parametrize('build, axis', [
    (_padded, 3), (_padded_depthwise, 3), (_without_bias, 1), (_activation_before_the_bias, 1),
    (_shared_bias, 1), (_bias_along_the_examples, 1), (_two_readers, 1), (_rounded, 1)])
def test_a_constant_that_no_bias_can_take_stays(build, axis):
  graph_def = _graph(build, a=(axis, [1, 4]))
  assert not _check(graph_def, {}).absorbed
  taken = export.remove_channels(graph_def, ['outputs'], {'a': [1]}).absorbed
  assert list(taken) == (['b_bias'] if build is _two_readers else [])  # One of both readers.


def test_a_product_that_is_an_output_keeps_its_values():
  def build(x, weight):
    x = tf.sigmoid(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
    x = tf.identity(tf.matmul(x, weight('b', 6, 3)), name='scores')
    return x + weight('b_bias', 3)
  graph_def = _graph(build, a=(1, [1]))
  _check(graph_def, {}, ('outputs', 'scores'))
  _check(graph_def, {'a': [1]})


def test_rounding_keeps_a_channel():
  """The constant is too large for the outputs to stay the same in single precision."""
  def build(x, weight):
    x = tf.matmul(x[:, 0, 0], weight('a', 4, 6)) + weight('a_bias', 6)
    return tf.matmul(x, weight('b', 6, 3)) + weight('b_bias', 3)
  graph_def = _graph(build, a=(1, [1]))
  values = checking.values_of(graph_def)
  values['a_bias'][1] = 3e7 / values['b'][1, 0]
  values['b'][1, 1:] = values['b'][1, 0]
  values['b_bias'][:] = -3e7
  smaller = export.remove_channels(checking.with_values(graph_def, values), ['outputs'])
  assert not smaller.removed and not smaller.absorbed


def test_groups_to_keep_and_multiples_hold():
  graph_def = _graph(_dense, a=(1, [1, 3, 4]))
  assert not export.shrink(graph_def, ['outputs'], keep='a').absorbed
  smaller = export.shrink(graph_def, ['outputs'], multiple_of=4)
  assert smaller.removed == {'a': [1, 3]} and list(smaller.absorbed) == ['b_bias']
  found = analysis.analyse(smaller.graph_def, ['outputs'])
  assert [group.channels for group in found.groups] == [4]
