# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What schedules as objects have in common, and what subclasses of them may rely on."""

import abc
from typing import Any, Dict, Mapping, Optional, Tuple


from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.schedules import numeric
from model_pruning.schedules.arguments import fraction
from model_pruning.schedules.arguments import integer
from model_pruning.schedules.clock import Clock
from model_pruning.schedules.clock import is_in_turn
from model_pruning.schedules.kinds import in_kind
from model_pruning.schedules.kinds import read
from model_pruning.schedules.kinds import scaled


class PruningSchedule(abc.ABC):
  """Base of schedules; of yours too, which override __call__ and get_config.

  What else there is has defaults by these two. With one that says what
  final_sparsity_target is and when it is_over, a run that ends too early can be
  told of, and no time goes into asking whether an update is due.
  """

  @abc.abstractmethod
  def __call__(self, step: Any) -> Tuple[Any, Any]:
    """Returns (whether the masks are updated at `step`, the sparsity they then get)."""

  @abc.abstractmethod
  def get_config(self) -> Dict[str, Any]:
    """Returns {'class_name': ..., 'config': the keyword arguments that make the schedule}."""

  @classmethod
  def from_config(cls, config: Mapping[str, Any]) -> 'PruningSchedule':
    """Makes a schedule of what get_config gave, or of its inner dict.

    Raises:
      errors.ScheduleError: the config is of another class, or lacks or has too
        many arguments, or a value is refused.
    """
    if not isinstance(config, Mapping):
      raise errors.ScheduleError('config=%r: expected the dict that get_config() returns' % (
          config,))
    if set(config) == {'class_name', 'config'}:
      if config['class_name'] != cls.__name__:
        raise errors.ScheduleError(
            'The config is of the class %s, not of %s; schedules.deserialize(config) goes '
            'by the class' % (config['class_name'], cls.__name__))
      config = config['config']
    try:
      return cls(**config)
    except TypeError as error:
      raise errors.ScheduleError('%s cannot be made of the config %r: %s' % (
          cls.__name__, dict(config), error)) from error

  @property
  def final_sparsity_target(self) -> Optional[float]:
    """The sparsity that the last update asks for; None where that is not known."""
    return None

  @property
  def needs_exact_steps(self) -> bool:
    """Whether to ask for every step, as a Python int; see Schedule."""
    return True

  def is_over(self, step: Any) -> Any:
    """Says whether no update falls after `step`; False where that is not known."""
    del step
    return False

  def should_prune(self, step: Any) -> Any:
    """Says whether the masks are updated at `step`, as __call__ does."""
    return in_kind(self(step)[0], step, bool)

  def next_update(self, step: int) -> Optional[int]:
    """Returns a step after `step` before which there is no update; None if it is over."""
    return None if self.is_over(step) else step + 1

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`, where that is known; else `step`."""
    return step

  def is_due(self, step: Any, last_update_step: Any) -> Any:
    """Says whether to update now, the last update having been at last_update_step (0: or none).

    True where it should prune and has not done so at this very step. The
    schedules of this library also make up for updates that were passed over.
    """
    fresh = (step > last_update_step) | numeric.equal(step, 0)
    return fresh & self.should_prune(step)

  def sparsity_at(self, step: Any, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Any = None) -> Any:
    """Returns the sparsity of a weight at `step`, whether that is one with an update or not.

    A weight with a target of its own gets, by contrib's rule for a sparsity
    from outside the spec, the schedule's sparsity * own_target / target_sparsity.

    Args:
      step: an int, or an integer array or tensor.
      target_sparsity: that of the spec. Without one, and where it is 0, the
        final_sparsity_target stands in; without that too, the weight is at its
        own target throughout.
      own_target: what a map gives this weight; None if it gives it nothing.
      dtype: for tensors, the floating dtype to compute in (default float32).

    Returns:
      A float, a float64 array or a tensor of the step's shape.
    """
    sparsity = in_kind(self(step)[1], step, float, dtype or tf.float32)
    return scaled(sparsity, own_target, target_sparsity or self.final_sparsity_target)

  def final_sparsity_for(self, target_sparsity: Optional[float] = None,
                         own_target: Optional[float] = None) -> Optional[float]:
    """Returns what sparsity_at ends at for these targets; None where that is not known."""
    final = self.final_sparsity_target
    return None if final is None else scaled(final, own_target, target_sparsity or final)

  def __repr__(self) -> str:
    return '%s(%s)' % (type(self).__name__, ', '.join(
        '%s=%r' % item for item in self.get_config().get('config', {}).items()))

  # ---- What tfmot's schedules have for their subclasses. ----

  def _should_prune_in_step(self, step: Any, begin_step: Any, end_step: Any,
                            frequency: Any) -> Any:
    """Says whether begin_step <= step <= end_step (-1: no end), in turns of `frequency`."""
    return in_kind(is_in_turn(read(step), begin_step, end_step, frequency), step, bool)

  def _validate_step(self, begin_step: Any, end_step: Any, frequency: Any,
                     allow_negative_1: bool) -> None:
    """Raises errors.ScheduleError for steps that make no schedule."""
    begin, end = integer('begin_step', begin_step), integer('end_step', end_step)
    if begin < 0:
      raise errors.ScheduleError('begin_step=%d: a schedule begins at a step of 0 or more' % begin)
    if end == -1 and not allow_negative_1:
      raise errors.ScheduleError('end_step=-1: this schedule has to end; give the step, of more '
                                 'than begin_step=%d, at which the final sparsity is reached' %
                                 begin)
    if end < -1:
      raise errors.ScheduleError('end_step=%d: expected a step of 0 or more%s' % (
          end, ', or -1 for no end' if allow_negative_1 else ''))
    if -1 < end < begin:
      raise errors.ScheduleError('begin_step=%d is after end_step=%d; a schedule ends at or after '
                                 'its begin_step' % (begin, end))
    if integer('frequency', frequency) < 1:
      raise errors.ScheduleError('frequency=%d: expected the steps between two updates, 1 or more' %
                                 frequency)

  def _validate_sparsity(self, sparsity: Any, variable_name: str) -> None:
    """Raises errors.ScheduleError for what is not a sparsity."""
    fraction(variable_name, sparsity)


class ClockedSchedule(PruningSchedule):
  """A schedule whose updates are those of a Clock, and whose sparsity is a formula.

  A user's subclass with a __call__ of its own is left to what PruningSchedule
  makes of that: clock and formula may not be what it goes by.
  """

  @property
  @abc.abstractmethod
  def _clock(self) -> Clock:
    """When it updates."""

  @abc.abstractmethod
  def _formula(self, step: Any, dtype: Any) -> Any:
    """Returns the sparsity at a tensor, an array or an int."""

  def __call__(self, step: Any) -> Tuple[Any, Any]:
    """Returns (whether the masks are updated at `step`, the sparsity they then get)."""
    at = read(step)
    return (in_kind(self._clock.is_update(at), step, bool),
            in_kind(self._formula(at, None), step, float, tf.float32))

  @property
  def has_own_call(self) -> bool:
    """Whether a subclass decides by a __call__ of its own, and the arguments say nothing."""
    return type(self).__call__ is not ClockedSchedule.__call__

  @property
  def needs_exact_steps(self) -> bool:
    """Whether to ask for every step, as a Python int: only if a subclass has its own __call__."""
    return self.has_own_call

  def is_over(self, step: Any) -> Any:
    """Says whether no update falls after `step`."""
    if self.has_own_call:
      return super().is_over(step)
    return in_kind(self._clock.is_over(read(step)), step, bool)

  def should_prune(self, step: Any) -> Any:
    """Says whether the masks are updated at `step`."""
    if self.has_own_call:
      return super().should_prune(step)
    return in_kind(self._clock.is_update(read(step)), step, bool)

  def next_update(self, step: int) -> Optional[int]:
    """Returns the first step after `step` with an update; None if there is none."""
    return super().next_update(step) if self.has_own_call else self._clock.next_update(step)

  def last_update(self, step: int) -> int:
    """Returns the step of the latest update up to `step`; 0 for none."""
    return super().last_update(step) if self.has_own_call else self._clock.last_update(step)

  def is_due(self, step: Any, last_update_step: Any) -> Any:
    """Says whether an update falls after last_update_step and not after `step`."""
    if self.has_own_call:
      return super().is_due(step, last_update_step)
    return self._clock.is_due(read(step), read(last_update_step))

  def sparsity_at(self, step: Any, target_sparsity: Optional[float] = None,
                  own_target: Optional[float] = None, dtype: Any = None) -> Any:
    """Returns the sparsity of a weight at `step`; see PruningSchedule."""
    if self.has_own_call:
      return super().sparsity_at(step, target_sparsity, own_target, dtype)
    sparsity = in_kind(self._formula(read(step), dtype), step, float, dtype or tf.float32)
    return scaled(sparsity, own_target, target_sparsity or self.final_sparsity_target)

  def _config(self, *names: str) -> Dict[str, Any]:
    return {'class_name': type(self).__name__,
            'config': {name: getattr(self, name) for name in names}}
