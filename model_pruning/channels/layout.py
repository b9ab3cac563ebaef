# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rules for operations that move, merge and split axes."""

import collections
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning.channels.elementwise import BINARY
from model_pruning.channels.elementwise import keep
from model_pruning.channels.elementwise import Rule
from model_pruning.channels.elementwise import UNARY
from model_pruning.channels.step import Axes
from model_pruning.channels.step import Squeezed
from model_pruning.channels.step import Step
from model_pruning.channels.units import Axis
from model_pruning.compat import tf
from model_pruning.util.types import Operation

_UNKNOWN = 'the rank of an input is unknown'
_MIXES = 'it mixes two axes of channels'
# Operations between the split of an axis into heads and the product of the heads.
_ON_THE_WAY = ('Transpose', 'Identity', 'Mul', 'RealDiv', 'Cast', 'Reshape')
_PRODUCTS = ('BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3', 'Einsum')

# Operations that tell channels from positions, and those in front of them that keep both in place.
_OVER_POSITIONS = (
    'Conv2D', 'Conv3D', 'DepthwiseConv2dNative', 'Conv2DBackpropInput', 'Conv3DBackpropInputV2',
    'MaxPool', 'AvgPool', 'MaxPool3D', 'AvgPool3D', 'FusedBatchNorm', 'FusedBatchNormV2',
    'FusedBatchNormV3', 'ResizeBilinear', 'ResizeNearestNeighbor', 'ResizeBicubic', 'ResizeArea',
    'DepthToSpace', 'SpaceToDepth')
_SAME_AXES = UNARY + BINARY + (
    'AddN', 'BiasAdd', 'ConcatV2', 'ExpandDims', 'MirrorPad', 'Pad', 'PadV2', 'SpaceToBatchND')

# Which axes of the input become which axes of the result: (start, stop) of both.
Lump = Tuple[Tuple[int, int], Tuple[int, int]]


def lumps(before: Sequence[Optional[int]], after: Sequence[Optional[int]]) -> List[Lump]:
  """Returns the smallest runs of axes that a reshape turns into one another, from the left.

  >>> lumps([None, 4, 5, 6], [None, 20, 6])
  [((0, 1), (0, 1)), ((1, 3), (1, 2)), ((3, 4), (2, 3))]

  Args:
    before, after: the shapes. A run with an unknown size is one with all that is between the runs
      of known sizes at both ends.
  """
  tail = _matched(list(before)[::-1], list(after)[::-1])
  ends = (len(before) - tail[-1][0], len(after) - tail[-1][1])
  head = _matched(list(before)[:ends[0]], list(after)[:ends[1]])
  cuts = head + [(len(before) - left, len(after) - right) for left, right in tail[::-1]]
  return [((one[0], other[0]), (one[1], other[1])) for one, other in zip(cuts, cuts[1:])
          if one != other]


def _matched(before: List[Optional[int]], after: List[Optional[int]]) -> List[Tuple[int, int]]:
  """Returns the numbers of leading axes of both that hold the same elements, from (0, 0) on."""
  found = [(0, 0)]
  left = right = 0
  while left < len(before) and right < len(after):
    sizes = [before[left], after[right]]
    left, right = left + 1, right + 1
    while None not in sizes and sizes[0] != sizes[1]:
      if sizes[0] < sizes[1]:  # type: ignore[operator]
        if left == len(before):
          return found
        sizes[0] = None if before[left] is None else sizes[0] * before[left]  # type: ignore
        left += 1
      else:
        if right == len(after):
          return found
        sizes[1] = None if after[right] is None else sizes[1] * after[right]  # type: ignore
        right += 1
    if None in sizes:
      return found
    found.append((left, right))
  return found


def _reshape(step: Step) -> List[Axes]:
  before, inferred = step.shape(0), step.result()
  if before is None or inferred is None:
    return step.fix_all('the rank of its input or result is unknown')
  after = _completed(step, inferred)
  result: Axes = [None] * len(after)
  for (start, stop), (first, last) in lumps(before, after):
    axes = step.axes[0][start:stop]
    owners = [place for place, axis in enumerate(axes) if axis is not None]
    if not owners:
      continue
    sizes = [size for size in before[start:stop] if size is not None]
    targets = [size for size in after[first:last] if size is not None]
    if len(sizes) < stop - start or len(targets) < last - first:
      for axis in axes:
        step.fix(axis, 'it mixes channels with an axis of unknown size')
      continue
    if len(owners) > 1:
      for axis in axes:
        step.fix(axis, _MIXES)
      continue
    place, = owners
    shape = [size if index == place else 1 for index, size in enumerate(sizes)]
    flat = np.broadcast_to(np.asarray(axes[place]).reshape(shape), sizes).ravel()
    for index, axis in _parted(step, flat, targets, first, len(after)):
      if step.length(1, first + index, axis):
        result[first + index] = axis
  for index, axis in enumerate(result):
    if axis is None:
      step.length(1, index, None)
  return [result]


