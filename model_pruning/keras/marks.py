# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds where the sizes of tensors are arguments in a Keras model, and how they change.

The inputs of a nested model have shapes, Reshape has a target shape, and functions may be called
with any sizes: h[..., 4:12], or tf.reshape(h, [-1, 8, 2]). The tensors that go in and out there
get names in the model's graph. The analysis of the graph says which of their axes are channels.
"""

import contextlib
import functools
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from model_pruning.channels.analysis import left
from model_pruning.channels.units import size_after
from model_pruning.channels.units import STAYS
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.util.types import Array
from model_pruning.util.types import Model

_Shape = List[Optional[int]]
# The layers of Keras 2 and 3 that call a function; other layers of Keras take sizes as they come.
_FUNCTIONS = ('Lambda', 'TFOpLambda', 'SlicingOpLambda', 'TensorFlowOpLayer', 'ClassMethod',
              'InstanceMethod', 'InstanceProperty')
_ANY = 2  # For sizes that are unknown.
_CLOSE = 1e-2  # Half precision rounds so; a wrong channel is another random number.
# The number of the call, whether the tensor goes in or out, and its place among the others.
_NAME = re.compile(r'model_pruning_(\d+)_(in|out)_(\d+)(?:_\d+)?:0$')


class _Call(NamedTuple):
  """A call of a layer or an operation, as it was traced.

  Attributes:
    of: the layer.
    call: its method.
    structure: its arguments, (positional, by name).
    shapes: by direction and place, the shape of each tensor.
  """
  of: Any
  call: Callable[..., Any]
  structure: Any
  shapes: Dict[Tuple[str, int], _Shape]


class Marks:
  """The places in a model where sizes are arguments."""

  def __init__(self, model: Model) -> None:
    """Finds the layers, at any depth."""
    self._nested = _nested_models(model)
    self._sized = [each for inner in (model, *self._nested) for each in _operations(inner)
                   if _has_sizes(each)]
    self._calls: List[_Call] = []
    self._axes: Dict[Tuple[int, str, int], Any] = {}

  @contextlib.contextmanager
  def made(self) -> Iterator[None]:
    """Names the tensors of the model when it is called within."""
    before = [(each, vars(each).get('call')) for each in (*self._nested, *self._sized)]
    try:
      for each, _ in before:
        object.__setattr__(each, 'call', self._marking(each, each.call))
      yield
    finally:
      for each, own in before:
        vars(each).pop('call', None)
        if own is not None:
          object.__setattr__(each, 'call', own)

  def _marking(self, each: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def marked(*args: Any, **kwargs: Any) -> Any:
      number, shapes = len(self._calls), {}  # type: int, Dict[Tuple[str, int], _Shape]

      def named(structure: Any, direction: str) -> Any:
        flat = tensorflow.nest.flatten(structure)
        for place, value in enumerate(flat):
          if tensorflow.is_tensor(value) and value.shape.rank is not None:
            shapes[direction, place] = value.shape.as_list()
            flat[place] = tf.identity(value, 'model_pruning_%d_%s_%d' % (number, direction, place))
        return tensorflow.nest.pack_sequence_as(structure, flat)

      args, kwargs = named((args, kwargs), 'in')
      self._calls.append(_Call(each, call, (args, kwargs), shapes))
      return named(call(*args, **kwargs), 'out')

    return marked

  def find(self, axes: Mapping[str, Any]) -> None:
    """Takes the axes of all tensors in the graph, by their names."""
    for name, found in axes.items():
      match = _NAME.search(name)
      if match:
        self._axes[int(match.group(1)), match.group(2), int(match.group(3))] = found

  def inputs(self, removed: Array) -> Dict[int, List[_Shape]]:
    """Returns the shapes of the inputs of nested models, by their ids.

    Args:
      removed: whether each unit is removed, bool.
    """
    found = {id(model): [list(tensor.shape) for tensor in model.inputs] for model in self._nested}
    for (number, direction, place), axes in self._axes.items():
      model = self._calls[number].of
      shapes = found.get(id(model))
      if shapes is not None and direction == 'in' and place < len(shapes):
        shapes[place] = _after(list(model.inputs[place].shape), axes, removed)
    return found

  def targets(self, removed: Array) -> Dict[int, Tuple[int, ...]]:
    """Returns the target shapes of layers that reshape, by their ids. Args: see inputs."""
    return {id(call.of): self._target(number, removed) for number, call in enumerate(self._calls)
            if _reshapes(call.of) and (number, 'out', 0) in self._axes}

  def _target(self, number: int, removed: Array) -> Tuple[int, ...]:
    call = self._calls[number]
    after = _after(call.shapes['out', 0], self._axes[number, 'out', 0], removed)
    return tuple(before if before == -1 or size is None else size
                 for before, size in zip(call.of.target_shape, after[1:]))

  def fixed(self, removed: Array) -> List[Array]:
    """Returns the units that no layer can be without, because a size of them is an argument.

    Args:
      removed: whether each unit is removed in a trial: a part of all channels.
    """
    found = []
    for number, call in enumerate(self._calls):
      known = {key[1:]: axes for key, axes in self._axes.items() if key[0] == number}
      units = [axis[axis != STAYS] for axes in known.values() for axis in axes if axis is not None]
      if not units or any(call.of is model for model in self._nested):
        continue
      if _reshapes(call.of):
        targets = {self._target(other, removed) for other, each in enumerate(self._calls)
                   if each.of is call.of and (other, 'out', 0) in self._axes}
        works = len(targets) == 1 and ('out', 0) in known
      else:
        works = _is_undeclared(call, known, removed) and _computes_alike(call, known, removed)
      if not works:
        found.extend(units)
    return found


def _after(shape: _Shape, axes: Any, removed: Array) -> _Shape:
  """Returns a shape without the removed units."""
  return [size if size is None or axis is None else size_after(axis, size, removed)
          for size, axis in zip(shape, axes or [None] * len(shape))]


def _is_undeclared(call: _Call, axes: Mapping[Tuple[str, int], Any], removed: Array) -> bool:
  """Whether the shape of the result, if it is an argument of a Lambda, stays as it is.

  A Lambda cannot be copied with other arguments, and Keras 2 does not look at this one.
  """
  declared = getattr(call.of, '_output_shape', None)
  if not backend.IS_KERAS_3 or not isinstance(declared, (tuple, list)):
    return True
  return all(_after(shape, axes.get((direction, place)), removed) == shape
             for (direction, place), shape in call.shapes.items() if direction == 'out')


def _computes_alike(call: _Call, axes: Mapping[Tuple[str, int], Any], removed: Array) -> bool:
  """Whether a call computes without the removed units what it does where they are zero."""
  rng, flat = np.random.RandomState(0), tensorflow.nest.flatten(call.structure)
  whole, smaller = list(flat), list(flat)
  for (direction, place), shape in call.shapes.items():
    if direction == 'in':
      dtype = flat[place].dtype
      value = rng.uniform(0.5, 2, [_ANY if size is None else size for size in shape])
      value = value if dtype.is_floating else value.astype(np.int32)
      stays = _stays(axes.get((direction, place)), removed)
      for axis, indices in stays.items():
        hidden = np.ones(value.shape[axis], bool)
        hidden[indices] = False
        value[(slice(None),) * axis + (hidden,)] = 0
      whole[place] = tf.cast(value, dtype)
      smaller[place] = tf.cast(_taken(value, stays), dtype)
  try:
    results = []
    for given in (whole, smaller):
      args, kwargs = tensorflow.nest.pack_sequence_as(call.structure, given)
      results.append([np.asarray(each, np.float64) for each in tensorflow.nest.flatten(
          call.call(*args, **kwargs))])
  except Exception:  # Raised by the layer's own code.
    return False
  return all(
      expected.shape == found.shape and np.allclose(expected, found, _CLOSE, _CLOSE)
      for expected, found in zip([
          _taken(each, _stays(axes.get(('out', place)), removed))
          for place, each in enumerate(results[0])], results[1]))


def _stays(axes: Any, removed: Array) -> Dict[int, Array]:
  """Returns, by axis of a tensor, the indices that stay; nothing for axes without channels."""
  return {place: left(axis, removed) for place, axis in enumerate(axes or ()) if axis is not None}


def _taken(value: Array, stays: Mapping[int, Array]) -> Array:
  for axis, indices in stays.items():
    value = np.take(value, indices, axis=axis)
  return value


def _nested_models(model: Model) -> List[Model]:
  """Returns the functional and Sequential models in a model, at any depth."""
  found = []
  for layer in map(backend.called, getattr(model, 'layers', ())):
    if backend.is_layer(layer) and backend.is_functional(layer):
      found += [layer, *_nested_models(layer)]
  return found


def _operations(model: Model) -> List[Any]:
  """Returns the layers of a model and, of Keras 3, its operations that are no layers."""
  operations: Any = getattr(model, 'operations', None)
  return list(map(backend.called, operations or getattr(model, 'layers', ())))


def _reshapes(layer: Any) -> bool:
  return type(layer).__name__ == 'Reshape' and hasattr(layer, 'target_shape')


def _has_sizes(each: Any) -> bool:
  """Whether a layer or an operation may be written for one size of its inputs."""
  if not backend.is_layer(each):
    return True
  kind = backend.plain_class(each)
  if backend.is_functional(each):
    return False
  return _reshapes(each) or not backend.is_keras_own(kind) or kind.__name__ in _FUNCTIONS
