# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks the results of schedules that users write."""

from typing import Any, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.schedules import numeric
from model_pruning.util.types import Numeric
from model_pruning.util.types import Truth


def pair(name: str, answer: Any, step: Numeric) -> Tuple[Truth, Numeric]:
  """Returns the result of a schedule's __call__.

  Args:
    name: the name of its class.
    answer: the result.
    step: the step.

  Raises:
    errors.ScheduleError: it is not a pair.
  """
  if not isinstance(answer, (tuple, list)) or len(answer) != 2:
    raise errors.ScheduleError(
        '%s returned %r at step %s; expected two values: whether the masks are updated then, and '
        'their sparsity' % (name, answer, step))
  return answer[0], answer[1]


def check_update(name: str, update: Truth, step: Numeric) -> None:
  """Raises errors.ScheduleError if a schedule in a graph has no update at any step.

  Args:
    name: the name of its class.
    update: whether the masks are updated at `step`.
    step: the step.
  """
  if _is_symbolic(step) and isinstance(update, (bool, np.bool_)) and not update:
    raise errors.ScheduleError(
        '%s returned False for a step that is a tensor, so the masks would never be updated. In a '
        'graph, compare the step by tf.equal, tf.less and so on: == and `in` compare objects '
        'there' % name)


def check_sparsity(name: str, update: Truth, sparsity: Numeric, step: Numeric) -> None:
  """Raises errors.ScheduleError if the sparsity of an update is known and not in [0, 1).

  Args:
    name: the name of its class.
    update: whether the masks are updated at `step`.
    sparsity: their sparsity.
    step: the step.
  """
  value = known(sparsity)
  if value is None and sparsity is not None:
    return
  flags = known(update)
  try:
    numbers = np.asarray(None if isinstance(value, str) else value, np.float64)
  except (TypeError, ValueError):
    numbers = np.asarray(np.nan)
  wrong = ~((numbers >= 0) & (numbers < 1)) & (
      True if flags is None else np.asarray(flags, np.bool_))
  if np.any(wrong):
    shown = value if np.ndim(value) == 0 else np.asarray(value)[wrong][0]
    raise errors.ScheduleError(
        '%s returned a sparsity of %r at step %s; expected a fraction of zeros in [0, 1)' % (
            name, shown.item() if isinstance(shown, np.generic) else shown, step))


def _is_symbolic(value: object) -> bool:
  return numeric.is_tensor(value) and not numeric.tensorflow().executing_eagerly()


def known(value: Any) -> Any:
  """Returns the value of a number, an array or a tensor; None if a tensor has none yet."""
  if not numeric.is_tensor(value):
    return value
  tf = numeric.tensorflow()
  return tf.get_static_value(value) if isinstance(value, tf.Tensor) else None
