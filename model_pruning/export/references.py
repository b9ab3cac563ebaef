# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Replaces operations on references, in graphs whose variables have become constants."""

from model_pruning.util.types import GraphDef

_VALUES = {'RefSwitch': 'Switch', 'RefMerge': 'Merge', 'RefEnter': 'Enter', 'RefExit': 'Exit',
           'RefNextIteration': 'NextIteration', 'RefIdentity': 'Identity'}
_VARIABLES = ('VariableV2', 'Variable', 'TemporaryVariable')


def use_values(graph_def: GraphDef) -> None:
  """Replaces operations on references with operations on values, in place.

  A branch or a loop that reads a TensorFlow 1 variable takes a reference to it. Freezing turns
  the variable into a constant but leaves the reference, and no session accepts such a graph.

  Args:
    graph_def: a GraphDef. It does not change if it still has variables.
  """
  nodes = list(graph_def.node)
  if any(node.op in _VARIABLES for node in nodes):
    return
  for node in nodes:
    node.op = _VALUES.get(node.op, node.op)
