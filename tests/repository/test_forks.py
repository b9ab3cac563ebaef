# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A forked program is what it would be if python ran it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import forks
from tests.paths import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')


def _run(folder, text, *words, timeout=60, **environment):
  path = folder / 'program.py'
  path.write_text(text)
  return forks.run(str(path), words, str(folder), environment, timeout)


@pytest.mark.legs()
def test_words_folders_and_variables(tmp_path, monkeypatch):
  monkeypatch.setenv('OF_THE_TEST', '1')
  (tmp_path / 'beside.py').write_text('VALUE = 3')
  done = _run(tmp_path, '\n'.join([
      'import json, os, sys', 'import beside',
      'print(json.dumps([__name__, __file__, sys.argv, os.getcwd(), beside.VALUE,',
      '      os.environ["OF_THE_TEST"], os.environ["MINE"], "tensorflow" in sys.modules]))',
      'print("to stderr", file=sys.stderr)']), 'one', 'two words', MINE='2')
  path = str(tmp_path / 'program.py')
  assert (done.returncode, done.stderr) == (0, 'to stderr\n')
  assert json.loads(done.stdout) == ['__main__', path, [path, 'one', 'two words'], str(tmp_path), 3,
                                     '1', '2', True]


def test_one_program_leaves_nothing_to_the_next(tmp_path):
  counts = 'import builtins, os\nprint(getattr(builtins, "count", 0), os.environ.get("SET"))\n' \
      'builtins.count = 1\nos.environ["SET"] = "1"\nos.chdir("/")'
  assert [_run(tmp_path, counts).stdout for _ in range(2)] == ['0 None\n'] * 2


@pytest.mark.parametrize('statement, status', [
    ('', 0), ('import sys; sys.exit(3)', 3), ('raise SystemExit("no")', 1), ('1 / 0', 1),
    ('x = (', 1), ('import os; os.kill(os.getpid(), 9)', -9), ('import os; os._exit(5)', 5)])
def test_how_it_ends(tmp_path, statement, status):
  done = _run(tmp_path, 'print("begun", flush=True)\n' + statement)
  assert done.returncode == status
  assert done.stdout == ('' if statement == 'x = (' else 'begun\n')
  if statement == '1 / 0':
    assert 'program.py", line 2' in done.stderr and done.stderr.endswith('by zero\n')


def test_what_is_registered_for_the_end_is_run(tmp_path):
  done = _run(tmp_path, 'import atexit, sys\n'
              'atexit.register(lambda: print("end", sys.argv[1]))', 'x')
  assert done.stdout == 'end x\n'


def test_classes_of_a_program_can_be_pickled(tmp_path):
  done = _run(tmp_path, 'import pickle\nclass Mine: pass\n'
              'print(type(pickle.loads(pickle.dumps(Mine()))) is Mine)')
  assert done.stdout == 'True\n', done.stderr


def test_one_that_does_not_end_is_killed(tmp_path):
  with pytest.raises(subprocess.TimeoutExpired) as caught:
    _run(tmp_path, 'import time\nprint("begun", flush=True)\ntime.sleep(60)', timeout=3)
  assert caught.value.output == 'begun\n'
  assert _run(tmp_path, 'print(1)').stdout == '1\n'


def test_tensorflow_trains_in_it(tmp_path):
  done = _run(tmp_path, '\n'.join([
      'import tensorflow.compat.v1 as tf', 'tf.disable_v2_behavior()',
      'x = tf.Variable(tf.ones([3]))', 'train = x.assign(x * 2)',
      'with tf.Session() as session:', '  session.run(tf.global_variables_initializer())',
      '  print(session.run(train).sum())']))
  assert done.stdout == '6.0\n', done.stderr


@pytest.mark.sampled(1)
@pytest.mark.parametrize('imports', [(), ('wave',)])
def test_imports_are_done_before_it_begins(tmp_path, imports):
  path = tmp_path / 'program.py'
  path.write_text('import sys\nprint("wave" in sys.modules)')
  done = forks.run(str(path), [], str(tmp_path), {}, 60, imports)
  assert done.stdout == '%s\n' % bool(imports)


# ---- Programs that run beside a test. ----


def _begin(folder, text, *words, **environment):
  path = folder / 'program.py'
  path.write_text(text)
  return forks.Process(str(path), words, str(folder), dict(os.environ, **environment),
                       str(folder / 'log'))


def _read(folder, text):
  """Returns the log, once it has that text."""
  until = time.time() + 30
  while text not in (folder / 'log').read_text():
    assert time.time() < until
    time.sleep(0.01)
  return (folder / 'log').read_text()


def test_two_run_at_once_and_are_told_apart(tmp_path):
  text = 'import os, sys\nprint(os.getpid(), os.environ["MINE"], sys.argv[1], flush=True)\n' \
      'sys.exit(len(sys.stdin.read()))'
  folders = [tmp_path / name for name in ('one', 'two')]
  for folder in folders:
    folder.mkdir()
  processes = [_begin(folder, text, 'word', MINE=folder.name) for folder in folders]
  for folder, process in zip(folders, processes):
    assert _read(folder, 'word') == '%d %s word\n' % (process.pid, folder.name)
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid
  processes[0].stdin.write(b'abc')
  for process, status in zip(processes, (3, 0)):
    process.stdin.close()
    assert process.wait() == process.poll() == status


def test_signals_end_it_and_logs_are_appended_to(tmp_path):
  (tmp_path / 'log').write_text('before\n')
  process = _begin(tmp_path, 'import sys, time\nprint("begun", flush=True)\ntime.sleep(60)')
  assert _read(tmp_path, 'begun') == 'before\nbegun\n'
  process.kill()
  assert process.wait() == -9
  process.kill()  # Changes nothing more.
  process.stdin.close()
  process = _begin(tmp_path, 'import time\nprint("again", flush=True)\ntime.sleep(60)')
  _read(tmp_path, 'again')
  process.send_signal(signal.SIGINT)
  assert process.wait() == -2 and 'KeyboardInterrupt' in (tmp_path / 'log').read_text()
  process.stdin.close()


@pytest.mark.legs()
def test_its_stdin_ends_with_the_process_that_started_it(tmp_path):
  program = tmp_path / 'program.py'
  program.write_text('import os, sys\nprint(os.getpid(), flush=True)\nsys.stdin.read()\n'
                     'print("end", flush=True)')
  starter = ('import os, time; from tests import forks; '
             'forks.Process(%r, [], %r, dict(os.environ), %r); time.sleep(60)' % (
                 str(program), str(tmp_path), str(tmp_path / 'log')))
  process = subprocess.Popen([sys.executable, '-c', starter], cwd=ROOT)
  until = time.time() + 60
  while not (tmp_path / 'log').exists():
    assert time.time() < until
    time.sleep(0.05)
  _read(tmp_path, '\n')
  process.kill()
  process.wait()
  _read(tmp_path, 'end')
