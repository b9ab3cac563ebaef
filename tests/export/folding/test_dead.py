# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.folding.dead: what training adds to loops and branches goes."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.export import freeze
from model_pruning.export.folding import dead


def _weight(name):
  return tf.get_variable(name, [3, 3], initializer=tf.random_normal_initializer(seed=1))


def loop(x):
  weight = _weight('w')
  return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, weight))),
                       (tf.constant(0), x))[1]


def loops_of_which_one_feeds_the_other(x):
  _, y, z = tf.while_loop(lambda i, *_: i < 2,
                          lambda i, y, z: (i + 1, tf.matmul(y, _weight('a')), z + y),
                          (tf.constant(0), x, x))
  return tf.while_loop(lambda i, *_: i < 2, lambda i, y, z: (i + 1, y + z, tf.sin(y)),
                       (tf.constant(0), y, z))[1]


def branches(x):
  weight = _weight('w')
  return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.tanh(tf.matmul(x, weight)),
                 lambda: tf.sigmoid(tf.matmul(tf.sin(x), weight)))


def branch_in_loop(x):
  weight = _weight('w')
  return tf.while_loop(
      lambda i, *_: i < 3,
      lambda i, y: (i + 1, tf.cond(tf.reduce_sum(y) > 0, lambda: tf.tanh(tf.matmul(y, weight)),
                                   lambda: tf.sin(y))), (tf.constant(0), x))[1]


def unused_variables(x):
  """Only y is taken; it needs z, and neither needs the others."""
  return tf.while_loop(
      lambda i, *_: i < 3,
      lambda i, a, y, b, z: (i + 1, tf.matmul(a, x, transpose_b=True) @ x, y + z, tf.sin(b + a),
                             tf.cos(z)), (tf.constant(0), x, x, x, x))[2]


def _functions(graph_def):
  return {node.op for function in graph_def.library.function for node in function.node_def}


@pytest.mark.parametrize('model', [
    loop, loops_of_which_one_feeds_the_other, branches, branch_in_loop, unused_variables])
def test_what_gradients_need_goes_and_outputs_stay(model):
  tf.enable_control_flow_v2()
  values = [np.full([2, 3], value, np.float32) for value in (0.4, -0.8)]
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 3], 'inputs')
    y = tf.identity(model(x), 'outputs')
    tf.gradients(tf.reduce_sum(y), x)  # As training would: loops then keep what they computed.
    session.run(tf.global_variables_initializer())
    frozen = freeze.graph_def_from_session(session, ['outputs'])
  results = []
  stripped = model_pruning.strip_pruning_vars_fn(frozen, ['outputs'])
  for graph_def in (frozen, stripped):
    with tf.Graph().as_default(), tf.Session() as session:
      tf.import_graph_def(graph_def, name='')
      results.append([session.run('outputs:0', {'inputs:0': value}) for value in values])
  np.testing.assert_array_equal(*results)
  kept_for_gradients = {'TensorListPushBack', 'OptionalFromValue', 'EmptyTensorList'}
  if model is not unused_variables:
    assert _functions(frozen) & kept_for_gradients
  assert not _functions(stripped) & kept_for_gradients
  assert not {node.op for node in stripped.node} & kept_for_gradients
  if model is unused_variables:
    loop_node, = [node for node in stripped.node if node.op.endswith('While')]
    assert not {'Sin', 'MatMul'} & _functions(stripped) and 'Cos' in _functions(stripped)
    assert len(loop_node.input) < len([n for n in frozen.node if n.op.endswith('While')][0].input)


def test_loops_with_effects_are_left_alone():
  tf.enable_control_flow_v2()
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [], 'inputs')
    y = tf.while_loop(lambda i, *_: i < 3,
                      lambda i, y, z: (i + 1, y + 1, z * tf.random.uniform([])),
                      (tf.constant(0), x, x))[1]
    tf.identity(y, 'outputs')
  graph_def = tf.graph_util.extract_sub_graph(graph.as_graph_def(), ['outputs'])
  assert dead.drop_dead_results(graph_def, ['outputs']) == graph_def
