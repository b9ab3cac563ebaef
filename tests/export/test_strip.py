# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.strip: graphs without masks, with the same outputs."""

import os
import re
import shutil

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import freeze
from model_pruning.graph import registry

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])

SPEC = 'initial_sparsity=0.7,target_sparsity=0.7'


# ---- Models: placeholder 'inputs' [batch, 12] -> 'outputs'. ----


def _get_weights(name, shape):
  with tf.variable_scope(name):
    return tf.get_variable('weights', shape, initializer=tf.random_uniform_initializer(-1, 1))


def mlp(inputs):
  hidden = tf.tanh(tf.matmul(inputs, _get_weights('fc1', [12, 8])) + 1)
  return tf.matmul(hidden, _get_weights('fc2', [8, 3]))


def convolution(inputs):
  images = tf.reshape(inputs, [-1, 2, 3, 2])
  return tf.nn.conv2d(images, _get_weights('conv', [2, 2, 2, 4]), [1, 1, 1, 1], 'SAME')


def partitioned(inputs):
  with tf.variable_scope('cut', partitioner=tf.fixed_size_partitioner(3, axis=1)):
    hidden = tf.tanh(tf.matmul(inputs, _get_weights('fc1', [12, 8])))
  with tf.variable_scope('cut', partitioner=tf.fixed_size_partitioner(2, axis=0)):
    return tf.matmul(hidden, _get_weights('fc2', [8, 3]))


def confusing_names(inputs):
  """Names with 'masked_weight' or 'mask' in them that are the model's own."""
  inputs = tf.multiply(inputs, 1.5, name='weights/masked_weight_like')
  with tf.variable_scope('unmasked_weights'):
    bias = tf.get_variable('mask', [8], trainable=False,
                           initializer=tf.constant_initializer([0, 1] * 4))
  hidden = tf.matmul(inputs, _get_weights('masked_weight', [12, 8]))
  hidden = tf.multiply(hidden, bias, name='attention/masked_weight')
  return tf.matmul(hidden, _get_weights('threshold', [8, 3]), name='fc/masked_weight')


def shared(inputs):
  with tf.variable_scope('tied', reuse=tf.AUTO_REUSE):
    hidden = tf.tanh(tf.matmul(inputs, _get_weights('fc', [12, 12])))
    return tf.matmul(hidden, _get_weights('fc', [12, 12]))


def loop(inputs):
  """A weight in the body of a tf.while_loop."""
  def body(index, state):
    return index + 1, tf.tanh(tf.matmul(state, _get_weights('recurrent', [12, 12])))

  return tf.while_loop(lambda index, _: index < 3, body, (tf.constant(0), inputs))[1]


def lstm(inputs):
  try:
    cell = tf.nn.rnn_cell.BasicLSTMCell(4)
  except AttributeError as error:
    pytest.skip('%s (TF_USE_LEGACY_KERAS=1 has it)' % error)
  return tf.nn.dynamic_rnn(cell, tf.reshape(inputs, [-1, 3, 4]), dtype=tf.float32)[0]


MODELS = [mlp, convolution, partitioned, confusing_names, shared, loop,
          pytest.param(lstm, marks=pytest.mark.legacy_keras)]


def _session():
  """A session that runs a graph as it is: optimized ones round differently."""
  config = tf.ConfigProto()
  config.graph_options.rewrite_options.disable_meta_optimizer = True
  return tf.Session(config=config)


def _train(model, folder, use_resource=False, steps=2):
  """Trains and prunes a model, and saves it after every step; returns inputs and outputs."""
  values = np.random.RandomState(0).uniform(-1, 1, [2, 12]).astype(np.float32)
  with tf.Graph().as_default(), _session() as session:
    tf.set_random_seed(1)  # With another one a model may be pruned to nothing.
    step = tf.train.get_or_create_global_step()
    inputs = tf.placeholder(tf.float32, [None, 12], 'inputs')
    with tf.variable_scope('model', use_resource=use_resource), model_pruning.masked_scope():
      outputs = model(inputs)
    outputs = tf.identity(outputs, 'outputs')
    train_op = tf.train.MomentumOptimizer(0.1, 0.9).minimize(
        tf.reduce_sum(outputs**2), global_step=step)
    pruning = model_pruning.Pruning(SPEC)
    update, saver = pruning.mask_update_op(), tf.train.Saver()
    session.run(tf.global_variables_initializer())
    results = []
    for _ in range(steps):
      session.run(train_op, {inputs: values})
      session.run(update)
      saver.save(session, os.path.join(folder, 'model.ckpt'), global_step=step)
      results.append(session.run(outputs, {inputs: values}))
    for record in registry.masked_weights():
      assert not all(np.all(session.run(tf.cast(shard, tf.bool))) for shard in record.mask_shards)
  return values, results


def _run(graph_def, values):
  with tf.Graph().as_default(), _session() as session:
    tf.import_graph_def(graph_def, name='')
    return session.run('outputs:0', {'inputs:0': values})


def _names(graph_def):
  return [node.name for node in graph_def.node]


