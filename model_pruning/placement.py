# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Putting an operation where another one, or a variable, lives."""

import contextlib
from typing import Any, ContextManager

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
