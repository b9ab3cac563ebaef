# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What decides the sparsity of a Pruning: its spec, or a value or schedule in the spec's place."""

import dataclasses
from typing import Any, Callable, List, Optional

from model_pruning.graph import variables
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.schedules import weight_sparsity
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.schedule import Schedule
from model_pruning.schedules.schedule import SpecSchedule


@dataclasses.dataclass(frozen=True)
class SparsityFunction:
  """The sparsity of every weight, by the step.

  Attributes:
    spec: the hyperparameters.
    given: the argument `sparsity` of Pruning; None to follow the spec.
  """
  spec: PruningSpec
  given: Any

  @property
  def schedule(self) -> Optional[PruningSchedule]:
    """The schedule object in place of the spec's; None if there is none."""
    return self.given if isinstance(self.given, PruningSchedule) else None

  def timing(self, makes_up: bool = True) -> Schedule:
    """Returns the schedule that says when to update.

    Args:
      makes_up: whether the spec's own schedule makes up for updates that were passed over.
    """
    return SpecSchedule(self.spec, makes_up) if self.schedule is None else self.schedule

  def at(self, step: Any) -> Callable[..., Any]:
    """Returns the function (own target or None, dtype) -> sparsity of a weight at `step`."""
    given = self.given
    if given is not None and not callable(given):
      given = variables.read(given)
    return weight_sparsity.sparsities_at(step, self.spec, given)

  @property
  def is_final_known(self) -> bool:
    """Whether the sparsity that training ends at is known."""
    return weight_sparsity.is_final_known(self.spec, self.schedule)

  def final(self, own_target: Optional[float]) -> float:
    """Returns the sparsity that a weight ends at; its target if that is unknown."""
    if isinstance(self.given, (int, float)):
      return float(weight_sparsity.sparsities_at(0, self.spec, self.given)(own_target))
    return float(weight_sparsity.final(self.spec, self.schedule, own_target))

  def warnings(self, keeps_history: bool) -> List[str]:
    """Returns warnings about targets that the last update cannot reach; see weight_sparsity."""
    if self.schedule is not None:
      return weight_sparsity.warnings(self.spec, self.schedule, keeps_history)
    shortfall = gradual.shortfall(self.spec) if self.given is None else None
    return [] if shortfall is None else [shortfall]
