# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""HParams: named, typed values, and the `name=value` string that sets them.

The language is the one of job scripts written for tf.contrib:

    name=value              a scalar; the value runs to the next comma, holds no '['
    name=[value,value]      a list, split at commas and blanks; '' is an empty string
    name[index]=value       one value of a list

Clauses are separated by commas, blanks around a comma do not matter, and a
comma may follow the last one. No TensorFlow is imported here. Each character
is looked at a bounded number of times, whatever the string.
"""

import json
import numbers
import re
from typing import (Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional,
                    Tuple, Union)

from absl import logging

from model_pruning import errors

# Each of these starts where the last one ended and can stop in one place only,
# so that no string makes them backtrack.
_BLANKS = re.compile(r'\s*')
_NAME = re.compile(r'[a-zA-Z][\w.]*')
_INDEX = re.compile(r'\[\s*(\d+)\s*\]')
_SCALAR = re.compile(r'[^,\[]*')
_LIST = re.compile(r'\[([^\]]*)\]')

# int() takes quadratic time over the digits; the Pythons that have the fix refuse
# more than this many. So it is on every Python here.
_MAX_DIGITS = 4300

_FORMS = 'a clause is name=value, name[index]=value or name=[value,value]'
_ALLOWED = {
    bool: 'allowed is true or false',
    int: 'allowed is a whole number such as 10',
    float: 'allowed is a number such as 0.5',
}


class _Clause(NamedTuple):
  """One clause of a string, with the place it was found at."""
  number: int  # Counted from 1, as is `start` once shown.
  start: int
  text: str
  name: str
  list_index: Optional[str]
  value: str  # What stands right of '=', without the brackets of a list.
  is_list: bool


def _shown(text: Any, limit: int = 1000) -> str:
  """Returns `text` on one line: unprintable characters escaped, cut at `limit`."""
  text = str(text)
  text = text if len(text) <= limit else text[:limit] + '...'
  return ''.join(
      c if c.isprintable() else c.encode('unicode_escape').decode('ascii') for c in text)


def _at(number: int, start: int, text: str) -> str:
  return " (clause %d at character %d: '%s')" % (number, start + 1, _shown(text, 120))


def _where(clause: _Clause) -> str:
  return _at(clause.number, clause.start, clause.text)


def _type_name(type_: Any) -> str:
  return getattr(type_, '__name__', str(type_))


def _unknown(phrase: str, name: str, known: Iterable[str], where: str = '') -> Exception:
  known = list(known)
  return errors.UnknownHParamError('%s%s%s; allowed: %s' % (
      phrase, where, errors.nearest(name, known) if isinstance(name, str) else '',
      ', '.join(sorted(known)) or 'none'))


def _malformed(values: str, number: int, start: int, reason: str) -> Exception:
  """Returns the error for a clause that none of the three forms fits."""
  # The clause ends at the first comma outside brackets: what the writer meant.
  end, in_list = start, False
  while end < len(values) and (in_list or values[end] != ','):
    in_list = values[end] == '[' or (in_list and values[end] != ']')
    end += 1
  return errors.HParamSyntaxError('Malformed hyperparameter value: %s%s; %s; %s' % (
      _shown(values[start:]), _at(number, start, values[start:end]), reason, _FORMS))


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
                       "'=' must follow the name (the values of a list stand in brackets)")
    pos = _BLANKS.match(values, pos + 1).end()  # type: ignore
    is_list = values.startswith('[', pos)
    value = (_LIST if is_list else _SCALAR).match(values, pos)
    if not value:
      raise _malformed(values, number, start, "the list is not closed by ']'")
    end = value.end()
    # Blanks at the end of a scalar belong to it: contrib keeps them in strings.
    pos = _BLANKS.match(values, end).end()  # type: ignore
    if pos < len(values) and values[pos] != ',':
      reason = ("a list ends at its first ']', and ',' or the end must follow" if is_list else
                "a value that does not start with '[' cannot hold one")
      raise _malformed(values, number, start, reason)
    yield _Clause(number, start, values[start:end], name.group(),
                  index.group(1) if index else None, value.group(1 if is_list else 0), is_list)
    start = _BLANKS.match(values, pos + 1).end() if pos < len(values) else pos  # type: ignore


def _convert(type_: Any, text: str) -> Any:
  """Returns `text` as a `type_`; raises ValueError or TypeError if it is none."""
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
  """Raises HParamReuseError if `result` has a value for what `clause` sets."""
  name = clause.name
  if name not in result:
    return
  target = _shown(name)
  if index is not None and isinstance(result[name], dict):
    if index not in result[name]:
      return
    target = '%s[%d]' % (target, index)
  raise errors.HParamReuseError("Multiple assignments to variable '%s' in %s%s; keep one of them" %
                                (target, _shown(values), _where(clause)))


def _parse(values: str,
           type_map: Mapping[str, Any],
           skip: Callable[[str], bool],
           check: Callable[[str, Any], Any]) -> Dict[str, Any]:
  """Parses `values`; `skip(name)` drops unknown names, `check` sees each clause's value."""
  if not isinstance(values, str):
    raise errors.HParamTypeError('Hyperparameters are parsed from a string of name=value '
                                 'clauses, not from %s' % _type_name(type(values)))
  result: Dict[str, Any] = {}
  for clause in _clauses(values):
    name = clause.name
    if name not in type_map:
      if skip(name):
        continue
      raise _unknown('Unknown hyperparameter type for %s' % _shown(name), name, type_map,
                     _where(clause))
    if clause.is_list and clause.list_index is not None:
      raise errors.HParamSyntaxError(
          'Assignment of a list to a list index.%s Write name=[value,value] to set the whole '
          'list, or name[index]=value to set one' % _where(clause))
    # An index with more digits than this is out of the range of any list.
    index = None if clause.list_index is None else int(
        clause.list_index if len(clause.list_index) < 19 else '9' * 19)
    # Lists before their values are read, scalars after: so contrib's phrases come out.
    if clause.is_list:
      _refuse_reuse(result, clause, index, values)
    try:
      if clause.is_list:
        pieces = [p for p in clause.value.replace(',', ' ').split(' ') if p]
        value = [_convert(type_map[name], '' if p == "''" else p) for p in pieces]  # type: Any
      else:
        empty = clause.list_index is not None and clause.value == "''"
        value = _convert(type_map[name], '' if empty else clause.value)
    except (ValueError, TypeError, OverflowError, ArithmeticError):
      raise errors.HParamTypeError(
          "Could not parse hparam '%s' of type '%s' with value '%s' in %s%s; %s" %
          (_shown(name), _type_name(type_map[name]), _shown(clause.value), _shown(values),
           _where(clause), _ALLOWED.get(type_map[name], 'that is no value of its type'))) from None
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


