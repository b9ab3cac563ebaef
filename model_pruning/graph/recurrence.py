# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where weights are masked: in the body of a loop or a conditional, or in the loop of an RNN."""

import contextlib
import inspect
import os
from typing import Any, ContextManager, Iterator, Optional, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.util.types import Graph

# The file of dynamic_rnn and raw_rnn.
_RNN = os.path.join('python', 'ops', 'rnn.py')


@contextlib.contextmanager
def before_recurrent_loop() -> Iterator[None]:
  """Within this context, operations are built before the loop of the RNN that is being built.

  tf.nn.dynamic_rnn builds its cell in the body of a loop that does not train, so the product of a
  weight and its mask is the same in every iteration. Any other loop may train: then each iteration
  needs its own product, and the context does nothing.
  """
  graph, context = body()
  while context is not None and not context.IsWhileContext():
    context = context.outer_context
  outer = _outside_of_body(graph)
  if (context is None and outer is None) or not _builds_rnn():
    yield
  elif context is not None:
    with tf.control_dependencies(None):
      graph._set_control_flow_context(context.outer_context)
      yield
  else:
    with _in_graph(outer):
      yield


def body() -> Tuple[Graph, Any]:
  """Returns the graph, and the loop or conditional in it, that operations are added to now."""
  graph = tf.get_default_graph()
  # TensorFlow has no public API for this. Without this private one, RNNs are only slower.
  return graph, getattr(graph, '_get_control_flow_context', lambda: None)()


def outside_of_bodies() -> ContextManager[None]:
  """Within this context, operations are built outside of all bodies that are functions."""
  graph = tf.get_default_graph()
  while is_body(graph):
    graph = graph.outer_graph
  return contextlib.nullcontext() if graph is tf.get_default_graph() else _in_graph(graph)


@contextlib.contextmanager
def _in_graph(graph: Optional[Graph]) -> Iterator[None]:
  """Within this context, operations are built in a graph, in the current name scope."""
  assert graph is not None
  scope = tf.get_default_graph().get_name_scope()
  with graph.as_default(), tf.name_scope(scope + '/' if scope else None):
    yield


def is_body(graph: Graph) -> bool:
  """Whether a graph is the body of a loop or a conditional that is a function."""
  return any(kind in type(graph).__name__ for kind in ('While', 'Cond'))


def check_no_body(graph: Graph, subject: str) -> None:
  """Raises errors.GraphMismatchError in the body, a function, of a loop or conditional in `graph`.

  Args:
    graph: the graph with the masks.
    subject: what is built, for the message.
  """
  inner = tf.get_default_graph()
  while inner is not graph and hasattr(inner, 'outer_graph'):
    inner = inner.outer_graph
  if inner is graph and tf.get_default_graph() is not graph:
    raise errors.GraphMismatchError(
        '%s is built in the body of a loop or a conditional, which TensorFlow 2 makes a function '
        'without access to the masks; build it before the loop or the conditional, or call '
        'tf.compat.v1.disable_control_flow_v2() first' % subject)


def _outside_of_body(graph: Graph) -> Optional[Any]:
  """Returns the graph with the loop whose body is built, with control flow v2; None without."""
  while 'Cond' in type(graph).__name__:
    graph = graph.outer_graph
  return graph.outer_graph if 'While' in type(graph).__name__ else None


def _builds_rnn() -> bool:
  """Whether dynamic_rnn or raw_rnn is running."""
  frame = inspect.currentframe()
  while frame is not None:
    if frame.f_code.co_filename.endswith(_RNN):
      return True
    frame = frame.f_back
  return False
