# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The global step that pruning goes by."""

from typing import Any

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import variables
from model_pruning.hparams.spec import LARGEST_STEP


def find(global_step: Any) -> Any:
  """Returns the global step to go by.

  Args:
    global_step: integer scalar variable or tensor; None for the global step of the graph.

  Raises:
    errors.GlobalStepError: global_step is no integer scalar, or the graph has none.
    errors.GraphMismatchError: global_step belongs to another graph.
  """
  graph = tf.get_default_graph()
  if global_step is None:
    global_step = tf.train.get_global_step()
  if isinstance(global_step, (str, bytes, bool)) or getattr(
      getattr(global_step, 'shape', None), 'rank', 0) not in (0, None):
    raise errors.GlobalStepError(
        'global_step=%r: expected an integer scalar, a variable or a tensor, such as '
        'tf.train.get_or_create_global_step() returns' % (global_step,))
  if global_step is None:
    raise errors.GlobalStepError(
        'The graph has no global step to schedule pruning by: call '
        'tf.train.get_or_create_global_step() first, or pass global_step=')
  if getattr(global_step, 'graph', graph) is not graph:
    raise errors.GraphMismatchError(
        'global_step %s belongs to another graph than the default one; make the Pruning object '
        'in a `with graph.as_default()` block of the graph it is to prune' % global_step.name)
  return global_step


def read(global_step: Any) -> Any:
  """Returns the step as an int32 scalar tensor.

  Beyond the last step that an int32 holds it stands still, and no update is due any more.
  """
  return tf.cast(tf.minimum(variables.read(global_step, tf.int64), LARGEST_STEP), tf.int32)
