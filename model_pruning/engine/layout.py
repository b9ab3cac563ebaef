# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How a weight is cut into shards, and reading ranges that cross the cuts."""

import dataclasses
from typing import List, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.placement import on_device_of
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class Layout:
  """How a weight of static `shape` is cut into shards: `sizes` along `axis`.

  Attributes:
    shape, axis, sizes: see above.
    viewed: the weight's own shape if `shape` is another view of it; None if it is not.
  """
  shape: Tuple[int, ...]
  axis: int
  sizes: Tuple[int, ...]
  viewed: Optional[Tuple[int, ...]] = None

  @classmethod
  def whole(cls, shape: Sequence[int]) -> 'Layout':
    """Returns the layout of a weight with a single shard."""
    shape = tuple(int(dim) for dim in shape)
    return cls(shape, 0, shape[:1] or (1,))

  @property
  def spans(self) -> List[Tuple[int, int]]:
    """The range [begin, end) of every shard along the axis."""
    ends = np.cumsum(self.sizes).tolist()
    return list(zip([0] + ends[:-1], ends))

  def shard_shape(self, index: int) -> Tuple[int, ...]:
    """Returns the static shape of a shard."""
    if not self.shape:
      return ()
    return self.shape[:self.axis] + (self.sizes[index],) + self.shape[self.axis + 1:]

  @property
  def own_shape(self) -> Tuple[int, ...]:
    """The weight's own shape, up to the order of its dimensions."""
    return self.shape if self.viewed is None else self.viewed

  def squeezed(self) -> 'Layout':
    """Returns the layout without dimensions of size 1."""
    kept = [axis for axis, dim in enumerate(self.shape) if dim != 1]
    shape = tuple(self.shape[axis] for axis in kept)
    if self.axis in kept:
      return Layout(shape, kept.index(self.axis), self.sizes)
    return Layout.whole(shape)


def whole_units(layout: Layout, size: int) -> List[Tuple[int, int]]:
  """Returns, per shard, the range along the axis that the units of `size` starting in it cover."""
  length = layout.shape[layout.axis]
  return [(min(-(-begin // size) * size, length), min(-(-end // size) * size, length))
          for begin, end in layout.spans]


def joined_range(shards: Sequence[Tensor], spans: Sequence[Tuple[int, int]], axis: int, begin: int,
                 end: int) -> Tensor:
  """Returns elements [begin, end) along `axis`, reading only the needed part of each shard."""
  pieces, rank = [], shards[0].shape.rank
  for shard, (first, last) in zip(shards, spans):
    start, stop = max(begin, first), min(end, last)
    if start >= stop:
      continue
    if (start, stop) == (first, last):
      pieces.append(shard)
    else:
      offset, size = [0] * rank, [-1] * rank
      offset[axis], size[axis] = start - first, stop - start
      with on_device_of(shard):  # Only the piece is sent to another device.
        pieces.append(tf.slice(shard, offset, size))
  if not pieces:
    return tf.slice(shards[0], [0] * rank, [0 if dim == axis else -1 for dim in range(rank)])
  return pieces[0] if len(pieces) == 1 else tf.concat(pieces, axis)


def reshaped(shard: Tensor, shape: Sequence[int]) -> Tensor:
  """Returns the shard in another shape, on the shard's device: reshapes need a placement."""
  if shard.shape.rank == len(shape) and shard.shape.as_list() == list(shape):
    return shard
  with on_device_of(shard):
    return tf.reshape(shard, shape)
