# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of the small pictures: what is sketched of a weight, and how that is drawn."""

import base64
import re
import struct
import zlib

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.reading import tensors
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import drawings
from model_pruning.reporting import sketch as sketch_lib
from tests.reporting import samples


def _decoded(uri):
  """Returns the shades, 0 to 15, of a PNG in a data URI, by a reader of its own."""
  content = base64.b64decode(uri[len('data:image/png;base64,'):])
  assert content[:8] == b'\x89PNG\r\n\x1a\n'
  chunks, place = {}, 8
  while place < len(content):
    length, = struct.unpack('>I', content[place:place + 4])
    kind, data = content[place + 4:place + 8], content[place + 8:place + 8 + length]
    check, = struct.unpack('>I', content[place + 8 + length:place + 12 + length])
    assert check == zlib.crc32(kind + data) & 0xffffffff
    chunks[kind] = data
    place += 12 + length
  width, height, depth, color = struct.unpack('>IIBB', chunks[b'IHDR'][:10])
  assert (depth, color) == (4, 0) and b'IEND' in chunks
  lines = np.frombuffer(zlib.decompress(chunks[b'IDAT']), np.uint8).reshape(height, -1)
  assert not lines[:, 0].any()
  pixels = np.stack([lines[:, 1:] >> 4, lines[:, 1:] & 15], axis=2).reshape(height, -1)
  return pixels[:, :width]


@pytest.mark.parametrize('shape', [(5, 7), (48, 48), (1, 3), (3, 1), (7, 5), (100, 300), (49, 47)])
def test_masks_are_drawn_as_they_are(shape):
  kept = np.random.RandomState(0).rand(*shape) < 0.4
  weight = StoredWeight('fc/kernel', np.ones(shape, np.float32), kept)
  found = sketch_lib.sketch_of(weight)
  pixels = _decoded(drawings.mask(found.cells, 48))
  assert max(pixels.shape) <= 48
  if max(shape) <= 48:
    assert found.cell == (1, 1) and np.array_equal(pixels, np.where(kept, 0, 15))
  height, width = found.cell
  for row, column in ((0, 0), (pixels.shape[0] - 1, pixels.shape[1] - 1)):
    part = kept[row * height:(row + 1) * height, column * width:(column + 1) * width]
    assert abs(int(pixels[row, column]) - (15 - 15 * np.sqrt(part.mean()))) <= 1.01


def test_a_cell_with_a_single_element_left_is_not_white():
  kept = np.zeros([4800, 4800], bool)
  kept[4000, 17] = True
  found = sketch_lib.sketch_of(StoredWeight('fc/kernel', np.ones(kept.shape, np.float16), kept))
  pixels = _decoded(drawings.mask(found.cells, 24))
  assert np.argwhere(pixels < 15).tolist() == [[20, 0]]


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float32', 'float64'])
def test_histograms_count_every_element(dtype):
  random = np.random.RandomState(1)
  values = random.randn(3, 3, 200, 700).astype(tf.as_dtype(dtype).as_numpy_dtype)
  kept = np.abs(values.astype(np.float64)) > 1
  found = sketch_lib.sketch_of(StoredWeight('conv/kernel', values, kept, 1.0))
  magnitudes = np.abs(values.astype(np.float64))
  edges = np.linspace(0, magnitudes.max(), sketch_lib.BINS + 1)
  assert found.largest == magnitudes.max()
  assert found.pruned.sum() == np.count_nonzero(~kept) and found.kept.sum() == kept.sum()
  if dtype in ('float32', 'float64'):  # Others lie on the edges of bins.
    expected = np.histogram(magnitudes[kept], edges)[0]
    assert np.abs(found.kept - expected).sum() <= 2


@pytest.mark.parametrize('values,counted', [
    ([np.nan, 1, 2, np.inf], 2), ([np.nan, np.nan], 0), ([0, 0, 0], 3), ([1e-45, 1e-45], 2),
    ([3e38, -3e38], 2)])
def test_what_is_not_finite_is_left_out(values, counted):
  found = sketch_lib.sketch_of(StoredWeight('x', np.array([values], np.float32)))
  assert found.pruned.sum() + found.kept.sum() == counted


def test_repeated_values_take_no_memory():
  values = np.broadcast_to(np.float32(-2), [1 << 15, 1 << 14])
  kept = np.broadcast_to(np.True_, values.shape)
  assert tensors.is_repeated(values)
  found = sketch_lib.sketch_of(StoredWeight('x', values, kept))
  assert found.kept[-1] == values.size and found.largest == 2 and (found.cells == 255).all()


def test_an_empty_weight_has_no_picture():
  assert sketch_lib.sketch_of(StoredWeight('x', np.zeros([0, 4], np.float32))) is None


def _tops(path):
  """Returns the height of a path at the middle of each bin."""
  tops, x, y = np.zeros(sketch_lib.BINS), 0, drawings.HEIGHT
  for command, number in re.findall(r'([HV])(\d+)', path):
    if command == 'H':
      tops[x:int(number)] = drawings.HEIGHT - y
      x = int(number)
    else:
      y = int(number)
  return tops


@pytest.mark.parametrize('sparsity', [None, 0.1, 0.5, 0.99])
def test_paths_follow_the_counts(sparsity):
  found = sketch_lib.sketch_of(samples.weight('fc/kernel', (64, 64), sparsity))
  paths = drawings.magnitudes(found)
  most = max(found.pruned.max(), found.kept.max())
  for name, counts in (('pruned', found.pruned), ('kept', found.kept)):
    assert bool(paths[name]) == bool(counts.any())
    if paths[name]:
      heights = _tops(paths[name])
      assert ((heights > 0) == (counts > 0)).all()
      assert np.abs(heights - 30 * np.log1p(counts) / np.log1p(most)).max() <= 1
      assert len(paths[name]) < 500 and paths[name].endswith('Z')


def test_where_the_threshold_is():
  found = sketch_lib.sketch_of(StoredWeight('x', np.array([[1, 2, 4]], np.float32)))
  assert drawings.position(found, 2) == sketch_lib.BINS / 2
  for nowhere in (None, 0, -1, 5, np.nan, np.inf):
    assert drawings.position(found, nowhere) is None
