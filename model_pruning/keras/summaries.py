# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningSummaries: writes the sparsity of every pruned weight for TensorBoard."""

import importlib.util
import os
from typing import Any, Dict, List, Optional, Union

import numpy as np

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.keras import loops
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from model_pruning.util import files
from model_pruning.util.types import Model

# Marks scalars like tf.summary.scalar, which needs TensorBoard from TensorFlow 2.21 on.
_SCALAR = tf.SummaryMetadata(plugin_data=tf.SummaryMetadata.PluginData(plugin_name='scalars'))


class PruningSummaries(keras.callbacks.Callback):
  """Writes the sparsity and the threshold of every pruned weight.

      model.fit(..., callbacks=[UpdatePruningStep(), PruningSummaries(log_dir='logs')])

  `<weight>/mask/sparsity` and `<weight>/threshold/threshold`, by number of batches, are
  written to log_dir/metrics when an epoch begins and when training ends. If TensorBoard is
  installed, the output of keras.callbacks.TensorBoard goes to log_dir as well.
  """

  def __init__(self, log_dir: Union[str, bytes, 'os.PathLike[str]'],
               update_freq: Union[str, int] = 'epoch', **kwargs: Any) -> None:
    """Makes the callback.

    Args:
      log_dir: the folder to write to; created if necessary.
      update_freq, **kwargs: arguments of keras.callbacks.TensorBoard.

    Raises:
      errors.WriteError: log_dir is not the name of a folder.
    """
    super().__init__()
    if not isinstance(log_dir, (str, bytes, os.PathLike)) or not os.fspath(log_dir):
      raise errors.WriteError('log_dir is %r; it must be the name of a folder' % (log_dir,))
    self._log_dir = files.as_path(log_dir)
    self._writer: Any = None
    self._others: List[Any] = []
    if importlib.util.find_spec('tensorboard') is not None:
      self._others.append(keras.callbacks.TensorBoard(
          self._log_dir, update_freq=update_freq, **kwargs))

  def set_params(self, params: Optional[Dict[str, Any]]) -> None:
    """Hands the parameters of fit() on to TensorBoard's callback."""
    super().set_params(params)
    for other in self._others:
      other.set_params(params)

  def set_model(self, model: Model) -> None:
    """Takes the model, whose layers are summarized."""
    super().set_model(model)
    for other in self._others:
      other.set_model(model)

  def on_epoch_begin(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
    """Writes the current sparsities and thresholds."""
    # Custom loops call this with -1, and may call nothing else.
    if epoch is not None and epoch >= 0:
      self._forward('on_epoch_begin', epoch, logs)
    self._write()

  def on_train_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Writes the final sparsities and thresholds."""
    self._forward('on_train_end', logs)
    self._write()
    self._writer.close()
    self._writer = None

  def on_train_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Calls TensorBoard's callback."""
    self._forward('on_train_begin', logs)

  def on_epoch_end(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
    """Calls TensorBoard's callback."""
    self._forward('on_epoch_end', epoch, logs)

  def on_train_batch_begin(self, batch: int, logs: Optional[Dict[str, Any]] = None) -> None:
    """Calls TensorBoard's callback."""
    self._forward('on_train_batch_begin', batch, logs)

  def on_train_batch_end(self, batch: int, logs: Optional[Dict[str, Any]] = None) -> None:
    """Calls TensorBoard's callback."""
    self._forward('on_train_batch_end', batch, logs)

  def on_test_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Calls TensorBoard's callback."""
    self._forward('on_test_begin', logs)

  def on_test_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Calls TensorBoard's callback."""
    self._forward('on_test_end', logs)

  def _forward(self, method: str, *args: Any) -> None:
    """Calls a method of the TensorBoard callback, if a model is set.

    Raises:
      errors.MissingCallbackError: set_model() was not called.
    """
    loops.model_of(self)
    for other in self._others:
      getattr(other, method)(*args)

  def _write(self) -> None:
    model = loops.model_of(self)
    if self._writer is None:
      self._writer = tensorflow.summary.create_file_writer(os.path.join(self._log_dir, 'metrics'))
    made = [layer.pruning for layer in pruned_layers(model) if layer.pruning.made]
    step = max([int(pruning.step.numpy()) for pruning in made], default=0)
    with self._writer.as_default():
      for weight in [weight for pruning in made for weight in pruning.weights]:
        # The tags of the graph API's summaries, so that the same tools read both.
        self._scalar(weight.name + '/mask/sparsity', weight.sparsity, step)
        self._scalar(weight.name + '/threshold/threshold',
                     float(np.asarray(weight.threshold, np.float32)), step)
    self._writer.flush()

  def _scalar(self, tag: str, value: float, step: int) -> None:
    tensorflow.summary.write(tag, tensorflow.constant(value, tensorflow.float32), step, _SCALAR)
