# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Numbers, arrays and tensors as arguments and results of schedule objects."""

from typing import Any, Optional

import numpy as np

from model_pruning.compat import tf


def read(step: Any) -> Any:
  """Returns a tensor of what is one or a variable, an int of a scalar, or else an array."""
  if _is_tensor(step):
    return tf.convert_to_tensor(step)
  return np.asarray(step).item() if np.ndim(step) == 0 else np.asarray(step)


def in_kind(value: Any, step: Any, kind: Any, dtype: Any = tf.bool) -> Any:
  """Returns `value` as what a `step` like this is answered with.

  Args:
    value: a number, an array or a tensor.
    step: a tensor or a variable gives a tensor of `dtype`; a scalar a bool or a
      float, and an array an array.
    kind: bool or float.
    dtype: of tensors.
  """
  if _is_tensor(step):
    return tf.cast(value, dtype)
  if _is_tensor(value):  # Of a user's schedule, made of TensorFlow's functions.
    if not tf.executing_eagerly():
      return value
    value = value.numpy()
  return kind(value) if np.ndim(value) == 0 else np.asarray(value, kind)


def scaled(sparsity: Any, own_target: Optional[float], of: Optional[float]) -> Any:
  """Returns the sparsity of a weight with a target of its own, by contrib's rule.

  That is sparsity * own_target / of, rounded as contrib rounded it, and
  own_target itself where there is nothing to scale by.

  Args:
    sparsity: of weights without a target of their own; a float, an array or a tensor.
    own_target: that of the weight; None for none.
    of: the target that `sparsity` is on the way to; None or 0 for none.
  """
  if own_target is None:
    return sparsity
  if not tf.is_tensor(sparsity):
    return sparsity * (own_target / of) if of else sparsity * 0 + own_target
  own = tf.constant(own_target, sparsity.dtype)
  return sparsity * (own / tf.constant(of, sparsity.dtype)) if of else own


def _is_tensor(value: Any) -> bool:
  # The variables of Keras 3 are no tensors to TensorFlow, but can be made some.
  return tf.is_tensor(value) or hasattr(value, '__tf_tensor__')
