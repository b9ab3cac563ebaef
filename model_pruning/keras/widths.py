# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The widths of Keras layers: which arguments set them, and copies with others."""

import operator
from typing import Any, Dict, List, Mapping, Optional, Set, Tuple

from model_pruning.channels.trace import Place
from model_pruning.compat import tensorflow
from model_pruning.export.smaller import Width
from model_pruning.keras import backend
from model_pruning.keras import copying
from model_pruning.keras import variables
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Variable

# By layer: the argument that sets its width, if any, the weight, and the axis it sets.
_WIDTHS: Dict[str, Optional[Tuple[str, str, int]]] = {
    'Dense': ('units', 'kernel', -1),
    'Conv1D': ('filters', 'kernel', -1),
    'Conv2D': ('filters', 'kernel', -1),
    'Conv3D': ('filters', 'kernel', -1),
    'Conv1DTranspose': ('filters', 'kernel', -2),
    'Conv2DTranspose': ('filters', 'kernel', -2),
    'Conv3DTranspose': ('filters', 'kernel', -2),
    'SeparableConv1D': ('filters', 'pointwise_kernel', -1),
    'SeparableConv2D': ('filters', 'pointwise_kernel', -1),
    'Embedding': ('output_dim', 'embeddings', -1),
    'GRU': ('units', 'cell.recurrent_kernel', 0),
    'GRUCell': ('units', 'recurrent_kernel', 0),
    'LSTM': ('units', 'cell.recurrent_kernel', 0),
    'LSTMCell': ('units', 'recurrent_kernel', 0),
    'SimpleRNN': ('units', 'cell.recurrent_kernel', 0),
    'SimpleRNNCell': ('units', 'recurrent_kernel', 0),
    'DepthwiseConv1D': None,
    'DepthwiseConv2D': None,
    'BatchNormalization': None,
    'LayerNormalization': None,
    'PReLU': None,
}

# By layer: the arguments that are layers, and the attributes with those.
_INNER: Dict[str, Dict[str, str]] = {
    'Bidirectional': {'layer': 'forward_layer', 'backward_layer': 'backward_layer'},
    'RNN': {'cell': 'cell'},
    'StackedRNNCells': {'cells': 'cells'},
}


def weights_of_free_layers(model: Model) -> Set[int]:
  """Returns the ids of the variables of layers whose widths can be set, at any depth."""
  found: Set[int] = set()
  for layer in map(backend.called, model.layers):
    if backend.is_layer(layer) and backend.is_functional(layer):
      found |= weights_of_free_layers(layer)
    elif _is_free(layer):
      found |= set(map(id, layer.weights))
  return found


def _is_free(layer: Layer) -> bool:
  """Whether the width of a layer, pruned or not, can be set, or follows from its inputs."""
  if not backend.is_layer(layer):
    return False
  inner = _inner(layer).values()
  if inner:
    return all(map(_is_free, tensorflow.nest.flatten(list(inner))))
  # LoRA adds a product of two weights, which no argument makes again.
  return kind_of(layer) in _WIDTHS and not getattr(layer, 'lora_enabled', False)


def _inner(layer: Layer) -> Dict[str, Any]:
  """Returns the layers that are arguments of a layer, alone or in a list, by the arguments."""
  return {argument: getattr(layer, attribute)
          for argument, attribute in _INNER.get(kind_of(layer) or '', {}).items()}


def alike(model: Model, names: Mapping[int, str]) -> List[Tuple[Place, Place]]:
  """Returns pairs of axes of weights that lose the same positions, beyond what the graph says.

  The unit j of a cell has row j of its recurrent kernel and, in its first gate, column j. In a
  graph with one step, that row meets nothing but zeros. Both directions of a Bidirectional have
  one width: Keras 3 takes them as equally wide.

  Args:
    model: a model.
    names: the names of weights by their ids.
  """
  def rows(layer: Layer) -> List[Place]:
    return [(names[id(each.recurrent_kernel)], 0) for each in backend.layers_in(layer)
            if _is_cell(each) and id(each.recurrent_kernel) in names]

  found = []
  for layer in backend.layers_in(model):
    if _is_cell(layer):
      found += [((name, 0), (name, 1)) for name, _ in rows(layer)]
    elif kind_of(layer) == 'Bidirectional':
      found += zip(rows(layer.forward_layer), rows(layer.backward_layer))
  return found


def _is_cell(layer: Layer) -> bool:
  return kind_of(layer) in ('GRUCell', 'LSTMCell', 'SimpleRNNCell')


def kind_of(layer: Layer) -> Optional[str]:
  """Returns the name of the class of a layer, pruned or not; None if it is not Keras's own."""
  kind = backend.plain_class(layer)
  return kind.__name__ if backend.is_keras_own(kind) else None


class Narrower(copying.Changes):
  """Gives the copy of a model the widths and weights without the removed channels."""

  def __init__(self, widths: Mapping[int, Width], refitted: Mapping[int, Any],
               inputs: Mapping[int, List[List[Optional[int]]]],
               targets: Mapping[int, Tuple[int, ...]]) -> None:
    """Creates the changes.

    Args:
      widths: the weights that get smaller, by their ids.
      refitted: new values of weights, of their shapes before the removal, by their ids.
      inputs: the shapes of the inputs of nested models, by their ids.
      targets: the target shapes of layers that reshape, by their ids.
    """
    self._widths = widths
    self._refitted = refitted
    self._inputs = inputs
    self._targets = targets

  def inputs(self, model: Model) -> Any:
    shapes = self._inputs.get(id(model))
    if shapes is None or shapes == [list(tensor.shape) for tensor in model.inputs]:
      return super().inputs(model)
    return backend.inputs_of_shapes(model, shapes)

  def arguments(self, layer: Layer) -> Dict[str, Any]:
    if id(layer) in self._targets:
      return {'target_shape': self._targets[id(layer)]}
    if _inner(layer):
      known = layer.get_config()  # Keras 2 makes the backward layer if it was given none.
      return {argument: [self._changed(*pair) for pair in zip(known[argument], inner)]
              if isinstance(inner, (list, tuple)) else self._changed(known[argument], inner)
              for argument, inner in _inner(layer).items() if argument in known}
    width = _WIDTHS.get(kind_of(layer) or '')
    if width is None:
      return {}
    argument, attribute, axis = width
    changed = self._widths.get(id(operator.attrgetter(attribute)(layer)))
    if changed is None or changed.indices[axis] is None:
      return {}
    arguments = {argument: changed.after[axis]}
    if getattr(layer, 'groups', 1) > 1 and changed.indices[-2] is None:  # Whole groups go.
      arguments['groups'] = layer.groups * changed.after[axis] // changed.before[axis]
    return arguments

  def _changed(self, config: Mapping[str, Any], layer: Layer) -> Dict[str, Any]:
    """Returns the config of the copy of a layer that is in another one, given the original's."""
    changed = {key: value for key, value in config.items() if key != 'build_config'}  # Of shapes.
    changed['config'] = {**config['config'], **self.arguments(layer)}
    return changed

  def value(self, weight: Variable) -> Any:
    if id(weight) not in self._widths and id(weight) not in self._refitted:
      return super().value(weight)
    value = variables.to_array(self._refitted.get(id(weight), weight))
    changed = self._widths.get(id(weight))
    return value if changed is None else changed.cut(value)
