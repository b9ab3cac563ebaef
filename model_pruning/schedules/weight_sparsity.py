# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The sparsity of each weight at a step: from the spec, or from an external schedule."""

import functools
from typing import Callable, List, Optional, Union

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import answers
from model_pruning.schedules import gradual
from model_pruning.schedules.arguments import fraction
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.kinds import scaled
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric

# Replaces the schedule of a spec; see sparsities_at.
External = Union[PruningSchedule, Numeric, Callable[[Numeric], Numeric], None]


def sparsities_at(step: Numeric, spec: PruningSpec, external: External = None
                  ) -> Callable[..., Numeric]:
  """Returns a function that returns the sparsity of each weight at `step`.

  Examples:
    >>> sparsity = sparsities_at(200, PruningSpec(target_sparsity=0.8))
    >>> sparsity(), sparsity(own_target=0.4)
    (0.8, 0.4)

  Args:
    step: global step; an int, or an integer tensor.
    spec: has the target_sparsity, and the schedule unless there is an external one.
    external: replaces the schedule of the spec: a PruningSchedule, a float, a scalar tensor, or a
      function of the step that returns a float or a scalar tensor.

  Returns:
    A function (own_target=None, dtype=None) -> the sparsity of a weight whose target in a map is
    own_target. The sparsity is a tensor of `dtype` (by default float32) if `step` or `external` is
    a tensor, and a float otherwise.

  Raises:
    errors.ScheduleError: a function of the step returns None or a tuple, the schedule has no
      target, or the sparsity is not in [0, 1).
  """
  if callable(external) and not isinstance(external, PruningSchedule):
    external = external(step)
    if external is None:
      raise errors.ScheduleError(
          'sparsity= is a function that returned None at step %s; expected a fraction of zeros in '
          '[0, 1). Does it lack a `return`?' % (step,))
    if isinstance(external, tuple):
      raise errors.ScheduleError(
          'sparsity= is a function that returns %d values, not one sparsity; to also set the steps '
          'of the updates, pass a model_pruning.PruningSchedule' % len(external))
  if external is not None and not isinstance(external, PruningSchedule):
    number = answers.known(external)
    if number is not None:
      fraction('sparsity', number)

  @functools.lru_cache(maxsize=None)  # The graph has the formula once for all weights.
  def base(dtype: Optional[DType]) -> Numeric:
    if external is None:
      return gradual.gradual_sparsity(step, spec, dtype=dtype)
    if isinstance(external, PruningSchedule):
      return external.sparsity_at(step, spec.target_sparsity, dtype=dtype)
    if tf.is_tensor(external) or tf.is_tensor(step):
      return tf.cast(external, dtype or tf.float32)
    return float(external)  # type: ignore[arg-type]  # A number: all other kinds are handled.

  @functools.lru_cache(maxsize=None)
  def sparsity(own_target: Optional[float] = None, dtype: Optional[DType] = None) -> Numeric:
    if own_target is None:
      return base(dtype)
    if isinstance(external, PruningSchedule):
      return external.sparsity_at(step, spec.target_sparsity, own_target, dtype)
    if external is None and (spec.initial_sparsity or not spec.target_sparsity):
      return gradual.gradual_sparsity(step, spec, own_target, dtype)
    # With an initial sparsity of 0, scaling equals the weight's own schedule.
    return scaled(base(dtype), own_target, spec.target_sparsity)

  return sparsity


def final(spec: PruningSpec, schedule: Optional[PruningSchedule],
          own_target: Optional[float] = None) -> float:
  """Returns the final sparsity of a weight; its target in the spec if that is unknown.

  Args:
    spec: has the targets.
    schedule: the schedule object that replaces the spec's schedule, if there is one.
    own_target: the target of the weight in a map; None if no map matches it.
  """
  target = spec.target_sparsity if own_target is None else own_target
  if schedule is None or not is_final_known(spec, schedule):
    return target
  return schedule.final_sparsity_for(spec.target_sparsity, own_target)  # type: ignore[return-value]


def is_final_known(spec: PruningSpec, schedule: Optional[PruningSchedule]) -> bool:
  """Whether the final sparsity is known."""
  return schedule is None or schedule.final_sparsity_for(spec.target_sparsity) is not None


# The hyperparameters that a schedule object replaces, and their defaults.
_REPLACED = [(name, getattr(PruningSpec(), name)) for name in (
    'pruning_frequency', 'begin_pruning_step', 'end_pruning_step', 'initial_sparsity',
    'sparsity_function_begin_step', 'sparsity_function_end_step', 'sparsity_function_exponent')]


def warnings(spec: PruningSpec, schedule: PruningSchedule, keeps_history: bool) -> List[str]:
  """Returns warnings about a spec that is used together with a schedule object.

  Args:
    spec: the hyperparameters.
    schedule: the schedule that replaces the spec's.
    keeps_history: whether the saliency keeps averages of gradients, which use the spec's steps.

  Raises:
    errors.ScheduleError: scaling takes a weight with its own target outside [0, 1).
  """
  found = []
  unused = ['%s=%s' % (name, getattr(spec, name)) for name, default in _REPLACED
            if getattr(spec, name) != default and not (
                # The averages of gradients still use these.
                keeps_history and name in ('begin_pruning_step', 'end_pruning_step'))]
  if unused:
    found.append('%s: not used, because %r replaces it; leave it out' % (
        ', '.join(unused), schedule))
  ends = schedule.final_sparsity_for(spec.target_sparsity)
  for key, own in (*spec.weight_sparsity_map, *spec.group_sparsity_map):
    reached = schedule.final_sparsity_for(spec.target_sparsity, own)
    if ends is None or reached is None or abs(reached - own) < 1e-9:
      continue
    advice = ('%r ends at %g, and a target in a map scales this by target / target_sparsity, with '
              'target_sparsity=%g: %s:%g ends at %g; set target_sparsity=%g to make it end at %g' %
              (schedule, ends, spec.target_sparsity, key, own, reached, ends, own))
    if not 0 <= reached < 1:
      raise errors.ScheduleError(advice)
    found.append(advice)
  return found
