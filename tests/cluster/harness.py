# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A cluster to kill: what tests of it share."""

import glob
import json
import os
import random
import time

import numpy as np

from examples.cluster.cluster import CHIEF
from examples.cluster.cluster import Cluster
from model_pruning.compat import tf
from tests import forks
from tests.paths import ROOT

SIZES = {'hidden1': 64 * 256, 'hidden2': 256 * 256, 'logits': 256 * 10}
# Steps that training goes on for after the last step of Run.spec, so that it ends at the target:
# the step may jump by some between two updates of the chief.
REST = 60


class _Forked(Cluster):
  """A cluster of processes that have TensorFlow imported already; they die as all processes do."""

  def process(self, command, environment, log):
    _, option, module, *words = command
    assert option == '-m'
    return forks.Process(os.path.join(ROOT, *module.split('.')) + '.py', words, os.getcwd(),
                         environment, log, imports=('examples.cluster.task',))


class Run:
  """A training with the tasks of the example, watched by tests/cluster/probe.py.

  Each update of its schedule keeps another number of weights, so that a mask made of two
  has a number that belongs to neither.
  """

  target = 0.8

  def __init__(self, folder, steps, *flags, **clusters):
    """Starts nothing; flags are those of the task."""
    self.folder, self.steps = str(folder), steps
    self.limit = clusters.pop('limit', 240)  # Seconds, for all of it.
    self.until_step = steps - REST
    os.makedirs(self.path('logs'))
    self.spec = ('target_sparsity=%g,sparsity_function_exponent=1,pruning_frequency=%d,'
                 'sparsity_function_end_step=%d' % (
                     self.target, clusters.pop('frequency', 1), self.until_step))
    self.cluster = (_Forked if hasattr(os, 'fork') else Cluster)(
        clusters.pop('module', 'tests.cluster.probe'),
        ['--end_with_stdin', '--output_dir=' + self.folder, '--watch_dir=' + self.folder,
         '--pruning_hparams=' + self.spec, '--steps=%d' % steps] + list(flags),
        self.path('logs'), **clusters)
    self.restarts = 0  # Of tasks that ended by themselves, in an error.

  def path(self, *names):
    return os.path.join(self.folder, *names)

  def __enter__(self):
    self._deadline = time.time() + self.limit
    self.cluster.__enter__()
    return self

  def __exit__(self, *unused):
    self.cluster.stop()

  def logs(self):
    return '\n'.join('==== %s, exit code %s\n%s' % (
        task, self.cluster.exit_code(task), self.cluster.tail(task)) for task in self.cluster.tasks)

  def wait(self, what, condition):
    """Waits until it is so; restarts what dies with an error, as a cluster's scheduler does."""
    while not condition():
      if time.time() > self._deadline:
        raise AssertionError('%s: not after %d s\n%s' % (what, self.limit, self.logs()))
      for task in self.cluster.tasks:
        if self.cluster.exit_code(task) not in (None, 0):
          self.restarts += 1
          assert self.restarts < 10, self.logs()
          self.cluster.start(task)
      time.sleep(0.02)

  def watched(self, task):
    """Returns the lines that a task wrote about the masks."""
    try:
      with open(self.path(task.replace('/', '-') + '.watch')) as f:
        lines = f.read().split('\n')[:-1]
    except FileNotFoundError:
      return []
    return [json.loads(line) for line in lines if line.endswith('}')]  # None that a kill cut.

  def step(self, task=CHIEF):
    """Returns the global step that a task saw last."""
    rows = self.watched(task)
    return rows[-1]['step'] if rows else -1

  def wait_for_step(self, step, task=CHIEF):
    self.wait('%s at step %d' % (task, step), lambda: self.step(task) >= step)

  def wait_for_more(self, task=CHIEF, steps=5):
    """Waits until a task has trained some more steps of its own; returns the seconds it took."""
    since, seen = time.time(), len(self.watched(task))
    self.wait('%s training' % task, lambda: len(self.watched(task)) >= seen + steps)
    return time.time() - since

  def kill(self, task, during_update=False):
    """Kills a task and starts it again at once."""
    if during_update:
      with open(self.path('strike'), 'w'):
        pass
      since = time.time()
      while self.cluster.exit_code(task) is None:
        assert time.time() < since + 60, 'no update in 60 s\n' + self.logs()
        time.sleep(0.005)
    else:
      self.cluster.kill(task)
    self.cluster.start(task)

  def slow_down(self, step, seconds):
    """Has every step take that long from a step on, so that there is time for kills."""
    with open(self.path('slow'), 'w') as f:
      f.write('%d %g' % (step, seconds))

  def speed_up(self):
    self.slow_down(0, 0)

  def finish(self):
    """Waits for the end of training."""
    self.speed_up()
    self.wait('the chief done', lambda: self.cluster.exit_code(CHIEF) == 0)

  def check(self):
    """Checks all checkpoints: whole masks of one update, and those of the end at the target.

    Returns:
      The number of checkpoints.
    """
    paths = sorted(path[:-len('.index')] for path in glob.glob(self.path('*.index')))
    updates = set()
    for path in paths:
      reader = tf.train.load_checkpoint(path)
      last = int(reader.get_tensor('model_pruning/last_mask_update_step'))
      updates.add(last)
      sparsity = self.target * min(last / self.until_step, 1)
      for layer, size in SIZES.items():
        mask = reader.get_tensor(layer + '/mask')
        assert mask.shape == reader.get_tensor(layer + '/kernel').shape
        assert set(np.unique(mask)) <= {0, 1}
        # A half may be rounded either way, as the schedule is computed in float32.
        assert abs(np.sum(mask) - size * (1 - sparsity)) <= 0.5 + 1e-6 * size, (
            '%s: %s keeps %d, of update %d' % (path, layer, np.sum(mask), last))
    final = tf.train.load_checkpoint(tf.train.latest_checkpoint(self.folder))
    assert final.get_tensor('global_step') >= self.steps
    for layer, size in SIZES.items():
      kept = max(1, int(np.rint(size * (1 - self.target))))
      assert np.sum(final.get_tensor(layer + '/mask')) == kept
    assert len(updates) > 2
    return len(paths)


def random_kills(run, kills, seed, log):
  """Kills random tasks at random moments; returns the seconds until the chief trained again."""
  generator, seconds = random.Random(seed), []
  for number in range(kills):
    # Some come while the cluster has not recovered from the last one.
    time.sleep(generator.choice([0, 1]) * generator.uniform(0, 2))
    kind = generator.choice(['update', 'chief', 'worker', 'worker', 'ps', 'ps'])
    task = generator.choice([task for task in run.cluster.tasks if task.startswith(
        'chief' if kind == 'update' else kind)])
    if run.cluster.exit_code(task) is not None:
      run.wait('%s running' % task, lambda task=task: run.cluster.exit_code(task) is None)
    if kind == 'update':
      run.wait_for_more(steps=1)
    run.kill(task, during_update=kind == 'update')
    since = time.time()
    recovered = generator.random() < 0.7
    if recovered:
      run.wait_for_more()
      seconds.append(time.time() - since)
    log('kill %d of %d: %s%s, then %s; step %d' % (
        number + 1, kills, task, ' during an update' if kind == 'update' else '',
        'trained again after %.1f s' % seconds[-1] if recovered else 'at once the next one',
        run.step()))
  return seconds
