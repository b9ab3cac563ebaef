# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which channels are removed, which are refused, and what stays whole for which reason."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import export
from model_pruning.channels import analysis
from model_pruning.channels import exact
from model_pruning.channels import shown
from model_pruning.compat import tf
from tests.calibration import models
from tests.channels import checking

IMAGES = (None, 8, 8, 4)


def chain(x, weight):
  """Three matrix products, with biases and activations."""
  x = tf.nn.relu(tf.matmul(x[:, 0, 0], weight('a', 4, 6)) + weight('a_bias', 6))
  x = tf.tanh(tf.matmul(x, weight('b', 6, 8)) + weight('b_bias', 8))
  return tf.matmul(x, weight('c', 8, 3)) + weight('c_bias', 3)


def changed(graph_def, **slices):
  """Sets slices of constants to zero: name=(axis, indices), or a list of such pairs."""
  values = checking.values_of(graph_def)
  for name, pairs in slices.items():
    values[name] = values[name].copy()
    for axis, indices in pairs if isinstance(pairs, list) else [pairs]:
      np.moveaxis(values[name], axis, 0)[list(indices)] = 0
  return checking.with_values(graph_def, values)


def removed(graph_def, outputs=('outputs',)):
  """Removes what can be, and compares the outputs; returns the channels by group."""
  smaller = export.remove_channels(graph_def, outputs)
  assert smaller.removed == exact.unneeded(analysis.analyse(graph_def, outputs))
  images = models.inputs((16,) + IMAGES[1:])
  for output in outputs:
    np.testing.assert_allclose(models.run(smaller.graph_def, images, output),
                               models.run(graph_def, images, output), rtol=1e-5, atol=1e-5)
  return smaller.removed


def test_nothing_is_removed_from_a_dense_model():
  assert removed(models.graph_of(chain, IMAGES)) == {}


def test_channels_that_nothing_reads_are_removed():
  assert removed(changed(models.graph_of(chain, IMAGES), b=(0, [1, 4]))) == {'a': [1, 4]}


def test_the_table_says_how_many_nothing_needs():
  found = analysis.analyse(changed(models.graph_of(chain, IMAGES), b=(0, [1, 4])), ['outputs'])
  table = shown.table(found.groups, found.kept, exact.unneeded(found))
  assert table.splitlines()[2].split()[:3] == ['a', '6', '2']


def test_channels_of_zeros_are_removed():
  graph_def = changed(models.graph_of(chain, IMAGES), a=(1, [2]), a_bias=(0, [2]))
  assert removed(graph_def) == {'a': [2]}


def test_a_channel_that_only_removed_channels_read_is_removed():
  graph_def = changed(models.graph_of(chain, IMAGES), c=(0, [0, 1]))
  values = checking.values_of(graph_def)
  values['b'] = values['b'].copy()
  values['b'][3, 2:] = 0  # Only channels 0 and 1 of b read channel 3 of a.
  assert removed(checking.with_values(graph_def, values)) == {'a': [3], 'b': [0, 1]}


@pytest.mark.parametrize('activation, zero', [
    (tf.nn.relu, True), (tf.tanh, True), (tf.square, True), (tf.nn.elu, True), (tf.nn.selu, True),
    (tf.nn.softsign, True), (tf.nn.swish, True), (lambda x: x * tf.math.erfc(-x), True),
    (lambda x: x * tf.sigmoid(x), True), (lambda x: 3 * x, True),
    (lambda x: x * (1 + tf.math.erf(x)), True), (lambda x: tf.maximum(x, -1.0), True),
    (lambda x: tf.exp(x) - 1, True), (tf.exp, False), (tf.sigmoid, False),
    (lambda x: x + 1, False), (lambda x: tf.maximum(x, 1.0), False)])
