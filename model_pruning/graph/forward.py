# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The forward part of a training graph: from the inputs to the outputs, without masks.

The graph of a program in training also reads files, computes a loss and gradients, and writes
variables. Channels are followed through the rest.
"""

import re
from typing import Any, Collection, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from model_pruning import errors
from model_pruning.compat import is_stateful
from model_pruning.compat import tf
from model_pruning.graph import variables
from model_pruning.graph.records import MaskedWeight
from model_pruning.reading import sources
from model_pruning.util.types import Graph
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor

_VARIABLES = ('VarHandleOp', 'VariableV2', 'Variable')
_READS = ('Identity', 'ReadVariableOp', 'Cast', 'Enter')
_WRITES = re.compile('Assign|Scatter|Apply|SparseApply|Resource(Apply|Sparse|Scatter)')
_SHOWS = re.compile('.*Summary(V2)?$|WriteSummary|Print|Assert')
_RANDOM = ('RandomUniform', 'RandomStandardNormal', 'TruncatedNormal', 'RandomUniformInt')
_GRADIENT = re.compile(r'_grad(_\d+)?/')


class Forward(NamedTuple):
  """The forward part of a graph.

  Attributes:
    graph_def: a GraphDef without masks, whose weights are variables. Data that the graph reads is
      replaced by placeholders.
    outputs: names of the output tensors.
    names: the names of masked weights in the graph_def, by the names of their masks.
    stand_ins: variables in graph_def that are none in the graph, by their names: the tensor that
      each stands for, or None for random numbers.
  """
  graph_def: Any
  outputs: List[str]
  names: Dict[str, str]
  stand_ins: Dict[str, Optional[Tensor]]


def forward_part(graph: Graph, records: Sequence[MaskedWeight], outputs: Sequence[str]) -> Forward:
  """Returns the forward part of a graph.

  Args:
    graph: the graph.
    records: its masked weights.
    outputs: names of the outputs, of operations or tensors. If there are none, the outputs are the
      last tensors, other than scalars, that depend on masked weights and data: before the mean of
      a loss.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ChannelError: no outputs are given, and none are found.
  """
  ops = graph.get_operations()
  products = _products(ops, records)
  backward = _backward(ops)
  after = _after([op for op, _ in products.values()], backward)
  sources.check_list(outputs, 'outputs')
  if outputs:
    sources.check_outputs([op.name for op in ops], [name.split(':')[0] for name in outputs])
  ends = list(outputs) or _ends(ops, after, backward)
  if not ends:
    raise errors.ChannelError(
        'channel_pruning=true follows channels to the outputs of the model, but nothing in this '
        'graph is computed from its masked weights; build the whole model before its pruning, or '
        'name its outputs: channel_outputs=[NAME]')
  cut = _cut(ops) if _of_data(ops) & after else {op.name for op in ops if _is_example(op)}
  return _Writer(graph, records, products, cut).forward(ends)


def _products(ops: Sequence[Operation], records: Sequence[MaskedWeight]
              ) -> Dict[str, Tuple[Operation, Tensor]]:
  """Returns (product, weight) for each product of a mask and a weight, by the product's name."""
  masks = {variables.op_name(shard) for record in records for shard in record.mask_shards}
  found = {}
  for op in ops:
    if op.type == 'Mul':
      for mask, weight in (op.inputs, list(op.inputs)[::-1]):
        if all(source in masks for source in _sources(mask)):
          found[op.name] = op, weight
  return found


def _sources(tensor: Tensor) -> List[str]:
  """Returns the names of the variables that a tensor joins, if it does only that.

  For other tensors it returns the names of other operations.
  """
  op = tensor.op
  while op.type in _READS:
    op = op.inputs[0].op
  if op.type == 'ConcatV2':
    return [name for part in list(op.inputs)[:-1] for name in _sources(part)]
  return [str(op.name)]


def _backward(ops: Sequence[Operation]) -> Set[str]:
  """Returns the names of operations of gradients.

  tf.gradients builds the gradient of operation `a/b` in the scope `<its own scope>/a/b_grad/`.
  """
  names = {op.name for op in ops}
  scopes: Set[str] = set()
  for name in names:
    for match in _GRADIENT.finditer(name):
      parts = name[:match.start()].split('/')
      for start in range(1, len(parts)):
        if '/'.join(parts[start:]) in names:
          scopes.add('/'.join(parts[:start]) + '/')
          break
  ordered = tuple(sorted(scopes))
  return {name for name in names if name.startswith(ordered)} if ordered else set()


