# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Builds each operation once, no matter how often it is requested."""

from typing import Callable, Dict, Optional, Tuple

from absl import logging

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.placement import once_for_all_replicas
from model_pruning.engine.placement import switches_and_merges
from model_pruning.graph import records
from model_pruning.graph import registry
from model_pruning.graph.recurrence import check_no_body
from model_pruning.util.types import Operation


class Once:
  """Builds each operation of a Pruning on the first call, and returns the same one afterwards."""

  def __init__(self, name: str) -> None:
    """Stores the name scope of the operations and the current default graph, which gets them."""
    self._name = name
    self._graph = tf.get_default_graph()
    self._made: Dict[Tuple[str, Optional[str]], Operation] = {}

  def __call__(self, key: str, build: Callable[[], Operation],
               of_weights: bool = False) -> Operation:
    """Returns the operation with a given name.

    Args:
      key: the name of the operation.
      build: builds the operation.
      of_weights: whether to return a no-op in a graph without masked weights. The no-op is not
        stored, because the graph may get masked weights later.

    Raises:
      errors.GraphMismatchError: the default graph has changed.
      errors.FinalizedGraphError: the operation is not there yet, and the graph is finalized.
    """
    check_no_body(self._graph, 'This %s' % key)
    if tf.get_default_graph() is not self._graph:
      raise errors.GraphMismatchError(
          'This Pruning object was created in another graph than the default one; create one '
          'Pruning per graph, in a `with graph.as_default()` block')
    if of_weights and not registry.masked_weights():
      logging.warning('%s: the graph has no masked weights, so this %s does nothing. Build the '
                      'model first, in a masked_scope() or with apply_mask on its weights',
                      self._name, key)
      return tf.no_op(key)
    # An operation built in a branch or a loop can only run there.
    context = getattr(self._graph, '_get_control_flow_context', lambda: None)()
    place = (key, None if context is None else context.name)
    if place not in self._made:
      registry.check_builds_graph('This %s' % key)
      # The slash reenters the scope with this exact name.
      with switches_and_merges(), tf.name_scope(self._name + '/'):
        self._made[place] = once_for_all_replicas(build)
      if key.endswith('mask_update'):
        records.note_update(self._name)
    return self._made[place]


def waits() -> bool:
  """Whether new operations get control dependencies; TensorFlow has no public API for this."""
  return bool(getattr(tf.get_default_graph(), '_current_control_dependencies', lambda: ())())
