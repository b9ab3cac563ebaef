# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rules for operations that take parts of tensors, and put parts together."""

from typing import Dict, List, Optional

import numpy as np

from model_pruning.channels.elementwise import Rule
from model_pruning.channels.step import Axes
from model_pruning.channels.step import Length
from model_pruning.channels.step import Parts
from model_pruning.channels.step import Positions
from model_pruning.channels.step import Product
from model_pruning.channels.step import Step
from model_pruning.channels.units import Axis
from model_pruning.channels.units import joined_ends
from model_pruning.channels.units import STAYS

_COMPUTED = 'its axis is computed'


def _concat(step: Step) -> List[Axes]:
  first = step.op.type == 'Concat'  # The old operation takes the axis first.
  operands = list(range(1, len(step.axes)) if first else range(len(step.axes) - 1))
  where = step.constant(0 if first else len(step.axes) - 1)
  dims = step.result()
  if where is None or dims is None:
    return step.fix_all(_COMPUTED)
  # Tensors of rank 0 cannot be concatenated, so all have the rank of the result.
  axis = int(where) % len(dims)
  axes = [step.axes_of(operand, len(dims)) for operand in operands]
  result: Axes = [step.meet([(each[place], (step.shape(operand) or dims)[place])
                             for operand, each in zip(operands, axes)]) if place != axis else None
                  for place in range(len(dims))]
  parts = [each[axis] for each in axes]
  sizes = [(step.shape(operand) or dims)[axis] for operand in operands]
  if None in sizes:
    for part in parts:
      step.fix(part, 'a part has an unknown size')
  else:
    result[axis] = joined_ends(parts, [int(size or 0) for size in sizes])
  return [result]


def _split(step: Step) -> List[Axes]:
  versioned = step.op.type == 'SplitV'
  data = 0 if versioned else 1
  where = step.constant(2 if versioned else 0)
  dims = step.shape(data)
  if where is None or dims is None:
    return step.fix_all(_COMPUTED)
  axis = int(where) % len(dims)
  results = [list(step.axes[data]) for _ in step.op.outputs]
  units = step.axes[data][axis]
  if units is None:
    return results
  sizes = [(step.result(index) or dims)[axis] for index in range(len(results))]
  if None in sizes:
    return step.fix_all('a part has an unknown size')
  ends = np.cumsum([0] + sizes)
  parts = [units[start:end] for start, end in zip(ends, ends[1:])]
  for result, part in zip(results, parts):
    result[axis] = part if len(part) > 1 else _whole(step, part)
  step.records.patches.append(Parts(step.op.name, parts))
  return results


def _whole(step: Step, part: Axis) -> Axis:
  step.fix(part, 'a part has a single channel')
  return None


def _pack(step: Step) -> List[Axes]:
  dims = step.result()
  if dims is None:
    return step.fix_all('the rank of its result is unknown')
  axis = int(step.attr('axis', 0)) % len(dims)
  shape = dims[:axis] + dims[axis + 1:]
  axes = [step.axes_of(operand, len(shape)) for operand in range(len(step.axes))]
  result = [step.meet([(each[place], shape[place]) for each in axes])
            for place in range(len(shape))]
  result.insert(axis, None)
  return [result]


def _unpack(step: Step) -> List[Axes]:
  axes = list(step.axes[0])
  if not axes:
    return step.plain()
  axis = int(step.attr('axis', 0)) % len(axes)
  step.fix(axes.pop(axis), 'it has one result for each position')
  return [list(axes) for _ in step.op.outputs]


def _slice(step: Step) -> List[Axes]:
  begins, sizes, result = step.elements(1), step.elements(2), step.result()
  if begins is None or sizes is None or result is None:
    return step.fix_all('its bounds are computed')
  axes: Axes = []
  for index, (axis, begin, size, left) in enumerate(zip(step.axes[0], begins, sizes, result)):
    if axis is not None and (begin is None or size is None or left is None):
      step.fix(axis, 'its bounds are computed')
      axis = None
    if axis is None:
      axes.append(None)
      continue
    step.records.patches.append(Length(step.op.name, 1, index, axis[:begin]))
    part = axis[begin:(begin or 0) + (left or 0)]
    if step.length(2, index, part):
      axes.append(part if len(part) > 1 else _whole(step, part))
  return [axes]


class _Bounds:
  """What a StridedSlice does to one axis of its input.

  Attributes:
    place: number of the axis; None if the entry adds an axis.
    element: index of its entry in the operands; None if an ellipsis covers it.
    shrinks: whether one position is taken, and the axis is dropped.
  """

  def __init__(self, place: Optional[int], element: Optional[int], shrinks: bool = False) -> None:
    self.place, self.element, self.shrinks = place, element, shrinks


