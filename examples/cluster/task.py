# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""One task of the cluster that TF_CONFIG describes: a parameter server, the chief, or a worker.

  TF_CONFIG='{"cluster": {"ps": [...], "chief": [...], "worker": [...]},
              "task": {"type": "worker", "index": 0}}' python -m examples.cluster.task

examples/cluster/train.py starts all of them on one machine. On several, --output_dir is a
folder that all can write to, and whoever starts the tasks ends the parameter servers.
"""

import json
import os
import sys
import threading
import time
from typing import Any, List, NamedTuple, Optional, Sequence
import zlib

from examples.digits import terminal  # First, since it quietens TensorFlow.
from absl import app
from absl import flags
from absl import logging
from examples.cluster import cluster as cluster_lib
from examples.cluster import model
from examples.cluster import sync
from examples.digits import data as data_lib
from examples.digits import hooks as digits_hooks
import model_pruning
import tensorflow.compat.v1 as tf

_FLAGS = flags.FLAGS


class Task(NamedTuple):
  """The contents of TF_CONFIG: the cluster, and the task of this process."""
  cluster: Any  # A ClusterSpec.
  job: str
  index: int

  @property
  def is_chief(self) -> bool:
    return self.job == 'chief'

  @property
  def device_filters(self) -> List[str]:
    """The devices that matter to this task.

    Without these a session waits for every task of the cluster, so that none could
    start or recover while any other is down.
    """
    return ['/job:ps', '/job:%s/task:%d' % (self.job, self.index)]


def task_from_environment() -> Task:
  """Returns the contents of TF_CONFIG."""
  config = json.loads(os.environ['TF_CONFIG'])
  return Task(tf.train.ClusterSpec(config['cluster']), config['task']['type'],
              int(config['task']['index']))


def define_flags() -> None:
  """Defines the flags that every task must be given alike."""
  model_pruning.DEFINE_pruning_hparams(default=None)
  flags.DEFINE_string('output_dir', 'out/cluster', 'Folder for checkpoints and summaries.')
  flags.DEFINE_integer('steps', 1500, 'Global steps, of all tasks together.', lower_bound=1)
  flags.DEFINE_integer('batch_size', 32, 'Images per step, of each task.', lower_bound=1)
  flags.DEFINE_float('learning_rate', 0.001, 'Of Adam.', lower_bound=0.0)
  flags.DEFINE_integer('save_steps', 100, 'Global steps from one checkpoint to the next: as much '
                       'as is lost when the chief or a parameter server dies.', lower_bound=1)
  flags.DEFINE_integer('keep_checkpoints', 5, 'How many to keep; 0 for all.', lower_bound=0)
  flags.DEFINE_bool('sync', False, 'Whether each global step waits for the gradients of as many '
                    'batches as there are tasks that train.')


def serve(task: Task) -> None:
  """Keeps variables for the others until the process is ended."""
  _server(task)
  print('serving', flush=True)
  threading.Event().wait()


def train(task: Task, hooks: Sequence[Any] = (), after_hooks: Sequence[Any] = ()) -> None:
  """Trains as chief or worker up to --steps global steps, in the default graph.

  Args:
    task: the chief or a worker.
    hooks: further hooks, called ahead of the PruningHook.
    after_hooks: and after it.

  Raises:
    KeyboardInterrupt: on SIGINT; the chief's last step is in a checkpoint.
  """
  server = _server(task)
  data = data_lib.load('digits')
  here = '/job:%s/task:%d' % (task.job, task.index)
  with tf.device(tf.train.replica_device_setter(cluster=task.cluster, worker_device=here)):
    global_step = tf.train.get_or_create_global_step()
    images = tf.placeholder(tf.float32, (None,) + data.image_shape)
    labels = tf.placeholder(tf.int32, [None])
    logits = model.build(images, parts=task.cluster.num_tasks('ps'))
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    optimizer, sync_hooks = tf.train.AdamOptimizer(_FLAGS.learning_rate), []
    if _FLAGS.sync:
      replicas = 1 + (task.cluster.num_tasks('worker') if 'worker' in task.cluster.jobs else 0)
      optimizer = tf.train.SyncReplicasOptimizer(optimizer, replicas_to_aggregate=replicas,
                                                 total_num_replicas=replicas)
      sync_hooks = [sync.SyncHook(optimizer, task.is_chief)]
    train_op = optimizer.minimize(loss, global_step=global_step)

  interrupt = terminal.Interrupt()
  hooks = [
      tf.train.StopAtStepHook(last_step=_FLAGS.steps),
      _StopIfDone(_FLAGS.steps),
      digits_hooks.StopOnInterrupt(interrupt),
  ] + sync_hooks + [_Progress(_FLAGS.steps, loss, task.is_chief)] + list(hooks) + [
      model_pruning.PruningHook(_FLAGS.pruning_hparams),
  ] + list(after_hooks)
  # So that no two tasks see the same batches in the same order.
  seed = zlib.crc32(here.encode())
  with interrupt.listening():
    with _session(task, server.target, hooks) as session:
      for batch_images, batch_labels in data.batches(_FLAGS.batch_size, seed):
        if session.should_stop():
          break
        session.run(train_op, {images: batch_images, labels: batch_labels})


def _server(task: Task) -> Any:
  return tf.distribute.Server(task.cluster, task.job, task.index, config=_config(task))


def _config(task: Task) -> Any:
  # All tasks send requests to a parameter server, which sends none.
  filters = [] if task.job == 'ps' else task.device_filters
  return tf.ConfigProto(device_filters=filters, allow_soft_placement=True)


def _session(task: Task, master: str, hooks: List[Any]) -> Any:
  if not task.is_chief:
    return tf.train.MonitoredSession(_WorkerSessionCreator(master, _config(task)), hooks=hooks)
  # deferred: until the hooks have made their variables, which are to be saved as well.
  saver = tf.train.Saver(sharded=True, defer_build=True, save_relative_paths=True,
                         max_to_keep=_FLAGS.keep_checkpoints)
  tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
  return tf.train.MonitoredTrainingSession(
      master, checkpoint_dir=_FLAGS.output_dir, scaffold=tf.train.Scaffold(saver=saver),
      hooks=hooks, config=_config(task), save_checkpoint_steps=_FLAGS.save_steps,
      save_summaries_steps=_FLAGS.save_steps, log_step_count_steps=None)


class _WorkerSessionCreator(tf.train.SessionCreator):
  """Looks every second whether the chief has made the variables.

  That of MonitoredTrainingSession(is_chief=False) looks every 30 seconds, which is how
  long a worker would stand idle after the loss of a parameter server.
  """

  def __init__(self, master: str, config: Any) -> None:
    self._master, self._config, self._scaffold = master, config, tf.train.Scaffold()

  def create_session(self) -> Any:
    scaffold = self._scaffold.finalize()
    manager = tf.train.SessionManager(
        local_init_op=scaffold.local_init_op, ready_op=scaffold.ready_op,
        ready_for_local_init_op=scaffold.ready_for_local_init_op, graph=tf.get_default_graph(),
        recovery_wait_secs=1)
    return manager.wait_for_session(self._master, config=self._config)


class _StopIfDone(tf.train.SessionRunHook):
  """Ends a task that is started again when all steps are done.

  StopAtStepHook has it train one more, which a synchronous one would wait for: there
  may be nobody left to share it with.
  """

  def __init__(self, steps: int) -> None:
    self._steps = steps

  def after_create_session(self, session: Any, coord: Any) -> None:
    if session.run(tf.train.get_global_step()) >= self._steps:
      coord.request_stop()


class _Progress(tf.train.SessionRunHook):
  """Prints a line a second."""

  def __init__(self, steps: int, loss: Any, is_chief: bool) -> None:
    self._steps, self._loss, self._is_chief = steps, loss, is_chief

  def begin(self) -> None:
    self._step = tf.train.get_global_step()
    masks = model_pruning.get_masks() if self._is_chief else []
    kept = [(tf.reduce_sum(mask), tf.size(mask)) for mask in masks]
    self._sparsity = 1 - tf.add_n([ones for ones, _ in kept]) / tf.cast(
        tf.add_n([size for _, size in kept]), tf.float32) if kept else None

  def after_create_session(self, session: Any, coord: Any) -> None:
    self._since, self._own_steps = time.time(), 0

  def before_run(self, run_context: Any) -> Any:
    return tf.train.SessionRunArgs([self._step, self._loss])

  def after_run(self, run_context: Any, run_values: Any) -> None:
    self._own_steps += 1
    passed = time.time() - self._since
    if passed < 1:
      return
    step, loss = run_values.results
    sparsity: Optional[float] = (
        None if self._sparsity is None else float(run_context.session.run(self._sparsity)))
    progress = cluster_lib.Progress(int(step), self._own_steps / passed, float(loss), sparsity)
    print(progress.line(self._steps), flush=True)
    self._since, self._own_steps = time.time(), 0


def main(hooks: Any = lambda task: ((), ())) -> None:
  """Runs the task of TF_CONFIG; `hooks` returns the hooks of train() for a task."""
  logging.set_verbosity(logging.INFO)
  tf.logging.set_verbosity(tf.logging.INFO)  # This level logs why a session waits.
  tf.get_logger().propagate = False  # To absl's, which would say it again.
  if _FLAGS.end_with_stdin:
    cluster_lib.end_with_stdin()
  task = task_from_environment()
  if task.job == 'ps':
    serve(task)
  try:
    with tf.Graph().as_default():
      train(task, *hooks(task))
  except KeyboardInterrupt:
    sys.exit(130)


define_flags()
flags.DEFINE_bool('end_with_stdin', False, 'End when stdin is closed, as it is when the process '
                  'that holds its other end is gone.')

if __name__ == '__main__':
  app.run(lambda argv: main())
