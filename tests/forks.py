# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs programs in fresh processes that have TensorFlow imported already.

    forks.run(path, ['word'], cwd='.', environment={}, timeout=60)

is `python path word` in a process of its own, seconds earlier: a server imports TensorFlow, which
starts nothing before its first use, and forks for each program. A program finds itself in
__main__, its folder first in sys.path and its words in sys.argv, as it is used to. Programs that
begin with the same imports find them done, with

    forks.run(path, ['word'], cwd='.', environment={}, imports=['model_pruning.keras'])

    forks.run_code('import tensorflow ...', ['word'])

runs source code instead of a file, as `python -c` does, in the folder of the checkout.

forks.Process is one that runs beside the test, for what subprocess.Popen does.

    python -m tests.forks [MODULE ...]

is the server, which imports the modules. It reads a line of JSON for each program from stdin, and
answers with its exit status in a line of its own, or with its process id if it is not to wait.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import types

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(path, words, cwd, environment, timeout=600, imports=()):
  """Runs a program to its end.

  Args:
    path: of the file.
    words: its arguments.
    cwd: the folder that it runs in.
    environment: variables to add to the environment of this process.
    timeout: in seconds.
    imports: names of modules that are imported before the program begins, and before it can set
      anything that they read.

  Returns:
    A subprocess.CompletedProcess, with text; the status of a process that was killed is negative.

  Raises:
    subprocess.TimeoutExpired: it took longer, and was killed.
  """
  if not hasattr(os, 'fork'):
    return subprocess.run([sys.executable, path, *words], cwd=cwd, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, **environment))
  server = _server(os.environ.get('TF_USE_LEGACY_KERAS'), *imports)
  with tempfile.TemporaryDirectory() as folder:
    out, err = os.path.join(folder, 'out'), os.path.join(folder, 'err')
    status = _ask(server, {
        'path': os.path.abspath(path), 'words': list(words), 'cwd': cwd, 'out': out, 'err': err,
        'environment': dict(os.environ, **environment), 'timeout': timeout})
    with open(out) as stdout, open(err) as stderr:
      texts = stdout.read(), stderr.read()
  if status is None:
    raise subprocess.TimeoutExpired([path, *words], timeout, *texts)
  return subprocess.CompletedProcess([path, *words], status, *texts)


def run_code(code, words=(), environment=None, timeout=300, imports=()):
  """Runs source code to its end.

  Args:
    code: the source code of a program.
    words, environment, timeout, imports: see run().

  Returns:
    What it writes to stdout.

  Raises:
    AssertionError: its exit status is not 0.
    subprocess.TimeoutExpired: it took longer, and was killed.
  """
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'program.py')
    with open(path, 'w', encoding='utf-8') as file:
      file.write(code)
    done = run(path, words, _ROOT, {'PYTHONPATH': _ROOT, **(environment or {})}, timeout, imports)
  assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
  return done.stdout


class Process:
  """A program that runs beside the test, as a subprocess.Popen whose stdin is a pipe.

  It leads a session of its own. Its stdin ends when this process does.

  Attributes:
    pid: the id of its process.
    stdin: a file to write bytes to.
  """

  def __init__(self, path, words, cwd, environment, log, imports=()):
    """Starts it.

    Args:
      path, words, cwd, imports: see run().
      environment: all of its variables.
      log: the path of a file that stdout and stderr are appended to.
    """
    self._server = _server(os.environ.get('TF_USE_LEGACY_KERAS'), *imports)
    self._status = None
    with tempfile.TemporaryDirectory() as folder:
      pipe = os.path.join(folder, 'stdin')
      os.mkfifo(pipe)
      self.pid = _ask(self._server, {
          'path': os.path.abspath(path), 'words': list(words), 'cwd': cwd, 'out': log, 'err': log,
          'environment': environment, 'stdin': pipe})
      self.stdin = open(pipe, 'wb', buffering=0)  # Once the program has opened its end.

  def poll(self):
    """Returns the exit status, negative if by a signal; None while the program runs."""
    if self._status is None:
      self._status = _ask(self._server, {'poll': self.pid})
    return self._status

  def wait(self):
    """Waits for the end of the program; returns the exit status."""
    while self.poll() is None:
      time.sleep(0.005)
    return self._status

  def send_signal(self, signum):
    """Sends a signal to the program, unless it has ended."""
    if self.poll() is None:
      os.kill(self.pid, signum)

  def kill(self):
    """Ends the program as kill -9 does."""
    self.send_signal(signal.SIGKILL)


