# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of schedules, and the schedule that a spec describes."""

import dataclasses
from typing import Optional

from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.util.protocols import Protocol
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric
from model_pruning.util.types import Truth


class Schedule(Protocol):
  """When the masks are updated, and how sparse they are then: functions of the step.

  A step is an int, an integer array or an integer tensor, and results are of the same kind. If
  needs_exact_steps is true, a step is a Python int. SpecSchedule follows the hyperparameters.
  PruningSchedule, the base class of schedule objects, has defaults for everything here.
  """

  @property
  def needs_exact_steps(self) -> bool:
    """Whether the schedule must be evaluated at every step, as a Python int.

    False if is_due takes tensors and also reports updates between last_update_step and `step`.
    """

  def is_due(self, step: Numeric, last_update_step: Numeric) -> Truth:
    """Whether to update at `step`, given the step of the last update (0 also if there is none)."""

  def is_over(self, step: Numeric) -> Truth:
    """Whether no update comes after `step`; False if that is unknown."""

  def next_update(self, step: int) -> Optional[int]:
    """Returns the earliest step after `step` that may have an update; None if no update is left."""

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; 0 for none, `step` if unknown."""

  def sparsity_at(self, step: Numeric, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
    """Returns the sparsity of a weight at `step`, also at steps without an update.

    Args:
      step: the step.
      target_sparsity: the target of the spec, for schedules without a target.
      own_target: the target of the weight in a map; None if no map matches it.
      dtype: for tensors, the floating dtype to compute in; by default float32.
    """

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns the sparsity at the last update for these targets; None if that is unknown."""


@dataclasses.dataclass(frozen=True)
class SpecSchedule:
  """The schedule of a spec: gradual pruning, by contrib's hyperparameters; see gradual.py.

  Attributes:
    spec: the hyperparameters.
    makes_up: whether updates whose steps training skipped are made later. False is contrib's rule.
  """
  spec: PruningSpec
  makes_up: bool = True

  @property
  def needs_exact_steps(self) -> bool:
    """Whether the schedule must be evaluated at every step."""
    return not self.makes_up

  def is_due(self, step: Numeric, last_update_step: Numeric) -> Truth:
    """Whether to update at `step`."""
    rule = gradual.is_update_due if self.makes_up else gradual.is_update_step
    return rule(step, last_update_step, self.spec)

  def is_over(self, step: Numeric) -> Truth:
    """Whether no update comes after `step`."""
    end = self.spec.end_pruning_step
    return step >= end if end >= 0 else step < step  # False, of the same kind as `step`.

  def next_update(self, step: int) -> Optional[int]:
    """Returns the first step after `step` with an update; None if there is none."""
    return gradual.next_update_step(step, self.spec)

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; 0 for none."""
    return gradual.last_update_step(step, self.spec)

  def sparsity_at(self, step: Numeric, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
    """Returns the sparsity of a weight at `step`."""
    return gradual.gradual_sparsity(step, self.spec,
                                    target_sparsity if own_target is None else own_target, dtype)

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns the target of a weight: its own, else the given target, else the spec's."""
    targets = (own_target, target_sparsity, self.spec.target_sparsity)
    return next(target for target in targets if target is not None)
