# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Target and achieved sparsity of masked weights, as a table."""

import dataclasses
from typing import Iterable, Sequence, Tuple

from model_pruning.util import tables

_SHORT = 'short of its target'
_NAMED = 3


@dataclasses.dataclass(frozen=True)
class WeightSparsity:
  """Target and achieved sparsity of one weight.

  Attributes:
    name: op name of the weight.
    shape: its static shape.
    target: its target sparsity, as a fraction of its units (elements or blocks).
    zeros: number of elements its mask hides.
    short: whether the mask hides fewer elements than the target requires.
  """
  name: str
  shape: Tuple[int, ...]
  target: float
  zeros: int
  short: bool

  @property
  def size(self) -> int:
    size = 1
    for dim in self.shape:
      size *= dim
    return size

  @property
  def achieved(self) -> float:
    """Fraction of the elements that the mask hides; 0 without elements."""
    return self.zeros / max(self.size, 1)


def sparsity_table(rows: Sequence[WeightSparsity], width: int = tables.WIDTH) -> str:
  """Returns an aligned table of the rows, with a line of totals, for a terminal or a log.

  Args:
    rows: the weights.
    width: names lose their middle if the table would be wider.
  """
  zeros, size = sum(row.zeros for row in rows), sum(row.size for row in rows)
  short = [_SHORT if row.short else '' for row in rows]
  lines = [['weight', 'shape', 'target', 'achieved', 'zeros', 'of', '']]
  lines += [[row.name, tables.shape_text(row.shape), '%.4f' % row.target, '%.4f' % row.achieved,
             '{:,}'.format(row.zeros), '{:,}'.format(row.size), note]
            for row, note in zip(rows, short)]
  lines.append(['total', '', '', '%.4f' % (zeros / max(size, 1)), '{:,}'.format(zeros),
                '{:,}'.format(size), ''])
  widths = [max(map(len, column)) for column in zip(*lines)]
  room = width - sum(widths[1:]) - 2 * (len(widths) - 1)
  shortest, below = min(widths[0], tables.SHORTEST_NAME), []
  if any(short) and room < shortest:  # Drop the column of notes.
    room += widths.pop() + 2
    lines = [line[:-1] for line in lines]
    below = tables.wrapped('%s: %s' % (_SHORT, ', '.join(
        row.name for row in rows if row.short)), width)
  names = tables.elided([line[0] for line in lines], max(room, shortest))
  widths[0] = max(map(len, names))
  return '\n'.join([_align([name] + line[1:], widths) for name, line in zip(names, lines)] + below)


def furthest_off(short: Sequence[WeightSparsity]) -> str:
  """Returns a clause that names the weights furthest from their targets, with both numbers.

  Args:
    short: weights that are short of their targets, at least one.
  """
  short = sorted(short, key=lambda row: row.achieved - row.target)
  named = ', '.join('%s has sparsity %.4f and a target of %.4f' % (
      row.name, row.achieved, row.target) for row in short[:_NAMED])
  if len(short) > _NAMED:
    named += ' and %d others, all less far off' % (len(short) - _NAMED)
  return named


def _align(cells: Iterable[str], widths: Iterable[int]) -> str:
  # Names and notes are left-aligned, numbers right-aligned.
  return '  '.join(cell.ljust(width) if index in (0, 1, 6) else cell.rjust(width)
                   for index, (cell, width) in enumerate(zip(cells, widths))).rstrip()
