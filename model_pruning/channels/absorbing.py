# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Moves the values of constant channels into the biases of the products that read them.

A product that reads a channel of the constant value c adds c times the slices of its kernel to each
output. The bias that follows can add the same, or a normalization can, through its moving mean.
With zero padding this is wrong at the border, so such a product takes nothing.
"""

from typing import Any, Container, Dict, List, Optional

import numpy as np

from model_pruning.channels.analysis import Channels
from model_pruning.channels.shifts import Shift
from model_pruning.channels.shifts import Users
from model_pruning.channels.step import Contraction
from model_pruning.channels.units import is_removed
from model_pruning.channels.units import STAYS
from model_pruning.channels.values import ConstantChannels
from model_pruning.channels.values import pads
from model_pruning.reading import tensors
from model_pruning.util.types import Array

# Products of data (the first operand) and a kernel.
_READERS = ('MatMul', 'BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3', 'Einsum', 'Conv2D', 'Conv3D')


class Absorbers:
  """Where the constants of a graph's channels can go.

  Attributes:
    values: the constants.
  """

  def __init__(self, channels: Channels, variables: Optional[Container[str]] = None) -> None:
    """Finds the constants.

    Args:
      channels: the channels of a frozen graph.
      variables: names of the biases and moving means that may change; None for all.
    """
    self.values = ConstantChannels(channels.trace, channels.channel_of)
    self._channels = channels
    self._variables = variables
    self._users = Users(channels.trace.graph_def)
    # An output sees a product before its bias.
    self._ends = {self._users.origin(name) for name in channels.trace.outputs}
    self._readers: Dict[str, List[Contraction]] = {}
    for record in channels.trace.records.contractions:
      self._readers.setdefault(record.op, []).append(record)
    self._shifts: Dict[str, Optional[Shift]] = {}

  def absorbs(self, record: Contraction) -> Array:
    """Returns whether the value of each position can go into a bias, bool [positions] or [1]."""
    if self._shift(record) is None:
      return np.zeros(1, bool)
    return np.isfinite(self.values.along(record.left, record.left_axis))

  def absorbed(self, removed: Array) -> Dict[str, Any]:
    """Returns new values by the names of biases and means: they take the removed constants.

    Args:
      removed: whether each unit is removed, bool.
    """
    found: Dict[str, Any] = {}
    nodes = self._users.nodes
    for record, in (records for records in self._readers.values() if len(records) == 1):
      units = self._channels.trace.axes[record.left][record.left_axis]
      if units is None or not is_removed(units, removed).any():
        continue
      shift = self._shift(record)
      data = self.values.along(record.left, record.left_axis)
      taken = is_removed(units, removed) & np.isfinite(data) & (data != 0)
      if shift is None or not taken.any():
        continue
      kernel = np.moveaxis(self.values.constant(record.right), record.right_axis, 0)[taken]
      summed = np.tensordot(data[taken], kernel.astype(np.float64), 1)
      if self._is_convolution(record):
        summed = np.sum(summed, axis=tuple(range(summed.ndim - 1)))
      before = tensors.to_array(nodes[shift.constant].attr['value'].tensor, shift.constant)
      found[shift.constant] = (
          before + shift.sign * summed.reshape(before.shape)).astype(before.dtype)
    return found

  def _shift(self, record: Contraction) -> Optional[Shift]:
    """Returns the constant that can take the values that a product reads, if any."""
    if record.op not in self._shifts:
      self._shifts[record.op] = self._found(record)
    return self._shifts[record.op]

  def _found(self, record: Contraction) -> Optional[Shift]:
    op = self._channels.trace.graph.get_operation_by_name(record.op)
    if (op.type not in _READERS or len(self._readers[record.op]) > 1 or
        record.right != op.inputs[1].name or self.values.constant(record.right) is None or
        pads(op)):
      return None
    shift = self._users.shift(op.name)
    if shift is None or self._ends & {op.name, shift.constant} or (
        self._variables is not None and shift.constant not in self._variables):
      return None
    return shift if self._fits(record, shift.constant) else None

  def _fits(self, record: Contraction, constant: str) -> bool:
    """Whether the elements of a constant are the outputs of a kernel, in the same order."""
    axes = self._channels.trace.axes
    shape = self.values.constant(record.right).shape
    first = len(shape) - 2 if self._is_convolution(record) else 0
    places = [place for place in range(first, len(shape)) if place != record.right_axis]
    own = [axes[record.right][place] for place in places if shape[place] != 1]
    others = [axis for axis in axes[constant + ':0'] if axis is not None]
    return len(own) == len(others) and all(
        one is not None and np.array_equal(self._labels(one), self._labels(other))
        for one, other in zip(own, others))

  def _labels(self, axis: Array) -> Array:
    return np.where(axis == STAYS, STAYS, self._channels.channel_of[axis])

  def _is_convolution(self, record: Contraction) -> bool:
    return bool(self._users.nodes[record.op].op.startswith('Conv'))
