# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Matches the regular expressions of users against names, in bounded time.

Python's matcher tries every way in which an expression can match. For some expressions, for
example (a+)+b, the number of ways is exponential in the length of the name. Those expressions run
here on a simulated automaton, whose time is proportional to the product of both lengths (Thompson,
"Regular expression search algorithm", 1968).
"""

import re
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Set, Tuple

try:
  from re import _constants as ops  # type: ignore[attr-defined]
  from re import _parser as sre_parse  # type: ignore[attr-defined]
except ImportError:  # Python 3.7 to 3.10.
  import sre_constants as ops
  import sre_parse

# A parsed expression, which is a list of items (op, argument) of Python's re module, and the
# argument of an item: a number, a parsed expression, or a tuple of these.
Tree = Any
Argument = Any

# Predicates: does a state consume this character; does it hold at this position of this text?
Takes = Callable[[str], bool]
At = Callable[[str, int], bool]

# The most repetitions in a row for Python's matcher, which takes length**repetitions steps.
_MOST_REPEATS = 3
_MOST_STATES = 10000

_CATEGORIES = {'category_digit': r'\d', 'category_not_digit': r'\D', 'category_space': r'\s',
               'category_not_space': r'\S', 'category_word': r'\w', 'category_not_word': r'\W'}
_REPEATS = ('max_repeat', 'min_repeat')
_FLAGS = re.UNICODE | re.IGNORECASE


class Expression:
  """A regular expression.

  >>> Expression('conv[0-9]').search('net/conv1/kernel'), Expression('conv').match('net/conv1')
  (True, False)
  """

  def __init__(self, pattern: str) -> None:
    """Compiles the expression.

    Raises:
      ValueError: the pattern is not a regular expression, or too complex; the message says why.
    """
    try:
      self._compiled = re.compile(pattern)
      tree = sre_parse.parse(pattern)
      risk = _risk(tree)
    except re.error as error:
      raise ValueError(str(error)) from error
    except (OverflowError, RecursionError, MemoryError) as error:
      raise ValueError('it is too large for Python: %s' % (error or 'out of memory')) from error
    self._automaton: Optional[_Automaton] = None
    if risk is not None:
      try:
        self._automaton = _Automaton(tree, self._compiled.flags)
      except _Unsupported as error:
        raise ValueError('%s, so matching could take forever; %s' % (risk, error)) from error

  def search(self, text: str) -> bool:
    """Whether the expression matches somewhere in `text`."""
    if self._automaton is None:
      return self._compiled.search(text) is not None
    return self._automaton.run(text, anchored=False)

  def match(self, text: str) -> bool:
    """Whether the expression matches at the beginning of `text`."""
    if self._automaton is None:
      return self._compiled.match(text) is not None
    return self._automaton.run(text, anchored=True)


class _Unsupported(ValueError):
  """An expression that the automaton cannot run; the message says how to rewrite it."""


def _name(op: object) -> str:
  return str(op).lower()


def _parts(op: str, argument: Argument) -> Sequence[Tree]:
  """Returns the subexpressions of one item of a parsed expression."""
  if op == 'branch':
    return list(argument[1])
  if op in ('subpattern', 'assert', 'assert_not', 'max_repeat', 'min_repeat',
            'possessive_repeat'):
    return [argument[-1]]
  if op == 'atomic_group':
    return [argument]
  if op == 'groupref_exists':
    return [part for part in argument[1:] if part]
  return []


def _risk(tree: Tree) -> Optional[str]:
  """Returns why Python's matcher might take forever; None if it cannot."""
  total = 0
  for op, argument in tree:
    name = _name(op)
    inside = sum(_repeats(part) for part in _parts(name, argument))
    if name in _REPEATS and argument[1] > 1:
      if inside or _has_branch(argument[2]):
        return 'a repetition contains another repetition or alternatives'
      inside += 1
    for part in _parts(name, argument):
      risk = _risk(part)
      if risk:
        return risk
    total += inside
  return 'it contains %d repetitions' % total if total > _MOST_REPEATS else None


def _repeats(tree: Tree) -> int:
  """Returns the number of repetitions in an expression."""
  return sum((_name(op) in _REPEATS and argument[1] > 1) +
             sum(_repeats(part) for part in _parts(_name(op), argument)) for op, argument in tree)


def _has_branch(tree: Tree) -> bool:
  """Whether an expression contains alternatives or a repetition."""
  return any(_name(op) == 'branch' or any(_has_branch(part) for part in _parts(_name(op), argument))
             or (_name(op) in _REPEATS) for op, argument in tree)


class _State(NamedTuple):
  """A state that consumes one character, tests a position, or does neither."""
  takes: Optional[Takes]
  at: Optional[At]
  following: List[int]


