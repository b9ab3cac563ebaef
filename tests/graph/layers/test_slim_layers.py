# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of the masked layers. tests/differential/test_layers.py compares them with contrib's."""

import subprocess
import sys

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.layers import core_layers
from model_pruning.graph.layers import slim_layers as layers
from model_pruning.python.layers import core_layers as legacy_core_layers
from model_pruning.python.layers import layers as legacy_layers

KEYS = tf.GraphKeys


@pytest.fixture(autouse=True)
def graph():
  with tf.Graph().as_default() as opened:
    yield opened


def _random(*shape, dtype='float32', seed=0):
  return np.random.RandomState(seed).uniform(-1, 1, shape).astype(dtype)


def _names(made):
  return sorted(variables.op_name(variable) for variable in made)


def _set(session, **values):
  """Initializes all variables, then sets some, by the last part of their names."""
  session.run(tf.global_variables_initializer())
  for variable in tf.global_variables():
    if variable.op.name.split('/')[-1] in values:
      session.run(tf.assign(variable, values[variable.op.name.split('/')[-1]]))


def _l2(weights):
  return tf.nn.l2_loss(weights)


def _conv(inputs, **arguments):
  return layers.masked_conv2d(inputs, 4, [3, 3], **arguments)


def _fc(inputs, **arguments):
  return layers.masked_fully_connected(inputs, 4, **arguments)


IMAGES = (2, 6, 6, 3)
both_layers = pytest.mark.parametrize('layer', [_conv, _fc])


# ---- What they compute. ----


@pytest.mark.parametrize('spatial, arguments', [
    ((7,), {}), ((7,), {'stride': 2, 'padding': 'VALID'}), ((7,), {'data_format': 'NWC'}),
    ((6, 5), {'stride': [2, 1]}), ((6, 5), {'rate': [1, 2]}), ((6, 5), {'padding': 'VALID'}),
    ((6, 5), {'data_format': 'NHWC'}), ((4, 5, 3), {}), ((4, 5, 3), {'stride': 2})])
def test_convolution_is_tensorflows_with_weights_times_mask(spatial, arguments):
  rank = len(spatial)
  inputs = tf.constant(_random(2, *spatial + (3,)))
  outputs = layers.masked_convolution(inputs, 4, 2, **arguments)
  shape = (2,) * rank + (3, 4)
  weights, biases = _random(*shape, seed=1), _random(4, seed=2)
  mask = (_random(*shape, seed=3) > 0).astype(np.float32)
  plain = tf.nn.relu(biases + tf.nn.convolution(
      inputs, tf.constant(weights * mask), arguments.get('padding', 'SAME'),
      strides=np.broadcast_to(arguments.get('stride', 1), rank).tolist(),
      dilation_rate=np.broadcast_to(arguments.get('rate', 1), rank).tolist()))
  with tf.Session() as session:
    _set(session, weights=weights, biases=biases, mask=mask)
    got, wanted = session.run([outputs, plain])
  assert wanted.any()
  np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize('spatial, data_format', [
    ((7,), 'NCW'), ((6, 5), 'NCHW'), ((4, 5, 3), 'NCDHW')])
def test_channels_first_is_built(spatial, data_format, graph):
  outputs = layers.masked_convolution(tf.zeros((2, 3) + spatial), 4, 2, data_format=data_format)
  assert outputs.shape.as_list() == [2, 4] + list(spatial)
  assert model_pruning.get_masks()[0].shape.as_list() == [2] * len(spatial) + [3, 4]


@pytest.mark.parametrize('shape', [(5, 3), (2, 5, 3), (2, 4, 5, 3)])
def test_fully_connected_is_a_product_with_weights_times_mask(shape):
  inputs, weights, biases = _random(*shape), _random(3, 4, seed=1), _random(4, seed=2)
  mask = (_random(3, 4, seed=3) > 0).astype(np.float32)
  outputs = layers.masked_fully_connected(inputs, 4, activation_fn=None)
  assert outputs.shape.as_list() == list(shape[:-1]) + [4]
  with tf.Session() as session:
    _set(session, weights=weights, biases=biases, mask=mask)
    np.testing.assert_allclose(session.run(outputs), inputs @ (weights * mask) + biases, atol=1e-6)


def test_batches_of_unknown_size():
  inputs = tf.placeholder(tf.float32, [None, None, 3])
  outputs = _fc(inputs)
  assert outputs.shape.as_list() == [None, None, 4]
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(outputs, {inputs: np.ones((2, 5, 3))}).shape == (2, 5, 4)


