# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes unused arguments and results from functions and from their calls."""

from typing import Any, Callable, Sequence

from model_pruning.export.folding.bodies import Body
from model_pruning.export.folding.bodies import Call
from model_pruning.export.folding.bodies import port
from model_pruning.export.folding.bodies import producer
from model_pruning.util.types import FunctionDef


def drop_arguments(body: Body, call: Call, kept: Sequence[str],
                   removable: Callable[[str], bool]) -> None:
  """Removes the inputs of a call that none of its functions uses.

  Args:
    body: the body that contains the call.
    call: the call. Its functions are changed.
    kept: names of nodes whose outputs must not change.
    removable: whether operations of a type may be removed once nothing depends on them.
  """
  for callee in call.bodies:
    callee.remove_unused(removable)
  for index in reversed(call.constant_arguments()):
    if call.is_loop:
      if call.node.name not in kept and not _used_in_loop(call, index):
        _drop_from_loop(body, call, index)
    elif not any(callee.arguments[index] in callee.used() for callee in call.bodies):
      for callee in call.bodies:
        _drop_argument(callee.function, index)
      _drop_input(call, index)


def drop_result(body: Body, call: Call, index: int) -> None:
  """Removes an unused output of a loop or a branch; later outputs move up.

  For a loop, this removes the loop variable and its initial value.
  """
  for callee in call.bodies[1:] if call.is_loop else call.bodies:
    del callee.function.ret[callee.function.signature.output_arg[index].name]
    del callee.function.signature.output_arg[index]
  if call.is_loop:
    for callee in call.bodies:
      _drop_argument(callee.function, index)
    _drop_input(call, index)
    original = call.node.attr['_num_original_outputs']
    if original.i > index:
      original.i -= 1
  else:
    for values in (call.node.attr['Tout'].list.type, call.node.attr['output_shapes'].list.shape):
      if len(values) > index:
        del values[index]

  def moved(ref: str) -> str:
    if producer(ref) != call.node.name or port(ref) < index:
      return ref
    return ':'.join(ref.split(':')[:-1] + [str(port(ref) - 1)])

  body.redirect(moved)


def _drop_argument(function: FunctionDef, index: int) -> None:
  del function.signature.input_arg[index]
  # TensorFlow 1 has only the first of these.
  for attrs in (function.arg_attr, getattr(function, 'resource_arg_unique_id', {})):
    moved = {(i if i < index else i - 1): attrs[i] for i in sorted(attrs) if i != index}
    copies = {i: _copied(value) for i, value in moved.items()}
    attrs.clear()
    for i, value in copies.items():
      if isinstance(value, int):
        attrs[i] = value
      else:
        attrs[i].CopyFrom(value)
  shapes = function.attr['_input_shapes'].list.shape if '_input_shapes' in function.attr else []
  if len(shapes) > index:
    del shapes[index]


def _copied(value: Any) -> Any:
  if isinstance(value, int):
    return value
  copy = type(value)()
  copy.CopyFrom(value)
  return copy


def _drop_input(call: Call, index: int) -> None:
  del call.node.input[call.first + index]  # Control inputs come last.
  for key in ('Tin', 'T', 'output_shapes'):
    for values in (call.node.attr[key].list.type, call.node.attr[key].list.shape) \
        if key in call.node.attr and (call.is_loop or key == 'Tin') else ():
      if len(values) > index:
        del values[index]


def _used_in_loop(call: Call, index: int) -> bool:
  condition, body = call.bodies
  if condition.arguments[index] in condition.used():
    return True
  # The body may pass the variable to its own result, through identities, and nowhere else.
  result = body.function.signature.output_arg[index].name
  name = producer(body.function.ret[result])
  path = {body.arguments[index]}
  while name in body.nodes:
    path.add(name)
    name = producer(body.nodes[name].input[0])
  readers = [node.name for node in body.nodes.values()
             for ref in node.input if producer(ref) in path]
  others = [key for key, ref in body.function.ret.items() if producer(ref) in path]
  return any(name not in path for name in readers) or others != [result]


def _drop_from_loop(body: Body, call: Call, index: int) -> None:
  """Removes a loop variable that never changes; its users get the initial value."""
  source = call.passed()[index]
  body.redirect(lambda ref: source if _is_output(ref, call, index) else ref)
  drop_result(body, call, index)
  call.bodies[1].remove_unused(lambda op: op == 'Identity')


def _is_output(ref: str, call: Call, index: int) -> bool:
  return producer(ref) == call.node.name and port(ref) == index
