# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of the masked cells. tests/differential/test_layers.py compares them with contrib's."""

import re

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.layers import rnn_cells
from model_pruning.python.layers import rnn_cells as legacy_rnn_cells


def _legacy_keras():
  try:
    _ = tf.nn.rnn_cell.LSTMCell
  except AttributeError:
    return False
  return True


@pytest.fixture(name='graph')
def fixture_graph():
  if not _legacy_keras():
    pytest.skip('no tf.nn.rnn_cell (TF_USE_LEGACY_KERAS=1 has it)')
  with tf.Graph().as_default() as graph:
    yield graph


def _basic(**arguments):
  return rnn_cells.MaskedBasicLSTMCell(4, **arguments)


def _full(**arguments):
  return rnn_cells.MaskedLSTMCell(4, **arguments)


def _features(dtype='float32'):
  return tf.constant(np.random.RandomState(0).uniform(-1, 1, [2, 3, 5]).astype(dtype))


def _run(cell, features=None):
  features = _features() if features is None else features
  return tf.nn.dynamic_rnn(cell, features, dtype=features.dtype)[0]


def _names(made):
  return sorted(variables.op_name(variable) for variable in made)


def _set_all(session, masks):
  """Sets trainable variables by the order of their names, and masks; in any graph the same."""
  session.run(tf.global_variables_initializer())
  for seed, variable in enumerate(sorted(tf.trainable_variables(), key=lambda v: v.name)):
    value = np.random.RandomState(seed).uniform(-1, 1, variable.shape.as_list())
    if variable.op.name in masks:
      value = value * masks[variable.op.name]
    session.run(tf.assign(variable, value.astype(variable.dtype.base_dtype.as_numpy_dtype)))


both_cells = pytest.mark.parametrize('make', [_basic, _full])


@pytest.mark.legacy_keras
@pytest.mark.parametrize('masked, plain, arguments', [
    ('MaskedBasicLSTMCell', 'BasicLSTMCell', {}),
    ('MaskedBasicLSTMCell', 'BasicLSTMCell', {'state_is_tuple': False, 'forget_bias': 0.,
                                              'activation': tf.nn.softsign}),
    ('MaskedLSTMCell', 'LSTMCell', {}),
    ('MaskedLSTMCell', 'LSTMCell', {'num_proj': 3, 'use_peepholes': True, 'cell_clip': .2,
                                    'proj_clip': .1, 'state_is_tuple': False}),
    ('MaskedLSTMCell', 'LSTMCell', {'num_proj': 7, 'forget_bias': .5, 'activation': tf.nn.elu,
                                    'dtype': tf.float64}),
    ('MaskedLSTMCell', 'LSTMCell', {'num_unit_shards': 2, 'num_proj': 4, 'num_proj_shards': 2})])
def test_a_cell_is_tensorflows_with_kernel_times_mask(masked, plain, arguments, graph):
  dtype = arguments.get('dtype', tf.float32).name
  outputs = _run(getattr(rnn_cells, masked)(4, name='x', **arguments), _features(dtype))
  record, = registry.masked_weights()
  trainable = _names(tf.trainable_variables())
  random = np.random.RandomState(9)
  masks = [(random.uniform(size=shard.shape.as_list()) > .5) for shard in record.mask_shards]
  with tf.Session() as session:
    _set_all(session, {})
    for shard, mask in zip(record.mask_shards, masks):
      session.run(tf.assign(shard, mask.astype(dtype)))
    got = session.run(outputs)
  with tf.Graph().as_default(), tf.Session() as session:
    outputs = _run(getattr(tf.nn.rnn_cell, plain)(4, name='x', **arguments), _features(dtype))
    assert _names(tf.trainable_variables()) == trainable
    _set_all(session, {shard.op.name: mask for shard, mask in zip(record.weight_shards, masks)})
    wanted = session.run(outputs)
  assert got.dtype == dtype and wanted.any()
  np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)


@pytest.mark.legacy_keras
@pytest.mark.parametrize('make, scope', [(_basic, 'masked_basic_lstm_cell'),
                                         (_full, 'masked_lstm_cell')])
def test_names_are_contribs(make, scope, graph, control_flow):
  del control_flow
  cell = make()
  _run(cell)
  prefix = 'rnn/%s/' % scope
  assert _names(cell.trainable_weights) == [prefix + 'bias', prefix + 'kernel']
  assert _names(cell.non_trainable_weights) == [prefix + 'mask', prefix + 'threshold']
  assert _names(cell.weights) == _names(tf.global_variables())
  record, = registry.masked_weights()
  assert record.masked.op.name.endswith('weights/masked_weight')
  assert (record.name, record.mask.op.name) == (prefix + 'kernel', prefix + 'mask')


@pytest.mark.legacy_keras
def test_the_projection_is_not_masked(graph):
  _run(_full(num_proj=3, use_peepholes=True, name='x'))
  assert _names(model_pruning.get_weights()) == ['rnn/x/kernel']
  assert _names(tf.trainable_variables()) == [
      'rnn/x/bias', 'rnn/x/kernel', 'rnn/x/projection/kernel', 'rnn/x/w_f_diag', 'rnn/x/w_i_diag',
      'rnn/x/w_o_diag']