@both_layers
@pytest.mark.parametrize('dtype', ['float16', 'float64'])
def test_variables_have_the_dtype_of_the_inputs(layer, dtype):
  outputs = layer(tf.constant(_random(*IMAGES, dtype=dtype)))
  assert {v.dtype.base_dtype.name for v in tf.global_variables()} == {dtype}
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(outputs).dtype == dtype


@both_layers
def test_pruning_sees_the_weights(layer):
  tf.train.get_or_create_global_step()
  layer(tf.zeros(IMAGES), scope='x')
  update = model_pruning.Pruning(
      'initial_sparsity=0.5,target_sparsity=0.5,weight_sparsity_map=[x/weights:0.5]'
  ).mask_update_op()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert session.run(model_pruning.get_masks()[0]).mean() == 0.5


@both_layers
def test_gradients_reach_the_kept_weights_only(layer):
  outputs = layer(tf.constant(_random(*IMAGES)), activation_fn=None)
  record, = registry.masked_weights()
  gradient, = tf.gradients(outputs, record.weight)
  mask = (_random(*record.layout.shape, seed=3) > 0).astype(np.float32)
  with tf.Session() as session:
    _set(session, mask=mask)
    np.testing.assert_array_equal(session.run(gradient) != 0, mask != 0)


# ---- Variables and collections. ----


@both_layers
def test_variables_are_slims_and_contribs(layer):
  layer(tf.zeros(IMAGES), scope='a/x')
  names = ['a/x/biases', 'a/x/mask', 'a/x/threshold', 'a/x/weights']
  assert _names(tf.global_variables()) == names
  assert _names(tf.model_variables()) == names
  assert _names(tf.trainable_variables()) == ['a/x/biases', 'a/x/weights']
  record, = registry.masked_weights()
  assert [record.name, record.mask.op.name, record.threshold.op.name, record.masked.op.name] == [
      'a/x/weights', 'a/x/mask', 'a/x/threshold', 'a/x/weights/masked_weight']


def test_default_scopes():
  for _ in range(2):
    _conv(tf.zeros(IMAGES))
    _fc(tf.zeros(IMAGES))
  assert _names(model_pruning.get_masks()) == [
      'Conv/mask', 'Conv_1/mask', 'fully_connected/mask', 'fully_connected_1/mask']


@both_layers
def test_scope_may_be_an_object(layer):
  with tf.variable_scope('there') as there:
    pass
  with tf.variable_scope('here'):
    layer(tf.zeros(IMAGES), scope=there)
  assert _names(model_pruning.get_weights()) == ['there/weights']


@both_layers
@pytest.mark.parametrize('arguments', [
    {'biases_initializer': None},
    {'normalizer_fn': lambda x, scale: x * scale, 'normalizer_params': {'scale': 3}}])
def test_without_biases(layer, arguments):
  layer(tf.zeros(IMAGES), scope='x', **arguments)
  assert _names(tf.global_variables()) == ['x/mask', 'x/threshold', 'x/weights']


@both_layers
def test_the_normalizer_comes_before_the_activation(layer):
  outputs = layer(tf.ones(IMAGES), weights_initializer=tf.ones_initializer(),
                  normalizer_fn=lambda x, scale: x * scale, normalizer_params={'scale': -3},
                  activation_fn=lambda x: tf.minimum(x, 0))
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(outputs).max() < 0


@both_layers
def test_not_trainable(layer):
  layer(tf.zeros(IMAGES), trainable=False)
  assert not tf.trainable_variables() and len(model_pruning.get_masks()) == 1


@both_layers
def test_a_reused_layer_is_registered_and_regularized_once(layer):
  inputs = tf.constant(_random(*IMAGES))
  first, second = [layer(inputs, scope='x', reuse=reuse, weights_regularizer=_l2,
                         biases_regularizer=_l2) for reuse in (None, True)]
  assert len(model_pruning.get_masks()) == 1
  losses = tf.get_collection(KEYS.REGULARIZATION_LOSSES)
  with tf.Session() as session:
    _set(session, biases=[1, 2, 3, 4])
    weights, = session.run(model_pruning.get_weights())
    np.testing.assert_allclose(session.run([tf.convert_to_tensor(loss) for loss in losses]),
                               [(weights ** 2).sum() / 2, 15], rtol=1e-5)
    outputs = session.run([first, second])
    np.testing.assert_array_equal(*outputs)


