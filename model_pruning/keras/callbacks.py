# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""UpdatePruningStep: what to pass to fit(), so that masks are updated between batches."""

import threading
from typing import Any, Dict, Optional

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras import loops
from model_pruning.keras import reporting
from model_pruning.keras.backend import keras
from model_pruning.keras.updates import MaskUpdater
from model_pruning.reporting.run import RunPage
from model_pruning.util.tf_config import TFConfig


class UpdatePruningStep(keras.callbacks.Callback):
  """Counts the training batches, and updates the masks when the schedule says so.

      model.fit(..., callbacks=[UpdatePruningStep()])

  An update for step t is made once t batches are done, before the next begins; the
  place among other callbacks makes no difference. With steps_per_execution=N masks are
  updated between executions. The count is a weight of the model: another fit(), or one
  of the model saved and read again, goes on where the last one ended.

  In a training loop of your own, the same methods are called:

      callback = UpdatePruningStep()
      callback.set_model(model)
      callback.on_train_begin()
      for _ in range(epochs):
        for x, y in batches:
          callback.on_train_batch_begin(batch=-1)
          ...  # model(x, training=True), the gradients, optimizer.apply_gradients
        callback.on_epoch_end(batch=-1)
      callback.on_train_end()
  """

  def __init__(self, report: Any = None) -> None:
    """Makes the callback.

    Args:
      report: the path of an HTML file, which is written when training ends: targets met or
        missed, findings, each weight in numbers and pictures, sparsity over time. If that fails
        then, a warning says so.

    Raises:
      errors.MissingPackageError: report is given, and jinja2 or matplotlib is not installed.
      errors.WriteError: report is no path that a file can be written to.
    """
    super().__init__()
    self._page = None if report is None else RunPage(report)
    self._updater: Any = None
    self._begun: Optional[int] = None  # The number in its epoch of the batch that is not.
    self._seen: Optional[int] = None  # Batches that the optimizer has seen before that.
    self._says_ends = False  # Whether whoever trains calls on_train_batch_end.
    self._in_fit = False  # Whether fit() trains, which gives parameters before it begins.
    self._expects = False  # Whether a batch has begun that was not trained on yet.
    self._thread: Optional[int] = None  # The one that trains.

  def set_params(self, params: Optional[Dict[str, Any]]) -> None:
    """Takes the parameters of a fit() that is about to begin."""
    super().set_params(params)
    self._in_fit = bool(params)

  def on_train_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Finds the pruned layers, and goes on from the step that they are at.

    Warns if all of them are frozen.

    Raises:
      errors.MissingCallbackError: set_model() was not called.
      errors.LayerError: the model has no pruned layers, or the optimizer cannot train one.
      errors.MapError, errors.BlockError: the settings do not fit the weights there are.
    """
    del logs
    self._updater = MaskUpdater(loops.model_of(self))
    if self._page is not None:
      self._updater.on_update = self._record
    self._begun, self._says_ends, self._expects = None, False, False
    optimizer = getattr(self.model, 'optimizer', None)
    for layer in self._updater.layers:
      for inner in backend.layers_in(layer):
        if backend.refuses_constraints(optimizer, inner):
          raise errors.LayerError(
              'Layer %s (%s) is pruned, and optimizer %s, of keras.optimizers.legacy, trains no '
              'embeddings that have a constraint, which keeps pruned weights at zero; compile with '
              'tf.keras.optimizers.%s, or leave the layer out by a pruning_policy' % (
                  inner.name, type(inner).__name__, type(optimizer).__name__,
                  type(optimizer).__name__))
    if any(layer.pruning.stale for layer in self._updater.layers) and optimizer is not None:
      # TensorFlow keeps what it had built of a function when that failed, and calls it whole.
      self.model.make_train_function(force=True)
    during = loops.fit_of(self.model) if self._in_fit else None
    for layer in self._updater.layers:
      layer.pruning.stale = False
      layer.pruning.attend(True, optimizer, during)
    if self._in_fit and getattr(self.model, 'train_function', None) is not None:
      loops.watch(self.model, self._take_expected, self._leave)
    if all(not _is_trained(layer) for layer in self._updater.layers):
      logging.warning('%s: no mask is updated, because all pruned layers are frozen: set their '
                      'trainable to True, or train without pruning', self.model.name)
    self._updater.update_if_due()

  def _take_expected(self) -> bool:
    """Returns whether a batch has begun and was not trained on yet; resets the flag."""
    expected, self._expects = self._expects, False
    return expected

  def _leave(self) -> None:
    """Has the layers ask for a callback again, after a batch that failed."""
    for layer in self._updater.layers:
      layer.pruning.attend(False, layer.pruning.optimizer)
    self._updater.write_steps()  # The batch was counted when it began.

  def on_epoch_begin(self, epoch: Any = None, logs: Optional[Dict[str, Any]] = None) -> None:
    """Goes on from what other callbacks may have restored since, such as BackupAndRestore."""
    del epoch, logs
    self._check_begun()
    self._settle()
    self._updater.reload()
    self._updater.update_if_due()

  def on_train_batch_begin(self, batch: Any, logs: Optional[Dict[str, Any]] = None) -> None:
    """Counts the batches that begin here, having made the update that is due before them."""
    del logs
    self._check_begun()
    if self._begun is not None:  # Other loops than fit() need not say that a batch has ended.
      self._done(self._batches_since_begun())
    self._begun, self._expects, self._thread = batch, True, threading.get_ident()
    batches = self._batches_from(batch)
    if batches:
      # Before they are done, so that what other callbacks save when they are says so.
      self._updater.write_steps(ahead=batches)
    else:
      self._seen = backend.iterations(self.model)

  def on_train_batch_end(self, batch: Any, logs: Optional[Dict[str, Any]] = None) -> None:
    """Makes the update that is due now."""
    del logs
    self._check_begun()
    if self._in_fit and threading.get_ident() != self._thread:
      return  # Keras 3 tells a callback that is in no list while it trains on. See _settle.
    self._says_ends = True
    begun = batch if self._begun is None else self._begun
    done = self._batches_from(begun)
    if not done:  # Keras 3 gives the number that the last one would have in a full execution.
      now = backend.iterations(self.model)
      done = max(1, batch - begun + 1 if now is None or self._seen is None else now - self._seen)
    self._done(done)

  # What Keras called them first; loops that users wrote may still do so.
  on_batch_begin = on_train_batch_begin
  on_batch_end = on_train_batch_end

  def on_epoch_end(self, batch: Any = None, logs: Optional[Dict[str, Any]] = None) -> None:
    """Makes the update that is due now. (`batch` is tfmot's name for the epoch.)"""
    del batch, logs
    self._check_begun()
    self._settle()

  def on_train_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Warns if the run ends short of its target sparsity."""
    del logs
    self._check_begun()
    self._settle()
    self._updater.reload()
    self._updater.apply_masks()  # To averages that the optimizer wrote over the weights.
    warned = set()
    for layer in self._updater.layers:
      pruning = layer.pruning
      at = self._updater.step_of(layer), pruning.last_update
      # What has reached its target may be trained on as it is.
      pruning.attend(pruning.made and pruning.settings.is_reached(*at), pruning.optimizer)
      shortfall = pruning.shortfall()
      if shortfall and shortfall not in warned:
        warned.add(shortfall)
        logging.warning('%s: %s', self.model.name, shortfall)
    loops.unwatch(self.model)
    self._updater, self._in_fit = None, False
    page, model = self._page, self.model
    if page is not None and _is_chief():
      page.write(model.name, lambda: reporting.report(
          model, history=page.recorder.history(model.name)))

  def _record(self, step: int) -> None:
    """Remembers sparsities and thresholds for the page."""
    assert self._page is not None
    self._page.recorder.record(step, {
        weight.name: (1 - float(np.mean(np.asarray(weight.mask, np.float32))),
                      float(np.asarray(weight.threshold, np.float32)))
        for layer in self._updater.layers if layer.pruning.made
        for weight in layer.pruning.weights})

  def _batches_from(self, batch: Any) -> int:
    """Returns how many batches are trained on before on_train_batch_end; 0 if there is no telling.

    Of data whose size is not known Keras finds out that there is no further batch after it
    has said that it begins.
    """
    if batch is None or batch < 0:
      return 1
    steps = (getattr(self, 'params', None) or {}).get('steps')
    if steps is None:
      return 0
    return max(1, min(backend.steps_per_execution(self.model), steps - batch))

  def _batches_since_begun(self) -> int:
    """Returns how many batches were trained on, if nobody tells when they end."""
    if not self._in_fit:
      return 1
    now = backend.iterations(self.model)
    unknown = 1 if now is None or self._seen is None else now - self._seen
    return self._batches_from(self._begun) or unknown

  def _done(self, batches: int) -> None:
    self._begun = None
    self._updater.advance(batches)

  def _settle(self) -> None:
    """Settles what a batch was that began, and whose end nobody told of."""
    if self._begun is not None and not self._says_ends:
      self._done(self._batches_since_begun())
    elif self._begun is not None:
      self._begun = None  # There was none.
      self._updater.write_steps()

  def _check_begun(self) -> None:
    loops.model_of(self)
    if self._updater is None:
      raise errors.MissingCallbackError(
          'UpdatePruningStep has not begun: call its set_model(model) and on_train_begin() before '
          'the first batch, as fit() does')


def _is_chief() -> bool:
  """Returns whether this process is the one that writes files, by TF_CONFIG."""
  try:
    return TFConfig.read().is_chief is not False
  except errors.SpecError:
    return True


def _is_trained(layer: Any) -> bool:
  """Returns whether a pruned layer is trained, not frozen."""
  return layer.pruning.trainable if layer.pruning.made else layer.trainable
