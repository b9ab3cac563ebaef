# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""State of layers that is in neither their weights nor their configs: plain attributes."""

import dis
import functools
import inspect
import types
from typing import Any, Dict, FrozenSet, List, Tuple

import numpy as np

from model_pruning.compat import tensorflow
from model_pruning.keras import backend
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.util.types import Layer

_PLAIN = (bool, bytes, complex, float, int, str, type(None))

_NOT_COPIED = object()

# Attributes that fit(), loading, tracking and pruning set on a model, and that a copy makes itself.
_OF_TRAINING = frozenset((
    '_obj_reference_counts_dict', '_serialized_attributes', 'build', 'history', 'optimizer',
    'predict_function', 'pruning', 'test_function', 'train_function'))


def names(layer: Layer, other: Any) -> List[str]:
  """Returns the attributes in which two layers of one class may differ in what they compute.

  These are the attributes that Keras's own code does not set and, for Keras's own layers, the
  functions and parts (for example regularizers) from user code, unless they were passed to
  compile(). The config covers the rest.
  """
  found = {name for each in (layer, other) for name in vars(each)
           if name not in _OF_TRAINING and not name.startswith('_added_')}
  of_users = found - _set_by_keras(type(layer))  # type: ignore[arg-type]
  if backend.is_keras_own(backend.plain_class(layer)):
    of_users.update(name for name in found - _set_by_compile()
                    if _is_users(vars(layer).get(name)))
  return sorted(of_users)


def carry_over(layer: Layer, other: Any) -> None:
  """Copies to a layer's copy the attributes that the config does not cover.

  Numbers, strings, arrays and collections of them are copied. Other objects are shared, if the
  copy has no attribute of that name, unless they hold layers, variables or similar objects. Methods
  of the layer become methods of the copy.
  """
  for name in names(layer, other):
    if name not in vars(layer):
      continue
    ours, theirs = vars(layer)[name], vars(other).get(name)
    if isinstance(ours, tensorflow.Variable) and isinstance(theirs, tensorflow.Variable):
      if ours is not theirs and ours.shape == theirs.shape and ours.dtype == theirs.dtype:
        theirs.assign(ours)
    elif not Comparison().same(ours, theirs):
      # Saving a SavedModel with Keras 2 leaves each layer its own `call` as an attribute.
      value = types.MethodType(ours.__func__, other) if (
          isinstance(ours, types.MethodType) and ours.__self__ is layer) else _copied(
              ours, share=name not in vars(other))
      if value is not _NOT_COPIED:
        with variables.unlocked(other):
          setattr(other, name, value)


def short(value: Any) -> str:
  """Returns a value as text for a message, of at most 40 characters."""
  text = repr(value) if isinstance(value, _PLAIN) else 'a %s' % type(value).__name__
  return text if len(text) <= 40 else text[:37] + '...'


def _copied(value: Any, share: bool) -> Any:
  """Returns a copy of an attribute, or _NOT_COPIED.

  Args:
    value: an attribute.
    share: whether to return what cannot be copied as it is, instead of _NOT_COPIED.
  """
  if isinstance(value, (*_PLAIN, np.generic)):
    return value
  if isinstance(value, np.ndarray):
    return value.copy()
  if isinstance(value, (dict, list, set, tuple)):  # Also Keras's and TensorFlow's wrappers of them.
    values = [_copied(each, share) for each in (
        value.values() if isinstance(value, dict) else value)]
    if any(each is _NOT_COPIED for each in values):
      return _NOT_COPIED
    if isinstance(value, dict):
      return dict(zip(value, values))
    if hasattr(value, '_fields'):
      return type(value)(*values)
    return next(kind for kind in (list, set, tuple) if isinstance(value, kind))(values)
  if not share or backend.is_layer(value) or isinstance(
      value, (tensorflow.Variable, tensorflow.Module, keras.metrics.Metric,
              keras.optimizers.Optimizer)) or variables.is_variable(value):
    return _NOT_COPIED
  return value


