# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The base classes of schedule objects."""

import abc
from typing import Any, Dict, Mapping, Optional, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.schedules import answers
from model_pruning.schedules import numeric
from model_pruning.schedules.arguments import fraction
from model_pruning.schedules.arguments import integer
from model_pruning.schedules.clock import Clock
from model_pruning.schedules.clock import is_in_turn
from model_pruning.schedules.kinds import in_kind
from model_pruning.schedules.kinds import read
from model_pruning.schedules.kinds import scaled
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric
from model_pruning.util.types import Truth


class PruningSchedule(abc.ABC):
  """The base class of schedules, including user-defined ones.

  A subclass overrides __call__ and get_config. The defaults of everything else are built on these
  two. If a subclass also overrides final_sparsity_target and is_over, the library can warn about a
  run that ends too early, and stops checking for updates once the schedule is over.
  """

  @abc.abstractmethod
  def __call__(self, step: Numeric) -> Tuple[Truth, Numeric]:
    """Returns (whether the masks are updated at `step`, their sparsity then)."""

  @abc.abstractmethod
  def get_config(self) -> Dict[str, Any]:
    """Returns {'class_name': ..., 'config': the keyword arguments of the constructor}."""

  @classmethod
  def from_config(cls, config: Mapping[str, Any]) -> 'PruningSchedule':
    """Returns the schedule of a config: the result of get_config, or its inner dict.

    Raises:
      errors.ScheduleError: the config belongs to another class, lacks an argument, has an
        unknown argument, or has a value that the class rejects.
    """
    if not isinstance(config, Mapping):
      raise errors.ScheduleError('config=%r: expected the dict that get_config() returns' % (
          config,))
    if set(config) == {'class_name', 'config'}:
      if config['class_name'] != cls.__name__:
        raise errors.ScheduleError(
            'The config belongs to the class %s, not to %s; schedules.deserialize(config) finds '
            'the class by its name' % (config['class_name'], cls.__name__))
      config = config['config']
    try:
      return cls(**config)
    except TypeError as error:
      raise errors.ScheduleError('%s cannot be created from the config %r: %s' % (
          cls.__name__, dict(config), error)) from error

  @property
  def final_sparsity_target(self) -> Optional[float]:
    """The sparsity at the last update; None if that is unknown."""
    return None

  @property
  def needs_exact_steps(self) -> bool:
    """Whether the schedule must be evaluated at every step, as a Python int; see Schedule."""
    return True

  def is_over(self, step: Numeric) -> Truth:
    """Whether no update comes after `step`; False if that is unknown."""
    del step
    return False

  def should_prune(self, step: Numeric) -> Truth:
    """Whether the masks are updated at `step`.

    Raises:
      errors.ScheduleError: __call__ does not return two values, or returns False for all steps of
        a graph.
    """
    update, _ = self._answer(step)
    answers.check_update(type(self).__name__, update, step)
    return in_kind(update, step, bool)

  def next_update(self, step: int) -> Optional[int]:
    """Returns the earliest step after `step` that may have an update; None if it is over."""
    return None if self.is_over(step) else step + 1

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; `step` itself if that is unknown."""
    return step

  def is_due(self, step: Numeric, last_update_step: Numeric) -> Truth:
    """Whether to update the masks at `step`.

    True if the schedule has an update at `step` and the last update was not there. (It was after
    `step` if the step was set back.) The schedules of this library are also due if training skipped
    the step of an update.

    Args:
      step: an int, or an integer array or tensor.
      last_update_step: the step of the last update; 0 also if there was none.
    """
    fresh = (step > last_update_step) | (step < last_update_step) | numeric.equal(step, 0)
    return fresh & self.should_prune(step)

  def sparsity_at(self, step: Numeric, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
    """Returns the sparsity of a weight at `step`, also at steps without an update.

    A weight with its own target gets the schedule's sparsity * own_target / target_sparsity, which
    is contrib's rule for a sparsity from outside the spec.

    Args:
      step: an int, or an integer array or tensor.
      target_sparsity: the target of the spec. If it is None or 0, final_sparsity_target is used
        instead. If that is also None or 0, the weight always has its own target.
      own_target: the target of this weight in a map; None if no map matches it.
      dtype: for tensors, the floating dtype to compute in (default float32).

    Returns:
      A float, a float64 array or a tensor of the step's shape.

    Raises:
      errors.ScheduleError: __call__ does not return two values, or a sparsity outside [0, 1) at
        an update.
    """
    update, sparsity = self._answer(step)
    answers.check_sparsity(type(self).__name__, update, sparsity, step)
    return scaled(in_kind(sparsity, step, float, dtype or tf.float32), own_target,
                  target_sparsity or self.final_sparsity_target)

  def _answer(self, step: Numeric) -> Tuple[Truth, Numeric]:
    return answers.pair(type(self).__name__, self(step), step)

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns the last sparsity from sparsity_at for these targets; None if that is unknown."""
    final = self.final_sparsity_target
    return None if final is None else scaled(final, own_target, target_sparsity or final)

  def __repr__(self) -> str:
    return '%s(%s)' % (type(self).__name__, ', '.join(
        '%s=%r' % item for item in self.get_config().get('config', {}).items()))

  # ---- Methods that tfmot's schedules provide for subclasses. ----

  def _should_prune_in_step(self, step: Numeric, begin_step: Numeric, end_step: Numeric,
                            frequency: Numeric) -> Truth:
    """Whether begin_step <= step <= end_step (-1: no end) and `frequency` divides step - begin."""
    return in_kind(is_in_turn(read(step), begin_step, end_step, frequency), step, bool)

  def _validate_step(self, begin_step: Numeric, end_step: Numeric, frequency: Numeric,
                     allow_negative_1: bool) -> None:
    """Raises errors.ScheduleError if the steps do not form a schedule."""
    begin, end = integer('begin_step', begin_step), integer('end_step', end_step)
    if begin < 0:
      raise errors.ScheduleError('begin_step=%d: a schedule begins at a step of 0 or more' % begin)
    if end == -1 and not allow_negative_1:
      raise errors.ScheduleError('end_step=-1: this schedule has to end; give the step after '
                                 'begin_step=%d at which the final sparsity is reached' % begin)
    if end < -1:
      raise errors.ScheduleError('end_step=%d: expected a step of 0 or more%s' % (
          end, ', or -1 for no end' if allow_negative_1 else ''))
    if -1 < end < begin:
      raise errors.ScheduleError('begin_step=%d is after end_step=%d; a schedule ends at or after '
                                 'its begin_step' % (begin, end))
    if integer('frequency', frequency) < 1:
      raise errors.ScheduleError('frequency=%d: expected 1 or more steps between two updates' %
                                 frequency)

  def _validate_sparsity(self, sparsity: object, variable_name: str) -> None:
    """Raises errors.ScheduleError if a value is not a sparsity in [0, 1)."""
    fraction(variable_name, sparsity)


