# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""One graph per operation: which channels there are, and that they can be removed."""

import numpy as np
import pytest

from model_pruning.channels import analysis
from model_pruning.compat import tf
from model_pruning.export import channels as removal
from tests.calibration import models
from tests.channels import checking

IMAGES = (None, 8, 8, 4)
# TensorFlow 1 writes an einsum as products and reshapes.
ONE_EINSUM = not tf.version.VERSION.startswith('1.')


def conv(x, weight, name='a', size=1, outputs=6, **options):
  """A convolution with a kernel of the name `name`."""
  options = dict({'strides': 1, 'padding': 'SAME'}, **options)
  channels = x.shape.as_list()[1 if options.get('data_format') == 'NCHW' else -1]
  return tf.nn.conv2d(x, weight(name, size, size, channels, outputs), **options)


def between(operation, outputs=6):
  """A convolution, an operation, and a convolution that reads it."""
  def build(x, weight):
    return conv(operation(conv(x, weight, outputs=outputs), weight), weight, 'b', outputs=3)
  return build


def flat(operation):
  """A matrix product, an operation, and a matrix product that reads it."""
  def build(x, weight):
    x = tf.reshape(x, [-1, 256])
    x = operation(tf.matmul(x, weight('a', 256, 6)), weight)
    return tf.matmul(x, weight('b', x.shape.as_list()[-1], 3))
  return build


def from_vector(*shape):
  """A matrix product whose outputs become an image or a sequence, and what reads it."""
  def build(x, weight):
    units = int(np.prod(shape))
    x = tf.matmul(tf.reshape(x, [-1, 256]), weight('a', 256, units))
    x = tf.reshape(tf.nn.relu(x + weight('bias', units)), [-1, *shape])
    if len(shape) == 2:
      return tf.nn.conv1d(x, weight('b', 3, shape[-1], 3), 1, 'SAME')
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    return conv(tf.nn.relu(x), weight, 'b', outputs=3)
  return build


def _without_shape(x, weight, transpose=False):
  """A reader whose input has lost its shape, and the layer behind it."""
  values = (6, 5) if not transpose else (5, 6)
  return tf.nn.relu(tf.raw_ops.MatMul(
      a=tf.placeholder_with_default(x, None), b=weight('inner', *values), transpose_a=False,
      transpose_b=transpose))


def _norm(x, weight):
  ones = np.ones(x.shape.as_list()[-1], np.float32)
  return tf.nn.fused_batch_norm(
      x, scale=weight('scale', 6), offset=weight('offset', 6), mean=weight('mean', 6),
      variance=tf.constant(ones, name='variance'), is_training=False)[0]


def _plain_norm(x, weight):
  return tf.nn.batch_normalization(x, weight('mean', 6), tf.constant(np.ones(6, np.float32)),
                                   weight('offset', 6), weight('scale', 6), 1e-3)


def _prelu(x, weight):
  return tf.nn.relu(x) - weight('alpha', 1, 1, 6) * tf.nn.relu(-x)


def _residual(x, weight):
  return x + conv(tf.nn.relu(x), weight, 'inner', 3)


def _concat(x, weight):
  return tf.concat([x, conv(x, weight, 'inner', 1, 4)], axis=3)


def _split(x, weight):
  left, right = tf.split(x, 2, axis=3)
  return tf.nn.relu(left) * tf.sigmoid(right)


def _split_apart(x, weight):
  left, right = tf.split(x, [2, 4], axis=3)
  return tf.concat([tf.nn.relu(right), tf.tanh(left)], axis=3)


def _squeeze_and_excite(x, weight):
  pooled = tf.reduce_mean(x, [1, 2])
  inner = tf.nn.relu(tf.matmul(pooled, weight('down', 6, 4)))
  scale = tf.sigmoid(tf.matmul(inner, weight('up', 4, 6)))
  return x * tf.reshape(scale, [-1, 1, 1, 6])


