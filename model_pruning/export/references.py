# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Operations on references, in graphs whose variables have become constants."""

from typing import Any

_VALUES = {'RefSwitch': 'Switch', 'RefMerge': 'Merge', 'RefEnter': 'Enter', 'RefExit': 'Exit',
           'RefNextIteration': 'NextIteration', 'RefIdentity': 'Identity'}
_VARIABLES = ('VariableV2', 'Variable', 'TemporaryVariable')


def use_values(graph_def: Any) -> None:
  """Replaces operations on references by those on values, in place.

  A branch or a loop that reads a variable of TensorFlow 1 takes a reference to it. TensorFlow
  makes a constant of the variable and leaves the reference, and no session takes such a graph.

  Args:
    graph_def: a GraphDef. One that still has variables stays as it is.
  """
  nodes = list(graph_def.node)
  if any(node.op in _VARIABLES for node in nodes):
    return
  for node in nodes:
    node.op = _VALUES.get(node.op, node.op)
