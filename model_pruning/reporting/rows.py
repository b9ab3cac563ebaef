# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of a page: its columns, and the cells of each weight."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from model_pruning.reporting import drawings
from model_pruning.reporting import tflite
from model_pruning.reporting.weight import WeightReport
from model_pruning.util import tables

_MANY = 150  # With more weights, pictures of masks are smaller, to keep the page small.
_CELLS, _FEW_CELLS = 48, 24
# Characters of a name that fit into the column, and the numbers of them its end may take.
_ROOM, _TAILS = 40, (14, 18, 22, 26, 30)


class Column(NamedTuple):
  """A column of numbers.

  Attributes:
    key: key of the value in a weight's JSON; the column is sorted by it.
    title: heading of the column.
    help: a sentence that explains it.
    text: returns the cell of a weight; '-' if it has no value.
  """
  key: str
  title: str
  help: str
  text: Callable[[WeightReport], str]


def _blocks(weight: WeightReport) -> str:
  if weight.block == (1, 1) or weight.block_sparsity is None:
    return '-'
  return '%s %s' % (tables.shape_text(weight.block), tables.fraction(weight.block_sparsity))


COLUMNS = (
    Column('threshold', 'Threshold', 'The magnitude below which the last mask update pruned.',
           lambda weight: '-' if weight.threshold is None else '%.3g' % weight.threshold),
    Column('block_sparsity', 'Blocks', 'The largest blocks (inputs x outputs) in which it is '
           'sparse, and the fraction of them that are all zero.', _blocks),
    Column('bytes_dense', 'Dense', 'Bytes of all elements.',
           lambda weight: tables.scaled(weight.bytes_dense, 'B')),
    Column('bytes_sparse', 'Sparse', 'Bytes of the kept elements with their indices, as TFLite '
           'stores a sparse tensor, or of all elements where that is less.',
           lambda weight: tables.scaled(weight.bytes_sparse, 'B')),
    Column('bytes_gzipped', 'Gzipped', 'Bytes of all elements, zeros included, once gzipped.',
           lambda weight: tables.scaled(weight.bytes_gzipped, 'B')),
    Column('flops', 'FLOPs', 'Floating point operations per example, two per multiply-add.',
           lambda weight: tables.scaled(weight.flops)),
    Column('flops_effective', 'Effective', 'The FLOPs without those that multiply by zero.',
           lambda weight: tables.scaled(weight.flops_effective)),
)


def tail_of(names: Sequence[str]) -> int:
  """Returns how many last characters long names must keep to stay different."""
  for tail in _TAILS:
    shown = {name if len(name) <= _ROOM else (name[:_ROOM - tail], name[-tail:]) for name in names}
    if len(shown) == len(set(names)):
      return tail
  return _TAILS[0]


def columns_of(weights: Sequence[WeightReport]) -> List[Column]:
  """Returns the columns that are not empty."""
  return [column for column in COLUMNS
          if any(column.text(weight) != '-' for weight in weights)]


def rows_of(weights: Sequence[WeightReport]) -> List[Dict[str, Any]]:
  """Returns each weight's cells, by their names in the template."""
  columns = columns_of(weights)
  cells = _CELLS if len(weights) <= _MANY else _FEW_CELLS
  return [_row(weight, columns, cells) for weight in weights]


def _row(weight: WeightReport, columns: Sequence[Column], cells: int) -> Dict[str, Any]:
  sketch = weight.details.sketch
  return {
      'name': weight.name,
      'shape': tables.shape_text(weight.shape) + (
          '' if weight.dtype == 'float32' else ' ' + weight.dtype),
      'state': ('missed' if weight.met is False else 'met' if weight.met else
                'pruned' if weight.masked else 'dense'),
      'masked': weight.masked,
      'sparsity': tables.fraction(weight.sparsity),
      'target': None if weight.target is None else weight.target_text,
      'bar': '%.4g' % (100 * weight.sparsity),
      'tick': None if weight.target is None or weight.target_of else '%.4g' % (100 * weight.target),
      'mask': drawings.mask(sketch.cells, cells) if sketch else None,
      'paths': drawings.magnitudes(sketch) if sketch else None,
      'threshold': drawings.position(sketch, weight.threshold) if sketch else None,
      'cells': [column.text(weight) for column in columns]}


def details_of(weight: WeightReport) -> Dict[str, Any]:
  """Returns the other contents of a weight's panel, for JSON."""
  details, sketch, goal = weight.details, weight.details.sketch, weight.details.goal
  found: Dict[str, Any] = {
      'outputs': details.outputs, 'dead_outputs': details.dead_outputs,
      'pruned_in': goal.unit or 'single elements' if goal else None,
      'group': goal.group if goal else None}
  if sketch is not None:
    found.update(largest=_finite(sketch.largest), cell=list(sketch.cell),
                 most_in_bin=int(max(sketch.pruned.max(), sketch.kept.max())))
  if weight.masked:
    prospect = tflite.prospect_of(weight, tflite.FEWEST_BLOCKS)
    found['tflite'] = {'op': details.op, 'stored': prospect.stored, 'skips': list(prospect.skips),
                       'why': prospect.why}
  return found


def _finite(value: float) -> Optional[float]:
  return float('%.4g' % value) if np.isfinite(value) else None
