# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Graphs of Keras models without loops: recurrent layers step by step.

Channels are not followed into loops. In an unrolled graph the units of a recurrent layer are
channels like others: a state starts with zeros, goes through the cell, and into the next step.
"""

import contextlib
import functools
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.keras import exporting
from model_pruning.keras import graphs
from model_pruning.keras.widths import kind_of
from model_pruning.util.types import Layer
from model_pruning.util.types import Model

# Steps of inputs that may have any number of them, if there are no examples.
_STEPS = 8
# Each step takes about 20 operations per layer, and a second takes some hundreds.
_MOST_STEPS = 256
_ABSENT = object()
_RECURRENT = ('GRU', 'LSTM', 'RNN', 'SimpleRNN')


def freeze(model: Model, examples: Any = None) -> exporting.FrozenModel:
  """Returns the graph of a model, with as few loops as possible.

  Sizes of inputs that the model leaves open are fixed if recurrent layers need it. If the model
  cannot be traced so, or takes too many steps, its loops stay.

  Args:
    model: see exporting.freeze.
    examples: arrays in the structure of the inputs, which give the number of steps; or None.

  Raises:
    errors.LayerError, errors.ConversionError: see exporting.freeze.
  """
  rolled = [layer for layer in backend.layers_in(model) if _is_rolled(layer)]
  inputs = backend.inputs_of(model)
  if not rolled or inputs is None:
    return exporting.freeze(model)
  stateful = [layer for layer in rolled if layer.stateful]
  if stateful:
    _log_whole(model, stateful, 'stateful=True')
  layers = [layer for layer in rolled if not layer.stateful]
  too_long: List[str] = []
  try:
    with _unrolled(layers, too_long):
      return exporting.freeze(model, _shapes(inputs, examples))
  except errors.ConversionError as error:
    # A size does not fit, or a layer takes the number of steps from elsewhere.
    _log_whole(model, layers, too_long[0] if too_long else 'they cannot be unrolled (%s)' % error)
  return exporting.freeze(model)


def _is_rolled(layer: Layer) -> bool:
  return kind_of(layer) in _RECURRENT and not layer.unroll


def _log_whole(model: Model, layers: List[Layer], reason: str) -> None:
  if layers:
    logging.warning('%s: these recurrent layers keep all units: %s: %s', model.name,
                    ', '.join(layer.name for layer in layers), reason)


def _shapes(inputs: Any, examples: Any) -> Dict[str, Sequence[Any]]:
  """Returns the shape of each input, by its name: only the number of examples may be open."""
  flat = tensorflow.nest.flatten(inputs)
  given = [np.shape(each) for each in tensorflow.nest.flatten(examples)
           ] if examples is not None else []
  shapes: Dict[str, Sequence[Any]] = {}
  for index, tensor in enumerate(flat):
    shape = list(tensor.shape)
    known = given[index] if len(given) == len(flat) and len(given[index]) == len(shape) else [
        _STEPS] * len(shape)
    shapes[graphs.op_name(tensor.name.split(':')[0])] = shape[:1] + [
        int(other) if size is None else size for size, other in zip(shape[1:], known[1:])]
  return shapes


@contextlib.contextmanager
def _unrolled(layers: List[Layer], too_long: List[str]) -> Iterator[None]:
  """Unrolls layers where they are called within; see _stepwise."""
  changes: List[Tuple[Layer, str, Any]] = [(layer, 'call', _stepwise(layer, too_long))
                                           for layer in layers]
  changes += [(layer, name, name == 'unroll') for layer in layers
              for name in ('unroll', '_could_use_gpu_kernel') if name in vars(layer)]
  changes += [(layer, 'go_backwards', False) for layer in layers if _sets_zeros_backwards(layer)]
  before = [(layer, name, vars(layer).get(name, _ABSENT)) for layer, name, _ in changes]
  try:
    for layer, name, value in changes:
      object.__setattr__(layer, name, value)
    yield
  finally:
    for layer, name, value in before:
      if value is _ABSENT:
        object.__delattr__(layer, name)
      else:
        object.__setattr__(layer, name, value)


def _sets_zeros_backwards(layer: Layer) -> bool:
  """Whether Keras's unrolled steps would set zeros by the mask of the other direction."""
  return layer.go_backwards and getattr(layer, 'zero_output_for_mask', False)


def _stepwise(layer: Layer, too_long: List[str]) -> Callable[..., Any]:
  """Returns the call of a layer for so many steps at most, which may reverse its inputs itself.

  Args:
    layer: a recurrent layer.
    too_long: takes a reason if there are too many steps, before ValueError is raised.
  """
  call, backwards = layer.call, _sets_zeros_backwards(layer)
  axis = 0 if getattr(layer, 'time_major', False) else 1

  @functools.wraps(call)
  def stepwise(inputs: Any, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
    steps = tensorflow.nest.flatten(inputs)[0].shape[axis]
    if steps is not None and steps > _MOST_STEPS:
      too_long.append('%d time steps, of which %d can be unrolled' % (steps, _MOST_STEPS))
      raise ValueError(too_long[-1])
    if backwards:
      inputs, mask = (None if each is None else tf.reverse(each, [axis])
                      for each in (inputs, mask))
    return call(inputs, *args, mask=mask, **kwargs)

  return stepwise
