# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Small pictures of a weight, made while it is in memory: its magnitudes, and its mask."""

import dataclasses
from typing import Iterator, Optional, Tuple

import numpy as np

from model_pruning.reading import measure
from model_pruning.reading import tensors
from model_pruning.reading.stored import as_float
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight

BINS = 48
CELLS = 48  # The most cells of a mask's picture, in each direction.
_CHUNK = 1 << 20  # Elements whose magnitudes are in memory at a time.


@dataclasses.dataclass(frozen=True)
class Sketch:
  """The data for a weight's pictures.

  Attributes:
    largest: the largest finite magnitude.
    pruned, kept: int64 histograms of the magnitudes of pruned and of kept elements: BINS equal
      bins from 0 to `largest`; non-finite elements are left out.
    cells: uint8, at most CELLS x CELLS: the fraction of elements that the mask keeps in each
      cell of the weight as a matrix [inputs, outputs], times 255, rounded up, so that 0 means
      none are kept.
    cell: (height, width) of a cell in elements.
  """
  largest: float
  pruned: np.ndarray
  kept: np.ndarray
  cells: np.ndarray
  cell: Tuple[int, int]


def sketch_of(weight: StoredWeight) -> Optional[Sketch]:
  """Returns the data for a weight's pictures; None for an empty weight."""
  if not weight.values.size:
    return None
  kept = nonzero(weight.values) if weight.kept is None else weight.kept
  largest, pruned, alive = _histograms(weight.values, kept)
  matrix = measure.as_matrix(kept)
  fractions = measure.kept_by_cell(matrix, CELLS)
  cells = np.ceil(fractions * 255).astype(np.uint8)
  return Sketch(largest, pruned, alive, cells, measure.cell_of(matrix.shape, CELLS))


def _histograms(values: np.ndarray, kept: np.ndarray) -> Tuple[float, np.ndarray, np.ndarray]:
  """Returns the largest magnitude, and the histograms of pruned and of kept elements."""
  times = 1
  if tensors.is_repeated(values) and tensors.is_repeated(kept):
    times, values, kept = values.size, tensors.distinct(values), tensors.distinct(kept)
  largest = 0.0
  for magnitudes, _ in _chunks(values, kept):
    largest = max(largest, float(np.max(magnitudes, initial=0)))
  counts = np.zeros([2, BINS], np.int64)
  for magnitudes, alive in _chunks(values, kept):
    # Divide first: the ratio of two finite magnitudes cannot overflow, whatever the dtype.
    bins = (magnitudes / max(largest, 1e-300) * BINS).astype(np.int64)
    np.minimum(bins, BINS - 1, out=bins)
    counts += np.bincount(bins + BINS * alive, minlength=2 * BINS).reshape(2, BINS)
  return largest, counts[0] * times, counts[1] * times


def _chunks(values: np.ndarray, kept: np.ndarray) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
  """Yields (finite magnitudes as float64, whether each is kept), chunk by chunk."""
  flat, alive = _flat(values), _flat(kept)
  for begin in range(0, flat.size, _CHUNK):
    part = np.abs(as_float(flat[begin:begin + _CHUNK]).astype(np.float64))
    finite = np.isfinite(part)
    yield part[finite], alive[begin:begin + _CHUNK][finite]


def _flat(array: np.ndarray) -> np.ndarray:
  """Flattens an array; an array that repeats one value still takes no memory."""
  if tensors.is_repeated(array):
    return np.broadcast_to(tensors.distinct(array).reshape(1), (array.size,))
  return array.reshape(-1)
