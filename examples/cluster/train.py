# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains and prunes a net over parameter servers, all of it on this machine.

  python -m examples.cluster.train
  python -m examples.cluster.train --sync --ps=3 --workers=4
  python -m examples.cluster.train --restarts=20 --steps=10000    # and kill -9 any process

Starts examples/cluster/task.py once for each task, as processes that talk over gRPC.
"""

import os
import signal
import sys
import time
from typing import Any, Dict

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from examples.digits import terminal  # First, since it quietens TensorFlow.
from absl import flags
from examples.cluster import cluster as cluster_lib
from examples.cluster import model
from examples.cluster import task as task_lib
from examples.cluster.cluster import CHIEF
from examples.digits import data as data_lib
from examples.digits import runs
import model_pruning
import tensorflow.compat.v1 as tf
import tqdm

_FLAGS = flags.FLAGS
_GRACE = 30  # Seconds for a last step and its checkpoint.


def train(flags_of_tasks: list, log_dir: str) -> None:
  """Runs the cluster until its chief has done all steps, or a task has died for good."""
  with cluster_lib.Cluster('examples.cluster.task', flags_of_tasks, log_dir, _FLAGS.ps,
                           _FLAGS.workers) as cluster, _Display(cluster, _FLAGS.steps) as display:
    restarts = _FLAGS.restarts
    try:
      while cluster.exit_code(CHIEF) != 0:
        time.sleep(0.2)
        display.update()
        for task in cluster.tasks:
          code = cluster.exit_code(task)
          if code is None or (code == 0 and not task.startswith('ps/')):
            continue
          if not restarts:
            display.say('The end of %s:\n%s' % (cluster.log(task), cluster.tail(task)))
            raise terminal.UserError('%s %s, before training had ended; its log: %s' % (
                task, _how(code), cluster.log(task)))
          restarts -= 1
          cluster.start(task)
          display.say('%s %s; started again, pid %d' % (task, _how(code), cluster.pid(task)))
    except KeyboardInterrupt:
      cluster.stop(_GRACE)
      raise
    # A worker has also seen the last step, or waits for steps that no task will make.
    cluster.wait([task for task in cluster.tasks if not task.startswith('ps/')], _GRACE)
    display.update()


def _how(code: int) -> str:
  return ('ended with exit code %d' % code if code >= 0 else
          'was killed by %s' % signal.Signals(-code).name)


class _Display:
  """A bar for each task that trains; lines where stderr is no terminal."""

  def __init__(self, cluster: cluster_lib.Cluster, steps: int) -> None:
    self._cluster, self._steps = cluster, steps
    self._bars: Dict[str, Any] = {}
    self._said: Dict[str, cluster_lib.Progress] = {}

  def __enter__(self) -> '_Display':
    trains = [task for task in self._cluster.tasks if not task.startswith('ps/')]
    for task in self._cluster.tasks:
      print('%-9s pid %-7d %s' % (task, self._cluster.pid(task), self._cluster.log(task)))
    sys.stdout.flush()
    for row, task in enumerate(trains):
      # disable=None: no bar in a log file, where each of its states would be a line.
      self._bars[task] = tqdm.tqdm(
          desc='%-9s' % task, total=self._steps, position=row, file=sys.stderr, disable=None,
          dynamic_ncols=True, bar_format='{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}'
          '{postfix}')
    return self

  def __exit__(self, *unused: Any) -> None:
    for bar in self._bars.values():
      bar.close()

  def say(self, text: str) -> None:
    """Prints a line above the bars."""
    tqdm.tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()

  def update(self) -> None:
    """Shows the last message of each task."""
    for task, bar in self._bars.items():
      progress = self._cluster.progress(task)
      if progress is None or progress == self._said.get(task):
        continue
      before, self._said[task] = self._said.get(task), progress
      if not bar.disable:
        bar.n = min(progress.step, self._steps)
        bar.set_postfix_str('pid %d, %s' % (self._cluster.pid(task), progress))
      elif before is None or abs(progress.step - before.step) * 20 >= self._steps:
        self.say('%-9s pid %-7d step %d of %d, %s' % (
            task, self._cluster.pid(task), progress.step, self._steps, progress))
      else:
        self._said[task] = before


def report(data: data_lib.Data, output_dir: str, pruning_hparams: str) -> None:
  """Prints the sparsity and the accuracy of the last checkpoint."""
  with tf.Graph().as_default():
    logits = model.build(tf.constant(data.test_images), _FLAGS.ps)
    right = tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), data.test_labels)
    accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
    with runs.restored(output_dir, pruning_hparams) as (session, weights):
      print('\nSparsity after %d steps\n' % session.run(tf.train.get_global_step()))
      print(model_pruning.sparsity_table(weights))
      print('\nAccuracy on the %d test images: %.2f %%' % (
          len(data.test_labels), 100 * session.run(accuracy)))


def main() -> None:
  hparams = _FLAGS.pruning_hparams
  if hparams is None:
    hparams = runs.default_hparams(_FLAGS.steps, 'target_sparsity=0.9')
  out, data = _FLAGS.output_dir, data_lib.load('digits')
  with tf.Graph().as_default():  # Reports mistakes in hparams before any training.
    tf.train.get_or_create_global_step()
    model.build(tf.constant(data.test_images), _FLAGS.ps)
    model_pruning.Pruning(hparams).conditional_mask_update_op()
  log_dir = os.path.join(out, 'logs')
  try:
    os.makedirs(log_dir, exist_ok=True)
  except OSError as error:
    raise terminal.UserError('--output_dir=%s cannot be used (%s); name a folder that can be '
                             'written to' % (out, error)) from error
  done = runs.trained_steps(out)
  if done >= _FLAGS.steps:
    print('training is already finished (%d steps)' % done)
  else:
    print('from step %d to %d, %s; TensorFlow %s' % (
        done, _FLAGS.steps, 'synchronous' if _FLAGS.sync else 'asynchronous', tf.version.VERSION))
    print('pruning: %s' % hparams)
    own = ('ps', 'workers', 'restarts', 'pruning_hparams')
    given = [flag.serialize() for flag in _FLAGS.flags_by_module_dict()[task_lib.__name__]
             if flag.name not in own and flag.present]
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    train(given + ['--end_with_stdin', '--pruning_hparams=' + hparams, '--output_dir=' + out],
          log_dir)
  report(data, out, hparams)


if __name__ == '__main__':
  flags.DEFINE_integer('ps', 2, 'Number of parameter servers.', lower_bound=1)
  flags.DEFINE_integer('workers', 2, 'Number of workers besides the chief.', lower_bound=0)
  flags.DEFINE_integer('restarts', 0, 'How many times tasks that die are started again, taken '
                       'together, before one that dies ends it all.', lower_bound=0)
  terminal.run(main)
