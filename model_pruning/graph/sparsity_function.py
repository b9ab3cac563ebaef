# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The sparsity function of a Pruning: from its spec, or from a value or schedule that replaces it.
"""

import dataclasses
import functools
from typing import Any, Callable, List, Optional

from model_pruning.compat import tf
from model_pruning.graph import variables
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import answers
from model_pruning.schedules import gradual
from model_pruning.schedules import weight_sparsity
from model_pruning.schedules.base import ClockedSchedule
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.schedule import Schedule
from model_pruning.schedules.schedule import SpecSchedule
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric


@dataclasses.dataclass(frozen=True)
class SparsityFunction:
  """The sparsity of every weight as a function of the step.

  Attributes:
    spec: the hyperparameters.
    given: the argument `sparsity` of Pruning; None to follow the spec.
  """
  spec: PruningSpec
  given: Any

  @property
  def schedule(self) -> Optional[PruningSchedule]:
    """The schedule object that replaces the spec's; None if there is none."""
    return self.given if isinstance(self.given, PruningSchedule) else None

  def timing(self, makes_up: bool = True) -> Schedule:
    """Returns the schedule of the updates.

    Args:
      makes_up: whether the spec's schedule makes updates later if training skipped their steps.
    """
    return SpecSchedule(self.spec, makes_up) if self.schedule is None else self.schedule

  def at(self, step: Numeric) -> Callable[..., Numeric]:
    """Returns the function (own target or None, dtype) -> sparsity of a weight at `step`."""
    given = self.given
    if given is not None and not callable(given):
      given = variables.read(given)
    return weight_sparsity.sparsities_at(step, self.spec, given)

  def at_update(self, step: Numeric) -> Callable[..., Numeric]:
    """Returns at(step), except that a bad sparsity from the user stops the update with an error.

    This is for sparsities that only the run knows. On a TPU nothing stops the update: XLA leaves
    out assertions.
    """
    sparsity = self.at(step)
    of_library = isinstance(self.given, ClockedSchedule) and not self.given.has_own_call
    if self.given is None or of_library or self.spec.use_tpu:
      return sparsity

    @functools.lru_cache(maxsize=None)  # Weights of one target share one tensor.
    def checked(own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
      value = sparsity(own_target, dtype)
      if answers.known(value) is not None:
        return value
      # Kernels of GPUs do not look at an assertion.
      with tf.device('/cpu:0'), tf.control_dependencies([tf.Assert((value >= 0) & (value < 1), [
          '%s: sparsity= gave' % self.spec.name, value, 'at step', step,
          'but a sparsity is a fraction of zeros in [0, 1); no mask was changed'])]):
        return tf.identity(value)

    return checked

  def publish(self, step: Numeric) -> None:
    """Builds <name>/sparsity, the spec's sparsity at `step`, which users fetch by that name."""
    if self.given is None:
      with tf.name_scope(self.spec.name + '/'):
        tf.identity(self.at(step)(), 'sparsity')

  @property
  def is_final_known(self) -> bool:
    """Whether the final sparsity is known."""
    return weight_sparsity.is_final_known(self.spec, self.schedule)

  def final(self, own_target: Optional[float]) -> float:
    """Returns the final sparsity of a weight; its target if that is unknown."""
    if isinstance(self.given, (int, float)):
      return float(weight_sparsity.sparsities_at(0, self.spec, self.given)(own_target))
    return float(weight_sparsity.final(self.spec, self.schedule, own_target))

  def warnings(self, keeps_history: bool) -> List[str]:
    """Returns warnings about targets that the last update cannot reach; see weight_sparsity."""
    if self.schedule is not None:
      return weight_sparsity.warnings(self.spec, self.schedule, keeps_history)
    shortfall = gradual.shortfall(self.spec) if self.given is None else None
    return [] if shortfall is None else [shortfall]
