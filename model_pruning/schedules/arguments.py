# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks the arguments of schedule objects."""

from typing import Union

import numpy as np

from model_pruning import errors
from model_pruning.hparams.spec import LARGEST_STEP


def integer(name: str, value: object) -> int:
  """Returns the value of an argument as an int.

  Args:
    name: the name of the argument.
    value: an int of Python or NumPy, or a float without a fractional part.

  Raises:
    errors.ScheduleError: `value` is not an integer, or larger than the largest step.
  """
  number = _number(value)
  # Do not convert to a float, which would round large integers.
  if isinstance(number, float) and number.is_integer():
    number = int(number)
  if not isinstance(number, int):
    raise errors.ScheduleError('%s=%r: expected an integer; convert it with int(...)' % (
        name, value))
  if number > LARGEST_STEP:
    raise errors.ScheduleError('%s=%d: expected a step of at most %d, the largest int32' % (
        name, number, LARGEST_STEP))
  return number


def fraction(name: str, value: object) -> float:
  """Returns the value of an argument as a float in [0, 1).

  Raises:
    errors.ScheduleError: `value` is not a number in this range.
  """
  number = _number(value)
  if number is None or not 0 <= number < 1:
    raise errors.ScheduleError('%s=%r: expected a fraction of zeros in [0, 1)' % (name, value))
  return float(number)


def positive(name: str, value: object) -> float:
  """Returns the value of an argument as a finite float above 0.

  Raises:
    errors.ScheduleError: `value` is not a number in this range.
  """
  number = _number(value)
  if number is None or not 0 < number < float('inf'):
    raise errors.ScheduleError('%s=%r: expected a finite number above 0; 1 is linear, and the '
                               'paper uses 3' % (name, value))
  return float(number)


def _number(value: object) -> Union[int, float, None]:
  """Returns a Python or NumPy number as an int or a float; None for anything else."""
  if isinstance(value, (np.ndarray, np.generic)) and np.ndim(value) == 0:
    value = value.item()
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    return None
  return value
