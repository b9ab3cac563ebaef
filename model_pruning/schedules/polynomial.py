# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Polynomial decay of the density, as a function of the step or of the update index."""

import dataclasses
from typing import Any, Dict, Optional

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.schedules.arguments import fraction
from model_pruning.schedules.arguments import integer
from model_pruning.schedules.arguments import positive
from model_pruning.schedules.base import ClockedSchedule
from model_pruning.schedules.clock import Clock
from model_pruning.schedules.clock import polynomial
from model_pruning.schedules.kinds import in_kind
from model_pruning.schedules.kinds import read
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric


class PolynomialDecay(ClockedSchedule):
  """Changes the sparsity from an initial to a final value, fast at first and slower later.

      p = clip((step - begin_step) / (end_step - begin_step), 0, 1)
      sparsity = final_sparsity + (initial_sparsity - final_sparsity) * (1 - p) ** power

  (Zhu and Gupta, "To prune, or not to prune", 2017, with power 3.)

  Examples:
    >>> PolynomialDecay(0.0, 0.8, begin_step=0, end_step=1000)(500)
    (True, 0.7000000000000001)

  Attributes:
    initial_sparsity, final_sparsity, begin_step, end_step, power, frequency: the arguments.
  """

  def __init__(self, initial_sparsity: float, final_sparsity: float, begin_step: int,
               end_step: int, power: float = 3, frequency: int = 100) -> None:
    """Checks the arguments.

    Args:
      initial_sparsity, final_sparsity: fractions of zeros at begin_step and end_step, in [0, 1).
      begin_step: step of the first update, 0 or more.
      end_step: step of the last update, which applies the final sparsity even if `frequency`
        does not divide the span.
      power: positive; 1 is linear, and larger values prune more at the start.
      frequency: steps between two updates.

    Raises:
      errors.ScheduleError: a value is out of range or has the wrong type.
    """
    self._validate_step(begin_step, end_step, frequency, False)
    self.initial_sparsity = fraction('initial_sparsity', initial_sparsity)
    self.final_sparsity = fraction('final_sparsity', final_sparsity)
    self.begin_step = integer('begin_step', begin_step)
    self.end_step = integer('end_step', end_step)
    self.power = positive('power', power)
    self.frequency = integer('frequency', frequency)
    if self.begin_step == self.end_step:
      raise errors.ScheduleError(
          'begin_step=end_step=%d: the sparsity needs at least one step to change; give a later '
          'end_step, or use ConstantSparsity' % self.end_step)

  @property
  def final_sparsity_target(self) -> Optional[float]:
    """The final_sparsity; None if a subclass overrides __call__."""
    return None if self.has_own_call else self.final_sparsity

  @property
  def _clock(self) -> Clock:
    return Clock(self.begin_step, self.end_step, self.frequency)

  def _formula(self, step: Numeric, dtype: Optional[DType]) -> Numeric:
    return polynomial(step, self.begin_step, self.end_step, self.initial_sparsity,
                      self.final_sparsity, self.power, dtype)

  def get_config(self) -> Dict[str, Any]:
    """Returns the class name and the arguments."""
    return self._config('initial_sparsity', 'final_sparsity', 'begin_step', 'end_step', 'power',
                        'frequency')


