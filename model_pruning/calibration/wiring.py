# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the layers of a graph of constants: the product, its kernel, and the bias that follows it.

Layers are nodes of the graph itself, since tensors inside of functions and loops cannot be fetched.
Kernels inside of them are found, to be masked, but have no layer.
"""

import collections
import dataclasses
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from model_pruning.channels.shifts import RESHAPES
from model_pruning.channels.shifts import SAME
from model_pruning.channels.shifts import Shift
from model_pruning.channels.shifts import source
from model_pruning.channels.shifts import Users
from model_pruning.compat import tf
from model_pruning.export.folding import bodies
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

# The operands of each product that may be the kernel, the most likely first.
KERNELS: Dict[str, Tuple[int, ...]] = {
    'MatMul': (1, 0), 'BatchMatMul': (1, 0), 'BatchMatMulV2': (1, 0), 'BatchMatMulV3': (1, 0),
    'Einsum': (1, 0), 'Conv2D': (1,), 'Conv3D': (1,), 'DepthwiseConv2dNative': (1,),
    'Conv2DBackpropInput': (1,), 'Conv3DBackpropInputV2': (1,)}

# The operand of each lookup that is the table, for example an embedding.
_TABLES: Dict[str, Tuple[int, ...]] = {'Gather': (0,), 'GatherV2': (0,)}

_LOOPS = ('Enter', 'RefEnter')
_BRANCHES = ('Switch', 'RefSwitch')


@dataclasses.dataclass(frozen=True)
class Layer:
  """A weight and the products that use it.

  Attributes:
    weight: name of the constant.
    shape: shape of the constant.
    ops: names of the products, none of which is computed from another; () if there are none.
    operand: which input of the products is the kernel.
    shift: the bias; None if none can absorb a change of the outputs' mean.
    reason: why the weight cannot be refitted; '' if it can.
  """
  weight: str
  shape: Tuple[int, ...]
  ops: Tuple[str, ...] = ()
  operand: int = 1
  shift: Optional[Shift] = None
  reason: str = ''


class Wiring(Users):
  """Which node uses which, in a graph of constants, and its layers."""

  def __init__(self, graph_def: GraphDef) -> None:
    super().__init__(graph_def)
    self._graph_def = graph_def

  def layers(self, weights: Sequence[str]) -> List[Layer]:
    """Returns the layer of each weight, in the order of the data.

    Args:
      weights: names of constants.
    """
    found = [self._layer(name) for name in weights]
    order = {name: index for index, name in enumerate(self._sorted(found))}
    return sorted(found, key=lambda layer: order.get(
        layer.ops[0] if layer.ops else layer.weight, len(order)))

  def after(self, name: str) -> Set[str]:
    """Returns the nodes that are computed from a node."""
    found: Set[str] = set()
    pending = [name]
    while pending:
      for user, _ in self.users[pending.pop()]:
        if user not in found:
          found.add(user)
          pending.append(user)
    return found

  def kernels(self) -> List[str]:
    """Returns the names of the constants that are kernels of products, in the graph's order.

    Products may be in loops, branches and functions, too.
    """
    return self._read_by(KERNELS)

  def tables(self) -> List[str]:
    """Returns the names of the constants of floats from which rows are looked up; see kernels."""
    return [name for name in self._read_by(_TABLES)
            if tf.as_dtype(self.nodes[name].attr['dtype'].type).is_floating]

  def _read_by(self, operands: Mapping[str, Tuple[int, ...]]) -> List[str]:
    shapes = {name: self.shape_of(name) or () for name in self.nodes}
    matrices = [name for name, shape in shapes.items() if len(shape) >= 2 and all(shape)]
    used = _read_in(bodies.read(self._graph_def), {name: name for name in matrices}, operands)
    return [name for name in matrices if name in used]

  def _layer(self, weight: str) -> Layer:
    shape = self.shape_of(weight)
    if shape is None:
      return Layer(weight, (), reason='it is not one constant in the graph')
    if not all(shape):
      return Layer(weight, shape, reason='it has no elements')
    uses = list(self.uses(weight, reshapes=True))
    products = [(name, index) for name, index in uses
                if index in KERNELS.get(self.nodes[name].op, ())]
    if not products:
      kinds = sorted({self.nodes[name].op for name, _ in uses})
      inside = any(kind in _LOOPS or 'While' in kind or 'PartitionedCall' in kind or kind == 'If'
                   for kind in kinds)
      return Layer(weight, shape, reason='it is used inside of a loop or function' if inside else
                   'it is no kernel of a product (%s)' % ', '.join(kinds or ['unused']))
    ops, operand = tuple(name for name, _ in products), products[0][1]
    if products != uses or not self._are_alike(products):
      return Layer(weight, shape, ops, operand, reason='it is used %d times' % len(uses))
    shifts = {self.shift(op, len(ops)) for op in ops}
    return Layer(weight, shape, ops, operand, shifts.pop() if len(shifts) == 1 else None)

  def _are_alike(self, products: Sequence[Tuple[str, int]]) -> bool:
    """Whether all use the same operand as kernel, and none is computed from another."""
    names = {name for name, _ in products}
    return len({(self.nodes[name].op, operand) for name, operand in products}) == 1 and (
        len(names) == 1 or not any(names & self.after(name) for name in names))

  def _sorted(self, layers: Sequence[Layer]) -> List[str]:
    """Returns the names of the nodes so that each comes after its inputs, as far as possible.

    All products of a layer come after the inputs of each.
    """
    together = {op: layer.ops for layer in layers for op in layer.ops if not layer.reason}
    done: Dict[str, bool] = {}
    order: List[str] = []
    for first in self.nodes:
      stack = [first]
      while stack:
        name = stack[-1]
        if name not in done:
          done[name] = False
          needed = [source(text) for op in together.get(name, (name,))
                    for text in self.nodes[op].input]
          stack.extend(each for each in needed if each in self.nodes and each not in done)
          continue
        stack.pop()
        if not done[name]:
          done[name] = True
          order.append(name)
    return order


def _read_in(body: bodies.Body, constants: Mapping[str, str],
             operands: Mapping[str, Tuple[int, ...]]) -> Set[str]:
  """Returns the constants that are operands of nodes of a body, or of those that it calls.

  Args:
    body: a graph, or a function for one of its calls.
    constants: the names of constants by the nodes and arguments of the body that hold them.
    operands: the numbers of the operands that count, by the types of the nodes.
  """
  users: Dict[str, List[Tuple[NodeDef, int]]] = collections.defaultdict(list)
  for node in body.nodes.values():
    for index, ref in enumerate(bodies.data_inputs(node)):
      users[bodies.producer(ref)].append((node, index))
  found: Set[str] = set()
  passed: Dict[str, Dict[int, str]] = collections.defaultdict(dict)
  pending = list(constants.items())
  while pending:
    name, constant = pending.pop()
    for node, index in users[name]:
      if index == 0 and node.op in SAME + RESHAPES + _LOOPS + _BRANCHES:
        pending.append((node.name, constant))
      elif index in operands.get(node.op, ()):
        found.add(constant)
      else:
        passed[node.name][index] = constant
  for call in body.calls:
    given = passed[call.node.name]
    fixed = [index for index in call.constant_arguments() if index + call.first in given]
    for callee in call.bodies if fixed else ():
      found |= _read_in(callee, {callee.arguments[index]: given[index + call.first]
                                 for index in fixed}, operands)
  return found
