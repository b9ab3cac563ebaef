# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks a checkpoint's index against its data files.

TensorFlow's reader allocates the memory for a variable before it checks how much of it there is,
and some invalid shapes make it end the process. The index is a sorted table in LevelDB's format:
blocks of keys, each stored without the prefix it shares with the key before, and a last block
with the positions of the others.
"""

import struct
from typing import Any, Dict, Iterator, List, Tuple

from model_pruning import errors
from model_pruning.compat import tensor_bundle
from model_pruning.compat import tf
from model_pruning.reading import inputs
from model_pruning.reading import tensors
from model_pruning.util.types import DType

_MAGIC = 0xdb4775248b80fb57
_FOOTER = 48
_END = b'\0\1'  # Ends the name in the keys of parts.
_TRAILER = 5  # Bytes after a block: its compression, and a checksum.
_MOST_INDEX = 2**30  # Bytes.


def check(prefix: str) -> None:
  """Raises errors.CheckpointError if a checkpoint lacks data that its index declares.

  TensorFlow itself checks compressed indexes, which it never writes.

  Args:
    prefix: prefix of the checkpoint.
  """
  try:
    _check(prefix)
  except (struct.error, IndexError, ValueError, TypeError, OSError, tf.errors.OpError) as error:
    raise errors.CheckpointError(
        'Checkpoint %s cannot be read (%s); it may be truncated: use an earlier one, or save '
        'again' % (prefix, errors.first_line(error))) from error
  except MemoryError:
    raise
  except Exception as error:  # Each version of protobuf has its own class.
    raise errors.CheckpointError('Checkpoint %s cannot be read (%s); use an earlier one, or save '
                                 'again' % (prefix, errors.first_line(error))) from error


def _check(prefix: str) -> None:
  if tf.gfile.Stat(prefix + '.index').length > _MOST_INDEX:
    raise ValueError('its index is larger than any valid one')
  with tf.gfile.GFile(prefix + '.index', 'rb') as f:
    content = f.read()
  entries = _entries(content)
  header = tensor_bundle.BundleHeaderProto()
  shards: Dict[int, int] = {}
  parts: Dict[bytes, List[Tuple[int, Tuple[int, ...]]]] = {}  # (dtype, shape) by name.
  partitioned = {}
  for number, (key, value) in enumerate(entries):
    if not number:
      if key:
        raise ValueError('its index has no header')
      inputs.parse(header, value)
      shards = _shards(prefix, header.num_shards)
      continue
    entry = tensor_bundle.BundleEntryProto()
    inputs.parse(entry, value)
    name = key.decode('utf-8', 'replace')
    _check_entry(name, entry, shards)
    if entry.slices:
      partitioned[_ordered(key)] = name, entry
    elif key[:1] == b'\0':  # A part; its key begins with the name of the whole variable.
      parts.setdefault(key[:key.find(_END, 1) + len(_END)], []).append(
          (entry.dtype, tuple(dim.size for dim in entry.shape.dim)))
  for key, (name, entry) in partitioned.items():
    # TensorFlow copies the parts into the whole without checking that they fit.
    if sorted(parts.get(key, [])) != sorted(
        (entry.dtype, _part_shape(name, entry, part)) for part in entry.slices):
      raise ValueError('the parts of %s do not fit together' % name)


def _ordered(name: bytes) -> bytes:
  """Returns the common prefix of the keys of a variable's parts."""
  escaped = {0: b'\0\xff', 255: b'\xff\0'}
  return b'\0' + b''.join(escaped.get(byte, bytes([byte])) for byte in name) + _END


def _part_shape(name: str, entry: Any, part: Any) -> Tuple[int, ...]:
  dims = [dim.size for dim in entry.shape.dim]
  if len(part.extent) != len(dims):
    raise ValueError('a part of %s has another rank' % name)
  shape = []
  for extent, dim in zip(part.extent, dims):
    length = extent.length if extent.HasField('length') else dim - extent.start
    if extent.start < 0 or length < 0 or extent.start + length > dim:
      raise ValueError('a part of %s exceeds its shape' % name)
    shape.append(length)
  return tuple(shape)