@dataclasses.dataclass(frozen=True)
class PolynomialDecaySchedule(ClockedSchedule):
  """Polynomial decay by update index: the formula of contrib's documentation.

  There are n updates, one every update_frequency steps within total_iters. The sparsity at the
  i-th of them, i = 0 ... n - 1, is

      t = i / max(n - 1, 1)
      sparsity = target + (initial_sparsity - target) * (1 - t) ** power

  A last update at begin_step + total_iters applies the target. The target of a weight comes from
  the spec or the settings that the schedule is used with.

  Examples:
    >>> schedule = PolynomialDecaySchedule(begin_step=10, total_iters=20, update_frequency=5)
    >>> ['%.6f' % schedule.compute_sparsity(step, 0.8) for step in (10, 15, 20, 25, 30)]
    ['0.000000', '0.562963', '0.770370', '0.800000', '0.800000']

  Attributes:
    begin_step: step of the first update, 0 or more.
    total_iters: steps from there to the last update, 1 or more. Required.
    power: positive; 1 is linear, and larger values prune more at the start.
    initial_sparsity: fraction of zeros up to begin_step, in [0, 1).
    update_frequency: steps between two updates.
    target_sparsity: the target, for use without a spec; it takes precedence over the spec's.

  Raises:
    errors.ScheduleError: a value is out of range or has the wrong type.
  """
  begin_step: int = 0
  total_iters: Optional[int] = None
  power: float = 3.0
  initial_sparsity: float = 0.0
  update_frequency: int = 1
  target_sparsity: Optional[float] = None

  def __post_init__(self) -> None:
    if self.total_iters is None:
      raise errors.ScheduleError('total_iters is missing: give the number of steps from begin_step '
                                 'to the last update')
    values: Dict[str, Any] = {
        name: integer(name, getattr(self, name))
        for name in ('begin_step', 'total_iters', 'update_frequency')}
    for name, least in (('begin_step', 0), ('total_iters', 1), ('update_frequency', 1)):
      if values[name] < least:
        raise errors.ScheduleError('%s=%d: expected %d or more' % (name, values[name], least))
    integer('begin_step + total_iters', values['begin_step'] + values['total_iters'])
    values['power'] = positive('power', self.power)
    values['initial_sparsity'] = fraction('initial_sparsity', self.initial_sparsity)
    if self.target_sparsity is not None:
      values['target_sparsity'] = fraction('target_sparsity', self.target_sparsity)
    for name, value in values.items():
      object.__setattr__(self, name, value)

  def compute_sparsity(self, step_count: Numeric, target_sparsity: float,
                       prev_sparsity: Numeric = None) -> Numeric:
    """Returns the sparsity at a step.

    Args:
      step_count: an int, or an integer tensor.
      target_sparsity: the final sparsity.
      prev_sparsity: the sparsity so far, which is returned between two updates.

    Returns:
      A float, or a float32 tensor.

    Raises:
      errors.ScheduleError: prev_sparsity is None although the step is between two updates, or is
        a tensor and may be.
    """
    step, target = read(step_count), fraction('target_sparsity', target_sparsity)
    sparsity = in_kind(self._decay(step, target, None), step, float, tf.float32)
    if self.update_frequency == 1:
      return sparsity
    since = step - self.begin_step
    is_held = (since > 0) & (since < self.total_iters) & (since % self.update_frequency > 0)
    if prev_sparsity is None and (tf.is_tensor(step) or np.any(is_held)):
      raise errors.ScheduleError(
          'step_count=%s is, or may be, between two updates (every %d steps from %d), where the '
          'sparsity does not change: give prev_sparsity' % (
              step_count, self.update_frequency, self.begin_step))
    if tf.is_tensor(step):
      return tf.where(is_held, tf.cast(prev_sparsity, tf.float32), sparsity)
    return prev_sparsity if is_held else sparsity

  @property
  def final_sparsity_target(self) -> Optional[float]:
    """The target_sparsity of this object; None if the spec has the target."""
    return None if self.has_own_call else self.target_sparsity

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns the target of a weight: its own, else this object's, else the spec's."""
    if self.has_own_call:
      return super().final_sparsity_for(target_sparsity, own_target)
    targets = (own_target, self.target_sparsity, target_sparsity)
    return next((target for target in targets if target is not None), None)

  def sparsity_at(self, step: Numeric, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
    """Returns the sparsity of a weight at `step`, computed from its own target without scaling.

    Between two updates it is the sparsity of the earlier one.
    """
    if self.has_own_call:
      return super().sparsity_at(step, target_sparsity, own_target, dtype)
    target = self.final_sparsity_for(target_sparsity, own_target)
    if target is None:
      raise errors.ScheduleError(
          '%r has no target_sparsity, and there is no spec to give one: make it with '
          'target_sparsity=, or use it as Pruning(spec, sparsity=schedule)' % self)
    return in_kind(self._decay(read(step), target, dtype), step, float, dtype or tf.float32)

  @property
  def _clock(self) -> Clock:
    assert self.total_iters is not None
    return Clock(self.begin_step, self.begin_step + self.total_iters, self.update_frequency)

  def _formula(self, step: Numeric, dtype: Optional[DType]) -> Numeric:
    return self.sparsity_at(step, dtype=dtype)

  def _decay(self, step: Numeric, target: float, dtype: Optional[DType]) -> Numeric:
    """Returns the sparsity of the latest update at or before `step`."""
    assert self.total_iters is not None
    end, last = self._clock.end, (self.total_iters - 1) // self.update_frequency
    if tf.is_tensor(step):
      dtype = dtype or tf.float32
      index = tf.clip_by_value((step - self.begin_step) // self.update_frequency, 0, last)
      remaining = 1 - tf.cast(index, dtype) / tf.constant(max(last, 1), dtype)
      # If there is only one update before the end, its t is 0.
      remaining *= tf.cast(step < end, dtype)
      return (self.initial_sparsity - target) * tf.pow(
          remaining, tf.constant(self.power, dtype)) + target
    index = np.clip((step - self.begin_step) // self.update_frequency, 0, last)
    remaining = (1 - index / max(last, 1)) * (np.asarray(step) < end)
    return target + (self.initial_sparsity - target) * remaining**self.power

  def get_config(self) -> Dict[str, Any]:
    """Returns the class name and the arguments."""
    return self._config(*(field.name for field in dataclasses.fields(self)))
