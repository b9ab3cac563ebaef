# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Evaluates tensors that a graph computes from constants: casts, products and joined parts."""

from typing import Dict, List

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import nodes as graphs
from model_pruning.reading import tensors
from model_pruning.util.types import NodeDef

_DEEPEST = 32  # The most operations between a constant and the weight it is part of.
_NEVER = _DEEPEST + 1


class Allowance:
  """Limits the memory for computed arrays to a few times the memory of the stored constants."""

  _LEAST, _FACTOR = 2**28, 8

  def __init__(self) -> None:
    self._stored = self._made = 0

  def stored(self, values: np.ndarray) -> None:
    """Accounts for a stored constant."""
    self._stored += 0 if tensors.is_repeated(values) else values.nbytes

  def make(self, size: int, name: str) -> None:
    """Accounts for an array of `size` bytes, before it is allocated.

    Raises:
      errors.ModelFileError: the limit is exceeded.
    """
    self._made += size
    if self._made > max(self._LEAST, self._FACTOR * self._stored):
      raise errors.ModelFileError(
          'The arrays that the graph computes from its constants, up to %s, would take %s bytes of '
          'memory, but the constants take %s; store the values of the weights' % (
              name, '{:,}'.format(self._made), '{:,}'.format(self._stored)))


class ConstantValues:
  """The tensors of a graph that a few plain operations compute from constants alone."""

  def __init__(self, nodes: graphs.Nodes) -> None:
    self._nodes = nodes
    self._depths: Dict[str, int] = {}  # Number of operations to the farthest constant.

  def has(self, ref: graphs.Ref) -> bool:
    """Whether `value` can compute a tensor, from constants alone."""
    stack = [ref.node]
    while stack:
      name = stack[-1]
      known = self._depths.setdefault(name, 0)  # 0: its inputs are being examined.
      node = self._nodes.get(name)
      inputs = [other.node for other in self._inputs(node)]
      missing = [] if known else [other for other in inputs if other not in self._depths]
      if missing:
        stack.extend(missing)
        continue
      stack.pop()
      if not known:
        # An input that is still being examined closes a circle.
        depths = [self._depths[other] or _NEVER for other in inputs]
        self._depths[name] = (1 if node is not None and node.op == 'Const' else
                              min(_NEVER, 1 + max(depths)) if depths else _NEVER)
    return self._depths[ref.node] < _NEVER

  def value(self, ref: graphs.Ref) -> np.ndarray:
    """Returns the value of a tensor for which `has` is True.

    Raises:
      errors.ModelFileError: its parts do not fit together, or it would be too large.
    """
    values: Dict[str, np.ndarray] = {}
    allowance = Allowance()
    pending = [ref.node]
    while pending:
      node = self._nodes[pending[-1]]
      missing = [other.node for other in self._inputs(node) if other.node not in values]
      if missing:
        pending.extend(missing)
        continue
      if pending.pop() not in values:
        values[node.name] = self._compute(
            node, [values[other.node] for other in self._inputs(node)], allowance)
    return values[ref.node]

  def _inputs(self, node: NodeDef) -> List[graphs.Ref]:
    if node is None or node.op == 'Const':
      return []
    if graphs.is_same(node) or node.op == 'Cast':
      return list(node.inputs[:1])
    if node.op == 'Mul' and len(node.inputs) == 2 or node.op == 'ConcatV2' and len(node.inputs) > 1:
      return list(node.inputs)
    return []

  def _compute(self, node: graphs.Node, values: List[np.ndarray],
               allowance: Allowance) -> np.ndarray:
    if node.op == 'Const':
      value = tensors.to_array(node.definition.attr['value'].tensor, node.name)
      allowance.stored(value)
      return value
    if graphs.is_same(node):
      return values[0]
    try:
      if node.op == 'Cast':
        return tensors.elementwise(lambda value: value.astype(
            tf.as_dtype(node.definition.attr['DstT'].type).as_numpy_dtype), values[0])
      return combined(node.op, values, node.name, allowance)
    except (TypeError, ValueError, IndexError) as error:
      if isinstance(error, errors.PruningError):
        raise
      raise errors.ModelFileError(
          'The inputs of %s (%s) do not fit together (%s); the graph is damaged: export it '
          'again' % (node.name, node.op, errors.first_line(error))) from error


def combined(op: str, values: List[np.ndarray], name: str, allowance: Allowance) -> np.ndarray:
  """Returns the product of two arrays or, for ConcatV2, the concatenation of all but the last.

  Args:
    op: 'Mul' or 'ConcatV2'.
    values: the inputs of the operation; the last one of ConcatV2 is the axis.
    name: name of the operation in errors.
    allowance: limits the memory.

  Raises:
    errors.ModelFileError: the result would be too large.
    ValueError, TypeError, IndexError: the inputs do not fit together.
  """
  if op == 'ConcatV2':
    *parts, axis = values
    allowance.make(sum(part.nbytes for part in parts), name)
    return np.concatenate(parts, int(axis))
  left, right = values
  with np.errstate(all='ignore'):  # A diverged model has infinities.
    if left.shape == right.shape and all(map(tensors.is_repeated, values)):
      return tensors.elementwise(np.multiply, left, right)
    shape = np.broadcast(left, right).shape
    allowance.make(tensors.elements(shape) * left.dtype.itemsize, name)
    return np.asarray(left * right)
