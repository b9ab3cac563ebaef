# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes the smaller graph: cuts constants, and changes the lengths that operations hold."""

import collections
from typing import Any, Dict, List, Mapping, Optional, Set

import numpy as np

from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import left
from model_pruning.channels.shifts import RESHAPES
from model_pruning.channels.shifts import SAME
from model_pruning.channels.shifts import source
from model_pruning.channels.step import dims_of
from model_pruning.channels.step import elements_in
from model_pruning.channels.step import Length
from model_pruning.channels.step import Parts
from model_pruning.channels.step import Positions
from model_pruning.channels.step import Squeezed
from model_pruning.channels.units import is_removed
from model_pruning.compat import tf
from model_pruning.reading import tensors
from model_pruning.util.types import Array
from model_pruning.util.types import DType
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef
from model_pruning.util.types import Tensor


def without(channels: Channels, removed: Array) -> GraphDef:
  """Returns the graph without some units.

  Args:
    channels: the channels of a frozen graph.
    removed: whether each unit is removed, bool.
  """
  return _Writer(channels, removed).graph_def


def masked(channels: Channels, removed: Array) -> GraphDef:
  """Returns the graph with zeros in all slices of some units.

  Constants to divide by have ones there, as have constants of which a root or logarithm is taken:
  their channels are zero, or are read by zeros, and must not become infinite or NaN.
  """
  result = tf.GraphDef()
  result.CopyFrom(channels.trace.graph_def)
  never_zero = _never_zero(result)
  for node in result.node:
    axes = channels.trace.weights.get(node.name, ())
    if any(axis is not None and is_removed(axis, removed).any() for axis in axes):
      value = np.array(tensors.to_array(node.attr['value'].tensor, node.name))
      for place, axis in enumerate(axes):
        if axis is not None:
          np.moveaxis(value, place, 0)[is_removed(axis, removed)] = node.name in never_zero
      node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
  return result


# Operations with a pole, or a slope of infinity, at zero: the number of the operand.
_POLES = {'RealDiv': 1, 'Div': 1, 'DivNoNan': 1, 'Xdivy': 1, 'Log': 0, 'Rsqrt': 0, 'Sqrt': 0,
          'Reciprocal': 0, 'Inv': 0}
_ALIKE = SAME + RESHAPES + ('Abs', 'Square', 'Neg')  # Zero where their input is zero.


def _never_zero(graph_def: GraphDef) -> Set[str]:
  """Returns the nodes whose values, where they are zero, make others infinite or NaN."""
  found: Set[str] = set()
  inputs = {node.name: [source(text) for text in node.input]
            for node in graph_def.node}
  alike = {node.name for node in graph_def.node if node.op in _ALIKE}
  waiting = [inputs[node.name][_POLES[node.op]] for node in graph_def.node if node.op in _POLES]
  while waiting:
    name = waiting.pop()
    if name not in found:
      found.add(name)
      waiting.extend(inputs[name][:1] if name in alike else ())
  return found


