# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.folding.fold: masked products wherever they are in a graph."""

import numpy as np
import pytest
import tensorflow

from model_pruning.compat import Defun
from model_pruning.compat import tf
from model_pruning.export import freeze
from model_pruning.export.folding import fold

WEIGHTS = np.random.RandomState(1).uniform(-1, 1, [4, 4]).astype(np.float32)
MASK = (np.abs(WEIGHTS) > 0.5).astype(np.float32)
OTHER_MASK = (np.abs(WEIGHTS) <= 0.5).astype(np.float32)


# ---- Models: x [batch, 4] -> [batch, 4]. `w`, `m`, `other` read the variables where called. ----


def in_function(x, w, m, other):
  del other

  @tensorflow.function
  def function(x):
    return tf.matmul(x, w() * m()) + 1

  return function(x)


def in_function_of_function(x, w, m, other):
  del other

  @tensorflow.function
  def inner(x, weight):
    return tf.matmul(x, weight * m())

  @tensorflow.function
  def outer(x):
    return inner(x, w()) + 1

  return outer(x)


def handed_over(x, w, m, other):
  """The same function with two masks: what is built in at one call must not reach the other."""
  @tensorflow.function
  def function(x, weight, mask):
    return tf.tanh(tf.matmul(x, weight * mask))

  return function(function(x, w(), m()), w(), other())


def in_defun(x, w, m, other):
  del other

  @Defun(tf.float32, tf.float32, tf.float32)
  def function(x, weight, mask):
    return tf.matmul(x, weight * mask)

  y = function(x, w(), m())
  y.set_shape([None, 4])
  return y


def in_branches(x, w, m, other):
  return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, w() * m()),
                 lambda: tf.matmul(x, w() * other()))


def in_one_branch(x, w, m, other):
  del other
  return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, w() * m()), lambda: 2 * x)


def out_of_branches(x, w, m, other):
  """What a branch that is not taken makes must not come out of it, constant or not."""
  return tf.matmul(x, tf.cond(
      tf.reduce_sum(x) > 0, lambda: w() * m(),
      lambda: tf.constant(WEIGHTS) * tf.constant(OTHER_MASK)))


def in_loop(x, w, m, other):
  del other
  return tf.while_loop(
      lambda i, _: i < 3,
      lambda i, y: (i + 1, tf.tanh(tf.matmul(y, w() * m()))), (tf.constant(0), x))[1]


def of_constants_in_loop(x, w, m, other):
  del w, m, other
  return tf.while_loop(
      lambda i, _: i < 3,
      lambda i, y: (i + 1, tf.tanh(tf.matmul(y, tf.constant(WEIGHTS) * tf.constant(MASK)))),
      (tf.constant(0), x))[1]


def in_loop_with_more(x, w, m, other):
  """Loop variables before and after those that are dropped, and results of both."""
  def body(i, y, z, total):
    y = tf.tanh(tf.matmul(y, w() * m()))
    return i + 1, y, z, total + tf.reduce_sum(tf.matmul(y, w() * other())) * tf.reduce_sum(z)

  _, y, z, total = tf.while_loop(lambda i, *_: i < 3, body,
                                 (tf.constant(0), x, 0.5 * x, tf.constant(0.)))
  return y + z + total


def in_branch_in_loop(x, w, m, other):
  def body(i, y):
    return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: tf.tanh(tf.matmul(y, w() * m())),
                          lambda: tf.matmul(y, w() * other()))

  return tf.while_loop(lambda i, _: i < 3, body, (tf.constant(0), x))[1]


def of_a_computed_weight(x, w, m, other):
  """A weight that is normalized before it is masked."""
  del other
  weight = w()
  return tf.matmul(x, weight / tf.sqrt(tf.reduce_sum(tf.square(weight), axis=0)) * m())


def of_a_quantized_weight(x, w, m, other):
  del other
  return tf.matmul(x, tf.fake_quant_with_min_max_args(tf.gather(w(), [3, 1, 0, 2])) * m())


def of_one_part(x, w, m, other):
  """Of two parts of what is computed, the second is masked."""
  del other
  _, right = tf.split(tf.concat([w(), 2 * w()], axis=1), 2, axis=1)
  return tf.matmul(x, right * m())


def of_parts(x, w, m, other):
  del other
  left, right = tf.split(w(), 2, axis=1)
  return tf.matmul(x, tf.concat([right, left], axis=1) * m())


MODELS = [in_function, in_function_of_function, handed_over, in_defun, in_branches, in_one_branch,
          out_of_branches, in_loop, of_constants_in_loop, in_loop_with_more, in_branch_in_loop,
          of_a_computed_weight, of_a_quantized_weight, of_one_part, of_parts]