@both_layers
@pytest.mark.parametrize('use_resource', [False, True])
def test_a_partitioner_of_the_scope(layer, use_resource):
  with tf.variable_scope('net', partitioner=tf.fixed_size_partitioner(2, -1),
                         use_resource=use_resource):
    outputs = layer(tf.ones(IMAGES), scope='x', variables_collections='mine')
  record, = registry.masked_weights()
  assert [shard.shape.as_list() for shard in record.mask_shards] == [
      shard.shape.as_list() for shard in record.weight_shards]
  assert _names(tf.get_collection('mine')) == [
      'net/x/biases/part_0', 'net/x/biases/part_1', 'net/x/weights/part_0', 'net/x/weights/part_1']
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run([tf.assign(shard, tf.zeros_like(shard)) for shard in record.mask_shards])
    assert not session.run(outputs).any()


def test_collections_of_variables():
  _fc(tf.zeros(IMAGES), scope='a', variables_collections=['all'])
  _fc(tf.zeros(IMAGES), scope='b', variables_collections={'weights': ['all'], 'biases': ['few']})
  _fc(tf.zeros(IMAGES), scope='b', variables_collections=['all'], reuse=True)
  assert _names(tf.get_collection('all')) == ['a/biases', 'a/weights', 'b/biases', 'b/weights']
  assert _names(tf.get_collection('few')) == ['b/biases']


@both_layers
@pytest.mark.parametrize('collections', ['ends', ['ends', 'others']])
def test_outputs_are_collected_under_the_name_of_the_scope(layer, collections):
  with tf.variable_scope('net'):
    outputs = layer(tf.zeros(IMAGES), scope='x', outputs_collections=collections)
  assert tf.get_collection('ends')[0] is outputs
  assert outputs.aliases == ['net/x']


def test_slims_end_points():
  slim = pytest.importorskip('tf_slim')
  outputs = _conv(_conv(tf.zeros(IMAGES), outputs_collections='e'), outputs_collections='e')
  ends = slim.layers.utils.convert_collection_to_dict('e')
  assert list(ends) == ['Conv', 'Conv_1'] and ends['Conv_1'] is outputs


@both_layers
@pytest.mark.parametrize('group', [None, 'g'])
def test_in_a_masked_scope_nothing_is_masked_twice(layer, group):
  with model_pruning.masked_scope(group_name=group):
    for reuse in (None, True):
      outputs = layer(tf.ones(IMAGES), scope='x', reuse=reuse, variables_collections=['mine'])
  assert _names(tf.global_variables()) == ['x/biases', 'x/mask', 'x/threshold', 'x/weights']
  record, = registry.masked_weights()
  assert record.group == group
  assert _names(tf.get_collection('mine')) == ['x/biases', 'x/weights']
  with tf.Session() as session:
    _set(session, mask=np.zeros(record.layout.shape))
    assert not session.run(outputs).any()


def test_a_masked_scope_does_not_keep_a_masked_layer_from_being_masked():
  with model_pruning.masked_scope(exclude='x'):
    _conv(tf.zeros(IMAGES), scope='x')
  assert _names(model_pruning.get_weights()) == ['x/weights']


# ---- arg_scope. ----


def _slims():
  tf_slim = pytest.importorskip('tf_slim')
  contrib = pytest.importorskip('tensorflow.contrib.slim', reason='needs TensorFlow 1 as well')
  return tf_slim, contrib


@pytest.mark.parametrize('name', ['tf_slim', 'tensorflow.contrib.slim'])
def test_arg_scope_sets_defaults(name):
  slim = pytest.importorskip(name, reason='not on this TensorFlow')
  with slim.arg_scope([layers.masked_conv2d, layers.masked_fully_connected],
                      weights_regularizer=_l2, biases_initializer=None, outputs_collections='ends'):
    with slim.arg_scope([legacy_layers.masked_convolution], padding='VALID'):
      outputs = _fc(_conv(tf.zeros(IMAGES)))
      same = _conv(tf.zeros(IMAGES), padding='SAME')
  assert outputs.shape.as_list() == [2, 4, 4, 4] and same.shape.as_list() == [2, 6, 6, 4]
  assert len(tf.get_collection(KEYS.REGULARIZATION_LOSSES)) == 3
  assert len(tf.trainable_variables()) == 3 and len(tf.get_collection('ends')) == 3
  assert _conv(tf.zeros(IMAGES)).shape.as_list() == [2, 6, 6, 4]


@pytest.mark.parametrize('order', [0, 1])
def test_arg_scopes_of_both_slims_nested(order):
  outer, inner = _slims()[::1 if order else -1]
  with outer.arg_scope([layers.masked_conv2d], padding='VALID'):
    with inner.arg_scope([layers.masked_conv2d], stride=2, activation_fn=None):
      assert _conv(tf.zeros(IMAGES)).shape.as_list() == [2, 2, 2, 4]


