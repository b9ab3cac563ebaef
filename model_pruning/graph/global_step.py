# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds and reads the global step that drives the schedule of pruning."""

from typing import Optional

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import variables
from model_pruning.graph.recurrence import check_no_body
from model_pruning.hparams.spec import LARGEST_STEP
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


def find(global_step: Optional[Variable]) -> Variable:
  """Returns the given global step, or the global step of the default graph.

  Args:
    global_step: integer scalar variable or tensor; None for the global step of the graph.

  Raises:
    errors.GlobalStepError: global_step is not an integer scalar, or is None and the graph has no
      global step.
    errors.GraphMismatchError: global_step belongs to another graph.
  """
  graph = tf.get_default_graph()
  if global_step is None:
    global_step = tf.train.get_global_step()
  if isinstance(global_step, (str, bytes, bool)) or getattr(
      getattr(global_step, 'shape', None), 'rank', 0) not in (0, None):
    raise errors.GlobalStepError(
        'global_step=%r: expected an integer scalar variable or tensor, for example the result of '
        'tf.train.get_or_create_global_step()' % (global_step,))
  if global_step is None:
    raise errors.GlobalStepError(
        'The graph has no global step, which the schedule of pruning needs: call '
        'tf.train.get_or_create_global_step() first, or pass global_step=')
  check_no_body(getattr(global_step, 'graph', graph), 'A Pruning object')
  if getattr(global_step, 'graph', graph) is not graph:
    raise errors.GraphMismatchError(
        'global_step %s belongs to another graph than the default one; create the Pruning object '
        'in a `with graph.as_default()` block of the graph to prune' % global_step.name)
  return global_step


def read(global_step: Variable) -> Tensor:
  """Returns the step as an int32 scalar tensor.

  Steps beyond the largest int32 are clipped to it. No update is due then.
  """
  return tf.cast(tf.minimum(variables.read(global_step, tf.int64), LARGEST_STEP), tf.int32)
