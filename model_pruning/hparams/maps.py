# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parses hyperparameters that map regular expressions to values, and looks up weights in them."""

import functools
from typing import Callable, Iterable, List, Optional, Sequence, Tuple, TypeVar

from model_pruning import errors
from model_pruning.hparams import grammar
from model_pruning.hparams.expressions import Expression

BlockDims = Tuple[int, int]

# The dimensions of a weight are int32 on most devices.
LARGEST_BLOCK_DIM = 2**31 - 1
_Value = TypeVar('_Value')
Entries = Sequence[Tuple[str, _Value]]


def parse_map(hparam: str, entries: Iterable[str], form: str,
              parse: Callable[[str], _Value]) -> Tuple[Tuple[str, _Value], ...]:
  """Returns the (regex, value) pairs of 'regex:value' entries.

  Args:
    hparam: the name of the hyperparameter, for errors.
    entries: the entries; empty strings are ignored.
    form: the allowed form, for errors.
    parse: converts the text of a value; raises ValueError if it is invalid.

  Raises:
    errors.MapError: an entry has another form, an invalid value, or an invalid expression; or two
      have the same expression.
  """
  parsed: List[Tuple[str, _Value]] = []
  for entry in entries:
    if not entry:
      continue
    # The regular expression may contain a colon; the value never does.
    pattern, colon, text = entry.rpartition(':')
    if not colon or not pattern or not text:
      raise errors.MapError(
          '%s entry %r is not of the form %s; a comma or a blank ends an entry: write fc1:0.8 '
          'without a blank, and (fc1|fc2):0.8 for alternatives' % (hparam, entry, form))
    expression('%s entry %s' % (hparam, grammar.shown(entry, 300)), pattern)
    try:
      value = parse(text)
    except ValueError as error:
      raise errors.MapError('%s entry %r: %s; expected %s' %
                            (hparam, entry, error, form)) from error
    if any(pattern == other for other, _ in parsed):
      raise errors.MapError('%s has two entries for %s; leave one of them out' % (
          hparam, grammar.shown(pattern, 300)))
    parsed.append((pattern, value))
  return tuple(parsed)


def expression(where: str, pattern: str) -> Expression:
  """Returns the compiled regular expression of a user.

  Args:
    where: the option that contains it; the error message begins with this.
    pattern: the text of the expression.

  Raises:
    errors.MapError: it is not a regular expression, or matching it could take forever.
  """
  if not isinstance(pattern, str):
    raise errors.MapError('%s: %r is not a regular expression; write several as one text, '
                          "'fc1/.*|fc2/.*'" % (where, pattern))
  try:
    return _compiled(pattern)
  except ValueError as error:
    raise errors.MapError('%s: %s is not a regular expression that can be used (%s)' % (
        where, grammar.shown(repr(pattern), 300), grammar.shown(error, 300))) from error


_compiled = functools.lru_cache(maxsize=1024)(Expression)


def parse_sparsity(text: str) -> float:
  """Returns `text` as a sparsity; raises ValueError if it is not a number in [0, 1)."""
  value = float(text)
  if not 0.0 <= value < 1.0:
    raise ValueError('sparsity %s is outside [0, 1)' % text)
  return value


def parse_block_dims(text: str) -> BlockDims:
  """Returns (height, width) of 'HEIGHTxWIDTH'; raises ValueError if `text` has another form."""
  dims = text.split('x')
  if len(dims) != 2:
    raise ValueError('block dimensions %r are not two numbers joined by x' % text)
  try:
    height, width = (int(dim) for dim in dims)
  except ValueError as error:
    raise ValueError('block dimensions %r are not two integers' % text) from error
  for dim in (height, width):
    if not is_block_dim(dim):
      raise ValueError('block dimension %d is neither 1 to %d nor -1' % (dim, LARGEST_BLOCK_DIM))
  return height, width


def is_block_dim(dim: int) -> bool:
  """Whether `dim` is allowed as the height or width of a block; -1 is the whole dimension."""
  return dim == -1 or 1 <= dim <= LARGEST_BLOCK_DIM


def lookup(hparam: str, entries: Entries[_Value], name: str,
           kind: str = 'weight') -> Optional[_Value]:
  """Returns the value of the entry whose key matches in `name`; None if no key matches.

  Raises:
    errors.MapError: several keys match.
  """
  matches = [entry for entry in entries if expression(hparam, entry[0]).search(name)]
  if len(matches) > 1:
    raise errors.MapError('Multiple matches in %s for %s %s: %s; let only one of them match' %
                          (hparam, kind, name, ', '.join(repr(key) for key, _ in matches)))
  return matches[0][1] if matches else None


def lookup_group(hparam: str, entries: Entries[_Value], group: str) -> Optional[_Value]:
  """Returns the value of the entry with the exact name of a group, or else the result of lookup.

  In the research branch keys are names, and a name may be part of another.
  """
  exact = dict(entries).get(group)
  return lookup(hparam, entries, group, 'group') if exact is None else exact


def check_keys(hparam: str, entries: Entries[object], names: Sequence[str], kind: str) -> None:
  """Raises errors.MapError if a key matches none of `names`."""
  for key, _ in entries:
    if not any(expression(hparam, key).search(name) for name in names):
      noun, of, rest = kind.partition(' of ')  # For example group of channels.
      raise errors.MapError('%s key %r matches no %s%s; the %s are: %s' % (
          hparam, key, kind, errors.nearest(key, names), noun + 's' + of + rest,
          ', '.join(names) or '(none)'))
