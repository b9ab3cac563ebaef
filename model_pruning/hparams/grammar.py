# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parses the `name=value` strings that set hyperparameters.

The grammar is the same as in job scripts for tf.contrib:

    name=value              a scalar; the value ends at the next comma and contains no '['
    name=[value,value]      a list, split at commas and blanks; '' is an empty string
    name[index]=value       one value of a list

Commas separate the clauses. Blanks around a comma are ignored, and a comma may follow the last
clause. For every string, parsing reads each character only a bounded number of times.
"""

import numbers
import re
from typing import (Any, Callable, Dict, Iterable, Iterator, Mapping, NamedTuple, Optional)

from model_pruning import errors

# Each of these starts where the previous one ended and can end in one place only, so that no string
# makes them backtrack.
_BLANKS = re.compile(r'\s*')
_NAME = re.compile(r'[a-zA-Z][\w.]*')
_INDEX = re.compile(r'\[\s*(\d+)\s*\]')
_SCALAR = re.compile(r'[^,\[]*')
_LIST = re.compile(r'\[([^\]]*)\]')

# int() takes quadratic time in the number of digits. New Pythons reject more than this many; here
# every Python does.
_MAX_DIGITS = 4300

_FORMS = 'a clause is name=value, name[index]=value or name=[value,value]'
_ALLOWED = {
    bool: 'allowed: true or false',
    int: 'allowed: a whole number, for example 10',
    float: 'allowed: a number, for example 0.5',
}


class _Clause(NamedTuple):
  """One clause of a string, and its place in the string."""
  number: int  # Counted from 1; `start` is counted from 0, but errors show it from 1.
  start: int
  text: str
  name: str
  list_index: Optional[str]
  value: str  # The text after '=', without the brackets of a list.
  is_list: bool


def shown(text: object, limit: int = 1000) -> str:
  """Returns `text` on one line, with unprintable characters escaped and cut at `limit`."""
  text = str(text)
  text = text if len(text) <= limit else text[:limit] + '...'
  return ''.join(
      c if c.isprintable() else c.encode('unicode_escape').decode('ascii') for c in text)


def _at(number: int, start: int, text: str) -> str:
  return " (clause %d at character %d: '%s')" % (number, start + 1, shown(text, 120))


def _where(clause: _Clause) -> str:
  return _at(clause.number, clause.start, clause.text)


def _type_name(type_: type) -> str:
  return getattr(type_, '__name__', str(type_))


def unknown(phrase: str, name: str, known: Iterable[str], where: str = '') -> Exception:
  """Returns the error for an unknown name; it suggests the nearest known name."""
  known = list(known)
  advice = errors.nearest(name, known) if isinstance(name, str) else ''
  if name == 'do_not_prune':  # Of contrib's first versions.
    advice = ' (a weight whose target is 0 is not pruned: weight_sparsity_map=[logits:0])'
  return errors.UnknownHParamError('%s%s%s; allowed: %s' % (
      phrase, where, advice, ', '.join(sorted(known)) or 'none'))


def _malformed(values: str, number: int, start: int, reason: str) -> Exception:
  """Returns the error for a clause that has none of the three forms."""
  # The writer probably meant the clause to end at the first comma outside brackets.
  end, in_list = start, False
  while end < len(values) and (in_list or values[end] != ','):
    in_list = values[end] == '[' or (in_list and values[end] != ']')
    end += 1
  return errors.HParamSyntaxError('Malformed hyperparameter value: %s%s; %s; %s' % (
      shown(values[start:]), _at(number, start, values[start:end]), reason, _FORMS))


def _clauses(values: str) -> Iterator[_Clause]:
  """Yields the clauses of `values`; raises HParamSyntaxError at the first bad one."""
  start = _BLANKS.match(values).end()  # type: ignore
  number = 0
  while start < len(values):
    number += 1
    name = _NAME.match(values, start)
    if not name:
      raise _malformed(values, number, start, 'a name starts with an ASCII letter')
    pos = name.end()
    index = _INDEX.match(values, pos)
    if index:
      pos = index.end()
    elif values.startswith('[', pos):
      raise _malformed(values, number, start, 'an index is digits between brackets')
    pos = _BLANKS.match(values, pos).end()  # type: ignore
    if not values.startswith('=', pos):
      raise _malformed(values, number, start,
                       "'=' must follow the name, which has letters, digits, '_' and '.' alone "
                       "(brackets enclose the values of a list)")
    pos = _BLANKS.match(values, pos + 1).end()  # type: ignore
    is_list = values.startswith('[', pos)
    value = (_LIST if is_list else _SCALAR).match(values, pos)
    if not value:
      raise _malformed(values, number, start, "the list is not closed by ']'")
    end = value.end()
    # Blanks at the end of a scalar are part of it: contrib keeps them in strings.
    pos = _BLANKS.match(values, end).end()  # type: ignore
    if pos < len(values) and values[pos] != ',':
      reason = ("a list ends at its first ']', and ',' or the end must follow" if is_list else
                "a value that does not start with '[' cannot contain '['")
      raise _malformed(values, number, start, reason)
    yield _Clause(number, start, values[start:end], name.group(),
                  index.group(1) if index else None, value.group(1 if is_list else 0), is_list)
    start = _BLANKS.match(values, pos + 1).end() if pos < len(values) else pos  # type: ignore


def _convert(type_: type, text: str) -> Any:
  """Returns `text` as a `type_`; raises ValueError or TypeError if it has another type."""
  if _type_name(type_) in ('bool', 'bool_'):  # bool('false') would be True.
    word = text.strip()
    if word in ('true', 'True', 'false', 'False'):
      return type_(word in ('true', 'True'))
    return type_(_convert(int, text) != 0)
  if type_ is bytes:
    return text.encode('utf-8')
  if type_ is int and len(text) > _MAX_DIGITS:
    raise ValueError('too many digits')
  return type_(text)


def _refuse_reuse(result: Mapping[str, Any], clause: _Clause, index: Optional[int],
                  values: str) -> None:
  """Raises HParamReuseError if `result` already has a value for the name of `clause`."""
  name = clause.name
  if name not in result:
    return
  target = shown(name)
  if index is not None and isinstance(result[name], dict):
    if index not in result[name]:
      return
    target = '%s[%d]' % (target, index)
  raise errors.HParamReuseError("Multiple assignments to variable '%s' in %s%s; keep one of them" %
                                (target, shown(values), _where(clause)))


def parse_clauses(values: str, type_map: Mapping[str, type], skip: Callable[[str], bool],
                  check: Callable[[str, Any], object]) -> Dict[str, Any]:
  """Returns the values that a string sets, by name; see parse_values.

  Args:
    values: the clauses.
    type_map: the type of each name.
    skip: called with an unknown name; whether to ignore the clause.
    check: called with the name and value of each clause; it raises a PruningError if the value is
      not allowed.
  """
  if not isinstance(values, str):
    raise errors.HParamTypeError('Hyperparameters are parsed from a string of name=value '
                                 'clauses, not from %s' % _type_name(type(values)))
  result: Dict[str, Any] = {}
  for clause in _clauses(values):
    name = clause.name
    if name not in type_map:
      if skip(name):
        continue
      raise unknown('Unknown hyperparameter type for %s' % shown(name), name, type_map,
                    _where(clause))
    if clause.is_list and clause.list_index is not None:
      raise errors.HParamSyntaxError(
          'Assignment of a list to a list index.%s Write name=[value,value] to set the whole '
          'list, or name[index]=value to set one' % _where(clause))
    # An index with more digits than this is out of range for any list.
    index = None if clause.list_index is None else int(
        clause.list_index if len(clause.list_index) < 19 else '9' * 19)
    # Check lists before reading their values, and scalars after: contrib's order of errors.
    if clause.is_list:
      _refuse_reuse(result, clause, index, values)
    value = _value_of(clause, type_map[name], values)
    if not clause.is_list:
      _refuse_reuse(result, clause, index, values)
    try:
      check(name, value if index is None else {index: value})
    except errors.PruningError as e:
      raise type(e)(str(e) + _where(clause)) from None
    if index is None:
      result[name] = value
    else:
      result.setdefault(name, {})[index] = value
  return result


def _value_of(clause: _Clause, type_: type, values: str) -> Any:
  """Returns the value of a clause: a scalar of type `type_`, or a list of such scalars.

  Raises:
    errors.HParamTypeError: the text is not a value of the type.
  """
  try:
    if clause.is_list:
      pieces = [piece for piece in clause.value.replace(',', ' ').split(' ') if piece]
      return [_convert(type_, '' if piece == "''" else piece) for piece in pieces]
    is_empty = clause.list_index is not None and clause.value == "''"
    return _convert(type_, '' if is_empty else clause.value)
  except (ValueError, TypeError, OverflowError, ArithmeticError):
    raise errors.HParamTypeError(
        "Could not parse hparam '%s' of type '%s' with value '%s' in %s%s; %s" %
        (shown(clause.name), _type_name(type_), shown(clause.value), shown(values),
         _where(clause), _ALLOWED.get(type_, 'the value does not have this type'))) from None


def parse_values(values: str,
                 type_map: Mapping[str, type],
                 ignore_unknown: bool = False) -> Dict[str, Any]:
  """Returns the values that a string of `name=value` clauses sets, by name.

  >>> parse_values('x=5, l=[1,2], arr[1]=3', {'x': int, 'l': int, 'arr': int})
  {'x': 5, 'l': [1, 2], 'arr': {1: 3}}

  Args:
    values: the clauses; the module's docstring has the grammar.
    type_map: the type of each name; for a list the type of its values. An int accepts the same
      text as int() and a float the same as float(). A bool accepts true, True, false, False and
      whole numbers, and a str any text.
    ignore_unknown: whether to ignore names that are not in `type_map`.

  Returns:
    A dict from name to the scalar, the list, or, for index assignments, a dict from index to
    scalar.

  Raises:
    HParamSyntaxError: a clause is malformed, or sets a list index to a list.
    UnknownHParamError: a name is not in `type_map`.
    HParamTypeError: a value does not have the type of its name.
    HParamReuseError: a name, or an index of a name, is set twice.
  """
  return parse_clauses(values, type_map, lambda name: ignore_unknown, lambda name, value: None)


def cast(name: str, param_type: type, value: Any) -> Any:
  """Returns `value` as a `param_type` if this loses no information, as contrib does.

  An int becomes a float, and other kinds of integers, for example NumPy's, become an int. Text
  never becomes a number, a number never becomes text, and bools are not numbers. A hyperparameter
  whose first value was None accepts anything. Text and bytes convert to each other as UTF-8
  (contrib stores "b'x'" for b'x').

  Raises:
    HParamTypeError: the value does not fit.
  """
  if type(value) is param_type or param_type is type(None):
    return value
  fits = issubclass(param_type, bool) == isinstance(value, bool)
  for kind in ((str, bytes), numbers.Integral, numbers.Number):
    if issubclass(param_type, kind):
      fits = fits and isinstance(value, kind)
  try:
    if fits and param_type is str and isinstance(value, bytes):
      return value.decode('utf-8')
    if fits and param_type is bytes and isinstance(value, str):
      return value.encode('utf-8')
    if fits:
      return param_type(value)
  except (ValueError, TypeError, OverflowError, ArithmeticError):
    pass
  raise errors.HParamTypeError("Could not cast hparam '%s' of type '%s' from value %s; %s" % (
      shown(name), param_type, shown(repr(value)),
      _ALLOWED.get(param_type, 'pass a value of that type')))
