# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the tasks of a cluster must agree upon: who updates the masks, and by which spec.

The task that updates says so in a variable beside the global step, where all see it.
"""

import inspect
import json
import os
import socket
import time
from typing import Any, Dict, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import switches_and_merges
from model_pruning.graph import variables
from model_pruning.util.tf_config import Task

_NAME = 'model_pruning_claim'

# For so long a claim that disagrees may be what a job left that used the servers before.
_PATIENCE_SECONDS = 30.0


def own_task() -> Optional[Task]:
  """Returns the task that the default graph was built for; None if there is no telling.

  That is the one which its operations are placed on, such as are not placed with variables.
  """
  servers = {_task_of(variable.device) for variable in tf.global_variables()}
  devices = {op.device for op in tf.get_default_graph().get_operations()}
  tasks = {_task_of(device) for device in devices} - servers - {None}
  return tasks.pop() if len(tasks) == 1 else None


def _task_of(device: str) -> Optional[Task]:
  spec = tf.DeviceSpec.from_string(device or '')
  return Task(spec.job, spec.task) if spec.job and spec.task is not None else None


class Claim:
  """Who updates the masks, and how, as told by the one who does to all who share the variables."""

  def __init__(self, step: Any, settings: Dict[str, Any]) -> None:
    """Adds a variable to the default graph, beside the global step, and what reads and writes it.

    Args:
      step: the global step, a variable on a server.
      settings: how this task prunes, or would; what JSON can hold.
    """
    self._settings = settings
    self._disagrees: Tuple[bytes, float] = (b'', 0.0)
    self._owner = '%s, process %d on %s' % (own_task() or 'a task', os.getpid(),
                                            socket.gethostname())
    # Not among the variables that are saved, or waited for. Absolute, as its name is what makes
    # it the same one for all.
    root = tf.VariableScope(reuse=False, name='', use_resource=True)
    with tf.init_scope(), tf.variable_scope(root, auxiliary_name_scope=False):
      with variables.beside(step):
        self._variable = tf.get_variable(
            _unused_name(), [], tf.string, initializer=tf.constant_initializer(''),
            trainable=False, collections=[_NAME])
    self._text = tf.placeholder(tf.string, [])
    with on_device_of(self._variable), switches_and_merges():
      self._write = tf.assign(self._variable, self._text).op
      # Empty where nobody has claimed yet, or the server was started anew.
      self.current = tf.cond(tf.is_variable_initialized(self._variable),
                             self._variable.read_value, lambda: tf.constant(''))

  def make(self, session: Any) -> None:
    """Says that this task updates the masks. The last one to say so is right."""
    session.run(self._write, {self._text: json.dumps(
        {'owner': self._owner, 'settings': self._settings})})

  def withdraw(self, session: Any) -> None:
    """Says that this task updates no longer."""
    session.run(self._write, {self._text: ''})

  def check_own(self, session: Any) -> None:
    """Raises errors.ChiefError if another task has claimed the updates since this one did."""
    text = session.run(self.current)
    if not text:
      self.make(session)  # The server forgot.
      return
    owner = json.loads(text.decode())['owner']
    if owner != self._owner:
      raise errors.ChiefError(
          'Two tasks update the masks: this one (%s) and %s. Only one may: give '
          'PruningHook(is_chief=False) to all but the chief, or set TF_CONFIG' % (
              self._owner, owner))

  def check_same(self, text: bytes) -> bool:
    """Compares what the chief said with this task's settings.

    Args:
      text: the value of `current`.

    Returns:
      Whether the chief has said what this task was given, too.

    Raises:
      errors.SpecMismatchError: the settings have differed for a while; the message names the
        differences.
    """
    if not text:
      return False
    claim = json.loads(text.decode())
    theirs = claim['settings']
    names = [name for name in sorted(set(theirs) | set(self._settings))
             if theirs.get(name) != self._settings.get(name)]
    if not names:
      return True
    now = time.monotonic()
    if self._disagrees[0] != text:
      self._disagrees = text, now
    if now - self._disagrees[1] >= _PATIENCE_SECONDS:
      raise errors.SpecMismatchError(
          'This task (%s) was given other pruning hyperparameters than the one that updates the '
          'masks (%s): %s. Start all tasks with the same ones' % (
              self._owner, claim['owner'], '; '.join('%s is %s here and %s there' % (
                  name, _shown(self._settings, name), _shown(theirs, name)) for name in names)))
    return False


def _shown(settings: Dict[str, Any], name: str) -> str:
  return repr(settings[name]) if name in settings else 'not given'


def _unused_name() -> str:
  """Returns the name of the claim of the next hook of the graph: the same one in every task."""
  number = len(tf.get_collection(_NAME))
  return '%s_%d' % (_NAME, number) if number else _NAME


def session_around() -> Tuple[Any, Sequence[Any]]:
  """Returns session creator and hooks of the MonitoredSession that is being made; or (None, []).

  Who the chief is, and who saves, is known to what calls begin(), and to no one whom a
  hook could ask.
  """
  frame = inspect.currentframe()
  while frame is not None:
    if frame.f_code.co_name == '__init__' and {'session_creator', 'hooks'} <= set(
        frame.f_code.co_varnames):
      return frame.f_locals['session_creator'], frame.f_locals['hooks'] or []
    frame = frame.f_back
  return None, []
