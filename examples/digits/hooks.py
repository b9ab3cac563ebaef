# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Session hooks for training with somebody watching."""

import sys
from typing import Any, Dict, List

import numpy as np
import tensorflow.compat.v1 as tf
import tqdm

from examples.digits import terminal
import model_pruning

TEST_ACCURACY = 'test_accuracy'  # Tag of the summary.


class StopOnInterrupt(tf.train.SessionRunHook):
  """Ends training after the step during which Ctrl-C was pressed, checkpoint and all."""

  def __init__(self, interrupt: terminal.Interrupt) -> None:
    self._interrupt = interrupt

  def after_run(self, run_context: Any, run_values: Any) -> None:
    if self._interrupt.requested:
      run_context.request_stop()


class Progress(tf.train.SessionRunHook):
  """A bar with scalars of the batch and the sparsity; a line where stderr is no terminal."""

  def __init__(self, label: str, steps: int, shown: Dict[str, Any], every: int = 10) -> None:
    """Takes the scalars by the names that they are shown under."""
    self._label, self._steps, self._every = label, steps, every
    self._shown = shown

  def begin(self) -> None:
    self._global_step = tf.train.get_global_step()
    masks = model_pruning.get_masks()
    if masks:
      kept = tf.add_n([tf.reduce_sum(mask) for mask in masks])
      size = sum(int(np.prod(mask.shape.as_list())) for mask in masks)
      self._sparsity = 1 - kept / size
    else:
      self._sparsity = None

  def after_create_session(self, session: Any, coord: Any) -> None:
    self._first = self._step = int(session.run(self._global_step))
    # disable=None: no bar in a log file, where each of its states would be a line.
    self._bar = tqdm.tqdm(desc=self._label, total=self._steps, initial=self._first, unit=' steps',
                          file=sys.stderr, disable=None, dynamic_ncols=True)

  def before_run(self, run_context: Any) -> Any:
    return tf.train.SessionRunArgs(self._shown)

  def after_run(self, run_context: Any, run_values: Any) -> None:
    self._step += 1
    self._bar.update()
    if self._bar.disable or self._step % self._every:
      return
    shown = ', '.join('%s %.3f' % item for item in run_values.results.items())
    if self._sparsity is not None:
      shown += ', sparsity %.3f' % run_context.session.run(self._sparsity)
    self._bar.set_postfix_str(shown, refresh=False)

  def end(self, session: Any) -> None:
    silent = self._bar.disable  # It is so once closed.
    self._bar.close()
    if silent:
      print('%s: trained from step %d to %d' % (self._label.strip(), self._first, self._step))


def watching(label: str, steps: int, loss: Any, shown: Dict[str, Any],
             interrupt: terminal.Interrupt) -> List[Any]:
  """Returns the hooks of a training up to `steps` that a person waits for."""
  return [
      tf.train.StopAtStepHook(last_step=steps),
      tf.train.NanTensorHook(loss),
      Progress(label, steps, shown),
      StopOnInterrupt(interrupt),
  ]


class TestAccuracy(tf.train.SessionRunHook):
  """Writes the accuracy on (some of) the test images as a summary, every so many steps."""

  __test__ = False  # Not a test, although pytest would collect the name.

  def __init__(self, model_dir: str, accuracy: Any, feed: dict, every: int) -> None:
    self._model_dir, self._accuracy, self._feed, self._every = model_dir, accuracy, feed, every

  def begin(self) -> None:
    self._global_step = tf.train.get_global_step()

  def after_create_session(self, session: Any, coord: Any) -> None:
    self._step = int(session.run(self._global_step))

  def after_run(self, run_context: Any, run_values: Any) -> None:
    self._step += 1
    if self._step % self._every:
      return
    value = run_context.session.run(self._accuracy, self._feed)
    summary = tf.Summary(value=[tf.Summary.Value(tag=TEST_ACCURACY, simple_value=value)])
    # The writer that MonitoredTrainingSession uses for this folder too.
    tf.summary.FileWriterCache.get(self._model_dir).add_summary(summary, self._step)