def _stripped(folder):
  return model_pruning.strip_pruning_vars_fn(
      model_pruning.graph_def_from_checkpoint(folder, ['outputs']), ['outputs'])


# ---- Outputs stay, masks go. ----


@pytest.mark.sampled(2)
@both_kinds
@pytest.mark.parametrize('model', MODELS)
def test_outputs_are_the_same_to_the_bit(model, use_resource, control_flow, tmp_path):
  del control_flow
  values, results = _train(model, str(tmp_path), use_resource)
  frozen = model_pruning.graph_def_from_checkpoint(str(tmp_path), ['outputs'])
  np.testing.assert_array_equal(_run(frozen, values), results[-1])
  stripped = model_pruning.strip_pruning_vars_fn(frozen, ['outputs'])
  np.testing.assert_array_equal(_run(stripped, values), results[-1])
  assert results[-1].any()


@pytest.mark.sampled(2)
@both_kinds
@pytest.mark.parametrize('model', MODELS)
def test_nothing_of_the_pruning_is_left(model, use_resource, tmp_path):
  tf.disable_control_flow_v2()
  _train(model, str(tmp_path), use_resource)
  frozen = model_pruning.graph_def_from_checkpoint(str(tmp_path), ['outputs'])
  stripped = model_pruning.strip_pruning_vars_fn(frozen, ['outputs'])
  own = ('model/unmasked_weights/mask', 'model/threshold/weights')  # Of confusing_names.
  pruning = re.compile('/mask(/|$)|/threshold(/|$)|mask_update|pruning_ops|^model_pruning/|'
                       'global_step|Momentum')

  def of_the_pruning(graph_def):
    return [name for name in _names(graph_def)
            if pruning.search(name) and not name.startswith(own)]

  left = _names(stripped)
  assert of_the_pruning(frozen) and not of_the_pruning(stripped)
  # Half of what the weights took was masks.
  assert stripped.ByteSize() < frozen.ByteSize()
  assert 'inputs' in left and 'outputs' in left


@pytest.mark.sampled(2)
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float64'])
def test_weights_of_any_dtype(dtype, tmp_path):
  def model(inputs):
    with tf.variable_scope('fc'):
      weights = tf.get_variable(
          'weights', [12, 3], tf.as_dtype(dtype),
          initializer=tf.constant_initializer(np.arange(36).reshape(12, 3) - 18))
    return tf.matmul(inputs, tf.cast(weights, tf.float32))

  values, results = _train(model, str(tmp_path))
  stripped = _stripped(str(tmp_path))
  np.testing.assert_array_equal(_run(stripped, values), results[-1])
  assert not [name for name in _names(stripped) if name.endswith('/mask')]


def test_the_masked_weight_becomes_a_constant_of_its_name(tmp_path):
  _train(mlp, str(tmp_path))
  constants = {node.name: tf.make_ndarray(node.attr['value'].tensor)
               for node in _stripped(str(tmp_path)).node if node.op == 'Const'}
  weights = constants['model/fc1/weights/masked_weight']
  assert weights.shape == (12, 8) and np.count_nonzero(weights) == round(96 * 0.3)
  assert not np.signbit(weights[weights == 0]).any()  # Zeros that are all alike compress better.
  assert 'model/fc1/weights' not in constants


def test_a_graph_without_masks_is_left_as_it_is():
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [None, 2], 'inputs')
    tf.identity(tf.matmul(inputs, tf.constant([[1., 2.], [3., 4.]])), 'outputs')
  graph_def = graph.as_graph_def()
  assert model_pruning.strip_pruning_vars_fn(graph_def, ['outputs']).node == graph_def.node


def test_a_mask_over_what_is_only_known_when_run_stays():
  """A Mul with a constant of zeros and ones that hides no constant is the model's own."""
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [2], 'inputs')
    tf.multiply(inputs, tf.constant([0., 1.]), name='outputs')
  stripped = model_pruning.strip_pruning_vars_fn(graph.as_graph_def(), ['outputs'])
  np.testing.assert_array_equal(_run(stripped, np.array([3., 4.], np.float32)), [0, 4])


def test_a_product_of_constants_that_are_no_masks_stays():
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [2], 'inputs')
    scaled = tf.multiply(tf.constant([2., 1.]), tf.constant([0., 3.]), name='scaled')
    tf.add(inputs, scaled, name='outputs')
  graph_def = graph.as_graph_def()
  assert model_pruning.strip_pruning_vars_fn(graph_def, ['outputs']).node == graph_def.node


def test_several_outputs_are_kept(tmp_path):
  values, _ = _train(mlp, str(tmp_path))
  outputs = ['outputs', 'model/Tanh']
  stripped = model_pruning.strip_pruning_vars_fn(
      model_pruning.graph_def_from_checkpoint(str(tmp_path), outputs), outputs)
  assert set(outputs) <= set(_names(stripped))
  with tf.Graph().as_default(), _session() as session:
    tf.import_graph_def(stripped, name='')
    hidden, = session.run(['model/Tanh:0'], {'inputs:0': values})
  assert hidden.shape == (2, 8)


