# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Fixes the shapes of lists that loops fill, for example a dynamic_rnn's outputs, for TFLite.

A list is created empty, for elements whose batch size the graph leaves unknown. TFLite needs a
known size.
"""

from typing import Callable, Dict, List, Sequence

import numpy as np

from model_pruning.compat import tf
from model_pruning.export.folding.bodies import producer
from model_pruning.reading import tensors
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

_LOOPS = ('While', 'StatelessWhile')


def open_lists(graph_def: GraphDef) -> Dict[str, str]:
  """Returns the lists whose elements have an unknown shape, and the nodes that stack them.

  Args:
    graph_def: the graph.

  Returns:
    The name of the TensorListStack, by the name of the TensorListReserve.
  """
  nodes = {node.name: node for node in graph_def.node}
  found = {}
  for node in graph_def.node:
    if node.op != 'TensorListReserve':
      continue
    shape = nodes.get(producer(node.input[0]))
    if shape is None or shape.op != 'Const' or np.all(
        tensors.to_array(shape.attr['value'].tensor, shape.name) >= 0):
      continue
    stack = _stack_of(node.name, graph_def.node)
    if stack:
      found[node.name] = stack
  return found


def close_lists(graph_def: GraphDef, run: Callable[[Sequence[str]], List[np.ndarray]]) -> GraphDef:
  """Returns a graph whose lists have elements of known shape.

  Args:
    graph_def: the graph, whose inputs have known shapes.
    run: returns the values of tensors, for any inputs of these shapes.
  """
  lists = open_lists(graph_def)
  if not lists:
    return graph_def
  names = sorted(lists)
  shapes = {name: np.array(value.shape[1:], np.int32)
            for name, value in zip(names, run([lists[name] + ':0' for name in names]))}
  result = tf.GraphDef()
  result.CopyFrom(graph_def)
  stacks = {node.name: node for node in result.node if node.op == 'TensorListStack'}
  for node in list(result.node):
    if node.name in shapes:
      constant = tf.NodeDef(name=node.name + '/known_element_shape', op='Const')
      constant.attr['dtype'].type = tf.int32.as_datatype_enum
      constant.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(shapes[node.name]))
      result.node.add().CopyFrom(constant)
      for user, index in ((node, 0), (stacks[lists[node.name]], 1)):
        user.input[index] = constant.name
        if 'shape_type' in user.attr:
          user.attr['shape_type'].type = tf.int32.as_datatype_enum
  return result


def _stack_of(name: str, nodes: Sequence[NodeDef]) -> str:
  """Returns the node that stacks the list which a loop makes from list `name`; '' for none."""
  followed = {name}
  for _ in range(8):  # Follow loops and identities.
    for node in nodes:
      for index, ref in enumerate(node.input):
        if _normal(ref) not in followed:
          continue
        if node.op == 'TensorListStack':
          return str(node.name)
        if node.op in _LOOPS:
          followed.add('%s:%d' % (node.name, index) if index else node.name)
        elif node.op == 'Identity':
          followed.add(node.name)
  return ''


def _normal(ref: str) -> str:
  return ref[:-2] if ref.endswith(':0') else ref
