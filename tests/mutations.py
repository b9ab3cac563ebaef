# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Changes to files, as damage or malice makes them; each follows from a random generator alone."""

import struct

NUMBERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 2**20, 2**31 - 1, -2**31, 2**32, 2**40, 2**62,
           2**63 - 1, -2**63)
TEXTS = ('', 'x', '/', '^x', 'x:0', 'x:99', 'x:y:z', 'a' * 3000, 'new\nline', '\x1b[2J', '\u202e',
         '$x^$', '=1+1', '../../x', '\0', 'Const', 'Fill', 'While', 'PartitionedCall')
FLOATS = (0.0, -1.0, 1e38, float('nan'), float('inf'))


# ---- Of bytes. ----


def flip_bits(content, random):
  content = bytearray(content)
  for _ in range(random.choice((1, 2, 8, 64))):
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
  return bytes(content)


def truncate(content, random):
  return content[:random.randrange(len(content))]


def insert(content, random):
  place = random.randrange(len(content))
  return content[:place] + bytes(random.randrange(256) for _ in range(
      random.choice((1, 4, 100)))) + content[place:]


def remove(content, random):
  place = random.randrange(len(content))
  return content[:place] + content[place + random.choice((1, 4, 100)):]


def swap(content, random):
  size = random.choice((1, 8, 64))
  first, second = sorted(random.randrange(max(1, len(content) - size)) for _ in range(2))
  if second - first < size:
    return flip_bits(content, random)
  return (content[:first] + content[second:second + size] + content[first + size:second] +
          content[first:first + size] + content[second + size:])


