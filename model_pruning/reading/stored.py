# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A weight as it is stored in a file, and the mask over it."""

import dataclasses
import re
from typing import Optional, Tuple

import numpy as np

from model_pruning.reading import tensors

_PART = re.compile(r'/part_\d+(?=/|$)')


@dataclasses.dataclass(frozen=True)
class StoredWeight:
  """A weight, and the mask over it where there is one.

  Attributes:
    name: of the variable, or of the constant.
    values: what is stored, a float array of rank 1 or more; before masking.
    kept: bool array of its shape, False where the mask hides; None without a mask.
    threshold: of its last mask update; None where none is stored.
    nodes: names of the nodes of the graph that it is made of.
  """
  name: str
  values: np.ndarray
  kept: Optional[np.ndarray] = None
  threshold: Optional[float] = None
  nodes: Tuple[str, ...] = ()

  @property
  def masked(self) -> np.ndarray:
    """What the model computes with: zeros where the mask hides."""
    if self.kept is None:
      return self.values
    if tensors.is_repeated(self.values) and tensors.is_repeated(self.kept):
      single = StoredWeight(self.name, tensors.distinct(self.values), tensors.distinct(self.kept))
      return np.broadcast_to(single.masked, self.values.shape)
    # By its bits, as half precision is no dtype of NumPy's own.
    bits = np.array(self.values).view('u%d' % self.values.dtype.itemsize)
    bits[~self.kept] = 0
    return bits.view(self.values.dtype)


def is_mask(values: np.ndarray) -> bool:
  """Returns whether an array is of zeros and ones alone."""
  if values.dtype.kind in 'cOSU':  # Neither complex numbers nor strings.
    return False
  values = as_float(tensors.distinct(values))
  return bool(np.all((values == 0) | (values == 1)))


def nonzero(values: np.ndarray) -> np.ndarray:
  """Returns a bool array, True where an array of any numbers is not zero."""
  return tensors.elementwise(lambda part: as_float(part) != 0, values)


def as_float(values: np.ndarray) -> np.ndarray:
  """Returns values as a dtype that NumPy computes with."""
  return values if values.dtype.kind == 'f' else values.astype(np.float32)


def without_part(name: str) -> str:
  """Returns the name of a partitioned variable, given that of a part of it."""
  return _PART.sub('', name)