def _transposed(x, weight):
  return tf.nn.conv2d_transpose(x, weight('inner', 3, 3, 4, 6),
                                tf.stack([tf.shape(x)[0], 16, 16, 4]), strides=2)


def _shuffle(x, weight):
  x = tf.reshape(x, [-1, 8, 8, 2, 3])
  return tf.reshape(tf.transpose(x, [0, 1, 2, 4, 3]), [-1, 8, 8, 6])


def _volume(x, weight):
  x = tf.expand_dims(x, 1)
  return tf.squeeze(tf.nn.conv3d(x, weight('inner', 1, 3, 3, 6, 4), [1] * 5, 'SAME'), 1)


def _volume_back(x, weight):
  x = tf.expand_dims(x, 1)
  x = tf.nn.conv3d_transpose(x, weight('inner', 1, 3, 3, 4, 6), tf.stack(
      [tf.shape(x)[0], 1, 8, 8, 4]), [1] * 5, 'SAME')
  return tf.reshape(x, [-1, 8, 8, 4])


def _sequence(x, weight):
  x = tf.reshape(x, [-1, 64, 6])
  x = tf.nn.conv1d(x, weight('inner', 3, 6, 4), 1, 'SAME')
  return tf.reshape(x, [-1, 8, 8, 4])


def _grouped(x, weight):
  return tf.nn.conv2d(x, weight('inner', 3, 3, 2, 9), 1, 'SAME')


def _channels_first(x, weight):
  x = tf.transpose(x, [0, 3, 1, 2])
  x = tf.nn.bias_add(x, weight('bias', 6), data_format='NCHW')
  x = tf.pad(tf.nn.relu(x), [[0, 0], [0, 0], [1, 1], [1, 1]])
  return tf.transpose(x, [0, 2, 3, 1])


def _dynamic(x, weight):
  """A dense layer over the last axis, as tf.tensordot writes it for an unknown batch."""
  return tf.tensordot(x, weight('inner', 6, 4), [[3], [0]])


def _dense_of_sequences(x, weight):
  """A dense layer of sequences, as Keras 3 writes it: a batch of products, and a bias."""
  x = tf.raw_ops.BatchMatMulV2(x=tf.reshape(x, [-1, 64, 6]), y=weight('inner', 6, 4))
  return tf.reshape(tf.nn.bias_add(x, weight('bias', 4)), [-1, 8, 8, 4])


def _recurrent(x, weight):
  """The rows of an image as the steps of a recurrent layer, from a state of zeros."""
  kernel, recurrent = weight('inner', 8 * 6, 4), weight('recurrent', 4, 4)
  state = tf.zeros([tf.shape(x)[0], 4])
  for row in tf.unstack(tf.reshape(x, [-1, 8, 8 * 6]), axis=1):
    state = tf.tanh(tf.matmul(row, kernel) + tf.matmul(state, recurrent))
  return tf.reshape(state, [-1, 1, 1, 4])


