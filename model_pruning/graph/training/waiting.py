# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Says which tasks of a cluster do not answer, while a session waits for them."""

import contextlib
import socket
import threading
import time
from typing import Any, Iterable, Iterator, List, Optional, Set, Tuple
import weakref

from absl import logging

from model_pruning.compat import tf

# TensorFlow waits for a missing server for ever, and says so only at the log level of its C++.
_FIRST_SECONDS, _AGAIN_SECONDS, _ANSWER_SECONDS = 10.0, 30.0, 2.0

# Training that ended by an error does not tell: a notebook would hear of it for ever.
_MOST_WARNINGS = 20


class Watch:
  """Logs a warning while something takes long and tasks do not answer.

  A thread of its own does, which ends with the Watch.
  """

  def __init__(self, cluster: Any, first_seconds: Optional[float] = None,
               again_seconds: Optional[float] = None) -> None:
    """Starts to watch; nothing is waited for yet.

    Args:
      cluster: what tf.train.ClusterSpec takes.
      first_seconds: after how much waiting the tasks are asked whether they are there.
      again_seconds: after how much more they are asked again.
    """
    self._cluster = tf.train.ClusterSpec(cluster)
    self._first = _FIRST_SECONDS if first_seconds is None else first_seconds
    self._again = _AGAIN_SECONDS if again_seconds is None else again_seconds
    self._what, self._jobs, self._warnings = '', set(self._cluster.jobs), 0
    self._since: Optional[float] = None
    self._next = 0.0
    self._closed = threading.Event()
    threading.Thread(target=_run, args=(weakref.ref(self), self._closed),
                     name='model_pruning_watch', daemon=True).start()

  def waiting(self, what: str, jobs: Optional[Iterable[Optional[str]]] = None) -> None:
    """Says that `what`, such as 'the session', is waited for from now on.

    Args:
      what: what is waited for.
      jobs: those whose tasks it needs; None for all but the evaluator.
    """
    self._next = time.monotonic() + self._first
    self._jobs = set(self._cluster.jobs) - {'evaluator'} if jobs is None else set(jobs)
    self._warnings = 0
    self._what, self._since = what, time.monotonic()

  def done(self) -> None:
    """Says that it has come."""
    self._since = None

  def close(self) -> None:
    """Ends the thread."""
    self._closed.set()

  def look(self) -> None:
    """Asks the tasks, if it is time to, and logs which do not answer."""
    since, now = self._since, time.monotonic()
    if since is None or now < self._next or self._warnings >= _MOST_WARNINGS:
      return
    self._next = now + self._again
    missing = missing_tasks(self._cluster, self._jobs)
    if missing and self._since == since:
      self._warnings += 1
      logging.warning(
          'model_pruning: waiting for %s for %d s; of %d tasks %d do not answer: %s. Start them, '
          'or mend the cluster that is given; TensorFlow waits for every task that no '
          'device_filters leave out', self._what, now - since,
          sum(map(self._cluster.num_tasks, self._cluster.jobs)), len(missing),
          ', '.join('%s at %s (%s)' % task for task in missing))


def _run(watch: Any, closed: threading.Event) -> None:
  while not closed.wait(1):
    found = watch()
    if found is None:
      return
    found.look()
    del found  # Or it would never be collected.


def missing_tasks(cluster: Any, jobs: Iterable[Optional[str]]) -> List[Tuple[str, str, str]]:
  """Returns (task, address, why) of every task of some jobs of a ClusterSpec that does not answer.
  """
  return [(task, address, why) for task, address in _tasks(cluster, set(jobs))
          for why in [_why_missing(address)] if why]


def _tasks(cluster: Any, jobs: Set[Optional[str]]) -> Iterator[Tuple[str, str]]:
  for job in cluster.jobs:
    for index in cluster.task_indices(job) if job in jobs else ():
      yield '/job:%s/task:%d' % (job, index), cluster.task_address(job, index)


def _why_missing(address: str) -> str:
  host, _, port = address.rpartition(':')
  try:
    with contextlib.closing(socket.create_connection((host.strip('[]'), int(port)),
                                                     _ANSWER_SECONDS)):
      return ''
  except OSError as error:
    return error.strerror or str(error)
  except ValueError:
    return 'no host:port'