class _Writer:
  """Changes a copy of the graph.

  Attributes:
    graph_def: the copy.
  """

  def __init__(self, channels: Channels, removed: Array) -> None:
    self._trace = channels.trace
    self._removed = removed
    self.graph_def = tf.GraphDef()
    self.graph_def.CopyFrom(channels.trace.graph_def)
    self._nodes: Dict[str, Any] = {node.name: node for node in self.graph_def.node}
    self._made: Set[str] = set()
    for name, axes in channels.trace.weights.items():
      self._cut(self._nodes[name], axes)
    lengths: Dict[Any, Dict[int, int]] = collections.defaultdict(dict)
    for patch in channels.trace.records.patches:
      node = self._nodes[patch.op]
      if isinstance(patch, Length):
        lengths[patch.op, patch.operand][patch.element] = len(left(patch.axis, removed))
      elif isinstance(patch, Parts):
        self._split(node, [len(left(axis, removed)) for axis in patch.axes])
      elif isinstance(patch, Positions):
        self._gather(node, patch)
      elif isinstance(patch, Squeezed):
        node.attr['squeeze_dims'].list.i[:] = patch.places
    for (name, operand), elements in lengths.items():
      self._set_elements(self._nodes[name], operand, elements)
    for node in self.graph_def.node:
      if node.op == 'EnsureShape':
        axes = self._trace.axes.get(node.name + ':0', [])
        for axis, dim in zip(axes, node.attr['shape'].shape.dim):
          if axis is not None and dim.size >= 0:
            dim.size = len(left(axis, removed))

  def _cut(self, node: NodeDef, axes: Any) -> None:
    if not any(axis is not None and is_removed(axis, self._removed).any() for axis in axes):
      return
    value = tensors.to_array(node.attr['value'].tensor, node.name)
    for place, axis in enumerate(axes):
      if axis is not None:
        value = np.take(value, left(axis, self._removed), axis=place)
    node.attr['value'].tensor.CopyFrom(tensors.to_proto(np.ascontiguousarray(value)))

  def _constant(self, name: str, value: Any, dtype: DType) -> str:
    """Adds a constant, and returns its name."""
    node = self.graph_def.node.add(name=self._unused(name), op='Const')
    node.attr['dtype'].type = dtype.as_datatype_enum
    node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
    return str(node.name)

  def _split(self, node: NodeDef, sizes: List[int]) -> None:
    controls = [text for text in node.input if text.startswith('^')]
    if node.op == 'Split':
      if len(set(sizes)) == 1:
        return
      data, axis = node.input[1], node.input[0]
      node.op = 'SplitV'
      node.attr['Tlen'].type = tf.int32.as_datatype_enum
    else:
      data, axis = node.input[0], node.input[2]
    dtype = tf.as_dtype(node.attr['Tlen'].type or tf.int64.as_datatype_enum)
    made = self._constant(node.name + '/sizes', sizes, dtype)
    del node.input[:]
    node.input.extend([data, made, axis] + controls)

  def _gather(self, node: NodeDef, patch: Positions) -> None:
    new = np.cumsum(~is_removed(patch.axis, self._removed)) - 1
    kept = [index for index in patch.indices if not is_removed(
        patch.axis[[index]], self._removed)[0]]
    dtype = tf.as_dtype(node.attr['Tindices'].type)
    node.input[patch.operand] = self._constant(node.name + '/positions', new[kept], dtype)

  # ---- Elements of shapes. ----

  def _set_elements(self, node: NodeDef, operand: int, elements: Mapping[int, int]) -> None:
    tensor = self._trace.graph.get_operation_by_name(node.name).inputs[operand]
    made = self._with_elements(tensor, dict(elements), '%s/shape%d' % (node.name, operand))
    if made is not None:
      node.input[operand] = made

  def _with_elements(self, tensor: Tensor, elements: Mapping[int, int], name: str
                     ) -> Optional[str]:
    """Returns the name of a tensor with other elements; None if it has them already."""
    op = tensor.op
    if op.type == 'Const':
      value = np.array(tensors.to_array(self._nodes[op.name].attr['value'].tensor, op.name))
      flat = value.ravel()
      before = flat.copy()
      for element, length in elements.items():
        flat[element] = length
      return None if (flat == before).all() else self._constant(
          name, flat.reshape(value.shape), tensor.dtype.base_dtype)
    inputs = list(op.inputs)
    if op.type == 'Pack':
      parts = [(index, {0: length}) for index, length in elements.items()]
    elif op.type == 'ConcatV2':
      parts, start = [], 0
      for index, each in enumerate(inputs[:-1]):
        size = elements_in(dims_of(each))
        own = {element - start: length for element, length in elements.items()
               if start <= element < start + size}
        parts.append((index, own))
        start += size
    else:
      parts = [(0, dict(elements))]
    changed = {index: made for index, own in parts if own for made in (
        self._with_elements(inputs[index], own, '%s_%d' % (name, index)),) if made is not None}
    if not changed:
      return None
    copy = self.graph_def.node.add()
    copy.CopyFrom(self._nodes[op.name])
    copy.name = self._unused(name)
    for index, made in changed.items():
      copy.input[index] = made
    return copy.name

  def _unused(self, name: str) -> str:
    unique, number = name, 1
    while unique in self._nodes or unique in self._made:
      number += 1
      unique = '%s_%d' % (name, number)
    self._made.add(unique)
    return unique
