# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A layer as matrix products computes what the layer computes."""

import numpy as np
import pytest

from model_pruning.calibration import designs
from model_pruning.compat import tf

RNG = np.random.RandomState(0)


def conv(*shape, **options):
  images = (2, 9, 8, shape[2] * options.pop('groups', 1))
  arguments = {'strides': 1, 'padding': 'SAME', **options}
  return images, shape, lambda x, w: tf.nn.conv2d(x, w, **arguments)


# name: (shape of the data, shape of the kernel, the layer).
LAYERS = {
    'dense': ((7, 5), (5, 3), tf.matmul),
    'kernel transposed': ((7, 5), (3, 5), lambda x, w: tf.matmul(x, w, transpose_b=True)),
    'data transposed': ((5, 7), (5, 3), lambda x, w: tf.matmul(x, w, transpose_a=True)),
    'kernel first': ((5, 7), (3, 5), lambda x, w: tf.matmul(w, x)),
    'kernel first, both transposed': (
        (7, 5), (5, 3), lambda x, w: tf.matmul(w, x, transpose_a=True, transpose_b=True)),
    'batches of rows': ((2, 7, 5), (5, 3), lambda x, w: tf.raw_ops.BatchMatMulV2(x=x, y=w)),
    'a kernel for each batch': ((4, 7, 5), (4, 5, 3), tf.matmul),
    'a transposed kernel for each batch': (
        (4, 7, 5), (4, 3, 5), lambda x, w: tf.matmul(x, w, adjoint_b=True)),
    'a kernel for each batch, first': ((4, 5, 7), (4, 3, 5), lambda x, w: tf.matmul(w, x)),
    'convolution': conv(3, 2, 4, 5),
    'convolution, 1x1': conv(1, 1, 4, 5),
    'convolution, valid': conv(3, 3, 2, 4, padding='VALID'),
    'convolution, strides': conv(3, 3, 2, 4, strides=[1, 2, 3, 1]),
    'convolution, strides and explicit padding': conv(
        3, 3, 2, 4, strides=2, padding=[[0, 0], [1, 2], [0, 3], [0, 0]]),
    'convolution, dilated': conv(3, 3, 2, 4, dilations=2),
    'convolution, dilated and valid': conv(3, 2, 2, 4, dilations=[1, 2, 3, 1], padding='VALID'),
    'depthwise': ((2, 9, 8, 3), (3, 3, 3, 1), lambda x, w: tf.nn.depthwise_conv2d(
        x, w, strides=[1, 1, 1, 1], padding='SAME')),
    'depthwise, multiplied and strided': ((2, 9, 8, 3), (3, 2, 3, 4), lambda x, w: (
        tf.nn.depthwise_conv2d(x, w, strides=[1, 2, 2, 1], padding='VALID'))),
    'volumes': ((2, 5, 4, 6, 2), (3, 2, 1, 2, 4), lambda x, w: tf.nn.conv3d(
        x, w, strides=[1, 1, 2, 1, 1], padding='SAME')),
    'transposed': ((2, 4, 5, 3), (3, 2, 4, 3), lambda x, w: tf.nn.conv2d_transpose(
        x, w, output_shape=[2, 8, 10, 4], strides=2, padding='SAME')),
    'transposed, valid': ((2, 4, 5, 3), (3, 3, 4, 3), lambda x, w: tf.nn.conv2d_transpose(
        x, w, output_shape=tf.stack([tf.shape(x)[0], 6, 7, 4]), strides=1, padding='VALID')),
    'transposed volumes': ((2, 2, 3, 2, 3), (2, 3, 2, 4, 3), lambda x, w: tf.nn.conv3d_transpose(
        x, w, output_shape=[2, 4, 6, 4, 4], strides=2, padding='SAME')),
    'einsum': ((7, 6, 5), (5, 3), lambda x, w: tf.raw_ops.Einsum(
        inputs=[x, w], equation='abc,cd->abd')),
    'einsum, projection to heads': ((7, 6, 5), (5, 3, 2), lambda x, w: tf.raw_ops.Einsum(
        inputs=[x, w], equation='abc,cde->abde')),
    'einsum, projection from heads': ((7, 6, 3, 2), (3, 2, 5), lambda x, w: tf.raw_ops.Einsum(
        inputs=[x, w], equation='abde,dec->abc')),
    'einsum, ellipsis, kernel first': ((7, 6, 5), (3, 5), lambda x, w: tf.raw_ops.Einsum(
        inputs=[w, x], equation='oi,...i->...o')),
    'einsum, a kernel for each head': ((7, 4, 5), (4, 3, 5), lambda x, w: tf.raw_ops.Einsum(
        inputs=[x, w], equation='bhi,hoi->hob')),
}
NEW = {'convolution, groups': (conv(3, 3, 2, 6, groups=3), 'TensorFlow 2.5')}


def check(data_shape, kernel_shape, layer):
  data = RNG.randn(*data_shape).astype(np.float32)
  kernel = RNG.randn(*kernel_shape).astype(np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    images, weights = tf.placeholder(tf.float32, data_shape), tf.constant(kernel)
    output = layer(images, tf.identity(weights))
    op = next(op for op in tf.get_default_graph().get_operations()
              if op.type in designs._BY_OP and op.outputs[0].shape.num_elements() ==
              output.shape.num_elements())
    operand = 0 if op.inputs[0].op.type == 'Identity' else 1
    design = designs.design_of(op, operand)
    inputs, outputs = session.run([design.inputs, design.outputs], {images: data})
  matrices = design.matrices(kernel)
  np.testing.assert_allclose(np.einsum('rgi,gio->rgo', inputs, matrices), outputs, atol=1e-4)
  np.testing.assert_array_equal(design.kernel(matrices, kernel.shape), kernel)


@pytest.mark.parametrize('name', sorted(LAYERS))
def test_products_of_rows_are_the_outputs(name):
  check(*LAYERS[name])


@pytest.mark.skipif(tf.__version__.startswith('1.'), reason='no grouped convolutions on CPUs')
@pytest.mark.parametrize('name', sorted(NEW))
def test_products_of_rows_in_groups_are_the_outputs(name):
  check(*NEW[name][0])


@pytest.mark.parametrize('equation,data,kernel', [
    ('ab,cd->abcd', (2, 3), (4, 5)), ('ab,bc->a', (2, 3), (3, 4)),
    ('aab,bc->abc', (2, 2, 3), (3, 4))])
def test_other_equations_are_refused_with_a_reason(equation, data, kernel):
  with tf.Graph().as_default():
    made = tf.raw_ops.Einsum(inputs=[tf.zeros(data), tf.zeros(kernel)], equation=equation)
    if equation == 'ab,cd->abcd':
      assert designs.design_of(made.op, 1).inputs.shape.as_list()[2] == 1  # An outer product.
      return
    with pytest.raises(designs.UnsupportedLayerError, match='equation'):
      designs.design_of(made.op, 1)


def test_few_rows_are_all_taken_and_many_are_spread_evenly():
  with tf.Graph().as_default(), tf.Session() as session:
    rows = tf.reshape(tf.range(100), [100, 1, 1])
    most = tf.placeholder(tf.int64, [])
    sampled, = designs.sampled([rows], most, tf.constant(0.3, tf.float64))
    np.testing.assert_array_equal(session.run(sampled, {most: 100}).ravel(), np.arange(100))
    some = session.run(sampled, {most: 20}).ravel()
  assert len(set(some)) == 20
  assert np.max(np.diff(np.sort(np.concatenate([[-1], some, [100]])))) <= 12
