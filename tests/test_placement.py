# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Placement: operations go where their data is, and functions are one node each."""

import numpy as np

from model_pruning import placement
from model_pruning.compat import tf


def test_operations_are_colocated_with_a_variable_and_with_it_alone():
  with tf.Graph().as_default():
    with tf.device('/job:ps/task:0'):
      first = tf.get_variable('first', [2], use_resource=False)
    with tf.device('/job:ps/task:1'):
      second = tf.get_variable('second', [2], use_resource=False)
    with placement.on_device_of(first), placement.on_device_of(second):
      result = tf.identity(tf.constant(1.0), name='result')
    assert result.op.colocation_groups() == [b'loc:@second']


def test_an_outlined_function_is_one_node_and_computes_the_same():
  with tf.Graph().as_default() as graph, tf.Session() as session:
    x, y = tf.constant([1.0, -2.0]), tf.constant(3.0)
    before = len(graph.get_operations())
    total, largest = placement.outlined(
        lambda x, y: (tf.abs(x) * y + 1, tf.reduce_max(tf.abs(x))), x, y)
    assert len(graph.get_operations()) == before + 1
    assert total.shape.as_list() == [2] and largest.shape.as_list() == []
    np.testing.assert_array_equal(session.run(total), [4, 7])
    assert session.run(largest) == 2


def test_outlining_inside_a_function_and_eagerly_just_calls():
  double = lambda x: x + x
  with tf.Graph().as_default(), tf.Session() as session:
    assert session.run(tf.function(lambda x: placement.outlined(double, x))(tf.constant(2.0))) == 4


def test_conditionals_are_switches_and_control_flow_is_put_back():
  enabled = tf.control_flow_v2_enabled()
  tf.enable_control_flow_v2()
  try:
    with tf.Graph().as_default() as graph:
      with placement.switches_and_merges():
        tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2))
      assert 'Merge' in {op.type for op in graph.get_operations()}
      assert tf.control_flow_v2_enabled()
  finally:
    if not enabled:
      tf.disable_control_flow_v2()
