# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where operations go: the device of another one, or a function of their own."""

import contextlib
from typing import Any, Callable, ContextManager, Iterator, List

from model_pruning.compat import Defun
from model_pruning.compat import tf


def on_device_of(value: Any) -> ContextManager:
  """Returns a context in which operations are placed with `value`, and with it alone.

  Args:
    value: a tensor or a variable.
  """
  if tf.executing_eagerly():
    return contextlib.nullcontext()  # Eager operations follow their inputs.
  graph, op = tf.get_default_graph(), value.op
  if op.graph is graph:
    # Without ignore_existing, nested contexts would tie both together.
    return graph.colocate_with(op, ignore_existing=True)
  # Inside a function graph an outer operation cannot be named for colocation.
  return tf.device(op.device)


@contextlib.contextmanager
def switches_and_merges() -> Iterator[None]:
  """Has conditionals and loops built as TensorFlow 1 builds them, on every TensorFlow.

  Functional control flow cannot take ref variables, nor call what `outlined`
  makes; and as the runtime lowers it to switches and merges, nothing is lost.
  """
  if not tf.control_flow_v2_enabled() or tf.executing_eagerly() or _building_function():
    yield
    return
  tf.disable_control_flow_v2()
  try:
    yield
  finally:
    tf.enable_control_flow_v2()


def in_place(function: Callable[..., Any], *tensors: Any) -> Any:
  """Calls function(*tensors) where the first tensor lives."""
  with on_device_of(tensors[0]):
    return function(*tensors)


def _building_function() -> bool:
  graph = tf.get_default_graph()
  return hasattr(graph, 'outer_graph') or hasattr(graph, '_outer_graph')


def outlined(function: Callable[..., Any], *tensors: Any) -> Any:
  """Calls function(*tensors) as one node of the graph, where the first tensor lives.

  In a conditional that is not taken TensorFlow still visits every node of the
  branch, at some 0.2 us each on every training step. A call that is not inlined
  is one node, whatever is in it.

  Args:
    function: takes tensors, and returns a tensor or a tuple of them.
    *tensors: its arguments, with static shapes.
  """
  if tf.executing_eagerly() or _building_function():
    return in_place(function, *tensors)
  shapes: List[Any] = []

  def body(*arguments: Any) -> Any:
    for argument, tensor in zip(arguments, tensors):
      argument.set_shape(tensor.shape)
    results = function(*arguments)
    shapes.extend(result.shape for result in (
        results if isinstance(results, tuple) else (results,)))
    return results

  with on_device_of(tensors[0]):
    call = Defun(*[tensor.dtype for tensor in tensors], noinline=True)(body)
    results = call(*tensors)
  for result, shape in zip(results if isinstance(results, (tuple, list)) else [results], shapes):
    result.set_shape(shape)
  return results
