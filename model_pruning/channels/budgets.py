# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chooses channels of all groups together, so that a number of FLOPs or bytes is not exceeded.

Channels go in chunks. If the damage is measured on examples, the next chunk to go does the least
damage for each FLOP or byte that it saves. Both are counted anew in each step, because a
convolution between two groups saves less once one of them is smaller.

Norms of different groups say nothing about each other. By norms, groups therefore lose similar
fractions of their squared norms, whatever their channels save, and those less that connect several
layers. If a fraction s stays of a group, and w layers write it and r read it, s^(w r) is the same
for all groups, as far as chunks allow. So channels go inside of the blocks of a residual network,
as in ThiNet (Luo et al., 2017), before they go where all blocks meet.
"""

import heapq
import math
from typing import Any, Dict, List, Set, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.channels.analysis import Channels
from model_pruning.channels.choice import Orders
from model_pruning.channels.choice import Target
from model_pruning.channels.units import STAYS
from model_pruning.util import tables
from model_pruning.util.types import Array

_CHUNKS = 32  # The most steps in which one group shrinks.


class Path:
  """The steps in which channels are removed.

  Attributes:
    steps: (group, number of its channels that are removed after the step), the first step first.
  """

  def __init__(self, channels: Channels, orders: Orders, target: Target,
               resource: str = 'flops', limit: float = 0, even: bool = False) -> None:
    """Finds the steps.

    Args:
      channels: the channels of a graph.
      orders: the order of the channels of each group that may lose some.
      target: its `keep` and `multiple_of` hold.
      resource: 'flops' or 'bytes'.
      limit: no further steps are made once there are so few FLOPs or bytes.
      even: whether the damage is a fraction of a norm, and not comparable between groups.

    Raises:
      errors.ChannelError: the FLOPs are unknown.
    """
    self._channels, self._orders, self._target = channels, orders, target
    self._resource = resource
    self._connected = _connected(channels) if even else {}
    self._sizes = {group.name: group.channels for group in channels.groups
                   if group.name in orders and not target.kept_whole(group.name)}
    self.steps: List[Tuple[str, int]] = []
    self._gone = dict.fromkeys(self._sizes, 0)
    if self.left({}) is None:
      raise errors.ChannelError('The FLOPs of the model are unknown, as a shape is; export it with '
                                'a known size of its inputs, or give max_bytes')
    self._walk(limit)

  def left(self, gone: Dict[str, int]) -> Any:
    """Returns the FLOPs or bytes without the first channels of some groups."""
    removed = self._channels.removed(self._numbers(gone))
    return (self._channels.flops if self._resource == 'flops' else self._channels.bytes)(removed)

  def size(self, group: str) -> int:
    """Returns the number of channels of a group."""
    return self._sizes[group]

  def removed(self, steps: int) -> Dict[str, List[int]]:
    """Returns the numbers of the channels that are removed by the first steps, by group."""
    return self._numbers(dict(self.steps[:steps]))

  def _numbers(self, gone: Dict[str, int]) -> Dict[str, List[int]]:
    return {name: sorted(self._orders[name].numbers[:count])
            for name, count in gone.items() if count}

  def _walk(self, limit: float) -> None:
    left = self.left({})
    removed = self._channels.nothing()
    heap: List[Tuple[float, int, str]] = []
    for index, name in enumerate(self._sizes):
      self._push(heap, index, name, removed)
    while heap and left > limit:
      _, index, name = heapq.heappop(heap)
      # What it saves has become less since it was last counted.
      key, saved, after = self._step(name, removed)
      if heap and key > heap[0][0]:
        heapq.heappush(heap, (key, index, name))
        continue
      self._gone[name] = self._next(name)
      self.steps.append((name, self._gone[name]))
      left, removed = left - saved, after
      self._push(heap, index, name, removed)

  def _push(self, heap: List[Tuple[float, int, str]], index: int, name: str, removed: Array
            ) -> None:
    if self._next(name) > self._gone[name]:
      heapq.heappush(heap, (self._step(name, removed)[0], index, name))

  def _next(self, name: str) -> int:
    """Returns how many channels of a group are removed after its next step."""
    size, target = self._sizes[name], self._target
    chunk = -(-size // (_CHUNKS * target.multiple_of)) * target.multiple_of
    stay = size - self._gone[name]
    less = (stay - 1) // target.multiple_of * target.multiple_of  # At least the odd ones.
    if stay % target.multiple_of == 0:
      less = stay - chunk
    return size - target.stay(size, min(less, stay))

  def _step(self, name: str, removed: Array) -> Tuple[float, int, Array]:
    """Returns the next step of a group.

    Returns:
      The damage for each FLOP or byte that it saves, or -log(s^n), how many it saves, and the
      removed units after it.
    """
    number = self._next(name)
    after = removed | self._channels.removed({name: self._orders[name].numbers[:number]})
    saved = self._channels.saved(name, removed, after)[int(self._resource == 'flops')]
    costs = self._orders[name].costs
    if self._connected:
      stays = max(1 - float(costs[number]), 1e-300)
      return -math.log(stays) * self._connected[name], saved, after
    damage = max(float(costs[number] - costs[self._gone[name]]), 0.0)
    return damage / saved if saved > 0 else float('inf'), saved, after


def _connected(channels: Channels) -> Dict[str, int]:
  """Returns the number of pairs of layers that each group connects, at least 1.

  One writes the channels, and the other one reads them. Depthwise convolutions do neither: each
  channel goes through on its own.
  """
  index = {group.name: number for number, group in enumerate(channels.groups)}
  group_of = np.full(len(channels.channel_of), -1)
  for group in channels.groups:
    group_of[[channels.label(group.name, number) for number in range(group.channels)]] = (
        index[group.name])
  trace = channels.trace
  ends = [[(record.op, trace.axes[record.left][record.left_axis])
           for record in trace.records.contractions],
          [(product.op, axis) for product in trace.records.products if len(product.axes) != 1
           for axis in product.outputs]]
  counts = []
  for side in ends:
    found: List[Set[str]] = [set() for _ in channels.groups]
    for op, axis in side:
      if axis is not None:
        for number in np.unique(group_of[channels.channel_of[axis[axis != STAYS]]]).tolist():
          if number >= 0:
            found[number].add(op)
    counts.append([max(len(ops), 1) for ops in found])
  return {name: counts[0][number] * counts[1][number] for name, number in index.items()}


def within(channels: Channels, orders: Orders, target: Target, even: bool = False
           ) -> Dict[str, List[int]]:
  """Returns the channels to remove, by group, so that the target's FLOPs or bytes are met.

  Args:
    channels, orders, target, even: see Path.

  Raises:
    errors.ChannelError: they cannot be met; the message says which number can.
  """
  resource = 'flops' if target.max_flops is not None else 'bytes'
  limit = target.max_flops if target.max_flops is not None else target.max_bytes
  assert limit is not None
  path = Path(channels, orders, target, resource, limit, even)
  gone = dict(path.steps)
  least = path.left(gone)
  if least > limit:
    unit = ' FLOPs per example' if resource == 'flops' else ' bytes'
    raise errors.ChannelError(
        'max_%s=%s cannot be met: of %s%s, at least %s are left when each group has one channel%s; '
        'ask for %d or more%s' % (
            resource, tables.scaled(limit), tables.scaled(path.left({})), unit,
            tables.scaled(least),
            '' if target.multiple_of == 1 else ', or %d' % target.multiple_of, least,
            ', or keep fewer groups whole' if target.keep else ''))
  if path.steps:
    gone = _given_back(path, gone, limit, target)
  return {name: sorted(orders[name].numbers[:count]) for name, count in gone.items() if count}


def _given_back(path: Path, gone: Dict[str, int], limit: float, target: Target) -> Dict[str, int]:
  """Returns fewer removed channels, as the limit allows: first of the groups that lost some last.

  The last step may have saved more than was needed.
  """
  gone = dict(gone)
  before: Dict[str, int] = {}
  last: Dict[str, int] = {}
  for name, count in path.steps:
    before[name] = last.get(name, 0)
    last[name] = count
  for name, _ in reversed(path.steps):
    size = path.size(name)
    for fewer in range(before.pop(name, gone[name]), gone[name]):
      if size - target.stay(size, size - fewer) == fewer and path.left(
          {**gone, name: fewer}) <= limit:
        gone[name] = fewer
        break
  return gone
