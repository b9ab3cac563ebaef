# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The calls of a functional Keras model, and which call feeds which.

Keras records each call of a layer in a node, but exports no way to read the nodes. Models inside
a model are expanded: their layers appear as if they were layers of the outer model.
"""

from typing import Any, Dict, List, Optional

from model_pruning.keras.backend import keras
from model_pruning.util.types import Layer
from model_pruning.util.types import Model


class Call:
  """One call of a layer, or of an operation of Keras 3 that is not a layer.

  Attributes:
    layer: the layer or operation.
    producers: the calls whose outputs it takes, each once.
    consumers: the calls that take its outputs, each once.
    is_output: whether one of its outputs is an output of the model.
  """

  def __init__(self, layer: Layer) -> None:
    self.layer = layer
    self.producers: List['Call'] = []
    self.consumers: List['Call'] = []
    self.is_output = False


def calls_of(model: Model) -> Optional[List[Call]]:
  """Returns the calls of a model, producers before consumers; None if the model has no graph.

  The calls of its InputLayers come first.
  """
  network = _network(model)
  if network is None:
    return None
  calls: List[Call] = []
  made_by: Dict[int, Call] = {}
  _add_calls(network, made_by, calls)
  for tensor in _tensors(network.outputs):
    made_by[id(tensor)].is_output = True
  return calls


def _network(model: Model) -> Any:
  """Returns the object with a model's nodes: the model itself, or a Sequential's inner model.

  Returns None for a model without nodes: a subclass, or a model that is not built.
  """
  if not isinstance(model, keras.Model):
    return None
  model = getattr(model, '_functional', None) or model
  return model if getattr(model, '_nodes_by_depth', None) else None


def _add_calls(network: Any, made_by: Dict[int, Call], calls: List[Call]) -> None:
  """Appends the calls of a network.

  Args:
    network: result of _network.
    made_by: {id of a symbolic tensor: the call whose output it is}; extended. If it already
      has the network's inputs, these are fed from outside.
    calls: extended.
  """
  # An inner model has the same tensors for each of its calls, so ignore those in made_by until
  # this call has made them.
  nodes = [node for depth in sorted(network._nodes_by_depth, reverse=True)
           for node in network._nodes_by_depth[depth]]
  fed = {id(tensor) for tensor in _tensors(network.inputs) if id(tensor) in made_by}
  for node in nodes:
    outputs = _tensors(node.output_tensors)
    if all(id(tensor) in fed for tensor in outputs):
      continue
    layer = node.operation if hasattr(node, 'operation') else node.layer
    # keras_inputs includes inputs passed by keyword; Keras 3 has all in input_tensors.
    inputs = [] if node.is_input else _tensors(getattr(node, 'keras_inputs', node.input_tensors))
    inner = _network(layer)
    if inner is None:
      call = Call(layer)
      for tensor in inputs:
        producer = made_by[id(tensor)]
        if producer not in call.producers:
          call.producers.append(producer)
          producer.consumers.append(call)
      calls.append(call)
      made_by.update((id(tensor), call) for tensor in outputs)
    else:
      scope = {id(inside): made_by[id(outside)]
               for inside, outside in zip(_tensors(inner.inputs), inputs)}
      _add_calls(inner, scope, calls)
      made_by.update((id(outside), scope[id(inside)])
                     for inside, outside in zip(_tensors(inner.outputs), outputs))


def _tensors(value: Any) -> List[Any]:
  """Returns the symbolic tensors in a structure, in order."""
  if isinstance(value, dict):
    return [tensor for key in sorted(value) for tensor in _tensors(value[key])]
  if isinstance(value, (list, tuple)):
    return [tensor for each in value for tensor in _tensors(each)]
  return [] if value is None else [value]