def _after(starts: Sequence[Operation], backward: Collection[str]) -> Set[str]:
  """Returns the names of the operations that depend on others, without gradients and writes."""
  found, pending = set(), list(starts)
  while pending:
    op = pending.pop()
    if op.name in found or op.name in backward or _WRITES.match(op.type) or _SHOWS.match(op.type):
      continue
    found.add(op.name)
    pending.extend(_users(op))
  return found


def _ends(ops: Sequence[Operation], after: Collection[str], backward: Collection[str]
          ) -> List[str]:
  """Returns the names of the last tensors that depend on masked weights and data."""
  of_data = _of_data(ops)
  candidates = [op for op in ops if op.name in after and any(
      output.dtype.is_floating and output.shape.ndims != 0 for output in op.outputs)]
  # Otherwise the data are constants.
  candidates = [op for op in candidates if op.name in of_data] or candidates
  dropped = _only_shown([op for op in ops if op.name in after])
  if all(op.name in dropped for op in candidates):  # The loss is shown, and has no gradients yet.
    dropped = _only_shown([op for op in ops if op.name in after and any(
        output.shape.ndims != 0 for output in op.outputs)])
  candidates = [op for op in candidates if op.name not in dropped]
  leading: Set[str] = set()  # A candidate depends on them.
  pending = list(candidates)
  while pending:
    for tensor in pending.pop().inputs:
      if tensor.op.name in after and tensor.op.name not in leading:
        leading.add(tensor.op.name)
        pending.append(tensor.op)
  return [output.name for op in candidates if op.name not in leading for output in op.outputs
          if output.dtype.is_floating]


def _only_shown(ops: Sequence[Operation]) -> Set[str]:
  """Returns the names of operations whose values are only stored or shown, without gradients."""
  found: Set[str] = set()
  pending = list(ops)
  while pending:
    op = pending.pop()
    users = _users(op)
    shown = users or not any(output.dtype.is_floating for output in op.outputs)
    if op.name not in found and shown and all(
        _WRITES.match(user.type) or _SHOWS.match(user.type) or user.name in found
        for user in users):
      found.add(op.name)
      pending.extend(tensor.op for tensor in op.inputs)
  return found & {op.name for op in ops}


def _users(op: Operation) -> List[Operation]:
  return [user for output in op.outputs for user in output.consumers()]


def _of_data(ops: Sequence[Operation]) -> Set[str]:
  """Returns the names of operations that depend on data, not only on variables and constants."""
  return _reached([op for op in ops if op.type not in _VARIABLES and (
      op.type.startswith('Placeholder') or op.type not in _READS and is_stateful(op.type))])


def _cut(ops: Sequence[Operation]) -> Set[str]:
  """Returns the names of operations that read or prepare data."""
  # The layers before the first mask depend on variables too.
  return _of_data(ops) - _reached([op for op in ops if op.type in _VARIABLES])


def _is_example(op: Operation) -> bool:
  """Whether an operation may be data in a graph that reads none: a constant of vectors."""
  return op.type == 'Const' and op.outputs[0].dtype.is_floating and (
      op.outputs[0].shape.ndims or 0) > 1


def _reached(starts: Sequence[Operation]) -> Set[str]:
  """Returns the names of operations, and of all that depend on them."""
  found: Set[str] = set()
  pending = list(starts)
  while pending:
    op = pending.pop()
    if op.name not in found:
      found.add(op.name)
      pending.extend(_users(op))
  return found


