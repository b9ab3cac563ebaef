# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computes with large weights a chunk at a time, so that temporaries take little memory.

A chain of elementwise operations on a whole weight holds two or three tensors of its size at a
time, and writes each to memory that the system must first provide. A chunk stays in the processor's
cache. Results are equal to the bit.
"""

import functools
from typing import Callable, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.counting import size_of
from model_pruning.engine.placement import on_gpu
from model_pruning.util.types import Tensor

# Smaller chunks than counting.py has, because several temporaries of a chunk exist at a time.
_CHUNK = 1 << 18

# Rows of a chunk are written one by one, so shorter ones would take longer than the work itself.
_SHORTEST_ROW = 1 << 6


def is_chunked(tensor: Tensor) -> bool:
  """Whether the functions of this module compute with a tensor a chunk at a time.

  It is large, on a CPU, and of a size that has a suitable divisor, as almost all have.
  """
  return _matrix_of(tensor) is not None


def elementwise(function: Callable[..., Tensor], tensors: Sequence[Tensor], *scalars: Tensor,
                overwrite: Optional[Tensor] = None) -> Tensor:
  """Returns function(*tensors, *scalars), a float32 tensor of the shape of the tensors.

  Args:
    function: computes every element from the elements at the same place.
    tensors: of one static shape.
    *scalars: further arguments.
    overwrite: one of the tensors, float32, whose memory the result may take. Nothing else may use
      it.
  """
  matrix = _matrix_of(tensors[0])
  if matrix is None:
    return function(*tensors, *scalars)
  rows, columns = matrix
  # Empty is stateful, so no graph optimizer takes two results for one.
  result = (tf.raw_ops.Empty(shape=[rows, columns], dtype=tf.float32) if overwrite is None else
            tf.reshape(overwrite, [rows, columns]))

  def one(begin: Tensor, parts: Sequence[Tensor], result: Tensor) -> Tensor:
    indices = tf.range(begin, begin + tf.shape(parts[0])[0])
    return tf.raw_ops.InplaceUpdate(x=result, i=indices, v=function(*parts, *scalars))

  return tf.reshape(_over_chunks(one, tensors, result), tensors[0].shape)


def total(function: Callable[..., Tensor], tensors: Sequence[Tensor]) -> Tensor:
  """Returns the float64 scalar function(*tensors), which must add up over parts of the tensors."""
  if _matrix_of(tensors[0]) is None:
    return function(*tensors)
  return _over_chunks(lambda begin, parts, sum_so_far: sum_so_far + function(*parts), tensors,
                      tf.constant(0.0, tf.float64))


def _over_chunks(step: Callable[..., Tensor], tensors: Sequence[Tensor], start: Tensor) -> Tensor:
  """Returns the last of the values step(first row, chunk of each tensor, value before)."""
  rows, columns = _matrix_of(tensors[0])  # type: ignore[misc]
  height = max(_CHUNK // columns, 1)
  # A slice of whole rows shares its memory with the original.
  matrices = [tf.reshape(tensor, [rows, columns]) for tensor in tensors]

  def one(begin: Tensor, value: Tensor) -> Tuple[Tensor, Tensor]:
    size = [height if rows % height == 0 else tf.minimum(height, rows - begin), columns]
    return begin + height, step(
        begin, [tf.slice(matrix, [begin, 0], size) for matrix in matrices], value)

  _, value = tf.while_loop(lambda begin, _: begin < rows, one, (tf.constant(0), start),
                           parallel_iterations=2)
  return value


def _matrix_of(tensor: Tensor) -> Optional[Tuple[int, int]]:
  """Returns the rows and columns in which a tensor is cut into chunks; None if it is not."""
  size = size_of(tensor)
  return _matrix(size) if size >= 2 * _CHUNK and not on_gpu(tensor) else None


@functools.lru_cache(maxsize=1 << 10)
def _matrix(size: int) -> Optional[Tuple[int, int]]:
  """Returns the factors of a size, the second as large as possible, but not larger than a chunk."""
  columns = np.arange(_CHUNK, _SHORTEST_ROW - 1, -1)
  divisors = columns[size % columns == 0]
  return (size // int(divisors[0]), int(divisors[0])) if divisors.size else None
