# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compares the outputs of two graphs."""

import itertools
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.channels.step import dims_of
from model_pruning.compat import tf
from model_pruning.reading import nodes as nodes_lib
from model_pruning.reading import running
from model_pruning.reading import sources
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef
from model_pruning.util.types import Session
from model_pruning.util.types import Tensor

_PLACEHOLDERS = ('Placeholder', 'PlaceholderV2')
_BATCH = 2
# The largest difference of outputs that counts as rounding, relative to the largest value.
_TOLERANCE = 1e-5
# The same of a graph that computes in half precision: about ten times its rounding.
_HALF = {tf.float16.as_datatype_enum: 1e-2, tf.bfloat16.as_datatype_enum: 8e-2}
# So many times the effect of a rounding of the inputs, 2^-23, counts as rounding too, up to _MOST.
_UNIT, _ROUNDINGS, _MOST = 2.0**-23, 16, 1e-3
# Sizes to try for dimensions that are unknown, for example the height of an image.
_SIZES = (32, 64, 128, 224, 299)


def tolerance(graph_def: GraphDef) -> float:
  """Returns the largest difference that counts as rounding: 1e-5, or more in half precision."""
  types = {value.type for node in graph_def.node for value in node.attr.values()}
  return max([_TOLERANCE] + [most for dtype, most in _HALF.items() if dtype in types])


def allowed(apart: float, graph_def: GraphDef, outputs: Sequence[str],
            examples: Optional[Mapping[str, Any]] = None, setup: Sequence[str] = ()) -> float:
  """Returns the largest difference from the outputs of a graph that counts as rounding.

  Where large values cancel, a rounding of the inputs changes the outputs by more than `tolerance`.
  So does adding the same numbers in another order.

  Args:
    apart: the difference that was found; if it is larger than `tolerance`, the effect of rounding
      the inputs is measured.
    graph_def: the graph.
    outputs, examples, setup: see difference.
  """
  known = tolerance(graph_def)
  if apart <= known:
    return known
  with sources.by_tensorflow('the graph'):
    given, expected = _inputs(graph_def, outputs, examples or {}, setup)
    rng = np.random.RandomState(0)
    rounded = {name: value * rng.choice(1 + np.array([-_UNIT, _UNIT], np.float32), np.shape(value))
               if getattr(value, 'dtype', None) == np.float32 else value
               for name, value in given.items()}
    effect = _largest(expected, run(graph_def, outputs, rounded, setup))
  return max(known, min(_ROUNDINGS * effect, _MOST))


def difference(first: GraphDef, second: GraphDef, outputs: Sequence[str],
               examples: Optional[Mapping[str, Any]] = None,
               setup: Sequence[str] = ()) -> float:
  """Returns the largest difference of the outputs, relative to the largest value of the output.

  Args:
    first, second: GraphDefs with the same inputs and outputs.
    outputs: names of the output tensors, or of operations, whose first output is meant.
    examples: arrays by the names of the placeholders; random values are used for others.
    setup: names of operations to run first if the outputs need tables to be filled.

  Raises:
    errors.ExamplesError: no random values can be made for an input.
    errors.ModelFileError: TensorFlow cannot use a graph.
  """
  with sources.by_tensorflow('the graph'):
    given, expected = _inputs(first, outputs, examples or {}, setup)
  with sources.by_tensorflow('the smaller graph'):
    return _largest(expected, run(second, outputs, given, setup))


def advice(graph_def: GraphDef, search: str) -> str:
  """Returns advice for users whose smaller graph has other outputs.

  Args:
    graph_def: one of the graphs.
    search: how to leave some channels in: "Keep groups whole".
  """
  drawing = [node.name for node in graph_def.node if nodes_lib.draws_random_numbers(node.op)]
  if not drawing:
    return search + ' to find the one that cannot be removed, and report it'
  return ('The model draws random numbers whenever it is called (%s), so two models cannot be '
          'compared by their outputs: remove the channels of its parts without them, or let it '
          'draw only if training=True' % ', '.join(drawing[:3]))


def run(graph_def: GraphDef, outputs: Sequence[str], given: Mapping[str, Any],
        setup: Sequence[str] = ()) -> List[Any]:
  """Returns the values of output tensors.

  Args:
    graph_def: a GraphDef.
    outputs: see difference.
    given: values by the names of placeholders.
    setup: see difference.
  """
  with tf.Graph().as_default() as graph, tf.Session(config=running.once()) as session:
    constants = running.import_light(graph_def)
    names = {op.name for op in graph.get_operations()}
    fed = {name + ':0': value for name, value in given.items() if name in names}
    return list(_values(session, outputs, {**constants, **fed}, setup))