def overwrite(content, random):
  content = bytearray(content)
  number = random.choice(NUMBERS)
  form = random.choice('bhiq')
  bits = 8 * struct.calcsize('<' + form)
  place = random.randrange(max(1, len(content) - 8)) // (bits // 8) * (bits // 8)
  number = (number + 2**(bits - 1)) % 2**bits - 2**(bits - 1)
  content[place:place + bits // 8] = struct.pack('<' + form, number)
  return bytes(content)


def constant_run(content, random):
  place = random.randrange(len(content))
  size = random.choice((4, 16, 256))
  return content[:place] + random.choice((b'\0', b'\xff', b'\x80')) * size + content[place + size:]


OF_BYTES = (flip_bits, truncate, insert, remove, swap, overwrite, constant_run)


def change_bytes(content, random):
  """Returns content with one of the above, or several."""
  if not content:
    return b'\x08'
  for _ in range(random.choice((1, 1, 1, 3))):
    content = random.choice(OF_BYTES)(content or b'\0', random)
  return content


# ---- Of protocol buffers. ----


def change_message(message, random):
  """Changes some fields of a message, or of those that it is made of, to odd values."""
  names = [node.name for node in _nodes(message)][:200] or ['x']
  for _ in range(random.choice((1, 1, 2, 5))):
    _change_field(message, random, names)


def _nodes(message):
  graph = message
  for field in ('meta_graphs', 'graph_def'):
    if hasattr(graph, field):
      graph = getattr(graph, field)
      graph = graph[0] if field == 'meta_graphs' else graph
  return getattr(graph, 'node', ())


def _change_field(message, random, names):
  for _ in range(12):  # Deeper and deeper, to some field of some part.
    fields = message.ListFields()
    if not fields:
      return _set_any(message, random, names)
    descriptor, value = random.choice(fields)
    if not hasattr(value, 'ListFields') and not _is_message(descriptor):
      return _change_value(message, descriptor, value, random, names)
    if _is_map(descriptor):
      keys = list(value)
      key = random.choice(keys)
      if random.random() < 0.15:
        del value[key]
        return None
      if not hasattr(value[key], 'ListFields'):
        value[key] = random.choice(names + list(TEXTS)) if isinstance(value[key], str) else 0
        return None
      message = value[key]
    elif hasattr(value, 'ListFields'):
      if random.random() < 0.05:
        message.ClearField(descriptor.name)
        return None
      message = value
    else:
      index = random.randrange(len(value))
      chance = random.random()
      if chance < 0.05:
        del value[index]
        return None
      if chance < 0.1:
        value.add().CopyFrom(value[index])
        return None
      message = value[index]
  return _set_any(message, random, names)


def _is_message(descriptor):
  return descriptor.message_type is not None


def _is_map(descriptor):
  return descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry


def _set_any(message, random, names):
  """Sets a field that is not set."""
  fields = message.DESCRIPTOR.fields
  if fields:
    descriptor = random.choice(fields)
    value = getattr(message, descriptor.name)
    if not _is_message(descriptor):
      _change_value(message, descriptor, value, random, names)
    elif hasattr(value, 'SetInParent'):
      value.SetInParent()
    elif hasattr(value, 'add'):
      value.add()


def _change_value(message, descriptor, value, random, names):
  repeated = hasattr(value, 'append')
  kind = descriptor.cpp_type
  if kind == descriptor.CPPTYPE_STRING:
    text = random.choice(list(TEXTS) + names)
    if descriptor.type == descriptor.TYPE_BYTES:
      old = (value[0] if value else b'') if repeated else value
      text = change_bytes(old, random) if old and random.random() < 0.7 else text.encode()
    new = text
  elif kind in (descriptor.CPPTYPE_FLOAT, descriptor.CPPTYPE_DOUBLE):
    new = random.choice(FLOATS)
  elif kind == descriptor.CPPTYPE_BOOL:
    new = random.random() < 0.5
  else:
    new = random.choice(NUMBERS + tuple(range(12)))
    bits = 32 if kind in (descriptor.CPPTYPE_INT32, descriptor.CPPTYPE_UINT32,
                          descriptor.CPPTYPE_ENUM) else 64
    new %= 2**bits
    if kind not in (descriptor.CPPTYPE_UINT32, descriptor.CPPTYPE_UINT64) and new >= 2**(bits - 1):
      new -= 2**bits
  if not repeated:
    setattr(message, descriptor.name, new)
  elif len(value) and random.random() < 0.6:
    value[random.randrange(len(value))] = new
  elif len(value) and random.random() < 0.5:
    del value[random.randrange(len(value))]
  else:
    value.append(new)


# ---- Of a checkpoint's index, with checksums that are right. ----


def change_index(content, random):
  """Changes entries of the index of a checkpoint."""
  from model_pruning.compat import tensor_bundle
  from model_pruning.reading import bundle
  entries = list(bundle._entries(content))
  place = random.randrange(len(entries))
  key, value = entries[place]
  message = tensor_bundle.BundleEntryProto() if place else tensor_bundle.BundleHeaderProto()
  message.ParseFromString(value)
  change_message(message, random)
  if random.random() < 0.1:
    key = random.choice(TEXTS).encode('utf-8', 'replace') if place else key
  entries[place] = key, message.SerializeToString()
  return table(entries)


def table(entries):
  """Returns a table with one block of entries."""
  block = b''.join(b'\0' + _varint(len(key)) + _varint(len(value)) + key + value
                   for key, value in entries)
  content, handles = b'', []
  handle = b''
  for part in (block, None, b''):
    if part is None:  # The index of blocks: one, and its last key.
      handle = handles[-1]
      part = b'\0' + _varint(9) + _varint(len(handle)) + b'\xff' * 9 + handle
    part += struct.pack('<II', 0, 1)
    handles.append(_varint(len(content)) + _varint(len(part)))
    content += part + b'\0' + struct.pack('<I', _masked(crc32c(part + b'\0')))
  footer = (handles[2] + handles[1]).ljust(40, b'\0')
  return content + footer + struct.pack('<Q', 0xdb4775248b80fb57)


def _varint(number):
  result = b''
  while number > 127:
    result += bytes([number & 127 | 128])
    number >>= 7
  return result + bytes([number])


def crc32c(content):
  """Returns the checksum that TensorFlow's files have."""
  crc = 0xffffffff
  for byte in content:
    crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
  return crc ^ 0xffffffff


def _crc_of_byte(byte):
  for _ in range(8):
    byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
  return byte


_CRC = [_crc_of_byte(byte) for byte in range(256)]


def _masked(crc):
  return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


# ---- Of event files, whose records have a length and a checksum. ----


def change_events(content, event, random):
  """Changes a record of an event file; `event` is the class of its messages."""
  records, place = [], 0
  while place + 12 <= len(content):
    length, = struct.unpack('<Q', content[place:place + 8])
    records.append(content[place + 12:place + 12 + length])
    place += length + 16
  chosen = random.randrange(len(records))
  message = event.FromString(records[chosen])
  change_message(message, random)
  records[chosen] = message.SerializeToString()
  result = b''
  for record in records:
    length = struct.pack('<Q', len(record))
    result += (length + struct.pack('<I', _masked(crc32c(length))) + record +
               struct.pack('<I', _masked(crc32c(record))))
  return result
