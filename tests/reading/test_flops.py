# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.flops: the FLOPs of layers, against those counted by hand."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import flops
from model_pruning.reading import nodes


def _kernel(*shape):
  return tf.constant(np.ones(shape), tf.float32, name='kernel')


def _count(build, shape, input_shapes=None):
  """Returns the Layers of what `build` makes of a placeholder of that shape."""
  with tf.Graph().as_default() as graph:
    build(tf.placeholder(tf.float32, shape, 'inputs'))
  return flops.layers_of(nodes.flatten(graph.as_graph_def()), ['kernel'], input_shapes)


def _flops(build, shape, input_shapes=None):
  layer, = _count(build, shape, input_shapes).layers
  assert layer.sources == ('kernel',)
  return layer.flops


@pytest.mark.parametrize('batch', [None, 1, 5])
@pytest.mark.parametrize('build,shape,wanted', [
    # Strides of 2 on 8 x 6, padded: 4 x 3 positions; not padded: 3 x 2.
    (lambda x: tf.nn.conv2d(x, _kernel(3, 3, 2, 4), [1, 2, 2, 1], 'SAME'), [8, 6, 2],
     2 * 3 * 3 * 2 * 4 * 12),
    (lambda x: tf.nn.conv2d(x, _kernel(3, 3, 2, 4), [1, 2, 2, 1], 'VALID'), [8, 6, 2],
     2 * 3 * 3 * 2 * 4 * 6),
    (lambda x: tf.nn.conv2d(x, _kernel(3, 3, 2, 4), [1, 1, 2, 2], 'SAME', data_format='NCHW'),
     [2, 8, 6], 2 * 3 * 3 * 2 * 4 * 12),
    # Dilated: TensorFlow moves positions to the batch, and back.
    (lambda x: tf.nn.convolution(x, _kernel(3, 3, 2, 4), 'SAME', dilation_rate=[2, 2]), [8, 6, 2],
     2 * 3 * 3 * 2 * 4 * 48),
    # 7 x 7 positions, which are padded to 9 x 9 before they are moved.
    (lambda x: tf.nn.convolution(x, _kernel(3, 3, 2, 4), 'SAME', dilation_rate=[3, 3]), [7, 7, 2],
     2 * 3 * 3 * 2 * 4 * 49),
    (lambda x: tf.nn.convolution(x, _kernel(3, 2, 4), 'VALID', dilation_rate=[4]), [15, 2],
     2 * 3 * 2 * 4 * 7),
    (lambda x: tf.nn.depthwise_conv2d(x, _kernel(3, 3, 2, 3), [1, 1, 1, 1], 'SAME'), [8, 6, 2],
     2 * 3 * 3 * 2 * 3 * 48),
    (lambda x: tf.nn.conv1d(x, _kernel(5, 2, 4), 1, 'SAME'), [10, 2], 2 * 5 * 2 * 4 * 10),
    (lambda x: tf.nn.conv3d(x, _kernel(2, 2, 2, 3, 4), [1] * 5, 'SAME'), [4, 5, 6, 3],
     2 * 8 * 3 * 4 * 120),
    (lambda x: tf.nn.conv2d_transpose(x, _kernel(3, 3, 4, 2), tf.stack([tf.shape(x)[0], 16, 12, 4]),
                                      [1, 2, 2, 1], 'SAME'), [8, 6, 2], 2 * 3 * 3 * 2 * 4 * 48),
    (lambda x: tf.matmul(x, _kernel(7, 4)), [7], 2 * 7 * 4),
    (lambda x: tf.matmul(x, _kernel(4, 7), transpose_b=True), [7], 2 * 7 * 4),
    (lambda x: tf.matmul(_kernel(4, 7), x, transpose_b=True), [7], 2 * 7 * 4),
    (lambda x: tf.tensordot(x, _kernel(7, 4), 1), [10, 7], 2 * 7 * 4 * 10),
    (lambda x: tf.matmul(tf.reshape(x, [-1, 7]), _kernel(7, 4)), [10, 7], 2 * 7 * 4 * 10),
    (lambda x: tf.matmul(tf.reshape(tf.nn.max_pool(x, 2, 2, 'SAME'), [tf.shape(x)[0], 24]),
                         _kernel(24, 4)), [8, 6, 2], 2 * 24 * 4),
])
def test_layers(build, shape, wanted, batch):
  assert _flops(build, [batch] + shape) == wanted