class Comparison:
  """Compares user objects by their attributes, and Keras objects by their configs."""

  def __init__(self) -> None:
    self._seen: Dict[Tuple[int, int], Any] = {}

  def same(self, ours: Layer, theirs: Layer) -> bool:
    """Whether a model would treat two values alike; False if that is uncertain."""
    try:
      return self._same(ours, theirs)
    except Exception:  # For example of a user's __eq__; pandas tables have no truth value.
      return False

  def _same(self, ours: Layer, theirs: Layer) -> bool:
    if ours is theirs or (id(ours), id(theirs)) in self._seen:
      return True
    self._seen[id(ours), id(theirs)] = ours, theirs  # Kept alive, so that no id is reused.
    if backend.is_layer(ours) or variables.is_variable(ours) or isinstance(
        ours, (keras.metrics.Metric, keras.optimizers.Optimizer)):
      return type(ours) is type(theirs)  # Compared elsewhere, or not part of the model.
    if isinstance(ours, (tensorflow.Variable, tensorflow.Tensor, np.ndarray, np.generic)):
      return type(ours) is type(theirs) and _equal(ours, theirs)
    if isinstance(ours, _PLAIN):
      return isinstance(theirs, _PLAIN) and (ours == theirs or ours != ours and theirs != theirs)
    if isinstance(ours, dict):
      return isinstance(theirs, dict) and list(ours) == list(theirs) and all(
          self.same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, (list, tuple)):
      return isinstance(theirs, (list, tuple)) and len(ours) == len(theirs) and all(
          map(self.same, ours, theirs))
    if isinstance(ours, (set, frozenset)):
      return ours == theirs
    if isinstance(ours, types.MethodType):
      return isinstance(theirs, types.MethodType) and ours.__func__ is theirs.__func__
    if isinstance(ours, functools.partial):
      return isinstance(theirs, functools.partial) and self.same(
          [ours.func, ours.args, ours.keywords], [theirs.func, theirs.args, theirs.keywords])
    if isinstance(ours, types.FunctionType):
      return isinstance(theirs, types.FunctionType) and ours.__code__ is theirs.__code__ and (
          self.same(_held(ours), _held(theirs)))
    if type(ours) is not type(theirs):
      return False
    if backend.is_keras_own(type(ours)):
      if hasattr(ours, 'get_config'):
        # Keras numbers the names of generators of random numbers in each program.
        return self.same(*({key: value for key, value in each.get_config().items() if key != 'name'}
                           for each in (ours, theirs)))
      return not hasattr(ours, 'resource_handle')  # Lookup tables: configs lack contents.
    if not hasattr(ours, '__dict__'):
      return bool(ours == theirs)
    return self.same(vars(ours), vars(theirs))


def _held(function: Any) -> List[Any]:
  """Returns a function's defaults and the values in its closure."""
  return [function.__defaults__, inspect.getclosurevars(function).nonlocals]


def _is_users(value: Any) -> bool:
  """Whether a value is a function or a part (for example a regularizer) from user code."""
  if isinstance(value, (types.FunctionType, types.MethodType)):
    return not backend.is_keras_own(value)
  return hasattr(value, 'get_config') and not isinstance(value, type) and not backend.is_layer(
      value) and not backend.is_keras_own(type(value))


def _equal(ours: Layer, theirs: Layer) -> bool:
  ours, theirs = np.asarray(ours), np.asarray(theirs)
  if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
    return False
  return np.array_equal(ours, theirs) or ours.dtype.kind == 'f' and np.array_equal(
      ours, theirs, equal_nan=True)


@functools.lru_cache(maxsize=None)
def _set_by_keras(layer_class: type) -> FrozenSet[str]:
  """Returns the attributes that Keras's own code sets on layers of a class."""
  names = set(vars(keras.layers.Layer()))
  for base in layer_class.__mro__:
    if backend.is_keras_own(base):
      for value in vars(base).values():
        for function in (value, getattr(value, 'fget', None), getattr(value, 'fset', None)):
          names.update(_set_by(function))
  return frozenset(names)


@functools.lru_cache(maxsize=None)
def _set_by_compile() -> FrozenSet[str]:
  """Returns the attributes that compile() sets on a model, none of which changes its outputs."""
  return _set_by(keras.Model.compile)


def _set_by(function: Any) -> FrozenSet[str]:
  """Returns the attributes that a function sets; none if it is none."""
  function = inspect.unwrap(function) if callable(function) else None
  code = getattr(function, '__code__', None)
  return frozenset() if code is None else frozenset(
      str(step.argval) for step in dis.get_instructions(code) if step.opname == 'STORE_ATTR')