def _shards(prefix: str, number: int) -> Dict[int, int]:
  """Returns the sizes of the data files, by index."""
  if not 0 < number <= 10**5:
    raise ValueError('it has %d data files' % number)
  return {shard: int(tf.gfile.Stat('%s.data-%05d-of-%05d' % (prefix, shard, number)).length)
          for shard in range(number)}


def _check_entry(key: str, entry: Any, shards: Dict[int, int]) -> None:
  try:
    dtype = tf.as_dtype(entry.dtype)
  except TypeError:
    raise ValueError('%s has the dtype %d' % (key, entry.dtype)) from None
  dims = [dim.size for dim in entry.shape.dim]
  if entry.shape.unknown_rank or any(dim < 0 for dim in dims) or len(dims) > 254 or \
      tensors.elements(dims) >= 2**62:
    raise ValueError('%s has the shape %s' % (key, 'x'.join(map(str, dims[:20])) or 'unknown'))
  size = tensors.elements(dims)
  if entry.slices:  # It is stored in parts, which have their own entries.
    if size * (dtype.size if _is_plain(dtype) else 1) > sum(shards.values()):
      raise ValueError('%s of shape %s takes more bytes than the data files have' % (
          key, 'x'.join(map(str, dims))))
    return
  if entry.shard_id not in shards or entry.offset < 0 or entry.size < 0 or \
      entry.offset + entry.size > shards[entry.shard_id]:
    raise ValueError('%s is at the bytes %d to %d of a file of %d' % (
        key, entry.offset, entry.offset + entry.size, shards.get(entry.shard_id, 0)))
  # Strings, and other objects, take at least a byte each for their length.
  least = size * (dtype.size if _is_plain(dtype) else 1)
  if entry.size < least or _is_plain(dtype) and entry.size != least:
    raise ValueError('%s of shape %s takes %d bytes, but has %d' % (
        key, 'x'.join(map(str, dims)) or 'scalar', least, entry.size))


def _is_plain(dtype: DType) -> bool:
  return dtype not in (tf.string, tf.variant, tf.resource)


def _entries(content: bytes) -> Iterator[Tuple[bytes, bytes]]:
  """Yields the keys and values of a table."""
  footer = content[-_FOOTER:]
  if len(footer) < _FOOTER or struct.unpack('<Q', footer[-8:])[0] != _MAGIC:
    raise ValueError('it does not end like an index')
  position = 0
  for _ in range(2):  # Skip the position of the empty metadata block.
    _, position = _varint(footer, position)
  offset, position = _varint(footer, position)
  size, position = _varint(footer, position)
  for _, handle in _block(content, offset, size):
    start, after = _varint(handle, 0)
    length, _ = _varint(handle, after)
    yield from _block(content, start, length)


def _block(content: bytes, offset: int, size: int) -> Iterator[Tuple[bytes, bytes]]:
  if offset + size + _TRAILER > len(content) or size < 4:
    raise ValueError('its index is truncated')
  if content[offset + size]:
    return  # Compressed.
  block = content[offset:offset + size]
  restarts, = struct.unpack('<I', block[-4:])
  end = size - 4 - 4 * restarts
  position, key = 0, b''
  while position < end:
    shared, position = _varint(block, position)
    own, position = _varint(block, position)
    length, position = _varint(block, position)
    if shared > len(key) or position + own + length > end:
      raise ValueError('its index is damaged')
    key = key[:shared] + block[position:position + own]
    position += own + length
    yield key, block[position - length:position]


def _varint(content: bytes, position: int) -> Tuple[int, int]:
  """Returns a number stored with seven bits per byte, and the position after it."""
  result = 0
  for shift in range(0, 70, 7):
    byte = content[position]
    position += 1
    result |= (byte & 127) << shift
    if byte < 128:
      return result, position
  raise ValueError('its index is damaged')