def _bounds(step: Step, rank: int, entries: int) -> List[_Bounds]:
  masks = {name: int(step.attr(name + '_mask', 0)) for name in (
      'ellipsis', 'new_axis', 'shrink_axis')}
  used = sum(not (masks['new_axis'] | masks['ellipsis']) >> entry & 1 for entry in range(entries))
  found: List[_Bounds] = []
  place = 0
  for entry in range(entries):
    if masks['ellipsis'] >> entry & 1:
      for _ in range(rank - used):
        found.append(_Bounds(place, None))
        place += 1
    elif masks['new_axis'] >> entry & 1:
      found.append(_Bounds(None, entry))
    else:
      found.append(_Bounds(place, entry, bool(masks['shrink_axis'] >> entry & 1)))
      place += 1
  return found + [_Bounds(other, None) for other in range(place, rank)]


def _strided_slice(step: Step) -> List[Axes]:
  shape, entries = step.shape(0), step.shape(1)
  if shape is None or entries is None or entries[0] is None:
    return step.fix_all('its bounds are computed')
  operands = [step.elements(index) or [None] * entries[0] for index in (1, 2, 3)]
  result: Axes = []
  for bounds in _bounds(step, len(shape), entries[0]):
    axis = None if bounds.place is None else step.axes[0][bounds.place]
    if bounds.element is not None and axis is not None:
      axis = _sliced(step, axis, bounds, [operand[bounds.element] for operand in operands])
    if not bounds.shrinks:
      result.append(axis)
  return [result]


def _sliced(step: Step, axis: Axis, bounds: _Bounds, values: List[Optional[int]]) -> Axis:
  """Returns the units of a part of an axis; values are its begin, end and stride."""
  assert axis is not None and bounds.element is not None
  element = bounds.element
  if bounds.shrinks:
    return _fixed(step, axis, 'it takes a single channel')
  size = len(axis)
  open_ends = [int(step.attr(name + '_mask', 0)) >> element & 1 for name in ('begin', 'end')]
  if values[2] != 1:
    return _fixed(step, axis, 'it takes channels in steps')
  if None in [value for value, is_open in zip(values, open_ends) if not is_open]:
    return _fixed(step, axis, 'its bounds are computed')
  begin = 0 if open_ends[0] else slice(values[0], None).indices(size)[0]
  end = size if open_ends[1] else slice(None, values[1]).indices(size)[1]
  for operand, is_open, before in ((1, open_ends[0], begin), (2, open_ends[1], end)):
    if not is_open:
      step.records.patches.append(Length(step.op.name, operand, element, axis[:before]))
  part = axis[begin:end]
  return part if len(part) > 1 else _whole(step, part)


def _fixed(step: Step, axis: Axis, reason: str) -> Axis:
  step.fix(axis, reason)
  return None


def _pad(step: Step) -> List[Axes]:
  pads, dims = step.constant(1), step.shape(0)
  if pads is None or dims is None:
    return step.fix_all('its paddings are computed')
  result: Axes = []
  for axis, (before, after) in zip(step.axes[0], np.reshape(pads, [-1, 2])):
    if axis is not None and before + after:
      if step.op.type == 'MirrorPad':
        axis = _fixed(step, axis, 'it mirrors channels')
      else:
        axis = np.concatenate([np.full(before, STAYS), axis, np.full(after, STAYS)])
    result.append(axis)
  return [result]


def _gather(step: Step) -> List[Axes]:
  """Rows by computed indices, as of an embedding, or constant positions of channels."""
  dims, indices = step.shape(0), step.shape(1)
  where = step.constant(2) if step.op.type == 'GatherV2' else np.zeros([], np.int32)
  if where is None or dims is None or indices is None or step.attr('batch_dims', 0):
    return step.fix_all('its axis is computed, or it has axes of a batch')
  axis = int(where) % len(dims)
  units, chosen = step.axes[0][axis], step.constant(1)
  middle: Axes = [None] * len(indices)
  if units is not None:
    if chosen is None or chosen.ndim != 1 or len(chosen) < 2:
      step.fix(units, 'it looks up positions')
    else:
      middle = [units[chosen]]
      step.records.patches.append(Positions(step.op.name, 1, chosen, units))
  rest = list(step.axes[0][:axis]), list(step.axes[0][axis + 1:])
  if axis == 0 and chosen is None:
    step.records.products.append(Product('', [], list(rest[1])))
  return [rest[0] + middle + rest[1]]


RULES: Dict[str, Rule] = {
    'ConcatV2': _concat, 'Concat': _concat, 'Split': _split, 'SplitV': _split, 'Pack': _pack,
    'Unpack': _unpack, 'Slice': _slice, 'StridedSlice': _strided_slice, 'Pad': _pad, 'PadV2': _pad,
    'MirrorPad': _pad, 'GatherV2': _gather, 'Gather': _gather, 'ResourceGather': _gather,
}