@pytest.mark.legacy_keras
@both_cells
def test_an_optimizer_takes_the_weights_of_a_cell(make, graph):
  cell = make()
  outputs = _run(cell)
  train = tf.train.GradientDescentOptimizer(1.).minimize(
      tf.reduce_sum(outputs), var_list=cell.trainable_weights)
  record, = registry.masked_weights()
  mask = np.random.RandomState(0).uniform(size=record.layout.shape) > .5
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(record.mask, mask.astype(np.float32)))
    before = session.run(record.weight)
    session.run(train)
    after = session.run(record.weight)
  assert not (after != before)[~mask].any() and (after != before)[mask].any()


@pytest.mark.legacy_keras
@both_cells
def test_masks_multiply_once_before_the_loop(make, graph, control_flow):
  del control_flow
  _run(make())
  product, = model_pruning.get_masked_weights()
  assert product.graph is graph and product.op._get_control_flow_context() is None


@pytest.mark.legacy_keras
@both_cells
def test_a_cell_called_again_and_again_is_registered_once(make, graph):
  cell = make()
  outputs, state = [], cell.zero_state(2, tf.float32)
  for step in tf.unstack(_features(), axis=1):
    output, state = cell(step, state)
    outputs.append(output)
  assert len(model_pruning.get_masks()) == len(model_pruning.get_masked_weights()) == 1
  assert len(tf.global_variables()) == 4
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert len(session.run(outputs)) == 3


@pytest.mark.legacy_keras
@both_cells
def test_cells_share_variables_where_they_are_told_to(make, graph):
  for reuse in (None, True):
    with tf.variable_scope('net', reuse=reuse):
      outputs = _run(make(reuse=reuse))
  assert len(model_pruning.get_masks()) == 1 and len(tf.global_variables()) == 4
  with tf.Session() as session:
    _set_all(session, {})
    dense = session.run(outputs)
    session.run(tf.assign(model_pruning.get_masks()[0], np.zeros([9, 16])))
    assert not np.allclose(session.run(outputs), dense)


@pytest.mark.legacy_keras
@pytest.mark.parametrize('use_resource', [False, True])
def test_a_partitioner_of_the_scope_cuts_kernel_and_mask_alike(use_resource, graph):
  with tf.variable_scope('net', partitioner=tf.fixed_size_partitioner(2, -1),
                         use_resource=use_resource):
    outputs = _run(_full())
  record, = registry.masked_weights()
  assert [shard.shape.as_list() for shard in record.mask_shards] == [[9, 8], [9, 8]]
  assert [shard.shape.as_list() for shard in record.weight_shards] == [[9, 8], [9, 8]]
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(outputs).any()


@pytest.mark.legacy_keras
@both_cells
def test_in_a_masked_scope_nothing_is_masked_twice(make, graph):
  with model_pruning.masked_scope(group_name='g'):
    outputs = _run(make(name='x'))
  assert _names(tf.global_variables()) == [
      'rnn/x/bias', 'rnn/x/kernel', 'rnn/x/mask', 'rnn/x/threshold']
  record, = registry.masked_weights()
  assert record.group == 'g'
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(outputs).any()


@pytest.mark.legacy_keras
def test_cells_in_wrappers(graph):
  cells = [tf.nn.rnn_cell.DropoutWrapper(_full(num_proj=3), .9), _basic()]
  outputs = _run(tf.nn.rnn_cell.MultiRNNCell(cells))
  assert _names(model_pruning.get_masks()) == [
      'rnn/multi_rnn_cell/cell_0/masked_lstm_cell/mask',
      'rnn/multi_rnn_cell/cell_1/masked_basic_lstm_cell/mask']
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    assert session.run(outputs).shape == (2, 3, 4)


@pytest.mark.legacy_keras
def test_pruning_a_cell(graph):
  tf.train.get_or_create_global_step()
  _run(_full())
  update = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5').mask_update_op()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert session.run(model_pruning.get_masks()[0]).mean() == 0.5


@pytest.mark.legacy_keras
@both_cells
def test_making_a_cell_warns_of_nothing(make, graph, recwarn):
  make()
  assert not [w for w in recwarn if re.search('rnn_cell', str(w.message))]


@pytest.mark.skipif(_legacy_keras(), reason='this TensorFlow has tf.nn.rnn_cell')
@both_cells
def test_without_legacy_keras_the_error_says_what_to_install(make):
  with pytest.raises(ImportError) as caught:
    make()
  for part in ('LSTMCell', tf.__version__, 'pip install tf_keras', 'TF_USE_LEGACY_KERAS=1',
               'before TensorFlow is imported'):
    assert part in str(caught.value)


def test_legacy_names_are_the_same_objects():
  for name in ('MaskedBasicLSTMCell', 'MaskedLSTMCell'):
    assert getattr(legacy_rnn_cells, name) is getattr(rnn_cells, name)