@pytest.mark.parametrize('name', ['tf_slim', 'tensorflow.contrib.slim'])
def test_slim_knows_the_arguments(name):
  slim = pytest.importorskip(name, reason='not on this TensorFlow')
  module = slim if name == 'tf_slim' else __import__('tensorflow').contrib.framework
  assert 'normalizer_params' in module.arg_scoped_arguments(layers.masked_conv2d)


@pytest.mark.parametrize('name', ['tf_slim', 'tensorflow.contrib.slim'])
def test_arg_scope_places_the_variables(name):
  """As slim's model_deploy does, to put them on parameter servers."""
  slim = pytest.importorskip(name, reason='not on this TensorFlow')
  with slim.arg_scope([slim.model_variable, slim.variable], device='/job:ps'):
    _conv(tf.zeros(IMAGES))
  assert {variable.device for variable in tf.global_variables()} == {'/job:ps'}


# ---- Without slim. ----

WITHOUT_SLIM = '''
import sys
class Broken:
  def find_spec(self, name, path=None, target=None):
    if name.startswith(('tf_slim', 'tensorflow.contrib', 'tensorflow_core.contrib')):
      raise %s('out of order')
sys.meta_path.insert(0, Broken())
from model_pruning.compat import tf
from model_pruning.graph.layers import slim_layers as layers
from model_pruning.graph.training import learning
with tf.Graph().as_default():
  outputs = layers.masked_conv2d(tf.zeros([2, 6, 6, 3]), 4, [3, 3], outputs_collections='ends')
  assert outputs.aliases == ['Conv']
  assert [v.op.name for v in tf.model_variables()] == [
      'Conv/weights', 'Conv/mask', 'Conv/threshold', 'Conv/biases']
  try:
    learning.train(tf.zeros([]), None, tf.no_op())
  except ImportError as error:
    assert 'pip install tf_slim' in str(error) and 'out of order' in str(error), error
    print('as it should be')
'''


# An old tf_slim raises the second error on a newer TensorFlow.
@pytest.mark.parametrize('error', [
    pytest.param('ImportError', marks=pytest.mark.legs('default')),
    pytest.param('AttributeError', marks=pytest.mark.legs('newest'))])
def test_slim_may_be_missing_or_broken(error):
  result = subprocess.run([sys.executable, '-c', WITHOUT_SLIM % error], universal_newlines=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
  assert result.stdout.endswith('as it should be\n'), result.stderr


# ---- Layer objects. ----

OBJECTS = [lambda **arguments: core_layers.MaskedConv2D(3, 3, padding='same', **arguments),
           lambda **arguments: core_layers.MaskedFullyConnected(3, **arguments)]
objects = pytest.mark.parametrize('make', OBJECTS, ids=['MaskedConv2D', 'MaskedFullyConnected'])


@objects
def test_an_object_makes_its_variables_once(make):
  layer = make(name='x', kernel_regularizer=_l2)
  assert not layer.built and not layer.weights
  first = layer(tf.ones(IMAGES))
  second = layer.apply(tf.ones(IMAGES))
  assert layer.built and layer.name == 'x'
  assert _names(layer.trainable_weights) == ['x/bias', 'x/kernel']
  assert _names(layer.non_trainable_variables) == ['x/mask', 'x/threshold']
  assert _names(layer.variables) == _names(tf.global_variables())
  record, = registry.masked_weights()
  assert (layer.kernel, layer.mask, layer.threshold, layer.masked_kernel) == (
      record.weight, record.mask, record.threshold, record.masked)
  assert len(tf.get_collection(KEYS.REGULARIZATION_LOSSES)) == 1
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    np.testing.assert_array_equal(*session.run([first, second]))


@objects
def test_objects_of_one_name_share_variables_where_they_are_told_to(make):
  make(name='x')(tf.ones(IMAGES))
  make(name='x', _reuse=True)(tf.ones(IMAGES))
  make(name='x')(tf.ones(IMAGES))
  assert _names(model_pruning.get_masks()) == ['x/mask', 'x_1/mask']


@objects
def test_activity_is_regularized_per_example(make):
  layer = make(activity_regularizer=tf.reduce_sum)
  outputs = layer(tf.ones(IMAGES))
  loss, = tf.get_collection(KEYS.REGULARIZATION_LOSSES)
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    got, values = session.run([loss, outputs])
    np.testing.assert_allclose(got, values.sum() / 2, rtol=1e-4)


@objects
def test_a_weight_of_an_object_in_a_masked_scope_is_the_variable(make):
  with model_pruning.masked_scope():
    layer = make()
    layer(tf.ones(IMAGES))
  assert variables.is_variable(layer.kernel) and len(model_pruning.get_masks()) == 1


def test_an_object_is_called_in_a_loop_and_after_it(control_flow, graph):
  del control_flow
  layer = core_layers.MaskedFullyConnected(3)
  with tf.variable_scope('net', use_resource=True):
    _, result = tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, layer(x)),
                              (0, tf.ones([2, 3])))
  after = layer(tf.ones([2, 3]))
  assert layer.masked_kernel.graph is graph
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(result).any() and session.run(after).any()
    session.run(tf.assign(layer.mask, np.zeros([3, 3])))
    assert not session.run(result).any() and not session.run(after).any()


