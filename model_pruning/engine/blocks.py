# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Blocks of a matrix, each pruned as a whole."""

import dataclasses
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.layout import joined_range
from model_pruning.engine.layout import Layout
from model_pruning.engine.layout import reshaped
from model_pruning.engine.layout import whole_units
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.pattern import Unit
from model_pruning.engine.placement import on_device_of
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec


@dataclasses.dataclass(frozen=True)
class Block(OneThreshold):
  """Blocks of height x width of a matrix; edge blocks cover what is there.

  Blocks are counted from the first row and column of the whole weight,
  wherever it is cut: a block belongs to the shard that holds its first
  element, which fetches the rest of it.

  Attributes:
    height, width: size in elements, both positive.
    pooling: 'AVG' or 'MAX' of the scores of the elements covered.
    use_tpu: go about it by rows alone. TPUs keep the last dimension in tiles of 128, and would
      fill up one as short as a block is wide.
  """
  height: int
  width: int
  pooling: str
  use_tpu: bool = False

  def __post_init__(self) -> None:
    if self.pooling not in ('AVG', 'MAX'):
      raise errors.BlockError("Unknown pooling function for block sparsity: %r; expected 'AVG' or "
                              "'MAX'" % self.pooling)

  @classmethod
  def create(cls, shape: Sequence[int], dims: BlockDims, spec: PruningSpec) -> 'Optional[Block]':
    """Returns the pattern for weights that squeeze to rank 2, unless the blocks are 1x1."""
    squeezed = [int(dim) for dim in shape if dim != 1]
    if len(squeezed) != 2:
      return None
    height, width = (size if dim == -1 else min(dim, size) for dim, size in zip(dims, squeezed))
    if (height, width) == (1, 1):
      return None
    return cls(height, width, spec.block_pooling_function, spec.use_tpu)

  def units(self, layout: Layout) -> int:
    """Returns the number of blocks."""
    rows, columns = layout.squeezed().shape
    return -(-rows // self.height) * -(-columns // self.width)

  def describe(self, layout: Layout) -> Unit:
    """Returns what a report says about the blocks."""
    return Unit('blocks of %dx%d' % (self.height, self.width), self.height,
                self.height >= layout.squeezed().shape[0])

  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns the sizes of blocks; the last ones of a row or column may be smaller."""
    sizes, numbers = np.unique(self._covered(*layout.squeezed().shape), return_counts=True)
    return list(zip(sizes.tolist(), numbers.tolist()))

  def pool(self, shards: Sequence[Any], layout: Layout) -> List[Any]:
    """Returns the mean or the largest score of each block; see Pattern.pool."""
    layout = layout.squeezed()
    shards = [reshaped(shard, layout.shard_shape(index)) for index, shard in enumerate(shards)]
    units = []
    for owner, (begin, end) in zip(shards, self._owned(layout)):
      with on_device_of(owner):
        blocks = self._pool(joined_range(shards, layout.spans, layout.axis, begin, end))
        flat = layout.axis == 0 and len(shards) > 1
        units.append(tf.reshape(blocks, [1, -1]) if flat else blocks)
    return units

  def expand(self, masks: Sequence[Any], layout: Layout) -> List[Any]:
    """Returns the mask of a block for each of its elements; see Pattern.expand."""
    squeezed, original = layout.squeezed(), layout
    size = (self.height, self.width)[squeezed.axis]
    unit_spans = [(-(-begin // size), -(-end // size)) for begin, end in self._owned(squeezed)]
    if squeezed.axis == 0:
      across = -(-squeezed.shape[1] // self.width)
      masks = [reshaped(mask, [end - begin, across])
               for mask, (begin, end) in zip(masks, unit_spans)]
    result = []
    for index, (begin, end) in enumerate(squeezed.spans):
      with on_device_of(masks[index]):
        first = begin // size
        units = joined_range(masks, unit_spans, squeezed.axis, first, -(-end // size))
        tiled = self._tile(units)
        offset = [0, 0]
        offset[squeezed.axis] = begin - first * size
        cut = tf.slice(tiled, offset, squeezed.shard_shape(index))
        result.append(tf.reshape(cut, original.shard_shape(index)))
    return result

  def _owned(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns, per shard, the elements along the axis of the blocks that begin in it."""
    return whole_units(layout, (self.height, self.width)[layout.axis])

  def _pool(self, scores: Any) -> Any:
    """Returns the score of every block of a matrix, [rows / height, columns / width]."""
    rows, columns = scores.shape.as_list()
    down, across = -(-rows // self.height), -(-columns // self.width)
    padding = [[0, down * self.height - rows], [0, across * self.width - columns]]
    if self.pooling == 'MAX':
      # As integers: the maximum of floats treats NaN differently from one
      # TensorFlow version to the next.
      scores = tf.bitcast(scores, tf.int32)
    scores = tf.pad(scores, padding)
    if self.use_tpu:
      pooled = tf.transpose(self._pool_rows(scores, self.height))
      total = tf.transpose(self._pool_rows(pooled, self.width))
    else:
      blocks = tf.reshape(scores, [down, self.height, across, self.width])
      if self.pooling == 'MAX':
        total = tf.reduce_max(blocks, axis=[1, 3])
      else:
        # Whole rows first: they lie together in memory, and leave less to go over.
        total = tf.reshape(_pairwise_sum(_pairwise_sum(blocks, 1), 3), [down, across])
    if self.pooling == 'MAX':
      return tf.bitcast(total, tf.float32)
    # Multiplied by the reciprocal, since the graph optimizer does so with some divisions, and
    # rounds differently then. The sign is for NaN, which may come out of a sum as negative.
    share = np.float32(1) / self._covered(rows, columns).astype(np.float32)
    return tf.abs(total * share)

  def _pool_rows(self, matrix: Any, size: int) -> Any:
    """Returns the maximum or the sum of each `size` consecutive rows."""
    rows, columns = matrix.shape.as_list()
    runs = tf.reshape(matrix, [rows // size, size, columns])
    if self.pooling == 'MAX':
      return tf.reduce_max(runs, axis=1)
    return tf.reshape(_pairwise_sum(runs, 1), [rows // size, columns])

  def _covered(self, rows: int, columns: int) -> Any:
    """Returns the number of elements that each block of a matrix covers."""
    return np.outer(_covered(rows, self.height), _covered(columns, self.width))

  def _tile(self, units: Any) -> Any:
    if self.use_tpu:
      return _repeat_rows(tf.transpose(_repeat_rows(tf.transpose(units), self.width)), self.height)
    down, across = units.shape.as_list()
    # One dimension after the other, which takes half as long as both at once.
    rows = tf.reshape(tf.tile(tf.reshape(units, [down * across, 1]), [1, self.width]),
                      [down, 1, across * self.width])
    return tf.reshape(tf.tile(rows, [1, self.height, 1]),
                      [down * self.height, across * self.width])


def _covered(length: int, size: int) -> Any:
  """Returns how many of `length` elements each block of `size` covers."""
  return np.minimum(size, length - np.arange(0, length, size))


def _pairwise_sum(blocks: Any, axis: int) -> Any:
  """Sums over `axis`, keeping it, by adding the upper half to the lower until one is left.

  reduce_sum adds in an order that differs between devices and versions, and so
  rounds differently; these additions round the same everywhere. The fixed tree
  is also more accurate than adding one by one.
  """
  size, reduced = int(blocks.shape[axis]), False
  last = axis == blocks.shape.rank - 1
  while size > 1:
    half = (size + 1) // 2
    if last and size % 2 == 0 and not reduced:
      # Of two there is only one order. XLA would make one reduction, in an order of its own, of
      # two in a row.
      shape = blocks.shape.as_list()
      shape[axis:axis + 1] = [2, half]
      blocks, reduced = tf.reduce_sum(tf.reshape(blocks, shape), axis=axis), True
    else:
      lower, upper = tf.split(blocks, [half, size - half], axis=axis)
      if size % 2:
        padding = [[0, 0] for _ in range(blocks.shape.rank)]
        padding[axis][1] = 1
        upper = tf.pad(upper, padding)
      blocks, reduced = lower + upper, False
    size = half
  return blocks


def _repeat_rows(matrix: Any, times: int) -> Any:
  """Returns each row of a matrix so many times in a row."""
  rows, columns = matrix.shape.as_list()
  return tf.reshape(tf.tile(tf.reshape(matrix, [rows, 1, columns]), [1, times, 1]),
                    [rows * times, columns])