def test_a_channel_of_zeros_stays_zero_in_activations(activation, zero):
  def build(x, weight):
    x = activation(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
    return tf.matmul(x, weight('b', 6, 3))
  graph_def = changed(models.graph_of(build, IMAGES), a=(1, [2]))
  assert removed(graph_def) == ({'a': [2]} if zero else {})


def test_the_last_channel_of_a_tensor_stays():
  graph_def = changed(models.graph_of(chain, IMAGES), b=(0, range(6)))
  assert removed(graph_def) == {'a': [1, 2, 3, 4, 5], 'b': [1, 2, 3, 4, 5, 6, 7]}


def test_a_normalization_with_scale_zero_is_a_channel_of_zeros():
  def build(x, weight):
    x = tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
    ones = tf.constant(np.ones(6, np.float32))
    x = tf.nn.fused_batch_norm(x, weight('scale', 6), weight('offset', 6), weight('mean', 6), ones,
                               is_training=False)[0]
    return tf.nn.conv2d(tf.nn.relu(x), weight('b', 3, 3, 6, 2), strides=1, padding='SAME')
  graph_def = changed(models.graph_of(build, IMAGES), scale=(0, [1, 2]), offset=(0, [1, 2]))
  assert removed(graph_def) == {'a': [1, 2]}


def test_named_channels_are_masked_and_removed():
  graph_def = models.graph_of(chain, IMAGES)
  smaller = export.remove_channels(graph_def, ['outputs'], {'a': [0, 1], 'b': [7]})
  assert smaller.removed == {'a': [0, 1], 'b': [7]}
  assert smaller.difference <= 1e-5 and smaller.flops[1] < smaller.flops[0]
  assert [(width.name, width.after) for width in smaller.widths] == [
      ('a', (4, 4)), ('a_bias', (4,)), ('b', (4, 7)), ('b_bias', (7,)), ('c', (7, 3))]
  assert smaller.bytes == (4 * (24 + 6 + 48 + 8 + 24 + 3), 4 * (16 + 4 + 28 + 7 + 21 + 3))
  assert '6x8' in smaller.table() and '4x7' in smaller.table()


@pytest.mark.parametrize('remove, message', [
    ({'aa': [0]}, 'did you mean a'), ({'a': [0, 6]}, 'channels 0 to 5, and not 6'),
    ({'a': range(6)}, 'it would be the last one of a tensor')])
def test_wrong_channels_are_refused(remove, message):
  with pytest.raises(errors.ChannelError, match=message):
    export.remove_channels(models.graph_of(chain, IMAGES), ['outputs'], remove)


def test_a_channel_that_stays_nonzero_without_its_slices_is_refused():
  """Both factors of a product of activations are 0.5 without their weights."""
  def build(x, weight):
    x = tf.reshape(x, [-1, 64, 4])
    left, right = [tf.sigmoid(tf.tensordot(x, weight(name, 4, 6), [[2], [0]])) for name in 'ab']
    return tf.matmul(left, right, transpose_b=True)
  graph_def = models.graph_of(build, (2, 8, 8, 4))
  with pytest.raises(errors.ChannelError, match='MatMul.* reads it, and its value is not zero'):
    export.remove_channels(graph_def, ['outputs'], {'a': [1]})


def test_variables_are_refused_and_analysed():
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [None, 4], 'images')
    kernels = [tf.get_variable(name, shape, use_resource=resource) for name, shape, resource in (
        ('a', [4, 6], True), ('b', [6, 5], False), ('c', [5, 2], True))]
    for kernel in kernels:
      x = tf.matmul(x, kernel)
    tf.identity(x, 'outputs')
  channels = analysis.analyse(graph.as_graph_def(), ['outputs'])
  assert checking.sizes(channels) == {'a': 6, 'b': 5}
  assert checking.places(channels, 'b') == {('b', 1): 1, ('c', 0): 1}
  with pytest.raises(errors.ModelFileError, match='variable a; freeze it'):
    export.remove_channels(graph.as_graph_def(), ['outputs'])


def test_different_outputs_are_an_error(monkeypatch):
  monkeypatch.setattr(export.channels, 'unread', lambda channels, wanted: (wanted, {}))
  graph_def = models.graph_of(chain, IMAGES)
  with pytest.raises(errors.ChannelError, match='outputs differ by'):
    monkeypatch.setattr(export.channels.rewrite, 'masked',
                        lambda channels, _: channels.trace.graph_def)
    export.remove_channels(graph_def, ['outputs'], {'a': [0]})


def between(operation):
  def build(x, weight):
    x = tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
    x = operation(x, weight)
    channels = x.shape.as_list()[-1]
    return tf.tensordot(x, weight('b', channels, 3), [[x.shape.ndims - 1], [0]])
  return build


