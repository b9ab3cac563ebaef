# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads examples of a model's inputs from .npy and .npz files."""

import os
from typing import Any
import zipfile

import numpy as np

from model_pruning import errors
from model_pruning.reading import inputs
from model_pruning.reading import tensors
from model_pruning.util.files import AnyPath


def read(path: AnyPath) -> Any:
  """Returns the inputs in a file as a list with one example per row.

  Args:
    path: a .npy file, or a .npz file with an array for each input.

  Returns:
    Arrays; for a .npz file, dicts of arrays by the names of the inputs.

  Raises:
    errors.ModelFileError: the file cannot be read, holds something else, or declares
      larger arrays than it contains.
  """
  path = inputs.check(path)
  found = columns(path)
  if not isinstance(found, dict):
    return list(found)
  if not all(column.ndim for column in found.values()):
    raise errors.ModelFileError('%s holds single numbers; give an example per row of every input'
                                % path)
  return [{name: column[i] for name, column in found.items()}
          for i in range(len(next(iter(found.values()))))]


def columns(path: AnyPath) -> Any:
  """Returns the inputs in a file as an array; for a .npz file, as a dict of arrays by input.

  In a .npz file, some inputs may be single numbers.

  Args, Raises: see `read`.
  """
  path = inputs.check(path)
  try:
    _check_size(path)
    arrays = np.load(path, allow_pickle=False)
    if any(not hasattr(arrays[name], 'ndim') for name in getattr(arrays, 'files', ())):
      raise ValueError('it is an archive of other files than arrays')
    if not hasattr(arrays, 'files'):
      if not arrays.ndim:
        raise ValueError('it holds a single number')
      return arrays
    with arrays:
      found = {name: arrays[name] for name in arrays.files}
    if not any(column.ndim for column in found.values()):
      raise ValueError('it holds %s' % ('single numbers' if found else 'nothing'))
  except Exception as error:  # NumPy raises OSError, and errors of zipfile and pickle.
    raise errors.ModelFileError('%s cannot be read as .npy or .npz (%s)' % (
        path, errors.first_line(error))) from error
  lengths = {name: len(column) for name, column in found.items() if column.ndim}
  if len(set(lengths.values())) != 1:
    raise errors.ModelFileError('%s holds arrays of different lengths: %s' % (
        path, ', '.join('%s %d' % item for item in sorted(lengths.items()))))
  return found


def _check_size(path: str) -> None:
  """Raises ValueError if a file declares more than it has: NumPy would allocate it first."""
  if not zipfile.is_zipfile(path):
    with open(path, 'rb') as f:
      _check_header(f, os.path.getsize(path))
    return
  with zipfile.ZipFile(path) as archive:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    tensors.check_size([total], 1, 'of all examples', 1100 * os.path.getsize(path))
    for member in members:
      with archive.open(member) as f:
        _check_header(f, member.file_size)


def _check_header(f: Any, present: int) -> None:
  if f.read(6) != b'\x93NUMPY':
    return  # Another format, for which NumPy raises a better error.
  version = tuple(f.read(2))
  if version not in ((1, 0), (2, 0)):
    raise ValueError('it has version %d.%d, for arrays with named fields' % version)
  header: Any = np.lib.format
  read_header = header.read_array_header_1_0 if version == (1, 0) else header.read_array_header_2_0
  shape, _, dtype = read_header(f)
  if tensors.elements(shape) * dtype.itemsize > present or any(dim < 0 for dim in shape):
    raise ValueError('it declares an array of shape %s, but has %d bytes' % (shape, present))
