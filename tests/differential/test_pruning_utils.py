# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""pruning_utils against the real one of tf.contrib.model_pruning, in one process."""

import numpy as np
import pytest

contrib = pytest.importorskip(
    'tensorflow.contrib.model_pruning.python.pruning_utils',
    reason='only TensorFlow 1.15 has tf.contrib.model_pruning to compare with')

# pylint: disable=g-import-not-at-top
from model_pruning.python import pruning_utils
import tensorflow.compat.v1 as tf

pytestmark = pytest.mark.differential

BOTH = (contrib, pruning_utils)


def _both(build):
  """Returns what `build` gives for either library: values, or the type of the error."""
  results = []
  for library in BOTH:
    with tf.Graph().as_default(), tf.Session() as session:
      try:
        fetched = build(library)
      except ValueError:
        results.append(ValueError)
        continue
      session.run(tf.global_variables_initializer())
      results.append(session.run(fetched))
  return results


@pytest.mark.parametrize('seed', range(150))
def test_random_matrices(seed):
  random = np.random.RandomState(seed)
  dtype = ['float32', 'float64'][seed % 2]
  values = random.randn(*random.randint(1, 9, size=2)).astype(dtype)
  other = random.randn(*random.randint(1, 5, size=2)).astype(dtype)
  window = random.randint(1, 7, size=2).tolist()
  # TensorFlow takes no strides above the window.
  strides = window if seed % 3 else [random.randint(1, size + 1) for size in window]
  kind = ['AVG', 'MAX'][seed // 2 % 2]

  def build(library):
    tensor = tf.constant(values)
    return [library.kronecker_product(tensor, tf.constant(other)),
            library.expand_tensor(tensor, window),
            library.factorized_pool(tensor, window, kind, strides, 'SAME', name='pool')]

  theirs, ours = _both(build)
  for a, b in zip(ours[:2], theirs[:2]):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)
  assert ours[2].dtype == theirs[2].dtype and ours[2].shape == theirs[2].shape
  np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('call', [
    lambda library: library.expand_tensor(tf.ones([2]), [2, 2]),
    lambda library: library.expand_tensor(tf.ones([2, 2, 2]), [2, 2]),
    lambda library: library.expand_tensor(tf.ones([2, 2]), [2]),
    lambda library: library.kronecker_product(tf.ones([2]), tf.ones([2, 2])),
    lambda library: library.factorized_pool(tf.ones([2]), [2, 2], 'AVG', [2, 2], 'SAME'),
    lambda library: library.factorized_pool(tf.ones([2, 2]), [2, 2], 'SUM', [2, 2], 'SAME'),
    lambda library: library.determine_partitioned_axis(_partitioned(1, 0)),
])
def test_both_refuse(call):
  assert _both(call) == [ValueError, ValueError]


def _partitioned(parts, axis):
  with tf.variable_scope('layer', partitioner=tf.fixed_size_partitioner(parts, axis)):
    return tf.get_variable('weights', [7, 5, 4], initializer=tf.zeros_initializer())


@pytest.mark.parametrize('parts, axis', [(3, 0), (3, 1), (2, 2), (1, 0)])
def test_partitioned_variables(parts, axis):
  values = np.random.RandomState(0).randn(7, 5, 4).astype(np.float32)
  found = []
  for library in BOTH:
    with tf.Graph().as_default() as graph, tf.Session() as session:
      variable = _partitioned(parts, axis)
      op = library.partitioned_variable_assign(variable, tf.constant(values))
      session.run(tf.global_variables_initializer())
      session.run(op)
      np.testing.assert_array_equal(session.run(tf.convert_to_tensor(variable)), values)
      found.append((op.name, sorted(each.name for each in graph.get_operations()
                                    if each.name.endswith('_assign')),
                    parts == 1 or library.determine_partitioned_axis(variable)))
  assert found[1] == found[0]


@pytest.mark.parametrize('partitioned', [False, True])
@pytest.mark.parametrize('use_resource', [False, True])
@pytest.mark.parametrize('scope', [None, '', 'inner'])
def test_variables_of_a_weight(scope, use_resource, partitioned):
  found = []
  for library in BOTH:
    with tf.Graph().as_default(), tf.Session() as session:
      partitioner = tf.fixed_size_partitioner(2, 1) if partitioned else None
      with tf.variable_scope('a/b', use_resource=use_resource, partitioner=partitioner) as outer:
        weight = tf.get_variable('weights', [3, 4], tf.float64)
        library.weight_mask_variable(weight, outer if scope is None else scope)
        library.weight_threshold_variable(weight, outer if scope is None else scope)
      session.run(tf.global_variables_initializer())
      made = [variable for variable in tf.global_variables() if 'weights' not in variable.name]
      found.append([(variable.name, variable.dtype, variable.op.type, variable.shape.as_list(),
                     session.run(variable).tolist(), variable in tf.trainable_variables())
                    for variable in made])
  assert found[1] == found[0] and len(found[1]) == 2 + partitioned


def test_variable_assign():
  def build(library):
    variable = tf.get_variable('mask', [3], initializer=tf.zeros_initializer())
    with tf.control_dependencies([variable.initializer]):
      assigned = library.variable_assign(variable, tf.constant([1., 0., 1.]))
    assert assigned.op.name == 'mask_assign'
    return assigned

  theirs, ours = _both(build)
  assert ours.tolist() == theirs.tolist() == [1, 0, 1]
