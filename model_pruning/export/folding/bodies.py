# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A graph and the functions it calls as one structure: bodies of nodes that call other bodies.

Each call has its own copy of a function's body, so that the arguments of one call can be built
into it without changing another.
"""

import dataclasses
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from model_pruning.compat import tf
from model_pruning.reading import validation
from model_pruning.util.types import FunctionDef
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

_BRANCHES = ('If', 'StatelessIf', 'Case', 'StatelessCase')
_LOOPS = ('While', 'StatelessWhile')
_CALLS = ('PartitionedCall', 'StatefulPartitionedCall')


@dataclasses.dataclass
class Call:
  """A node that calls functions, and the body of each: branches, or condition and body."""
  node: NodeDef
  keys: List[Tuple[str, Optional[int]]]  # (attribute that names the function, index if a list).
  bodies: List['Body']

  @property
  def is_loop(self) -> bool:
    return self.node.op in _LOOPS

  @property
  def first(self) -> int:
    """The number of inputs before the functions' arguments."""
    return 1 if self.node.op in _BRANCHES else 0

  def passed(self) -> List[str]:
    """Returns the inputs that are passed to the functions, in the order of their arguments."""
    return data_inputs(self.node)[self.first:]

  def constant_arguments(self) -> List[int]:
    """Returns the arguments that never differ from the inputs: all but changing loop variables."""
    indices = range(len(self.passed()))
    if not self.is_loop:
      return list(indices)
    return [i for i in indices if self.bodies[1].returns_argument(i)]


@dataclasses.dataclass
class Body:
  """The nodes of a graph (function is None), or of a function for one of its calls."""
  nodes: Dict[str, Any]
  function: FunctionDef
  calls: List[Call]

  @property
  def arguments(self) -> List[str]:
    return [arg.name for arg in self.function.signature.input_arg] if self.function else []

  def returns_argument(self, index: int) -> bool:
    """Whether the function returns its argument `index` as its result `index`."""
    name = self.function.ret[self.function.signature.output_arg[index].name].split(':')[0]
    while name in self.nodes and self.nodes[name].op == 'Identity':
      name = producer(self.nodes[name].input[0])
    return bool(name == self.arguments[index])

  def used(self) -> Set[str]:
    """Returns the names of the nodes and arguments whose outputs this body uses."""
    found = {producer(ref) for node in self.nodes.values() for ref in data_inputs(node)}
    if self.function:
      found.update(producer(ref) for ref in self.function.ret.values())
    return found

  def redirect(self, target: Callable[[str], str]) -> None:
    """Applies `target` to each data input and, in a function, to each result."""
    for node in self.nodes.values():
      refs = [ref if ref.startswith('^') else target(ref) for ref in node.input]
      del node.input[:]
      node.input.extend(refs)
    if self.function:
      for key, ref in list(self.function.ret.items()):
        self.function.ret[key] = target(ref)

  def remove_unreachable(self) -> None:
    """Removes the nodes that no result needs, from a function without side effects."""
    pending = [producer(ref) for ref in self.function.ret.values()]
    reached: Set[str] = set()
    while pending:
      name = pending.pop()
      if name in self.nodes and name not in reached:
        reached.add(name)
        pending.extend(map(producer, self.nodes[name].input))
    for name in set(self.nodes) - reached:
      del self.nodes[name]
    self.calls = [call for call in self.calls if call.node.name in reached]
    for key in [key for key, name in self.function.control_ret.items() if name not in reached]:
      del self.function.control_ret[key]
      self.function.signature.control_output.remove(key)

  def remove_unused(self, removable: Callable[[str], bool]) -> None:
    """Removes nodes whose outputs nothing uses, from a function.

    Args:
      removable: whether operations of a type may be removed, as they have no side effects.
    """
    while True:
      used = self.used()
      unused = {name for name, node in self.nodes.items()
                if name not in used and removable(node.op)}
      if not unused:
        return
      removed = {name: self.nodes.pop(name) for name in unused}
      for key in [key for key, name in self.function.control_ret.items() if name in unused]:
        del self.function.control_ret[key]
        self.function.signature.control_output.remove(key)
      for node in self.nodes.values():
        while any(ref.startswith('^') and producer(ref) in removed for ref in node.input):
          # A node that waited for a removed one now waits for what the removed one waited for.
          before = [other for ref in node.input if ref.startswith('^')
                    for other in (removed[producer(ref)].input if producer(ref) in removed
                                  else [ref])]
          refs = data_inputs(node) + sorted({'^' + producer(ref) for ref in before
                                             if producer(ref) not in self.arguments})
          del node.input[:]
          node.input.extend(refs)


def producer(ref: str) -> str:
  """Returns the node or argument that an input refers to: 'a' for '^a', 'a:1', 'a:output:0'."""
  return ref.lstrip('^').split(':')[0]


