# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""HParams: named, typed values, and the `name=value` string that sets them (see grammar.py)."""

import json
from typing import Any, Dict, Iterable, List, Mapping, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning.hparams import grammar
from model_pruning.hparams.grammar import parse_values as parse_values


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
    # As in contrib an attribute takes a value of any type. An attribute that is no hyperparameter
    # would silently do nothing; attributes that a subclass declares are its own affair.
    if not name.startswith('_') and name not in self._hparam_types and not hasattr(
        type(self), name):
      if name not in self._ignored:
        raise grammar.unknown(
            "Unknown hyperparameter '%s', assigned as an attribute; add a new one with "
            'add_hparam()' % grammar.shown(name), name, self._hparam_types)
      self._warn_of_ignored([name])
      return
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
          'value' % grammar.shown(name))
    is_list = isinstance(value, (list, tuple))
    if is_list and not value:
      raise errors.HParamTypeError(
          "Multi-valued hyperparameters cannot be empty: %s; give it one value, such as [''], "
          'to tell the type' % grammar.shown(name))
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
      raise grammar.unknown("Unknown hyperparameter '%s'" % grammar.shown(name), name,
                            self._hparam_types)
    param_type, is_list = self._hparam_types[name]
    # What parse() makes of index assignments.
    indexed = isinstance(value, dict) and value and all(type(index) is int for index in value)
    if is_list and indexed:
      return self._with_indices(name, value)
    if is_list and isinstance(value, (list, tuple)):
      return [grammar.cast(name, param_type, v) for v in value]
    if is_list:
      raise errors.HParamTypeError('Must pass a list for multi-valued parameter: %s. Write '
                                   '%s=[value,value]' % (name, name))
    if not isinstance(value, list) and (
        not indexed or issubclass(param_type, (dict, type(None)))):
      return grammar.cast(name, param_type, value)
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
      current[index] = grammar.cast(name, self._hparam_types[name][0], value)
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
    parsed = grammar.parse_clauses(values, types, skip, self._fitted)
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
          '{"nbins": 10}' % (grammar.shown(e), grammar.shown(values_json))) from None
    if not isinstance(values, dict):
      raise errors.HParamSyntaxError(
          'Could not parse hyperparameters as JSON: %s is not an object such as {"nbins": 10}' %
          grammar.shown(values_json))
    return self.override_from_dict(values)

  def to_json(self, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
    """Returns the values as a JSON object, without functions; the arguments are json.dumps()'s."""
    values = {name: value for name, value in self.values().items() if not callable(value)}
    return json.dumps(values, indent=indent, separators=separators, sort_keys=sort_keys)

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
          key, 'list<%s>' % param_type if is_list else param_type, grammar.shown(default))
      if is_list != isinstance(default, list):
        raise errors.HParamTypeError(message)
      try:
        for value in default if is_list else [default]:
          grammar.cast(key, param_type, value)
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
