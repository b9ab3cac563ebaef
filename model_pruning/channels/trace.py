# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Walks through a graph once, and applies the rule of each operation to the axes of its inputs."""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning.channels import elementwise
from model_pruning.channels import layout
from model_pruning.channels import products
from model_pruning.channels import slicing
from model_pruning.channels.step import Axes
from model_pruning.channels.step import dims_of
from model_pruning.channels.step import elements_in
from model_pruning.channels.step import Records
from model_pruning.channels.step import Step
from model_pruning.channels.units import Axis
from model_pruning.channels.units import Units
from model_pruning.compat import tf
from model_pruning.reading import sources
from model_pruning.reading import validation
from model_pruning.reading.inlining import needed_for
from model_pruning.util.types import Graph
from model_pruning.util.types import GraphDef
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor

_RULES = {**elementwise.RULES, **layout.RULES, **products.RULES, **slicing.RULES}
_INPUTS = ('Placeholder', 'PlaceholderV2', 'PlaceholderWithDefault', 'IteratorGetNext')
_VARIABLES = ('VarHandleOp', 'VariableV2', 'Variable')
_SHAPES = ('Shape', 'ShapeN', 'Size')
_WIDENING = ('Fill', 'Tile')  # These have channels even if their inputs have none.
_TAKE_LENGTHS = (('Reshape', 1), ('Fill', 0))  # An operation, and an operand of lengths.
_LOOPS = ('Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'While', 'StatelessWhile', 'If',
          'StatelessIf', 'Case', 'StatelessCase')


Place = Tuple[str, int]  # A weight and an axis.


@dataclasses.dataclass
class Trace:
  """A graph with the units of its tensors.

  Attributes:
    graph_def: the part of the graph that the outputs need, without calls of functions.
    graph: the same as a tf.Graph.
    ends: what the graph was cut down to: names of operations or tensors.
    outputs: names of the output tensors.
    weights: the axes of each weight, by the name of its constant or variable, in the order of the
      graph.
    axes: the axes of each tensor, by its name.
    records: what the rules have found.
  """
  graph_def: Any
  graph: Any
  ends: List[str]
  outputs: List[str]
  weights: Dict[str, Axes]
  axes: Dict[str, Axes]
  records: Records


def trace(graph_def: GraphDef, outputs: Sequence[str],
          alike: Sequence[Tuple[Place, Place]] = ()) -> Trace:
  """Returns the units of all tensors of a graph.

  Args:
    graph_def: a GraphDef. It is not changed.
    outputs: names of the outputs, of operations or tensors.
    alike: pairs of axes of weights that lose the same positions; one may be longer than the other.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ModelFileError: the graph is damaged, or TensorFlow cannot use it.
  """
  validation.check(graph_def, 'The GraphDef')
  graph_def = needed_for(graph_def, outputs)
  for node in graph_def.node:  # Shapes of results, which change, as older exporters wrote them.
    node.attr.pop('_output_shapes', None)
  with tf.Graph().as_default() as graph, sources.by_tensorflow('the graph'):
    tf.import_graph_def(graph_def, name='')
  tensors = [tensor for name in outputs for tensor in _tensors(graph, name)]
  walk = _Walk(graph)
  for tensor in tensors:
    for axis in walk.axes.get(tensor.name, ()):
      walk.records.units.fix(axis, tensor.op.name, tensor.op.type, 'it is an output of the model')
  for pair in alike:
    found = [walk.weights[name][axis] for name, axis in pair if name in walk.weights]
    lengths = [len(axis) for axis in found if axis is not None]
    if len(lengths) == 2:
      walk.records.units.join(*[axis[:min(lengths)] for axis in found if axis is not None])
  return Trace(graph_def, graph, list(outputs), [tensor.name for tensor in tensors], walk.weights,
               walk.axes, walk.records)


def _tensors(graph: Graph, name: str) -> List[Any]:
  return ([graph.get_tensor_by_name(name)] if ':' in name else
          list(graph.get_operation_by_name(name).outputs))


