# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""Trains over real parameter servers: who updates masks, who sees them, where it all ends."""
# bazel: deps = //tests:cluster/probe //tests:cluster/estimator_task //examples:cluster/train

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from examples.cluster.cluster import CHIEF
from model_pruning.compat import tf
from tests.cluster import harness

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group('cluster')]  # Of many processes each.

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TRAINERS = [CHIEF, 'worker/0', 'worker/1']


def _runs_of(values):
  """Returns [(value, how many times in a row)]."""
  runs = []
  for value in values:
    if runs and runs[-1][0] == value:
      runs[-1][1] += 1
    else:
      runs.append([value, 1])
  return runs


@pytest.mark.parametrize(
    'mode', [pytest.param('async', marks=pytest.mark.long),
             pytest.param('sync', marks=pytest.mark.legs())])
def test_the_chief_updates_masks_and_all_read_the_same(mode, tmp_path):
  flags = ['--sync'] if mode == 'sync' else []
  # An asynchronous chief takes a step while the workers take several. Where it saves, it may make
  # two updates between two of its own steps, and would not see the first. Its saves are rarer than
  # --save_steps says where the machine is busy, so there is time for many.
  steps, save_steps = (400, 20) if mode == 'sync' else (2500, 200)
  with harness.Run(tmp_path, steps, '--pace=0.01', '--save_steps=%d' % save_steps,
                   '--keep_checkpoints=0', *flags, frequency=20) as run:
    run.wait_for_step(60)
    if mode == 'async':
      # With the chief asleep workers train past several steps of the schedule, and change nothing.
      run.cluster.send(CHIEF, signal.SIGSTOP)
      time.sleep(0.5)  # For what it may have been writing.
      seen = {task: len(run.watched(task)) for task in _TRAINERS[1:]}
      step = run.step('worker/0')
      run.wait_for_step(step + 100, 'worker/0')
      rows = [row for task in seen for row in run.watched(task)[seen[task]:]]
      run.cluster.send(CHIEF, signal.SIGCONT)
      assert len(rows) > 50
      assert len({row['masks'] for row in rows}) == 1
    run.finish()
    assert run.cluster.wait(_TRAINERS, 15), run.logs()
    assert run.restarts == 0
  checkpoints = run.check()
  assert checkpoints > 3

  chief = run.watched(CHIEF)
  made = {row['masks'] for row in chief}
  assert len(made) > 5
  # The chief itself sees new masks only with a new update.
  for before, after in zip(chief, chief[1:]):
    if before['last'] == after['last']:
      assert before['masks'] == after['masks']
  for task in _TRAINERS[1:]:
    runs = _runs_of(row['masks'] for row in run.watched(task))
    seen = [masks for masks, times in runs[:-1]  # The chief has its last step behind it.
            if times > 2]  # Not what is read while the chief writes.
    assert len(set(seen)) > 3
    assert len(set(seen) - made) <= (0 if mode == 'sync' else checkpoints)
    assert run.cluster.exit_code(task) == 0


@pytest.mark.skipif(not hasattr(tf, 'estimator'), reason='this TensorFlow has no Estimator')
def test_train_and_evaluate(tmp_path):
  with harness.Run(tmp_path, 400, module='tests.cluster.estimator_task', frequency=20,
                   workers=1, evaluator=True) as run:
    # Estimator lets a worker wait for some seconds; there should be something left to train.
    run.slow_down(0, 0.05)
    run.wait('the worker', lambda: 'not the chief' in run.cluster.tail('worker/0', 10**6))
    run.finish()
    assert run.cluster.wait(['worker/0', 'evaluator/0'], 60), run.logs()
    assert run.restarts == 0
  assert run.check() > 2
  assert 'not the chief' not in run.cluster.tail(CHIEF, 10**6)
  assert 'Loss for final step' in run.cluster.tail('worker/0', 10**6)
  assert 'evaluated at step 4' in run.cluster.tail('evaluator/0', 10**6)


# ---- The example. ----


def _start(folder, *flags):
  environment = dict(os.environ, PYTHONPATH=_ROOT)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)
  return subprocess.Popen(
      [sys.executable, '-m', 'examples.cluster.train', '--output_dir=%s' % folder] + list(flags),
      cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      universal_newlines=True,
      # Who runs the tests in the background of a shell ignores Ctrl-C, and hands that down.
      preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def _pids(process):
  """Reads the lines up to those with the tasks; returns task -> pid."""
  pids = {}
  while len(pids) < 5:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    found = re.match(r'(\w+/\d) +pid (\d+)', line)
    if found:
      pids[found.group(1)] = int(found.group(2))
  return pids


def _read_until(process, pattern):
  line = process.stdout.readline()
  while line and not re.search(pattern, line):
    line = process.stdout.readline()
  assert line, process.stderr.read()


def _runs(pid):
  try:
    with open('/proc/%d/stat' % pid) as f:
      return f.read().rpartition(')')[2].split()[0] != 'Z'
  except FileNotFoundError:
    return False


def _assert_all_gone(pids, seconds=5):
  until = time.time() + seconds
  while any(map(_runs, pids.values())):
    assert time.time() < until, 'still running: %s' % [t for t in pids if _runs(pids[t])]
    time.sleep(0.1)


@pytest.mark.long
def test_the_example_survives_a_kill_and_reports(tmp_path):
  # Many, as a chief that is already at its end has nothing left to be started again for.
  process = _start(tmp_path, '--steps=3000', '--restarts=1')
  pids = _pids(process)
  _read_until(process, 'chief/0 .*step')
  os.kill(pids['ps/0'], signal.SIGKILL)
  try:
    out, err = process.communicate(timeout=200)
  finally:
    process.kill()
  assert process.returncode == 0, err
  assert err == ''
  assert 'ps/0 was killed by SIGKILL; started again' in out
  for layer in harness.SIZES:
    assert re.search(r'%s/kernel +\S+ +0.9000 +0.9000 ' % layer, out), out
  assert float(re.search(r'test images: (\S+) %', out).group(1)) > 80
  _assert_all_gone(pids)


@pytest.mark.sampled(1)
@pytest.mark.long
@pytest.mark.parametrize('how,code', [('ctrl-c', 130), ('kill -9', -9), ('a task dies', 1)])
def test_no_task_outlives_the_example(how, code, tmp_path):
  process = _start(tmp_path, '--steps=100000')
  pids = _pids(process)
  # The workers may be far ahead of a chief that has made no step yet.
  _read_until(process, '%s .*step' % CHIEF)
  if how == 'a task dies':
    os.kill(pids['worker/0'], signal.SIGKILL)
  else:
    process.send_signal(signal.SIGINT if how == 'ctrl-c' else signal.SIGKILL)
  try:
    out, err = process.communicate(timeout=60)
  finally:
    process.kill()  # And its tasks with it.
  assert process.returncode == code, err
  _assert_all_gone(pids)
  if how == 'ctrl-c':
    assert 'run the same command again' in err
    # The chief had the time to save its last step.
    assert tf.train.latest_checkpoint(str(tmp_path)).rpartition('-')[2] != '0'
  elif how == 'a task dies':
    assert 'error: worker/0 was killed by SIGKILL' in err
    assert 'progress: step' in out  # The end of its log.
