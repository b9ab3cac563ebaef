# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Small pictures of a weight, taken while it is in memory: its magnitudes, and its mask."""

import dataclasses
from typing import Iterator, Optional, Tuple

import numpy as np

from model_pruning.reading import measure
from model_pruning.reading import tensors
from model_pruning.reading.stored import as_float
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight

BINS = 48
CELLS = 48  # Of the picture of a mask, in each direction.
_CHUNK = 1 << 20  # Elements whose magnitudes are in memory at a time.


@dataclasses.dataclass(frozen=True)
class Sketch:
  """Pictures of a weight.

  Attributes:
    largest: the largest finite magnitude.
    pruned, kept: number of elements by magnitude, int64, BINS equal bins from 0 to `largest`;
      numbers that are not finite are left out.
    cells: the fraction of elements that the mask keeps in each cell of the weight as a matrix
      [inputs, outputs], times 255, uint8 of at most CELLS x CELLS. Some are kept where it is
      not 0.
    cell: (height, width) of a cell in elements.
  """
  largest: float
  pruned: np.ndarray
  kept: np.ndarray
  cells: np.ndarray
  cell: Tuple[int, int]


def sketch_of(weight: StoredWeight) -> Optional[Sketch]:
  """Returns the pictures of a weight; None of an empty one."""
  if not weight.values.size:
    return None
  kept = nonzero(weight.values) if weight.kept is None else weight.kept
  largest, pruned, alive = _histograms(weight.values, kept)
  matrix = measure.as_matrix(kept)
  fractions = measure.kept_by_cell(matrix, CELLS)
  cells = np.ceil(fractions * 255).astype(np.uint8)
  return Sketch(largest, pruned, alive, cells, measure.cell_of(matrix.shape, CELLS))


def _histograms(values: np.ndarray, kept: np.ndarray) -> Tuple[float, np.ndarray, np.ndarray]:
  """Returns the largest magnitude, and the bins of pruned and of kept elements."""
  times = 1
  if tensors.is_repeated(values) and tensors.is_repeated(kept):
    times, values, kept = values.size, tensors.distinct(values), tensors.distinct(kept)
  largest = 0.0
  for magnitudes, _ in _chunks(values, kept):
    largest = max(largest, float(np.max(magnitudes, initial=0)))
  counts = np.zeros([2, BINS], np.int64)
  for magnitudes, alive in _chunks(values, kept):
    # A ratio of two halves cannot overflow, whatever the dtype was.
    bins = (magnitudes / max(largest, 1e-300) * BINS).astype(np.int64)
    np.minimum(bins, BINS - 1, out=bins)
    counts += np.bincount(bins + BINS * alive, minlength=2 * BINS).reshape(2, BINS)
  return largest, counts[0] * times, counts[1] * times


def _chunks(values: np.ndarray, kept: np.ndarray) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
  """Yields (finite magnitudes as float64, whether each is kept), part by part."""
  flat, alive = _flat(values), _flat(kept)
  for begin in range(0, flat.size, _CHUNK):
    part = np.abs(as_float(flat[begin:begin + _CHUNK]).astype(np.float64))
    finite = np.isfinite(part)
    yield part[finite], alive[begin:begin + _CHUNK][finite]


def _flat(array: np.ndarray) -> np.ndarray:
  """Returns an array in one dimension, without memory for one that repeats a value."""
  if tensors.is_repeated(array):
    return np.broadcast_to(tensors.distinct(array).reshape(1), (array.size,))
  return array.reshape(-1)