class _Writer:
  """Writes the forward part; see forward_part."""

  def __init__(self, graph: Graph, records: Sequence[MaskedWeight],
               products: Dict[str, Tuple[Operation, Tensor]], cut: Collection[str]) -> None:
    self._graph = graph
    self._products = products
    self._cut = cut
    self._result: GraphDef = tf.GraphDef(versions=graph.as_graph_def().versions)
    self._made: Dict[str, Any] = {}
    self._names: Dict[str, str] = {}
    self._stand_ins: Dict[str, Optional[Tensor]] = {}
    self._variables = {op.name for op in graph.get_operations() if op.type in _VARIABLES}
    self._weights: Dict[str, Any] = {}  # Records whose products get a stand-in.
    for record in records:
      # A partitioned variable, also one of a single part, has another name than its parts.
      parts = list(map(variables.op_name, record.weight_shards))
      if record.masked is not None and (
          parts != [record.name] or not variables.is_variable(record.weight)):
        self._weights[record.masked.op.name] = record
        self._names[record.mask.name] = record.masked.op.name
      else:
        self._names[record.mask.name] = record.name

  def forward(self, ends: Sequence[str]) -> Forward:
    needed = self._needed(ends)
    nodes = {node.name: node for node in self._graph.as_graph_def(add_shapes=False).node
             if node.name in needed}
    library = self._graph.as_graph_def().library
    self._result.library.CopyFrom(library)
    for op in self._graph.get_operations():
      if op.name in needed:
        self._add(op, nodes[op.name])
    return Forward(self._result, list(ends), self._names, self._stand_ins)

  def _is_cut(self, op: Operation) -> bool:
    """Whether an operation is data that the forward part reads."""
    return op.name in self._cut and op.type not in _RANDOM

  def _inputs(self, op: Operation) -> List[Any]:
    if self._is_like(op):
      return [op.inputs[0].op.inputs[0]]
    if op.name in self._weights or self._is_joined(op) or self._is_cut(op) or op.type in _RANDOM:
      return []
    if op.name in self._products:
      return [self._products[op.name][1]]
    return list(op.inputs)

  @staticmethod
  def _is_like(op: Operation) -> bool:
    """Whether an operation draws random numbers in the shape of a tensor."""
    return op.type in _RANDOM and op.inputs[0].op.type == 'Shape'

  def _is_joined(self, op: Operation) -> bool:
    """Whether an operation joins the parts of a partitioned variable."""
    return op.type == 'ConcatV2' and all(
        name in self._variables for name in _sources(op.outputs[0]))

  def _needed(self, ends: Sequence[str]) -> Set[str]:
    needed: Set[str] = set()
    pending = [self._graph.get_operation_by_name(name.split(':')[0]) for name in ends]
    while pending:
      op = pending.pop()
      if op.name not in needed:
        needed.add(op.name)
        pending.extend(tensor.op for tensor in self._inputs(op))
    return needed

  def _add(self, op: Operation, node: NodeDef) -> None:
    if op.name in self._weights:
      self._variable(op.name, self._weights[op.name].masked)
    elif self._is_joined(op):
      self._variable(op.name, op.outputs[0])
      self._stand_ins[op.name] = op.outputs[0]
    elif self._is_like(op):
      self._unary(op.name, 'OnesLike', op.inputs[0].op.inputs[0])
    elif op.type in _RANDOM and op.outputs[0].shape.is_fully_defined():
      self._variable(op.name, op.outputs[0])
    elif self._is_cut(op) or op.type in _RANDOM:
      for index, output in enumerate(op.outputs):
        self._placeholder(_cut_name(op.name, index), output)
    elif op.name in self._products:
      self._unary(op.name, 'Identity', self._products[op.name][1])
    else:
      copy = self._result.node.add()
      copy.CopyFrom(node)
      copy.attr.pop('_class', None)  # It may name nodes that are left out.
      copy.device = ''
      del copy.input[:]
      copy.input.extend(self._reference(tensor) for tensor in op.inputs)

  def _reference(self, tensor: Tensor) -> str:
    if self._is_cut(tensor.op):
      return _cut_name(tensor.op.name, tensor.value_index)
    return str(tensor.name)

  def _unary(self, name: str, kind: str, operand: Tensor) -> None:
    node = self._result.node.add(name=name, op=kind)
    node.input.append(self._reference(operand))
    node.attr['T'].type = operand.dtype.base_dtype.as_datatype_enum

  def _variable(self, name: str, tensor: Tensor) -> None:
    node = self._result.node.add(name=name, op='VariableV2')
    node.attr['dtype'].type = tensor.dtype.base_dtype.as_datatype_enum
    node.attr['shape'].shape.CopyFrom(tensor.shape.as_proto())
    self._stand_ins[name] = None

  def _placeholder(self, name: str, tensor: Tensor) -> None:
    node = self._result.node.add(name=name, op='Placeholder')
    node.attr['dtype'].type = tensor.dtype.base_dtype.as_datatype_enum
    node.attr['shape'].shape.CopyFrom(tensor.shape.as_proto())


def _cut_name(op: str, index: int) -> str:
  return op if not index else '%s/output_%d' % (op, index)
