# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Logs which tasks of a cluster do not answer while a session waits for them."""

import contextlib
import socket
import threading
import time
from typing import Any, Callable, Iterable, Iterator, List, Optional, Set, Tuple
import weakref

from absl import logging

from model_pruning.compat import tf

# TensorFlow waits for a missing server forever, and logs this only at its C++ log level.
_FIRST_SECONDS, _AGAIN_SECONDS, _ANSWER_SECONDS = 10.0, 30.0, 2.0

# Training that ended with an error does not close its Watch, and a notebook would log forever.
_MOST_WARNINGS = 20


class Watch:
  """Logs a warning if waiting takes long and tasks do not answer.

  A separate thread logs it, and ends when the Watch does.
  """

  def __init__(self, cluster: Any, first_seconds: Optional[float] = None,
               again_seconds: Optional[float] = None) -> None:
    """Starts the thread; nothing is being waited for yet.

    Args:
      cluster: an argument of tf.train.ClusterSpec.
      first_seconds: seconds of waiting before the tasks are checked; None for 10.
      again_seconds: seconds between two checks; None for 30.
    """
    self._cluster = tf.train.ClusterSpec(cluster)
    self._first = _FIRST_SECONDS if first_seconds is None else first_seconds
    self._again = _AGAIN_SECONDS if again_seconds is None else again_seconds
    self._event, self._jobs, self._warnings = '', set(self._cluster.jobs), 0
    self._since: Optional[float] = None
    self._next = 0.0
    self._closed = threading.Event()
    threading.Thread(target=_run, args=(weakref.ref(self), self._closed),
                     name='model_pruning_watch', daemon=True).start()

  def waiting(self, event: str, jobs: Optional[Iterable[Optional[str]]] = None) -> None:
    """Starts to wait for an event.

    Args:
      event: its name in warnings, for example 'the session'.
      jobs: the jobs whose tasks it needs; None for all jobs except the evaluator.
    """
    self._next = time.monotonic() + self._first
    self._jobs = set(self._cluster.jobs) - {'evaluator'} if jobs is None else set(jobs)
    self._warnings = 0
    self._event, self._since = event, time.monotonic()

  def done(self) -> None:
    """Stops waiting, because the event has happened."""
    self._since = None

  def close(self) -> None:
    """Ends the thread."""
    self._closed.set()

  def look(self) -> None:
    """Checks the tasks if a check is due, and logs which tasks do not answer."""
    since, now = self._since, time.monotonic()
    if since is None or now < self._next or self._warnings >= _MOST_WARNINGS:
      return
    self._next = now + self._again
    missing = missing_tasks(self._cluster, self._jobs)
    if missing and self._since == since:
      self._warnings += 1
      logging.warning(
          'model_pruning: waiting for %s for %d s; of %d tasks %d do not answer: %s. Start them, '
          'or fix the cluster specification; TensorFlow waits for every task that device_filters '
          'do not exclude', self._event, now - since,
          sum(map(self._cluster.num_tasks, self._cluster.jobs)), len(missing),
          ', '.join('%s at %s (%s)' % task for task in missing))


def _run(watch: Callable[[], Optional[Watch]], closed: threading.Event) -> None:
  while not closed.wait(1):
    found = watch()
    if found is None:
      return
    found.look()
    del found  # Otherwise the Watch would never be garbage-collected.


def missing_tasks(cluster: Any, jobs: Iterable[Optional[str]]) -> List[Tuple[str, str, str]]:
  """Returns (task, address, reason) for every task of some jobs that does not answer.

  Args:
    cluster: a tf.train.ClusterSpec.
    jobs: the names of the jobs.
  """
  return [(task, address, why) for task, address in _tasks(cluster, set(jobs))
          for why in [_why_missing(address)] if why]


def _tasks(cluster: Any, jobs: Set[Optional[str]]) -> Iterator[Tuple[str, str]]:
  """Yields (task, address) for every task of some jobs."""
  for job in cluster.jobs:
    for index in cluster.task_indices(job) if job in jobs else ():
      yield '/job:%s/task:%d' % (job, index), cluster.task_address(job, index)


def _why_missing(address: str) -> str:
  """Returns why a task does not answer; '' if it does."""
  host, _, port = address.rpartition(':')
  try:
    with contextlib.closing(socket.create_connection((host.strip('[]'), int(port)),
                                                     _ANSWER_SECONDS)):
      return ''
  except OSError as error:
    return error.strerror or str(error)
  except ValueError:
    return 'no host:port'
