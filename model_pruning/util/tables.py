# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Formats numbers, and makes tables: aligned ones for a terminal, and CSV."""

import csv
import io
import os
import re
import textwrap
from typing import Any, List, Optional, Sequence

from model_pruning import errors

# Characters that Unicode counts as printable although they are invisible.
_UNSEEN = re.compile('[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\ufe00-\ufe0f\uffa0]')
# Spreadsheets take such text for a formula; full-width forms are included.
_FORMULA = re.compile(r'\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]')
_NUMBER = re.compile(r'-?\d+(\.\d*)?([eE][+-]?\d+)?')

# Columns for a name before a table is split; terminals and pages have at least 80.
SHORTEST_NAME = 24
WIDTH = 80


def printable(text: str) -> str:
  r"""Returns a name or message from a file, safe to show on a terminal or in a log.

  Control characters, escape sequences, line breaks, marks that reverse the direction of
  text, and invisible characters are written as escapes.

  >>> print(printable('a\nb\x1b[31m'))
  a\nb\x1b[31m
  """
  return ''.join(char if char.isprintable() and not _UNSEEN.match(char)
                 else char.encode('unicode_escape').decode() for char in text)


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
  """Returns an aligned table for a terminal or a log.

  Args:
    headers: headings of the columns.
    rows: the cells of each row, as text.
    left: number of columns, from the first, that are left-aligned.

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
  # Pass headers as a row, as tabulate makes columns two wider than headers.
  widths = [max(map(len, column)) for column in zip(headers, *rows)]
  lines = [list(headers), ['-' * width for width in widths]] + [list(row) for row in rows]
  text = tabulate.tabulate(lines, tablefmt='plain', disable_numparse=True, colalign=align)
  return '\n'.join(line.rstrip() for line in text.split('\n'))


def as_csv(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  """Returns rows as CSV with a line of headers; None is an empty cell.

  Text that a spreadsheet would take for a formula gets a leading apostrophe.
  """
  lines = []
  for row in [headers, *rows]:
    content = io.StringIO()
    # csv quotes cells that contain a character of the terminator, so \r is quoted as well.
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
  """Returns a number with three digits and a metric prefix, in steps of 1000; '-' for None.

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


def fraction(value: Optional[float]) -> str:
  """Returns a fraction as 0.9000, '-' for None; less than 1 never shows as 1.0000."""
  if value is None:
    return '-'
  return '0.9999' if 0.9999 < value < 1 else '%.4f' % value


def shape_text(shape: Sequence[int]) -> str:
  """Returns a shape as 3x3x32x64."""
  return 'x'.join(map(str, shape)) or 'scalar'


def elided(names: Sequence[str], width: int) -> List[str]:
  """Returns names of at most `width` characters; longer ones lose their middle.

  If it is enough, they lose the scope that all have in common. Different names stay different as
  long as `width` has room for a number. Characters that control terminals are escaped.

  >>> elided(['encoder/layer_1/kernel', 'encoder/layer_2/kernel'], 14)
  ['en..._1/kernel', 'en..._2/kernel']
  >>> elided(['encoder/layer_1/kernel', 'encoder/layer_2/kernel'], 18)
  ['.../layer_1/kernel', '.../layer_2/kernel']
  """
  names = [printable(name) for name in names]
  scoped = {name for name in names if '/' in name}
  scope = os.path.commonprefix(sorted(scoped)).rpartition('/')[0] if len(scoped) > 1 else ''
  found = ['...' + name[len(scope):] if scope and '/' in name else name for name in names]
  if max(map(len, names), default=0) > width >= max(map(len, found), default=0) and len(
      set(found)) == len(set(names)):
    return found
  shortened: List[str] = []
  # The end of a name says more than its start, unless all ends are equal.
  for tail in (2 / 3, 1 / 2, 1 / 3, 5 / 6, 1 / 6):
    found = [_elided(name, width, int((width - 3) * tail)) for name in names]
    if len(set(found)) == len(set(names)):
      return found
    shortened = shortened or found
  return _numbered(names, shortened, width)


def _elided(name: str, width: int, tail: int) -> str:
  return name if len(name) <= width else name[:width - 3 - tail] + '...' + name[len(name) - tail:]


def _numbered(names: Sequence[str], shortened: Sequence[str], width: int) -> List[str]:
  """Returns shortened names, made unique by ~2, ~3, ... at the end."""
  texts = {name: short for name, short in zip(names, shortened) if name == short}
  taken = set(texts.values())
  for name, short in zip(names, shortened):
    number, text = 1, short
    while name not in texts and text in taken:
      number += 1
      mark = '~%d' % number
      text = short[:max(width - len(mark), 1)] + mark
    taken.add(texts.setdefault(name, text))
  return [texts[name] for name in names]


def fitted(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int, left: int = 1,
           keys: int = 1, split: Optional[int] = None) -> str:
  """Returns an aligned table of at most `width` characters, if possible.

  Names in the first column lose their middle. If that is not enough, further tables
  follow, which begin with the same first columns.

  Args:
    headers, rows, left: see `aligned`.
    width: columns of the terminal.
    keys: number of columns, from the first, that each table begins with.
    split: index of the first column of the second table; by default the first table takes
      as many columns as fit.

  Raises:
    errors.MissingPackageError: tabulate is not installed.
  """
  headers = [printable(header) for header in headers]
  rows = [[printable(cell) for cell in row] for row in rows]
  widths = [max(map(len, column)) for column in zip(headers, *rows)]
  shortest = min(widths[0], SHORTEST_NAME)
  key_width = shortest + sum(size + 2 for size in widths[1:keys])
  parts: List[List[int]] = [[]]
  room = width - key_width
  for index in range(keys, len(headers)):
    fits = sum(widths[other] + 2 for other in parts[-1] + [index]) <= room
    if parts[-1] and not fits:
      parts.append([])
    parts[-1].append(index)
  if split is not None and len(parts) > 1:
    parts = [list(range(keys, split)), list(range(split, len(headers)))]
  tables = [list(range(keys)) + part for part in parts]
  widest = max(sum(widths[index] + 2 for index in columns[1:]) for columns in tables)
  # Shorten names alike in every table, so that a weight can be found again.
  names = elided([row[0] for row in rows], max(width - widest, shortest))
  rows = [[name] + list(row[1:]) for name, row in zip(names, rows)]
  return '\n\n'.join(
      aligned([headers[index] for index in columns],
              [[row[index] for index in columns] for row in rows],
              sum(1 for index in columns if index < left)) for columns in tables)


def wrapped(text: str, width: int) -> List[str]:
  """Wraps a text into lines for a terminal, without breaking names."""
  return textwrap.wrap(printable(text), width, break_long_words=False, break_on_hyphens=False)