def _completed(step: Step, after: Sequence[Optional[int]]) -> Sequence[Optional[int]]:
  """Returns a shape with the sizes that TensorFlow does not infer from the operand."""
  elements = step.elements(1) or [None] * len(after)
  lengths = step.lengths.get(1, [None] * len(after))
  return [size if size is not None else len(axis) if axis is not None else
          element if element is not None and element >= 0 else None
          for size, axis, element in zip(after, lengths, elements)]


def _parted(step: Step, flat: Any, sizes: List[int], first: int, rank: int
            ) -> List[Tuple[int, Any]]:
  """Returns the axis, of those into which one is split, that keeps the units, and its units.

  Args:
    step: the reshape.
    flat: the units of the axis that is split.
    sizes: the sizes of the axes into which it is split.
    first: the number of the first of them in the result.
    rank: the rank of the result.
  """
  wide = [index for index, size in enumerate(sizes) if size > 1]
  if len(wide) < 2:
    return [(index, flat) for index in wide]
  units = flat.reshape(sizes)
  known = step.units.canonical(flat).reshape(sizes)
  for index in wide:
    rows = np.moveaxis(known, index, 0).reshape(sizes[index], -1)
    if (rows == rows[:, :1]).all():
      return [(index, np.moveaxis(units, index, 0).reshape(sizes[index], -1)[:, 0])]
  wanted = _axis_of_channels(step.op, rank)
  if wanted is not None and wanted - first in wide:
    index = wanted - first
  else:  # Heads of attention are removed as a whole, and so are the same channels of all groups.
    index = wide[0] if _reaches_product(step.op) else max(wide, key=lambda place: sizes[place])
  rows = np.moveaxis(units, index, 0).reshape(sizes[index], -1)
  for column in range(1, rows.shape[1]):
    step.units.join(rows[:, 0], rows[:, column])
  return [(index, rows[:, 0])]


def _axis_of_channels(op: Operation, rank: int) -> Optional[int]:
  """Returns the axis of a result that the layers behind it take for channels; None if unknown."""
  pending, seen = collections.deque([op]), {op.name}
  while pending:
    for output in pending.popleft().outputs:
      for user in output.consumers():
        if user.type in _OVER_POSITIONS:
          order = user.node_def.attr['data_format'].s.decode()
          return 1 if order.startswith('NC') else rank - 1
        if user.type in _SAME_AXES and user.name not in seen:
          seen.add(user.name)
          pending.append(user)
  return None


def _reaches_product(op: Operation) -> bool:
  """Whether a result goes, apart from moves and scales, into a product of activations."""
  pending, seen = [op], set()
  while pending:
    for user in (user for output in pending.pop().outputs for user in output.consumers()):
      if user.type in _PRODUCTS:
        return True
      if user.type in _ON_THE_WAY and user.name not in seen:
        seen.add(user.name)
        pending.append(user)
  return False


def _transpose(step: Step) -> List[Axes]:
  order = step.constant(1)
  if order is None or len(order) != len(step.axes[0]):
    return step.fix_all('its permutation is computed')
  return [[step.axes[0][place] for place in order]]


def _reduction(step: Step) -> List[Axes]:
  where, dims, result = step.constant(1), step.shape(0), step.result()
  if where is None or dims is None or result is None:
    return step.fix_all('its axes are computed')
  gone = {int(axis) % len(dims) for axis in np.ravel(where)} if dims else set()
  for axis in gone:
    step.fix(step.axes[0][axis], 'it reduces over this axis')
  kept = step.attr('keep_dims', step.attr('keepdims', False))
  return [[None if index in gone else axis for index, axis in enumerate(step.axes[0])
           if kept or index not in gone]]


def _expand_dims(step: Step) -> List[Axes]:
  where = step.constant(1)
  if where is None:
    return step.fix_all('its axis is computed')
  axes = list(step.axes[0])
  axes.insert(int(where) % (len(axes) + 1), None)
  return [axes]


def _squeeze(step: Step) -> List[Axes]:
  dims = step.shape(0)
  if dims is None:
    return step.fix_all(_UNKNOWN)
  given = [axis % len(dims) for axis in step.attr('squeeze_dims', step.attr('axis', [])) or []]
  gone = given or [index for index, size in enumerate(dims) if size == 1]
  if not given:  # An axis with one channel left is not to be dropped.
    step.records.patches.append(Squeezed(step.op.name, gone))
  return [[axis for index, axis in enumerate(step.axes[0]) if index not in gone]]