def _values(session: Session, outputs: Sequence[str], fed: Mapping[str, Any],
            setup: Sequence[str]) -> List[Any]:
  # The name of an operation alone would stand for running it, without a value.
  outputs = [name if ':' in name else name + ':0' for name in outputs]
  try:
    return list(session.run(list(outputs), dict(fed)))
  except tf.errors.FailedPreconditionError:
    waiting = {name.split(':')[0] for name in outputs}
    operations = map(session.graph.get_operation_by_name, [
        name for name in setup if name not in waiting])
    session.run([op for op in operations if op.type not in _PLACEHOLDERS], dict(fed))
    return list(session.run(list(outputs), dict(fed)))


def _largest(expected: Sequence[Any], found: Sequence[Any]) -> float:
  """Returns the largest difference of pairs of outputs, relative to the largest value of each."""
  return max([0.0] + [_relative(np.asarray(one), np.asarray(other))
                      for one, other in zip(expected, found)])


def _relative(one: Array, other: Array) -> float:
  if one.shape != other.shape:
    return float('inf')
  if not np.issubdtype(one.dtype, np.number) or not one.size:
    return 0.0 if np.array_equal(one, other) else float('inf')
  one, other = one.astype(np.float64), other.astype(np.float64)
  finite = np.isfinite(one)
  if (finite != np.isfinite(other)).any():
    return float('inf')
  apart = np.abs(one - other)[finite]
  return float(apart.max() / max(np.abs(one[finite]).max(), 1e-30)) if apart.size else 0.0


def _inputs(graph_def: GraphDef, outputs: Sequence[str],
            examples: Mapping[str, Any], setup: Sequence[str]
            ) -> Tuple[Dict[str, Any], List[Any]]:
  """Returns values for all placeholders with which the graph runs, and its outputs for them."""
  with tf.Graph().as_default() as graph, tf.Session(config=running.once()) as session:
    constants = running.import_light(graph_def)
    placeholders = [op.outputs[0] for op in graph.get_operations()
                    if op.type in _PLACEHOLDERS and op.outputs[0].name not in constants]
    unknown = any(None in (dims_of(each) or (None,))[1:] for each in placeholders)
    batch = next((len(value) for value in examples.values() if np.ndim(value)), _BATCH)
    failure: Optional[Exception] = None
    sizes = _SIZES if unknown else _SIZES[:1]
    for indices, size in itertools.product((False, True), sizes):
      rng = np.random.RandomState(0)
      given = {each.op.name: examples[each.op.name] if each.op.name in examples
               else _random(each, batch, size, rng, indices) for each in placeholders}
      try:
        fed = {name + ':0': value for name, value in given.items()}
        return given, _values(session, outputs, {**constants, **fed}, setup)
      except (tf.errors.OpError, ValueError) as error:
        failure = failure or error
    if not placeholders and any('Iterator' in op.type for op in graph.get_operations()):
      raise errors.ExamplesError(
          'The graph reads its inputs from a data set, so its outputs cannot be compared; give a '
          'graph with placeholders (meta_graph=, --meta_graph), or a SavedModel')
    raise errors.ExamplesError(
        'The model does not run with random inputs (%s), so its outputs cannot be compared; give '
        'examples, or take a TensorFlow or a device that runs it' % (
            errors.first_line(failure) if failure else 'unknown'))


def _random(tensor: Tensor, batch: int, size: int, rng: Any, indices: bool) -> Array:
  """Returns random values; floats are zeros and ones if they may be cast to `indices`."""
  dims = dims_of(tensor)
  shape = [batch if not place and dim is None else size if dim is None else dim
           for place, dim in enumerate(dims or ())]
  if tensor.dtype.is_floating and not indices:
    return rng.randn(*shape).astype(tensor.dtype.as_numpy_dtype)
  if tensor.dtype.is_bool:
    return np.zeros(shape, bool)
  if tensor.dtype == tf.string:
    return np.full(shape, b'', object)
  if tensor.dtype.is_integer or tensor.dtype.is_floating:
    return rng.randint(0, 2, shape).astype(tensor.dtype.as_numpy_dtype)
  raise errors.ExamplesError('%s takes values of type %s, for which there are no random ones; give '
                             'examples of it' % (tensor.op.name, tensor.dtype.name))
