# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Loops and conditionals in whose bodies weights are masked, and those of RNNs."""

import contextlib
import inspect
import os
from typing import Any, Iterator, Optional, Tuple

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
  outer = _outside_of_body(graph)
  if (context is None and outer is None) or not _builds_rnn():
    yield
  elif context is None:
    scope = graph.get_name_scope()
    assert outer is not None
    with outer.as_default(), tf.name_scope(scope + '/' if scope else None):
      yield
  else:
    while context is not None and not context.IsWhileContext():
      context = context.outer_context
    with tf.control_dependencies(None) if context is not None else contextlib.nullcontext():
      if context is not None:
        graph._set_control_flow_context(context.outer_context)
      yield


def body() -> Tuple[Graph, Any]:
  """Returns the graph, and the loop or conditional in it, that operations are added to now."""
  graph = tf.get_default_graph()
  # TensorFlow has no public API for this. Without this private one, RNNs are only slower.
  return graph, getattr(graph, '_get_control_flow_context', lambda: None)()


def is_body_in(graph: Graph) -> bool:
  """Whether the default graph is the body of a loop or a conditional in `graph`."""
  inner = tf.get_default_graph()
  while inner is not graph and hasattr(inner, 'outer_graph'):
    inner = inner.outer_graph
  return inner is graph and tf.get_default_graph() is not graph


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
