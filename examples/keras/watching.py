# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A Keras callback for training with somebody watching."""

import sys
from typing import Any, Dict, List, Optional, Tuple

from examples.digits import terminal
import numpy as np
import tensorflow as tf
import tqdm

Curve = List[Tuple[int, float]]  # (batches done, value), in order.


class Watch(tf.keras.callbacks.Callback):
  """A bar with loss, accuracy and sparsity; a line in their place where stderr is no terminal.

  Attributes:
    curve: fraction of zeros in all kernels by batches done, wherever it changed, and at the end.
  """

  def __init__(self, label: str, steps: int, interrupt: terminal.Interrupt) -> None:
    """Makes the callback.

    Args:
      label: what the bar is called.
      steps: number of batches there will be.
      interrupt: once that is requested, training ends after the batch by KeyboardInterrupt.
        One that comes up in the midst of TensorFlow may be lost there.
    """
    super().__init__()
    self._interrupt = interrupt
    self._label, self._steps, self._done = label, steps, 0
    self._shown: Dict[str, float] = {}
    self._bar: Any = None
    self.curve: Curve = []

  def on_train_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
    # disable=None: no bar in a log file, where each of its states would be a line.
    self._bar = tqdm.tqdm(desc=self._label, total=self._steps, unit=' steps', file=sys.stderr,
                          disable=None, dynamic_ncols=True)
    self._note_sparsity()

  def on_train_batch_end(self, batch: int, logs: Optional[Dict[str, Any]] = None) -> None:
    self._done += 1
    self._note_sparsity()
    self._bar.update()
    if self._interrupt.requested:
      self._bar.close()
      raise KeyboardInterrupt
    if self._done % 10 == 0 and not self._bar.disable:
      self._show(loss=(logs or {}).get('loss'))

  def on_epoch_end(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
    logs = logs or {}
    self._show(loss=logs.get('loss'), test_accuracy=logs.get('val_accuracy'))

  def on_train_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
    if self.curve[-1][0] != self._done:
      self.curve.append((self._done, self.curve[-1][1]))
    silent = self._bar.disable  # It is so once closed.
    self._bar.close()
    if silent:
      print('%s  %s' % (self._label, self._text()), flush=True)

  def _note_sparsity(self) -> None:
    kernels = [np.asarray(layer.kernel) for layer in self.model.layers
               if hasattr(layer, 'kernel')]
    zeros = sum(kernel.size - np.count_nonzero(kernel) for kernel in kernels)
    sparsity = float(zeros / sum(kernel.size for kernel in kernels))
    if not self.curve or sparsity != self.curve[-1][1]:
      self.curve.append((self._done, sparsity))

  def _show(self, **values: Optional[float]) -> None:
    self._shown.update({name: value for name, value in values.items() if value is not None})
    self._bar.set_postfix_str(self._text(), refresh=False)

  def _text(self) -> str:
    shown = ['%s %.3f' % (name.replace('_', ' '), value) for name, value in self._shown.items()]
    return ', '.join(shown + ['sparsity %.3f' % self.curve[-1][1]])
