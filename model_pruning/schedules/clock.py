# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Functions of the step: the times of updates, and the polynomial between two sparsities.

A step is a Python number, a NumPy array or a tensor, and results are of the same kind.
"""

import dataclasses
from typing import Optional

import numpy as np

from model_pruning.schedules import numeric
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric
from model_pruning.util.types import Truth


def polynomial(step: Numeric, begin: int, end: int, initial: float, target: float, exponent: float,
               dtype: Optional[DType] = None) -> Numeric:
  """Returns target + (initial - target) * (1 - p) ** exponent.

  p is the fraction of the steps between begin and end that have passed.

  Args:
    step, dtype: see gradual.gradual_sparsity, which also describes the result.
    begin, end: the steps at which p = 0 and p = 1; end > begin.
    initial, target: the sparsity at begin and at end.
    exponent: positive.
  """
  if numeric.is_tensor(step):
    tf = numeric.tensorflow()
    dtype = dtype or tf.float32
    passed = tf.cast(step - begin, dtype) / tf.cast(end - begin, dtype)
    remaining = 1 - tf.minimum(tf.constant(1, dtype), tf.maximum(tf.constant(0, dtype), passed))
    return (initial - target) * tf.pow(remaining, tf.constant(exponent, dtype)) + target
  remaining = 1 - np.clip((np.asarray(step, np.float64) - begin) / (end - begin), 0, 1)
  sparsity = target + (initial - target) * remaining**exponent
  return float(sparsity) if np.ndim(step) == 0 else sparsity


@dataclasses.dataclass(frozen=True)
class Clock:
  """Updates at `begin`, every `frequency` steps from there, and a last one at `end`.

  Examples:
    >>> [step for step in range(30) if Clock(begin=3, end=20, frequency=7).is_update(step)]
    [3, 10, 17, 20]

  Attributes:
    begin: the step of the first update.
    end: the step of the last update, even if `frequency` does not divide the span; -1 for no end.
    frequency: steps between two updates.
  """
  begin: int
  end: int
  frequency: int

  def is_update(self, step: Numeric) -> Truth:
    """Whether there is an update at `step`; a bool, an array or a tensor like `step`."""
    due = is_in_turn(step, self.begin, self.end, self.frequency)
    return due if self.end < 0 else due | numeric.equal(step, self.end)

  def is_due(self, step: Numeric, last_update_step: Numeric) -> Truth:
    """Whether there is an update after last_update_step, up to and including `step`.

    So an update is still due after training skipped its step. last_update_step is also 0 before
    the first update, so an update at step 0 is always due at step 0. If last_update_step is after
    `step`, the step was set back, and last_update_step is ignored.
    """
    last = numeric.where(last_update_step > step, last_update_step * 0, last_update_step)
    due = self._update_at(step) > self._update_at(last)
    if self.begin == 0:
      due |= numeric.equal(step, 0)
    return due if numeric.is_tensor(due) or np.ndim(due) else bool(due)

  def is_over(self, step: Numeric) -> Truth:
    """Whether no update comes after `step`."""
    return step >= self.end if self.end >= 0 else step < step  # False, of the same kind as `step`.

  def next_update(self, step: int) -> Optional[int]:
    """Returns the first step after `step` with an update; None if there is none."""
    return None if self.is_over(step) else self._after(step)

  def last_update(self, step: int) -> int:
    """Returns the last step up to `step` with an update; 0 if there is none."""
    if self.end >= 0 and step >= self.end:
      return self.end
    turn = int(turn_at(step, self.begin, self.frequency))
    return self.begin + turn * self.frequency if turn >= 0 else 0

  def _update_at(self, step: Numeric) -> Numeric:
    """Returns the index of the last update up to `step`, from 0; -1 if there is none."""
    number = turn_at(step, self.begin, self.frequency, self.end)
    if self.end < 0 or (self.end - self.begin) % self.frequency == 0:
      return number
    last = step >= self.end  # The update at the end is not a multiple of `frequency`.
    return number + numeric.as_integer(last, step)

  def _after(self, step: int) -> int:
    """Returns the first step after `step` with an update, if the clock is not over."""
    turns = (step - self.begin) // self.frequency + 1
    after = self.begin + max(turns, 0) * self.frequency
    return after if self.end < 0 else min(after, self.end)


def is_in_turn(step: Numeric, begin: Numeric, end: Numeric, frequency: Numeric) -> Truth:
  """Whether begin <= step <= end and `frequency` divides step - begin.

  Args:
    step, begin, end, frequency: ints, arrays or tensors; a negative `end` means no end.

  Returns:
    A bool, a bool array or a bool tensor.
  """
  inside = (step >= begin) & ((step <= end) | (end < 0))
  return inside & numeric.equal((step - begin) % frequency, 0)


def turn_at(step: Numeric, begin: int, frequency: int, end: int = -1) -> Numeric:
  """Returns the index of the last turn up to `step`, from 0; -1 if there is none.

  Turns are begin, begin + frequency, ... up to `end`. No intermediate result exceeds the range of
  the steps, so int32 suffices.

  Args:
    step: an int, an integer array or tensor, 0 or more.
    begin, frequency, end: ints; a negative `end` means no end.

  Returns:
    An int, an array or a tensor of the step's dtype.
  """
  until = step if end < 0 else numeric.minimum(step, end)
  return numeric.maximum(until - begin, -1) // frequency
