# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How sparse each weight is at a step: by the spec, or by what takes the place of its schedule."""

import functools
from typing import Any, Callable, List, Optional

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.kinds import scaled


def sparsities_at(step: Any, spec: PruningSpec, external: Any = None) -> Callable[..., Any]:
  """Returns what gives the sparsity of each weight at `step`.

  >>> sparsity = sparsities_at(200, PruningSpec(target_sparsity=0.8))
  >>> sparsity(), sparsity(own_target=0.4)
  (0.8, 0.4)

  Args:
    step: global step; an int, or an integer tensor.
    spec: gives the schedule if there is no external one, and the target_sparsity.
    external: what replaces the schedule of the spec: a PruningSchedule, a float,
      a scalar tensor, or a function of the step that returns one of the last two.

  Returns:
    A function (own_target=None, dtype=None) -> the sparsity of a weight whose
    target a map says to be own_target. It is a tensor of `dtype` (by default
    float32) where step or external are tensors, and a float otherwise.

  Raises:
    errors.ScheduleError: a function of the step returns several things, or the
      schedule has no target.
  """
  if callable(external) and not isinstance(external, PruningSchedule):
    external = external(step)
    if isinstance(external, tuple):
      raise errors.ScheduleError(
          'sparsity= is a function that returns %d things, not one sparsity; a schedule that also '
          'says when to prune is a model_pruning.PruningSchedule' % len(external))

  @functools.lru_cache(maxsize=None)  # Of many weights, the graph has the formula once.
  def base(dtype: Any) -> Any:
    if external is None:
      return gradual.gradual_sparsity(step, spec, dtype=dtype)
    if isinstance(external, PruningSchedule):
      return external.sparsity_at(step, spec.target_sparsity, dtype=dtype)
    if tf.is_tensor(external) or tf.is_tensor(step):
      return tf.cast(external, dtype or tf.float32)
    return float(external)

  @functools.lru_cache(maxsize=None)
  def sparsity(own_target: Optional[float] = None, dtype: Any = None) -> Any:
    if own_target is None:
      return base(dtype)
    if isinstance(external, PruningSchedule):
      return external.sparsity_at(step, spec.target_sparsity, own_target, dtype)
    if external is None and (spec.initial_sparsity or not spec.target_sparsity):
      return gradual.gradual_sparsity(step, spec, own_target, dtype)
    # From 0 this is the weight's own schedule.
    return scaled(base(dtype), own_target, spec.target_sparsity)

  return sparsity


def final(spec: PruningSpec, schedule: Optional[PruningSchedule],
          own_target: Optional[float] = None) -> float:
  """Returns what the sparsity of a weight ends at; the spec's target where that is not known.

  Args:
    spec: gives the targets.
    schedule: the schedule object in place of the spec's, if there is one.
    own_target: what a map gives the weight; None if it gives it nothing.
  """
  target = spec.target_sparsity if own_target is None else own_target
  if schedule is None or not is_final_known(spec, schedule):
    return target
  return schedule.final_sparsity_for(spec.target_sparsity, own_target)  # type: ignore[return-value]


def is_final_known(spec: PruningSpec, schedule: Optional[PruningSchedule]) -> bool:
  """Says whether it is known what the sparsity ends at."""
  return schedule is None or schedule.final_sparsity_for(spec.target_sparsity) is not None


# What of a spec is not looked at, and its default.
_REPLACED = [(name, getattr(PruningSpec(), name)) for name in (
    'pruning_frequency', 'begin_pruning_step', 'end_pruning_step', 'initial_sparsity',
    'sparsity_function_begin_step', 'sparsity_function_end_step', 'sparsity_function_exponent')]


def warnings(spec: PruningSpec, schedule: PruningSchedule, keeps_history: bool) -> List[str]:
  """Returns warnings about a spec that is used together with a schedule object.

  Args:
    spec: the hyperparameters.
    schedule: the schedule in place of the spec's.
    keeps_history: whether averages of gradients go by the spec's steps.

  Raises:
    errors.ScheduleError: a weight with a target of its own is taken to a sparsity
      outside [0, 1).
  """
  found = []
  unused = ['%s=%s' % (name, getattr(spec, name)) for name, default in _REPLACED
            if getattr(spec, name) != default and not (
                # The averages of gradients still go by these.
                keeps_history and name in ('begin_pruning_step', 'end_pruning_step'))]
  if unused:
    found.append('%s: not used, as %r says when and how far to prune; leave it out' % (
        ', '.join(unused), schedule))
  ends = schedule.final_sparsity_for(spec.target_sparsity)
  for key, own in (*spec.weight_sparsity_map, *spec.group_sparsity_map):
    reached = schedule.final_sparsity_for(spec.target_sparsity, own)
    if ends is None or reached is None or abs(reached - own) < 1e-9:
      continue
    advice = ('%r ends at %g, and a target of its own in a map scales that by its share of '
              'target_sparsity=%g: %s:%g makes it %g; set target_sparsity=%g to have it end at %g' %
              (schedule, ends, spec.target_sparsity, key, own, reached, ends, own))
    if not 0 <= reached < 1:
      raise errors.ScheduleError(advice)
    found.append(advice)
  return found
