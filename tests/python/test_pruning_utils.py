# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.python.pruning_utils; tests/differential has contrib's beside it."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.python import pruning_utils

VARIABLES = [(pruning_utils.weight_mask_variable, 'mask', 1),
             (pruning_utils.weight_gradient_variable, 'gradient', 0),
             (pruning_utils.old_weight_variable, 'old_weight', 0),
             (pruning_utils.old_old_weight_variable, 'old_old_weight', 0),
             (pruning_utils.weight_threshold_variable, 'threshold', 0)]
NUMBERS = ['float16', 'bfloat16', 'float32', 'float64', 'int32']

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


def _random(*shape):
  return np.random.RandomState(0).randn(*shape).astype(np.float32)


def _run(build):
  with tf.Graph().as_default(), tf.Session() as session:
    fetched = build()
    session.run(tf.global_variables_initializer())
    return session.run(fetched)


@both_kinds
@pytest.mark.parametrize('dtype', NUMBERS[:-1])
def test_variables_of_a_weight(dtype, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('layer', use_resource=use_resource) as scope:
      weight = tf.get_variable('weights', [3, 4], dtype)
      made = [make(weight, scope) for make, _, _ in VARIABLES]
    session.run(tf.global_variables_initializer())
    for variable, (_, leaf, initial) in zip(made, VARIABLES):
      assert variable.op.name == 'layer/' + leaf and variable not in tf.trainable_variables()
      assert variable.op.type == weight.op.type
      half = weight.dtype.size < 4 and leaf == 'gradient'
      assert variable.dtype.base_dtype == (tf.float32 if half else tf.as_dtype(dtype))
      assert variable.shape.as_list() == ([] if leaf == 'threshold' else [3, 4])
      assert (session.run(tf.cast(variable, tf.float32)) == initial).all()
    assert registry.masked_weights() == []  # They are made, and not registered.


def test_variables_of_a_partitioned_weight_are_cut_as_it_is():
  with tf.Graph().as_default():
    with tf.variable_scope('layer', partitioner=tf.fixed_size_partitioner(2, axis=1)):
      weight = tf.get_variable('weights', [3, 5])
    for make, leaf, _ in VARIABLES[:-1]:
      parts = list(make(weight, 'layer'))
      assert [part.op.name for part in parts] == ['layer/%s/part_%d' % (leaf, i) for i in range(2)]
      assert [part.shape.as_list() for part in parts] == [[3, 3], [3, 2]]
    assert pruning_utils.weight_threshold_variable(weight, 'layer').op.name == 'layer/threshold'


def test_apply_mask_takes_up_the_variables():
  with tf.Graph().as_default():
    weight = tf.get_variable('weights', [3, 4], tf.float16)
    made = [make(weight, 'layer') for make, _, _ in VARIABLES]
    with tf.variable_scope('', reuse=True):
      registry.apply_mask(weight, 'layer', 'first_order_gradient')
    record, = registry.masked_weights()
    assert made == [record.mask, record.gradient, record.old_weight, record.old_old_weight,
                    record.threshold]


@pytest.mark.parametrize('dtype', NUMBERS)
def test_kronecker_product(dtype):
  left, right = np.round(3 * _random(2, 3)), np.round(3 * _random(4, 5))

  def build():
    product = pruning_utils.kronecker_product(tf.cast(left, dtype), tf.cast(right, dtype))
    assert product.shape.as_list() == [8, 15] and product.dtype == dtype
    return tf.cast(product, tf.float32)

  np.testing.assert_array_equal(_run(build), np.kron(left, right))


@pytest.mark.parametrize('dtype', NUMBERS)
@pytest.mark.parametrize('shape', [(2, 3), (1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize('dims', [(1, 1), (2, 3), (1, 4), (4, 1), (0, -1)])
def test_expand_tensor(shape, dims, dtype):
  values = np.round(3 * _random(*shape))
  height, width = (max(dim, 1) for dim in dims)  # Less than 1 has always meant 1.

  def build():
    expanded = pruning_utils.expand_tensor(tf.cast(values, dtype), list(dims))
    assert expanded.shape.as_list() == [shape[0] * height, shape[1] * width]
    return tf.cast(expanded, tf.float32)

  np.testing.assert_array_equal(_run(build), values.repeat(height, 0).repeat(width, 1))


@pytest.mark.parametrize('dtype', NUMBERS[:-1])
@pytest.mark.parametrize('pool', ['AVG', 'MAX'])
@pytest.mark.parametrize('shape, window, strides', [
    ((6, 8), (2, 4), (2, 4)), ((5, 7), (2, 3), (2, 3)), ((3, 3), (6, 6), (6, 6)),
    ((6, 5), (3, 2), (1, 2)), ((1, 5), (1, 2), (1, 1))])
def test_factorized_pool(shape, window, strides, pool, dtype):
  values = _random(*shape)

  def build():
    pooled = pruning_utils.factorized_pool(tf.cast(values, dtype), window, pool, strides, 'SAME')
    assert pooled.dtype == dtype
    return tf.cast(tf.cast(values, dtype), tf.float32), tf.cast(pooled, tf.float32)

  rounded, pooled = _run(build)
  expected = np.empty([-(-size // stride) for size, stride in zip(shape, strides)])
  # SAME: so much is missing to a whole number of windows, and half of it goes in front.
  missing = [max((n - 1) * stride + size - length, 0) for n, stride, size, length in zip(
      expected.shape, strides, window, shape)]
  for index in np.ndindex(*expected.shape):
    begins = [i * stride - lack // 2 for i, stride, lack in zip(index, strides, missing)]
    part = rounded[tuple(slice(max(begin, 0), begin + size)
                         for begin, size in zip(begins, window))]
    expected[index] = part.mean() if pool == 'AVG' else part.max()
  np.testing.assert_allclose(pooled, expected, rtol=1e-2 if 'float32' > dtype else 1e-5, atol=1e-6)


def test_factorized_pool_of_whole_windows_only():
  pooled = _run(lambda: pruning_utils.factorized_pool(
      tf.constant(np.arange(15.0).reshape(3, 5)), [2, 2], 'MAX', [2, 2], 'VALID', name='pool'))
  np.testing.assert_array_equal(pooled, [[6, 8]])


@pytest.mark.parametrize('call', [
    lambda x: pruning_utils.expand_tensor(x, [2, 2]),
    lambda x: pruning_utils.kronecker_product(x, tf.ones([2, 2])),
    lambda x: pruning_utils.kronecker_product(tf.ones([2, 2]), x),
    lambda x: pruning_utils.factorized_pool(x, [2, 2], 'AVG', [2, 2], 'SAME')])
@pytest.mark.parametrize('shape', [[], [4], [2, 3, 4]])
def test_what_is_no_matrix_is_refused(call, shape):
  with tf.Graph().as_default():
    with pytest.raises(errors.WeightError, match='rank 2; .* has shape'):
      call(tf.ones(shape))


@pytest.mark.parametrize('dims', [[2], [2, 2, 2]])
def test_block_dims_are_two(dims):
  with tf.Graph().as_default():
    with pytest.raises(errors.BlockError, match=r'block_dims must have 2 .* got \[2'):
      pruning_utils.expand_tensor(tf.ones([2, 2]), dims)


@both_kinds
@pytest.mark.parametrize('dtype', ['float16', 'float32'])
@pytest.mark.parametrize('parts, axis', [(3, 0), (3, 1), (2, 2), (1, 0)])
def test_assign_to_partitioned_variables(parts, axis, dtype, use_resource):
  values = _random(7, 5, 4).astype(dtype)
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('layer', use_resource=use_resource,
                           partitioner=tf.fixed_size_partitioner(parts, axis)):
      variable = tf.get_variable('weights', values.shape, dtype,
                                 initializer=tf.zeros_initializer())
    # Computed in float32, as a mask is.
    op = pruning_utils.partitioned_variable_assign(variable, tf.constant(values, tf.float32))
    assert op.name == 'layer/weights_group_assign'
    session.run(tf.global_variables_initializer())
    session.run(op)
    np.testing.assert_array_equal(session.run(tf.convert_to_tensor(variable)), values)
    if parts > 1:
      assert pruning_utils.determine_partitioned_axis(variable) == axis
    else:
      with pytest.raises(errors.WeightError, match='axes 0 not equal to 1: layer/weights'):
        pruning_utils.determine_partitioned_axis(variable)


@both_kinds
def test_variable_assign(use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('layer', use_resource=use_resource):
      variable = tf.get_variable('mask', [3], tf.bfloat16)
    assigned = pruning_utils.variable_assign(variable, [1.0, 0.0, 1.0])
    assert 'layer/mask_assign' in [op.name for op in tf.get_default_graph().get_operations()]
    session.run(tf.global_variables_initializer())
    session.run(assigned)
    assert session.run(tf.cast(variable, tf.float32)).tolist() == [1, 0, 1]
