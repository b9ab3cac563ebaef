# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""When updates fall, and the polynomial between two sparsities: functions of the step.

A step is a Python number, a NumPy array or a tensor, and the answer is of the same kind.
"""

import dataclasses
from typing import Any, Optional

import numpy as np

from model_pruning.schedules import numeric


def polynomial(step: Any, begin: int, end: int, initial: float, target: float, exponent: float,
               dtype: Any = None) -> Any:
  """Returns target + (initial - target) * (1 - p) ** exponent, p the share of the span passed.

  Args:
    step, dtype: as those of gradual_sparsity, and so is what is returned.
    begin, end: the steps of p = 0 and p = 1; end > begin.
    initial, target: the sparsity there.
    exponent: positive.
  """
  if numeric.is_tensor(step):
    tf = numeric.tensorflow()
    dtype = dtype or tf.float32
    share = tf.cast(step - begin, dtype) / tf.cast(end - begin, dtype)
    left = 1 - tf.minimum(tf.constant(1, dtype), tf.maximum(tf.constant(0, dtype), share))
    return (initial - target) * tf.pow(left, tf.constant(exponent, dtype)) + target
  left = 1 - np.clip((np.asarray(step, np.float64) - begin) / (end - begin), 0, 1)
  sparsity = target + (initial - target) * left**exponent
  return float(sparsity) if np.ndim(step) == 0 else sparsity


@dataclasses.dataclass(frozen=True)
class Clock:
  """Updates at begin, every `frequency` steps from there, and at `end`, the last.

  >>> [step for step in range(30) if Clock(begin=3, end=20, frequency=7).is_update(step)]
  [3, 10, 17, 20]

  Attributes:
    begin: the step of the first update.
    end: that of the last one, whether `frequency` divides the span or not; -1 for no end.
    frequency: steps between two updates.
  """
  begin: int
  end: int
  frequency: int

  def is_update(self, step: Any) -> Any:
    """Says whether `step` is one with an update; a bool, an array or a tensor as `step` is."""
    due = is_in_turn(step, self.begin, self.end, self.frequency)
    return due if self.end < 0 else due | numeric.equal(step, self.end)

  def is_due(self, step: Any, last_update_step: Any) -> Any:
    """Says whether an update falls after last_update_step and not after `step`.

    So one that was passed over, where steps move by more than one, is made up
    for. As 0 is also what last_update_step is when there was none yet, an
    update of step 0 is due whenever that is the step.
    """
    due = self._update_at(step) > self._update_at(last_update_step)
    if self.begin == 0:
      due |= numeric.equal(step, 0)
    return due if numeric.is_tensor(due) or np.ndim(due) else bool(due)

  def is_over(self, step: Any) -> Any:
    """Says whether no update falls after `step`."""
    return step >= self.end if self.end >= 0 else step < step  # False, in the form of `step`.

  def next_update(self, step: int) -> Optional[int]:
    """Returns the first step after `step` with an update; None if there is none."""
    return None if self.is_over(step) else self._after(step)

  def last_update(self, step: int) -> int:
    """Returns the last step up to `step` with an update; 0 for none."""
    if self.end >= 0 and step >= self.end:
      return self.end
    turn = int(turn_at(step, self.begin, self.frequency))
    return self.begin + turn * self.frequency if turn >= 0 else 0

  def _update_at(self, step: Any) -> Any:
    """Returns the number of the last update at or before `step`, counted from 0; -1 for none."""
    number = turn_at(step, self.begin, self.frequency, self.end)
    if self.end < 0 or (self.end - self.begin) % self.frequency == 0:
      return number
    last = step >= self.end  # It comes out of turn.
    return number + numeric.as_integer(last, step)

  def _after(self, step: int) -> int:
    """Returns the first step after `step` with an update, where it is not over."""
    turns = (step - self.begin) // self.frequency + 1
    after = self.begin + max(turns, 0) * self.frequency
    return after if self.end < 0 else min(after, self.end)


def is_in_turn(step: Any, begin: Any, end: Any, frequency: Any) -> Any:
  """Says whether begin <= step <= end and `frequency` divides step - begin.

  Args:
    step, begin, end, frequency: ints, arrays or tensors; a negative end is none.

  Returns:
    A bool, a bool array or a bool tensor.
  """
  inside = (step >= begin) & ((step <= end) | (end < 0))
  return inside & numeric.equal((step - begin) % frequency, 0)


def turn_at(step: Any, begin: int, frequency: int, end: int = -1) -> Any:
  """Returns the number of the last turn at or before `step`, counted from 0; -1 for none.

  Turns are begin, begin + frequency, ... up to `end`. Nothing on the way leaves the range of the
  steps, so an int32 will do.

  Args:
    step: an int, an integer array or tensor, 0 or more.
    begin, frequency, end: ints; a negative end is none.

  Returns:
    An int, an array or a tensor of the step's dtype.
  """
  until = step if end < 0 else numeric.minimum(step, end)
  return numeric.maximum(until - begin, -1) // frequency