def port(ref: str) -> int:
  """Returns the index of the output that an input refers to: 0 for 'a', 1 for 'a:1'."""
  last = ref.split(':')[-1]
  return int(last) if ':' in ref and last.isdigit() else 0


def data_inputs(node: NodeDef) -> List[str]:
  """Returns the inputs from which a node takes data, without control inputs."""
  return [ref for ref in node.input if not ref.startswith('^')]


def read(graph_def: GraphDef) -> Body:
  """Returns the body of a graph, and the bodies of all its calls; nodes that may change are copies.

  Args:
    graph_def: a GraphDef that validation.check accepted.

  Raises:
    errors.ModelFileError: functions call one another without end.
  """
  library = {function.signature.name: function for function in graph_def.library.function}
  sizes = {name: function.ByteSize() for name, function in library.items()}
  return _body(graph_def.node, None, library, sizes, validation.Budget(), 0)


def write(body: Body, graph_def: GraphDef, changed: Set[int]) -> Any:
  """Returns a copy of `graph_def` with the nodes of `body`.

  Args:
    body: the result of `read` for the graph, with changes.
    graph_def: the graph it was read from.
    changed: the ids of the bodies that were changed; their functions get new names.
  """
  library = {function.signature.name: function for function in graph_def.library.function}
  _write_calls(body, changed, library)
  result = tf.GraphDef()
  result.versions.CopyFrom(graph_def.versions)
  result.node.extend(body.nodes.values())
  needed = _reachable(result.node, library)
  result.library.function.extend(library[name] for name in library if name in needed)
  result.library.gradient.extend(
      gradient for gradient in graph_def.library.gradient
      if {gradient.function_name, gradient.gradient_func} <= needed)
  return result


def _body(nodes: Sequence[NodeDef], function: FunctionDef, library: Dict[str, Any],
          sizes: Dict[str, int],
          budget: validation.Budget, depth: int) -> Body:
  copies = {}
  for node in nodes:
    if node.op == 'Const' and not node.input:
      copies[node.name] = node  # Not copied: it is large, and never changed.
      continue
    copies[node.name] = tf.NodeDef()
    copies[node.name].CopyFrom(node)
  body = Body(copies, function, [])
  for node in copies.values():
    call = _call(node, library, sizes, budget, depth)
    if call is not None:
      body.calls.append(call)
  return body


def _call(node: NodeDef, library: Dict[str, Any], sizes: Dict[str, int], budget: validation.Budget,
          depth: int) -> Optional[Call]:
  """Returns the call that a node makes; None for other nodes, including nodes of tf.data."""
  keys: List[Tuple[str, Optional[int]]]
  if node.op in library:
    keys = [('', None)]
  elif node.op in _CALLS:
    keys = [('f', None)]
  elif node.op in _LOOPS:
    keys = [('cond', None), ('body', None)]
  elif node.op in ('If', 'StatelessIf'):
    keys = [('then_branch', None), ('else_branch', None)]
  elif node.op in _BRANCHES:
    keys = [('branches', i) for i in range(len(node.attr['branches'].list.func))]
  else:
    return None
  bodies = []
  for key in keys:
    source = library[node.op if node.op in library else _name_attr(node, key).name]
    budget.spend(len(source.node_def), sizes[source.signature.name], depth + 1)
    function = type(source)()
    function.CopyFrom(source)
    bodies.append(_body(function.node_def, function, library, sizes, budget, depth + 1))
  return Call(node, keys, bodies)


def _name_attr(node: NodeDef, key: Tuple[str, Optional[int]]) -> Any:
  attr = node.attr[key[0]]
  return attr.func if key[1] is None else attr.list.func[key[1]]


def _write_calls(body: Body, changed: Set[int], library: Dict[str, Any]) -> None:
  """Adds the functions of changed bodies to `library`, and their names to the calls."""
  for call in body.calls:
    for key, callee in zip(call.keys, call.bodies):
      _write_calls(callee, changed, library)
      if id(callee) not in changed:
        continue
      function = callee.function
      del function.node_def[:]
      function.node_def.extend(callee.nodes.values())
      base = name = function.signature.name + '_stripped'
      number = 0
      while name in library:
        number += 1
        name = '%s_%d' % (base, number)
      function.signature.name = name
      library[name] = function
      if key[0]:
        _name_attr(call.node, key).name = name
      else:
        call.node.op = name


def _reachable(nodes: Sequence[NodeDef], library: Dict[str, Any]) -> Set[str]:
  """Returns the names of all functions that the nodes call, directly or indirectly."""
  found: Set[str] = set()
  pending = list(nodes)
  while pending:
    for name in _function_names(pending.pop()):
      if name in library and name not in found:
        found.add(name)
        pending.extend(library[name].node_def)
  return found


def _function_names(node: NodeDef) -> Iterator[str]:
  yield node.op
  for attr in node.attr.values():
    yield attr.func.name
    for function in attr.list.func:
      yield function.name
