# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs tests on mutants: each in a forked process, in a copy of the checkout."""

import os
import shutil
import signal
import sys
import tempfile
import time
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

from tools import mutant_edits

_LEFT_OUT = shutil.ignore_patterns('.git', '.envs', 'out', 'build', 'dist', '*.egg-info',
                                   '.*_cache')


class Result(NamedTuple):
  """What the tests said of a mutant: 'killed', 'survived', 'timed out' or 'error'."""
  outcome: str
  seconds: float
  first: str  # The first test that failed, or the last line of the output.


class Task(NamedTuple):
  """Tests to run in a copy of the checkout, with a mutant or, as a control, without one."""
  path: str
  mutant: Optional[mutant_edits.Mutant]
  tests: Tuple[str, ...]


class Copies:
  """Copies of a checkout in which tests run, one for each process at a time."""

  def __init__(self, root: str, folder: str, number: int):
    self._free = [os.path.join(folder, str(index)) for index in range(number)]
    for path in self._free:
      shutil.copytree(root, path, ignore=_LEFT_OUT)
    self._writes = int(time.time())

  def take(self, task: Task) -> Optional[str]:
    """Returns the path of a copy with the mutant in it, or None when all are taken."""
    if not self._free:
      return None
    copy = self._free.pop()
    if task.mutant:
      with open(os.path.join(copy, task.path), 'rb') as file:
        source = file.read()
      self._write(copy, task.path, task.mutant.applied(source))
    return copy

  def give_back(self, copy: str, task: Task, root: str) -> None:
    """Takes the mutant out of a copy."""
    if task.mutant:
      with open(os.path.join(root, task.path), 'rb') as file:
        self._write(copy, task.path, file.read())
    self._free.append(copy)

  def _write(self, copy: str, path: str, text: bytes) -> None:
    """Gives every write a different time, so that Python sees that its bytecode is out of date."""
    whole = os.path.join(copy, path)
    with open(whole, 'wb') as file:
      file.write(text)
    self._writes += 1
    os.utime(whole, (self._writes, self._writes))


class Running(NamedTuple):
  """A forked process."""
  task: Task
  copy: str
  begin: float
  output: str


def run_all(tasks: Sequence[Task], root: str, jobs: int, timeout: float, selection: str,
            show=lambda task, result: None) -> Dict[Task, Result]:
  """Runs the tasks, `jobs` at a time, and returns the result of each.

  Args:
    tasks: what to run, in this order.
    root: the checkout, of which copies are made.
    jobs: how many processes at a time.
    timeout: of a task, in seconds.
    selection: pytest's expression of marks (-m), or ''.
    show: called with each task and its result as soon as it has one.
  """
  waiting, running, results = list(tasks), {}, {}
  with tempfile.TemporaryDirectory(prefix='mutants') as folder:
    copies = Copies(root, folder, jobs)
    while waiting or running:
      while waiting and len(running) < jobs:
        copy = copies.take(waiting[0])
        assert copy is not None
        output = os.path.join(folder, 'output%d' % len(waiting))
        task = waiting.pop(0)
        running[_fork(task, copy, output, selection)] = Running(task, copy, time.time(), output)
      time.sleep(0.05)
      for pid, each in list(running.items()):
        done, status = os.waitpid(pid, os.WNOHANG)
        late = not done and time.time() - each.begin > timeout
        if late:
          os.killpg(pid, signal.SIGKILL)
          os.waitpid(pid, 0)
        if done or late:
          del running[pid]
          copies.give_back(each.copy, each.task, root)
          results[each.task] = _result(each, None if late else status)
          show(each.task, results[each.task])
  return results


def _fork(task: Task, copy: str, output: str, selection: str) -> int:
  sys.stdout.flush()
  pid = os.fork()
  if pid:
    return pid
  status = 70
  try:
    os.setsid()
    made = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(made, 1)
    os.dup2(made, 2)
    os.chdir(copy)
    # A control writes bytecode for the runs after it; a mutant leaves none behind.
    sys.dont_write_bytecode = task.mutant is not None
    os.environ['PYTHONDONTWRITEBYTECODE'] = '1' if task.mutant else ''
    sys.path[0] = copy
    for name in [each for each in sys.modules if each.split('.')[0] == 'tools']:
      del sys.modules[name]
    import pytest
    words = ['-x', '-q', '--no-header', '--tb=line', '-p', 'no:cacheprovider', '-p', 'no:xdist',
             '--rootdir', copy, *task.tests]
    status = int(pytest.main(words + (['-m', selection] if selection else [])))
    sys.stdout.flush()
  finally:
    os._exit(status)


def _result(run: Running, status: Optional[int]) -> Result:
  seconds = time.time() - run.begin
  with open(run.output, errors='replace') as file:
    lines = file.read().splitlines()
  failed = [line.split(' - ')[0] for line in lines if line.startswith(('FAILED ', 'ERROR '))]
  first = failed[0].split(' ', 1)[1] if failed else lines[-1] if lines else ''
  if status is None:
    return Result('timed out', seconds, first)
  if os.WIFSIGNALED(status):
    return Result('killed', seconds, 'the process ended by signal %d' % os.WTERMSIG(status))
  # Exit codes of pytest: a test failed; collection failed, for example in an import.
  outcome = {0: 'survived', 1: 'killed', 2: 'killed'}.get(os.WEXITSTATUS(status), 'error')
  return Result(outcome, seconds, first)