def test_default_graph_and_argument_are_left_alone(tmp_path):
  _train(mlp, str(tmp_path))
  with tf.Graph().as_default() as graph:
    frozen = model_pruning.graph_def_from_checkpoint(str(tmp_path), ['outputs'])
    before = frozen.SerializeToString(deterministic=True)
    model_pruning.strip_pruning_vars_fn(frozen, ['outputs'])
    assert graph.get_operations() == [] and tf.global_variables() == []
  assert frozen.SerializeToString(deterministic=True) == before


def test_from_a_live_session():
  values = np.ones([1, 12], np.float32)
  with tf.Graph().as_default(), _session() as session:
    tf.train.get_or_create_global_step()
    inputs = tf.placeholder(tf.float32, [None, 12], 'inputs')
    with model_pruning.masked_scope():
      outputs = tf.identity(mlp(inputs), 'outputs')
    update = model_pruning.Pruning(SPEC).mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    wanted = session.run(outputs, {inputs: values})
    operations = session.graph.get_operations()
    frozen = freeze.graph_def_from_session(session, ['outputs'])
    stripped = model_pruning.strip_pruning_vars_fn(frozen, ['outputs'])
    assert [op for op in session.graph.get_operations() if op.type not in (
        'Identity', 'ReadVariableOp')] == [op for op in operations if op.type not in (
            'Identity', 'ReadVariableOp')]
  np.testing.assert_array_equal(_run(stripped, values), wanted)


# ---- Which checkpoint. ----


def test_a_directory_means_its_latest_checkpoint_and_a_path_the_one(tmp_path):
  values, results = _train(mlp, str(tmp_path))
  assert not np.array_equal(*results)
  for place, wanted in ((str(tmp_path), results[1]), (str(tmp_path / 'model.ckpt-2'), results[1]),
                        (str(tmp_path / 'model.ckpt-1'), results[0])):
    graph_def = model_pruning.graph_def_from_checkpoint(place, ['outputs'])
    np.testing.assert_array_equal(_run(graph_def, values), wanted)


@pytest.mark.parametrize('place', ['', 'nowhere', 'model.ckpt-7'])
def test_no_checkpoint(place, tmp_path):
  path = str(tmp_path / place)
  with pytest.raises(errors.CheckpointError) as caught:
    model_pruning.graph_def_from_checkpoint(path, ['outputs'])
  assert 'Could not find a checkpoint' in str(caught.value) and path in str(caught.value)


def _damage(folder, suffix, how):
  name, = [name for name in os.listdir(folder) if name.startswith('model.ckpt-2' + suffix)]
  path = os.path.join(folder, name)
  if how == 'removed':
    os.remove(path)
    return
  with open(path, 'rb') as f:
    content = f.read()
  with open(path, 'wb') as f:
    f.write({'halved': content[:len(content) // 2], 'emptied': b''}[how])


@pytest.mark.parametrize('suffix', ['.meta', '.data', '.index'])
@pytest.mark.parametrize('how', ['halved', 'emptied', 'removed'])
def test_a_damaged_checkpoint(suffix, how, trained, tmp_path):
  folder = str(tmp_path / 'copy')
  shutil.copytree(trained, folder)
  _damage(folder, suffix, how)
  with pytest.raises(errors.CheckpointError) as caught:
    model_pruning.graph_def_from_checkpoint(os.path.join(folder, 'model.ckpt-2'), ['outputs'])
  assert folder in str(caught.value) and len(str(caught.value).splitlines()) == 1
  # The one before it is whole.
  model_pruning.graph_def_from_checkpoint(os.path.join(folder, 'model.ckpt-1'), ['outputs'])


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('trained'))
  _train(mlp, folder)
  return folder


# ---- Bad outputs. ----


@pytest.mark.parametrize('outputs,parts', [
    (['output'], ["'output'", 'did you mean outputs?']),
    (['outputs', 'model/tanh'], ["'model/tanh'", 'did you mean model/Tanh?']),
    (['outputs:0'], ["'outputs:0'", 'did you mean outputs?']),
    (['zzz'], ["'zzz'", 'There is no operation']),
])
def test_an_output_that_is_not_there_is_refused_with_the_near_ones(outputs, parts, trained):
  frozen = model_pruning.graph_def_from_checkpoint(trained, ['outputs'])
  for call in (lambda: model_pruning.graph_def_from_checkpoint(trained, outputs),
               lambda: model_pruning.strip_pruning_vars_fn(frozen, outputs)):
    with pytest.raises(errors.OutputNodeError) as caught:
      call()
    for part in parts:
      assert part in str(caught.value)


@pytest.mark.parametrize('outputs', [[], 'outputs', None])
def test_outputs_that_are_no_list_of_names_are_refused(outputs, trained):
  frozen = model_pruning.graph_def_from_checkpoint(trained, ['outputs'])
  for call in (lambda: model_pruning.graph_def_from_checkpoint(trained, outputs),
               lambda: model_pruning.strip_pruning_vars_fn(frozen, outputs)):
    with pytest.raises(errors.OutputNodeError, match='expected a list of operation names'):
      call()
