# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks that the tasks of a cluster agree on the spec and on the task that updates the masks.

The task that updates the masks writes its name and its spec to a variable on the device of the
global step, which all tasks can read.
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
from model_pruning.util.types import Session
from model_pruning.util.types import Variable

_NAME = 'model_pruning_claim'

# For this long, a different claim may come from an earlier job on the same servers.
_PATIENCE_SECONDS = 30.0


def own_task() -> Optional[Task]:
  """Returns the task for which the default graph was built; None if that is unknown.

  It is the task of all operations that are not placed with variables.
  """
  servers = {_task_of(variable.device) for variable in tf.global_variables()}
  devices = {op.device for op in tf.get_default_graph().get_operations()}
  tasks = {_task_of(device) for device in devices} - servers - {None}
  return tasks.pop() if len(tasks) == 1 else None


def _task_of(device: str) -> Optional[Task]:
  spec = tf.DeviceSpec.from_string(device or '')
  return Task(spec.job, spec.task) if spec.job and spec.task is not None else None


class Claim:
  """A message to all tasks from the one that updates the masks: who it is, and its settings."""

  def __init__(self, step: Variable, settings: Dict[str, Any]) -> None:
    """Adds the variable of the message, and operations to read and write it, to the default graph.

    Args:
      step: the global step, a variable on a server; the new variable is on the same device.
      settings: the pruning hyperparameters of this task, as JSON values.
    """
    self._settings = settings
    self._disagrees: Tuple[bytes, float] = (b'', 0.0)
    self._owner = '%s, process %d on %s' % (own_task() or 'a task', os.getpid(),
                                            socket.gethostname())
    # Sessions neither save this variable nor wait for it. Its scope is absolute, because all tasks
    # must use the same name.
    root = tf.VariableScope(reuse=False, name='', use_resource=True)
    with tf.init_scope(), tf.variable_scope(root, auxiliary_name_scope=False):
      with variables.beside(step):
        self._variable = tf.get_variable(
            _unused_name(), [], tf.string, initializer=tf.constant_initializer(''),
            trainable=False, collections=[_NAME])
    self._text = tf.placeholder(tf.string, [])
    with on_device_of(self._variable), switches_and_merges():
      self._write = tf.assign(self._variable, self._text).op
      # Empty if no task has written it yet, or after a restart of the server.
      self.current = tf.cond(tf.is_variable_initialized(self._variable),
                             self._variable.read_value, lambda: tf.constant(''))

  def make(self, session: Session) -> None:
    """Writes that this task updates the masks; this replaces an earlier message."""
    session.run(self._write, {self._text: json.dumps(
        {'owner': self._owner, 'settings': self._settings})})

  def withdraw(self, session: Session) -> None:
    """Clears the message: this task no longer updates the masks."""
    session.run(self._write, {self._text: ''})

  def check_own(self, session: Session) -> None:
    """Raises errors.ChiefError if another task has written the message after this one."""
    text = session.run(self.current)
    if not text:
      self.make(session)  # The server was restarted.
      return
    owner = json.loads(text.decode())['owner']
    if owner != self._owner:
      raise errors.ChiefError(
          'Two tasks update the masks: this one (%s) and %s. Only one may update them: use '
          'PruningHook(is_chief=False) in all tasks except the chief, or set TF_CONFIG' % (
              self._owner, owner))

  def check_same(self, text: bytes) -> bool:
    """Whether the chief's message has the same settings as this task.

    Args:
      text: the value of `current`.

    Raises:
      errors.SpecMismatchError: the settings have differed for 30 seconds; the message lists the
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
          'This task (%s) has other pruning hyperparameters than the task that updates the masks '
          '(%s): %s. Start all tasks with the same hyperparameters' % (
              self._owner, claim['owner'], '; '.join('%s is %s here and %s there' % (
                  name, _shown(self._settings, name), _shown(theirs, name)) for name in names)))
    return False


def _shown(settings: Dict[str, Any], name: str) -> str:
  return repr(settings[name]) if name in settings else 'not given'


def _unused_name() -> str:
  """Returns the name of the variable for the graph's next hook, which is equal in all tasks."""
  number = len(tf.get_collection(_NAME))
  return '%s_%d' % (_NAME, number) if number else _NAME


def session_around() -> Tuple[Any, Sequence[Any]]:
  """Returns the session creator and hooks of the MonitoredSession being created; or (None, []).

  Only the caller of begin() knows the chief and the hooks that save checkpoints, and no API
  returns them to a hook. So this reads the caller's frame.
  """
  frame = inspect.currentframe()
  while frame is not None:
    if frame.f_code.co_name == '__init__' and {'session_creator', 'hooks'} <= set(
        frame.f_code.co_varnames):
      return frame.f_locals['session_creator'], frame.f_locals['hooks'] or []
    frame = frame.f_back
  return None, []
