# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is pruned together: single elements, blocks of them, or so many of each run.

A pattern turns scores into unit scores (`pool`), and a mask over units into a
mask over elements (`expand`). Both work on the shards of one weight, each
where it lives. The unit scores of a shard are given as [rows, columns] such
that reading row r of the first shard, row r of the second, and so on, then row
r + 1, visits the units of the whole weight in flat index order.
"""

import dataclasses
from typing import Any, List, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.placement import on_device_of
from model_pruning.spec import BlockDims


@dataclasses.dataclass(frozen=True)
class Layout:
  """How a weight of static `shape` is cut into shards: `sizes` along `axis`."""
  shape: Tuple[int, ...]
  axis: int
  sizes: Tuple[int, ...]

  @classmethod
  def whole(cls, shape: Sequence[int]) -> 'Layout':
    """Returns the layout of a weight that is its own only shard."""
    shape = tuple(int(dim) for dim in shape)
    return cls(shape, 0, shape[:1] or (1,))

  @property
  def spans(self) -> List[Tuple[int, int]]:
    """[begin, end) of every shard along the axis."""
    ends = np.cumsum(self.sizes).tolist()
    return list(zip([0] + ends[:-1], ends))

  def shard_shape(self, index: int) -> Tuple[int, ...]:
    if not self.shape:
      return ()
    return self.shape[:self.axis] + (self.sizes[index],) + self.shape[self.axis + 1:]

  def squeezed(self) -> 'Layout':
    """Returns the layout without dimensions of size 1."""
    kept = [axis for axis, dim in enumerate(self.shape) if dim != 1]
    shape = tuple(self.shape[axis] for axis in kept)
    if self.axis in kept:
      return Layout(shape, kept.index(self.axis), self.sizes)
    return Layout.whole(shape)


@dataclasses.dataclass(frozen=True)
class Elementwise:
  """Every element is a unit of its own."""

  def units(self, layout: Layout) -> int:
    """Returns the number of units of a weight."""
    return int(np.prod(layout.shape, dtype=np.int64))

  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns (elements that a unit covers, number of units that cover so many)."""
    return [(1, self.units(layout))]

  def pool(self, shards: Sequence[Any], layout: Layout) -> List[Any]:
    if len(shards) > 1:
      rows = int(np.prod(layout.shape[:layout.axis], dtype=np.int64))
      return [_reshaped(shard, [rows, -1]) for shard in shards]
    # The last dimension stays: TPUs keep it in tiles, and would copy to reshape it.
    *before, columns = layout.shape or (1,)
    return [_reshaped(shards[0], [int(np.prod(before, dtype=np.int64)), columns])]

  def expand(self, masks: Sequence[Any], layout: Layout) -> List[Any]:
    return [_reshaped(mask, layout.shard_shape(index)) for index, mask in enumerate(masks)]


