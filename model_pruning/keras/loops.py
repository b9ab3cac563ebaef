# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop that calls a callback: fit(), or a custom loop."""

from typing import Any, Callable
import weakref

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.keras import backend
from model_pruning.keras.pruned import pruned_layers
from model_pruning.util.types import Model


def model_of(callback: Any) -> Model:
  """Returns the model that was set on a callback.

  Raises:
    errors.MissingCallbackError: no model was set.
    errors.LayerError: something other than a model was set.
  """
  model, name = getattr(callback, 'model', None), type(callback).__name__
  if model is None:
    raise errors.MissingCallbackError(
        '%s has no model: call its set_model(model) before its other methods, as fit() does' % name)
  if not backend.is_layer(model):
    raise errors.LayerError('set_model() of %s was called with %r; it takes the Keras model to '
                            'train' % (name, model))
  return model


def fit_of(model: Model) -> Callable[[], bool]:
  """Returns a predicate: is this fit() still the model's latest one?

  Every fit() sets a new History on the model. In Keras 2 evaluate() and predict() do so too, but
  only the History of a fit() counts epochs.
  """
  model_of_fit = weakref.ref(model)
  history = getattr(model, 'history', None)
  own = None if history is None else weakref.ref(history)

  def same() -> bool:
    now = getattr(model_of_fit(), 'history', None)
    return now is None or (own is not None and now is own()) or not hasattr(now, 'epoch')

  return same


# Exceptions by which a train function signals the end of the data.
_ENDS = (StopIteration, tensorflow.errors.OutOfRangeError)


def watch(model: Model, expects: Callable[[], bool], trained: Callable[[], None],
          interrupted: Callable[[], None]) -> None:
  """Makes the model say when it has trained, and raise if a later fit() has no callback.

  A fit() that is interrupted, by Ctrl-C or by an error in the data, a layer or a callback,
  calls no on_train_end(). Keras keeps the train function that it has built, and the next
  fit() uses it.

  Args:
    model: the model; it has a train_function.
    expects: whether the callback was called for the batch that is about to be trained on.
    trained: called after a call of the train function, before any callback is.
    interrupted: called if a batch fails.
  """
  unwatch(model)
  function, same_fit = model.train_function, fit_of(model)
  ended = [False]

  def watched(*args: Any, **kwargs: Any) -> Any:
    if ended[0] or not same_fit() or not expects():
      ended[0] = True
      _check_attended(model)
      return function(*args, **kwargs)
    try:
      logs = function(*args, **kwargs)
      trained()
      return logs
    except _ENDS:
      raise
    except BaseException:
      ended[0] = True
      interrupted()
      raise

  watched.unwatched = function  # type: ignore[attr-defined]
  watched.trained = trained  # type: ignore[attr-defined]
  model.train_function = watched


def is_watched_by_another(model: Model, trained: Callable[[], None]) -> bool:
  """Whether a later watch() with another `trained` replaced this one."""
  watcher = getattr(getattr(model, 'train_function', None), 'trained', trained)
  return bool(watcher != trained)


def unwatch(model: Model) -> None:
  """Undoes watch()."""
  function = getattr(getattr(model, 'train_function', None), 'unwatched', None)
  if function is not None:
    model.train_function = function


def _check_attended(model: Model) -> None:
  """Raises errors.MissingCallbackError if the model has pruned layers that are not frozen."""
  for layer in pruned_layers(model):
    pruning = layer.pruning
    pruning.attend(False, pruning.optimizer)
  for layer in pruned_layers(model):
    if layer.pruning.trainable:
      stale = layer.pruning.stale
      try:
        layer.pruning.check_attended()
      finally:
        layer.pruning.stale = stale  # No function was built that would have to be rebuilt.
