# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A GraphDef as plain records, with functions inlined; and the sources of a tensor.

Nothing is executed, and operations need not be registered. Graphs of other TensorFlow versions,
and graphs with custom operations, can therefore be read.
"""

import dataclasses
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from model_pruning.reading import validation
from model_pruning.reading.validation import BRANCHES, CALLS, LOOPS
from model_pruning.util.types import FunctionDef
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef


@dataclasses.dataclass(frozen=True)
class Ref:
  """One output of a node: output `index` of its argument `arg` ('': counted over all outputs).

  If the output stands for the result of a loop, whose initial value it is, `loop` names the loop.
  """
  node: str
  arg: str = ''
  index: int = 0
  loop: str = ''


@dataclasses.dataclass(frozen=True)
class Node:
  """One operation.

  Attributes:
    name: its name; inside a function, the name of the call, a slash, and its own name.
    op: its type.
    inputs: the outputs from which it takes data.
    definition: its NodeDef, with the names used inside the function.
    in_loop: whether it is in the body of a loop.
  """
  name: str
  op: str
  inputs: Tuple[Ref, ...]
  definition: NodeDef
  in_loop: bool = False


Nodes = Dict[str, Node]

VARIABLE_OPS = ('VariableV2', 'Variable', 'VarHandleOp', 'AutoReloadVariable')

# Operations that return their first input, as far as its shape or its sources are concerned.
_SAME = ('Identity', 'ReadVariableOp', 'Enter', 'RefEnter', 'Exit', 'RefIdentity', 'StopGradient',
         'PreventGradient', 'Switch', 'RefSwitch', 'Merge', 'RefMerge', 'NextIteration', 'Snapshot',
         'CheckNumerics')

# Operations by which a kernel may be computed from a stored weight.
_REMAKES = _SAME + ('Cast', 'Mul', 'ConcatV2', 'Reshape', 'ExpandDims', 'Squeeze', 'Transpose',
                    'FakeQuantWithMinMaxVars', 'FakeQuantWithMinMaxVarsPerChannel')


def is_same(node: Node) -> bool:
  """Whether a node returns its first input unchanged."""
  return node.op in _SAME and bool(node.inputs)


def flatten(graph_def: GraphDef) -> Nodes:
  """Returns the nodes of a graph, and of the functions that it calls, by name.

  A reference to a result of a call becomes a reference to the node in the function. The
  result of a loop is replaced by the loop's initial value, which has the same shape.

  Args:
    graph_def: a GraphDef that validation.check accepted.

  Raises:
    errors.ModelFileError: functions call one another without end.
  """
  functions = {function.signature.name: function for function in graph_def.library.function}
  nodes: Nodes = {}
  loops = {node.name for node in graph_def.node if node.op in ('Enter', 'RefEnter')}
  _add(graph_def.node, '', None, functions, nodes, False, (), validation.Budget())
  inside = _inside_loops(nodes) if loops else ()
  for name in inside:
    nodes[name] = dataclasses.replace(nodes[name], in_loop=True)
  return nodes


def _add(definitions: Sequence[NodeDef], prefix: str, arguments: Optional[Dict[str, Ref]],
         functions: Dict[str, Any], nodes: Nodes, in_loop: bool, stack: Tuple[str, ...],
         budget: validation.Budget, returns: Sequence[str] = ()) -> List[Ref]:
  """Adds nodes, and the nodes of functions they call; returns the references in `returns`."""
  outputs: Dict[str, List[Ref]] = {}  # The results of calls.
  if stack:
    budget.spend(len(definitions), len(definitions) * len(prefix), len(stack))

  def resolve(text: str) -> Ref:
    name, *rest = text.split(':')
    if arguments is not None and not (len(rest) == 2):
      return arguments.get(name, Ref(prefix + name))
    arg, index = (rest[0], int(rest[1])) if len(rest) == 2 else ('', int((rest or ['0'])[0]))
    if name in outputs and index < len(outputs[name]):
      return outputs[name][index]
    return Ref(prefix + name, arg, index)

  for definition in _callees_first(definitions, functions):
    inputs = tuple(resolve(text) for text in definition.input if not text.startswith('^'))
    name = prefix + definition.name
    nodes[name] = Node(name, definition.op, inputs, definition, in_loop)
    for role, callee in _called(definition, functions):
      if callee in stack:  # Stop at recursion, whose depth is unknown here.
        continue
      function = functions[callee]
      names = [arg.name for arg in function.signature.input_arg]
      # A branch has a condition before the arguments.
      given = dict(zip(names, inputs[len(inputs) - len(names):]))
      made = _add(function.node_def, '%s/%s' % (name, role + '/' if role else ''), given, functions,
                  nodes, in_loop or definition.op in LOOPS, stack + (callee,), budget,
                  [function.ret[arg.name] for arg in function.signature.output_arg])
      # A call depends on the nodes of the function.
      nodes[name] = dataclasses.replace(nodes[name], inputs=nodes[name].inputs + tuple(made))
      outputs.setdefault(definition.name, [
          dataclasses.replace(ref, loop=name) for ref in inputs
      ] if definition.op in LOOPS else made)
  return [resolve(text) for text in returns]


def _callees_first(definitions: Iterable[NodeDef],
                   functions: Dict[str, FunctionDef]) -> List[NodeDef]:
  """Orders definitions so that a call comes before the nodes that use its results."""
  definitions = list(definitions)
  calls = {definition.name for definition in definitions if any(_called(definition, functions))}
  if not calls:
    return definitions
  by_name = {definition.name: definition for definition in definitions}
  done: Dict[str, bool] = {}
  order: List[Any] = []
  for first in definitions:
    stack = [first]
    while stack:
      definition = stack[-1]
      if done.setdefault(definition.name, False):
        stack.pop()
        continue
      pending = [by_name[name] for name in (text.lstrip('^').split(':')[0]
                                            for text in definition.input)
                 if name in by_name and name not in done]  # A node seen before closes a loop.
      if pending:
        stack.extend(pending[:1])
      else:
        done[definition.name] = True
        order.append(stack.pop())
  return order


def _called(definition: NodeDef, functions: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
  """Yields (role, function) for each of the graph's functions that a node calls."""
  if definition.op in functions:
    yield '', definition.op
  if definition.op in CALLS + LOOPS + BRANCHES:
    for role in sorted(definition.attr):
      value = definition.attr[role]
      found = [value.func] if value.HasField('func') else list(value.list.func)
      for index, func in enumerate(found):
        if func.name in functions:
          own = '' if definition.op in CALLS else role
          yield own + (str(index) if index else ''), func.name