@pytest.mark.parametrize('operation, kind, reason', [
    (lambda x, _: tf.nn.softmax(x), 'Softmax', 'normalizes over this axis'),
    (lambda x, _: tf.nn.log_softmax(x), 'LogSoftmax', 'normalizes over this axis'),
    (lambda x, _: x - tf.reduce_mean(x, 3, keepdims=True), 'Mean', 'reduces over this axis'),
    (lambda x, _: tf.nn.l2_normalize(x, 3), 'Sum', 'reduces over this axis'),
    (lambda x, _: tf.nn.lrn(x), 'LRN', 'neighbouring channels'),
    (lambda x, _: tf.cumsum(x, 3), 'Cumsum', 'not understood'),
    (lambda x, _: tf.roll(x, 1, 3), 'Roll', 'not understood'),
    (lambda x, _: x[..., ::2], 'StridedSlice', 'takes channels in steps'),
    (lambda x, _: x * x[..., 2:3], 'StridedSlice', 'a part has a single channel'),
    (lambda x, _: x * x[..., 2][..., tf.newaxis], 'StridedSlice', 'takes a single channel'),
    (lambda x, _: tf.add_n(tf.unstack(x, axis=3))[..., tf.newaxis] * tf.ones([1, 1, 1, 4]),
     'Unpack', 'one result for each position'),
    (lambda x, _: x / tf.cast(tf.shape(x)[3], tf.float32), 'RealDiv',
     'uses the number of channels'),
    (lambda x, _: x / tf.cast(tf.size(x), tf.float32), 'Size', 'uses the number of channels'),
    (lambda x, _: tf.pad(x, [[0, 0]] * 3 + [[1, 1]], 'REFLECT'), 'MirrorPad', 'mirrors channels'),
    (lambda x, _: tf.gather(x, tf.cast(tf.abs(x[0, 0, 0, :3]), tf.int32) % 4, axis=3), 'GatherV2',
     'looks up positions'),
])
def test_the_operation_that_keeps_a_weight_whole_is_named(operation, kind, reason):
  graph_def = models.graph_of(between(operation), IMAGES)
  channels = analysis.analyse(graph_def, ['outputs'])
  found = [(kept.kind, kept.reason) for kept in channels.kept if ('a', 3) in kept.places]
  assert found and found[0][0] == kind and reason in found[0][1]
  removed(graph_def)


def test_inputs_and_outputs_stay():
  channels = analysis.analyse(models.graph_of(chain, IMAGES), ['outputs'])
  assert [(kept.op, kept.reason, kept.places) for kept in channels.kept] == [
      ('images', 'it is an input of the model', (('a', 0),)),
      ('outputs', 'it is an output of the model', (('c', 1), ('c_bias', 0)))]


def test_an_output_in_the_middle_stays():
  def build(x, weight):
    x = tf.identity(tf.matmul(x[:, 0, 0], weight('a', 4, 6)), 'middle')
    return tf.matmul(x, weight('b', 6, 3))
  graph_def = models.graph_of(build, IMAGES)
  assert checking.sizes(analysis.analyse(graph_def, ['outputs'])) == {'a': 6}
  assert not analysis.analyse(graph_def, ['outputs', 'middle']).groups


def test_channels_are_not_followed_into_loops():
  def build(x, weight):
    x = tf.matmul(x[:, 0, 0], weight('a', 4, 6))
    kernel = weight('b', 6, 6)
    x = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.matmul(y, kernel)),
                      (tf.constant(0), x))[1]
    return tf.matmul(x, weight('c', 6, 3))
  graph_def = models.graph_of(build, IMAGES)
  channels = analysis.analyse(graph_def, ['outputs'])
  assert not channels.groups
  assert 'channels are not followed into loops and branches' in [
      kept.reason for kept in channels.kept if ('a', 1) in kept.places]
  assert removed(graph_def) == {}


def test_a_normalization_with_scale_zero_and_an_offset_is_no_channel_of_zeros():
  def build(x, weight):
    x = tf.nn.conv2d(x, weight('a', 3, 3, 4, 6), strides=1, padding='SAME')
    ones = tf.constant(np.ones(6, np.float32))
    x = tf.nn.fused_batch_norm(x, weight('scale', 6), weight('offset', 6), weight('mean', 6), ones,
                               is_training=False)[0]
    return tf.nn.conv2d(x, weight('b', 3, 3, 6, 2), strides=1, padding='SAME')
  assert removed(changed(models.graph_of(build, IMAGES), scale=(0, [1, 2]))) == {}


def test_a_constant_channel_with_padding_is_not_constant():
  def build(x, weight):
    x = tf.nn.conv2d(x, weight('a', 1, 1, 4, 6), strides=1, padding='SAME') + 1
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]) - 1
    return tf.nn.conv2d(x, weight('b', 3, 3, 6, 2), strides=1, padding='SAME')
  assert removed(changed(models.graph_of(build, IMAGES), a=(3, [2]))) == {}


