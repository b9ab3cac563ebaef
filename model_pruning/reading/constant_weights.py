# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the weights among the constants of a frozen graph."""

from typing import Dict, Iterator, Optional, Set

from model_pruning.compat import tf
from model_pruning.names import WEIGHT_ATTRIBUTE
from model_pruning.reading import nodes as nodes_lib
from model_pruning.reading import tensors
from model_pruning.reading.constant_values import ConstantValues
from model_pruning.reading.nodes import Node
from model_pruning.reading.nodes import Nodes
from model_pruning.reading.stored import is_mask
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored import without_part


def weights_among(nodes: Nodes) -> Iterator[StoredWeight]:
  """Yields the weights among the constants, with their masks, in the order of the graph."""
  found: Dict[str, StoredWeight] = {}
  used: Set[str] = set()
  constants = ConstantValues(nodes)
  for node in nodes.values():
    if node.op == 'Mul' and constants.has(nodes_lib.Ref(node.name)):
      weight = _masked_product(nodes, constants, node)
      if weight is not None:
        used.update(weight.nodes)
        found.setdefault(weight.nodes[0], weight)
  for node in nodes.values():
    if node.op == 'ConcatV2' and constants.has(nodes_lib.Ref(node.name)):
      weight = _joined_parts(nodes, constants, node, used)
      if weight is not None:
        used.update(weight.nodes)
        found[weight.nodes[0]] = weight
  named = {weight.name for weight in found.values()}
  for node in nodes.values():
    if node.name in found:
      yield found[node.name]
    elif node.op == 'Const' and node.name not in used:
      attr = node.definition.attr
      dims = [dim.size for dim in attr['value'].tensor.tensor_shape.dim]
      if tf.as_dtype(attr['dtype'].type).is_floating and len(dims) >= 2 and 0 not in dims:
        weight = attr[WEIGHT_ATTRIBUTE].s.decode('utf-8', 'replace')
        name = node.name if not weight or weight in named else weight
        named.add(name)
        yield StoredWeight(name, tensors.to_array(attr['value'].tensor, node.name),
                           nodes=(node.name,))


def _masked_product(nodes: Nodes, constants: ConstantValues,
                    node: Node) -> Optional[StoredWeight]:
  """Returns the weight in a product of two constants of one shape, if one of them is a mask."""
  values = [constants.value(ref) for ref in node.inputs]
  if values[0].shape != values[1].shape or not values[0].ndim or not values[0].size:
    return None
  for mask, weight in ((0, 1), (1, 0)):  # apply_mask multiplies mask * weight.
    if is_mask(values[mask]):
      names = [source.name for source in nodes_lib.sources(nodes, node.inputs[weight])
               if source.definition.attr['value'].tensor.tensor_shape.dim]
      masks = [source.name for source in nodes_lib.sources(nodes, node.inputs[mask])]
      name = without_part(names[0] if names else node.name)
      return StoredWeight(name, values[weight], nonzero(values[mask]),
                          nodes=tuple(names + masks) or (node.name,))
  return None


def _joined_parts(nodes: Nodes, constants: ConstantValues, node: Node,
                  used: Set[str]) -> Optional[StoredWeight]:
  """Returns the weight that is split into the constants <name>/part_0, <name>/part_1, ..."""
  names = [source.name for ref in node.inputs[:-1] for source in nodes_lib.sources(nodes, ref)]
  whole = {without_part(name) for name in names}
  if len(whole) != 1 or whole & set(names) or used & set(names):
    return None
  values = constants.value(nodes_lib.Ref(node.name))
  if values.ndim < 2 or not values.size:
    return None
  return StoredWeight(whole.pop(), values, nodes=tuple(names))
