# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Small faults for a Python file, one edit each, which tools/mutants.py tries on the tests.

The edits are found in the syntax tree, so that text in docstrings and comments stays as it is.
Places where an edit could not change any result are left out: type hints, messages of errors and
of logs, decorators, __all__, __repr__ and __hash__.
"""

import ast
import collections
import hashlib
import re
from typing import Iterator, List, NamedTuple, Tuple

KINDS = ('comparison', 'off_by_one', 'dropped_not', 'swapped_arguments', 'arithmetic')

_COMPARISONS = {
    ast.Lt: '<=', ast.LtE: '<', ast.Gt: '>=', ast.GtE: '>', ast.Eq: '!=', ast.NotEq: '==',
    ast.Is: 'is not', ast.IsNot: 'is', ast.In: 'not in', ast.NotIn: 'in'}
_ARITHMETIC = {ast.Add: '-', ast.Sub: '+', ast.Mult: '//', ast.FloorDiv: '*', ast.Div: '*'}
# The operators as they are written, the longest first.
_OPERATOR = re.compile(
    rb'<=|>=|==|!=|\bis\s+not\b|\bnot\s+in\b|\bis\b|\bin\b|<|>|//|\*|/|\+|-')
# The result does not depend on the order of the first two arguments, or only texts do.
_SYMMETRIC = frozenset([
    'add', 'equal', 'gcd', 'logical_and', 'logical_or', 'max', 'maximum', 'min', 'minimum',
    'multiply', 'not_equal', 'allclose', 'array_equal'])
_MESSAGES = frozenset([
    'debug', 'error', 'exception', 'format', 'info', 'log', 'name_scope', 'print', 'vlog', 'warn',
    'warning'])
_TEXT_METHODS = frozenset(['__repr__', '__str__', '__hash__'])


class Mutant(NamedTuple):
  """One fault: bytes `start` to `end` of a file become `replacement`.

  `function` is the qualified name of the function (or class, or '<module>') that holds it, and
  `ordinal` counts the mutants of a kind in that function. Together with the last part of the
  module's name they identify the mutant, wherever the file is moved and whatever else changes.
  """
  module: str
  function: str
  kind: str
  ordinal: int
  line: int
  start: int
  end: int
  before: str
  replacement: str

  @property
  def name(self) -> str:
    """The identity, as one word."""
    return '%s:%s:%s:%d' % (self.module, self.function, self.kind, self.ordinal)

  def applied(self, source: bytes) -> bytes:
    """Returns the text of the file with the fault in it."""
    return source[:self.start] + self.replacement.encode() + source[self.end:]


def mutants_of(source: bytes, module: str) -> List[Mutant]:
  """Returns all mutants of a file, in the order of the text.

  Args:
    source: the text of the file, in UTF-8.
    module: the last part of its module's name, for a package's __init__ the folder's.

  Raises:
    SyntaxError: the text is not Python.
  """
  finder = _Finder(source)
  finder.visit(ast.parse(source))
  counts: collections.Counter = collections.Counter()
  found = []
  for start, end, function, kind, replacement in sorted(finder.found):
    before = source[start:end].decode()
    line = source.count(b'\n', 0, start) + 1
    mutant = Mutant(module, function, kind, counts[function, kind], line, start, end, before,
                    replacement)
    counts[function, kind] += 1
    try:
      ast.parse(mutant.applied(source))
    except SyntaxError:  # An edit that left no Python kills nothing; it keeps its ordinal.
      continue
    found.append(mutant)
  return found


def chosen(mutants: List[Mutant], number: int, seed: int) -> List[Mutant]:
  """Returns `number` of the mutants (or all, if there are fewer), the same ones for a seed.

  They are the first ones in the order of a hash of the seed and of their names: a mutant does not
  drop out because others come or go elsewhere, except to make room.
  """
  def key(mutant: Mutant) -> Tuple[str, int]:
    digest = hashlib.sha256(('%d:%s' % (seed, mutant.name)).encode()).hexdigest()
    return digest, mutant.start

  return sorted(mutants, key=key)[:number]


class _Finder(ast.NodeVisitor):
  """Collects (start, end, function, kind, replacement)."""

  def __init__(self, source: bytes):
    self.found: List[Tuple[int, int, str, str, str]] = []
    self._source = source
    self._starts = [0]
    for line in source.splitlines(keepends=True):
      self._starts.append(self._starts[-1] + len(line))
    self._scope: List[str] = []

  # ---- Places that are left alone. ----

  def _visit_scope(self, node) -> None:
    if node.name in _TEXT_METHODS:
      return
    self._scope.append(node.name)
    if not isinstance(node, ast.ClassDef):
      for default in node.args.defaults + node.args.kw_defaults:
        if default is not None:
          self.visit(default)
    for statement in node.body:
      self.visit(statement)
    self._scope.pop()

  visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_scope

  def visit_AnnAssign(self, node) -> None:
    if node.value is not None:
      self.visit(node.value)

  def visit_Assign(self, node) -> None:
    if not any(isinstance(each, ast.Name) and each.id == '__all__' for each in node.targets):
      self.generic_visit(node)

  def visit_Raise(self, node) -> None:
    pass

  def visit_JoinedStr(self, node) -> None:
    pass

  def visit_Assert(self, node) -> None:
    self.visit(node.test)

  def visit_If(self, node) -> None:
    if 'TYPE_CHECKING' not in ast.dump(node.test):
      self.generic_visit(node)

  # ---- Faults. ----

  def visit_Compare(self, node) -> None:
    left = node.left
    for operator, right in zip(node.ops, node.comparators):
      self._replace_operator('comparison', left, right, _COMPARISONS[type(operator)])
      left = right
    self.generic_visit(node)

  def visit_BinOp(self, node) -> None:
    if isinstance(node.op, ast.Mod) and _is_text(node.left):
      return  # A message.
    if type(node.op) in _ARITHMETIC and not any(map(_is_sequence, (node.left, node.right))):
      self._replace_operator('arithmetic', node.left, node.right, _ARITHMETIC[type(node.op)])
    self.generic_visit(node)

  def visit_AugAssign(self, node) -> None:
    if type(node.op) in _ARITHMETIC and not _is_sequence(node.value):
      self._replace_operator('arithmetic', node.target, node.value, _ARITHMETIC[type(node.op)])
    self.generic_visit(node)

  def visit_UnaryOp(self, node) -> None:
    if isinstance(node.op, ast.Not):
      start, end = self._span(node)
      # In parentheses, so that the operand of `not` does not bind to its neighbour.
      self._add(start, end, 'dropped_not', '(%s)' % self._text(node.operand))
    self.generic_visit(node)

  def visit_Constant(self, node) -> None:
    if type(node.value) is int:  # Not bool.
      self._add(*self._span(node), 'off_by_one', str(node.value + 1))

  def visit_Call(self, node) -> None:
    name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
    if name in _MESSAGES:
      return
    if name == 'range' and not isinstance(node.args[-1], ast.Constant):
      end = self._span(node.args[-1])[1]
      self._add(end, end, 'off_by_one', ' + 1')
    if len(node.args) > 1 and name not in _SYMMETRIC and not any(
        isinstance(each, ast.Starred) for each in node.args[:2]):
      first, second = (self._span(each) for each in node.args[:2])
      texts = [self._text(each) for each in node.args[:2]]
      if ast.dump(node.args[0]) != ast.dump(node.args[1]):
        between = self._source[first[1]:second[0]].decode()
        self._add(first[0], second[1], 'swapped_arguments', texts[1] + between + texts[0])
    self.generic_visit(node)

  # ---- Positions. ----

  def _replace_operator(self, kind: str, left, right, replacement: str) -> None:
    start, end = self._span(left)[1], self._span(right)[0]
    gap = re.sub(rb'#[^\n]*', lambda match: b' ' * len(match.group()), self._source[start:end])
    match = _OPERATOR.search(gap)
    assert match, 'no operator in %r' % gap
    self._add(start + match.start(), start + match.end(), kind, replacement)

  def _span(self, node) -> Tuple[int, int]:
    return (self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset)

  def _text(self, node) -> str:
    start, end = self._span(node)
    return self._source[start:end].decode()

  def _add(self, start: int, end: int, kind: str, replacement: str) -> None:
    self.found.append((start, end, '.'.join(self._scope) or '<module>', kind, replacement))


def _is_text(node) -> bool:
  return isinstance(node, ast.JoinedStr) or (
      isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_sequence(node) -> bool:
  """Whether + would join texts, lists or tuples: taken for -, it only raises."""
  if isinstance(node, ast.BinOp):
    return any(_is_sequence(each) for each in _operands(node))
  return _is_text(node) or isinstance(node, (ast.List, ast.Tuple, ast.ListComp))


def _operands(node) -> Iterator[ast.expr]:
  yield node.left
  if not isinstance(node.op, ast.Mod):
    yield node.right