CASES = {
    'bias': (between(lambda x, weight: tf.nn.bias_add(x, weight('bias', 6))), {'a': 6}),
    'add': (between(lambda x, weight: x + weight('bias', 6)), {'a': 6}),
    'activations': (between(lambda x, weight: tf.nn.elu(tf.nn.relu6(x)) + tf.nn.leaky_relu(x) *
                            tf.sigmoid(x) + tf.tanh(tf.nn.selu(x))), {'a': 6}),
    'prelu': (between(_prelu), {'a': 6}),
    'fused norm': (between(_norm), {'a': 6}),
    'plain norm': (between(_plain_norm), {'a': 6}),
    'residual': (between(_residual), {'a': 6}),
    'concat': (between(_concat), {'a': 6, 'inner': 4}),
    'split': (between(_split), {'a': 3}),
    'unequal split': (between(_split_apart), {'a': 6}),
    'squeeze and excite': (between(_squeeze_and_excite), {'a': 6, 'down': 4}),
    'max pool': (between(lambda x, _: tf.nn.max_pool(x, 2, 2, 'SAME')), {'a': 6}),
    'average pool': (between(lambda x, _: tf.nn.avg_pool(x, 3, 1, 'SAME')), {'a': 6}),
    'global pool': (between(lambda x, _: tf.reduce_mean(x, [1, 2], keepdims=True)), {'a': 6}),
    'maximum': (between(lambda x, _: x * tf.reduce_max(x, [1, 2], keepdims=True)), {'a': 6}),
    'pad': (between(lambda x, _: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]])), {'a': 6}),
    'resize': (between(lambda x, _: tf.image.resize_nearest_neighbor(
        tf.image.resize_bilinear(x, [12, 12]), [6, 6])), {'a': 6}),
    'slice': (between(lambda x, _: tf.slice(x, [0, 1, 0, 1], [-1, 4, 8, 4])), {'a': 2, 'a~2': 4}),
    'strided slice': (between(lambda x, _: tf.tanh(x[:, ::2, 1:, 2:-1]) + x[:, 4:, 1:, 3:]),
                      {'a': 2, 'a~2': 1}),
    'new axes': (between(lambda x, _: tf.squeeze(x[:, tf.newaxis, ..., :], [1])), {'a': 6}),
    'stack': (between(lambda x, _: sum(tf.unstack(tf.stack([x, tf.exp(x)], 1), axis=1))),
              {'a': 6}),
    'tile': (between(lambda x, _: tf.tile(x, [1, 1, 1, 2])), {'a': 6}),
    'gather': (between(lambda x, _: tf.gather(x, [5, 0, 2, 2, 1], axis=3)),
               {'a': 3, 'a~2': 1, 'a~3': 2}),
    'space to depth': (between(lambda x, _: tf.space_to_depth(x, 2)), {'a': 6}),
    'depth to space': (between(lambda x, _: tf.depth_to_space(x, 2), 12), {'a': 3}),
    'dilated': (between(lambda x, weight: tf.batch_to_space_nd(
        tf.space_to_batch_nd(x, [2, 2], [[0, 0], [0, 0]]), [2, 2], [[0, 0], [0, 0]])), {'a': 6}),
    'dropout of zeros': (between(lambda x, _: tf.where(x > 0, x, tf.zeros_like(x))), {'a': 6}),
    'zeros of a computed shape': (between(lambda x, _: x + tf.zeros([tf.shape(x)[0], 8, 8, 6])),
                                  {'a': 6}),
    'zeros like the channels': (between(lambda x, _: tf.exp(x) + tf.zeros(tf.shape(x))), {'a': 6}),
    'mask for all channels': (between(lambda x, _: tf.where_v2(tf.tile(
        tf.constant(np.arange(64).reshape(1, 8, 8, 1) % 3 > 0), [1, 1, 1, 6]), x, -x)), {'a': 6}),
    'reversed': (between(lambda x, _: x + tf.reverse(tf.tanh(x), [1, 2])), {'a': 6}),
    'reversed channels': (between(lambda x, _: tf.tanh(x) + tf.reverse(x, [3])), {'a': 3}),
    'recurrent': (between(_recurrent), {'a': 6, 'inner': 4}),
    'channels first': (between(_channels_first), {'a': 6}),
    'shuffle': (between(_shuffle), {'a': 3}),
    'transposed convolution': (between(_transposed), {'a': 6, 'inner': 4}),
    '1D convolution': (between(_sequence), {'a': 6, 'inner': 4}),
    '3D convolution': (between(_volume), {'a': 6, 'inner': 4}),
    'transposed 3D convolution': (between(_volume_back), {'a': 6, 'inner': 4}),
    'depthwise': (between(lambda x, weight: tf.nn.depthwise_conv2d(
        x, weight('inner', 3, 3, 6, 1), [1] * 4, 'SAME')), {'a': 6}),
    'depthwise multiplier': (between(lambda x, weight: tf.nn.depthwise_conv2d(
        x, weight('inner', 3, 3, 6, 2), [1] * 4, 'SAME') * weight('scale', 12)), {'a': 6}),
    'batch of products': (between(_dense_of_sequences), {'a': 6, 'inner': 4}),
    'tensordot': (between(_dynamic), {'a': 6, 'inner': 4}),
    'flatten': (lambda x, weight: tf.matmul(tf.reshape(
        tf.nn.relu(conv(x, weight)), [-1, 384]), weight('b', 384, 3)), {'a': 6}),
    'flatten with a norm': (lambda x, weight: tf.matmul(tf.reshape(
        conv(x, weight), [-1, 384]) * weight('scale', 384), weight('b', 384, 3)), {'a': 6}),
    'dense': (flat(lambda x, weight: tf.nn.relu(x + weight('bias', 6))), {'a': 6}),
    'vector to image': (from_vector(2, 2, 16), {'a': 16}),
    'vector to image of as many rows as channels': (from_vector(4, 4, 4), {'a': 4}),
    'vector to large image of few channels': (from_vector(8, 8, 3), {'a': 3}),
    'vector to sequence': (from_vector(16, 4), {'a': 4}),
    'transposed kernel': (flat(lambda x, weight: tf.matmul(x, weight('inner', 5, 6),
                                                           transpose_b=True)),
                          {'a': 6, 'inner': 5}),
    'kernel of constants': (flat(lambda x, weight: tf.matmul(
        x, tf.transpose(weight('inner', 5, 6) * weight('mask', 5, 6)))), {'a': 6, 'inner': 5}),
}
if ONE_EINSUM:
  CASES['einsum'] = (flat(lambda x, weight: tf.einsum(
      'ab,bcd->acd', x, weight('inner', 6, 2, 4))[:, 0]), {'a': 6, 'inner': 4})
  # Of one tensor: a transpose, a global pool, a diagonal of positions.
  CASES['einsum that transposes'] = (lambda x, weight: tf.matmul(tf.reshape(tf.einsum(
      'bhwc->bchw', tf.nn.relu(conv(x, weight))), [-1, 384]), weight('b', 384, 3)), {'a': 6})
  CASES['einsum that sums'] = (between(lambda x, _: x * tf.einsum(
      'bhwc->bc', x)[:, tf.newaxis, tf.newaxis]), {'a': 6})
  CASES['einsum of a diagonal'] = (between(lambda x, _: tf.einsum(
      'bhhc->bhc', x)[:, tf.newaxis]), {'a': 6})