def _tile(step: Step) -> List[Axes]:
  times = step.constant(1)
  if times is None:
    elements = step.elements(1)
    if elements is None or len(elements) != len(step.axes[0]):
      return step.fix_all('its multiples are computed')
    times = [0 if element is None else element for element in elements]
  result: Axes = []
  for axis, number in zip(step.axes[0], times):
    if axis is not None and number == 0:
      step.fix(axis, 'its multiples are computed')
      axis = None
    result.append(None if axis is None else np.tile(axis, number))
  return [result]


def _broadcast_to(step: Step) -> List[Axes]:
  dims, after = step.shape(0), step.result()
  if dims is None or after is None:
    return step.fix_all('the rank of its result is unknown')
  result: Axes = [None] * len(after)
  for place in range(-len(dims), 0):
    if step.length(1, len(after) + place, step.axes[0][place]):
      result[place] = step.axes[0][place]
  return [result]


def _filled(step: Step) -> List[Axes]:
  """Fill has one value for all channels of its last axis, so it can have as many as it meets."""
  dims = step.result()
  if not dims:
    return step.plain()
  result = list(step.lengths.get(0, [None] * len(dims)))
  if result[-1] is None:
    result[-1] = _widened(step, 0, dims)
  return [result]


def _tiled(step: Step) -> List[Axes]:
  """Tile repeats a mask of time steps for all channels of the last axis; see _filled."""
  dims, before = step.result(), step.shape(0)
  result = _tile(step) if any(axis is not None for axis in step.axes[0]) else step.plain()
  if dims and before and before[-1] == 1 and step.op.inputs[0].dtype == tf.bool:
    result[0][-1] = _widened(step, 1, dims)
  return result


def _widened(step: Step, operand: int, dims: Sequence[Optional[int]]) -> Axis:
  """Returns new units for the last axis of a result, whose length is an element of an operand."""
  if dims[-1] is None or dims[-1] < 2 or step.elements(operand) is None:
    return None
  axis = step.units.fresh(dims[-1])
  return axis if step.length(operand, len(dims) - 1, axis) else None


def _reverse(step: Step) -> List[Axes]:
  where = step.constant(1)
  if where is None:
    return step.fix_all('its axes are computed')
  axes = list(step.axes[0])
  for place in map(int, np.ravel(where)):
    axis = axes[place]
    axes[place] = None if axis is None else axis[::-1]
  return [axes]


def _blocks_to_depth(step: Step) -> List[Axes]:
  """SpaceToDepth: channel c of block position b becomes channel b * channels + c."""
  size = int(step.attr('block_size'))**2
  if not _is_plain_order(step):
    return step.fix_all('it is not in the order NHWC')
  axis = keep(step, 3)[3]
  return [[None, None, None, None if axis is None else np.tile(axis, size)]]


def _depth_to_blocks(step: Step) -> List[Axes]:
  size = int(step.attr('block_size'))**2
  if not _is_plain_order(step):
    return step.fix_all('it is not in the order NHWC')
  axis = keep(step, 3)[3]
  if axis is None:
    return [[None] * 4]
  rows = np.reshape(axis, [size, -1])
  for row in rows[1:]:
    step.units.join(rows[0], row)
  return [[None, None, None, rows[0] if rows.shape[1] > 1 else _fixed(step, rows[0])]]


def _fixed(step: Step, axis: Axis) -> Axis:
  """Fixes the units of an axis of size 1, which has none."""
  step.fix(axis)
  return None


def _is_plain_order(step: Step) -> bool:
  return step.attr('data_format', 'NHWC') == 'NHWC'


def _batch_blocks(step: Step) -> List[Axes]:
  """SpaceToBatchND and BatchToSpaceND move elements between the first axes."""
  blocks = step.shape(1)
  if blocks is None or blocks[0] is None:
    return step.fix_all('its blocks are unknown')
  moved = 1 + blocks[0]
  for axis in step.axes[0][:moved]:
    step.fix(axis, 'it moves elements along this axis')
  return [[None] * moved + list(step.axes[0][moved:])]


def _ensure_shape(step: Step) -> List[Axes]:
  return [list(step.axes[0])]


RULES: Dict[str, Rule] = {
    'Reshape': _reshape, 'ReverseV2': _reverse, 'Transpose': _transpose,
    'ExpandDims': _expand_dims, 'Squeeze': _squeeze,
    **{op: _reduction for op in ('Mean', 'Sum', 'Max', 'Min', 'Prod', 'Any', 'All',
                                 'EuclideanNorm')},
    'Fill': _filled, 'Tile': _tiled, 'BroadcastTo': _broadcast_to, 'SpaceToDepth': _blocks_to_depth,
    'DepthToSpace': _depth_to_blocks, 'SpaceToBatchND': _batch_blocks,
    'BatchToSpaceND': _batch_blocks, 'EnsureShape': _ensure_shape,
}
