# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which channels can be removed without changing the outputs of the model."""

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from model_pruning.channels.absorbing import Absorbers
from model_pruning.channels.analysis import Channels
from model_pruning.channels.step import Contraction
from model_pruning.channels.units import is_removed
from model_pruning.channels.units import STAYS
from model_pruning.channels.values import ConstantChannels
from model_pruning.util.types import Array


def unread(channels: Channels, wanted: Array, absorbers: Optional[Absorbers] = None
           ) -> Tuple[Array, Dict[int, str]]:
  """Returns the units that can be removed together without changing the outputs.

  At each place where products are summed over a removed position, one factor must be zero: the
  value of the channel, or the slices of the reader that belong to kept outputs. So a channel that
  only removed channels read is removed with them.

  Args:
    channels: the channels of the graph.
    wanted: whether each unit should be removed, bool: whole channels.
    absorbers: where the values of constant channels can go, of the same graph; None if such a
      channel stays.

  Returns:
    The units that can be removed, bool; and, for each channel that cannot, the operation that
    reads it.
  """
  values = absorbers.values if absorbers else ConstantChannels(
      channels.trace, channels.channel_of)
  removed = wanted.copy()
  readers: Dict[int, str] = {}
  while True:
    bad: List[Any] = []
    for record in channels.trace.records.contractions:
      units = channels.trace.axes[record.left][record.left_axis]
      other = channels.trace.axes[record.right][record.right_axis]
      for axis in (units, other):
        if axis is not None and is_removed(axis, removed).any():
          read = is_removed(axis, removed) & _read(channels, values, record, removed)
          if absorbers and read.any():
            read &= ~absorbers.absorbs(record)
          found = np.unique(axis[read])
          bad.append(found)
          for label in channels.channel_of[found]:
            readers.setdefault(int(label), record.op)
    if not any(found.size for found in bad):
      bad.append(_last(channels, removed))
    if not any(found.size for found in bad):
      return removed, readers
    labels = np.unique(channels.channel_of[np.concatenate(bad)])
    removed &= ~np.isin(channels.channel_of, labels) if len(channels.channel_of) else True


def unneeded(channels: Channels) -> Dict[str, List[int]]:
  """Returns the channels of a frozen graph that can go without changing its outputs, by group."""
  return by_group(channels, free(channels, Absorbers(channels)))


def free(channels: Channels, absorbers: Absorbers) -> Array:
  """Returns the units of all channels that can go without changing the outputs; see unread."""
  wanted = channels.removed({group.name: range(group.channels) for group in channels.groups})
  return unread(channels, wanted, absorbers)[0]


def by_group(channels: Channels, removed: Array) -> Dict[str, List[int]]:
  """Returns the numbers of removed channels by the names of their groups.

  Args:
    channels: the channels of a graph.
    removed: whether each unit is removed, bool.
  """
  found = {group.name: [number for number in range(group.channels)
                        if removed[channels.label(group.name, number)]]
           for group in channels.groups}
  return {name: numbers for name, numbers in found.items() if numbers}


def _read(channels: Channels, values: ConstantChannels, record: Contraction,
          removed: Array) -> Array:
  """Returns whether each position of a sum contributes to a kept output."""
  return _nonzero(channels, values, record.left, record.left_axis, removed) & _nonzero(
      channels, values, record.right, record.right_axis, removed)


def _nonzero(channels: Channels, values: ConstantChannels, tensor: str, axis: int,
             removed: Array) -> Array:
  known = values.constant(tensor)
  if known is None:
    return values.along(tensor, axis) != 0
  for place, units in enumerate(channels.trace.axes.get(tensor, ())):
    if place != axis and units is not None:
      known = np.compress(~is_removed(units, removed), known, axis=place)
  return np.any(known != 0, axis=tuple(place for place in range(known.ndim) if place != axis))


def _last(channels: Channels, removed: Array) -> Array:
  """Returns a unit for each axis that would lose all its positions: that one is kept."""
  found = []
  for axes in channels.trace.axes.values():
    for axis in axes:
      if axis is not None and len(axis) and is_removed(axis, removed).all():
        found.append(axis[axis != STAYS][0])
  return np.array(found, np.int64)