class _Walk:
  """See Trace for the attributes."""

  def __init__(self, graph: Graph) -> None:
    self.records = Records(Units())
    self.weights: Dict[str, Axes] = {}
    self.axes: Dict[str, Axes] = {}
    # The axis whose length each element of a shape is, by the name of the shape's tensor.
    self._lengths: Dict[str, List[Axis]] = {}
    for op in graph.get_operations():
      results = self._results(op)
      for tensor, axes in zip(op.outputs, results):
        self.axes[tensor.name] = axes

  def _results(self, op: Operation) -> List[Axes]:
    if op.type == 'Const' or op.type in _VARIABLES:
      return [self._weight(op.outputs[0])]
    inputs = [self.axes.get(tensor.name, [None] * len(dims_of(tensor) or ()))
              for tensor in op.inputs]
    step = Step(op, inputs, self.records)
    if op.type in _INPUTS:
      reason = 'it is an input of the model'
      step.fix_all(reason)  # The default of a placeholder may be computed.
      return [self._fixed(tensor, op, reason) for tensor in op.outputs]
    if op.type in _SHAPES:
      return self._shape(step)
    self._use_lengths(step)
    if op.type not in _WIDENING and not any(axis is not None for axes in inputs for axis in axes):
      return step.plain()
    rule = _RULES.get(op.type)
    if rule is not None:
      results = rule(step)
      # A result of unknown rank has no axes.
      if all(len(axes) == len(dims_of(tensor) or ()) for axes, tensor in zip(results, op.outputs)):
        return results
      return step.fix_all('the rank of its result is unknown')
    reason = ('channels are not followed into loops and branches' if op.type in _LOOPS else
              'the operation is not understood')
    step.fix_all(reason)
    return [self._fixed(tensor, op, reason) for tensor in op.outputs]

  def _weight(self, tensor: Tensor) -> Axes:
    dims = dims_of(tensor)
    dtype = tf.as_dtype(tensor.op.get_attr('dtype'))
    if not dims or None in dims or not dtype.is_floating:
      return [None] * len(dims or ())
    axes: Axes = [self.records.units.fresh(int(size or 0)) if size != 1 else None for size in dims]
    self.weights[tensor.op.name] = axes
    return axes

  def _fixed(self, tensor: Tensor, op: Operation, reason: str) -> Axes:
    """Returns axes of new units that stay for a reason, which channels joined with them get."""
    axes: Axes = []
    for place, size in enumerate(dims_of(tensor) or ()):
      axes.append(self.records.units.fresh(size) if place and size and size > 1 else None)
      self.records.units.fix(axes[-1], op.name, op.type, reason)
    return axes

  # ---- Lengths of axes, as values. ----

  def _shape(self, step: Step) -> List[Axes]:
    for axes, tensor in zip(step.axes, step.op.outputs):
      if step.op.type == 'Size':
        for axis in axes:
          step.fix(axis, 'it uses the number of channels')
      elif any(axis is not None for axis in axes):
        self._lengths[tensor.name] = list(axes)
    return step.plain()

  def _use_lengths(self, step: Step) -> None:
    """Follows lengths to their users; an operation that computes with one fixes its axis."""
    step.lengths = {index: self._lengths[tensor.name] for index, tensor in
                    enumerate(step.op.inputs) if tensor.name in self._lengths}
    if not step.lengths:
      return
    left = self._passed(step)
    if left is not None and any(axis is not None for axis in left):
      self._lengths[step.op.outputs[0].name] = left
    for index, lengths in step.lengths.items():
      if left is None and (step.op.type, index) not in _TAKE_LENGTHS:
        for axis in lengths:
          step.fix(axis, 'it uses the number of channels')

  def _passed(self, step: Step) -> Optional[List[Axis]]:
    """Returns the lengths in the result of an operation; None if it computes with them."""
    op = step.op
    if op.type in ('Pack', 'ConcatV2'):
      found: List[Axis] = []
      for index in range(len(op.inputs) - (op.type == 'ConcatV2')):
        dims = dims_of(op.inputs[index])
        if dims is None or None in dims:
          return None
        found += step.lengths.get(index, [None] * elements_in(dims))
      return found
    lengths = step.lengths.get(0)
    if lengths is None or len(step.lengths) > 1:
      return None
    if op.type in ('Identity', 'Cast') or op.type == 'Prod' and len(lengths) == 1:
      return lengths
    return self._selected(step, lengths)

  def _selected(self, step: Step, lengths: List[Axis]) -> Optional[List[Axis]]:
    """Returns the lengths that a selection by constants returns; None for any other operation."""
    if step.op.type not in ('StridedSlice', 'GatherV2', 'Slice'):
      return None
    with tf.Graph().as_default(), tf.Session() as session:
      copy = tf.GraphDef()
      copy.node.extend([step.op.node_def])
      operands = [step.constant(index) for index in range(1, len(step.op.inputs))]
      if any(operand is None for operand in operands):
        return None
      places = tf.constant(np.arange(len(lengths)), step.op.inputs[0].dtype, name='places')
      given = {'i0': places}
      given.update(('i%d' % index, tf.constant(operand)) for index, operand in
                   enumerate(operands, 1))
      del copy.node[0].input[:]
      copy.node[0].input.extend(sorted(given))
      op, = tf.import_graph_def(copy, given, [step.op.node_def.name], name='')
      chosen = session.run(op.outputs[0])
    return [lengths[int(place)] for place in np.ravel(chosen)]
