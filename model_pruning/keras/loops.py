# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop that calls a callback: fit(), or one that its user wrote."""

from typing import Any, Callable
import weakref

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.keras import backend
from model_pruning.keras.pruned import pruned_layers


def model_of(callback: Any) -> Any:
  """Returns the model that a callback was given.

  Raises:
    errors.MissingCallbackError: it was given none.
    errors.LayerError: it was given something else.
  """
  model, name = getattr(callback, 'model', None), type(callback).__name__
  if model is None:
    raise errors.MissingCallbackError(
        '%s has no model: call its set_model(model) before its other methods, as fit() does' % name)
  if not backend.is_layer(model):
    raise errors.LayerError('set_model() of %s was called with %r; it takes the Keras model that '
                            'is trained' % (name, model))
  return model


def fit_of(model: Any) -> Callable[[], bool]:
  """Returns a function that says whether no other fit() of the model has begun since.

  Every fit() gives the model a History, and so do evaluate() and predict() of Keras 2; but only
  the History of a fit() counts epochs.
  """
  model_of_fit = weakref.ref(model)
  history = getattr(model, 'history', None)
  own = None if history is None else weakref.ref(history)

  def same() -> bool:
    now = getattr(model_of_fit(), 'history', None)
    return now is None or (own is not None and now is own()) or not hasattr(now, 'epoch')

  return same


# With these a train function says that the data has ended.
_ENDS = (StopIteration, tensorflow.errors.OutOfRangeError)


def watch(model: Any, expects: Callable[[], bool], interrupted: Callable[[], None]) -> None:
  """Has the model raise where a fit() goes on without the callback that looked after another.

  A fit() that is interrupted, by Ctrl-C or by an error in the data, a layer or a callback,
  calls no on_train_end(). The train function that Keras has built stays, and the next fit()
  uses it.

  Args:
    model: it has a train_function.
    expects: says whether the callback was told of the batch that is about to be trained on.
    interrupted: is called where a batch fails.
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
      return function(*args, **kwargs)
    except _ENDS:
      raise
    except BaseException:
      ended[0] = True
      interrupted()
      raise

  watched.unwatched = function  # type: ignore[attr-defined]
  model.train_function = watched


def unwatch(model: Any) -> None:
  """Undoes watch()."""
  function = getattr(getattr(model, 'train_function', None), 'unwatched', None)
  if function is not None:
    model.train_function = function


def _check_attended(model: Any) -> None:
  """Raises errors.MissingCallbackError if layers are pruned, and not frozen."""
  for layer in pruned_layers(model):
    pruning = layer.pruning
    pruning.attend(False, pruning.optimizer)
  for layer in pruned_layers(model):
    if layer.pruning.trainable:
      stale = layer.pruning.stale
      try:
        layer.pruning.check_attended()
      finally:
        layer.pruning.stale = stale  # No function was built that would have to be built anew.
