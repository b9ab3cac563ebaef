# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Processes on this machine that make up a cluster: started, watched, killed, started again.

What they run is a task program that goes by TF_CONFIG, as on a cluster of machines.
It imports no TensorFlow: who watches the processes need not be one of them.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

CHIEF = 'chief/0'

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PROGRESS = re.compile(r'^progress: step (\d+) of \d+, (\S+) steps/s, loss (\S+?)'
                       r'(?:, sparsity (\S+))?$', re.M)


class Progress(NamedTuple):
  """What a task said last; the sparsity is said by the chief alone."""
  step: int
  steps_per_second: float
  loss: float
  sparsity: Optional[float]

  def __str__(self) -> str:
    text = '%.1f steps/s, loss %.4f' % (self.steps_per_second, self.loss)
    return text if self.sparsity is None else '%s, sparsity %.4f' % (text, self.sparsity)

  def line(self, steps: int) -> str:
    """Returns the line that a task prints, and that Cluster.progress finds."""
    return 'progress: step %d of %d, %s' % (self.step, steps, self)


class Cluster:
  """The processes of a cluster, by task: 'chief/0', 'worker/0', ..., 'ps/0', ...

      with Cluster('examples.cluster.task', flags, folder, ps=2, workers=2) as cluster:
        while cluster.exit_code(CHIEF) is None:
          ...

  All of them end with the block, and also where the process that started them is
  killed: what they read from is then closed, for which they watch (end_with_stdin).

  Attributes:
    spec: job -> addresses, the 'cluster' of TF_CONFIG.
    tasks: the names, parameter servers first.
  """

  def __init__(self, module: str, flags: Sequence[str], log_dir: str, ps: int = 2,
               workers: int = 2, evaluator: bool = False) -> None:
    """Starts nothing yet.

    Args:
      module: the task program; must call end_with_stdin().
      flags: what every task is given.
      log_dir: existing folder; a task's stdout and stderr are appended to a file in it.
      ps, workers: how many there are besides the chief.
      evaluator: whether there is one, for tf.estimator.train_and_evaluate.
    """
    ports = iter(_free_ports(ps + workers + 1))
    self.spec: Dict[str, List[str]] = {
        job: ['localhost:%d' % next(ports) for _ in range(number)]
        for job, number in (('ps', ps), ('chief', 1), ('worker', workers)) if number}
    self.tasks = ['%s/%d' % (job, index) for job, addresses in self.spec.items()
                  for index in range(len(addresses))]
    if evaluator:
      self.tasks.append('evaluator/0')  # Which is no part of the cluster: it reads checkpoints.
    self._command = [sys.executable, '-m', module] + list(flags)
    self._log_dir = log_dir
    self._processes: Dict[str, subprocess.Popen] = {}

  def __enter__(self) -> 'Cluster':
    try:
      for task in self.tasks:
        self.start(task)
    except BaseException:
      self.stop()
      raise
    return self

  def __exit__(self, *unused: Any) -> None:
    self.stop()

  def start(self, task: str) -> None:
    """Starts a task, or starts it again."""
    job, index = task.split('/')
    config = {'cluster': self.spec, 'task': {'type': job, 'index': int(index)}}
    environment = dict(os.environ, TF_CONFIG=json.dumps(config), PYTHONUNBUFFERED='1',
                       PYTHONPATH=os.pathsep.join(
                           [_ROOT] + os.environ.get('PYTHONPATH', '').split(os.pathsep)))
    for name in ('http_proxy', 'https_proxy', 'grpc_proxy'):  # gRPC would ask it for localhost.
      environment.pop(name, None)
    self._processes[task] = self.process(self._command, environment, self.log(task))

  def process(self, command: Sequence[str], environment: Dict[str, str],
              log: str) -> 'subprocess.Popen[bytes]':
    """Starts a process that appends what it says to the file `log`."""
    with open(log, 'ab') as file:
      return subprocess.Popen(
          command, env=environment, stdin=subprocess.PIPE, stdout=file,
          stderr=subprocess.STDOUT, start_new_session=True)  # Ctrl-C is for who started them.

  def pid(self, task: str) -> int:
    """Returns the id of the process that a task has, or had last."""
    return self._processes[task].pid

  def exit_code(self, task: str) -> Optional[int]:
    """Returns how a task ended, negative if by a signal; None while it runs."""
    return self._processes[task].poll()

  def send(self, task: str, signum: int) -> None:
    """Sends a signal to a task that runs."""
    self._processes[task].send_signal(signum)

  def kill(self, task: str) -> None:
    """Ends a task as kill -9 does, and waits until it is gone."""
    self._processes[task].kill()
    self._processes[task].wait()

  def wait(self, tasks: Sequence[str], seconds: float) -> bool:
    """Waits until some tasks have ended; returns whether they have in that time."""
    until = time.time() + seconds
    while any(self.exit_code(task) is None for task in tasks):
      if time.time() > until:
        return False
      time.sleep(0.05)
    return True

  def stop(self, grace: float = 0) -> None:
    """Ends the running processes.

    Args:
      grace: seconds that the chief has for its last step and a checkpoint. It goes
        first, as it cannot do that without the others.
    """
    if grace and CHIEF in self._processes and self.exit_code(CHIEF) is None:
      self.send(CHIEF, signal.SIGINT)
      self.wait([CHIEF], grace)
    for process in self._processes.values():
      if process.poll() is None:
        process.kill()
    for process in self._processes.values():
      process.wait()
      process.stdin.close()

  def log(self, task: str) -> str:
    """Returns the path of a task's log."""
    return os.path.join(self._log_dir, task.replace('/', '-') + '.log')

  def tail(self, task: str, size: int = 6000) -> str:
    """Returns the end of a task's log, and of each line the beginning.

    What a session waits for is a line that names all variables.
    """
    try:
      with open(self.log(task), 'rb') as log:
        log.seek(max(0, os.path.getsize(self.log(task)) - size))
        text = log.read().decode('utf-8', 'replace')
    except FileNotFoundError:
      return ''
    return '\n'.join(line if len(line) <= 300 else line[:300] + '...'
                     for line in text.split('\n'))

  def progress(self, task: str) -> Optional[Progress]:
    """Returns the last message of a task, also from before a restart; None if there is none."""
    found = _PROGRESS.findall(self.tail(task))
    if not found:
      return None
    step, rate, loss, sparsity = found[-1]
    return Progress(int(step), float(rate), float(loss), float(sparsity) if sparsity else None)


def end_with_stdin() -> None:
  """Has this process end at once when its stdin is closed, as it is when its starter dies."""
  def watch() -> None:
    while os.read(0, 1024):
      pass
    os._exit(1)  # No goodbye to servers that are about to go as well.

  threading.Thread(target=watch, name='end_with_stdin', daemon=True).start()


def _free_ports(number: int) -> List[int]:
  """Returns ports that nobody listens at, and that the system gives to nobody else.

  TensorFlow wants the port of each task before any of them runs, and again where one
  is restarted. So they are none of those that the system hands out of its own accord.
  """
  first_of_system = 32768
  try:
    with open('/proc/sys/net/ipv4/ip_local_port_range') as f:
      first_of_system = int(f.read().split()[0])
  except (OSError, ValueError):
    pass  # Not Linux.
  candidates = range(10000, first_of_system) if first_of_system > 11000 else range(61000, 65000)
  free: List[int] = []
  for port in random.SystemRandom().sample(candidates, len(candidates)):
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as probe:
      try:
        probe.bind(('', port))
      except OSError:
        continue
    free.append(port)
    if len(free) == number:
      return free
  raise OSError('there are no %d free ports from %d to %d' %
                (number, candidates[0], candidates[-1]))