class ClockedSchedule(PruningSchedule):
  """A schedule that updates by a Clock and computes the sparsity by a formula.

  A user's subclass that overrides __call__ uses the defaults of PruningSchedule instead, because
  its __call__ may ignore the clock and the formula.
  """

  @property
  @abc.abstractmethod
  def _clock(self) -> Clock:
    """The steps of the updates."""

  @abc.abstractmethod
  def _formula(self, step: Numeric, dtype: Optional[DType]) -> Numeric:
    """Returns the sparsity at `step`, a tensor, an array or an int."""

  def __call__(self, step: Numeric) -> Tuple[Truth, Numeric]:
    """Returns (whether the masks are updated at `step`, their sparsity then)."""
    at = read(step)
    return (in_kind(self._clock.is_update(at), step, bool),
            in_kind(self._formula(at, None), step, float, tf.float32))

  @property
  def has_own_call(self) -> bool:
    """Whether a subclass overrides __call__, so that the arguments need not describe it."""
    return type(self).__call__ is not ClockedSchedule.__call__

  @property
  def needs_exact_steps(self) -> bool:
    """Whether it must be evaluated at every step: only if a subclass overrides __call__."""
    return self.has_own_call

  def is_over(self, step: Numeric) -> Truth:
    """Whether no update comes after `step`."""
    if self.has_own_call:
      return super().is_over(step)
    return in_kind(self._clock.is_over(read(step)), step, bool)

  def should_prune(self, step: Numeric) -> Truth:
    """Whether the masks are updated at `step`."""
    if self.has_own_call:
      return super().should_prune(step)
    return in_kind(self._clock.is_update(read(step)), step, bool)

  def next_update(self, step: int) -> Optional[int]:
    """Returns the first step after `step` with an update; None if there is none."""
    return super().next_update(step) if self.has_own_call else self._clock.next_update(step)

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; 0 if there is none."""
    return super().last_update(step) if self.has_own_call else self._clock.last_update(step)

  def is_due(self, step: Numeric, last_update_step: Numeric) -> Truth:
    """Whether the schedule has an update after last_update_step, up to and including `step`."""
    if self.has_own_call:
      return super().is_due(step, last_update_step)
    return self._clock.is_due(read(step), read(last_update_step))

  def sparsity_at(self, step: Numeric, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
    """Returns the sparsity of a weight at `step`; see PruningSchedule."""
    if self.has_own_call:
      return super().sparsity_at(step, target_sparsity, own_target, dtype)
    sparsity = in_kind(self._formula(read(step), dtype), step, float, dtype or tf.float32)
    return scaled(sparsity, own_target, target_sparsity or self.final_sparsity_target)

  def _config(self, *names: str) -> Dict[str, Any]:
    return {'class_name': type(self).__name__,
            'config': {name: getattr(self, name) for name in names}}