def _run(graph_def, values):
  config = tf.ConfigProto()
  config.graph_options.rewrite_options.disable_meta_optimizer = True
  with tf.Graph().as_default(), tf.Session(config=config) as session:
    tf.import_graph_def(graph_def, name='')
    return [session.run('outputs:0', {'inputs:0': value}) for value in values]


def _frozen(model, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 4], 'inputs')
    with tf.variable_scope('model', use_resource=use_resource):
      w, m, other = (
          tf.get_variable(name, [4, 4], initializer=tf.constant_initializer(value))
          for name, value in (('w', WEIGHTS), ('m', MASK), ('other', OTHER_MASK)))
    y = model(x, *(variable.read_value if use_resource else variable.value
                   for variable in (w, m, other)))
    tf.identity(y, 'outputs')
    session.run(tf.global_variables_initializer())
    return freeze.graph_def_from_session(session, ['outputs'])


def _constants(graph_def):
  """Returns all float matrices that are constants, in the graph and its functions."""
  nodes = list(graph_def.node)
  for function in graph_def.library.function:
    nodes.extend(function.node_def)
  values = [tf.make_ndarray(node.attr['value'].tensor) for node in nodes if node.op == 'Const']
  return [value for value in values if value.shape == (4, 4)]


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
@pytest.mark.parametrize('model', MODELS)
def test_products_are_folded_wherever_they_are(model, use_resource, control_flow):
  del control_flow
  frozen = _frozen(model, use_resource)
  stripped, names = fold.fold_masks(frozen, ['outputs'])
  values = [np.full([2, 4], value, np.float32) for value in (0.3, -0.7)]
  for got, wanted in zip(_run(stripped, values), _run(frozen, values)):
    np.testing.assert_array_equal(got, wanted)
  assert names
  left = _constants(stripped)
  for mask in (MASK, OTHER_MASK):
    assert not any(np.array_equal(value, mask) for value in left)
  assert not any(np.array_equal(value, WEIGHTS) for value in left)
  assert any(np.array_equal(value == 0, mask == 0) for value in left
             for mask in (MASK, OTHER_MASK))


def test_shapes_of_arguments_go_with_them():
  """Functions say the shapes of their arguments, which TensorFlow 2 counts when it reads them."""
  frozen = _frozen(handed_over, True)
  for function in frozen.library.function:
    shapes = [tf.TensorShape([None, 4]).as_proto()] + [tf.TensorShape([4, 4]).as_proto()] * 2
    function.attr['_input_shapes'].list.CopyFrom(tf.AttrValue.ListValue(shape=shapes))
  stripped, _ = fold.fold_masks(frozen, ['outputs'])
  for function in stripped.library.function:
    assert len(function.signature.input_arg) == 1
    left, = function.attr['_input_shapes'].list.shape
    assert tf.TensorShape(left).as_list() == [None, 4]


def _folded(*factors):
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [2], 'inputs')
    tf.add(inputs, tf.multiply(*(factor() for factor in factors)), name='outputs')
  return fold.fold_masks(graph.as_graph_def(), ['outputs'])[1]


ones = lambda: tf.constant([1., 1.])  # noqa: E731
half = lambda: tf.constant([0., 1.])  # noqa: E731
stored = lambda: tf.constant([2., 3.])  # noqa: E731
computed = lambda: tf.rsqrt(tf.constant([2., 3.]))  # noqa: E731


@pytest.mark.parametrize('factors,folds', [
    ((stored, ones), True),  # A mask before its first update.
    ((stored, half), True),
    ((half, stored), True),
    ((computed, half), True),
    ((computed, ones), False),  # The scale of a batch normalization, as it starts.
    ((computed, lambda: tf.constant([0., 0.])), False),  # No mask hides everything.
    ((stored, stored), False),
    ((stored, lambda: tf.constant(0.)), False),  # Of another shape.
    ((stored, lambda: tf.constant([float('nan'), 1.])), False),
])
def test_what_is_a_masked_product(factors, folds):
  assert bool(_folded(*factors)) == folds


def test_functions_nobody_calls_any_more_are_gone():
  frozen = _frozen(handed_over, True)
  stripped, _ = fold.fold_masks(frozen, ['outputs'])
  names = [function.signature.name for function in stripped.library.function]
  assert len(names) == len(set(names)) == 2  # One for each mask, and not the one of both.
  assert not {f.signature.name for f in frozen.library.function} & set(names)