def test_legacy_names_are_the_same_objects():
  for name in ('masked_convolution', 'masked_conv2d', 'masked_fully_connected'):
    assert getattr(legacy_layers, name) is getattr(layers, name)
  for name in ('MaskedConv2D', 'MaskedFullyConnected'):
    assert getattr(legacy_core_layers, name) is getattr(core_layers, name)
  assert {name: getattr(legacy_core_layers, name) for name in dir(legacy_core_layers)
          if name.isupper()} == {
              'MASK_COLLECTION': 'masks', 'THRESHOLD_COLLECTION': 'thresholds',
              'MASKED_WEIGHT_COLLECTION': 'masked_weights', 'WEIGHT_COLLECTION': 'kernel',
              'MASKED_WEIGHT_NAME': 'weights/masked_weight'}


# ---- Bad input. ----


@pytest.mark.parametrize('shape, arguments, said', [
    (IMAGES, {'data_format': 'NHCW'}, ["'NHCW'", "'NHWC', 'NCHW'"]),
    (IMAGES, {'data_format': 'NCW'}, ["'NCW'", 'rank 4']),
    (IMAGES, {'num_outputs': 2.5}, ['2.5', 'integer']),
    (IMAGES, {'num_outputs': 0}, ['0', '1 or more']),
    (IMAGES, {'kernel_size': [3, 3, 3]}, ['kernel_size=[3, 3, 3]', 'or 2']),
    (IMAGES, {'kernel_size': '33'}, ["'33'", 'integer']),
    (IMAGES, {'stride': [2, -1]}, ['stride', '-1']),
    (IMAGES, {'stride': 2, 'rate': [1, 2]}, ['stride=2', 'rate=[1, 2]']),
    (IMAGES, {'padding': 'FULL'}, ["'FULL'", "'VALID'"]),
    ((2, 3), {}, ['(2, 3)', 'rank 3, 4 or 5']),
    ((2, 3, 3, 3, 3, 3), {}, ['rank 3, 4 or 5']),
    ((2, 6, 6, None), {}, ['dimension -1', 'must be known']),
    ((2, None, 6, 6), {'data_format': 'NCHW'}, ['dimension 1', 'must be known']),
])
def test_what_a_convolution_refuses(shape, arguments, said):
  arguments = dict({'num_outputs': 4, 'kernel_size': 3, 'scope': 'x'}, **arguments)
  with pytest.raises(errors.LayerError) as caught:
    layers.masked_convolution(tf.placeholder(tf.float32, shape), **arguments)
  for part in said:
    assert part in str(caught.value)
  assert not tf.global_variables()


@pytest.mark.parametrize('shape, num_outputs, said', [
    ((2, 3), '4', "'4'"), ((2, 3), None, 'None'), ((3,), 4, 'rank 2 or more'),
    (None, 4, 'rank 2 or more'), ((2, None), 4, 'must be known')])
def test_what_fully_connected_refuses(shape, num_outputs, said):
  with pytest.raises(errors.LayerError, match=said):
    layers.masked_fully_connected(tf.placeholder(tf.float32, shape), num_outputs)
  assert not tf.global_variables()


@both_layers
def test_integers_are_refused(layer):
  with pytest.raises(errors.WeightError, match='dtype int32'):
    layer(tf.zeros(IMAGES, tf.int32))


def test_an_object_refuses_images_of_another_rank():
  with pytest.raises(errors.LayerError, match='rank 4'):
    core_layers.MaskedConv2D(3, 3)(tf.zeros([2, 3, 3]))
  with pytest.raises(errors.LayerError, match="'NHWC'"):
    core_layers.MaskedConv2D(3, 3, data_format='NHWC')
