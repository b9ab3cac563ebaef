# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels that are constant whatever the inputs of the model are, and their values.

A channel whose kernel is zero has the value of its bias, and after an activation the activation of
that. Values are followed through the graph along the axes that have units.
"""

import math
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np

from model_pruning.channels.elementwise import channel_axis
from model_pruning.channels.step import dims_of
from model_pruning.channels.step import Step
from model_pruning.channels.trace import Trace
from model_pruning.channels.units import STAYS
from model_pruning.compat import is_stateful
from model_pruning.compat import tf
from model_pruning.reading import running
from model_pruning.reading import tensors
from model_pruning.reading.inlining import needed_for
from model_pruning.util.types import Array
from model_pruning.util.types import Operation

# The value of each position of each axis, NaN if it is not constant; None for axes without units.
Values = List[Optional[Any]]

_SAME = ('Identity', 'Snapshot', 'StopGradient', 'PreventGradient', 'CheckNumerics',
         'Cast', 'MaxPool', 'AvgPool', 'MaxPool3D', 'AvgPool3D', 'MaxPoolV2', 'Mean', 'Max', 'Min',
         'ResizeBilinear', 'ResizeNearestNeighbor', 'ResizeArea', 'Reshape', 'Transpose', 'Squeeze',
         'ExpandDims', 'ConcatV2', 'Concat', 'Split', 'SplitV', 'Pack', 'Unpack', 'Slice',
         'StridedSlice', 'Tile', 'BroadcastTo', 'SpaceToDepth', 'DepthToSpace', 'GatherV2',
         'EnsureShape', 'ReverseV2')
# These add zeros, or sum: only channels of zeros stay constant.
_ZERO = ('Pad', 'SpaceToBatchND', 'BatchToSpaceND', 'Sum', 'ResizeBicubic', 'MirrorPad')
_ERF = np.vectorize(math.erf, otypes=[float])
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_UNARY: Dict[str, Callable[[Any], Any]] = {
    'Abs': np.abs, 'Neg': np.negative, 'Square': np.square, 'Sqrt': np.sqrt, 'Exp': np.exp,
    'Log': np.log, 'Log1p': np.log1p, 'Expm1': np.expm1, 'Tanh': np.tanh, 'Sign': np.sign,
    'Sin': np.sin, 'Cos': np.cos, 'Floor': np.floor, 'Ceil': np.ceil,
    'Rsqrt': lambda x: 1 / np.sqrt(x), 'Reciprocal': lambda x: 1 / x, 'Inv': lambda x: 1 / x,
    'Relu': lambda x: np.maximum(x, 0), 'Relu6': lambda x: np.clip(x, 0, 6),
    'Sigmoid': lambda x: 1 / (1 + np.exp(-x)), 'Softplus': lambda x: np.logaddexp(x, 0),
    'Softsign': lambda x: x / (1 + np.abs(x)), 'Erf': _ERF, 'Erfc': lambda x: 1 - _ERF(x),
    'Elu': lambda x: np.where(x < 0, np.expm1(x), x),
    'Selu': lambda x: _SELU_SCALE * np.where(x < 0, _SELU_ALPHA * np.expm1(x), x),
    'ZerosLike': np.zeros_like, 'OnesLike': np.ones_like}
_BINARY: Dict[str, Callable[[Any, Any], Any]] = {
    'Add': np.add, 'AddV2': np.add, 'Sub': np.subtract, 'Mul': np.multiply, 'BiasAdd': np.add,
    'BiasAddV1': np.add, 'RealDiv': np.divide, 'Div': np.divide, 'Maximum': np.maximum,
    'Minimum': np.minimum, 'SquaredDifference': lambda x, y: np.square(x - y), 'Pow': np.power,
    'MulNoNan': np.multiply}
_PRODUCTS = ('Mul', 'MulNoNan')


class ConstantChannels:
  """The values of constant channels of all tensors of a graph."""

  def __init__(self, found: Trace, channel_of: Array) -> None:
    """Follows the values.

    Args:
      found: the graph.
      channel_of: the number of the channel of each unit.
    """
    self._trace = found
    self._channel_of = channel_of
    self._contractions: Dict[str, List[Any]] = {}
    for record in found.records.contractions:
      self._contractions.setdefault(record.op, []).append(record)
    self._known = _constants(found)
    self._values: Dict[str, Values] = {}
    with np.errstate(all='ignore'):
      for op in found.graph.get_operations():
        for index, output in enumerate(op.outputs):
          if output.name not in self._known and self._has_units(output.name):
            self._values[output.name] = self._follow(op, index)

  def constant(self, tensor: str) -> Any:
    """Returns the value of a tensor that is computed from constants alone; None for others."""
    return self._known.get(tensor)

  def along(self, tensor: str, axis: int) -> Array:
    """Returns the value of each position along an axis, NaN if it is not constant, float64."""
    known = self._known.get(tensor)
    if known is not None:
      return _per_slice(known, axis)
    values = self._values.get(tensor, [])
    found = values[axis] if axis < len(values) else None
    if found is not None:
      return np.asarray(found)
    axes = self._trace.axes.get(tensor, [])
    units = axes[axis] if axis < len(axes) else None
    return np.full(1 if units is None else len(units), np.nan)

  def _has_units(self, tensor: str) -> bool:
    return any(axis is not None for axis in self._trace.axes.get(tensor, ()))

  def _follow(self, op: Operation, index: int) -> Values:
    axes = self._trace.axes[op.outputs[index].name]
    step = Step(op, [self._trace.axes.get(tensor.name, []) for tensor in op.inputs],
                self._trace.records)
    results: Values = []
    for place, axis in enumerate(axes):
      if axis is None:
        results.append(None)
        continue
      found = self._position(step, index, place, axis)
      results.append(np.full(len(axis), np.nan) if found is None else
                     np.broadcast_to(np.asarray(found, np.float64), [len(axis)]))
    return results

  def _position(self, step: Step, index: int, place: int, axis: Array) -> Any:
    """Returns the values along one axis of a result; None if they are unknown."""
    op = step.op
    if op.type in _SAME and not (op.type == 'Cast' and not op.outputs[0].dtype.is_floating):
      return self._moved(op, axis)
    if op.type == 'IdentityN':  # SiLU and other functions with gradients of their own end in one.
      return self.along(op.inputs[index].name, place)
    if op.type == 'Fill':
      return self._known.get(op.inputs[1].name)
    if op.type in ('Select', 'SelectV2'):
      values = [self._operand(step, operand, place) for operand in (1, 2)]
      return np.where(values[0] == values[1], values[0], np.nan)
    if op.type in _ZERO or op.type == 'Cast':
      values = self._moved(op, axis)
      return np.where(values == 0, 0.0, np.nan)
    if op.type.startswith('FusedBatchNorm'):
      return self._normalized(step) if index == 0 and place == channel_axis(
          step, len(step.axes[0])) else None
    if op.type == 'LeakyRelu':
      alpha = step.attr('alpha')
      values = self._operand(step, 0, place)
      return np.where(values < 0, alpha * values, values)
    if op.type in _UNARY:
      values = self._operand(step, 0, place)
      return np.where(np.isnan(values), np.nan, _UNARY[op.type](values))
    if op.type in _BINARY:
      values = [self._operand(step, operand, place) for operand in (0, 1)]
      result = np.where(np.isnan(values[0]) | np.isnan(values[1]), np.nan,
                        _BINARY[op.type](*values))
      if op.type in _PRODUCTS:
        result = np.where((values[0] == 0) | (values[1] == 0), 0.0, result)
      return result
    if op.type == 'AddN':
      return sum(self._operand(step, operand, place) for operand in range(len(op.inputs)))
    return self._product(step, axis)

  def _moved(self, op: Operation, axis: Array) -> Array:
    """Returns the values of positions that come from positions of the inputs, by channel."""
    low = np.full(len(self._channel_of), np.inf)
    high = np.full(len(self._channel_of), -np.inf)
    for tensor in op.inputs:
      for place, units in enumerate(self._trace.axes.get(tensor.name, ())):
        if units is not None:
          inside = units != STAYS
          values = np.where(np.isnan(self.along(tensor.name, place)), np.nan,
                            self.along(tensor.name, place))[inside]
          channels = self._channel_of[units[inside]]
          np.minimum.at(low, channels, np.where(np.isnan(values), -np.inf, values))
          np.maximum.at(high, channels, np.where(np.isnan(values), np.inf, values))
    same = np.where((low == high) & np.isfinite(low), low, np.nan)
    return np.where(axis == STAYS, np.nan, same[self._channel_of[axis]])

  def _operand(self, step: Step, operand: int, place: int) -> Array:
    """Returns the values of an operand along an axis of the result; of one element if repeated."""
    op = step.op
    tensor = op.inputs[operand]
    dims, result = dims_of(tensor) or (), dims_of(op.outputs[0]) or ()
    if op.type.startswith('BiasAdd') and operand == 1:
      if place == channel_axis(step, len(result)):
        return self.along(tensor.name, 0)
      dims = ()  # Of one element, if all are equal.
    own = place - len(result) + len(dims)
    if own >= 0 and dims[own] != 1:
      return self.along(tensor.name, own)
    known = self._known.get(tensor.name)
    if known is None or not known.size:
      return np.full(1, np.nan)
    low, high = np.min(known), np.max(known)
    return np.full(1, float(low) if low == high else np.nan)

  def _normalized(self, step: Step) -> Any:
    vectors = [self._known.get(tensor.name) for tensor in list(step.op.inputs)[1:5]]
    if step.attr('is_training', True) or any(vector is None for vector in vectors):
      return None
    scale, offset, mean, variance = [np.asarray(vector, np.float64) for vector in vectors]
    values = self.along(step.op.inputs[0].name, channel_axis(step, len(step.axes[0])))
    result = (values - mean) * scale / np.sqrt(variance + step.attr('epsilon')) + offset
    return np.where(scale == 0, offset, result)

  def _product(self, step: Step, axis: Array) -> Any:
    """Returns the sums of products of constants, zeros where there is nothing to sum."""
    op = step.op
    if op.type == 'DepthwiseConv2dNative':
      kernel = self._known.get(op.inputs[1].name)
      values = self.along(op.inputs[0].name, channel_axis(step, 4))
      zero = np.repeat(values == 0, len(axis) // len(values))
      if kernel is not None:
        zero = zero | ~np.any(kernel != 0, axis=(0, 1)).ravel()
      sums = np.nan if kernel is None or pads(op) else np.repeat(
          values, len(axis) // len(values)) * np.sum(kernel, axis=(0, 1), dtype=np.float64).ravel()
      return np.where(zero, 0.0, sums)
    if op.type not in _OPERANDS:
      return None
    zero = np.zeros(len(axis), bool)
    for operand, tensor in enumerate(op.inputs):
      for place, units in enumerate(self._trace.axes.get(tensor.name, ())):
        if units is axis:
          zero |= self._sums_nothing(op, operand, place)
    return np.where(zero, 0.0, self._sums_constants(op, axis))

  def _sums_constants(self, op: Operation, axis: Array) -> Any:
    """Returns the sums along an axis of a kernel for which all data with weights are constant."""
    records = self._contractions.get(op.name, ())
    if len(records) != 1 or records[0].right != op.inputs[1].name or pads(op):
      return np.nan
    kernel = self._known.get(records[0].right)
    places = [place for place, units in enumerate(self._trace.axes.get(records[0].right, ()))
              if units is axis]
    if kernel is None or len(places) != 1:
      return np.nan
    data = self.along(records[0].left, records[0].left_axis)
    constant = np.isfinite(data)
    if not data[constant].any():
      return np.nan
    rows = np.moveaxis(kernel, records[0].right_axis, 0)
    sums = np.tensordot(data[constant], rows[constant].astype(np.float64), 1)
    sums = np.where(np.any(rows[~constant] != 0, axis=0), np.nan, sums)
    place = places[0] - (places[0] > records[0].right_axis)
    if op.type.startswith('Conv'):
      spatial = tuple(range(kernel.ndim - 2))
      sums, place = np.sum(sums, axis=spatial), place - len(spatial)
    return _per_slice(sums, place)

  def _sums_nothing(self, op: Operation, operand: int, place: int) -> Array:
    """Returns whether all products of each position along an axis of an operand are zero."""
    tensor = op.inputs[operand].name
    known = self._known.get(tensor)
    if known is None:
      return self.along(tensor, place) == 0
    nonzero = known != 0
    for record in self._contractions.get(op.name, ()):
      ends = [(record.left, record.left_axis), (record.right, record.right_axis)]
      if tensor in (record.left, record.right):
        (_, own), (other, number) = ends if record.left == tensor else ends[::-1]
        shape = [-1 if index == own else 1 for index in range(known.ndim)]
        nonzero = nonzero & (self.along(other, number) != 0).reshape(shape)
    return ~np.any(nonzero, axis=tuple(index for index in range(known.ndim) if index != place))


# Products whose inputs are all data.
_OPERANDS = ('MatMul', 'BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3', 'Einsum', 'Conv2D',
             'Conv3D', 'Conv2DBackpropInput', 'Conv3DBackpropInputV2')


def pads(op: Operation) -> bool:
  """Whether a product sums fewer terms at the border: a convolution that pads with zeros."""
  if 'Conv' not in op.type:
    return False
  padding = op.get_attr('padding').decode()
  if padding == 'EXPLICIT':
    return any(op.get_attr('explicit_paddings'))
  sizes = (dims_of(op.inputs[1]) or (None,))[:-2]
  return padding != 'VALID' and any(size != 1 for size in sizes)


def _per_slice(known: Array, axis: int) -> Array:
  rows = np.moveaxis(np.asarray(known, np.float64), axis, 0).reshape(known.shape[axis], -1)
  low, high = rows.min(axis=1), rows.max(axis=1)
  return np.where(low == high, low, np.nan)


_CONTROL_FLOW = frozenset(prefix + name for prefix in ('', 'Ref') for name in (
    'Switch', 'Merge', 'Enter', 'Exit', 'NextIteration'))


def _constants(found: Trace) -> Dict[str, Any]:
  """Returns the floating tensors that are computed from constants, if anything else uses them."""
  constant: Dict[str, bool] = {}
  wanted: List[Any] = []
  for op in found.graph.get_operations():
    from_constants = all(constant.get(tensor.op.name, False) for tensor in op.inputs)
    constant[op.name] = not _in_branch(op) and (op.type == 'Const' or bool(
        op.inputs and from_constants and not is_stateful(op.type)))
    if not constant[op.name]:
      wanted += [tensor for tensor in op.inputs
                 if constant.get(tensor.op.name) and tensor.dtype.is_floating]
  unique: Dict[str, Any] = {tensor.name: tensor for tensor in wanted}
  return dict(zip(unique, _evaluated(found, list(unique.values()))))


def _in_branch(op: Operation) -> bool:
  """Whether an operation is part of control flow, where it may have no value."""
  return op.type in _CONTROL_FLOW or any(
      pivot.type in ('Switch', 'Identity') for pivot in op.control_inputs)


def _evaluated(found: Trace, wanted: Sequence[Any]) -> List[Any]:
  # Constants are read from the graph: a session copies them several times.
  stored = {node.name: node for node in found.graph_def.node if node.op == 'Const'}
  values: Dict[str, Any] = {}
  for tensor in wanted:
    op = tensor.op
    while op.type == 'Identity':
      op = op.inputs[0].op
    if op.name in stored:
      values[tensor.name] = tensors.to_array(stored[op.name].attr['value'].tensor, op.name)
  others = [tensor.name for tensor in wanted if tensor.name not in values]
  if others:
    with tf.Graph().as_default(), tf.Session(config=running.once()) as session:
      tf.import_graph_def(needed_for(found.graph_def, others), name='')
      values.update(zip(others, session.run(others)))
  return [values[tensor.name] for tensor in wanted]
