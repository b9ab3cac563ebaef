# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""slim's training loop, with a mask update after every step.

      pruning = model_pruning.Pruning(FLAGS.pruning_hparams)
      model_pruning.train(train_op, logdir, pruning.conditional_mask_update_op(),
                          number_of_steps=10000)

The loop is that of tf_slim, or of tf.contrib.slim where there is no tf_slim.
"""

from concurrent import futures
import contextlib
import importlib
import threading
from typing import Any, Callable, Iterator, Optional, Tuple

from model_pruning.compat import tf
from model_pruning.graph.layers import slim
from model_pruning.util import files

_USE_DEFAULT = 0  # What slim takes for "as usual", where None means "none".


def train_step(sess: Any, train_op: Any, global_step: Any,
               train_step_kwargs: Any) -> Tuple[Any, Any]:
  """Runs slim's own train step: returns the loss, and whether to stop."""
  return _slim().learning.train_step(sess, train_op, global_step, train_step_kwargs)


def train(train_op: Any, logdir: Optional[Any], mask_update_op: Any,
          train_step_fn: Callable[..., Tuple[Any, Any]] = train_step,
          train_step_kwargs: Any = _USE_DEFAULT, log_every_n_steps: int = 1, graph: Any = None,
          master: str = '', is_chief: bool = True, global_step: Any = None,
          number_of_steps: Optional[int] = None, init_op: Any = _USE_DEFAULT,
          init_feed_dict: Optional[dict] = None, local_init_op: Any = _USE_DEFAULT,
          init_fn: Optional[Callable[[Any], Any]] = None, ready_op: Any = _USE_DEFAULT,
          summary_op: Any = _USE_DEFAULT, save_summaries_secs: int = 600,
          summary_writer: Any = _USE_DEFAULT, startup_delay_steps: int = 0, saver: Any = None,
          save_interval_secs: int = 600, sync_optimizer: Any = None, session_config: Any = None,
          trace_every_n_steps: Optional[int] = None) -> Any:
  """Trains with slim's loop, and updates the masks after every step.

  Args:
    train_op: tensor that applies the gradients and has the loss as its value, as
      slim's create_train_op gives one.
    logdir: where checkpoints and summaries go; None for nowhere.
    mask_update_op: what to run after a step: a Pruning's conditional_mask_update_op(),
      which updates the masks when the schedule says so.
    train_step_fn: called with session, train_op, the global step and a dictionary,
      it runs one step and returns the loss and whether to stop.
    train_step_kwargs: the dictionary for it; by default, of the tensors that slim's
      step looks at to stop and to log.
    log_every_n_steps: how often, in steps, to log the loss.
    graph: the graph to train; None for the default one.
    master: address of the TensorFlow server; '' for this process.
    is_chief: whether this is the replica that initializes, saves, and updates the masks.
    global_step: the step tensor; None for that of the graph, made if need be.
    number_of_steps: the global step to stop at; None for never.
    init_op, local_init_op, ready_op, summary_op, summary_writer: as the Supervisor
      takes them; None for none, and when not given, the usual ones.
    init_feed_dict: what to feed to init_op.
    init_fn: called with the session after init_op, for example to restore from a
      dense checkpoint.
    save_summaries_secs, save_interval_secs: how often, in seconds, to write
      summaries and checkpoints.
    startup_delay_steps: the global step that a replica other than the chief waits
      for; 0 with a sync_optimizer.
    saver: saves checkpoints; None for one of all variables.
    sync_optimizer: a SyncReplicasOptimizer or a list of such, for synchronous training.
    session_config: a ConfigProto; None for the default.
    trace_every_n_steps: how often, in steps, to write a timeline; None for never.

  Returns:
    The loss of the last step.

  Raises:
    ImportError: there is no slim that can be imported; the message says what to do.
    TypeError: mask_update_op is None.
    RuntimeError: TensorFlow 2 executes eagerly, in which slim cannot write to a logdir.
    ValueError: from slim: train_op is None; startup_delay_steps does not go with
      sync_optimizer; number_of_steps is not positive; tracing without a logdir.
  """
  given = dict(locals())  # Before anything else is: slim calls its arguments by the same names.
  for own in ('train_op', 'logdir', 'mask_update_op', 'train_step_fn'):
    del given[own]
  if mask_update_op is None:
    raise TypeError('mask_update_op=None: give the conditional_mask_update_op() of a Pruning, or '
                    'train without pruning by slim.learning.train')
  if logdir and is_chief and _threads_are_eager():
    raise RuntimeError('logdir=%r: the threads that write checkpoints and summaries for slim fail '
                       'where TensorFlow executes eagerly. Call '
                       'tf.compat.v1.disable_eager_execution() at the start of the program' % (
                           logdir,))

  logdir = files.as_path(logdir) if logdir else logdir
  updating = threading.Lock()

  def step_and_prune(sess: Any, train_op: Any, global_step: Any,
                     train_step_kwargs: Any) -> Tuple[Any, Any]:
    total_loss, should_stop = train_step_fn(sess, train_op, global_step, train_step_kwargs)
    if is_chief:  # Masks are shared; two who update them would mix theirs.
      with updating:
        sess.run(mask_update_op)
    return total_loss, should_stop

  learning = _slim().learning
  with (graph or tf.get_default_graph()).as_default():
    if logdir is None:
      return learning.train(train_op, logdir, train_step_fn=step_and_prune, **given)
    if saver is None:
      if global_step is None:
        tf.train.get_or_create_global_step()  # Which slim makes, too, before its saver.
      given['saver'] = saver = tf.train.Saver()
    with _saving_under(updating, saver):
      return learning.train(train_op, logdir, train_step_fn=step_and_prune, **given)


@contextlib.contextmanager
def _saving_under(lock: Any, saver: Any) -> Iterator[None]:
  """Has a saver wait for a lock: slim saves in a thread, which could see half of an update."""
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
  """Returns whether a new thread executes eagerly, whatever graph is open in this one."""
  with futures.ThreadPoolExecutor(1) as pool:
    return pool.submit(tf.executing_eagerly).result()


def _slim() -> Any:
  """Returns the first slim there is; raises ImportError, with what to do, if there is none."""
  if slim.libraries():
    return slim.libraries()[0]
  try:
    importlib.import_module(slim.TF_SLIM)
  except Exception as error:
    raise ImportError('model_pruning.train runs the training loop of slim, which cannot be '
                      'imported (%s). Run `pip install tf_slim`, or use model_pruning.PruningHook '
                      'with a MonitoredTrainingSession' % error) from error
  slim.libraries.cache_clear()  # It has been installed in the meantime.
  return _slim()
