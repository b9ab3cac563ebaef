# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""HParams: named, typed values, and the `name=value` string that sets them (see grammar.py)."""

import json
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning.hparams import grammar
from model_pruning.hparams.grammar import parse_values as parse_values


class HParams(object):
  """A set of named hyperparameters, each with a type and a value.

  The first value of a hyperparameter sets its type: a bool, int, float or str, or a list of one of
  these types. Each hyperparameter is also an attribute.

  >>> hparams = HParams(target_sparsity=0.5, nbins=256)
  >>> hparams.parse('target_sparsity=0.9').target_sparsity
  0.9
  >>> print(hparams)
  target_sparsity=0.9,nbins=256
  """

  def __init__(self, hparam_def: None = None, model_structure: Any = None, **kwargs: Any) -> None:
    """Creates the hyperparameters named by the keyword arguments.

    Args:
      hparam_def: must be None; contrib accepted its own protocol buffer here.
      model_structure: returned by get_model_structure(), and otherwise unused.
      **kwargs: the names and the values, in the order of values() and str().

    Raises:
      HParamTypeError: `hparam_def` is given, or a list is empty.
      HParamReuseError: a name is also the name of a method.
    """
    if hparam_def is not None:
      raise errors.HParamTypeError('hparam_def is not supported, because its protocol buffer '
                                   'was part of tf.contrib: pass the values as keyword arguments')
    self._hparam_types: Dict[str, Tuple[type, bool]] = {}
    self._ignored: Dict[str, str] = {}
    self._model_structure = model_structure
    for name, value in kwargs.items():
      self.add_hparam(name, value)

  def __setattr__(self, name: str, value: Any) -> None:
    # As in contrib, an attribute accepts a value of any type. Setting an attribute that is not a
    # hyperparameter would silently have no effect, so it is an error. A subclass may declare more
    # attributes.
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
      name: its name, which no attribute may have.
      value: its value, a scalar, a list or a tuple, which also sets its type.

    Raises:
      HParamReuseError: there is already an attribute with this name.
      HParamTypeError: `value` is an empty list.
    """
    if getattr(self, name, None) is not None:
      raise errors.HParamReuseError(
          'Hyperparameter name is reserved: %s; choose another, or set_hparam() to change the '
          'value' % grammar.shown(name))
    is_list = isinstance(value, (list, tuple))
    if is_list and not value:
      raise errors.HParamTypeError(
          "Multi-valued hyperparameters cannot be empty: %s; give it one value, for example [''], "
          'to set its type' % grammar.shown(name))
    self._hparam_types[name] = (type(value[0] if is_list else value), is_list)
    # Copy a list, so that changes to this object do not change the caller's list.
    setattr(self, name, value[:] if is_list else value)

  def accept_and_ignore(self, names: Union[Mapping[str, str], Iterable[str]],
                        reason: str = '') -> None:
    """Makes parse(), override_from_dict() and parse_json() accept and ignore some names.

    Each of these calls logs one warning with all ignored names and the reasons.

    Args:
      names: the names, or a mapping from each name to its own reason.
      reason: why values for the names have no effect.

    Raises:
      HParamReuseError: a hyperparameter has one of the names.
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
    """Returns the value that set_hparam(name, value) stores, without storing it."""
    if name not in self._hparam_types:
      raise grammar.unknown("Unknown hyperparameter '%s'" % grammar.shown(name), name,
                            self._hparam_types)
    param_type, is_list = self._hparam_types[name]
    # parse() represents index assignments as a dict from index to value.
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
    """Returns the list of a hyperparameter with the values at some indices changed."""
    current = getattr(self, name)
    current = list(current) if isinstance(current, (list, tuple)) else []
    for index, value in changes.items():
      if not 0 <= index < len(current):
        raise errors.HParamTypeError(
            "List index out of range: hparam '%s' has %d value(s), counted from 0, and assigning "
            'to an index adds no value: got index %d; set the whole list with %s=[value,value]' %
            (name, len(current), index, name))
      current[index] = grammar.cast(name, self._hparam_types[name][0], value)
    return current

  def set_hparam(self, name: str, value: Any) -> None:
    """Sets an existing hyperparameter.

    Args:
      name: its name.
      value: a value of its type (a float also accepts an int). For a list, a list of such values,
        or a dict from index to value, which changes only the values at these indices and never
        the length.

    Raises:
      UnknownHParamError: there is no hyperparameter with this name (also a KeyError).
      HParamTypeError: the value does not fit the type, is a list for a scalar hyperparameter or a
        scalar for a list, or an index is out of range.
    """
    setattr(self, name, self._fitted(name, value))

  def del_hparam(self, name: str) -> None:
    """Removes a hyperparameter; does nothing if there is none with this name."""
    if name in self._hparam_types:
      del self._hparam_types[name]
      self.__dict__.pop(name, None)

  def parse(self, values: str) -> 'HParams':
    """Sets hyperparameters from a string, for example 'a=1,b=[x,y],c[0]=2'.

    The index form changes one value of an existing list and never makes the list longer. (contrib
    parsed it, but always failed to store it.) If an error is raised, nothing has changed.

    Args:
      values: the clauses; grammar.py has the grammar.

    Returns:
      This object.

    Raises:
      ValueError: see `parse_values` and `set_hparam`. The message names the clause and its
        position, counting clauses and characters from 1.
    """
    ignored: List[str] = []

    def skip(name: str) -> bool:
      if name in self._ignored:
        ignored.append(name)
      return name in self._ignored

    types = {name: param_type for name, (param_type, _) in self._hparam_types.items()}
    parsed = grammar.parse_clauses(values, types, skip, self._fitted)
    self._warn_of_ignored(ignored)
    if values.rstrip().endswith(','):
      logging.warning('The hyperparameters end with a comma (%s): is the rest missing? In a shell '
                      'an argument ends at a blank unless it is quoted',
                      grammar.shown('...' * (len(values) > 40) + values[-40:]))
    return self.override_from_dict(parsed)

  def override_from_dict(self, values_dict: Mapping[str, Any]) -> 'HParams':
    """Sets hyperparameters from a dict: all of them, or none if an error is raised.

    Args:
      values_dict: values by name; see `set_hparam`.

    Returns:
      This object.

    Raises:
      UnknownHParamError: there is no hyperparameter with one of the names (also a KeyError).
      HParamTypeError: a value does not fit the type.
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
      ValueError: see `override_from_dict`.
    """
    try:
      values = json.loads(values_json)
    except (ValueError, TypeError, RecursionError) as e:
      raise errors.HParamSyntaxError(
          'Could not parse hyperparameters as JSON: %s in %s; allowed: an object, for example '
          '{"nbins": 10}' % (grammar.shown(e), grammar.shown(values_json))) from None
    if not isinstance(values, dict):
      raise errors.HParamSyntaxError(
          'Could not parse hyperparameters as JSON: %s is not an object; an example of an object '
          'is {"nbins": 10}' % grammar.shown(values_json))
    return self.override_from_dict(values)

  def to_json(self, indent: Optional[int] = None,
              separators: Optional[Tuple[str, str]] = None, sort_keys: bool = False) -> str:
    """Returns the values, except functions, as a JSON object; for the arguments see json.dumps."""
    values = {name: value for name, value in self.values().items() if not callable(value)}
    return json.dumps(values, indent=indent, separators=separators, sort_keys=sort_keys)

  def values(self) -> Dict[str, Any]:
    """Returns a dict of the values by name, in the order in which the names were added."""
    found = {name: getattr(self, name) for name in self._hparam_types}
    return {name: list(v) if isinstance(v, list) else v for name, v in found.items()}

  def get(self, key: str, default: Any = None) -> Any:
    """Returns the value of `key`, or `default` if there is no hyperparameter with this name.

    Raises:
      HParamTypeError: `default` does not fit the type of `key`.
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
    """Stores an object of the caller for get_model_structure()."""
    self._model_structure = model_structure

  def get_model_structure(self) -> Any:
    """Returns the object stored by set_model_structure() or the constructor."""
    return self._model_structure

  def copy(self) -> 'HParams':
    """Returns a copy; setting or adding a hyperparameter in one does not change the other."""
    clone = type(self).__new__(type(self))
    for name, value in self.__dict__.items():
      clone.__dict__[name] = value.copy() if isinstance(value, (list, dict)) else value
    return clone

  __copy__ = copy

  def __eq__(self, other: object) -> bool:
    if not isinstance(other, HParams):
      return NotImplemented
    return self._hparam_types == other._hparam_types and self.values() == other.values()

  __hash__ = None  # type: ignore  # Objects are equal by value, and the values change.

  def __contains__(self, key: str) -> bool:
    return key in self._hparam_types

  def __str__(self) -> str:
    """Returns a string for parse().

    Scalars are written as contrib wrote them. Lists are written without contrib's quotes and
    blanks, because its parse() read these as part of the values; only an empty string in a list is
    written as ''. Text with a comma or '[', and text in a list with a blank or ']', cannot be
    parsed again: the grammar has no form for it.
    """
    def written(value: object) -> str:
      if isinstance(value, (list, tuple)):
        return '[%s]' % ','.join("''" if v == '' else str(v) for v in value)
      return str(value)
    return ','.join('%s=%s' % (name, written(v)) for name, v in self.values().items())

  def __repr__(self) -> str:
    return '%s(%s)' % (type(self).__name__, sorted(self.values().items()))