# Groups that nothing reads.
UNREAD = {'slice': ['a'], 'strided slice': ['a'], 'gather': ['a~3']}


def graph_of(name):
  return models.graph_of(CASES[name][0], IMAGES, seed=1)


@pytest.mark.parametrize('name', list(CASES))
def test_channels_of_an_operation_are_removed(name):
  channels, _ = checking.check(graph_of(name), models.inputs((4,) + IMAGES[1:]),
                               unread=UNREAD.get(name, ()))
  assert checking.sizes(channels) == CASES[name][1]


@pytest.mark.parametrize('transpose', [False, True])
def test_a_matrix_that_has_lost_its_shape_stays_whole_and_what_reads_it_may_shrink(transpose):
  graph_def = models.graph_of(
      flat(lambda x, weight: _without_shape(x, weight, transpose)), IMAGES, seed=1)
  channels = analysis.analyse(graph_def, ['outputs'])
  assert checking.sizes(channels) == {'inner': 5}
  assert ('the rank of an input is unknown', ('inner', int(transpose))) in [
      (kept.reason, place) for kept in channels.kept for place in kept.places]
  smaller = removal.remove_channels(graph_def, ['outputs'], {'inner': [0, 3]})
  assert {width.name: width.after for width in smaller.widths} == {
      'inner': (3, 6) if transpose else (6, 3), 'b': (3, 3)}