def _inside_loops(nodes: Nodes) -> List[str]:
  """Returns the names of the nodes between the Enter and the Exit of loops."""
  consumers: Dict[str, List[str]] = {}
  for node in nodes.values():
    for ref in node.inputs:
      consumers.setdefault(ref.node, []).append(node.name)
  seen = {node.name for node in nodes.values() if node.op in ('Enter', 'RefEnter')}
  pending = list(seen)
  while pending:
    for name in consumers.get(pending.pop(), ()):
      if name not in seen and nodes[name].op not in ('Exit', 'RefExit'):
        seen.add(name)
        pending.append(name)
  return list(seen)


def needed_for(nodes: Nodes, names: Iterable[str]) -> Nodes:
  """Returns the nodes from which the named nodes are computed, including themselves."""
  pending, found = [name for name in names if name in nodes], set()
  while pending:
    name = pending.pop()
    if name not in found:
      found.add(name)
      pending.extend(each for ref in nodes[name].inputs for each in (ref.node, ref.loop)
                     if each in nodes)
  return {name: node for name, node in nodes.items() if name in found}


def sources(nodes: Nodes, ref: Ref) -> List[Node]:
  """Returns the variables and constants of which a kernel consists: weight, mask, partitions."""
  pending, seen, found = [ref.node], set(), []
  while pending:
    name = pending.pop()
    if name in seen or name not in nodes:
      continue
    seen.add(name)
    node = nodes[name]
    if node.op == 'Const' or node.op in VARIABLE_OPS:
      found.append(node)
    elif is_same(node):
      pending.append(node.inputs[0].node)
    elif node.op in _REMAKES:
      pending.extend(ref.node for ref in reversed(node.inputs))
  return found


def draws_random_numbers(op: str) -> bool:
  """Whether operations of a type draw random numbers.

  >>> [draws_random_numbers(op) for op in ('RandomUniform', 'StatelessTruncatedNormal', 'MatMul')]
  [True, True, False]
  """
  return any(part in op for part in ('Random', 'TruncatedNormal', 'Multinomial'))
