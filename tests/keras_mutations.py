# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Changes to Keras's files: zip archives, the JSON in them, and HDF5."""

import copy
import io
import json
import struct
import warnings
import zipfile

from tests import mutations

CONFIG, METADATA, WEIGHTS = 'config.json', 'metadata.json', 'model.weights.h5'
CLASSES = ('Dense', 'LSTM', 'Conv2D', 'Embedding', 'Lambda', 'Functional', 'Sequential',
           'InputLayer', 'Flatten', 'RepeatVector', 'Reshape', 'BatchNormalization',
           'TimeDistributed', 'Bidirectional', 'MultiHeadAttention', 'ZeroPadding1D', 'Nothing',
           '__lambda__', '__tensor__', 'function', 'float32', 'relu', 'keras.layers', 'os',
           'builtins', 'keras.src.ops.numpy')
OTHER_TYPES = (None, True, [], {}, '', 'x', 3, -1.5, [[]], {'class_name': 'Dense', 'config': {}},
               [None, None], {'a': {'b': 1}})
LARGE = (10**4, 10**5, 10**6, 10**9, 10**12, 2**63, 10**30, 10**400, 1e300)


# ---- JSON. ----


def change_json(text, random):
  """Returns the text of a JSON document with other values, fewer or more of them."""
  document = json.loads(text)
  for _ in range(random.choice((1, 1, 1, 2, 5))):
    document = _changed(document, random)
  text = json.dumps(document)
  chance = random.random()
  if chance < 0.04:  # Deeper than any parser's stack. It cannot be made of dicts by json.dumps.
    depth = random.choice((500, 3000, 10**5))
    begin, end = random.choice((('[', ']'), ('{"config": ', '}')))
    text = text.replace('null', begin * depth + '1' + end * depth, 1)
  elif chance < 0.08:
    text = mutations.change_bytes(text.encode(), random).decode('latin-1')
  elif chance < 0.1:
    text = text.replace('"', '\u202e"', 2)
  return text.encode('utf-8')


def _changed(document, random):
  """Returns a document with one place changed; the place may be anywhere in it."""
  places = list(_places(document))
  if not places:
    return copy.deepcopy(random.choice(OTHER_TYPES))
  parent, key = random.choice(places)
  value, chance = parent[key], random.random()
  if chance < 0.1:
    del parent[key]
  elif chance < 0.25:
    parent[key] = copy.deepcopy(random.choice(OTHER_TYPES))
  elif chance < 0.3:  # Something of another place.
    other, other_key = random.choice(places)
    parent[key] = copy.deepcopy(other[other_key])
  elif chance < 0.35 and isinstance(parent, list):
    parent.insert(key, copy.deepcopy(value))
  elif chance < 0.38 and isinstance(parent, dict):
    parent[random.choice(CLASSES + mutations.TEXTS)] = copy.deepcopy(value)
  elif isinstance(value, bool) or value is None:
    parent[key] = random.choice(OTHER_TYPES + LARGE)
  elif isinstance(value, (int, float)):
    parent[key] = random.choice(mutations.NUMBERS + mutations.FLOATS + LARGE + LARGE)
  elif isinstance(value, str):
    parent[key] = random.choice(CLASSES + CLASSES + mutations.TEXTS)
  else:
    parent[key] = copy.deepcopy(random.choice(OTHER_TYPES))
  return document


def _places(document):
  """Yields (container, key) of all that is in a document."""
  pending = [document]
  while pending:
    item = pending.pop()
    keys = item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
    for key in keys:
      yield item, key
      pending.append(item[key])


# ---- Archives. ----


def change_archive(content, random):
  """Changes a .keras file: a member of it, or how it is packed."""
  with zipfile.ZipFile(io.BytesIO(content)) as archive:
    members = {name: archive.read(name) for name in sorted(archive.namelist())}
  chance = random.random()
  if chance < 0.5:
    members[CONFIG] = change_json(members[CONFIG].decode(), random)
  elif chance < 0.55:
    members[METADATA] = change_json(members[METADATA].decode(), random)
  elif chance < 0.85:
    members[WEIGHTS] = change_hdf5(members[WEIGHTS], random)
  elif chance < 0.89:
    del members[random.choice(sorted(members))]
  elif chance < 0.91:
    name = random.choice(sorted(members))
    members[random.choice(mutations.TEXTS) + name] = members.pop(name)
  elif chance < 0.93:  # Members in the place of each other.
    first, second = random.choice(sorted(members)), random.choice(sorted(members))
    members[first], members[second] = members[second], members[first]
  elif chance < 0.97:  # Zeros, a thousand times as many as they take.
    members[random.choice((CONFIG, WEIGHTS, 'assets/x'))] = b'\0' * random.choice((2**20, 2**26))
  duplicated = random.random() < 0.05 and random.choice(sorted(members))
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # Of names that come twice.
    content = archived(list(members.items()) + (
        [(duplicated, members[duplicated][::-1])] if duplicated else []))
  return _lying(content, random) if random.random() < 0.08 else content


