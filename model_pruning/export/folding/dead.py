# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes unused results of functions, for example what loops accumulate for gradients."""

from typing import List, Sequence, Set

from model_pruning.compat import is_stateful
from model_pruning.compat import tf
from model_pruning.export.folding import bodies
from model_pruning.export.folding import signatures
from model_pruning.export.folding.bodies import Body
from model_pruning.export.folding.bodies import Call
from model_pruning.export.folding.bodies import producer
from model_pruning.util.types import GraphDef

_CONTROL = ('While', 'StatelessWhile', 'If', 'StatelessIf', 'Case', 'StatelessCase')


def drop_dead_results(graph_def: GraphDef, output_node_names: Sequence[str]) -> GraphDef:
  """Returns a graph whose loops and branches compute only results that are used.

  Loops and branches with side effects stay unchanged, as they run in any case.

  Args:
    graph_def: a GraphDef that contains only nodes that the outputs need. It is not changed.
    output_node_names: operations whose outputs must keep their positions.
  """
  functions = graph_def.library.function
  if not any(node.op in _CONTROL for part in [graph_def.node, *(f.node_def for f in functions)]
             for node in part):
    return graph_def
  body = bodies.read(graph_def)
  changed: Set[int] = set()
  _simplify(body, output_node_names, changed)
  return tf.graph_util.extract_sub_graph(bodies.write(body, graph_def, changed),
                                         list(output_node_names))


def _simplify(body: Body, kept: Sequence[str], changed: Set[int]) -> None:
  # In reverse order, so that the users of a call are simplified before the call.
  for call in reversed(_in_order(body)):
    if call.node.name not in body.nodes:
      continue
    if call.node.op in _CONTROL and call.node.name not in kept and not _has_effects(call):
      taken = _ports_taken(body, call)
      dead = _dead_of_loop(call, taken) if call.is_loop else [
          index for index in range(len(call.bodies[0].function.signature.output_arg))
          if index not in taken]
      if dead:
        for index in reversed(dead):
          signatures.drop_result(body, call, index)
        for callee in call.bodies:
          callee.remove_unreachable()
        if not call.is_loop:
          signatures.drop_arguments(body, call, kept, lambda op: False)
        body_changed = [*call.bodies, body]
        changed.update(map(id, body_changed))
    before = len(changed)
    for callee in call.bodies:
      _simplify(callee, (), changed)
    if len(changed) > before:
      changed.update(map(id, [*call.bodies, body]))


def _has_effects(call: Call) -> bool:
  """Whether a function of a call has side effects; the type of the call alone cannot tell."""
  for callee in call.bodies:
    nested = {inner.node.name: inner for inner in callee.calls}
    for name, node in callee.nodes.items():
      if _has_effects(nested[name]) if name in nested else is_stateful(node.op):
        return True
  return False


def _in_order(body: Body) -> List[Call]:
  """Returns the calls of a body, each after the calls it depends on."""
  order: List[Call] = []
  by_name = {call.node.name: call for call in body.calls}
  done: Set[str] = set()
  for start in by_name:
    stack = [start]
    while stack:
      name = stack[-1]
      pending = [] if name in done else [
          other for other in map(producer, body.nodes[name].input)
          if other in body.nodes and other not in done]
      if name not in done and name in pending:
        pending = []
      done.add(name)
      if pending:
        stack.extend(pending)
        continue
      stack.pop()
      if name in by_name and by_name[name] not in order:
        order.append(by_name[name])
  return order


def _ports_taken(body: Body, call: Call) -> Set[int]:
  """Returns the indices of a call's outputs that its body uses."""
  refs = [ref for node in body.nodes.values() for ref in bodies.data_inputs(node)]
  if body.function:
    refs.extend(body.function.ret.values())
  return {bodies.port(ref) for ref in refs if producer(ref) == call.node.name}


def _dead_of_loop(call: Call, taken: Set[int]) -> List[int]:
  """Returns the loop variables that neither the condition nor a used result needs."""
  condition, loop = call.bodies
  arguments = {name: index for index, name in enumerate(loop.arguments)}
  used = condition.used()
  live = set(taken) | {index for index, name in enumerate(condition.arguments) if name in used}
  pending, seen = sorted(live), set()
  outputs = [arg.name for arg in loop.function.signature.output_arg]
  while pending:
    stack = [producer(loop.function.ret[outputs[pending.pop()]])]
    while stack:
      name = stack.pop()
      if name in arguments:
        if arguments[name] not in live:
          live.add(arguments[name])
          pending.append(arguments[name])
      elif name not in seen:
        seen.add(name)
        stack.extend(map(producer, loop.nodes[name].input))
  return [index for index in range(len(outputs)) if index not in live]
