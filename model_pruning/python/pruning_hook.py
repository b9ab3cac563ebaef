# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning_hook`, for code written for the research branch.

New code is shorter with model_pruning.PruningHook.
"""

from typing import Any, Optional, Sequence

from absl import logging

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import records
from model_pruning.python import pruning_interface
from model_pruning.util.types import Hook
from model_pruning.util.types import Session


class ModelPruningListener(tf.train.CheckpointSaverListener):
  """Updates the masks before a checkpoint is saved, or when a ModelPruningHook calls it."""

  def __init__(self, pruning_obj: Any) -> None:
    """Stores a Pruning, or any object with a method run_update_step(session, global_step)."""
    self.pruning_obj = pruning_obj

  def begin(self) -> None:
    """Builds the update before the session finalizes the graph."""
    if not hasattr(self.pruning_obj, 'run_update_step'):
      records.require_masked_weights('ModelPruningListener')
      pruning_interface.get_matrix_compression_update_op(self.pruning_obj)

  def before_save(self, session: Session, global_step_value: int) -> None:
    """Updates the masks if they are due."""
    pruning_interface.run_update_step(self.pruning_obj, session, global_step_value)


class ModelPruningHook(tf.train.SessionRunHook):
  """Calls listeners when the session is created, every `every_steps` steps, and at the end.

  Each time it calls before_save of all listeners, and then after_save of all. Training stops if an
  after_save returns True.
  """

  _STEPS_PER_RUN = 1  # The number of steps in a session.run.

  def __init__(self, every_steps: Optional[int] = None,
               listeners: Optional[Sequence[Hook]] = None) -> None:
    """Checks the arguments; both must be given.

    Args:
      every_steps: steps between two calls. A call updates the masks if an update is due, so use
        pruning_frequency or a divisor of it.
      listeners: ModelPruningListener objects, or objects of subclasses.

    Raises:
      errors.SpecError: every_steps is not a positive number, or there are no listeners.
    """
    if every_steps is None or every_steps < 1:
      raise errors.SpecError('every_steps=%r: give the number of steps between two updates of the '
                             'masks, for example pruning_frequency of the HParams' %
                             (every_steps,))
    if not listeners:
      raise errors.SpecError('listeners=%r: give a list, for example '
                             '[ModelPruningListener(pruning)]; without listeners the hook does '
                             'nothing' % (listeners,))
    self._every_steps = every_steps
    self._listeners = list(listeners)
    self._last_step = 0
    self._stop = False

  def begin(self) -> None:
    """Finds the global step, and begins the listeners."""
    self._global_step = tf.train.get_or_create_global_step()
    self._stop = False
    for listener in self._listeners:
      listener.begin()

  def after_create_session(self, session: Session, coord: Any) -> None:
    """Calls the listeners with the restored step."""
    del coord
    self._call_listeners(session, session.run(self._global_step))

  def before_run(self, run_context: Any) -> Any:
    """Requests the global step with every run."""
    del run_context
    return tf.train.SessionRunArgs(self._global_step)

  def after_run(self, run_context: Any, run_values: Any) -> None:
    """Calls the listeners every so many steps."""
    next_step = self._last_step + self._every_steps
    # The step from the run may be the step before it. Reading it again costs another run.
    if run_values.results + self._STEPS_PER_RUN >= next_step:
      step = run_context.session.run(self._global_step)
      if step >= next_step:
        self._call_listeners(run_context.session, step)
    if self._stop:
      run_context.request_stop()

  def end(self, session: Session) -> None:
    """Calls the listeners with the last step, and ends them."""
    step = session.run(self._global_step)
    if step != self._last_step:
      self._call_listeners(session, step)
    for listener in self._listeners:
      listener.end(session, step)

  def _call_listeners(self, session: Session, step: int) -> None:
    self._last_step = step
    for listener in self._listeners:
      listener.before_save(session, step)
    for listener in self._listeners:
      if listener.after_save(session, step):
        logging.info('%r requests to stop training at step %d', listener, step)
        self._stop = True