class _Automaton:
  """The automaton of an expression; reaching the end state is a match."""

  def __init__(self, tree: Tree, flags: int) -> None:
    if flags & ~_FLAGS:
      raise _Unsupported('such an expression may have only the flag i')
    self._states: List[_State] = []
    self._ignore_case = bool(flags & re.IGNORECASE)
    begin, end = self._sequence(tree)
    self._begin, self._end = begin, end

  def run(self, text: str, anchored: bool) -> bool:
    """Whether the expression matches: at the beginning if `anchored`, else anywhere."""
    current: Set[int] = set()
    for index in range(len(text) + 1):
      if index == 0 or not anchored:
        current.add(self._begin)
      current = self._closure(current, text, index)
      if self._end in current:
        return True
      if index == len(text) or not current:
        continue
      letter = text[index]
      current = {following for number in current
                 for takes in [self._states[number].takes] if takes is not None and takes(letter)
                 for following in self._states[number].following}
    return False

  def _closure(self, current: Set[int], text: str, index: int) -> Set[int]:
    """Returns the states that can be reached from `current` without consuming a character."""
    pending, seen = list(current), set()
    while pending:
      number = pending.pop()
      if number in seen:
        continue
      seen.add(number)
      state = self._states[number]
      if state.takes is None and (state.at is None or state.at(text, index)):
        pending.extend(state.following)
    return seen

  def _add(self, takes: Optional[Takes] = None, at: Optional[At] = None) -> int:
    """Adds a state and returns its number; see _State."""
    if len(self._states) >= _MOST_STATES:
      raise _Unsupported('its repetitions add up to more than %d' % _MOST_STATES)
    self._states.append(_State(takes, at, []))
    return len(self._states) - 1

  def _join(self, first: int, then: int) -> None:
    self._states[first].following.append(then)

  def _sequence(self, tree: Tree) -> Tuple[int, int]:
    """Adds the states of an expression; returns the first and the last state."""
    begin = end = self._add()
    for op, argument in tree:
      first, last = self._item(_name(op), argument)
      self._join(end, first)
      end = last
    return begin, end

  def _item(self, op: str, argument: Argument) -> Tuple[int, int]:
    """Adds the states of one item of an expression; returns the first and the last state."""
    if op in ('literal', 'not_literal', 'any', 'in', 'category'):
      begin, end = self._add(takes=_takes(op, argument, self._ignore_case)), self._add()
      self._join(begin, end)
      return begin, end
    if op == 'at':
      begin, end = self._add(at=_at(_name(argument))), self._add()
      self._join(begin, end)
      return begin, end
    if op == 'branch':
      begin, end = self._add(), self._add()
      for part in argument[1]:
        first, last = self._sequence(part)
        self._join(begin, first)
        self._join(last, end)
      return begin, end
    if op == 'subpattern' and (len(argument) == 2 or not (argument[1] or argument[2])):
      return self._sequence(argument[-1])
    if op in _REPEATS:
      return self._repeat(*argument)
    raise _Unsupported('write it without %s' % op.replace('_', ' '))

  def _repeat(self, least: int, most: int, tree: Tree) -> Tuple[int, int]:
    """Adds the states of a repetition; returns the first and the last state."""
    begin = end = self._add()
    for _ in range(least):
      first, last = self._sequence(tree)
      self._join(end, first)
      end = last
    if most == ops.MAXREPEAT:
      first, last = self._sequence(tree)
      after = self._add()
      for earlier, then in ((end, first), (end, after), (last, first), (last, after)):
        self._join(earlier, then)
      return begin, after
    after = self._add()
    self._join(end, after)
    for _ in range(most - least):
      first, last = self._sequence(tree)
      self._join(end, first)
      self._join(last, after)
      end = last
    return begin, after


def _takes(op: str, argument: Argument, ignore_case: bool) -> Takes:
  """Returns a predicate: does an item of one character match this character?"""
  if op == 'any':
    return lambda letter: letter != '\n'
  if op == 'category':
    category = re.compile(_CATEGORIES[_name(argument)])
    return lambda letter: category.match(letter) is not None
  if op == 'in':
    negated = any(_name(kind) == 'negate' for kind, _ in argument)
    members = [_takes(_name(kind), value, ignore_case) for kind, value in argument
               if _name(kind) != 'negate']
    return lambda letter: any(member(letter) for member in members) != negated

  def among(low: int, high: int) -> Takes:
    if not ignore_case:
      return lambda letter: low <= ord(letter) <= high
    return lambda letter: any(len(form) == 1 and low <= ord(form) <= high
                              for form in (letter, letter.lower(), letter.upper()))

  if op == 'range':
    return among(*argument)
  literal = among(argument, argument)
  return literal if op == 'literal' else lambda letter: not literal(letter)


def _at(kind: str) -> At:
  """Returns a predicate: is a position in a text of this kind?"""
  if kind in ('at_beginning', 'at_beginning_string'):
    return lambda text, index: index == 0
  if kind == 'at_end_string':
    return lambda text, index: index == len(text)
  if kind == 'at_end':
    return lambda text, index: index == len(text) or text[index:] == '\n'
  word = re.compile(r'\w')

  def is_word(text: str, index: int) -> bool:
    return 0 <= index < len(text) and word.match(text[index]) is not None

  def boundary(text: str, index: int) -> bool:
    return is_word(text, index - 1) != is_word(text, index)

  if kind == 'at_boundary':
    return boundary
  return lambda text, index: bool(text) and not boundary(text, index)  # As Python does.