def test_a_channel_beside_one_that_stays_is_kept():
  def build(x, weight):
    x = x[:, 0, 0]
    left = tf.matmul(x, weight('a', 4, 3))
    right = tf.matmul(x, weight('b', 4, 4))
    x = tf.concat([left, tf.reduce_sum(x, 1, keepdims=True)], 1) + right
    return tf.matmul(tf.nn.relu(x), weight('c', 4, 2))
  graph_def = models.graph_of(build, IMAGES)
  channels, _ = checking.check(graph_def, models.inputs((4,) + IMAGES[1:]))
  assert checking.places(channels, 'a') == {('a', 1): 1, ('b', 1): 1, ('c', 0): 1}
  assert checking.sizes(channels) == {'a': 3}


def test_constants_in_branches_that_are_not_taken():
  def build(x, weight):
    training = tf.placeholder_with_default(False, [], 'training')
    x = tf.matmul(x[:, 0, 0], weight('a', 4, 6))
    x = tf.cond(training, lambda: x * tf.exp(tf.constant(np.ones(6, np.float32))), lambda: x + 1)
    return tf.matmul(tf.nn.relu(x), weight('b', 6, 2))
  tf.disable_control_flow_v2()
  try:
    graph_def = models.graph_of(build, IMAGES)
  finally:
    if not tf.version.VERSION.startswith('1.'):
      tf.enable_control_flow_v2()
  assert 'Switch' in {node.op for node in graph_def.node}
  assert removed(graph_def) == {}


def test_a_bias_lies_along_channels_alone():
  def build(x, weight):
    x = tf.raw_ops.BatchMatMulV2(x=x, y=weight('a', 4, 6))
    x = tf.nn.bias_add(x, weight('bias', 6))  # The other axes have lengths of their own.
    return tf.raw_ops.BatchMatMulV2(x=tf.nn.relu(x), y=weight('b', 6, 2))
  graph_def = models.graph_of(build, IMAGES)
  # With the input named, as of a Keras model, its axes are followed to the bias.
  smaller = export.remove_channels(graph_def, ['outputs', 'images'], {'a': [0, 5]})
  assert smaller.removed == {'a': [0, 5]}


@pytest.mark.parametrize('scale', [
    lambda x, weight: x / weight, lambda x, weight: x / tf.abs(weight),
    lambda x, weight: x / tf.sqrt(tf.abs(weight)),
    lambda x, weight: x * tf.rsqrt(tf.square(weight)),
    lambda x, weight: tf.nn.leaky_relu(x) + tf.log(tf.abs(weight)),
    lambda x, weight: x / tf.reshape(weight, [1, 6])])
def test_constants_that_must_not_be_zero(scale):
  def build(x, weight):
    x = scale(tf.matmul(x[:, 0, 0], weight('a', 4, 6)), weight('scale', 6))
    return tf.matmul(tf.nn.relu(x), weight('b', 6, 2))
  graph_def = models.graph_of(build, IMAGES)
  smaller = export.shrink(graph_def, ['outputs'], fraction=0.5)
  assert len(smaller.removed['a']) == 3
  images = models.inputs((16,) + IMAGES[1:])
  masked = changed(graph_def, b=(0, smaller.removed['a']))
  np.testing.assert_allclose(models.run(smaller.graph_def, images), models.run(masked, images),
                             rtol=1e-4, atol=1e-5)


def test_inputs_of_strings_need_no_examples():
  def build(x, weight):
    names = tf.placeholder(tf.string, [None], 'names')
    x = tf.nn.relu(tf.matmul(x[:, 0, 0], weight('a', 4, 6)))
    return tf.matmul(x, weight('b', 6, 2)) + tf.cast(tf.strings.length(names), tf.float32)[:, None]
  graph_def = models.graph_of(build, IMAGES)
  assert len(export.shrink(graph_def, ['outputs'], fraction=0.5).removed['a']) == 3


@pytest.mark.parametrize('arguments, reason', [
    ({'fraction': 0.5, 'multiple_of': 64}, 'multiple_of=64 rounds the channels that stay up'),
    ({'fraction': 0.1}, 'it is less than one channel of any group'),
    ({'fraction': 0.5, 'keep': '[ab]'}, 'all groups have to stay whole')])
def test_the_log_says_why_a_fraction_removes_nothing(caplog, arguments, reason):
  with caplog.at_level('WARNING', logger='absl'):
    smaller = export.shrink(models.graph_of(chain, IMAGES), ['outputs'], **arguments)
  assert not smaller.removed and reason in caplog.text