def parse_values(values: str,
                 type_map: Mapping[str, Any],
                 ignore_unknown: bool = False) -> Dict[str, Any]:
  """Parses a string of `name=value` clauses.

  >>> parse_values('x=5, l=[1,2], arr[1]=3', {'x': int, 'l': int, 'arr': int})
  {'x': 5, 'l': [1, 2], 'arr': {1: 3}}

  Args:
    values: the clauses; the module's docstring has the grammar.
    type_map: the type of each name; for a list the type of its values. An int
      takes what int() takes, a float what float() takes, a bool takes true,
      True, false, False and whole numbers, a str any text.
    ignore_unknown: whether to drop names that are not in `type_map`.

  Returns:
    A dict from name to the scalar, the list, or, for index assignments, a dict
    from index to scalar.

  Raises:
    HParamSyntaxError: a clause is malformed, or sets a list index to a list.
    UnknownHParamError: a name is not in `type_map`.
    HParamTypeError: a value is not one of its type.
    HParamReuseError: a name, or an index of it, is set twice.
  """
  return _parse(values, type_map, lambda name: ignore_unknown, lambda name, value: None)


def _cast(name: str, param_type: Any, value: Any) -> Any:
  """Returns `value` as a `param_type` where that loses nothing, as contrib does.

  An int becomes a float, and any other kind of integer (NumPy's, say) an int;
  text never becomes a number nor a number text; bools stand apart from numbers.
  A hyperparameter that started as None takes anything. Text and bytes turn into
  each other as UTF-8 (contrib stores "b'x'" for b'x').

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
      _shown(name), param_type, _shown(repr(value)),
      _ALLOWED.get(param_type, 'pass a value of that type')))


class HParams(object):
  """A set of named hyperparameters, each with a type and a value.

  The type is that of the value a hyperparameter is created with: a bool, int,
  float or str, or a list of one of these. Each is also an attribute.

  >>> hparams = HParams(target_sparsity=0.5, nbins=256)
  >>> hparams.parse('target_sparsity=0.9').target_sparsity
  0.9
  >>> print(hparams)
  target_sparsity=0.9,nbins=256
  """

  def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
    """Creates the hyperparameters named by the keyword arguments.

    Args:
      hparam_def: must be None; contrib took a protocol buffer of its own here.
      model_structure: kept for get_model_structure(), otherwise unused.
      **kwargs: the names and the values, in the order of values() and str().

    Raises:
      HParamTypeError: `hparam_def` is given, or a list is empty.
      HParamReuseError: a name is that of a method.
    """
    if hparam_def is not None:
      raise errors.HParamTypeError('hparam_def is not supported, since its protocol buffer left '
                                   'with tf.contrib: pass the values as keyword arguments')
    self._hparam_types: Dict[str, Tuple[Any, bool]] = {}
    self._ignored: Dict[str, str] = {}
    self._model_structure = model_structure
    for name, value in kwargs.items():
      self.add_hparam(name, value)

  def __setattr__(self, name: str, value: Any) -> None:
    # As in contrib any attribute can be set, and no type is checked; but one
    # that looks like a misspelt hyperparameter would silently do nothing.
    if not name.startswith('_') and name not in self._hparam_types:
      near = errors.nearest(name, self._hparam_types)
      if near:
        logging.warning('HParams has no hyperparameter %s%s: the attribute has no effect',
                        name, near)
    object.__setattr__(self, name, value)

  def add_hparam(self, name: str, value: Any) -> None:
    """Adds a hyperparameter.

    Args:
      name: its name, which must be free.
      value: its value: a scalar or a list or tuple, from which it takes its type.

    Raises:
      HParamReuseError: there is an attribute of that name.
      HParamTypeError: `value` is an empty list.
    """
    if getattr(self, name, None) is not None:
      raise errors.HParamReuseError(
          'Hyperparameter name is reserved: %s; choose another, or set_hparam() to change the '
          'value' % _shown(name))
    is_list = isinstance(value, (list, tuple))
    if is_list and not value:
      raise errors.HParamTypeError(
          "Multi-valued hyperparameters cannot be empty: %s; give it one value, such as [''], "
          'to tell the type' % _shown(name))
    self._hparam_types[name] = (type(value[0] if is_list else value), is_list)
    # A list is copied: the caller's must not change with this object.
    setattr(self, name, value[:] if is_list else value)

  def accept_and_ignore(self, names: Union[Mapping[str, str], Iterable[str]],
                        reason: str = '') -> None:
    """Lets parse(), override_from_dict() and parse_json() take names and drop them.

    One warning per call names all that were dropped, and the reason.

    Args:
      names: the names, or a mapping from name to a reason of its own.
      reason: why a value for them has no effect.

    Raises:
      HParamReuseError: a name is that of a hyperparameter.
    """
    reasons = dict(names) if isinstance(names, Mapping) else {name: reason for name in names}
    for name in reasons:
      if name in self._hparam_types:
        raise errors.HParamReuseError('Cannot ignore %s: it is a hyperparameter' % name)
    self._ignored.update(reasons)

  def _warn_of_ignored(self, names: Iterable[str]) -> None:
    by_reason: Dict[str, List[str]] = {}
    for name in names:
      group = by_reason.setdefault(self._ignored[name], [])
      if name not in group:
        group.append(name)
    if by_reason:
      logging.warning('Ignored hyperparameters: %s', '; '.join(
          ', '.join(group) + (' (%s)' % reason if reason else '')
          for reason, group in by_reason.items()))

  def _fitted(self, name: str, value: Any) -> Any:
    """Returns what set_hparam(name, value) stores; changes nothing."""
    if name not in self._hparam_types:
      raise _unknown("Unknown hyperparameter '%s'" % _shown(name), name, self._hparam_types)
    param_type, is_list = self._hparam_types[name]
    # What parse() makes of index assignments.
    indexed = isinstance(value, dict) and value and all(type(index) is int for index in value)
    if is_list and indexed:
      return self._with_indices(name, value)
    if is_list and isinstance(value, (list, tuple)):
      return [_cast(name, param_type, v) for v in value]
    if is_list:
      raise errors.HParamTypeError('Must pass a list for multi-valued parameter: %s. Write '
                                   '%s=[value,value]' % (name, name))
    if not isinstance(value, list) and (
        not indexed or issubclass(param_type, (dict, type(None)))):
      return _cast(name, param_type, value)
    raise errors.HParamTypeError('Must not pass a list for single-valued parameter: %s; write '
                                 '%s=value' % (name, name))

  def _with_indices(self, name: str, changes: Mapping[int, Any]) -> List[Any]:
    current = getattr(self, name)
    current = list(current) if isinstance(current, (list, tuple)) else []
    for index, value in changes.items():
      if not 0 <= index < len(current):
        raise errors.HParamTypeError(
            "List index out of range: hparam '%s' has %d value(s), counted from 0, and an index "
            'adds none: got index %d; set the whole list with %s=[value,value]' %
            (name, len(current), index, name))
      current[index] = _cast(name, self._hparam_types[name][0], value)
    return current

  def set_hparam(self, name: str, value: Any) -> None:
    """Sets an existing hyperparameter.

    Args:
      name: its name.
      value: a value of its type (an int will do for a float); a list if it is
        one; or, for a list, a dict from index to value, which changes only the
        values at those indices and never the length.

    Raises:
      UnknownHParamError: there is none of that name (also a KeyError).
      HParamTypeError: the value does not fit the type, is a list where there is
        none or no list where there is one, or an index is out of range.
    """
    setattr(self, name, self._fitted(name, value))

  def del_hparam(self, name: str) -> None:
    """Removes a hyperparameter; does nothing if there is none of that name."""
    if name in self._hparam_types:
      del self._hparam_types[name]
      self.__dict__.pop(name, None)

  def parse(self, values: str) -> 'HParams':
    """Sets hyperparameters from a string such as 'a=1,b=[x,y],c[0]=2'.

    The index form changes one value of a list there is (contrib parsed it, then
    always failed to store it) and never makes the list longer. When an error is
    raised, nothing has been changed.

    Args:
      values: the clauses; the module's docstring has the grammar.

    Returns:
      This object.

    Raises:
      ValueError: as `parse_values` and `set_hparam` do, naming the clause and
        its place, clauses and characters counted from 1.
    """
    ignored: List[str] = []

    def skip(name: str) -> bool:
      if name in self._ignored:
        ignored.append(name)
      return name in self._ignored

    types = {name: param_type for name, (param_type, _) in self._hparam_types.items()}
    parsed = _parse(values, types, skip, self._fitted)
    self._warn_of_ignored(ignored)
    return self.override_from_dict(parsed)

  def override_from_dict(self, values_dict: Mapping[str, Any]) -> 'HParams':
    """Sets hyperparameters from a dict, all of them or, on an error, none.

    Args:
      values_dict: values by name, each as `set_hparam` takes it.

    Returns:
      This object.

    Raises:
      UnknownHParamError: there is none of a name (also a KeyError).
      HParamTypeError: a value does not fit.
    """
    fitted = {name: self._fitted(name, value) for name, value in values_dict.items()
              if name in self._hparam_types or name not in self._ignored}
    self._warn_of_ignored(name for name in values_dict if name not in fitted)
    for name, value in fitted.items():
      setattr(self, name, value)
    return self

  def set_from_map(self, values_map: Mapping[str, Any]) -> 'HParams':
    """The old name of `override_from_dict`."""
    return self.override_from_dict(values_map)

  def parse_json(self, values_json: str) -> 'HParams':
    """Sets hyperparameters from a JSON object; see `override_from_dict`.

    Raises:
      HParamSyntaxError: the string is not a JSON object.
      ValueError: as `override_from_dict` does.
    """
    try:
      values = json.loads(values_json)
    except (ValueError, TypeError, RecursionError) as e:
      raise errors.HParamSyntaxError(
          'Could not parse hyperparameters as JSON: %s in %s; allowed is an object such as '
          '{"nbins": 10}' % (_shown(e), _shown(values_json))) from None
    if not isinstance(values, dict):
      raise errors.HParamSyntaxError(
          'Could not parse hyperparameters as JSON: %s is not an object such as {"nbins": 10}' %
          _shown(values_json))
    return self.override_from_dict(values)

  def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
    """Returns the values as a JSON object; the arguments are those of json.dumps()."""
    return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

  def values(self) -> Dict[str, Any]:
    """Returns a dict of the values by name, in the order the names were added."""
    found = {name: getattr(self, name) for name in self._hparam_types}
    return {name: list(v) if isinstance(v, list) else v for name, v in found.items()}

  def get(self, key: str, default: Any = None) -> Any:
    """Returns the value of `key`, or `default` if there is none of that name.

    Raises:
      HParamTypeError: `default` could not be a value of `key`.
    """
    if key not in self._hparam_types:
      return default
    if default is not None:
      param_type, is_list = self._hparam_types[key]
      message = "Hparam '%s' of type '%s' is incompatible with default=%s" % (
          key, 'list<%s>' % param_type if is_list else param_type, _shown(default))
      if is_list != isinstance(default, list):
        raise errors.HParamTypeError(message)
      try:
        for value in default if is_list else [default]:
          _cast(key, param_type, value)
      except errors.HParamTypeError as e:
        raise errors.HParamTypeError('%s. %s' % (message, e)) from None
    return getattr(self, key)

  def set_model_structure(self, model_structure: Any) -> None:
    """Stores an object of the caller's, for get_model_structure()."""
    self._model_structure = model_structure

  def get_model_structure(self) -> Any:
    """Returns what was stored by set_model_structure() or the constructor."""
    return self._model_structure

  def copy(self) -> 'HParams':
    """Returns a copy; setting or adding a hyperparameter in one leaves the other alone."""
    clone = type(self).__new__(type(self))
    for name, value in self.__dict__.items():
      clone.__dict__[name] = value.copy() if isinstance(value, (list, dict)) else value
    return clone

  __copy__ = copy

  def __eq__(self, other: Any) -> Any:
    if not isinstance(other, HParams):
      return NotImplemented
    return self._hparam_types == other._hparam_types and self.values() == other.values()

  __hash__ = None  # type: ignore  # Equal by value, and the values change.

  def __contains__(self, key: str) -> bool:
    return key in self._hparam_types

  def __str__(self) -> str:
    """Returns the string that parse() takes.

    Scalars are written as contrib wrote them. Lists are written without the
    quotes and blanks contrib put there, which its parse() read as part of the
    values; only an empty string is written as '' there. Text with a comma or
    '[' in it, or in a list with a blank or ']', does not come back as it was:
    the grammar has no form for it.
    """
    def written(value: Any) -> str:
      if isinstance(value, (list, tuple)):
        return '[%s]' % ','.join("''" if v == '' else str(v) for v in value)
      return str(value)
    return ','.join('%s=%s' % (name, written(v)) for name, v in self.values().items())

  def __repr__(self) -> str:
    return '%s(%s)' % (type(self).__name__, sorted(self.values().items()))