@pytest.mark.skipif(not hasattr(tf.raw_ops, 'Einsum'), reason='TensorFlow 1 makes others of it')
def test_einsum():
  assert _flops(lambda x: tf.raw_ops.Einsum(inputs=[x, _kernel(7, 2, 4)],
                                            equation='btd,dhk->bthk'), [None, 10, 7]) == (
                                                2 * 10 * 7 * 2 * 4)
  assert _flops(lambda x: tf.raw_ops.Einsum(inputs=[x, _kernel(7, 4)], equation='...d,dk->...k'),
                [3, 10, 7]) == 2 * 10 * 7 * 4


def test_gradients_are_not_counted():
  def build(inputs):
    kernel = tf.get_variable('kernel', [7, 4])
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(tf.matmul(inputs, kernel)**2))

  assert _flops(build, [None, 7]) == 2 * 7 * 4


def test_products_of_activations_are_no_layers():
  assert _count(lambda x: tf.matmul(x, x, transpose_b=True), [None, 7]).layers == ()


def test_a_damaged_dilated_convolution():
  graph_def = tf.GraphDef()
  graph_def.node.add(name='a', op='BatchToSpaceND')
  graph_def.node.add(name='b', op='Squeeze')
  graph_def.node.add(name='c', op='BatchToSpaceND', input=['b'])
  assert flops.layers_of(nodes.flatten(graph_def), []).layers == ()


def test_a_weight_that_is_used_twice():
  def build(inputs):
    kernel = _kernel(7, 7)
    tf.matmul(tf.matmul(inputs, kernel), kernel)

  assert [layer.flops for layer in _count(build, [None, 7]).layers] == [98, 98]


def test_shapes_that_are_open():
  def build(inputs):
    tf.nn.conv2d(inputs, _kernel(3, 3, 2, 4), [1, 1, 1, 1], 'SAME')

  found = _count(build, [None, None, None, 2])
  assert found.layers[0].flops is None
  assert 'Conv2D' in found.notes[0] and 'give input_shapes of inputs' in found.notes[0]
  given = _count(build, [None, None, None, 2], {'inputs:0': [1, 8, 6, 2]})
  assert given.layers[0].flops == 2 * 3 * 3 * 2 * 4 * 48 and given.notes == ()


@pytest.mark.parametrize('given', [[3, 4, 5], [1, 8, 6, 3], [1, 8, 6], []])
def test_shapes_that_the_input_cannot_have(given):
  def build(inputs):
    tf.nn.conv2d(inputs, _kernel(3, 3, 2, 4), [1, 1, 1, 1], 'SAME')

  with pytest.raises(errors.ModelFileError, match=r'inputs cannot have .* has \?x\?x\?x2$'):
    _count(build, [None, None, None, 2], {'inputs': given})
  one = _count(build, [8, 5, 5, 2], {'inputs': [1, 5, 5, 2]})  # Of one example.
  assert one.layers[0].flops == 2 * 3 * 3 * 2 * 4 * 25


def test_inputs_of_the_saver_and_of_initializers_are_not_named():
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [None, 4], 'x')
    with model_pruning.masked_scope():
      tf.matmul(x, tf.get_variable('fc/kernel', [4, 4]))
    tf.train.Saver()
  with pytest.raises(errors.ModelFileError, match='its inputs are: x$'):
    flops.layers_of(nodes.flatten(graph.as_graph_def()), ['fc/kernel'], {'zz': [1, 4]})


def test_inputs_of_several_batch_sizes():
  def build(inputs):
    other = tf.placeholder(tf.float32, [3, 7], 'other')
    tf.matmul(tf.concat([inputs, other], 0), _kernel(7, 4))

  found = _count(build, [5, 7])
  assert found.layers[0].flops is None and 'inputs: 5x7, other: 3x7' in found.notes[0]


def test_an_input_that_does_not_exist():
  with pytest.raises(errors.ModelFileError, match="no input 'input'.*did you mean inputs"):
    _count(lambda x: tf.matmul(x, _kernel(7, 4)), [None, 7], {'input': [1, 7]})
