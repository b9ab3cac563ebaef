# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Operations that are built once, however often they are asked for."""

from typing import Any, Callable, Dict, Optional, Tuple

from absl import logging

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.placement import once_for_all_replicas
from model_pruning.engine.placement import switches_and_merges
from model_pruning.graph import registry


class Once:
  """Builds each operation of a Pruning the first time, and returns the same one from then on."""

  def __init__(self, name: str) -> None:
    """Takes the name scope of the operations. They belong to the default graph of now."""
    self._name = name
    self._graph = tf.get_default_graph()
    self._made: Dict[Tuple[str, Optional[str]], Any] = {}

  def __call__(self, key: str, build: Callable[[], Any], of_weights: bool = False) -> Any:
    """Returns the operation of that name.

    Args:
      key: the name of the operation.
      build: builds it.
      of_weights: whether it does nothing in a graph without masked weights. Since there may be
        some later, that is not remembered.

    Raises:
      errors.GraphMismatchError: another graph is the default one now.
    """
    if tf.get_default_graph() is not self._graph:
      raise errors.GraphMismatchError(
          'This Pruning object was made in another graph than the default one; make one Pruning '
          'per graph, in a `with graph.as_default()` block')
    if of_weights and not registry.masked_weights():
      logging.warning('%s: the graph has no masked weights, so this %s does nothing. Build the '
                      'model first, in a masked_scope() or with apply_mask on its weights',
                      self._name, key)
      return tf.no_op(key)
    # An operation built in a branch or a loop can run only there.
    context = getattr(self._graph, '_get_control_flow_context', lambda: None)()
    place = (key, None if context is None else context.name)
    if place not in self._made:
      # With the slash it is the scope of that name, however often it was entered before.
      with switches_and_merges(), tf.name_scope(self._name + '/'):
        self._made[place] = once_for_all_replicas(build)
    return self._made[place]
