# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The contract of schedules, and the schedule that a spec describes."""

import dataclasses
from typing import Any, Optional

from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.util.protocols import Protocol


class Schedule(Protocol):
  """When the masks are updated, and how sparse they get: functions of the step.

  A step is an int, an integer array or an integer tensor, and results are of the same kind, unless
  needs_exact_steps says otherwise. SpecSchedule follows the hyperparameters. PruningSchedule, the
  base of schedule objects, has defaults for everything here.
  """

  @property
  def needs_exact_steps(self) -> bool:
    """Whether to ask for every step, as a Python int.

    False where is_due also reports updates that fall between last_update_step and step, and takes
    tensors.
    """

  def is_due(self, step: Any, last_update_step: Any) -> Any:
    """Whether to update at `step`, the last update being at last_update_step (0: or none)."""

  def is_over(self, step: Any) -> Any:
    """Whether no update falls after `step`; False if that is unknown."""

  def next_update(self, step: int) -> Optional[int]:
    """Returns a step after `step` before which there is no update; None if there is none."""

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; 0 for none."""

  def sparsity_at(self, step: Any, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Any = None) -> Any:
    """Returns the sparsity of a weight at `step`, whether that is a step with an update or not.

    Args:
      step: the step.
      target_sparsity: target of the spec, for schedules without a target of their own.
      own_target: target that a map gives the weight; None if none does.
      dtype: for tensors, the floating dtype to compute in; by default float32.
    """

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns the sparsity at the last update, for these targets; None if that is unknown."""


@dataclasses.dataclass(frozen=True)
class SpecSchedule:
  """The schedule of a spec: gradual pruning, by contrib's hyperparameters; see gradual.py.

  Attributes:
    spec: the hyperparameters.
    makes_up: whether updates that were passed over are made up for. False is contrib's rule.
  """
  spec: PruningSpec
  makes_up: bool = True

  @property
  def needs_exact_steps(self) -> bool:
    """Whether to ask for every step."""
    return not self.makes_up

  def is_due(self, step: Any, last_update_step: Any) -> Any:
    """Whether to update at `step`."""
    rule = gradual.is_update_due if self.makes_up else gradual.is_update_step
    return rule(step, last_update_step, self.spec)

  def is_over(self, step: Any) -> Any:
    """Whether no update falls after `step`."""
    end = self.spec.end_pruning_step
    return step >= end if end >= 0 else step < step  # False, in the form of `step`.

  def next_update(self, step: int) -> Optional[int]:
    """Returns the first step after `step` with an update; None if there is none."""
    return gradual.next_update_step(step, self.spec)

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; 0 for none."""
    return gradual.last_update_step(step, self.spec)

  def sparsity_at(self, step: Any, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Any = None) -> Any:
    """Returns the sparsity of a weight at `step`."""
    return gradual.gradual_sparsity(step, self.spec,
                                    target_sparsity if own_target is None else own_target, dtype)

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns the target of a weight."""
    targets = (own_target, target_sparsity, self.spec.target_sparsity)
    return next(target for target in targets if target is not None)
