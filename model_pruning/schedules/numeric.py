# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Arithmetic for numbers, arrays and tensors; loads TensorFlow only for tensors."""

import sys
from typing import Any

import numpy as np

from model_pruning.util.types import Numeric
from model_pruning.util.types import Truth


def tensorflow() -> Any:
  """Returns the TensorFlow 1 API of the installed TensorFlow, loading it if necessary."""
  from model_pruning.compat import tf  # Imported here, as numbers and arrays do not need it.
  return tf


def is_tensor(value: object) -> bool:
  """Whether a value is a tensor; False as long as TensorFlow is not loaded."""
  if isinstance(value, (int, float, np.ndarray, np.generic)):
    return False  # TensorFlow takes much longer to say so.
  return 'tensorflow' in sys.modules and bool(tensorflow().is_tensor(value))


def equal(a: Numeric, b: Numeric) -> Truth:
  """Returns a == b for numbers, arrays or tensors, element by element."""
  # In TensorFlow 1 graphs, `==` tests whether two tensors are the same object.
  return tensorflow().equal(a, b) if is_tensor(a) or is_tensor(b) else a == b


def minimum(a: Numeric, b: Numeric) -> Numeric:
  """Returns the smaller of `a` (a number, an array or a tensor) and `b`, element by element."""
  return tensorflow().minimum(a, b) if is_tensor(a) else np.minimum(a, b)


def maximum(a: Numeric, b: Numeric) -> Numeric:
  """Returns the larger of `a` (a number, an array or a tensor) and `b`, element by element."""
  return tensorflow().maximum(a, b) if is_tensor(a) else np.maximum(a, b)


def where(condition: Truth, a: Numeric, b: Numeric) -> Numeric:
  """Returns `a` where the condition holds and `b` elsewhere, for arrays or tensors."""
  return tensorflow().where(condition, a, b) if is_tensor(condition) else np.where(condition, a, b)


def as_integer(flags: Truth, like: Numeric) -> Numeric:
  """Returns 1 for True and 0 for False: a tensor of `like`'s dtype if that is a tensor."""
  return tensorflow().cast(flags, like.dtype) if is_tensor(like) else np.asarray(flags, int)
