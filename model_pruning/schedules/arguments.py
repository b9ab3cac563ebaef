# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks of the arguments of schedule objects."""

from typing import Any, Union

import numpy as np

from model_pruning import errors
from model_pruning.hparams.spec import LARGEST_STEP


def integer(name: str, value: Any) -> int:
  """Returns an int for what is one: an int, one of NumPy's, or a float without a fraction.

  Raises:
    errors.ScheduleError: `value` is something else, or larger than any step can be.
  """
  number = _number(value)
  # Not by way of a float, which would round large ones.
  if isinstance(number, float) and number.is_integer():
    number = int(number)
  if not isinstance(number, int):
    raise errors.ScheduleError('%s=%r: expected an integer; give int(...) of it' % (name, value))
  if number > LARGEST_STEP:
    raise errors.ScheduleError('%s=%d: expected a step of at most %d, the largest that an int32 '
                               'holds' % (name, number, LARGEST_STEP))
  return number


def fraction(name: str, value: Any) -> float:
  """Returns a float in [0, 1).

  Raises:
    errors.ScheduleError: `value` is not one.
  """
  number = _number(value)
  if number is None or not 0 <= number < 1:
    raise errors.ScheduleError('%s=%r: expected a fraction of zeros in [0, 1)' % (name, value))
  return float(number)


def positive(name: str, value: Any) -> float:
  """Returns a finite float above 0.

  Raises:
    errors.ScheduleError: `value` is not one.
  """
  number = _number(value)
  if number is None or not 0 < number < float('inf'):
    raise errors.ScheduleError('%s=%r: expected a finite number above 0; 1 is linear, 3 what the '
                               'paper uses' % (name, value))
  return float(number)


def _number(value: Any) -> Union[int, float, None]:
  """Returns an int or a float for a number of Python's or NumPy's; None for anything else."""
  if isinstance(value, (np.ndarray, np.generic)) and np.ndim(value) == 0:
    value = value.item()
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    return None
  return value
