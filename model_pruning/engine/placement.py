# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where operations go: the device of another one, or a function of their own."""

import contextlib
import functools
import threading
from typing import (Any, Callable, ContextManager, Dict, Iterator, List, MutableMapping, Optional,
                    Sequence)
import weakref

from model_pruning.compat import Defun
from model_pruning.compat import not_inlined
from model_pruning.compat import tf


def on_device_of(value: Any) -> ContextManager[Any]:
  """Returns a context in which operations are placed with `value`, and with it alone.

  Args:
    value: a tensor or a variable.
  """
  if tf.executing_eagerly():
    return contextlib.nullcontext()  # Eager operations follow their inputs.
  graph, op = tf.get_default_graph(), getattr(value, 'op', None)
  if op is None:  # A variable of wrap_function, which lives outside of its graph.
    return tf.device(value.device)  # type: ignore[no-any-return]
  if op.graph is graph:
    # Without ignore_existing, nested contexts would tie both together.
    return graph.colocate_with(op, ignore_existing=True)  # type: ignore[no-any-return]
  # Inside a function graph an outer operation cannot be named for colocation.
  return tf.device(op.device)  # type: ignore[no-any-return]


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


@contextlib.contextmanager
def _tensors_compared_by_identity() -> Iterator[None]:
  """Compares tensors by identity within, as TensorFlow 1 does.

  TensorFlow's own conditionals compare tensors while they add an operation. Where `!=` adds an
  operation itself, which it does in functions of a program that was eager once, that never ends.
  """
  if not getattr(tf.Tensor, '_USE_EQUALITY', False):  # There is no public way to ask.
    yield
    return
  tf.disable_tensor_equality()
  try:
    yield
  finally:
    tf.enable_tensor_equality()


def once_for_all_replicas(build: Callable[[], Any]) -> Any:
  """Calls build() once, also where a model is built by a strategy, once for each of its replicas.

  Replicas that each did the same might do it at other times, with other weights.
  """
  if not tf.distribute.has_strategy() or tf.distribute.in_cross_replica_context():
    return build()
  return tf.distribute.get_replica_context().merge_call(lambda strategy: build())


def in_place(function: Callable[..., Any], *tensors: Any) -> Any:
  """Calls function(*tensors) where the first tensor lives."""
  with on_device_of(tensors[0]):
    return function(*tensors)


def _building_function() -> bool:
  """Returns whether the body of a function is being built, by tf.function or by `outlined`."""
  return _building_tf_function() or hasattr(tf.get_default_graph(), '_outer_graph')


def _building_tf_function() -> bool:
  # From TensorFlow 2 on the graphs of Defun have this too, as another name for their own.
  graph = tf.get_default_graph()
  return hasattr(graph, 'outer_graph') and not hasattr(graph, '_outer_graph')


def outlined(function: Callable[..., Any], *tensors: Any) -> Any:
  """Calls function(*tensors) as one node of the graph, where the first tensor lives.

  In a conditional that is not taken TensorFlow still visits every node of the
  branch, at some 0.2 us each on every training step. A call that is not inlined
  is one node, whatever is in it. Within the body of such a function another one
  would save nothing, and is called in place.

  Args:
    function: takes tensors, and returns a tensor or a tuple of them.
    *tensors: its arguments.
  """
  return (in_place if _building_function() else subroutine)(function, *tensors)


def shared(function: Callable[..., Any], *tensors: Any, shapes: Sequence[Any]) -> Any:
  """Calls a subroutine within the body of a function, and in place elsewhere.

  Where the steps of a body are the same for all sizes, one body of them serves all bodies that
  differ in sizes. What XLA is to compile is in no body, and stays in one piece.
  """
  if not _building_function():
    return in_place(function, *tensors)
  return subroutine(function, *tensors, shapes=shapes)


