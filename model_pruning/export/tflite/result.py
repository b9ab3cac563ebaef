# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The result of an export to TFLite: how each weight is stored, and whether that is fast."""

import dataclasses
import json
from typing import Dict, List, Tuple

from model_pruning.reading import flatbuffer
from model_pruning.util import tables


@dataclasses.dataclass(frozen=True)
class ExportedWeight:
  """How one weight was exported.

  Attributes:
    stored: how the file stores it, under the name of the weight in the graph, if that is
      known.
    fast: whether the runtime's kernels use the stored elements and skip the zeros.
    why: why they do not; '' if they do.
    advice: hyperparameters to train with so that they do; '' if nothing would help, or they do.
  """
  stored: flatbuffer.StoredWeight
  fast: bool
  why: str
  advice: str


@dataclasses.dataclass(frozen=True)
class TFLiteExport:
  """The result of to_tflite.

  Attributes:
    path: the file.
    quantization: 'none', 'float16', 'dynamic' or 'int8'.
    bytes, gzipped_bytes: size of the file, and after gzip -9.
    examples: number of examples on which outputs were compared.
    max_error: largest difference from the graph's outputs, as a fraction of their largest
      magnitude; for integer outputs, the fraction of values that differ.
    tolerance: the largest max_error allowed.
    runtime: the interpreter setting for the comparison: 'default', or
      'without_default_delegates' (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES).
    weights: every weight, in the order of the file.
    warnings: sentences on other things to know.
    litert: for example 'ai-edge-litert 2.3.0', if outputs were compared under LiteRT too; ''
      otherwise.
  """
  path: str
  quantization: str
  bytes: int
  gzipped_bytes: int
  examples: int
  max_error: float
  tolerance: float
  runtime: str
  weights: Tuple[ExportedWeight, ...]
  warnings: Tuple[str, ...] = ()
  litert: str = ''

  @property
  def sparse(self) -> bool:
    """Whether any weight is stored sparse."""
    return any(weight.stored.block is not None for weight in self.weights)

  def to_json(self) -> str:
    """Returns all attributes as a JSON object."""
    return json.dumps(dict(dataclasses.asdict(self), sparse=self.sparse), indent=2)

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns the result as an aligned table, for a terminal or a log."""
    rows: List[List[str]] = []
    reasons: Dict[Tuple[str, str], List[str]] = {}
    for weight in self.weights:
      stored = weight.stored
      rows.append([stored.name, tables.shape_text(stored.shape), _storage(stored),
                   tables.fraction(stored.sparsity), tables.scaled(stored.stored_bytes, 'B'),
                   'yes' if weight.fast else 'no'])
      if not weight.fast:
        reasons.setdefault((weight.why, weight.advice), []).append(stored.name)
    lines = [tables.fitted(['weight', 'kernel', 'stored', 'sparsity', 'bytes', 'skips zeros'],
                           rows, width, left=3)]
    for (why, advice), names in reasons.items():
      text = 'Zeros of %s are not skipped: %s%s.' % (
          ', '.join(names), why, '; train with ' + advice if advice else '')
      lines += [''] + tables.wrapped(text, width)
    for warning in self.warnings:
      lines += [''] + tables.wrapped(warning[0].upper() + warning[1:], width)
    if any(weight.stored.expanded for weight in self.weights):
      lines += [''] + tables.wrapped(
          '* Sparse in the file only: the runtime makes it dense when it loads the file.', width)
    return '\n'.join(lines + [
        '',
        '%s: {:,} bytes, {:,} gzipped'.format(self.bytes, self.gzipped_bytes) %
        tables.printable(self.path),
        'quantization: %s' % self.quantization,
        'compared: differs by %.2g of the outputs\' scale on %d examples (tolerance %g)' % (
            self.max_error, self.examples, self.tolerance),
        'interpreter: %s' % self.runtime + (' and ' + self.litert if self.litert else '')])


def _storage(stored: flatbuffer.StoredWeight) -> str:
  if stored.block is None:
    return 'dense'
  text = 'sparse' if stored.block == (1, 1) else 'sparse, %dx%d' % stored.block
  return text + ' *' if stored.expanded else text
