# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Numbers for people, and tables of them: aligned for a terminal, and as CSV."""

import csv
import io
import re
from typing import Any, List, Optional, Sequence

from model_pruning import errors

# Letters and marks that Unicode counts as printable, and that show as nothing.
_UNSEEN = re.compile('[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\ufe00-\ufe0f\uffa0]')
# What a spreadsheet takes for the beginning of a formula, full-width forms included.
_FORMULA = re.compile(r'\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]')
_NUMBER = re.compile(r'-?\d+(\.\d*)?([eE][+-]?\d+)?')


def printable(text: str) -> str:
  r"""Returns a name or message from a file, safe to show on a terminal or in a log.

  Control characters, escape sequences, line breaks, marks that reverse the direction of
  text, and characters that cannot be seen are written as escapes.

  >>> print(printable('a\nb\x1b[31m'))
  a\nb\x1b[31m
  """
  return ''.join(char if char.isprintable() and not _UNSEEN.match(char)
                 else char.encode('unicode_escape').decode() for char in text)


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
  """Returns an aligned table for a terminal or a log.

  Args:
    headers: of the columns.
    rows: their cells, as texts.
    left: number of columns, from the first, that are aligned to the left.

  Raises:
    errors.MissingPackageError: tabulate is not installed.
  """
  try:
    import tabulate
  except ImportError as error:
    raise errors.MissingPackageError(
        'Tables need the package tabulate: pip install tabulate. Without it there is JSON and '
        'CSV.') from error
  headers, rows = [printable(name) for name in headers], [
      [printable(cell) for cell in row] for row in rows]
  align = ['left' if index < left else 'right' for index in range(len(headers))]
  # As rows, since tabulate makes columns two wider than their headers.
  widths = [max(map(len, column)) for column in zip(headers, *rows)]
  lines = [list(headers), ['-' * width for width in widths]] + [list(row) for row in rows]
  text = tabulate.tabulate(lines, tablefmt='plain', disable_numparse=True, colalign=align)
  return '\n'.join(line.rstrip() for line in text.split('\n'))


def as_csv(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  """Returns rows as CSV with a line of headers; None is an empty cell.

  A text that a spreadsheet would take for a formula gets an apostrophe in front.
  """
  lines = []
  for row in [headers, *rows]:
    content = io.StringIO()
    # What is in the terminator is quoted in cells.
    csv.writer(content, lineterminator='\r\n').writerow([_cell(cell) for cell in row])
    lines.append(content.getvalue()[:-2] + '\n')
  return ''.join(lines)


def _cell(cell: Any) -> Any:
  if cell is None:
    return ''
  if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
    return "'" + cell
  return cell


def scaled(number: Optional[float], unit: str = '') -> str:
  """Returns a number with three digits and a prefix of its unit, in steps of 1000; '-' for None.

  >>> scaled(1234567, 'B'), scaled(999, 'B')
  ('1.23 MB', '999 B')
  """
  if number is None:
    return '-'
  for prefix in ('', 'k', 'M', 'G', 'T', 'P'):
    digits = 0 if not prefix else 2 if number < 9.995 else 1 if number < 99.95 else 0
    if round(number, digits) < 1000:
      break
    number /= 1000
  return ('%.*f %s%s' % (digits, number, prefix, unit)).rstrip()


def share(value: Optional[float]) -> str:
  """Returns a share as 0.9000, '-' for None; what is not all of it never shows as 1.0000."""
  if value is None:
    return '-'
  return '0.9999' if 0.9999 < value < 1 else '%.4f' % value


def shape_text(shape: Sequence[int]) -> str:
  """Returns a shape as 3x3x32x64."""
  return 'x'.join(map(str, shape)) or 'scalar'


def elided(names: Sequence[str], width: int) -> List[str]:
  """Returns names of at most `width` characters, without their middle where need be.

  They stay distinct if that can be. Characters that terminals act on are escaped.
  """
  names = [printable(name) for name in names]
  shortened: List[str] = []
  # The end of a name tells more, if it is not the same in all.
  for tail in (2 / 3, 1 / 2, 1 / 3, 5 / 6, 1 / 6):
    found = [_elided(name, width, int((width - 3) * tail)) for name in names]
    if len(set(found)) == len(set(names)):
      return found
    shortened = shortened or found
  return shortened


def _elided(name: str, width: int, tail: int) -> str:
  return name if len(name) <= width else name[:width - 3 - tail] + '...' + name[len(name) - tail:]
