# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks, before memory is allocated, that the arrays in an HDF5 file are as large as declared.

A few bytes of HDF5 can declare an array of any shape without storing any of it, or link to other
files.
"""

from typing import Any, Iterator, Tuple

from model_pruning import errors
from model_pruning.reading import tensors

LARGEST = 2**28  # Bytes of arrays, even in a small file.
MOST_PACKED = 8  # Bytes of arrays per byte of a larger file, which may be compressed.
_MOST_ARRAYS = 10**6
_BYTES_PER_CHUNK = 2**11  # Memory that HDF5 needs for each chunk it reads.


def check(f: Any, path: str, size: int) -> int:
  """Returns the number of bytes that the arrays of an open HDF5 file take in memory.

  Args:
    f: an h5py.File.
    path: name of the file in errors.
    size: the number of bytes of the file.

  Raises:
    errors.ModelFileError: that is far more than the file contains, or arrays are in other
      files.
    Exception: the file is damaged; the class is one of h5py's.
  """
  total = reading = 0
  for name, item in _arrays(f, path):
    if item.external or item.is_virtual:
      raise _elsewhere(path, name)
    itemsize = item.id.get_type().get_size()
    if item.shape is None:  # H5S_NULL: no elements.
      continue
    declared = tensors.elements(item.shape) * itemsize
    needed = declared
    if item.chunks:  # Chunks are read whole, and HDF5 keeps a record of each.
      number = tensors.elements(
          -(-dim // chunk) for dim, chunk in zip(item.shape, item.chunks))
      needed += number * _BYTES_PER_CHUNK + tensors.elements(item.chunks) * itemsize
    _check_size(needed, path, name, size)
    reading += needed
    total += declared
  _check_size(reading, path, 'all arrays together', size)
  return total


def _arrays(f: Any, path: str) -> Iterator[Tuple[str, Any]]:
  """Yields (name, dataset) for each dataset of a file, once."""
  import h5py  # Installed with TensorFlow.
  pending, seen = [('', f)], set()
  while pending:
    prefix, group = pending.pop()
    for key in group:
      name = prefix + key
      link = group.get(key, getlink=True)
      if isinstance(link, h5py.ExternalLink):
        raise _elsewhere(path, name)
      if isinstance(link, h5py.SoftLink):  # Another name for an item of this file.
        continue
      item = group[key]
      address = h5py.h5o.get_info(item.id).addr
      if address in seen:
        continue
      seen.add(address)
      if len(seen) > _MOST_ARRAYS:
        raise errors.ModelFileError('%s has more than %d arrays and groups; no model has' % (
            path, _MOST_ARRAYS))
      if isinstance(item, h5py.Group):
        pending.append((name + '/', item))
      elif isinstance(item, h5py.Dataset):
        yield name, item


def _elsewhere(path: str, name: str) -> errors.ModelFileError:
  return errors.ModelFileError(
      '%s has %s in another file, but other files are not read; save the model with all its '
      'weights in one file' % (path, name))


def _check_size(needed: int, path: str, name: str, size: int) -> None:
  most = max(LARGEST, MOST_PACKED * size)
  if needed > most:
    raise errors.ModelFileError(
        'Reading %s from %s would take %s bytes of memory, but the file has %s bytes; the limit is '
        '%s. It is damaged, or was not written by Keras: save it again, without '
        'compression' % (name, path, '{:,}'.format(needed), '{:,}'.format(size),
                         '{:,}'.format(most)))
