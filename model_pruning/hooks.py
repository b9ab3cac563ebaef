# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningHook: pruning for Estimator and MonitoredTrainingSession."""

import json
import os
from typing import Any, List, Optional, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning import variables
from model_pruning.compat import tf
from model_pruning.hparam import HParams
from model_pruning.pruning import Pruning
from model_pruning.spec import PruningSpec
from model_pruning.summaries import sparsity_table


class PruningHook(tf.train.SessionRunHook):
  """Updates the masks as training goes, and says at the end what was achieved.

      with model_pruning.masked_scope(exclude='logits.*'):
        logits = build_model(images)
      ...
      hook = model_pruning.PruningHook('target_sparsity=0.9,sparsity_function_end_step=10000')
      with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
        while not session.should_stop():
          session.run(train_op)

  It serves Estimator.train(hooks=...) and EstimatorSpec(training_hooks=...) as
  well. What it needs is added to the graph in begin(), so a string is enough. It
  works with a Scaffold whose init_op, saver or summary_op was made before that; a
  saver made before does not save what begin() adds (last_mask_update_step, and
  what gradient saliency remembers), and a run resumed from its checkpoints updates
  the masks as it starts.

  The checkpoint of a step is written before the masks are updated for that step, as
  TensorFlow calls its own hooks first; a run resumed from it makes up for that. For
  checkpoints with the masks of their step, give this hook to
  MonitoredTrainingSession(chief_only_hooks=...).

  Only the chief updates: masks are shared, like weights.
  """

  def __init__(self, spec: Union[Pruning, HParams, PruningSpec, str, None] = None,
               is_chief: Optional[bool] = None, summaries: bool = True,
               sparsity: Any = None) -> None:
    """Validates the spec; touches no graph.

    Args:
      spec: an HParams string, an HParams, a PruningSpec, None for the defaults;
        or a Pruning object of the graph that is trained.
      is_chief: whether this process updates the masks. By default what TF_CONFIG
        says, and True where there is none.
      summaries: whether to add pruning summaries to the graph.
      sparsity: what replaces the spec's schedule, a PruningSchedule say, or a
        function of the step; see Pruning.

    Raises:
      errors.PruningError: the spec is invalid.
      errors.ScheduleError: both a Pruning object and a sparsity are given.
    """
    if isinstance(spec, Pruning) and sparsity is not None:
      raise errors.ScheduleError('sparsity=%r is given beside a Pruning object, which has its own; '
                                 'give it to that: Pruning(spec, sparsity=...)' % (sparsity,))
    self._sparsity = sparsity
    self._given = spec if isinstance(spec, Pruning) else PruningSpec.create(spec)
    self._is_chief = _is_chief_by_tf_config() if is_chief is None else is_chief
    self._summaries = summaries
    self._pruning: Optional[Pruning] = None
    self._made: List[Tuple[Any, Any]] = []
    self._seen: Optional[int] = None
    self._stride = 1
    self._next_update: Optional[int] = 0  # None: there is none.
    self._last_update = 0

  def begin(self) -> None:
    """Adds the pruning to the default graph, where it is not there yet.

    Raises:
      errors.NoMaskedWeightsError, errors.MapError, errors.GlobalStepError,
      errors.GraphMismatchError: the graph is not one that the spec can prune.
    """
    if not self._is_chief:
      logging.info('PruningHook: not the chief, which is the one that updates the masks')
      return
    self._made = []
    known = {variable.name for variable in tf.global_variables()}
    if isinstance(self._given, Pruning):
      self._pruning = self._given
    else:
      self._pruning = Pruning(self._given, sparsity=self._sparsity)
    self._update = self._pruning.conditional_mask_update_op()
    self._made = [(variable, variables.exempt_from_initialization(variable))
                  for variable in tf.global_variables() if variable.name not in known]
    self._pruning.prepare_report()
    if self._summaries:
      self._pruning.add_pruning_summaries()

  def after_create_session(self, session: Any, coord: Any) -> None:
    """Initializes what nothing else did, and makes up for a missed update.

    A checkpoint that was saved at the step of an update may hold the masks from
    before it, as the hook that saves runs first. The update then is still due.
    """
    del coord
    if self._pruning is None:
      return
    if self._made:
      done = session.run([is_initialized for _, is_initialized in self._made])
      session.run([variable.initializer
                   for (variable, _), is_done in zip(self._made, done) if not is_done])
    self._seen, self._stride = None, 1
    self._run_update(session)

  def before_run(self, run_context: Any) -> Any:
    """Asks for the global step, before or after this run's increment."""
    del run_context
    return tf.train.SessionRunArgs(self._pruning.global_step) if self._pruning else None

  def after_run(self, run_context: Any, run_values: Any) -> None:
    """Updates the masks if the schedule says so for the step just trained.

    The conditional operation decides. As every session.run costs, it is left
    alone while the step, at the longest stride seen, is short of the next update;
    a longer one makes the update late, but end() makes it up.
    """
    if self._pruning is None:
      return
    seen, before = int(run_values.results), self._seen
    self._seen = seen
    if before is not None:
      # Steps move by more than one where others train too, or many steps make one run.
      self._stride = max(self._stride, seen - before)
      if self._next_update is None or seen + self._stride < self._next_update:
        return
    self._run_update(run_context.session)

  def _run_update(self, session: Any) -> None:
    assert self._pruning is not None
    session.run(self._update)
    self._last_update = int(session.run(self._pruning.last_mask_update_step))
    self._next_update = self._pruning.next_update_step(self._last_update)

  def end(self, session: Any) -> None:
    """Logs asked and achieved sparsity, and warns of weights that ended short."""
    if self._pruning is None:
      return
    self._run_update(session)  # The step may have jumped in the last run.
    _save_update_of_last_step(session, self._pruning.last_mask_update_step)
    rows = self._pruning.sparsity_report(session)
    logging.info('%s: sparsity at the end of training\n%s', self._pruning.spec.name,
                 sparsity_table(rows))
    schedule, spec = self._pruning.schedule, self._pruning.spec
    for row in rows:
      if row.short:
        logging.warning(
            '%s: %s ended at sparsity %.4f, short of the %.4f asked for, %s; train on to %s',
            spec.name, row.name, row.achieved, row.asked,
            'after a last mask update at step %d' % self._last_update if self._last_update else
            'without a mask update after step 0',
            'a mask update at or after sparsity_function_end_step=%d' %
            spec.sparsity_function_end_step if schedule is None else
            'the last mask update of %r' % schedule)


