# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Places operations on the device of another one, or in a function of the graph."""

import contextlib
import functools
import threading
from typing import (Any, Callable, ContextManager, Dict, Hashable, Iterator, List, MutableMapping,
                    Optional, Sequence, TypeVar, Union)
import weakref

from model_pruning.compat import AttrValue
from model_pruning.compat import Defun
from model_pruning.compat import not_inlined
from model_pruning.compat import tf
from model_pruning.util.types import DType
from model_pruning.util.types import Graph
from model_pruning.util.types import Operation
from model_pruning.util.types import Shape
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable

Result = TypeVar('Result')


def on_device_of(value: Union[Tensor, Variable]) -> ContextManager[None]:
  """Returns a context that places operations on the device of `value`, whatever surrounds it.

  Args:
    value: a tensor or a variable.
  """
  if tf.executing_eagerly():
    return contextlib.nullcontext()  # Eager operations follow their inputs.
  graph, op = tf.get_default_graph(), getattr(value, 'op', None)
  if op is None:  # A variable of wrap_function, which is outside the graph of the function.
    return tf.device(value.device)  # type: ignore[no-any-return]
  if op.graph is graph:
    # Without ignore_existing, nested contexts would colocate both values.
    return graph.colocate_with(op, ignore_existing=True)  # type: ignore[no-any-return]
  # Operations of a function graph cannot be colocated with an operation outside.
  return tf.device(op.device)  # type: ignore[no-any-return]


@contextlib.contextmanager
def switches_and_merges() -> Iterator[None]:
  """Builds conditionals and loops as TensorFlow 1 does, on every TensorFlow.

  Functional control flow can neither take ref variables nor call the functions of `outlined`. The
  runtime lowers it to switches and merges anyway, so building those costs nothing.
  """
  if not tf.control_flow_v2_enabled() or tf.executing_eagerly() or in_function():
    yield
    return
  tf.disable_control_flow_v2()
  try:
    yield
  finally:
    tf.enable_control_flow_v2()


@contextlib.contextmanager
def _tensors_compared_by_identity() -> Iterator[None]:
  """Within this context tensors compare by identity, as in TensorFlow 1.

  TensorFlow's conditionals compare tensors while they add an operation. In functions of a program
  that was eager once, `!=` itself adds an operation, so the recursion would never end.
  """
  if not getattr(tf.Tensor, '_USE_EQUALITY', False):  # No public API reads this.
    yield
    return
  tf.disable_tensor_equality()
  try:
    yield
  finally:
    tf.enable_tensor_equality()


def once_for_all_replicas(build: Callable[[], Result]) -> Result:
  """Returns build(), called once even if a distribution strategy builds a model per replica.

  Replicas that each did the work could do it at different times, with different weights.
  """
  if not tf.distribute.has_strategy() or tf.distribute.in_cross_replica_context():
    return build()
  replica = tf.distribute.get_replica_context()
  return replica.merge_call(lambda strategy: build())  # type: ignore[no-any-return]


def in_place(function: Callable[..., Result], *tensors: Tensor) -> Result:
  """Returns function(*tensors), computed on the device of the first tensor."""
  with on_device_of(tensors[0]):
    return function(*tensors)


def on_gpu(value: Union[Tensor, Variable]) -> bool:
  """Whether a tensor will be on a GPU, as far as that is known while the graph is built.

  TensorFlow places operations without a device on a GPU if it has one. In the body of a function
  that `subroutine` calls, the answer is the one for the caller's first argument.

  Args:
    value: a tensor or a variable.
  """
  known = getattr(_building, 'gpu', None)
  if known is not None:
    return bool(known)
  device = (value.device or '').upper()
  if 'DEVICE:' in device:
    return 'DEVICE:GPU' in device
  return _sees_gpu()


@functools.lru_cache(maxsize=None)
def _sees_gpu() -> bool:
  return bool(tf.config.experimental.list_physical_devices('GPU'))


