# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningHook: pruning for Estimator and MonitoredTrainingSession."""

import json
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning import names as names_lib
from model_pruning.compat import tf
from model_pruning.graph import records
from model_pruning.graph import variables
from model_pruning.graph.pruning import Pruning
from model_pruning.graph.training import shortfall
from model_pruning.graph.training.coordination import Claim
from model_pruning.graph.training.coordination import session_around
from model_pruning.graph.training.last_checkpoint import save_last_update
from model_pruning.graph.training.last_checkpoint import UpdateBeforeSaving
from model_pruning.graph.training.last_checkpoint import warn_of_savers_without_masks
from model_pruning.graph.training.progress import Plan
from model_pruning.graph.training.progress import Progress
from model_pruning.graph.training.run_report import RunReport
from model_pruning.graph.training.waiting import Watch
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules.base import PruningSchedule
from model_pruning.schedules.weight_sparsity import External
from model_pruning.util.sparsity_table import sparsity_table
from model_pruning.util.tf_config import TFConfig
from model_pruning.util.types import Graph
from model_pruning.util.types import Hook
from model_pruning.util.types import Session
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


class PruningHook(tf.train.SessionRunHook):
  """Updates the masks during training, and logs the achieved sparsity at the end.

      with model_pruning.masked_scope(exclude='logits.*'):
        logits = build_model(images)
      ...
      hook = model_pruning.PruningHook('target_sparsity=0.9,sparsity_function_end_step=10000')
      with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
        while not session.should_stop():
          session.run(train_op)

  It also works with Estimator.train(hooks=...) and EstimatorSpec(training_hooks=...). begin() adds
  the operations to the graph, so a string is enough. A Scaffold may have an init_op, saver or
  summary_op from before begin(). Such a saver does not save the variables that begin() adds. A
  resumed run then takes last_mask_update_step from the schedule, and the history for gradient
  saliency starts again from zero.

  Checkpoints from TensorFlow's CheckpointSaverHook contain the masks of their step, because the
  hook makes a due update before it saves. Checkpoints from other code may contain the masks from
  before the update; a run resumed from them makes the update.

  Only the chief updates the masks, which all tasks share like the weights. Use the hook in all
  tasks. With parameter servers, the other tasks compare their hyperparameters with the chief's.
  """

  def __init__(self, spec: Union[Pruning, HParams, PruningSpec, str, None] = None,
               is_chief: Optional[bool] = None, summaries: bool = True,
               sparsity: External = None, cluster: Any = None, report: Any = None,
               progress: bool = True) -> None:
    """Checks the spec, without a graph.

    Args:
      spec: an HParams string, an HParams, a PruningSpec, None for the defaults; or a Pruning
        object of the graph that is trained.
      is_chief: whether this process updates the masks. By default TF_CONFIG decides. Without
        TF_CONFIG it is False in a session that waits for a chief
        (MonitoredTrainingSession(is_chief=False)), and True otherwise.
      summaries: whether to add pruning summaries to the graph.
      sparsity: replaces the spec's schedule, for example a PruningSchedule or a function of the
        step; see Pruning.
      cluster: an argument of tf.train.ClusterSpec, by default the cluster of TF_CONFIG. While the
        session waits, the hook logs the tasks that do not answer.
      report: the path of an HTML file, which the chief writes at the end of training: the targets
        met or missed, findings, numbers and charts for each weight, and the sparsity over time. If
        writing it fails, a warning is logged.
      progress: whether a run of more than ten seconds shows its step, its sparsity and its next
        update: as a bar on a terminal, and once a minute in a log.

    Raises:
      errors.MissingPackageError: report is given, but jinja2 or matplotlib is not installed.
      errors.WriteError: no file can be written to the path of the report.
      errors.PruningError: the spec is invalid.
      errors.ScheduleError: both a Pruning object and a sparsity are given.
    """
    if isinstance(spec, Pruning) and sparsity is not None:
      raise errors.ScheduleError('sparsity=%r is given together with a Pruning object, which has '
                                 'its own; use Pruning(spec, sparsity=...)' % (sparsity,))
    self._report = None if report is None else RunReport(report)
    self._sparsity = sparsity
    self._given = spec if isinstance(spec, Pruning) else PruningSpec.create(spec)
    try:
      config = TFConfig.read()
    except errors.SpecError:
      if is_chief is None:
        raise
      config = TFConfig(None, None)
    self._is_chief = config.is_chief if is_chief is None else is_chief
    self._cluster = config.cluster if cluster is None else cluster
    self._summaries = summaries
    self._shows_progress = progress
    self._progress: Optional[Progress] = None
    self._pruning: Optional[Pruning] = None
    self._claim: Optional[Claim] = None
    self._compared = False
    self._watch: Optional[Watch] = None
    self._graph: Graph = None
    self._servers: Set[Optional[str]] = set()
    self._made: List[Tuple[Variable, Variable]] = []
    self._listener = UpdateBeforeSaving(self._update_before_saving)
    self._is_running = False
    self._seen: Optional[int] = None
    self._stride = 1
    self._next_update: Optional[int] = 0  # None if no more updates follow.
    self._last_update = 0

  def begin(self) -> None:
    """Adds the pruning to the default graph, unless the graph has it.

    Raises:
      errors.NoMaskedWeightsError: there is nothing to prune in the graph.
      errors.PruningError: the spec does not fit the graph; see Pruning.
    """
    if self._watch is None and self._cluster:
      self._watch = Watch(self._cluster)
    self._servers = {variables.job_of(variable) for variable in tf.global_variables()}
    self._wait_for('the session')
    creator, hooks = session_around()
    if self._graph is not tf.get_default_graph():
      self._graph, self._made, self._claim = tf.get_default_graph(), [], None
    self._pruning, self._compared, self._is_running = None, False, False
    step = self._given.global_step if isinstance(
        self._given, Pruning) else tf.train.get_global_step()
    if self._claim is None and step is not None and variables.is_remote(step):
      self._claim = Claim(step, self._settings())
    if not self._is_chief and (self._is_chief is not None or
                               isinstance(creator, tf.train.WorkerSessionCreator)):
      logging.info('PruningHook: this task is not the chief; only the chief updates the masks')
      return
    self._listen(hooks)
    warn_of_savers_without_masks(creator)
    self._build()
    if self._report is not None:
      self._report.begin(hooks)

  def _listen(self, hooks: Sequence[Hook]) -> None:
    """Makes every CheckpointSaverHook update the masks before it saves."""
    for hook in hooks:
      # TensorFlow only takes listeners in the hook's constructor, which MonitoredTrainingSession
      # calls.
      listeners = getattr(hook, '_listeners', None)
      if isinstance(hook, tf.train.CheckpointSaverHook) and isinstance(listeners, list) and (
          self._listener not in listeners):
        listeners.insert(0, self._listener)

  def _build(self) -> None:
    """Adds the operations, and exempts their variables, which this hook initializes itself."""
    known = {variable.name for variable in variables.saved_variables()}
    if isinstance(self._given, Pruning):
      self._pruning = self._given
    else:
      self._pruning = Pruning(self._given, sparsity=self._sparsity)
    records.require_masked_weights('PruningHook')
    self._update = self._pruning.conditional_mask_update_op(keeps_schedule=True)
    own = [variable.name for variable in self._pruning.own_variables()]
    done = [variable.name for variable, _ in self._made]
    self._made += [
        (variable, variables.exempt_from_initialization(variable))
        for variable in variables.saved_variables() if variable.name not in done and (
            variable.name in own or variable.name not in known or variables.is_exempt(variable))]
    self._pruning.prepare_report()
    if self._summaries:
      self._pruning.add_pruning_summaries()

  def after_create_session(self, session: Session, coord: Any) -> None:
    """Initializes variables that neither an init_op nor a checkpoint did, and makes a due update.
    """
    del coord
    self._wait_for(None)
    self._compared = False
    if self._pruning is None:
      return
    if self._claim is not None:
      self._claim.make(session)
    if self._made:
      done = session.run([is_initialized for _, is_initialized in self._made])
      missing = [variable for (variable, _), is_done in zip(self._made, done) if not is_done]
      self._initialize(session, missing)
      step, last = session.run(self._steps())
      if last > step:  # The value is from an earlier job on the same servers.
        self._initialize(session, [variable for variable, _ in self._made])
      elif missing and step > 0:
        self._take_up_the_schedule(session, missing, int(step))
    self._seen, self._stride = None, 1
    self._is_running = True
    if self._shows_progress:
      self._plan = Plan(self._pruning.spec, self._pruning.schedule, self._pruning.follows_spec)
      self._progress = Progress(self._pruning.spec.name, self._plan.end)
    self._run_update(session)
    if self._next_update is None:  # An earlier run's masks stay as they are.
      shortfall.log(session, self._pruning, self._last_update,
                    self._pruning.sparsity_report(session))

  def before_run(self, run_context: Any) -> Any:
    """Requests the global step (before or after the run increments it), or the chief's message."""
    del run_context
    self._wait_for('a training step')
    if self._pruning is not None:
      return tf.train.SessionRunArgs(self._steps())
    if self._claim is not None and not self._compared:
      return tf.train.SessionRunArgs(self._claim.current)
    return None

  def after_run(self, run_context: Any, run_values: Any) -> None:
    """Updates the masks if an update is due at the current step.

    The conditional operation decides this. Every session.run has a cost, so the operation is not
    run while the step plus the longest stride so far is before the next update. A longer stride
    makes the update late, but end() still makes it. If something else writes the steps, for example
    a Saver that restores a checkpoint, the next update is looked up again.

    Raises:
      errors.SpecMismatchError: the chief prunes with another spec than this task.
      errors.ChiefError: another task also updates the masks.
    """
    self._wait_for(None)
    if self._pruning is None:
      if self._claim is not None and not self._compared:
        self._compared = self._claim.check_same(run_values.results)
      return
    (seen, last), before = map(int, run_values.results), self._seen
    self._seen = seen
    if self._progress is not None:
      self._progress.at(seen, self._describe)
    if before is not None and seen >= before and last == self._last_update:
      # The step increases by more than 1 if other workers train or a run has several steps.
      self._stride = max(self._stride, seen - before)
      if self._next_update is None or seen + self._stride < self._next_update:
        return
    self._run_update(run_context.session)

  def _initialize(self, session: Session, made: Sequence[Variable]) -> None:
    session.run([copy.initializer for variable in made for copy in variables.copies_of(variable)])

  def _take_up_the_schedule(self, session: Session, missing: Sequence[Variable], step: int) -> None:
    """Sets the last update step by the schedule if the checkpoint's Saver did not save it.

    A run whose masks keep every element was not resumed: it starts from dense weights.
    """
    assert self._pruning is not None
    names = [variables.op_name(variable) for variable in missing]
    last = self._pruning.last_mask_update_step
    if variables.op_name(last) not in names or not any(
        row.zeros for row in self._pruning.sparsity_report(session)):
      return
    value = self._pruning.last_update_until(step)
    for copy in variables.copies_of(last):
      session.run(copy.initializer, {copy.initializer.inputs[1]: value})
    logging.info('%s: the checkpoint does not contain the step of the last mask update, because '
                 'its Saver was created before the hook began; by the schedule this was step %d',
                 self._pruning.spec.name, value)
    history = [name for name in names if name.split('/')[-1] in names_lib.HISTORY]
    if history:
      logging.warning(
          '%s: the checkpoint lacks the history that gradient saliency needs (%s), which starts '
          'again from zero; create the Saver after Pruning(...), or let MonitoredTrainingSession '
          'create it',
          self._pruning.spec.name, ', '.join(history[:3] + ['...'] * (len(history) > 3)))

  def _update_before_saving(self, session: Session) -> None:
    if self._is_running:
      self._run_update(session)

  def _settings(self) -> Dict[str, Any]:
    """Returns the pruning hyperparameters of this task, as JSON values."""
    if isinstance(self._given, Pruning):
      spec, schedule = self._given.spec, self._given.schedule
    else:
      spec, schedule = self._given, self._sparsity  # type: ignore[assignment]
    settings = json.loads(spec.to_json())
    if isinstance(schedule, PruningSchedule):
      config = schedule.get_config().get('config', {})
      settings['sparsity'] = '%s(%s)' % (type(schedule).__name__, ', '.join(
          '%s=%r' % item for item in sorted(config.items())
          if isinstance(item[1], (bool, int, float, str))))  # Other reprs may differ by task.
    return settings

  def _wait_for(self, event: Optional[str]) -> None:
    """Makes the watch, if there is one, wait for an event; None ends the waiting."""
    if self._watch is not None:
      if event is None:
        self._watch.done()
      else:
        self._watch.waiting(event, None if event == 'the session' else self._servers)

  def _describe(self) -> str:
    assert self._seen is not None
    return self._plan.describe(self._seen, self._last_update, self._next_update)

  def _run_update(self, session: Session) -> None:
    assert self._pruning is not None
    if self._claim is not None:
      self._claim.check_own(session)
    session.run(self._update)
    before = self._last_update
    step, self._last_update = map(int, session.run(self._steps()))
    if self._report is not None and self._last_update != before:
      self._report.record(session, self._pruning, self._last_update)
    # The last update is later than the step if the step was set back alone.
    self._next_update = self._pruning.next_update_step(min(self._last_update, step))

  def _steps(self) -> List[Tensor]:
    """Returns the global step and the step of the last update."""
    assert self._pruning is not None
    return [variables.copies_of(variable)[0] for variable in (
        self._pruning.global_step, self._pruning.last_mask_update_step)]

  def end(self, session: Session) -> None:
    """Makes a last update if one is due, logs the sparsities, and writes the report."""
    if self._watch is not None:
      self._watch.close()
      self._watch = None
    if self._progress is not None:
      self._progress.close()
      self._progress = None
    if self._pruning is None:
      return
    self._run_update(session)  # The step may have jumped in the last run.
    save_last_update(session, self._pruning.last_mask_update_step, self._pruning.global_step)
    if self._claim is not None:
      self._claim.withdraw(session)
    self._is_running = False
    rows = self._pruning.sparsity_report(session)
    logging.info('%s: sparsity at the end of training\n%s', self._pruning.spec.name,
                 sparsity_table(rows))
    shortfall.log(session, self._pruning, self._last_update, rows)
    if self._report is not None:
      self._report.write(session, self._pruning, self._last_update)
