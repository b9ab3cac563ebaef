# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Stripped graphs load where branches and loops read variables of TensorFlow 1 by reference."""

import numpy as np
import pytest

import model_pruning
from model_pruning import export
from model_pruning.compat import tf


def _branch(hidden, mean):
  return hidden - tf.cond(tf.placeholder_with_default(False, [], 'flag'),
                          lambda: tf.reduce_mean(hidden, 0), mean.read_value)


def _case(hidden, mean):
  return hidden - tf.case([(tf.placeholder_with_default(False, [], 'flag'), mean.read_value)],
                          default=lambda: mean * 2)


def _nested(hidden, mean):
  flag = tf.placeholder_with_default(True, [], 'flag')
  return hidden - tf.cond(flag, lambda: tf.cond(flag, mean.read_value, lambda: -mean),
                          lambda: mean + 1)


def _loop(hidden, mean):
  return tf.while_loop(lambda i, h: i < 2, lambda i, h: [i + 1, h - mean.read_value()],
                       [0, hidden])[1]


@pytest.mark.sampled(6)
@pytest.mark.parametrize('kind', ['ref', 'resource'])
@pytest.mark.parametrize('model', [_branch, _case, _nested, _loop])
def test_a_variable_read_in_control_flow(model, kind, control_flow):
  if kind == 'ref' and control_flow == 'control_flow_v2':
    pytest.skip('functional control flow takes no references')
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 4], 'x')
    with model_pruning.masked_scope():
      kernel = tf.get_variable('fc/kernel', [4, 3])
    mean = tf.get_variable('mean', [3], trainable=False, use_resource=kind == 'resource',
                           initializer=tf.constant_initializer(3.))
    tf.identity(model(tf.matmul(x, kernel), mean), 'y')
    session.run(tf.global_variables_initializer())
    value = np.random.RandomState(0).rand(5, 4)
    expected = session.run('y:0', {'x:0': value})
    frozen = export.graph_def_from_session(session, ['y'])
    plain = tf.graph_util.convert_variables_to_constants(
        session, tf.get_default_graph().as_graph_def(), ['y'])
  for graph_def in (frozen, model_pruning.strip_pruning_vars_fn(frozen, ['y']),
                    model_pruning.strip_pruning_vars_fn(plain, ['y'])):
    with tf.Graph().as_default(), tf.Session() as session:
      tf.import_graph_def(graph_def, name='')
      np.testing.assert_allclose(session.run('y:0', {'x:0': value}), expected, rtol=1e-6)