@contextlib.contextmanager
def _building_with(**state: Any) -> Iterator[None]:
  """Sets attributes of `_building` within the context."""
  before = {name: getattr(_building, name, None) for name in state}
  vars(_building).update(state)
  try:
    yield
  finally:
    vars(_building).update(before)


def assumed_gpu(gpu: Optional[bool] = True) -> ContextManager[None]:
  """Within this context, on_gpu returns `gpu` for all tensors; None ends the assumption."""
  return _building_with(gpu=gpu)


def in_function() -> bool:
  """Whether the body of a function is being built, by tf.function or by `outlined`."""
  return _building_tf_function() or hasattr(tf.get_default_graph(), '_outer_graph')


def _building_tf_function() -> bool:
  # Since TensorFlow 2 the graphs of Defun have both attributes.
  graph = tf.get_default_graph()
  return hasattr(graph, 'outer_graph') and not hasattr(graph, '_outer_graph')


def outlined(function: Callable[..., Result], *tensors: Tensor) -> Result:
  """Returns function(*tensors), called as one graph node on the device of the first tensor.

  TensorFlow visits every node of a branch even if the branch is not taken, at about 0.2 us per
  node on every training step. A call that is not inlined is one node, no matter how large the
  function is. Within the body of such a function a nested call would save nothing, so there the
  function is called in place, except in the body of a `routine`.

  Args:
    function: takes tensors and returns a tensor or a tuple of tensors.
    *tensors: its arguments.
  """
  calls = not in_function() or getattr(_building, 'routine', False)
  return (subroutine if calls else in_place)(function, *tensors)


def routine(function: Callable[..., Tensor], operations: Sequence[Operation], *tensors: Tensor
            ) -> Tensor:
  """Returns function(*tensors), called as one graph node on the device of other operations.

  The function may contain a whole branch. Its parts, which call `outlined`, have bodies that they
  share with equal parts elsewhere, because that makes building fast.

  Args:
    function: takes tensors and returns a tensor.
    operations: the operations, all on one device that is no GPU.
    *tensors: at least one.
  """
  graph = tf.get_default_graph()
  body = _Body(_unused_name(graph), function, [tensor.dtype for tensor in tensors],
               [tensor.shape for tensor in tensors], gpu=False, is_routine=True)
  with on_device_of(operations[0].outputs[0]):
    result = body(*tensors)
  groups = sorted({group for operation in operations for group in operation.colocation_groups()})
  result.op._set_attr('_class', AttrValue(list=AttrValue.ListValue(s=groups)))
  return result


def shared(function: Callable[..., Result], *tensors: Tensor, shapes: Sequence[Shape]) -> Result:
  """Returns function(*tensors), called as a subroutine in function bodies and in place elsewhere.

  Steps that are the same for all sizes get one body, which all bodies that differ only in sizes
  call. Code for XLA is never in such a body, and remains in one piece.

  Args:
    function, *tensors, shapes: see subroutine.
  """
  if not in_function():
    return in_place(function, *tensors)
  return subroutine(function, *tensors, shapes=shapes)