@dataclasses.dataclass(frozen=True)
class Block:
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

  def units(self, layout: Layout) -> int:
    rows, columns = layout.squeezed().shape
    return -(-rows // self.height) * -(-columns // self.width)

  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    sizes, numbers = np.unique(self._covered(*layout.squeezed().shape), return_counts=True)
    return list(zip(sizes.tolist(), numbers.tolist()))

  def pool(self, shards: Sequence[Any], layout: Layout) -> List[Any]:
    layout = layout.squeezed()
    shards = [_reshaped(shard, layout.shard_shape(index)) for index, shard in enumerate(shards)]
    units = []
    for owner, (begin, end) in zip(shards, self._owned(layout)):
      with on_device_of(owner):
        blocks = self._pool(_range(shards, layout.spans, layout.axis, begin, end))
        flat = layout.axis == 0 and len(shards) > 1
        units.append(tf.reshape(blocks, [1, -1]) if flat else blocks)
    return units

  def expand(self, masks: Sequence[Any], layout: Layout) -> List[Any]:
    squeezed, original = layout.squeezed(), layout
    size = (self.height, self.width)[squeezed.axis]
    unit_spans = [(-(-begin // size), -(-end // size)) for begin, end in self._owned(squeezed)]
    if squeezed.axis == 0:
      across = -(-squeezed.shape[1] // self.width)
      masks = [_reshaped(mask, [end - begin, across])
               for mask, (begin, end) in zip(masks, unit_spans)]
    result = []
    for index, (begin, end) in enumerate(squeezed.spans):
      with on_device_of(masks[index]):
        first = begin // size
        units = _range(masks, unit_spans, squeezed.axis, first, -(-end // size))
        tiled = self._tile(units)
        offset = [0, 0]
        offset[squeezed.axis] = begin - first * size
        cut = tf.slice(tiled, offset, squeezed.shard_shape(index))
        result.append(tf.reshape(cut, original.shard_shape(index)))
    return result

  def _owned(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns, per shard, the elements along the axis of the blocks that begin in it."""
    return _whole_units(layout, (self.height, self.width)[layout.axis])

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

  def _covered(self, rows: int, columns: int) -> np.ndarray:
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


@dataclasses.dataclass(frozen=True)
class NofM:
  """Runs of `m` consecutive input channels, in each of which as many are dropped.

  The last run of a weight may be shorter. Runs are counted from the first channel
  of the whole weight, wherever it is cut: a run belongs to the shard that holds
  its first element, which fetches the rest of it. `pool` gives the scores of
  shards of whole runs as [what is before the input axis, input channels, output
  channels], for n_of_m.select.

  Attributes:
    m: length of a run, at least 2.
  """
  m: int

  def units(self, layout: Layout) -> int:
    return int(np.prod(layout.shape, dtype=np.int64))

  def runs(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns (length of a run, number of runs of that length), for the lengths there are."""
    inputs = layout.shape[-2]
    others = self.units(layout) // max(inputs, 1)
    lengths = [(self.m, inputs // self.m * others), (inputs % self.m, others)]
    return [(length, number) for length, number in lengths if length and number]

  def pool(self, shards: Sequence[Any], layout: Layout) -> List[Any]:
    whole = [_reshaped(shard, self._shape(layout, layout.sizes[index]))
             for index, shard in enumerate(shards)]
    if not self._is_cut(layout):
      return whole
    scores = []
    for owner, (begin, end) in zip(whole, self._owned(layout)):
      with on_device_of(owner):
        scores.append(_range(whole, layout.spans, 1, begin, end))
    return scores

  def expand(self, masks: Sequence[Any], layout: Layout) -> List[Any]:
    result = []
    for index, (begin, end) in enumerate(layout.spans):
      with on_device_of(masks[index]):
        mask = masks[index]
        if self._is_cut(layout):
          mask = _range(masks, self._owned(layout), 1, begin, end)
        result.append(tf.reshape(mask, layout.shard_shape(index)))
    return result

  def _is_cut(self, layout: Layout) -> bool:
    return len(layout.sizes) > 1 and layout.axis == len(layout.shape) - 2

  def _shape(self, layout: Layout, size: int) -> List[int]:
    shape = list(layout.shape)
    shape[layout.axis] = size
    return [int(np.prod(shape[:-2], dtype=np.int64)), shape[-2], shape[-1]]

  def _owned(self, layout: Layout) -> List[Tuple[int, int]]:
    return _whole_units(layout, self.m)


def pattern_for(shape: Sequence[int], dims: BlockDims, pooling: str, n_of_m: bool = False,
                use_tpu: bool = False) -> Any:
  """Returns the pattern for a weight of that shape.

  Args:
    shape: static shape of the whole weight.
    dims: (height, width) of a block; -1 is the whole dimension of this weight.
    pooling: 'AVG' or 'MAX'.
    n_of_m: prune width-long runs of the input channels, instead of blocks.
    use_tpu: see Block.

  Returns:
    A Block; with n_of_m a NofM; or Elementwise for 1x1 blocks, and for weights
    that do not squeeze to rank 2 where blocks are asked for.

  Raises:
    errors.BlockError: dims or pooling are impossible.
  """
  if pooling not in ('AVG', 'MAX'):
    raise errors.BlockError("Unknown pooling function for block sparsity: %r; expected 'AVG' or "
                            "'MAX'" % pooling)
  if any(dim == 0 or dim < -1 for dim in dims):
    raise errors.BlockError('Block dimensions %s: each must be positive, or -1 for the whole '
                            'dimension' % (tuple(dims),))
  if n_of_m and tuple(dims) != (1, 1):
    if len(shape) not in (2, 4):
      raise errors.BlockError(
          'N of M (intra_block_sparsity) goes along the input channels of weights of rank 2 or 4, '
          'and this one has shape %s; prune it elementwise by an entry regex:1x1 in '
          'block_dims_map, or do not mask it' % (tuple(shape),))
    inputs = int(shape[-2])
    if inputs < 2:
      raise errors.BlockError(
          'N of M (intra_block_sparsity) has nothing to choose from in a weight of shape %s, with '
          '%d input channel; prune it elementwise by an entry regex:1x1 in block_dims_map, or do '
          'not mask it' % (tuple(shape), inputs))
    return NofM(inputs if dims[1] == -1 else min(dims[1], inputs))
  squeezed = [int(dim) for dim in shape if dim != 1]
  if len(squeezed) != 2:
    return Elementwise()
  height, width = (size if dim == -1 else min(dim, size) for dim, size in zip(dims, squeezed))
  return (Elementwise() if (height, width) == (1, 1) else
          Block(height, width, pooling, use_tpu))


def fewest_elements(sizes: Sequence[Tuple[int, int]], units: int) -> int:
  """Returns the least number of elements that so many units cover; for `sizes` see unit_sizes."""
  elements = 0
  for size, number in sorted(sizes):
    elements += size * min(number, units)
    units -= min(number, units)
  return elements


def _whole_units(layout: Layout, size: int) -> List[Tuple[int, int]]:
  """Returns, per shard, the elements along the axis of the units of `size` that begin in it."""
  length = layout.shape[layout.axis]
  return [(min(-(-begin // size) * size, length), min(-(-end // size) * size, length))
          for begin, end in layout.spans]


def _covered(length: int, size: int) -> np.ndarray:
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


def _reshaped(shard: Any, shape: Sequence[int]) -> Any:
  """Returns the shard in another shape, where it lives: nothing else says where a reshape goes."""
  with on_device_of(shard):
    return tf.reshape(shard, shape)


def _range(shards: Sequence[Any], spans: Sequence[Tuple[int, int]], axis: int, begin: int,
           end: int) -> Any:
  """Returns elements [begin, end) along `axis`, taking only what is needed of each shard."""
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
      with on_device_of(shard):  # So that only the piece travels.
        pieces.append(tf.slice(shard, offset, size))
  if not pieces:
    return tf.slice(shards[0], [0] * rank, [0 if dim == axis else -1 for dim in range(rank)])
  return pieces[0] if len(pieces) == 1 else tf.concat(pieces, axis)