def subroutine(function: Callable[..., Any], *tensors: Any,
               shapes: Optional[Sequence[Any]] = None) -> Any:
  """Does what outlined does, also within the body of a function.

  A body is built once per graph, and once for all tf.functions, for all calls that
  are alike; building bodies is most of the time that it takes to build the update of
  a model. Calls are alike if their functions are the same, or partials of the same
  with equal arguments, and their tensors have the same dtypes and static shapes.
  Functions that close over variables are like no other.

  Args:
    function, *tensors: see outlined.
    shapes: the static shapes that the tensors have in the body, where less is to be known of
      them than outside; so one body serves tensors of many sizes.
  """
  if tf.executing_eagerly():
    return in_place(function, *tensors)
  identity = _identity(function)
  shapes = [tensor.shape for tensor in tensors] if shapes is None else [
      tf.TensorShape(shape) for shape in shapes]
  key = (identity, tuple((tensor.dtype, str(shape)) for tensor, shape in zip(tensors, shapes)))
  if _building_tf_function():
    # In a body that is built once for all, a call of another would only cost time.
    if identity is None or getattr(_building, 'body', False):
      return in_place(function, *tensors)
    if key not in _functions:
      _functions[key] = not_inlined(functools.partial(_as_body, function), [
          tf.TensorSpec(shape, tensor.dtype) for tensor, shape in zip(tensors, shapes)])
    return in_place(_functions[key], *tensors)
  graph = tf.get_default_graph()
  while hasattr(graph, '_outer_graph'):
    graph = graph._outer_graph  # The bodies of all functions of a graph can call one another.
  known = _bodies.setdefault(graph, {})
  if identity is None or key not in known:
    known[key] = _Body(_unused_name(graph), function, [tensor.dtype for tensor in tensors], shapes)
  with on_device_of(tensors[0]):
    return known[key](*tensors)


def _as_body(function: Callable[..., Any], *tensors: Any) -> Any:
  """Calls a function, of which a body for functions of TensorFlow 2 is built."""
  _building.body = True
  try:
    return function(*tensors)
  finally:
    _building.body = False


def _unused_name(graph: Any) -> str:
  """Returns a name that no function of the graph has, those from a meta graph included."""
  # By default TensorFlow makes a name from the definition, which a meta graph may bring along
  # with attributes left out; it then takes the one for a forgery of the other.
  is_function = getattr(graph, '_is_function', lambda name: False)
  while True:
    number = _numbers[graph] = _numbers.get(graph, 0) + 1
    name = 'pruning_body_%d' % number
    if not is_function(name):
      return name


class _Body:
  """A function of a graph that the runtime does not inline."""

  def __init__(self, name: str, function: Callable[..., Any], dtypes: Sequence[Any],
               shapes: Sequence[Any]) -> None:
    self._function = function
    self._argument_shapes = shapes
    self._result_shapes: List[Any] = []
    self._gives_tuple = False

    def body(*arguments: Any) -> Any:  # TensorFlow wants a function, and no method.
      return self._build(*arguments)

    self._call = Defun(*dtypes, func_name=name, noinline=True)(body)

  def __call__(self, *tensors: Any) -> Any:
    results = self._call(*tensors)
    results = tuple(results) if isinstance(results, (tuple, list)) else (results,)
    for result, shape in zip(results, self._result_shapes):
      result.set_shape(shape)
    return results if self._gives_tuple else results[0]

  def _build(self, *arguments: Any) -> Any:
    for argument, shape in zip(arguments, self._argument_shapes):
      argument.set_shape(shape)
    with _tensors_compared_by_identity():
      results = self._function(*arguments)
    self._gives_tuple = isinstance(results, tuple)
    self._result_shapes = [result.shape for result in (
        results if self._gives_tuple else (results,))]
    return results


_building = threading.local()

# What has been outlined, by graph; and what for functions of TensorFlow 2, which have none.
_functions: Dict[Any, Callable[..., Any]] = {}
_bodies: MutableMapping[Any, Dict[Any, _Body]] = weakref.WeakKeyDictionary()
_numbers: MutableMapping[Any, int] = weakref.WeakKeyDictionary()


def _identity(function: Any) -> Any:
  """Returns what is equal for functions that do the same; None if there is no telling."""
  if isinstance(function, functools.partial):
    inner = _identity(function.func)
    if inner is None or function.keywords:
      return None
    arguments = tuple(_identity(argument) if callable(argument) else argument
                      for argument in function.args)
    return None if None in arguments else (inner, arguments)
  code = getattr(function, '__code__', None)
  bound = code is None or function.__closure__ or function.__defaults__ or function.__kwdefaults__
  return None if bound else code
