# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which differences of outputs count as rounding."""

import numpy as np
import pytest

from model_pruning.channels import compare
from model_pruning.compat import tf


def graph_of(function):
  with tf.Graph().as_default() as graph:
    tf.identity(function(tf.placeholder(tf.float32, [None, 8], 'x')), 'y')
  return graph.as_graph_def()


def cancelling(order):
  """Returns a graph that adds large numbers, whose sum is small, in an order."""
  signs = np.array([1, -1, 1, -1, 1, -1, 1, -1], np.float32)
  def total(x):
    terms = tf.unstack(x * 1e4 * signs, num=8, axis=1)
    return sum(terms[index] for index in order)
  return graph_of(total)


def _examples():
  random = np.random.RandomState(0)
  first = random.uniform(50, 150, [64, 4])
  return np.stack([first, first - random.uniform(0, 0.1, [64, 4])], axis=2).reshape(64, 8)


EXAMPLES = {'x': _examples().astype(np.float32)}


def test_another_order_of_large_numbers_that_cancel_is_rounding():
  one, other = cancelling(range(8)), cancelling([7, 2, 5, 0, 6, 1, 4, 3])
  apart = compare.difference(one, other, ['y:0'], EXAMPLES)
  assert apart > compare.tolerance(one)
  assert apart <= compare.allowed(apart, one, ['y:0'], EXAMPLES) <= 1e-3


@pytest.mark.parametrize('factor', [1 + 1e-4, 1.01])
def test_other_differences_are_none(factor):
  one, other = (graph_of(lambda x, by=by: tf.reduce_sum(x, axis=1) * by) for by in (1, factor))
  apart = compare.difference(one, other, ['y:0'], EXAMPLES)
  assert apart > compare.allowed(apart, one, ['y:0'], EXAMPLES)


def test_a_difference_of_large_numbers_that_cancel_is_no_rounding_if_it_is_large():
  one = cancelling(range(8))
  other = cancelling(range(7))
  apart = compare.difference(one, other, ['y:0'], EXAMPLES)
  assert apart > compare.allowed(apart, one, ['y:0'], EXAMPLES)


def test_outputs_may_be_named_by_their_operations():
  one, other = graph_of(lambda x: x), graph_of(lambda x: 2 * x)
  for output in 'y', 'y:0':
    assert compare.difference(one, one, [output]) == 0
    assert compare.difference(one, other, [output]) == 1
    assert compare.run(other, [output], {'x': np.ones((1, 8), np.float32)})[0].sum() == 16


def test_inputs_that_are_cast_to_indices_are_small_enough():
  def lookup(x):
    return tf.gather(np.eye(4, dtype=np.float32), tf.cast(x, tf.int32))

  one, other = graph_of(lookup), graph_of(lambda x: 2 * lookup(x))
  assert compare.difference(one, one, ['y:0']) == 0 < compare.difference(one, other, ['y:0'])
