# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""One operation of a graph as the rules of channels see it, and what they record about it."""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from model_pruning.channels.units import Axis
from model_pruning.channels.units import Units
from model_pruning.compat import tf
from model_pruning.util.types import Array
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor

Dims = Optional[Tuple[Optional[int], ...]]
# The axes of a tensor. An empty list for a scalar, and for a tensor of unknown rank.
Axes = List[Axis]

_COPIES = ('Identity', 'Cast', 'Snapshot')


@dataclasses.dataclass(frozen=True)
class Contraction:
  """An axis over which an operation sums products of two tensors.

  A removed position must contribute nothing: one of the factors has to be zero there.

  Attributes:
    op: name of the operation.
    left, right: names of the two tensors.
    left_axis, right_axis: numbers of their axes.
  """
  op: str
  left: str
  left_axis: int
  right: str
  right_axis: int


@dataclasses.dataclass(frozen=True)
class Product:
  """A matrix product or convolution.

  Attributes:
    op: name of the operation.
    axes: the axes that multiply its FLOPs, each once.
    outputs: the axes of its results that a weight produces.
  """
  op: str
  axes: Axes
  outputs: Axes


@dataclasses.dataclass(frozen=True)
class Length:
  """An element of an operand that holds a length: of an axis, or of the part before a position.

  Attributes:
    op: name of the operation.
    operand: number of its input, a vector of integers, or a scalar.
    element: index in that vector.
    axis: units of the positions to count, with a known number of positions.
  """
  op: str
  operand: int
  element: int
  axis: Any


@dataclasses.dataclass(frozen=True)
class Parts:
  """A split whose parts may get different sizes; `axes` has the units of each part."""
  op: str
  axes: Axes


@dataclasses.dataclass(frozen=True)
class Positions:
  """Constant indices along an axis: operand `operand` of `op`, into the positions of `axis`."""
  op: str
  operand: int
  indices: Any
  axis: Any


@dataclasses.dataclass(frozen=True)
class Squeezed:
  """The axes that a Squeeze drops because their size is 1."""
  op: str
  places: List[int]


Patch = Union[Length, Parts, Positions, Squeezed]


@dataclasses.dataclass
class Records:
  """What rules record for all operations of a graph."""
  units: Units
  contractions: List[Contraction] = dataclasses.field(default_factory=list)
  products: List[Product] = dataclasses.field(default_factory=list)
  patches: List[Patch] = dataclasses.field(default_factory=list)


