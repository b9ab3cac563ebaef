# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The small pictures of a page: masks as PNG data URIs, magnitude histograms as SVG paths."""

import base64
import struct
from typing import Dict, Optional
import zlib

import numpy as np

from model_pruning.reporting.sketch import BINS
from model_pruning.reporting.sketch import Sketch

HEIGHT = 32  # Height of the paths; their width is BINS.
_SHADES = 16


def mask(cells: np.ndarray, most: int) -> str:
  """Returns a mask's picture as a data URI: black where all is kept, white where nothing is.

  Args:
    cells: uint8, the kept fraction of each cell times 255; see Sketch.
    most: the largest number of cells in each direction.
  """
  height, width = cells.shape
  fractions = _fewer(cells / np.float32(255), most)
  # The square root darkens cells where little is kept, so that empty cells stand out.
  shades = _SHADES - 1 - np.ceil(np.sqrt(fractions) * (_SHADES - 1)).astype(np.uint8)
  height, width = shades.shape
  padded = np.zeros([height, width + width % 2], np.uint8)
  padded[:, :width] = shades
  packed = (padded[:, ::2] << 4 | padded[:, 1::2]).astype(np.uint8)
  lines = np.zeros([height, 1 + packed.shape[1]], np.uint8)  # Each line begins with its filter.
  lines[:, 1:] = packed
  content = b'\x89PNG\r\n\x1a\n' + b''.join((
      _chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 4, 0, 0, 0, 0)),
      _chunk(b'IDAT', zlib.compress(lines.tobytes(), 9)), _chunk(b'IEND', b'')))
  return 'data:image/png;base64,' + base64.b64encode(content).decode('ascii')


def _chunk(kind: bytes, content: bytes) -> bytes:
  return (struct.pack('>I', len(content)) + kind + content +
          struct.pack('>I', zlib.crc32(kind + content) & 0xffffffff))


def _fewer(fractions: np.ndarray, most: int) -> np.ndarray:
  """Averages neighbouring cells along each axis with more than `most` of them."""
  for axis in (0, 1):
    size = fractions.shape[axis]
    group = -(-size // most)
    begins = np.arange(0, size, group)
    numbers = np.diff(np.append(begins, size)).astype(np.float32)
    fractions = np.add.reduceat(fractions, begins, axis) / (
        numbers[:, None] if axis == 0 else numbers)
  return fractions


def magnitudes(sketch: Sketch) -> Dict[str, str]:
  """Returns 'pruned' and 'kept' areas as SVG paths, BINS x HEIGHT, on one logarithmic scale.

  The path is empty where nothing is pruned, or nothing kept.
  """
  most = max(int(sketch.pruned.max()), int(sketch.kept.max()), 1)
  return {'pruned': _area(sketch.pruned, most), 'kept': _area(sketch.kept, most)}


def _area(counts: np.ndarray, most: int) -> str:
  if not counts.any():
    return ''
  heights = np.log1p(counts) / np.log1p(most)
  tops = (HEIGHT - np.ceil(heights * (HEIGHT - 2))).astype(np.int64)
  parts, last = ['M0 %d' % HEIGHT], HEIGHT
  for index, top in enumerate(tops.tolist()):
    if top != last:  # Equal neighbours are drawn as one line.
      parts.append(('H%d' % index if index else '') + 'V%d' % top)
      last = top
  parts.append('H%d' % BINS)
  return ''.join(parts + ['V%dZ' % HEIGHT] if last != HEIGHT else parts + ['Z'])


def position(sketch: Sketch, threshold: Optional[float]) -> Optional[float]:
  """Returns a threshold's position on the paths, 0 to BINS; None if outside or None."""
  if threshold is None or not sketch.largest or not 0 < threshold <= sketch.largest:
    return None
  return round(threshold / sketch.largest * BINS, 2)