_BESIDE_UNKNOWN = {
    'concat': lambda x, unknown: tf.concat([x, unknown], 3),
    'concat, other axis': lambda x, unknown: tf.concat([unknown, x], 1),
    'pack': lambda x, unknown: tf.stack([unknown, x], 1),
    'bias': tf.nn.bias_add,
    'scale': lambda x, unknown: tf.nn.fused_batch_norm(
        x, unknown, unknown, unknown, unknown, is_training=False)[0],
    'sum': tf.add,
    'sum of many': lambda x, unknown: tf.add_n([unknown, x]),
}


@pytest.mark.parametrize('operation', list(_BESIDE_UNKNOWN))
def test_channels_that_meet_a_tensor_of_unknown_rank_stay(operation):
  def build(x, weight):
    x = conv(tf.nn.relu(conv(x, weight, 'a')), weight, 'b')
    return _BESIDE_UNKNOWN[operation](x, tf.placeholder(tf.float32, None))
  channels = analysis.analyse(models.graph_of(build, IMAGES), ['outputs'])
  assert checking.sizes(channels) == {'a': 6}


def test_flattened_channels_belong_to_all_their_rows():
  channels, smaller = checking.check(graph_of('flatten'), models.inputs((4,) + IMAGES[1:]))
  assert checking.places(channels, 'a') == {('a', 3): 1, ('b', 0): 64}
  group, = channels.groups
  member = group.members[1]
  assert member.indices[2].tolist() == list(range(2, 384, 6))
  assert [width.after for width in smaller.widths] == [(1, 1, 4, 3), (192, 3)]


def test_a_depthwise_multiplier_ties_its_outputs_to_one_channel():
  channels, _ = checking.check(graph_of('depthwise multiplier'), models.inputs((4, 8, 8, 4)))
  assert checking.places(channels, 'a') == {
      ('a', 3): 1, ('inner', 2): 1, ('scale', 0): 2, ('b', 2): 2}
  scale = {member.weight: member for member in channels.groups[0].members}['scale']
  assert scale.indices[4].tolist() == [8, 9]


def test_groups_of_a_convolution_stay_or_go_as_a_whole():
  if tf.version.VERSION.startswith('1.'):
    pytest.skip('TensorFlow 1 computes convolutions with groups on GPUs only')
  graph_def = models.graph_of(between(_grouped), IMAGES)
  channels, _ = checking.check(graph_def, models.inputs((4,) + IMAGES[1:]))
  assert checking.places(channels, 'a') == {
      ('a', 3): 2, ('inner', 3): 3, ('b', 2): 3}


def _attention(x, weight, heads=4, size=3):
  x = tf.reshape(x, [-1, 64, 4])
  def project(name):
    y = tf.tensordot(x, weight(name, 4, heads * size), [[2], [0]]) + weight(
        name + '_bias', heads * size)
    return tf.transpose(tf.reshape(y, [-1, 64, heads, size]), [0, 2, 1, 3])
  scores = tf.matmul(project('query') * 0.5, project('key'), transpose_b=True)
  y = tf.transpose(tf.matmul(tf.nn.softmax(scores), project('value')), [0, 2, 1, 3])
  y = tf.reshape(y, [-1, 64, heads * size])
  return tf.tensordot(y, weight('output', heads * size, 5), [[2], [0]])


def test_heads_of_attention_are_removed_as_a_whole():
  channels, _ = checking.check(models.graph_of(_attention, IMAGES), models.inputs((4, 8, 8, 4)))
  assert checking.sizes(channels) == {'query': 4}
  assert checking.places(channels, 'query') == {
      (name, axis): 3 for name, axis in (
          ('query', 1), ('query_bias', 0), ('key', 1), ('key_bias', 0), ('value', 1),
          ('value_bias', 0), ('output', 0))}


