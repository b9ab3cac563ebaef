# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files of Keras models as containers: reads and checks their configs and array sizes before Keras.
"""

import io
import json
import os
import shutil
import struct
import tempfile
from typing import Any, BinaryIO, NamedTuple
import zipfile

from model_pruning import errors
from model_pruning.reading import hdf5

CONFIG, WEIGHTS, _METADATA = 'config.json', 'model.weights.h5', 'metadata.json'
_MOST_METADATA = 2**16  # Bytes.
_MOST_CONFIG = 2**24  # Bytes; a larger file may have a config as large as the file.
_IN_MEMORY = 2**24
_LOCAL_HEADER = 30  # Bytes before the name of a member.


class Contents(NamedTuple):
  """The parts of a model's file that other checks need.

  Attributes:
    config: the model's config, as parsed from JSON.
    array_bytes: the number of bytes that the file's arrays take in memory.
  """
  config: Any
  array_bytes: int


def contents(path: str) -> Contents:
  """Returns the contents of a .keras or .h5 file, after checking the sizes it declares.

  Raises:
    errors.ModelFileError: it unpacks to far more bytes than the file has, lacks a part, or
      refers to other files.
    Exception: the file is damaged; the class is one of zipfile's, json's or h5py's.
  """
  if zipfile.is_zipfile(path):
    return _of_archive(path)
  return _of_hdf5(path)


def keras_version(path: str) -> str:
  """Returns the version of the Keras that wrote a model's file, '2.15.0'; '' if it is unknown."""
  import h5py  # pylint: disable=g-import-not-at-top
  try:
    if zipfile.is_zipfile(path):
      with zipfile.ZipFile(path) as archive, archive.open(_METADATA) as member:
        return str(json.loads(member.read(_MOST_METADATA))['keras_version'])
    with h5py.File(path, 'r') as f:
      found = f.attrs['keras_version']
      return found.decode() if isinstance(found, bytes) else str(found)
  except Exception:  # Of zipfile, json or h5py; the file may be damaged.
    return ''


def _of_hdf5(path: str) -> Contents:
  import h5py  # pylint: disable=g-import-not-at-top
  with h5py.File(path, 'r') as f:
    size = hdf5.check(f, path, os.path.getsize(path))
    text = f.attrs['model_config']
  return Contents(json.loads(text), size)


def _of_archive(path: str) -> Contents:
  import h5py  # pylint: disable=g-import-not-at-top
  size = os.path.getsize(path)
  with open(path, 'rb') as file, zipfile.ZipFile(file) as archive:
    members = {info.filename: info for info in archive.infolist()}
    for name in (CONFIG, WEIGHTS):
      if name not in members:
        raise errors.ModelFileError(
            '%s is a zip archive without %s, which every .keras file has; save the model again' % (
                path, name))
    total = sum(info.file_size for info in archive.infolist())
    most = max(hdf5.LARGEST, hdf5.MOST_PACKED * size)
    if total > most or members[CONFIG].file_size > max(_MOST_CONFIG, size):
      raise errors.ModelFileError(
          '%s has %s bytes, and unpacks to %s, with a %s of %s; it is damaged, or not a file of '
          'Keras: save the model again' % (
              path, '{:,}'.format(size), '{:,}'.format(total), CONFIG,
              '{:,}'.format(members[CONFIG].file_size)))
    config = json.loads(archive.read(CONFIG))
    with _opened(archive, members[WEIGHTS], file) as weights, h5py.File(weights, 'r') as f:
      return Contents(config, hdf5.check(f, path, size))


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: BinaryIO) -> BinaryIO:
  """Returns a member as a file with fast seeking: in the archive if stored, else unpacked."""
  if info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size:
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    name, extra = struct.unpack('<HH', header[-4:])
    return io.BufferedReader(_Part(
        file, info.header_offset + _LOCAL_HEADER + name + extra, info.file_size))
  unpacked: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)
  with archive.open(info) as packed:
    shutil.copyfileobj(packed, unpacked)
  unpacked.seek(0)
  return unpacked


class _Part(io.RawIOBase):
  """A range of bytes of a file, as a file."""

  def __init__(self, file: BinaryIO, start: int, size: int) -> None:
    super().__init__()
    self._file, self._start, self._size, self._place = file, start, size, 0

  def readable(self) -> bool:
    return True

  def seekable(self) -> bool:
    return True

  def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
    self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place,
                            os.SEEK_END: self._size}[whence]
    return self._place

  def tell(self) -> int:
    return self._place

  def readinto(self, buffer: Any) -> int:
    count = max(0, min(len(buffer), self._size - self._place))
    self._file.seek(self._start + self._place)
    content = self._file.read(count)
    buffer[:len(content)] = content
    self._place += len(content)
    return len(content)
