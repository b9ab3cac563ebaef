# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Placement: operations go where their data is, and functions are one node each."""

import functools
import gc
import weakref

import numpy as np
import pytest

from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.engine import placement


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


def _absolute(x):
  return tf.abs(x) + 1


def test_bodies_of_like_calls_are_one_and_of_others_are_not():
  with tf.Graph().as_default() as graph, tf.Session() as session:
    def functions():
      return {op.type for op in graph.get_operations() if op.type.startswith('pruning_body')}
    one = [placement.outlined(_absolute, tf.constant([float(i), -2.0])) for i in range(3)]
    assert len(functions()) == 1
    placement.outlined(_absolute, tf.constant([1.0]))
    assert len(functions()) == 2
    scale = [placement.outlined(functools.partial(tf.multiply, factor), tf.constant([1.0]))
             for factor in (2.0, 3.0)]
    closed = [placement.outlined(lambda x, by=by: x + by, tf.constant([1.0])) for by in (5.0, 7.0)]
    assert [float(value[0]) for value in session.run(one)] == [1, 2, 3]
    assert [float(value[0]) for value in session.run(scale + closed)] == [2, 3, 6, 8]


def test_bodies_do_not_keep_their_graph():
  with tf.Graph().as_default() as graph:
    placement.outlined(_absolute, tf.constant([1.0]))
  gone = weakref.ref(graph)
  del graph
  gc.collect()
  assert gone() is None


def test_a_meta_graph_without_default_attributes_can_be_built_upon(tmp_path):
  path = str(tmp_path / 'graph.meta')
  with tf.Graph().as_default():
    placement.outlined(_absolute, tf.constant([1.0]))
    tf.train.export_meta_graph(path, strip_default_attrs=True)
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.import_meta_graph(path)
    assert session.run(placement.outlined(_absolute, tf.constant([-2.0]))) == 3


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


_BUILT = []


def _doubled(x):
  _BUILT.append(x.shape)
  return x * 2


@pytest.mark.skipif(not hasattr(tensorflow, 'function') or tensorflow.__version__.startswith('1.'),
                    reason='TensorFlow 2 has functions of its own')
def test_within_functions_of_tensorflow_2_a_subroutine_is_built_once_for_all_of_them():
  del _BUILT[:]

  def twice(x, y):
    return (placement.subroutine(_doubled, x, shapes=[[None]]),
            placement.subroutine(_doubled, y, shapes=[[None]]))

  functions = [tensorflow.function(twice, autograph=False) for _ in range(2)]
  for function in functions:
    found = function(tensorflow.constant([1.0]), tensorflow.constant([1.0, 2.0]))
    assert [value.numpy().tolist() for value in found] == [[2], [2, 4]]
  assert len(_BUILT) == 1
  concrete = functions[0].get_concrete_function(
      tensorflow.constant([1.0]), tensorflow.constant([1.0, 2.0]))
  types = [op.type for op in concrete.graph.get_operations()]
  assert types.count('PartitionedCall') == 2 and 'Mul' not in types
