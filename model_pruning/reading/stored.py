# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A weight as stored in a file, and its mask."""

import dataclasses
import re
from typing import Optional, Tuple

import numpy as np

from model_pruning.reading import tensors

_PART = re.compile(r'/part_\d+(?=/|$)')


@dataclasses.dataclass(frozen=True)
class StoredWeight:
  """A weight, and its mask if it has one.

  Attributes:
    name: name of the variable or constant.
    values: the stored values, a float array of rank 1 or more, before masking.
    kept: bool array of its shape, False where the mask hides; None without a mask.
    threshold: threshold of its last mask update; None if none is stored.
    nodes: names of the graph's nodes of which the weight consists.
  """
  name: str
  values: np.ndarray
  kept: Optional[np.ndarray] = None
  threshold: Optional[float] = None
  nodes: Tuple[str, ...] = ()

  @property
  def masked(self) -> np.ndarray:
    """The values that the model computes with: zeros where the mask hides."""
    if self.kept is None:
      return self.values
    if tensors.is_repeated(self.values) and tensors.is_repeated(self.kept):
      single = StoredWeight(self.name, tensors.distinct(self.values), tensors.distinct(self.kept))
      return np.broadcast_to(single.masked, self.values.shape)
    # Set bits to zero, as half precision may not be one of NumPy's own dtypes.
    bits = np.array(self.values).view('u%d' % self.values.dtype.itemsize)
    bits[~self.kept] = 0
    return bits.view(self.values.dtype)


def is_mask(values: np.ndarray) -> bool:
  """Whether an array consists of zeros and ones."""
  if values.dtype.kind in 'cOSU':  # Neither complex numbers nor strings.
    return False
  values = as_float(tensors.distinct(values))
  return bool(np.all((values == 0) | (values == 1)))


def nonzero(values: np.ndarray) -> np.ndarray:
  """Returns a bool array, True where an array of any numeric dtype is not zero."""
  return tensors.elementwise(lambda part: as_float(part) != 0, values)


def as_float(values: np.ndarray) -> np.ndarray:
  """Returns values in a dtype that NumPy can compute with."""
  return values if values.dtype.kind == 'f' else values.astype(np.float32)


def without_part(name: str) -> str:
  """Returns the name of a partitioned variable, given the name of a part."""
  return _PART.sub('', name)
