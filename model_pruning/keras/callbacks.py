# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""UpdatePruningStep: the callback with which fit() updates masks between batches."""

import functools
import numbers
import threading
from typing import Any, Dict, Optional

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras import loops
from model_pruning.keras import reporting
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.settings import Settings
from model_pruning.keras.shortfalls import decayed
from model_pruning.keras.shortfalls import open_averaged
from model_pruning.keras.updates import MaskUpdater
from model_pruning.reporting.run import RunPage
from model_pruning.util.tf_config import TFConfig
from model_pruning.util.types import Layer


class UpdatePruningStep(keras.callbacks.Callback):
  """Counts the training batches, and updates the masks when the schedule says so.

      model.fit(..., callbacks=[UpdatePruningStep()])

  The update for step t happens after t batches, before the next one begins, regardless of
  the position of the callback in the list. With steps_per_execution=N, masks are updated between
  executions. The count is a weight of the model: another fit(), even after the model was
  saved and loaded, continues from the last count. Weights that are loaded between batches
  bring their count with them.

  In a custom training loop, call the same methods:

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
    """Creates the callback.

    Args:
      report: path of an HTML file to write when training ends: targets met or missed,
        findings, numbers and pictures of each weight, sparsity over time. A failure to write
        it then is only a warning.

    Raises:
      errors.MissingPackageError: report is given, and jinja2 or matplotlib is not installed.
      errors.PathError: it is not a path.
      errors.WriteError: no file can be written to that path.
    """
    super().__init__()
    self._supports_tf_logs = True  # Keras 2 need not wait for a batch's logs: none are read here.
    if isinstance(report, numbers.Number):
      raise errors.PathError(
          'UpdatePruningStep(%r): expected the path of a report to write; how often masks are '
          'updated is set where the model is pruned, by pruning_frequency or the schedule' % report)
    self._page = None if report is None else RunPage(report)
    self._updater: Any = None
    self._begun: Optional[int] = None  # Index of the batch that has begun and not ended.
    self._seen: Optional[int] = None  # Batches that the optimizer had seen when it began.
    self._calls_batch_end = False  # Whether the training loop calls on_train_batch_end.
    self._in_fit = False  # Whether fit() trains; it sets parameters before it begins.
    self._ended = False  # Whether training has ended.
    self._watches = False  # Whether the train function says that it has trained.
    self._follows = False  # Whether another callback counts the batch that has begun.
    self._expects = False  # Whether a batch has begun and is not trained on yet.
    self._thread: Optional[int] = None  # The thread that trains.

  def set_params(self, params: Optional[Dict[str, Any]]) -> None:
    """Receives the parameters of a fit() that is about to begin."""
    super().set_params(params)
    self._in_fit = bool(params)

  def on_train_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Finds the pruned layers, and continues from their steps.

    Warns if all of them are frozen.

    Raises:
      errors.MissingCallbackError: set_model() was not called.
      errors.LayerError: the model has no pruned layers, or the optimizer or the distribution
        strategy cannot train one.
      errors.MapError, errors.BlockError: the settings do not fit the weights.
      errors.EagerError: it was called in a tf.function. So does every method.
    """
    del logs
    backend.check_eager('UpdatePruningStep')
    open_averaged(loops.model_of(self))
    self._updater = MaskUpdater(loops.model_of(self))
    if self._page is not None:
      self._updater.on_update = self._record
    self._begun, self._calls_batch_end, self._expects = None, False, False
    self._watches = self._follows = self._ended = False
    optimizer = getattr(self.model, 'optimizer', None)
    for layer in self._updater.layers:
      layer.pruning.check_lora()
      for record in layer.pruning.weights:
        variables.check_strategy(layer.name, record.weight)
      for inner in backend.layers_in(layer):
        if backend.refuses_constraints(optimizer, inner):
          raise errors.LayerError(
              'Layer %s (%s) is pruned, but optimizer %s%s cannot train embeddings with a '
              'constraint, which keeps pruned weights at zero; %s, or exclude the layer by a '
              'pruning_policy' % (
                  inner.name, type(inner).__name__, type(optimizer).__name__,
                  *backend.legacy_advice(optimizer)))
    if any(layer.pruning.stale for layer in self._updater.layers) and optimizer is not None:
      # TensorFlow keeps a partly built function when building fails, and would call it as it is.
      self.model.train_function = None
      self.model.make_train_function()
    during = loops.fit_of(self.model) if self._in_fit else None
    for layer in self._updater.layers:
      layer.pruning.stale = False
    self._updater.attend([True] * len(self._updater.layers), optimizer, during)
    if self._in_fit and getattr(self.model, 'train_function', None) is not None:
      loops.watch(self.model, self._take_expected, self._trained, self._leave)
      self._watches = True
    if all(not _is_trained(layer) for layer in self._updater.layers):
      logging.warning('%s: no mask is updated, because all pruned layers are frozen: set their '
                      'trainable to True, or train without pruning', self.model.name)
    self._updater.update_if_due()

  def _take_expected(self) -> bool:
    """Whether a batch has begun and was not trained on yet; resets the flag."""
    expected, self._expects = self._expects, False
    return expected

  def _leave(self) -> None:
    """Makes the layers require a callback again, after a batch that failed."""
    self._updater.attend([False] * len(self._updater.layers), getattr(
        self.model, 'optimizer', None))
    self._updater.retract()

  def _trained(self) -> None:
    """Counts batches that were trained on just now, and makes an update if one is due.

    If their number is unknown, on_train_batch_end does this later.
    """
    batches = None if self._begun is None else self._known_since_begun()
    if batches:
      self._calls_batch_end = True
      self._done(batches)

  def on_epoch_begin(self, epoch: Any = None, logs: Optional[Dict[str, Any]] = None) -> None:
    """Reloads the steps, which other callbacks (BackupAndRestore) may have restored."""
    del epoch, logs
    self._check_begun()
    self._settle()
    self._updater.reload()
    self._updater.update_if_due()

  def on_train_batch_begin(self, batch: Any, logs: Optional[Dict[str, Any]] = None) -> None:
    """Makes an update if one is due, then counts the batches that begin here."""
    del logs
    self._check_begun()
    if self._in_fit and self._expects and self._begun == batch:
      return  # This callback is in the list twice.
    if self._begun is not None:  # Only fit() is sure to call on_train_batch_end.
      self._done(self._batches_since_begun())
    self._begun, self._expects, self._thread = batch, True, threading.get_ident()
    batches = self._batches_from(batch)
    if not batches:
      self._seen = backend.iterations(self.model)
    if self._watches:
      self._follows = loops.is_watched_by_another(self.model, self._trained)
    else:
      # What is saved after training on them, before on_train_batch_end, includes them.
      self._follows = not self._updater.announce(batches)

  def on_train_batch_end(self, batch: Any, logs: Optional[Dict[str, Any]] = None) -> None:
    """Makes an update if one is due now."""
    del logs
    self._check_begun()
    if self._in_fit and threading.get_ident() != self._thread:
      return  # Keras 3 calls a callback that is not in a list from another thread. See _settle.
    if self._in_fit and self._begun is None:
      return  # See _trained.
    self._calls_batch_end = True
    if self._begun is None:
      self._begun = batch
    # Keras 3 passes the index that a full execution would end at.
    self._done(self._known_since_begun() or max(1, batch - self._begun + 1))

  # Keras's first names for these methods, which custom loops may still call.
  on_batch_begin = on_train_batch_begin
  on_batch_end = on_train_batch_end

  def on_epoch_end(self, batch: Any = None, logs: Optional[Dict[str, Any]] = None) -> None:
    """Makes an update if one is due now. (`batch` is tfmot's name for the epoch.)"""
    del batch, logs
    self._check_begun()
    self._settle()

  def on_train_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
    """Ends the pruning: warns if the run is short of its target sparsity, and writes the report."""
    del logs
    if self._updater is None and self._ended:
      return  # This callback is in the list twice.
    self._check_begun()
    self._settle()
    self._updater.reload()
    self._updater.apply_masks()  # The optimizer may have written averages over the weights.
    is_reached = functools.lru_cache(maxsize=None)(Settings.is_reached)  # The same for most layers.
    shortfall_of = functools.lru_cache(maxsize=None)(Settings.shortfall)
    shortfalls, reached = [], []
    for layer in self._updater.layers:
      pruning, at = layer.pruning, self._updater.progress_of(layer)
      reached.append(pruning.made and is_reached(pruning.settings, *at))
      if pruning.made and pruning.trainable:
        shortfalls.append(shortfall_of(pruning.settings, *at))
    # A model that has reached its target may be trained on without a callback.
    self._updater.attend(reached, getattr(self.model, 'optimizer', None))
    for shortfall in [] if self._follows else [
        *dict.fromkeys(filter(None, shortfalls)), *decayed(self.model)]:
      logging.warning('%s: %s', self.model.name, shortfall)
    loops.unwatch(self.model)
    self._updater, self._in_fit, self._ended = None, False, True
    page, model = self._page, self.model
    if page is not None and _is_chief():
      page.write(model.name, lambda: reporting.report(
          model, history=page.recorder.history(model.name)))

  def _record(self, step: int) -> None:
    """Records sparsities and thresholds for the page."""
    assert self._page is not None
    self._page.recorder.record(step, {
        weight.name: (weight.sparsity, float(np.asarray(weight.threshold, np.float32)))
        for layer in self._updater.layers if layer.pruning.made
        for weight in layer.pruning.weights})

  def _batches_from(self, batch: Any) -> int:
    """Returns how many batches are trained on before on_train_batch_end; 0 if unknown.

    If the size of the data is unknown, Keras announces a batch before it finds out that
    there is none.
    """
    if batch is None or batch < 0:
      return 1
    steps = (getattr(self, 'params', None) or {}).get('steps')
    if steps is None:
      return 0
    return max(1, min(backend.steps_per_execution(self.model), steps - batch))

  def _batches_since_begun(self) -> int:
    """Returns how many batches were trained on, if on_train_batch_end is not called."""
    return 1 if not self._in_fit else self._known_since_begun() or 1

  def _known_since_begun(self) -> Optional[int]:
    """Returns how many batches were trained on in fit(); None if unknown."""
    batches = self._batches_from(self._begun)
    if batches or backend.steps_per_execution(self.model) == 1:
      return batches or 1
    now = backend.iterations(self.model)
    return None if now is None or self._seen is None else max(1, now - self._seen)

  def _done(self, batches: int) -> None:
    self._begun = None
    if self._follows:
      self._updater.follow()
    else:
      self._updater.advance(batches)

  def _settle(self) -> None:
    """Decides whether a batch that began, without a call for its end, was trained on."""
    if self._begun is not None and not self._calls_batch_end:
      self._done(self._batches_since_begun())
    elif self._begun is not None:
      self._begun = None  # There was no such batch.
      self._updater.retract()

  def _check_begun(self) -> None:
    backend.check_eager('UpdatePruningStep')
    loops.model_of(self)
    if self._updater is None:
      raise errors.MissingCallbackError(
          'UpdatePruningStep has not begun: call its set_model(model) and on_train_begin() before '
          'the first batch, as fit() does')


def _is_chief() -> bool:
  """Whether this process is the one that writes files, by TF_CONFIG."""
  try:
    return TFConfig.read().is_chief is not False
  except errors.SpecError:
    return True


def _is_trained(layer: Layer) -> bool:
  """Whether a pruned layer is trained, not frozen."""
  return layer.pruning.trainable if layer.pruning.made else layer.trainable