def subroutine(function: Callable[..., Result], *tensors: Tensor,
               shapes: Optional[Sequence[Shape]] = None) -> Result:
  """Returns function(*tensors), called as one graph node, also within the body of a function.

  Equal calls use the same body, which is built once per graph and once for all tf.functions,
  because building bodies takes most of the time of building the mask update of a model. Two calls
  are equal if their functions are the same, or partials of the same function with equal
  arguments, and their tensors have the same dtypes and static shapes. A function that closes over
  variables equals no other.

  Args:
    function, *tensors: see outlined.
    shapes: static shapes of the tensors in the body, if these should be less specific than
      outside, so that one body works for tensors of many sizes.
  """
  if tf.executing_eagerly():
    return in_place(function, *tensors)
  identity, gpu = _identity(function), on_gpu(tensors[0])
  shapes = [tensor.shape for tensor in tensors] if shapes is None else [
      tf.TensorShape(shape) for shape in shapes]
  key = (identity, gpu, tuple((tensor.dtype, str(shape)) for tensor, shape in zip(tensors, shapes)))
  if _building_tf_function():
    # A call within a body that is already built only once would only cost time.
    if identity is None or getattr(_building, 'body', False):
      return in_place(function, *tensors)
    if key not in _functions:
      _functions[key] = not_inlined(functools.partial(_as_body, function, gpu), [
          tf.TensorSpec(shape, tensor.dtype) for tensor, shape in zip(tensors, shapes)])
    return in_place(_functions[key], *tensors)  # type: ignore[no-any-return]
  graph = tf.get_default_graph()
  while hasattr(graph, '_outer_graph'):
    graph = graph._outer_graph  # All functions of a graph can call one another.
  known = _bodies.setdefault(graph, {})
  if identity is None or key not in known:
    known[key] = _Body(_unused_name(graph), function, [tensor.dtype for tensor in tensors], shapes,
                       gpu)
  with on_device_of(tensors[0]):
    return known[key](*tensors)  # type: ignore[no-any-return]


def _as_body(function: Callable[..., Result], gpu: bool, *tensors: Tensor) -> Result:
  """Returns function(*tensors) while its body for TensorFlow 2 functions is built."""
  _building.body = True
  try:
    with assumed_gpu(gpu):
      return function(*tensors)
  finally:
    _building.body = False


def _unused_name(graph: Graph) -> str:
  """Returns a name that no function of the graph has, including functions of a meta graph."""
  # By default TensorFlow derives the name from the definition. A meta graph may contain the same
  # function without some attributes, which TensorFlow rejects as another function of that name.
  is_function = getattr(graph, '_is_function', lambda name: False)
  while True:
    number = _numbers[graph] = _numbers.get(graph, 0) + 1
    name = 'pruning_body_%d' % number
    if not is_function(name):
      return name


class _Body:
  """A function of a graph that the runtime does not inline."""

  def __init__(self, name: str, function: Callable[..., Any], dtypes: Sequence[DType],
               shapes: Sequence[Shape], gpu: bool, is_routine: bool = False) -> None:
    self._function, self._gpu, self._is_routine = function, gpu, is_routine
    self._argument_shapes = shapes
    self._result_shapes: List[Shape] = []
    self._returns_tuple = False

    def body(*arguments: Tensor) -> Any:  # TensorFlow requires a function, not a method.
      return self._build(*arguments)

    self._call = Defun(*dtypes, func_name=name, noinline=True)(body)

  def __call__(self, *tensors: Tensor) -> Any:
    results = self._call(*tensors)
    results = tuple(results) if isinstance(results, (tuple, list)) else (results,)
    for result, shape in zip(results, self._result_shapes):
      result.set_shape(shape)
    return results if self._returns_tuple else results[0]

  def _build(self, *arguments: Tensor) -> Any:
    for argument, shape in zip(arguments, self._argument_shapes):
      argument.set_shape(shape)
    with _tensors_compared_by_identity(), _building_with(gpu=self._gpu, routine=self._is_routine):
      results = self._function(*arguments)
    self._returns_tuple = isinstance(results, tuple)
    self._result_shapes = [result.shape for result in (
        results if self._returns_tuple else (results,))]
    return results


_building = threading.local()

# The bodies built for functions of TensorFlow 2, and the bodies and their number by graph.
_functions: Dict[Hashable, Callable[..., Any]] = {}
_bodies: MutableMapping[Graph, Dict[Hashable, _Body]] = weakref.WeakKeyDictionary()
_numbers: MutableMapping[Graph, int] = weakref.WeakKeyDictionary()


def _identity(function: Callable[..., Any]) -> Optional[Hashable]:
  """Returns a key that is equal for functions that do the same; None if that is unknown."""
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
