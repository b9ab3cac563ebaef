# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The schedule of a spec: when to update the masks, and how sparse they should be.

A schedule is a pure function of the global step. The functions here take a Python number, a NumPy
array or a tensor and return the same kind. So the graph, the tests, and a chart that is drawn
before a run all use the same formula.
"""

import dataclasses
from typing import List, Optional

import numpy as np

from model_pruning.hparams.spec import LARGEST_STEP
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import numeric
from model_pruning.schedules.clock import polynomial
from model_pruning.schedules.clock import turn_at
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric
from model_pruning.util.types import Truth


def gradual_sparsity(step: Numeric, spec: PruningSpec, target: Optional[float] = None,
                     dtype: Optional[DType] = None) -> Numeric:
  """Returns the sparsity at `step`.

      p = clip((step - begin) / (end - begin), 0, 1)
      sparsity = target + (initial - target) * (1 - p) ** exponent

  (Zhu and Gupta, "To prune, or not to prune", 2017, with exponent 3.)

  Examples:
    >>> gradual_sparsity(50, PruningSpec(target_sparsity=0.8, sparsity_function_end_step=100))
    0.7000000000000001

  Args:
    step: global step; an int, an integer array, or an integer tensor.
    spec: has begin, end, exponent, the initial sparsity and, by default, the target.
    target: the final sparsity, instead of spec.target_sparsity.
    dtype: for a tensor, the floating dtype to compute in (default float32). The order of
      operations is contrib's, so that both round alike.

  Returns:
    A float, a float64 array or a tensor of the step's shape.
  """
  return polynomial(step, spec.sparsity_function_begin_step, spec.sparsity_function_end_step,
                    spec.initial_sparsity, spec.target_sparsity if target is None else target,
                    spec.sparsity_function_exponent, dtype)


def is_inside(step: Numeric, spec: PruningSpec) -> Truth:
  """Whether `step` is between begin_pruning_step and end_pruning_step, both inclusive.

  The arguments and the result have the same types as in is_update_step.
  """
  inside = step >= spec.begin_pruning_step
  return inside & (step <= spec.end_pruning_step) if spec.end_pruning_step >= 0 else inside


def is_update_step(step: Numeric, last_update_step: Numeric, spec: PruningSpec) -> Truth:
  """Whether the masks are updated at `step` by contrib's rule.

  True if begin_pruning_step <= step, last_update_step + pruning_frequency <= step and, unless
  end_pruning_step is negative, step <= end_pruning_step.

  Examples:
    >>> is_update_step(10, 0, PruningSpec(pruning_frequency=10))
    True

  Args:
    step, last_update_step: global steps; ints, arrays or tensors.
    spec: has begin_pruning_step, end_pruning_step and pruning_frequency.

  Returns:
    A bool, a bool array or a bool tensor.
  """
  # The sum of two steps might overflow an int32; their difference cannot.
  return is_inside(step, spec) & (step - last_update_step >= spec.pruning_frequency)


def is_update_due(step: Numeric, last_update_step: Numeric, spec: PruningSpec) -> Truth:
  """Whether the schedule has an update after last_update_step, up to and including `step`.

  In a run that visits every step, this equals is_update_step. If training skips steps, a late
  update does not delay the next one, and a missed last update before end_pruning_step is made at a
  later step. If last_update_step is after `step`, the step was set back, and last_update_step is
  ignored.

  Examples:
    >>> is_update_due(23, 17, PruningSpec(pruning_frequency=10, end_pruning_step=20))
    True

  The arguments and the result have the same types as in is_update_step.
  """
  last = numeric.where(last_update_step > step, last_update_step * 0, last_update_step)
  due = update_at(step, spec) > update_at(last, spec)
  return due if numeric.is_tensor(due) or np.ndim(due) else bool(due)


def update_at(step: Numeric, spec: PruningSpec) -> Numeric:
  """Returns the index in update_steps of the last update up to `step`; -1 if there is none."""
  return turn_at(step, first_update_step(spec), spec.pruning_frequency, spec.end_pruning_step)


def first_update_step(spec: PruningSpec) -> int:
  """Returns the first step of update_steps, or what it would be without end_pruning_step."""
  return max(spec.begin_pruning_step, spec.pruning_frequency)


def last_update_step(step: int, spec: PruningSpec) -> int:
  """Returns the last of update_steps up to `step`; 0 if there is none.

  Examples:
    >>> last_update_step(37, PruningSpec(pruning_frequency=10))
    30
  """
  number = int(update_at(step, spec))
  return first_update_step(spec) + number * spec.pruning_frequency if number >= 0 else 0


def next_update_step(step: int, spec: PruningSpec) -> Optional[int]:
  """Returns the first of update_steps after `step`; None if there is none."""
  turn = int(turn_at(step, first_update_step(spec), spec.pruning_frequency)) + 1
  after = first_update_step(spec) + turn * spec.pruning_frequency
  return None if -1 < spec.end_pruning_step < after else after


def update_steps(spec: PruningSpec, until: int) -> List[int]:
  """Returns the steps up to `until` at which a run that visits every step updates the masks.

  Examples:
    >>> update_steps(PruningSpec(begin_pruning_step=15, pruning_frequency=10), 40)
    [15, 25, 35]
  """
  first = first_update_step(spec)
  last = until if spec.end_pruning_step < 0 else min(until, spec.end_pruning_step)
  return list(range(first, last + 1, spec.pruning_frequency))


@dataclasses.dataclass(frozen=True)
class Reach:
  """The step of the last update of a run (None if there is none), and the sparsity there."""
  step: Optional[int]
  sparsity: float


def reach(spec: PruningSpec, until: Optional[int] = None) -> Reach:
  """Returns the last mask update of a run and its sparsity.

  If nothing ends the updates, this is the update at which the target is reached.

  Examples:
    >>> reach(PruningSpec(end_pruning_step=95, sparsity_function_end_step=100))
    Reach(step=90, sparsity=0.4995)

  Args:
    spec: the hyperparameters.
    until: the last step of the run; None if the run is as long as necessary.
  """
  end = _last_step(spec, until)
  first = first_update_step(spec)
  if end is None:
    remaining = max(spec.sparsity_function_end_step - first, 0)
    step = first + -(-remaining // spec.pruning_frequency) * spec.pruning_frequency
    if step <= LARGEST_STEP:
      return Reach(step, spec.target_sparsity)
    end = LARGEST_STEP
  if first > end:
    return Reach(None, 0.0)
  step = end - (end - first) % spec.pruning_frequency
  return Reach(step, gradual_sparsity(step, spec))


def shortfall(spec: PruningSpec, until: Optional[int] = None) -> Optional[str]:
  """Returns why a run misses a target sparsity, and how to fix it; None if it misses none.

  Args:
    spec: the hyperparameters.
    until: the last step of the run; None if the run is as long as necessary.
  """
  last, end = reach(spec, until).step, _last_step(spec, until)
  end = LARGEST_STEP if end is None else end
  name = 'end_pruning_step' if end == spec.end_pruning_step else 'the end of training'
  if last is None:
    return ('no mask update falls between begin_pruning_step=%d and %s=%s with '
            'pruning_frequency=%d; nothing will be pruned' % (
                spec.begin_pruning_step, name, end, spec.pruning_frequency))
  for target in (spec.target_sparsity, *(own for _, own in spec.weight_sparsity_map),
                 *(own for _, own in spec.group_sparsity_map)):
    reached = gradual_sparsity(last, spec, target)
    if abs(reached - target) > 1e-9:
      return ('the last mask update is at step %d and reaches a sparsity of %.4f, not the target '
              'of %g; let %s (%s) be a step with an update at or after sparsity_function_end_step '
              '(%d)' % (last, reached, target, name, end, spec.sparsity_function_end_step))
  return None


def lag(spec: PruningSpec) -> str:
  """Returns a clause that says how threshold_decay keeps masks behind the schedule."""
  return ('with threshold_decay=%g each mask update moves the threshold only a part of the way' %
          spec.threshold_decay)


def _last_step(spec: PruningSpec, until: Optional[int]) -> Optional[int]:
  """Returns the last step at which there may be an update; None if updates never end."""
  ends = [end for end in (spec.end_pruning_step, until) if end is not None and end >= 0]
  return min(ends) if ends else None