def test_einsums_of_attention_have_heads_and_channels():
  if not ONE_EINSUM:
    pytest.skip('TensorFlow 1 has no operation Einsum')
  def build(x, weight):
    x = tf.reshape(x, [-1, 64, 4])
    query, key, value = [tf.einsum('abc,cde->abde', x, weight(name, 4, 2, 6)) for name in (
        'query', 'key', 'value')]
    scores = tf.nn.softmax(tf.einsum('aecd,abcd->acbe', key, query))
    y = tf.einsum('acbe,aecd->abcd', scores, value)
    return tf.einsum('abcd,cde->abe', y, weight('output', 2, 6, 5))
  channels, _ = checking.check(models.graph_of(build, IMAGES), models.inputs((4, 8, 8, 4)),
                               remove={'query': [1], 'query~2': [0, 5], 'value': [1, 2]})
  assert {(group.channels, tuple((member.weight, member.axis) for member in group.members))
          for group in channels.groups} == {
              (2, (('query', 1), ('key', 1), ('value', 1), ('output', 0))),
              (6, (('query', 2), ('key', 2))), (6, (('value', 2), ('output', 1)))}


def test_an_embedding_loses_columns_and_keeps_its_rows():
  def build(x, weight):
    rows = tf.cast(tf.abs(x[:, 0, 0, 0]) * 10, tf.int32) % 9
    return tf.matmul(tf.nn.relu(tf.gather(weight('table', 9, 6), rows)), weight('b', 6, 3))
  channels, _ = checking.check(models.graph_of(build, IMAGES), models.inputs((20, 8, 8, 4)))
  assert checking.sizes(channels) == {'table': 6}
  assert ('table', 0) in [place for kept in channels.kept for place in kept.places]


@pytest.mark.parametrize('order', ['NHWC', 'NCHW'])
def test_channels_first_and_last_are_the_same(order):
  """Analysed alone, as convolutions of channels first run on GPUs only."""
  def build(x, weight):
    shape = [-1, 4, 8, 8] if order == 'NCHW' else [-1, 8, 8, 4]
    x = conv(tf.reshape(x, shape), weight, 'a', 3, 6, data_format=order)
    x = tf.nn.bias_add(x, weight('bias', 6), data_format=order)
    x = tf.nn.fused_batch_norm(x, weight('scale', 6), weight('offset', 6), weight('mean', 6),
                               tf.constant(np.ones(6, np.float32), name='variance'),
                               is_training=False, data_format=order)[0]
    window = [1, 1, 2, 2] if order == 'NCHW' else [1, 2, 2, 1]
    x = tf.nn.max_pool(x, window, window, 'SAME', data_format=order)
    x = conv(x, weight, 'b', 3, 5, data_format=order)
    x = tf.reduce_mean(x, [2, 3] if order == 'NCHW' else [1, 2])
    return tf.matmul(x, weight('c', 5, 2))
  channels = analysis.analyse(models.graph_of(build, IMAGES), ['outputs'])
  assert checking.sizes(channels) == {'a': 6, 'b': 5}
  assert checking.places(channels, 'a') == {
      (name, axis): 1 for name, axis in (('a', 3), ('bias', 0), ('scale', 0), ('offset', 0),
                                         ('mean', 0), ('variance', 0), ('b', 2))}


def test_flattened_channels_first_are_runs_of_rows():
  def build(x, weight):
    x = tf.nn.relu(tf.transpose(conv(x, weight), [0, 3, 1, 2]))
    return tf.matmul(tf.reshape(x, [-1, 384]), weight('b', 384, 3))
  channels, _ = checking.check(models.graph_of(build, IMAGES), models.inputs((4, 8, 8, 4)))
  member = channels.groups[0].members[1]
  assert member.weight == 'b' and member.indices[1].tolist() == list(range(64, 128))
