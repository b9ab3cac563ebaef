# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The pattern of blocks: a matrix is cut into blocks, and each is kept or dropped as a whole."""

import dataclasses
from typing import List, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.keys import largest
from model_pruning.engine.layout import joined_range
from model_pruning.engine.layout import Layout
from model_pruning.engine.layout import reshaped
from model_pruning.engine.layout import whole_units
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.pattern import Unit
from model_pruning.engine.placement import on_device_of
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Array
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class Block(OneThreshold):
  """Blocks of height x width elements of a matrix; blocks at the edges may be smaller.

  Blocks are counted from the first row and column of the whole weight, no matter how it is cut
  into shards. The shard with the first element of a block owns the block and fetches the rest of
  it.

  Attributes:
    height, width: size in elements, both positive.
    pooling: 'AVG' or 'MAX': how the scores of its elements make the score of a block.
    use_tpu: work on rows only. TPUs store the last dimension in tiles of 128 and would pad a
      last dimension as short as the width of a block.
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
    """Returns the pattern; None if the weight does not squeeze to rank 2 or the blocks are 1x1."""
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
    """Returns a description of the blocks for reports."""
    return Unit('blocks of %dx%d' % (self.height, self.width), self.height,
                self.height >= layout.squeezed().shape[0])

  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns (elements in a block, number of such blocks); blocks at the edges may be smaller."""
    sizes, numbers = np.unique(self.covered(*layout.squeezed().shape), return_counts=True)
    return list(zip(sizes.tolist(), numbers.tolist()))

  def pool(self, shards: Sequence[Tensor], layout: Layout) -> List[Tensor]:
    """Returns the mean or the maximum of the scores in each block; see Pattern.pool."""
    layout = layout.squeezed()
    shards = [reshaped(shard, layout.shard_shape(index)) for index, shard in enumerate(shards)]
    units = []
    for owner, (begin, end) in zip(shards, self._owned(layout)):
      with on_device_of(owner):
        blocks = self._pool(joined_range(shards, layout.spans, layout.axis, begin, end))
        flat = layout.axis == 0 and len(shards) > 1
        units.append(tf.reshape(blocks, [1, -1]) if flat else blocks)
    return units

  def expand(self, masks: Sequence[Tensor], layout: Layout) -> List[Tensor]:
    """Returns masks in which every element has the mask of its block; see Pattern.expand."""
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
        shape = squeezed.shard_shape(index)
        if tiled.shape.as_list() != list(shape):
          tiled = tf.slice(tiled, offset, shape)
        result.append(reshaped(tiled, original.shard_shape(index)))
    return result

  def _owned(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns, per shard, the range along the axis that the blocks starting in it cover."""
    return whole_units(layout, (self.height, self.width)[layout.axis])

  def _pool(self, scores: Tensor) -> Tensor:
    """Returns the score of every block of a matrix, [rows / height, columns / width]."""
    rows, columns = scores.shape.as_list()
    down, across = -(-rows // self.height), -(-columns // self.width)
    padding = [[0, down * self.height - rows], [0, across * self.width - columns]]
    if np.any(padding):
      scores = tf.pad(scores, padding)
    if self.use_tpu:
      pooled = tf.transpose(self._pool_rows(scores, self.height))
      total = tf.transpose(self._pool_rows(pooled, self.width))
    else:
      blocks = tf.reshape(scores, [down, self.height, across, self.width])
      if self.pooling == 'MAX':
        # As integers, because TensorFlow versions differ in the maximum of floats with NaN.
        total = tf.bitcast(largest(blocks, axis=[1, 3]), tf.float32)
      else:
        # Over the height first: it adds contiguous rows, and leaves less to add afterwards.
        total = tf.reshape(_pairwise_sum(_pairwise_sum(blocks, 1), 3), [down, across])
    return total if self.pooling == 'MAX' else _mean(total, self.covered(rows, columns))

  def pool_places(self, places: Tensor, covered: Array) -> Tensor:
    """Returns the score of every block of many weights, a float32 vector.

    Args:
      places: [height, width, blocks]: the scores in each block, zero where a block covers nothing.
      covered: how many elements each block covers.
    """
    if self.pooling == 'MAX':
      return tf.bitcast(largest(places, axis=[0, 1]), tf.float32)
    total = tf.reshape(_pairwise_sum(_pairwise_sum(places, 0), 1), [-1])
    return _mean(total, covered)

  def _pool_rows(self, matrix: Tensor, size: int) -> Tensor:
    """Returns the maximum or the sum of every `size` consecutive rows."""
    rows, columns = matrix.shape.as_list()
    runs = tf.reshape(matrix, [rows // size, size, columns])
    if self.pooling == 'MAX':
      return tf.bitcast(largest(runs, axis=1), tf.float32)
    return tf.reshape(_pairwise_sum(runs, 1), [rows // size, columns])

  def covered(self, rows: int, columns: int) -> Array:
    """Returns the number of elements that each block of a matrix covers."""
    return np.outer(_covered(rows, self.height), _covered(columns, self.width))

  def _tile(self, units: Tensor) -> Tensor:
    """Returns a matrix in which every element has the value of its block."""
    if self.use_tpu:
      return _repeat_rows(tf.transpose(_repeat_rows(tf.transpose(units), self.width)), self.height)
    down, across = units.shape.as_list()
    # Tiling one dimension after the other takes half as long as tiling both at once.
    rows = tf.reshape(tf.tile(tf.reshape(units, [down * across, 1]), [1, self.width]),
                      [down, 1, across * self.width])
    return tf.reshape(tf.tile(rows, [1, self.height, 1]),
                      [down * self.height, across * self.width])


def _covered(length: int, size: int) -> Array:
  """Returns how many of `length` elements each block of `size` covers."""
  return np.minimum(size, length - np.arange(0, length, size))


def _mean(total: Tensor, covered: Array) -> Tensor:
  """Returns the sums over blocks divided by the numbers of elements that they cover."""
  # The graph optimizer turns some divisions into multiplications by the reciprocal, which round
  # differently, so multiply by it always. abs clears the sign that a NaN may get in a sum.
  return tf.abs(total * (np.float32(1) / covered.astype(np.float32)))


def _pairwise_sum(blocks: Tensor, axis: int) -> Tensor:
  """Returns the sum over `axis`, keeping the axis, by adding its upper half to its lower half.

  The order in which reduce_sum adds, and therefore its rounding, differs between devices and
  versions. The additions here round the same everywhere, and the fixed tree is also more accurate
  than adding one element after the other.
  """
  size, reduced = int(blocks.shape[axis]), False
  last = axis == blocks.shape.rank - 1
  while size > 1:
    half = (size + 1) // 2
    if last and size % 2 == 0 and not reduced:
      # Two elements add in only one order. Never two reductions in a row: XLA would merge them
      # and choose the order itself.
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


def _repeat_rows(matrix: Tensor, times: int) -> Tensor:
  """Returns the matrix with each row repeated `times` times in place."""
  rows, columns = matrix.shape.as_list()
  return tf.reshape(tf.tile(tf.reshape(matrix, [rows, 1, columns]), [1, times, 1]),
                    [rows * times, columns])
