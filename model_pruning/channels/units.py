# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Units: the positions along axes of tensors, and which of them must live and die together.

Each position along an axis that may lose positions has the number of a unit. Two units that are
joined belong to one channel. A unit that is fixed stays, with its whole channel.
"""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from model_pruning.util.types import Array

# The unit of a position that has none: it always stays.
STAYS = -1

# Units of the positions along an axis, int64; None for an axis that stays whole, for example the
# examples of a batch, or the height of an image.
Axis = Optional[Any]


@dataclasses.dataclass(frozen=True)
class Fixed:
  """Units that stay, and why.

  Attributes:
    units: their numbers, int64.
    op: name of the operation that needs them.
    kind: its type.
    reason: why it does; '' if that is in the nature of the axis, and not worth a line.
  """
  units: Any
  op: str
  kind: str
  reason: str


class Units:
  """Hands out units, and records which are joined and which are fixed."""

  def __init__(self) -> None:
    self._number = 0
    self._left: List[Any] = []
    self._right: List[Any] = []
    self.fixed: List[Fixed] = []

  def fresh(self, number: int) -> Array:
    """Returns `number` new units."""
    self._number += number
    return np.arange(self._number - number, self._number)

  def join(self, left: Axis, right: Axis) -> None:
    """Joins two axes position by position; units beside a position that stays are fixed.

    Args:
      left, right: axes of one length.
    """
    if left is None or right is None:
      for axis in (left, right):
        self.fix(axis)
      return
    both = (left != STAYS) & (right != STAYS)
    self._left.append(left[both])
    self._right.append(right[both])
    for axis in (left, right):
      if not both.all():
        self.fix(axis[~both])

  def fix(self, axis: Axis, op: str = '', kind: str = '', reason: str = '') -> None:
    """Fixes the units of an axis; see Fixed."""
    if axis is None:
      return
    units = np.unique(axis[axis != STAYS])
    if units.size:
      self.fixed.append(Fixed(units, op, kind, reason))

  def components(self) -> Array:
    """Returns the number of the channel of each unit: the least unit that is joined with it."""
    labels = np.arange(self._number)
    left, right = (np.concatenate([np.zeros(0, np.int64), *side])
                   for side in (self._left, self._right))
    while True:
      one, other = labels[left], labels[right]
      apart = one != other
      if not apart.any():
        return labels
      left, right = left[apart], right[apart]
      np.minimum.at(labels, np.maximum(one, other)[apart], np.minimum(one, other)[apart])
      while (labels[labels] != labels).any():
        labels = labels[labels]

  def canonical(self, axis: Array) -> Array:
    """Returns an axis with the number of the channel, so far, in place of each unit."""
    return np.where(axis == STAYS, STAYS, self.components()[axis])

  def reasons(self) -> Dict[int, Fixed]:
    """Returns, by channel, why it stays: the first record with a reason, or else the first."""
    labels = self.components()
    found: Dict[int, Fixed] = {}
    for record in self.fixed:
      for label in np.unique(labels[record.units]):
        known = found.get(int(label))
        if known is None or record.reason and not known.reason:
          found[int(label)] = record
    return found


def size_after(axis: Axis, size: int, removed: Array) -> int:
  """Returns the length of an axis without the removed units.

  Args:
    axis: its units.
    size: its length.
    removed: whether each unit is removed, bool.
  """
  return size if axis is None else size - int(is_removed(axis, removed).sum())


def is_removed(axis: Array, removed: Array) -> Array:
  """Returns whether each position of an axis is removed, bool."""
  return (axis != STAYS) & removed[axis]


def joined_ends(parts: Sequence[Axis], sizes: Sequence[int]) -> Axis:
  """Returns the axis of tensors that are concatenated along it."""
  if all(part is None for part in parts):
    return None
  return np.concatenate([np.full(size, STAYS) if part is None else part
                         for part, size in zip(parts, sizes)])
