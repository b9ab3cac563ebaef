# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""ConstantSparsity: the same sparsity at every update."""

from typing import Any, Dict, Optional

import numpy as np

from model_pruning.compat import tf
from model_pruning.schedules.arguments import fraction
from model_pruning.schedules.arguments import integer
from model_pruning.schedules.base import ClockedSchedule
from model_pruning.schedules.clock import Clock
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric


class ConstantSparsity(ClockedSchedule):
  """The same sparsity at every update.

  Examples:
    >>> ConstantSparsity(0.5, begin_step=200)(300)
    (True, 0.5)

  Attributes:
    target_sparsity, begin_step, end_step, frequency: the arguments.
  """

  def __init__(self, target_sparsity: float, begin_step: int, end_step: int = -1,
               frequency: int = 100) -> None:
    """Checks the arguments.

    Args:
      target_sparsity: fraction of zeros, in [0, 1).
      begin_step: step of the first update, 0 or more.
      end_step: step of the last update; -1 for no end.
      frequency: steps between two updates.

    Raises:
      errors.ScheduleError: a value is out of range or has the wrong type.
    """
    self._validate_step(begin_step, end_step, frequency, True)
    self.target_sparsity = fraction('target_sparsity', target_sparsity)
    self.begin_step = integer('begin_step', begin_step)
    self.end_step = integer('end_step', end_step)
    self.frequency = integer('frequency', frequency)

  @property
  def final_sparsity_target(self) -> Optional[float]:
    """The target_sparsity; None if a subclass overrides __call__."""
    return None if self.has_own_call else self.target_sparsity

  @property
  def _clock(self) -> Clock:
    return Clock(self.begin_step, self.end_step, self.frequency)

  def _formula(self, step: Numeric, dtype: Optional[DType]) -> Numeric:
    if tf.is_tensor(step):
      return tf.fill(tf.shape(step), tf.constant(self.target_sparsity, dtype or tf.float32))
    return np.full(np.shape(step), self.target_sparsity)

  def get_config(self) -> Dict[str, Any]:
    """Returns the class name and the arguments."""
    return self._config('target_sparsity', 'begin_step', 'end_step', 'frequency')
