# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The hook of a SyncReplicasOptimizer, for clusters whose tasks may die."""

import threading
from typing import Any

import tensorflow.compat.v1 as tf


class SyncHook(tf.train.SessionRunHook):
  """Sums up gradients in the chief, and goes on with that in its next session.

  Tasks wait for each other at a queue of tokens on the parameter server of the global
  step. The hook of optimizer.make_session_run_hook() closes that queue whenever a session
  of the chief ends, also where that is because some other parameter server died. But a
  closed queue stays closed as long as its server lives: workers take it for the end of
  training, and no later session of any chief can use it. This one leaves the queue open.
  """

  def __init__(self, optimizer: Any, is_chief: bool) -> None:
    self._optimizer, self._is_chief = optimizer, is_chief

  def begin(self) -> None:
    optimizer = self._optimizer
    self._start = optimizer.chief_init_op if self._is_chief else optimizer.local_step_init_op
    if self._is_chief:
      self._tokens = optimizer.get_init_tokens_op()
      self._sum_up, = optimizer.get_chief_queue_runner().enqueue_ops

  def after_create_session(self, session: Any, coord: Any) -> None:
    session.run(self._start)
    if self._is_chief:
      session.run(self._tokens)
      # A daemon: at the end it waits for gradients that nobody will send.
      threading.Thread(target=self._sum_up_until_stop, args=(session, coord), name='sum_up',
                       daemon=True).start()

  def _sum_up_until_stop(self, session: Any, coord: Any) -> None:
    try:
      while not coord.should_stop():
        session.run(self._sum_up)
    except Exception as error:  # Whatever it is, the main thread has to hear of it.
      if not coord.should_stop():
        coord.request_stop(error)
        session.close()  # Where the main thread may be waiting for a token.