def _save_update_of_last_step(session: Any, last_mask_update_step: Any) -> None:
  """Saves again where the checkpoint of the last step is from before its mask update."""
  name, step = last_mask_update_step.op.name, session.run(last_mask_update_step)
  for saver in session.graph.get_collection(tf.GraphKeys.SAVERS):
    path = (saver.last_checkpoints or [''])[-1]
    prefix, _, suffix = path.rpartition('-')
    if suffix != str(step):
      continue
    reader = tf.train.load_checkpoint(path)
    # A saver made before the hook began does not save the step; then there is no telling.
    if not reader.has_tensor(name) or reader.get_tensor(name) != step:
      saver.save(session, prefix, global_step=step)


def _is_chief_by_tf_config() -> bool:
  """Returns whether TF_CONFIG makes this process the chief; True without one."""
  text = os.environ.get('TF_CONFIG') or '{}'
  try:
    config = json.loads(text)
    task = config.get('task', {})
    kind, index = task.get('type'), int(task.get('index', 0))
    cluster = config.get('cluster', {})
  except (ValueError, AttributeError, TypeError) as error:
    raise errors.SpecError('TF_CONFIG is not the JSON object that TensorFlow expects (%s): %s; '
                           'mend it, or pass is_chief=' % (error, text)) from error
  if kind is None or kind in ('chief', 'master'):
    return True
  has_chief = 'chief' in cluster or 'master' in cluster
  return kind == 'worker' and index == 0 and not has_chief
