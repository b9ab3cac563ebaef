# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the constant that adds to the outputs of a product: a bias, or a moving mean."""

import collections
import dataclasses
from typing import Dict, Iterator, List, Optional, Tuple

from model_pruning.compat import tf
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

SAME = ('Identity', 'StopGradient', 'PreventGradient', 'Snapshot', 'CheckNumerics', 'Cast')
RESHAPES = ('Reshape', 'ExpandDims', 'Squeeze')
_ADDS = ('BiasAdd', 'BiasAddV1', 'Add', 'AddV2')
_NORMALIZATIONS = ('FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3')
_MEAN = 3  # The input of a fused normalization that is the moving mean.


@dataclasses.dataclass(frozen=True)
class Shift:
  """A constant that adds to the outputs of a layer, one element for each output.

  Attributes:
    constant: name of the constant: a bias, or the moving mean of a batch normalization.
    sign: 1 for a bias, -1 for a mean, which is subtracted.
  """
  constant: str
  sign: int


def source(text: str) -> str:
  """Returns the node of an input of a NodeDef: 'split:1' -> 'split', '^init' -> 'init'."""
  return text.lstrip('^').split(':')[0]


class Users:
  """Which node uses which, in a graph of constants.

  Attributes:
    nodes: the NodeDefs by name.
    users: (name of a node, number of its input) for each use of a node, by its name.
  """

  def __init__(self, graph_def: GraphDef) -> None:
    self.nodes: Dict[str, NodeDef] = {node.name: node for node in graph_def.node}
    self.users: Dict[str, List[Tuple[str, int]]] = collections.defaultdict(list)
    for node in graph_def.node:
      for index, text in enumerate(node.input):
        if not text.startswith('^'):
          self.users[source(text)].append((node.name, index))

  def shape_of(self, constant: str) -> Optional[Tuple[int, ...]]:
    """Returns the shape of a floating constant; None for any other node."""
    node = self.nodes.get(constant)
    if node is None or node.op != 'Const' or not tf.as_dtype(node.attr['dtype'].type).is_floating:
      return None
    return tuple(dim.size for dim in node.attr['value'].tensor.tensor_shape.dim)

  def uses(self, name: str, reshapes: bool = False) -> Iterator[Tuple[str, int]]:
    """Yields (node, input) for the nodes that use a tensor, looking through copies of it."""
    pending = [name]
    while pending:
      for user, index in self.users[pending.pop()]:
        through = SAME + RESHAPES if reshapes else SAME
        if index == 0 and self.nodes[user].op in through:
          pending.append(user)
        else:
          yield user, index

  def shift(self, op: str, times: int = 1) -> Optional[Shift]:
    """Returns the constant that is added to the outputs of a product before anything else.

    Args:
      op: name of the product.
      times: how often the constant is used.
    """
    uses = list(self.uses(op, reshapes=True))
    if len(uses) != 1:
      return None
    (user, index), = uses
    node = self.nodes[user]
    if node.op in _ADDS:
      constant = self._constant(node.input[1 - index], times)
      return Shift(constant, 1) if constant else None
    if node.op in _NORMALIZATIONS and index == 0 and not node.attr['is_training'].b:
      constant = self._constant(node.input[_MEAN], times)
      return Shift(constant, -1) if constant else None
    if node.op == 'Mul':
      return self._normalization(user, node.input[1 - index], times)
    return None

  def _normalization(self, product: str, scale: str, times: int) -> Optional[Shift]:
    """Returns the mean in outputs * scale + (offset - mean * scale), tf.nn.batch_normalization."""
    uses = list(self.uses(product))
    if len(uses) != 1 or self.nodes[uses[0][0]].op not in _ADDS:
      return None
    (user, index), = uses
    offset = self.nodes.get(self.origin(self.nodes[user].input[1 - index]))
    if offset is None or offset.op != 'Sub':
      return None
    shift = self.nodes.get(self.origin(offset.input[1]))
    if shift is None or shift.op != 'Mul':
      return None
    for operand in (0, 1):
      if self.origin(shift.input[1 - operand]) == self.origin(scale):
        constant = self._constant(shift.input[operand], times)
        return Shift(constant, -1) if constant else None
    return None

  def origin(self, text: str) -> str:
    """Returns the node behind copies and reshapes."""
    name = source(text)
    while name in self.nodes and self.nodes[name].op in SAME + RESHAPES:
      name = source(self.nodes[name].input[0])
    return name

  def _constant(self, text: str, times: int) -> Optional[str]:
    """Returns the name of a floating constant with so many uses; None for anything else."""
    name = self.origin(text)
    fits = self.shape_of(name) and len(list(self.uses(name, reshapes=True))) == times
    return name if fits else None
