# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pools and expands the blocks of many small weights at once.

Weight after weight, blocks take some forty operations for each weight, and building and starting
them takes longer than their work. Here the elements of all blocks are the columns of one matrix,
with a row per place in a block. Two operations move the elements of a weight there, and every
other operation works on all weights. Block.pool and Block.expand give the same, to the bit.
"""

import collections
from typing import Dict, Hashable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.blocks import Block
from model_pruning.engine.layout import Layout
from model_pruning.engine.layout import reshaped
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.placement import on_gpu
from model_pruning.util.types import Tensor

# Updates of larger weights are faster one by one. A matrix has about so many elements, so that it
# stays in the processor's cache.
_LARGEST, _MATRIX = 1 << 11, 1 << 20


class _Shape(NamedTuple):
  """The weights of one shape in a batch.

  Attributes:
    rows, columns: their shape, without dimensions of size 1.
    members: their numbers.
  """
  rows: int
  columns: int
  members: List[int]


class BlockBatch:
  """Small weights on one device that are cut into blocks of the same size.

  Attributes:
    members: numbers of the weights, in the order of the matrix.
  """

  def __init__(self, block: Block, members: Sequence[int], layouts: Sequence[Layout]) -> None:
    """Creates a batch.

    Args:
      block: the pattern of all weights.
      members: numbers of the weights.
      layouts: how each of them is cut; into one shard.
    """
    self._block = block
    self._layouts = dict(zip(members, layouts))
    shapes: Dict[Tuple[int, ...], _Shape] = collections.OrderedDict()
    for member, layout in zip(members, layouts):
      rows, columns = layout.squeezed().shape
      shapes.setdefault((rows, columns), _Shape(rows, columns, [])).members.append(member)
    self._shapes = list(shapes.values())
    self.members = [member for shape in self._shapes for member in shape.members]

  def pool(self, *scores: Tensor) -> List[Tensor]:
    """Returns the scores of the units of each member, float32 vectors; see Pattern.pool.

    Args:
      *scores: per member, the score of each element, float32; the sign is ignored.
    """
    block, places = self._block, self._block.height * self._block.width
    size, row_per_place = _size(block), tf.constant([places, -1])
    paddings, remaining = _Constants(), iter(scores)
    matrices = [tf.reshape(tf.raw_ops.SpaceToBatchND(
        input=tf.stack([reshaped(next(remaining), shape[:2]) for _ in shape.members]),
        block_shape=size, paddings=paddings(self._excess(shape))), row_per_place)
                for shape in self._shapes]
    joined = tf.abs(matrices[0] if len(matrices) == 1 else tf.concat(matrices, axis=1))
    covered = np.concatenate([np.tile(block.covered(shape.rows, shape.columns).ravel(),
                                      len(shape.members)) for shape in self._shapes])
    pooled = block.pool_places(tf.reshape(joined, [block.height, block.width, -1]), covered)
    sizes = [self._units(shape) for shape in self._shapes for _ in shape.members]
    return list(tf.split(pooled, sizes))

  def expand(self, *masks: Tensor) -> List[Tensor]:
    """Returns masks over the elements of each member, from masks over its blocks.

    See Pattern.expand.
    """
    places, size, crops = self._block.height * self._block.width, _size(self._block), _Constants()
    vectors = [reshaped(mask, [mask.shape.num_elements()]) for mask in masks]
    joined, is_bool = tf.concat(vectors, axis=0), vectors[0].dtype == tf.bool
    if is_bool:
      joined = tf.cast(joined, tf.uint8)  # Not all versions move bools.
    tiled = tf.split(tf.tile(joined[None], [places, 1]), [
        self._units(shape) * len(shape.members) for shape in self._shapes], axis=1)
    expanded: List[Tensor] = []
    for shape, mask in zip(self._shapes, tiled):
      down, across = self._blocks(shape)
      whole = tf.raw_ops.BatchToSpaceND(
          input=tf.reshape(mask, [places * len(shape.members), down, across]), block_shape=size,
          crops=crops(self._excess(shape)))
      whole = tf.cast(whole, tf.bool) if is_bool else whole
      expanded.extend(tf.unstack(whole, num=len(shape.members)))
    return [reshaped(mask, self._layouts[member].shape)
            for member, mask in zip(self.members, expanded)]

  def _blocks(self, shape: _Shape) -> Tuple[int, int]:
    return -(-shape.rows // self._block.height), -(-shape.columns // self._block.width)

  def _units(self, shape: _Shape) -> int:
    down, across = self._blocks(shape)
    return down * across

  def _excess(self, shape: _Shape) -> Tuple[int, int]:
    """Returns how many rows and columns the blocks cover beyond the weight."""
    down, across = self._blocks(shape)
    return down * self._block.height - shape.rows, across * self._block.width - shape.columns


class _Constants:
  """Paddings or crops at the end of rows and columns: one constant for all equal ones."""

  def __init__(self) -> None:
    self._known: Dict[Tuple[int, int], Tensor] = {}

  def __call__(self, excess: Tuple[int, int]) -> Tensor:
    if excess not in self._known:
      self._known[excess] = tf.constant([[0, amount] for amount in excess])
    return self._known[excess]


def _size(block: Block) -> Tensor:
  return tf.constant([block.height, block.width])


def batches_of(layouts: Sequence[Layout], patterns: Sequence[Pattern],
               weights: Sequence[Sequence[Tensor]]) -> List[BlockBatch]:
  """Returns batches of the small weights that are cut into blocks; other weights are in none.

  Args:
    layouts, patterns: how each weight is cut.
    weights: the shards of each weight.
  """
  batches: Dict[Hashable, List[int]] = collections.OrderedDict()
  sizes: Dict[Hashable, int] = {}
  for index, (layout, pattern, shards) in enumerate(zip(layouts, patterns, weights)):
    size = _size_in_batch(layout, pattern, shards)
    if size is None:
      continue
    kind = (pattern, shards[0].device)
    sizes[kind] = sizes.get(kind, 0) + size
    batches.setdefault((kind, sizes[kind] // _MATRIX), []).append(index)
  return [BlockBatch(patterns[members[0]], members,  # type: ignore[arg-type]
                     [layouts[member] for member in members])
          for members in batches.values() if len(members) > 1]


def _size_in_batch(layout: Layout, pattern: Pattern, shards: Sequence[Tensor]) -> Optional[int]:
  """Returns the number of elements of a weight; None if it is in no batch.

  Weights on GPUs are in none: the kernels there read the places of blocks from host memory.
  """
  size = int(np.prod(layout.shape, dtype=np.int64))
  fits = (isinstance(pattern, Block) and not pattern.use_tpu and len(shards) == 1 and
          0 < size <= _LARGEST and not on_gpu(shards[0]))
  return size if fits else None