def archived(members):
  """Returns an archive of (name, content); those with little in them are compressed."""
  result = io.BytesIO()
  with zipfile.ZipFile(result, 'w') as archive:
    for name, content in members:
      info = zipfile.ZipInfo(name.replace('\0', ''), (2026, 1, 1, 0, 0, 0))
      info.compress_type = zipfile.ZIP_DEFLATED if not any(content[:64]) else zipfile.ZIP_STORED
      archive.writestr(info, content)
  return result.getvalue()


def _lying(content, random):
  """Changes what the directory of an archive says of a member: its size, place or method."""
  content = bytearray(content)
  entries = [place for place in range(len(content) - 46) if content[place:place + 4] == b'PK\1\2']
  if entries:
    place = random.choice(entries) + random.choice((20, 24, 42))  # Packed, unpacked, offset.
    struct.pack_into('<I', content, place, random.choice(mutations.NUMBERS) % 2**32)
    if random.random() < 0.3:
      struct.pack_into('<H', content, random.choice(entries) + 10, random.choice((8, 12, 14, 99)))
  return bytes(content)


# ---- HDF5. ----


def change_hdf5(content, random):
  """Changes the arrays and attributes of an HDF5 file, or its bytes."""
  if random.random() < 0.5:
    return mutations.change_bytes(content, random)
  import h5py
  file = io.BytesIO(content)
  with h5py.File(file, 'r+') as f:
    for _ in range(random.choice((1, 1, 2))):
      _change_item(f, h5py, random)
  return file.getvalue()


def _change_item(f, h5py, random):
  if 'model_config' in f.attrs and random.random() < 0.6:
    text = f.attrs['model_config']
    text = text.decode('latin-1') if isinstance(text, bytes) else str(text)
    try:
      changed = change_json(text, random)
    except ValueError:  # It was changed before, and is none.
      changed = mutations.change_bytes(text.encode(), random)
    f.attrs.create('model_config', changed.replace(b'\0', b' ')[:60000])
    return
  names = []
  f.visit(names.append)
  if not names:
    return
  name = random.choice(sorted(names))
  datasets = sorted(name for name in names if isinstance(f.get(name), h5py.Dataset))
  if datasets and random.random() < 0.8:
    name = random.choice(datasets)
  chance = random.random()
  attributes = sorted(f[name].attrs) or sorted(f.attrs)
  if chance < 0.2 and attributes:
    owner = f[name] if f[name].attrs else f
    key = random.choice(attributes)
    if random.random() < 0.3:
      del owner.attrs[key]
    else:
      owner.attrs[key] = random.choice(([b'x', b'x'], 3, 'x', [1.5], [b'\xff\xfe'], b'a' * 9000))
    return
  old = f[name]
  shape = list(old.shape) if isinstance(old, h5py.Dataset) else [2]
  del f[name]
  if chance < 0.4:  # As large as can be said, and nothing there.
    shape = shape or [1]
    shape[random.randrange(len(shape))] = random.choice((2**20, 2**28, 2**31, 2**40, 2**50))
    f.create_dataset(name, shape, random.choice(('f4', 'f8')), chunks=tuple([1] * len(shape)))
  elif chance < 0.6:
    shape = random.choice((shape[::-1], shape + [1], shape[:-1], [0], [], [n + 1 for n in shape]))
    f.create_dataset(name, shape, random.choice(('f4', 'f8', 'f2', 'i4', 'S5', 'c8', 'bool')))
  elif chance < 0.7:
    f.create_dataset(name, shape, 'f4', fillvalue=random.choice(mutations.FLOATS))
  elif chance < 0.75:
    f[name] = h5py.ExternalLink(random.choice(('/etc/passwd', 'x.h5')), '/')
  elif chance < 0.8:
    f[name] = h5py.SoftLink(random.choice(('/', '/' + name, '/nothing')))
  elif chance < 0.85:
    f.create_group(name)
  elif chance < 0.9:
    f.create_dataset(name, [2**10], 'f4', external=[('/etc/passwd', 0, 2**12)])