def _ask(server, request):
  """Returns the answer of a server."""
  server.stdin.write(json.dumps(request) + '\n')
  server.stdin.flush()
  answer = server.stdout.readline()
  assert answer, 'the server of programs ended with %s' % server.wait()
  return json.loads(answer)


@functools.lru_cache(maxsize=None)
def _server(keras, *imports):
  """Starts the server; it goes by what it has imported, and by which Keras."""
  del keras
  server = subprocess.Popen(
      [sys.executable, '-m', 'tests.forks', *imports], cwd=_ROOT, universal_newlines=True,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
      env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL='3'))
  atexit.register(server.stdin.close)  # Which ends it.
  return server


def _serve():
  requests, answers = os.fdopen(os.dup(0), 'r'), os.fdopen(os.dup(1), 'w')
  os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
  import tensorflow
  if tensorflow.__version__.startswith('2'):
    _ = tensorflow.keras.layers.Dense  # Imports Keras.
  for name in sys.argv[1:]:
    importlib.import_module(name)
  # Programs would spend a second on collecting the million objects of TensorFlow, and so on copying
  # the memory that they are in.
  gc.collect()
  gc.freeze()
  while True:
    line = requests.readline()
    if not line:
      return
    request = json.loads(line)
    if 'poll' in request:
      answer = _status(*os.waitpid(request['poll'], os.WNOHANG))
    else:
      answer = os.fork()
      if not answer:
        requests.close()
        answers.close()
        _become(request)
        return
      if 'timeout' in request:
        answer = _wait(answer, request['timeout'])
    answers.write(json.dumps(answer) + '\n')
    answers.flush()


def _wait(pid, timeout):
  """Returns the exit status of a process, or None if it had to be killed for its time."""
  late = []

  def kill(*_):
    late.append(pid)
    os.kill(pid, signal.SIGKILL)

  signal.signal(signal.SIGALRM, kill)
  signal.alarm(int(timeout))
  _, status = os.waitpid(pid, 0)
  signal.alarm(0)
  return None if late else _status(pid, status)


def _status(pid, status):
  """Returns the exit status of what os.waitpid() returned: None for a process that runs."""
  if not pid:
    return None
  return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _become(request):
  """Makes this process the one of a program, and runs it."""
  signal.signal(signal.SIGALRM, signal.SIG_DFL)
  signal.signal(signal.SIGINT, signal.default_int_handler)  # Shells start jobs without it.
  flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if 'stdin' in request else os.O_TRUNC)
  for number, path in ((1, request['out']), (2, request['err'])):
    made = os.open(path, flags, 0o666)
    os.dup2(made, number)
    os.close(made)
  if 'stdin' in request:
    os.setsid()
    # Each end waits for the other one: when a Process has been made, there is its log.
    os.dup2(os.open(request['stdin'], os.O_RDONLY), 0)
  os.chdir(request['cwd'])
  os.environ.clear()
  os.environ.update(request['environment'])
  path = request['path']
  sys.argv = [path] + request['words']
  sys.path[0] = os.path.dirname(path)
  extra = [each for each in os.environ.get('PYTHONPATH', '').split(os.pathsep) if each]
  sys.path[1:1] = [each for each in extra if each not in sys.path]
  main = types.ModuleType('__main__')
  main.__file__ = path
  main.__builtins__ = __builtins__
  sys.modules['__main__'] = main
  with open(path, 'rb') as file:
    code = compile(file.read(), path, 'exec')
  exec(code, main.__dict__)  # pylint: disable=exec-used


if __name__ == '__main__':
  _serve()
