# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The warning about weights that end short of their target sparsity."""

from typing import Dict, List, Optional, Sequence

from absl import logging

from model_pruning.graph import variables
from model_pruning.graph.pruning import Pruning
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.schedule import SpecSchedule
from model_pruning.util.sparsity_table import furthest_off
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Session


def log(session: Session, pruning: Pruning, last_update: int,
        rows: Sequence[WeightSparsity]) -> None:
  """Logs the warning, if there is one.

  Args:
    session: a session with the variables.
    pruning: what is pruned.
    last_update, rows: see warning.
  """
  step = int(session.run(variables.copies_of(pruning.global_step)[0]))
  text = warning(rows, last_update, pruning.spec, pruning.schedule, step)
  if text is not None:
    logging.warning('%s', text)


def warning(rows: Sequence[WeightSparsity], last_update: int, spec: PruningSpec,
            schedule: Optional[PruningSchedule] = None, step: Optional[int] = None
            ) -> Optional[str]:
  """Returns one line about the weights that are short of their targets; None if there are none.

  Args:
    rows: all masked weights at the end of training.
    last_update: the step of the last mask update; 0 also if there was none.
    spec: the hyperparameters.
    schedule: the schedule object that replaces the spec's schedule; None if there is none.
    step: the global step at the end of training, if it is known.
  """
  short = sorted((row for row in rows if row.short), key=lambda row: row.achieved - row.target)
  ended = ('after a last mask update at step %d' % last_update if last_update else
           'without a mask update after step 0')
  if not short:
    # Weights whose channels share a sparsity have no targets of their own.
    if not (spec.channel_pruning and spec.shares_target) or _requested_target(
        last_update, spec, schedule):
      return None
    return '%s: training ended %s, short of the target sparsity of all channels: %s' % (
        spec.name, ended, _advice(last_update, spec, schedule, step))
  named = (_together if spec.shares_target or spec.group_pruning else furthest_off)(short)
  return '%s: %d of %d weights ended short of their target sparsity, %s: %s; %s' % (
      spec.name, len(short), len(rows), ended, named, _advice(last_update, spec, schedule, step))


def _together(short: Sequence[WeightSparsity]) -> str:
  """Returns the sparsity of weights with one target for all: each alone may be above it."""
  by_target: Dict[float, List[WeightSparsity]] = {}
  for row in short:
    by_target.setdefault(row.target, []).append(row)
  named = []
  for target, rows in by_target.items():
    size, others = sum(row.size for row in rows), len(rows) - 1
    named.append('%s%s sparsity %.4f and a target of %.4f' % (
        rows[0].name, ' and %s together have' % (
            rows[1].name if others == 1 else '%d others' % others) if others else ' has',
        sum(row.zeros for row in rows) / max(size, 1), target))
  return ', '.join(named)


def _advice(last_update: int, spec: PruningSpec, schedule: Optional[PruningSchedule],
            step: Optional[int]) -> str:
  """Returns advice that helps: more steps alone do not help if the target was already requested."""
  if step == 0:
    return ('the global step is still 0; if the model was trained, nothing counted its steps: pass '
            'global_step=tf.train.get_or_create_global_step() to minimize()')
  updates = SpecSchedule(spec) if schedule is None else schedule
  if not _requested_target(last_update, spec, schedule):
    if schedule is not None:
      return 'train on to the last mask update of %r' % schedule
    end = spec.sparsity_function_end_step
    following = updates.next_update(max(last_update, end - 1))
    return 'train on to a mask update at or after sparsity_function_end_step=%d%s' % (
        end, ', which is at step %d' % following if following is not None else
        '; as no update comes there, set a later end_pruning_step')
  following = updates.next_update(last_update)
  if spec.threshold_decay:
    return ('%s, so the masks need more updates at the target; %s, or lower threshold_decay' % (
                gradual.lag(spec), 'train on' if following is not None else
                'set a later end_pruning_step' if schedule is None else
                'let the schedule end later'))
  if spec.threshold_method != 'exact':
    return ('threshold_method=%s only estimates the threshold; set threshold_method=exact' %
            spec.threshold_method)
  if following is None:
    return 'no mask update follows: %s than the step from which training goes on' % (
        'set a later end_pruning_step' if schedule is None else 'let the schedule end later')
  return 'run one more mask update'


def _requested_target(last_update: int, spec: PruningSpec, schedule: Optional[PruningSchedule]
                      ) -> bool:
  """Whether the last update, if there was one, was to the final sparsity of the schedule."""
  if not last_update:
    return False
  if schedule is None:
    return last_update >= spec.sparsity_function_end_step
  final = schedule.final_sparsity_for(spec.target_sparsity)
  reached = float(schedule.sparsity_at(last_update, spec.target_sparsity))
  return final is not None and abs(reached - final) <= 1e-6
