# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Converts numbers, arrays and tensors for schedule objects, which take and return all three."""

from typing import Optional, Type, Union

import numpy as np

from model_pruning.compat import tf
from model_pruning.schedules import numeric
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric


def read(step: Numeric) -> Numeric:
  """Returns a tensor for a tensor or a variable, an int for a scalar, and otherwise an array."""
  if _is_tensor(step):
    return tf.convert_to_tensor(step)
  return np.asarray(step).item() if np.ndim(step) == 0 else np.asarray(step)


def in_kind(value: Numeric, step: Numeric, kind: Union[Type[bool], Type[float]],
            dtype: DType = tf.bool) -> Numeric:
  """Returns `value` in the form that matches `step`.

  Args:
    value: a number, an array or a tensor.
    step: for a tensor or a variable the result is a tensor of `dtype`, for a scalar a bool or a
      float, and for an array an array.
    kind: bool or float.
    dtype: the dtype of tensors.
  """
  if _is_tensor(step):
    return tf.cast(value, dtype)
  if _is_tensor(value):  # From a user's schedule that calls TensorFlow functions.
    if not tf.executing_eagerly():
      return value
    value = value.numpy()
  return kind(value) if np.ndim(value) == 0 else np.asarray(value, kind)


def scaled(sparsity: Numeric, own_target: Optional[float], target: Optional[float]) -> Numeric:
  """Returns the sparsity of a weight that may have its own target, by contrib's rule.

  The rule is sparsity * own_target / target, rounded as contrib rounded it. Without a target the
  result is own_target.

  Args:
    sparsity: the sparsity of weights without their own target; a float, an array or a tensor.
    own_target: the target of the weight; None if it has none.
    target: the final value of `sparsity`; None or 0 if there is none to scale by.
  """
  if own_target is None:
    return sparsity
  if not tf.is_tensor(sparsity):
    return sparsity * (own_target / target) if target else sparsity * 0 + own_target
  own = tf.constant(own_target, sparsity.dtype)
  return sparsity * (own / tf.constant(target, sparsity.dtype)) if target else own


def _is_tensor(value: object) -> bool:
  # TensorFlow does not count variables of Keras 3 as tensors, but can convert them.
  return numeric.is_tensor(value) or hasattr(value, '__tf_tensor__')
