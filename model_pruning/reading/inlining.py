# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Replaces the calls of functions in a graph with the nodes of the functions.

SavedModels of TensorFlow 2 consist of calls, and tensors inside of a call cannot be fetched. Loops
and branches stay as they are.
"""

from typing import Any, Dict, List, Optional, Sequence

from model_pruning.compat import op_def_of
from model_pruning.compat import tf
from model_pruning.reading import sources
from model_pruning.reading import validation
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef


# Operations that fill tables; the outputs do not depend on them.
FILLS = ('InitializeTable', 'InitializeTableV2', 'InitializeTableFromTextFile',
         'InitializeTableFromTextFileV2', 'LookupTableImport', 'LookupTableImportV2')


def inline(graph_def: GraphDef) -> GraphDef:
  """Returns a graph without calls that computes the same.

  A node of a function gets the name of the call, a slash, and its own name. The name of the call
  then returns the results of the function.

  Args:
    graph_def: a GraphDef that validation.check accepted. It is not changed.

  Raises:
    errors.ModelFileError: functions call one another without end.
  """
  functions = {function.signature.name: function for function in graph_def.library.function}
  if not any(_called(node, functions) for node in graph_def.node):
    return graph_def
  result = tf.GraphDef(versions=graph_def.versions)
  result.library.CopyFrom(graph_def.library)
  calls: Dict[str, List[str]] = {}
  _add(graph_def.node, '', None, functions, result, calls, validation.Budget(), 0)
  for node in result.node:
    inputs = [_resolved(text, calls) for text in node.input]
    del node.input[:]
    node.input.extend(text for text in inputs if text is not None)
  return result


def needed_for(graph_def: GraphDef, outputs: Sequence[str]) -> GraphDef:
  """Returns the part of a graph that the outputs need, without calls of functions.

  Args:
    graph_def: a GraphDef. It is not changed.
    outputs: names of the outputs, of operations or tensors.

  Returns:
    Their part, with the operations that fill the tables in it.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ModelFileError: see inline.
  """
  sources.check_list(outputs, 'outputs')
  inlined = inline(graph_def)
  names = [_node_of(name) for name in outputs]
  sources.check_outputs([node.name for node in graph_def.node], names)
  nodes = {node.name: node for node in inlined.node}
  filled = {_node_of(node.input[0]): node.name for node in inlined.node if node.op in FILLS}
  needed, pending = set(), names
  while pending:
    name = pending.pop()
    if name not in needed:
      needed.add(name)
      pending.extend(_node_of(text) for text in nodes[name].input)
      pending.extend([filled[name]] if name in filled else [])
  result = tf.GraphDef(versions=inlined.versions, library=inlined.library)
  result.node.extend(node for node in inlined.node if node.name in needed)
  for node in result.node:  # They may be placed beside nodes that are gone.
    if any(_node_of(place.decode()[len('loc:@'):]) not in needed
           for place in node.attr['_class'].list.s if place.startswith(b'loc:@')):
      del node.attr['_class']
    elif not node.attr['_class'].list.s:
      del node.attr['_class']
  return result


def _node_of(text: str) -> str:
  """Returns the node of an input of a NodeDef: 'split:1' -> 'split', '^init' -> 'init'."""
  return text.lstrip('^').split(':')[0]


def _called(node: NodeDef, functions: Dict[str, Any]) -> Optional[str]:
  """Returns the name of the function that a node calls; None if it is no call."""
  if node.op in functions:
    return str(node.op)
  if node.op in validation.CALLS and node.attr['f'].func.name in functions:
    return str(node.attr['f'].func.name)
  return None


def _add(definitions: Sequence[NodeDef], prefix: str, arguments: Optional[Dict[str, str]],
         functions: Dict[str, Any], result: GraphDef, calls: Dict[str, List[str]],
         budget: validation.Budget, depth: int) -> None:
  """Adds nodes to `result`, and for each call its results to `calls`."""
  if depth:
    budget.spend(len(definitions), len(definitions) * len(prefix), depth)
  offsets = {} if arguments is None else {
      node.name: _offsets(node, functions) for node in definitions}

  def outside(text: str) -> str:
    if arguments is None:
      return text
    if text.startswith('^'):
      given = arguments.get(text[1:])
      return '^' + (prefix + text[1:] if given is None else given.split(':')[0])
    return _outside(text, prefix, arguments, offsets)

  for definition in definitions:
    callee = _called(definition, functions)
    inputs = [outside(text) for text in definition.input]
    if callee is None:
      node = result.node.add()
      node.CopyFrom(definition)
      node.name = prefix + definition.name
      node.attr.pop('_class', None)  # It may name nodes as they were called in the function.
      del node.input[:]
      node.input.extend(inputs)
      continue
    function, inner = functions[callee], prefix + definition.name + '/'
    given = dict(zip((arg.name for arg in function.signature.input_arg), inputs))
    _add(function.node_def, inner, given, functions, result, calls, budget, depth + 1)
    inner_offsets = {node.name: _offsets(node, functions) for node in function.node_def}
    calls[prefix + definition.name] = [
        _outside(function.ret[arg.name], inner, given, inner_offsets)
        for arg in function.signature.output_arg]
    if function.signature.output_arg:
      node = result.node.add(name=prefix + definition.name, op='IdentityN')
      node.input.extend(calls[node.name])
      node.attr['T'].list.type.extend(arg.type for arg in function.signature.output_arg)


def _outside(text: str, prefix: str, arguments: Dict[str, str],
             offsets: Dict[str, Dict[str, int]]) -> str:
  """Returns the name, in the graph, of a tensor as it is written in a function.

  Args:
    text: 'argument', or 'node:output argument:index'.
    prefix: precedes the names of the function's nodes.
    arguments: the names, in the graph, of the function's arguments.
    offsets: see _offsets, by node of the function.
  """
  name, *rest = text.split(':')
  if name in arguments and len(rest) < 2:
    return arguments[name]
  index = int(rest[1]) + offsets[name].get(rest[0], 0) if len(rest) == 2 else 0
  return '%s%s:%d' % (prefix, name, index)


def _resolved(text: str, calls: Dict[str, List[str]]) -> Optional[str]:
  """Returns an input that is no result of a call; None for a control input that waits for one."""
  control = text.startswith('^')
  seen = 0
  while True:
    name, _, index = text.lstrip('^').partition(':')
    if name not in calls or seen > len(calls):
      break
    if control or int(index or 0) >= len(calls[name]):
      return None
    text, seen = calls[name][int(index or 0)], seen + 1
  if control:
    return '^' + name
  return name if index in ('', '0') else text


def _offsets(node: NodeDef, functions: Dict[str, Any]) -> Dict[str, int]:
  """Returns the number of the first output of each output argument of a node."""
  callee = _called(node, functions)
  signature = functions[callee].signature if callee else op_def_of(node.op)
  offsets, number = {}, 0
  for arg in signature.output_arg if signature is not None else ():
    offsets[arg.name] = number
    number += _length(arg, node)
  return offsets


def _length(arg: Any, node: NodeDef) -> int:
  """Returns the number of tensors in an output argument."""
  if arg.number_attr:
    return int(node.attr[arg.number_attr].i)
  if arg.type_list_attr:
    return len(node.attr[arg.type_list_attr].list.type)
  return 1

