# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Measures an array: its sparsity, the blocks in which it is sparse, and its size when stored."""

import dataclasses
import functools
import zlib
from typing import List, Optional, Sequence

import numpy as np

from model_pruning import errors
from model_pruning.hparams.maps import BlockDims
from model_pruning.reading import tensors

_SIZES = (2, 4, 8, 16, 32, 64)
_FIT = 0.95  # See find_block.
_CHUNK = 2**20  # Bytes.


@dataclasses.dataclass(frozen=True)
class Blocks:
  """The blocks of a matrix.

  Attributes:
    height, width: size of a block, in elements.
    total: number of blocks; blocks at the edges may be smaller.
    zero: number of blocks that are all zeros.
    covered: number of elements in the other blocks.
  """
  height: int
  width: int
  total: int
  zero: int
  covered: int

  @property
  def sparsity(self) -> float:
    """Fraction of the blocks that are all zeros."""
    return self.zero / max(self.total, 1)


def is_matrix(shape: Sequence[int]) -> bool:
  """Whether a weight of this shape can be pruned in blocks."""
  return sum(dim != 1 for dim in shape) == 2


def as_matrix(array: np.ndarray) -> np.ndarray:
  """Returns an array as [inputs, outputs]: squeezed, or with all axes but the last flattened."""
  if is_matrix(array.shape):
    return np.squeeze(array)
  width = array.shape[-1] if array.ndim else 1
  return array.reshape(array.size // max(width, 1), width)


def cell_of(shape: Sequence[int], most: int) -> BlockDims:
  """Returns the (height, width) of cells that divide a matrix into at most `most` x `most`."""
  return -(-shape[0] // most), -(-shape[1] // most)


def kept_by_cell(kept: np.ndarray, most: int) -> np.ndarray:
  """Returns the fraction of True in each cell of a bool matrix, float32; see cell_of."""
  cell = cell_of(kept.shape, most)
  if tensors.is_repeated(kept):
    return np.full([-(-size // one) for size, one in zip(kept.shape, cell)], float(kept[0, 0]),
                   np.float32)
  values: np.ndarray = kept
  for axis, size in enumerate(cell):
    begins = np.arange(0, values.shape[axis], size)
    covered = np.diff(np.append(begins, values.shape[axis])).astype(np.float32)
    values = np.add.reduceat(values, begins, axis, np.float32) / (
        covered[:, None] if axis == 0 else covered)
  return values


def check_block(block: Optional[BlockDims]) -> None:
  """Raises errors.BlockError if (height, width) is not a valid block size."""
  if block is not None and (len(block) != 2 or any(
      not isinstance(dim, int) or dim == 0 or dim < -1 for dim in block)):
    raise errors.BlockError('block=%r: expected (height, width), each positive or -1 for the whole '
                            'dimension of the weight' % (block,))


def blocks_of(kept: np.ndarray, block: BlockDims) -> Blocks:
  """Counts the blocks of a matrix.

  Args:
    kept: bool matrix [inputs, outputs], False for zeros.
    block: (height, width) in elements; -1 for the whole dimension.
  """
  height, width = (size if dim == -1 else min(dim, size) for dim, size in zip(block, kept.shape))
  rows, columns = kept.shape
  if not kept.size:
    return Blocks(max(height, 1), max(width, 1), 0, 0, 0)
  alive = np.logical_or.reduceat(
      np.logical_or.reduceat(kept, np.arange(0, rows, height), 0),
      np.arange(0, columns, width), 1)
  heights = np.diff(np.append(np.arange(0, rows, height), rows))
  widths = np.diff(np.append(np.arange(0, columns, width), columns))
  covered = int(heights @ alive.astype(np.int64) @ widths)
  return Blocks(height, width, alive.size, alive.size - int(alive.sum()), covered)


def uniform_blocks(shape: Sequence[int], block: BlockDims, kept: bool) -> Blocks:
  """Counts the blocks of a matrix that has no zeros, or only zeros; like blocks_of.

  Args:
    shape: (inputs, outputs) of the matrix.
    block: (height, width) in elements; -1 for the whole dimension.
    kept: whether its elements are nonzero.
  """
  height, width = (size if dim == -1 else min(dim, size) for dim, size in zip(block, shape))
  total = -(-shape[0] // height) * -(-shape[1] // width)
  return Blocks(height, width, total, 0 if kept else total, shape[0] * shape[1] if kept else 0)


def find_block(kept: np.ndarray) -> BlockDims:
  """Returns (height, width) of the largest blocks in which a matrix is sparse; (1, 1) for none.

  It tries powers of two up to 64, and whole rows and columns. A matrix is sparse in
  blocks of a size if 95 % of its zeros are in blocks that are all zeros, and 95 % of the
  elements of the other blocks are nonzero. A matrix that is sparse in blocks is also
  sparse in the smaller blocks into which these divide.

  Args:
    kept: bool matrix [inputs, outputs], False for zeros.
  """
  nonzero = int(np.count_nonzero(kept))
  zeros = kept.size - nonzero
  if not zeros or not nonzero:
    return 1, 1

  def fits(height: int, width: int) -> bool:
    found = blocks_of(kept, (height, width))
    return kept.size - found.covered >= _FIT * zeros and nonzero >= _FIT * found.covered

  heights = [1] + [size for size in _candidates(kept.shape[0]) if fits(size, 1)]
  widths = [1] + [size for size in _candidates(kept.shape[1]) if fits(1, size)]
  largest_first = sorted(((height, width) for height in heights for width in widths),
                         key=lambda block: -block[0] * block[1])
  return next(block for block in largest_first if block == (1, 1) or fits(*block))


def _candidates(dim: int) -> List[int]:
  return sorted({size for size in _SIZES if size < dim} | ({dim} if dim > 1 else set()))


def bytes_sparse(blocks: Blocks, shape: Sequence[int], itemsize: int) -> int:
  """Returns the size of a matrix in TensorFlow Lite's sparse encoding, in bytes.

  For each column of blocks, the encoding has the values of its blocks that are not all
  zeros (always whole blocks, also at the edges); the row of each block, in the narrowest of
  uint8, uint16 and int32 that holds the last row; and the position of its first block,
  likewise, with one more number for the end.

  Args:
    blocks: the blocks of the matrix.
    shape: (inputs, outputs) of the matrix.
    itemsize: size of an element in bytes.
  """
  rows, columns = -(-shape[0] // blocks.height), -(-shape[1] // blocks.width)
  kept = blocks.total - blocks.zero
  return (kept * blocks.height * blocks.width * itemsize + kept * _index_bytes(rows - 1) +
          (columns + 1) * _index_bytes(kept))


def _index_bytes(largest: int) -> int:
  return 1 if largest < 2**8 else 2 if largest < 2**16 else 4


def bytes_gzipped(content: bytes) -> int:
  """Returns the size of `content` in bytes after gzip, at gzip's default level."""
  compressor = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31 selects the gzip format.
  return len(compressor.compress(content)) + len(compressor.flush())


@functools.lru_cache(maxsize=64)
def bytes_gzipped_repeated(content: bytes, times: int) -> int:
  """Returns bytes_gzipped(content * times), without allocating that."""
  compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
  many = max(1, _CHUNK // max(1, len(content)))
  size = 0
  for _ in range(times // many):
    size += len(compressor.compress(content * many))
  return size + len(compressor.compress(content * (times % many))) + len(compressor.flush())
