# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning_utils`, for code written for contrib or its branch.

The library itself does not use these functions.
"""

from typing import Any, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.util.types import Operation
from model_pruning.util.types import Scope
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


def weight_mask_variable(var: Variable, scope: Scope) -> Variable:
  """Returns the variable <scope>/mask: ones, of shape and dtype of the weight `var`."""
  return _variable('mask', var, scope)


def weight_threshold_variable(var: Variable, scope: Scope) -> Variable:
  """Returns the variable <scope>/threshold: a zero, of the dtype of the weight `var`."""
  return _variable('threshold', var, scope)


def weight_gradient_variable(var: Variable, scope: Scope) -> Variable:
  """Returns the variable <scope>/gradient: zeros, of the shape of the weight `var`.

  It has the dtype of the weight, or float32 if the weight has half precision.
  """
  return _variable('gradient', var, scope)


def old_weight_variable(var: Variable, scope: Scope) -> Variable:
  """Returns the variable <scope>/old_weight: zeros, of shape and dtype of the weight `var`."""
  return _variable('old_weight', var, scope)


def old_old_weight_variable(var: Variable, scope: Scope) -> Variable:
  """Returns the variable <scope>/old_old_weight: zeros, of shape and dtype of the weight `var`."""
  return _variable('old_old_weight', var, scope)


def _variable(name: str, var: Variable, scope: Scope) -> Variable:
  """Returns one of the variables that apply_mask creates, created in the same way."""
  with tf.variable_scope(scope, use_resource=variables.use_resource_of(var)) as opened:

    def create(leaf: str, shape: Tuple[int, ...], **options: Any) -> Variable:
      if leaf != name:
        return None
      opened.set_partitioner(variables.partitioner_like(var) if shape else None)
      return tf.get_variable(leaf, shape, **options)

    made = registry.create_variables(var, registry.check(var), create, 'first_order_gradient')
  return getattr(made, name)


def kronecker_product(mat1: Tensor, mat2: Tensor) -> Tensor:
  """Returns the Kronecker product of matrices of shapes [m, n] and [p, q], [m * p, n * q]."""
  mat1, mat2 = _matrix(mat1), _matrix(mat2)
  return tf.reshape(mat1[:, None, :, None] * mat2[None, :, None, :],
                    tf.shape(mat1) * tf.shape(mat2))


def expand_tensor(tensor: Tensor, block_dims: Sequence[int]) -> Tensor:
  """Returns a matrix with every element of `tensor` repeated over a block.

  Args:
    tensor: numbers, of shape [m, n].
    block_dims: (height, width) of the blocks.

  Returns:
    A tensor of shape [m * height, n * width].

  Raises:
    errors.WeightError: the tensor is not of rank 2.
    errors.BlockError: block_dims does not have two elements.
  """
  tensor = _matrix(tensor)
  if len(block_dims) != 2:
    raise errors.BlockError('block_dims must have 2 elements, height and width; got %s' %
                            (list(block_dims),))
  return kronecker_product(tensor, tf.ones([max(1, dim) for dim in block_dims], tensor.dtype))


def factorized_pool(input_tensor: Tensor, window_shape: Sequence[int], pooling_type: str,
                    strides: Sequence[int], padding: str, name: Optional[str] = None) -> Tensor:
  """Returns the averages or the maxima over the windows of a matrix.

  Args:
    input_tensor: a matrix of floats.
    window_shape, strides: (height, width).
    pooling_type: 'AVG' or 'MAX'.
    padding: 'SAME' or 'VALID'; padding does not count in averages and maxima.
    name: name scope of the operations.

  Raises:
    errors.WeightError: the tensor is not of rank 2.
  """
  matrix = _matrix(input_tensor)
  # On CPUs, only some versions of TensorFlow can pool half precision.
  dtype = tf.float32 if matrix.dtype.size < tf.float32.size else matrix.dtype
  with tf.name_scope(name, 'factorized_pool', [matrix]):
    pooled = tf.nn.pool(tf.cast(matrix, dtype)[None, :, :, None], window_shape, pooling_type,
                        strides=strides, padding=padding)
    return tf.cast(tf.squeeze(pooled, [0, 3]), matrix.dtype)


def _matrix(tensor: Tensor) -> Tensor:
  tensor = tf.convert_to_tensor(tensor)
  if tensor.shape.rank != 2:
    raise errors.WeightError('Input tensor must be rank 2; %s has shape %s' %
                             (tensor.name, tensor.shape))
  return tensor


def determine_partitioned_axis(partitioned_variable: Variable) -> int:
  """Returns the axis along which a PartitionedVariable is cut.

  Raises:
    errors.WeightError: it has a single part, or is cut along more than one axis.
  """
  whole = partitioned_variable.get_shape().as_list()
  axes = {axis for part in partitioned_variable
          for axis, size in enumerate(part.get_shape().as_list()) if size != whole[axis]}
  if len(axes) != 1:
    raise errors.WeightError('Number of partitioned axes %d not equal to 1: %s, of shape %s' %
                             (len(axes), partitioned_variable.name, whole))
  return axes.pop()


def variable_assign(var: Variable, new_value: Tensor) -> Operation:
  """Returns the operation <variable>_assign, which assigns a value cast to the variable's dtype."""
  new_value = tf.cast(new_value, variables.dtype_of(var))
  return tf.assign(var, new_value, name=var.op.name + '_assign')


def partitioned_variable_assign(partitioned_var: Variable, new_value: Tensor) -> Operation:
  """Returns an operation that assigns a whole value to the parts of a PartitionedVariable."""
  parts = list(partitioned_var)
  axis = 0 if len(parts) == 1 else determine_partitioned_axis(partitioned_var)
  values = tf.split(new_value, [part.get_shape().as_list()[axis] for part in parts], axis)
  return tf.group(*[variable_assign(part, value) for part, value in zip(parts, values)],
                  name=partitioned_var.name + '_group_assign')
