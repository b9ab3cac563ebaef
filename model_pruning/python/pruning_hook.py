# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning_hook`, as code for the research branch has it.

New code has less to write with model_pruning.PruningHook.
"""

from typing import Any, Optional, Sequence

from absl import logging

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import records
from model_pruning.python import pruning_interface


class ModelPruningListener(tf.train.CheckpointSaverListener):
  """Updates the masks before something is saved, or whenever a ModelPruningHook says so."""

  def __init__(self, pruning_obj: Any) -> None:
    """Takes a Pruning; or any object with a method run_update_step(session, global_step)."""
    self.pruning_obj = pruning_obj

  def begin(self) -> None:
    """Builds the update, as the graph is final once there is a session."""
    if not hasattr(self.pruning_obj, 'run_update_step'):
      records.require_masked_weights('ModelPruningListener')
      pruning_interface.get_matrix_compression_update_op(self.pruning_obj)

  def before_save(self, session: Any, global_step_value: int) -> None:
    """Updates the masks if they are due."""
    pruning_interface.run_update_step(self.pruning_obj, session, global_step_value)


class ModelPruningHook(tf.train.SessionRunHook):
  """Calls listeners once there is a session, every so many steps, and at the end.

  Each time before_save of all, then after_save of all. Training is stopped after
  one whose after_save returned True.
  """

  _STEPS_PER_RUN = 1  # That a session.run adds to the global step.

  def __init__(self, every_steps: Optional[int] = None,
               listeners: Optional[Sequence[Any]] = None) -> None:
    """Checks the arguments; both must be given.

    Args:
      every_steps: steps between two calls. Masks are updated at those of them at
        which the HParams say so, so pruning_frequency, or a divisor of it.
      listeners: ModelPruningListener objects, or of subclasses.

    Raises:
      errors.SpecError: every_steps is no positive number, or there are no listeners.
    """
    if every_steps is None or every_steps < 1:
      raise errors.SpecError('every_steps=%r: give the number of steps from one update of the '
                             'masks to the next, as pruning_frequency of the HParams' %
                             (every_steps,))
    if not listeners:
      raise errors.SpecError('listeners=%r: give a list such as [ModelPruningListener(pruning)]; '
                             'without one the hook does nothing' % (listeners,))
    self._every_steps = every_steps
    self._listeners = list(listeners)
    self._last_step = 0
    self._stop = False

  def begin(self) -> None:
    self._global_step = tf.train.get_or_create_global_step()
    self._stop = False
    for listener in self._listeners:
      listener.begin()

  def after_create_session(self, session: Any, coord: Any) -> None:
    del coord
    self._call_listeners(session, session.run(self._global_step))

  def before_run(self, run_context: Any) -> Any:
    del run_context
    return tf.train.SessionRunArgs(self._global_step)

  def after_run(self, run_context: Any, run_values: Any) -> None:
    next_step = self._last_step + self._every_steps
    # What came along with the run may be the step before it. To ask again costs a run.
    if run_values.results + self._STEPS_PER_RUN >= next_step:
      step = run_context.session.run(self._global_step)
      if step >= next_step:
        self._call_listeners(run_context.session, step)
    if self._stop:
      run_context.request_stop()

  def end(self, session: Any) -> None:
    step = session.run(self._global_step)
    if step != self._last_step:
      self._call_listeners(session, step)
    for listener in self._listeners:
      listener.end(session, step)

  def _call_listeners(self, session: Any, step: int) -> None:
    self._last_step = step
    for listener in self._listeners:
      listener.before_save(session, step)
    for listener in self._listeners:
      if listener.after_save(session, step):
        logging.info('%r asks to stop training at step %d', listener, step)
        self._stop = True
