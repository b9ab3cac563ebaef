# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The result of an export to TFLite: how each weight is stored, and whether that is fast."""

import dataclasses
import json
from typing import Dict, List, Tuple

from model_pruning import tables
from model_pruning.export import flatbuffer


@dataclasses.dataclass(frozen=True)
class ExportedWeight:
  """What became of one weight.

  Attributes:
    stored: how the file stores it; its name is that of the weight in the graph, where
      it could be told.
    fast: whether the runtime multiplies with what is stored, and skips the zeros.
    why: if not, why not.
    advice: what to train so that it does, as of HParams; '' if nothing would, or it does.
  """
  stored: flatbuffer.StoredWeight
  fast: bool
  why: str
  advice: str


@dataclasses.dataclass(frozen=True)
class TFLiteExport:
  """What to_tflite wrote.

  Attributes:
    path: the file.
    quantization: 'none', 'dynamic' or 'int8'.
    bytes, gzipped_bytes: size of the file, and of the same compressed by gzip -9.
    examples: number of examples its outputs were compared on.
    max_error: largest difference from the graph's outputs, as a share of the largest of
      these; of outputs of integers, the share that differ.
    tolerance: what max_error was allowed to be.
    runtime: the setting of the interpreter that it was compared with: 'default', or
      'without_default_delegates' (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES).
    litert: 'ai-edge-litert 2.3.0', say, if it was compared under LiteRT too; '' otherwise.
    weights: every weight, in the order of the file.
    warnings: what else there is to know; a sentence each.
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
    """Returns all of this as a JSON object."""
    return json.dumps(dict(dataclasses.asdict(self), sparse=self.sparse), indent=2)

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns all of this as an aligned table, for a terminal or a log."""
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