class Step:
  """One operation.

  Attributes:
    op: the tf.Operation.
    axes: the axes of each of its inputs.
    records: takes what a rule finds out.
    lengths: for inputs that hold shapes, by their number: the axis whose length each element is.
  """

  def __init__(self, op: Operation, axes: Sequence[Axes], records: Records) -> None:
    self.op = op
    self.axes = axes
    self.records = records
    self.units = records.units
    self.lengths: Dict[int, Axes] = {}

  def shape(self, index: int) -> Dims:
    """Returns the shape of an input as far as it is known; None if its rank is unknown."""
    dims = dims_of(self.op.inputs[index])
    return None if dims is None else tuple(
        size if size is not None or axis is None else len(axis)
        for size, axis in zip(dims, self.axes_of(index, len(dims))))

  def axes_of(self, index: int, rank: int) -> Axes:
    """Returns the axes of an input that must have this rank, even if its shape does not show it."""
    return self.axes[index] or [None] * rank

  def result(self, index: int = 0) -> Dims:
    """Returns the static shape of an output; None if its rank is unknown."""
    return dims_of(self.op.outputs[index])

  def constant(self, index: int) -> Optional[Array]:
    """Returns the value of an input; None if it is no constant."""
    return value_of(self.op.inputs[index])

  def elements(self, index: int) -> Optional[List[Optional[int]]]:
    """Returns the elements of a vector of integers: None for those that are computed."""
    return elements_of(self.op.inputs[index])

  def attr(self, name: str, default: Any = None) -> Any:
    """Returns an attribute, or `default` if this operation has none of the name."""
    try:
      value = self.op.get_attr(name)
    except ValueError:
      return default
    return value.decode() if isinstance(value, bytes) else value

  def fix(self, axis: Axis, reason: str = '') -> None:
    """Fixes the units of an axis for a reason of this operation."""
    self.units.fix(axis, self.op.name, self.op.type, reason)

  def fix_all(self, reason: str) -> List[Axes]:
    """Fixes the units of all inputs, and returns axes without units for all outputs."""
    for axes in self.axes:
      for axis in axes:
        self.fix(axis, reason)
    return self.plain()

  def plain(self) -> List[Axes]:
    """Returns axes without units for all outputs."""
    return [[None] * len(dims_of(output) or ()) for output in self.op.outputs]

  def meet(self, members: Sequence[Tuple[Axis, Optional[int]]]) -> Axis:
    """Joins axes that are combined element by element, and returns the axis of the result.

    Args:
      members: each axis with its size. An axis of size 1 is repeated, and joins nothing.
    """
    wide = [axis for axis, size in members if size != 1]
    found = next((axis for axis in wide if axis is not None), None)
    if found is None:
      return None
    for axis in wide:
      if axis is None:
        self.fix(found, 'it combines them with an axis that stays whole')
      elif axis is not found:
        self.units.join(found, axis)
    return found

  def length(self, operand: int, element: int, axis: Axis) -> bool:
    """Records that an element of an operand is the length of an axis.

    Returns:
      False if the element is computed, so that it cannot be changed. The axis is then fixed.
    """
    measured = self.lengths.get(operand, [])
    own = measured[element] if element < len(measured) else None
    if own is not None:  # It changes with the graph, but so must the axis.
      if axis is not None and len(axis) == len(own):
        self.units.join(axis, own)
        return True
      self.fix(own, 'it uses the number of channels')
    if axis is None:
      return True
    elements = self.elements(operand)
    if elements is None or element >= len(elements) or elements[element] is None:
      self.fix(axis, 'the size of its result is computed')
      return False
    if elements[element] != -1:
      self.records.patches.append(Length(self.op.name, operand, element, axis))
    return True


def dims_of(tensor: Tensor) -> Dims:
  """Returns a static shape, of a handle its variable's; None if the rank is unknown."""
  shape = tensor.shape
  if tensor.dtype == tf.resource and tensor.op.type == 'VarHandleOp':
    shape = tf.TensorShape(tensor.op.get_attr('shape'))
  return None if shape.ndims is None else tuple(shape.as_list())


def value_of(tensor: Tensor) -> Optional[Array]:
  """Returns the value of a tensor that TensorFlow can evaluate statically; otherwise None."""
  value = tf.get_static_value(tensor)
  return None if value is None else np.asarray(value)


def elements_of(tensor: Tensor) -> Optional[List[Optional[int]]]:
  """Returns the elements of a vector (or scalar) of integers, None for each that is computed.

  Returns:
    None if the number of elements is unknown, or if none of them is a constant.
  """
  op = tensor.op
  if op.type in _COPIES:
    return elements_of(op.inputs[0])
  if op.type == 'Const':
    value = value_of(tensor)
    return None if value is None else [int(element) for element in value.ravel()]
  if op.type == 'Pack' and not op.inputs[0].shape.ndims:
    return [(elements_of(each) or [None])[0] for each in op.inputs]
  if op.type == 'ConcatV2':
    found: List[Optional[int]] = []
    for each in list(op.inputs)[:-1]:
      dims = dims_of(each)
      part = elements_of(each)
      if part is None and (dims is None or None in dims):
        return None
      found += part if part is not None else [None] * elements_in(dims)
    return found
  return None


def elements_in(dims: Dims) -> int:
  """Returns the number of elements of a tensor with a known shape."""
  number = 1
  for size in dims or ():
    number *= size or 0
  return number
