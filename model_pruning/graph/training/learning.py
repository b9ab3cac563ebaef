# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""slim's training loop, with a mask update after every step.

      pruning = model_pruning.Pruning(FLAGS.pruning_hparams)
      model_pruning.train(train_op, logdir, pruning.conditional_mask_update_op(),
                          number_of_steps=10000)

It runs the loop of tf_slim, or of tf.contrib.slim if tf_slim is not installed.
"""

from concurrent import futures
import contextlib
import importlib
import threading
from typing import Any, Callable, Iterator, Optional, Tuple

from model_pruning.compat import tf
from model_pruning.graph.layers import slim
from model_pruning.util import files
from model_pruning.util.types import Graph
from model_pruning.util.types import Operation
from model_pruning.util.types import Session
from model_pruning.util.types import Tensor

_USE_DEFAULT = 0  # Slim's value for the default, because None means "none".


def train_step(sess: Session, train_op: Tensor, global_step: Tensor,
               train_step_kwargs: Any) -> Tuple[Any, Any]:
  """Runs slim's train step and returns the loss and whether to stop."""
  return _slim().learning.train_step(sess, train_op, global_step, train_step_kwargs)


def train(train_op: Tensor, logdir: Optional[Any], mask_update_op: Operation,
          train_step_fn: Callable[..., Tuple[Any, Any]] = train_step,
          train_step_kwargs: Any = _USE_DEFAULT, log_every_n_steps: int = 1, graph: Graph = None,
          master: str = '', is_chief: bool = True, global_step: Tensor = None,
          number_of_steps: Optional[int] = None, init_op: Operation = _USE_DEFAULT,
          init_feed_dict: Optional[dict] = None, local_init_op: Operation = _USE_DEFAULT,
          init_fn: Optional[Callable[[Session], object]] = None, ready_op: Operation = _USE_DEFAULT,
          summary_op: Operation = _USE_DEFAULT, save_summaries_secs: int = 600,
          summary_writer: Any = _USE_DEFAULT, startup_delay_steps: int = 0, saver: Any = None,
          save_interval_secs: int = 600, sync_optimizer: Any = None, session_config: Any = None,
          trace_every_n_steps: Optional[int] = None) -> Any:
  """Trains with slim's loop and updates the masks after every step.

  Args:
    train_op: tensor that applies the gradients and whose value is the loss, for example the result
      of slim's create_train_op.
    logdir: the folder for checkpoints and summaries; None for no folder.
    mask_update_op: the operation to run after a step: a Pruning's conditional_mask_update_op(),
      which updates the masks when an update is due.
    train_step_fn: called with the session, train_op, the global step and a dictionary; it runs one
      step and returns the loss and whether to stop.
    train_step_kwargs: the dictionary for train_step_fn; by default, the tensors that slim's step
      reads to decide when to stop and to log.
    log_every_n_steps: number of steps between two logs of the loss.
    graph: the graph to train; None for the default one.
    master: address of the TensorFlow server; '' for this process.
    is_chief: whether this replica initializes, saves and updates the masks.
    global_step: the step tensor; None for the step of the graph, which is created if necessary.
    number_of_steps: the global step at which to stop; None for never.
    init_op, local_init_op, ready_op, summary_op, summary_writer: arguments of the Supervisor; None
      for none. If not given, the default ones.
    init_feed_dict: the feed_dict for init_op.
    init_fn: called with the session after init_op, for example to restore a dense checkpoint.
    save_summaries_secs, save_interval_secs: seconds between two writes of summaries and
      checkpoints.
    startup_delay_steps: the global step for which replicas other than the chief wait; 0 with a
      sync_optimizer.
    saver: saves checkpoints; None for a new saver of all variables.
    sync_optimizer: a SyncReplicasOptimizer or a list of them, for synchronous training.
    session_config: a ConfigProto; None for the default.
    trace_every_n_steps: number of steps between two writes of a timeline; None for no timeline.

  Returns:
    The loss of the last step.

  Raises:
    ImportError: no version of slim can be imported; the message says how to install it.
    TypeError: mask_update_op is None.
    RuntimeError: TensorFlow 2 executes eagerly, so slim cannot write to a logdir.
    ValueError: from slim: train_op is None; startup_delay_steps conflicts with sync_optimizer;
      number_of_steps is not positive; or tracing has no logdir.
  """
  given = dict(locals())  # First, before other locals exist: slim has arguments of the same names.
  for own in ('train_op', 'logdir', 'mask_update_op', 'train_step_fn'):
    del given[own]
  if mask_update_op is None:
    raise TypeError('mask_update_op=None: give the conditional_mask_update_op() of a Pruning, or '
                    'train without pruning with slim.learning.train')
  if logdir and is_chief and _threads_are_eager():
    raise RuntimeError("logdir=%r: slim's threads, which write checkpoints and summaries, fail if "
                       'TensorFlow executes eagerly. Call '
                       'tf.compat.v1.disable_eager_execution() at the start of the program' % (
                           logdir,))

  logdir = files.as_path(logdir) if logdir else logdir
  updating = threading.Lock()

  def step_and_prune(sess: Session, train_op: Tensor, global_step: Tensor,
                     train_step_kwargs: Any) -> Tuple[Any, Any]:
    total_loss, should_stop = train_step_fn(sess, train_op, global_step, train_step_kwargs)
    if is_chief:  # All replicas share the masks, so only one may update them.
      with updating:
        sess.run(mask_update_op)
    return total_loss, should_stop

  learning = _slim().learning
  with (graph or tf.get_default_graph()).as_default():
    if logdir is None:
      return learning.train(train_op, logdir, train_step_fn=step_and_prune, **given)
    if saver is None:
      if global_step is None:
        tf.train.get_or_create_global_step()  # slim also creates it before its saver.
      given['saver'] = saver = tf.train.Saver()
    with _saving_under(updating, saver):
      return learning.train(train_op, logdir, train_step_fn=step_and_prune, **given)


@contextlib.contextmanager
def _saving_under(lock: threading.Lock, saver: Any) -> Iterator[None]:
  """Makes a saver wait for a lock: slim saves in a thread, which could read half of an update."""
  save, own = saver.save, vars(saver).get('save')

  def save_under_lock(*args: Any, **kwargs: Any) -> Any:
    with lock:
      return save(*args, **kwargs)

  saver.save = save_under_lock
  try:
    yield
  finally:
    if own is None:
      del saver.save
    else:
      saver.save = own


def _threads_are_eager() -> bool:
  """Whether a new thread executes eagerly, even if a graph is open in this one."""
  with futures.ThreadPoolExecutor(1) as pool:
    return pool.submit(tf.executing_eagerly).result()


def _slim() -> Any:
  """Returns the first installed version of slim; raises ImportError if there is none."""
  if slim.libraries():
    return slim.libraries()[0]
  try:
    importlib.import_module(slim.TF_SLIM)
  except Exception as error:
    raise ImportError('model_pruning.train runs the training loop of slim, which cannot be '
                      'imported (%s). Run `pip install tf_slim`, or use model_pruning.PruningHook '
                      'with a MonitoredTrainingSession' % error) from error
  slim.libraries.cache_clear()  # slim has been installed since the first call.
  return _slim()
