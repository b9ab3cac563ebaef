# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of reading.inlining: graphs without calls compute what the calls did."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.reading import inlining

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('graphs with such calls are written by TensorFlow 2', allow_module_level=True)

from tensorflow.python.framework import function as defun_lib

function = tensorflow.function
X = np.random.RandomState(0).randn(3, 4).astype(np.float32)
CALLS = ('PartitionedCall', 'StatefulPartitionedCall')


def _graph(build):
  """Returns the GraphDef of build(x), whose outputs are y0, y1, ...; and their number."""
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [None, 4], 'x')
    results = build(x)
    results = results if isinstance(results, (list, tuple)) else [results]
    for index, result in enumerate(results):
      tf.identity(result, 'y%d' % index)
    return graph.as_graph_def(), len(results)


def _run(graph_def, number, x=X):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    return session.run(['y%d:0' % index for index in range(number)], {'x:0': x})


def _ops(graph_def):
  return [node.op for node in graph_def.node]


def _check(build):
  """Checks that a graph computes the same without calls; returns the graph without them."""
  before, number = _graph(build)
  assert any(inlining._called(node, {each.signature.name: each for each in before.library.function})
             for node in before.node)
  copied = before.SerializeToString(deterministic=True)
  after = inlining.inline(before)
  assert before.SerializeToString(deterministic=True) == copied
  assert not set(_ops(after)) & set(CALLS)
  names = [node.name for node in after.node]
  assert len(names) == len(set(names))
  for value, wanted in zip(_run(after, number), _run(before, number)):
    np.testing.assert_array_equal(value, wanted)
  return after


@function
def _double(x):
  return x * 2.0


@function
def _affine(x):
  return _double(x) + tf.constant(1.0) + _double(_double(x))


@function
def _several(x):
  left, right = tf.split(x, 2, axis=1)
  return right, x, left


def test_calls_within_calls():
  _check(lambda x: _affine(_affine(x)))


def test_a_function_called_twice_has_nodes_of_both_calls():
  after = _check(lambda x: _double(x) - _double(x + 1.0))
  assert _ops(after).count('Mul') == 2


def test_several_results():
  _check(lambda x: (_several(x)[0] + 1.0, _several(x)[2], _several(_double(x))[1]))


def test_results_that_are_arguments_or_come_from_calls():
  @function
  def through(x):
    return x, _several(x)[0], _double(x)

  @function
  def twice(x):
    first = through(x)
    return through(first[0])[2], first[1], x

  _check(lambda x: twice(x + 1.0))


def test_operations_with_lists_of_results():
  @function
  def lists(x):
    parts = tf.unstack(tf.transpose(x))
    values, indices = tf.math.top_k(x, 2)
    return parts[3], tf.cast(indices, tf.float32) + values, tf.unique_with_counts(parts[0]).count

  _check(lists)


def test_control_inputs_of_and_inside_of_calls():
  @function
  def waits(x):
    with tf.control_dependencies([tf.debugging.assert_less(x, 1e6), _double(x)]):
      return tf.identity(x) + 1.0

  def build(x):
    with tf.control_dependencies([waits(x)]):
      return waits(tf.identity(x))

  after = _check(build)
  names = {node.name for node in after.node}
  for node in after.node:
    for text in node.input:
      assert text.lstrip('^').split(':')[0] in names, text


def test_a_function_that_waits_for_its_argument():
  @function
  def waits(x, y):
    with tf.control_dependencies([x]):
      return y + 1.0

  _check(lambda x: waits(x, _double(x)))
  _check(lambda x: waits(_several(x)[1], x))


def test_a_function_without_results_is_waited_for():
  @function
  def nothing(x):
    tf.debugging.assert_less(x, 1e6)

  def build(x):
    nothing(x)
    return _double(x)

  _check(build)


def test_loops_and_branches_stay():
  @function
  def loop(x):
    x = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, _double(y)), [0, x])[1]
    return tf.cond(tf.reduce_sum(x) > 0, lambda: _double(x), lambda: -x)

  after = _check(lambda x: loop(x) + 1.0)
  assert {'While', 'StatelessWhile'} & set(_ops(after))
  assert {'If', 'StatelessIf'} & set(_ops(after))
  assert after.library.function


def test_calls_by_the_name_of_the_function():
  @defun_lib.Defun(tf.float32)
  def old(x):
    return x * 3.0, x + 1.0

  _check(lambda x: tuple(old(x)) + tuple(old(old(x)[1])))


def test_names_in_functions_may_be_those_outside():
  @function
  def same(x):
    return tf.identity(tf.identity(x, 'x') * 2.0, 'y0')

  _check(lambda x: same(x))


def test_a_graph_without_calls_is_returned_as_it_is():
  graph_def, _ = _graph(lambda x: x + 1.0)
  assert inlining.inline(graph_def) is graph_def


def test_functions_that_call_themselves():
  graph_def, _ = _graph(lambda x: _double(x))
  body, = graph_def.library.function
  call, = (node for node in graph_def.node if node.op in CALLS)
  body.node_def.add().CopyFrom(call)
  body.node_def[-1].input[:] = [body.signature.input_arg[0].name]
  with pytest.raises(errors.ModelFileError) as caught:
    inlining.inline(graph_def)
  assert len(str(caught.value).splitlines()) == 1


def test_a_string_is_no_list_of_outputs():
  graph_def, _ = _graph(lambda x: x + 1.0)
  with pytest.raises(errors.OutputNodeError, match=r"outputs is 'y0'.*outputs=\['y0'\]"):
    inlining.needed_for(graph_def, 'y0')
