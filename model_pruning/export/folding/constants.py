# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds and evaluates what a graph and its functions compute from constants alone."""

from typing import Any, Dict, List, Sequence, Set, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import is_stateful
from model_pruning.compat import tf
from model_pruning.export.folding.bodies import Body
from model_pruning.export.folding.bodies import data_inputs
from model_pruning.export.folding.bodies import producer
from model_pruning.reading import running
from model_pruning.reading import sources
from model_pruning.reading import tensors
from model_pruning.reading.constant_values import Allowance
from model_pruning.reading.constant_values import combined
from model_pruning.util.types import Graph
from model_pruning.util.types import NodeDef

# Operations that return a constant unchanged, also into loops and branches. Freezing with
# TensorFlow 1 leaves reads of constants in functions.
COPIES = ('Identity', 'Enter', 'Switch', 'ReadVariableOp', 'StopGradient', 'Snapshot')
# Operations between variables and a mask; ConcatV2 joins partitions.
_PLAIN = COPIES + ('Const', 'ConcatV2', 'Cast', 'Mul')
# Operations without side effects that must not be evaluated in advance.
_NOT_CONSTANT = (
    'Placeholder', 'PlaceholderV2', 'PlaceholderWithDefault', 'Merge', 'Exit', 'NextIteration',
    'LoopCond', 'StatelessWhile', 'StatelessIf', 'StatelessCase', 'PartitionedCall')
# Operations whose outputs may be larger than their inputs, depending on values.
_GROWING = ('Fill', 'Tile', 'BroadcastTo', 'Range', 'LinSpace', 'OneHot', 'Pad', 'PadV2',
            'MirrorPad', 'ScatterNd', 'SparseToDense')
_SEVERAL = ('Split', 'SplitV', 'Unpack', 'Unique')  # Operations with several outputs that count.


class Constants:
  """The constant expressions of many bodies, each under a unique name."""

  def __init__(self) -> None:
    self._nodes: Dict[str, Tuple[Any, List[str]]] = {}  # The node, and the names of its inputs.
    self._values: Dict[str, np.ndarray] = {}
    self._allowance = Allowance()
    self._for_session: Set[str] = set()  # Expressions that _compute cannot evaluate.

  def add(self, body: Body, bound: Dict[str, str],
          plain_arguments: Set[str]) -> Tuple[Dict[str, str], Set[str]]:
    """Adds the constant expressions of a body.

    Args:
      body: the body to search.
      bound: the names of constant expressions passed as arguments, by argument.
      plain_arguments: the arguments whose values are stored, not computed.

    Returns:
      The names of expressions, by the names of nodes and arguments; and the nodes and
      arguments whose values are stored.
    """
    found, plain = dict(bound), set(plain_arguments)
    for node in _in_order(body):
      sources = [producer(ref) for ref in data_inputs(node)]
      # The second input of a Switch is its predicate, which is rarely constant.
      needed = sources[:1] if node.op in COPIES else sources
      if any(source not in found for source in needed):
        continue
      if node.op in _PLAIN and all(source in plain for source in needed):
        plain.add(node.name)
      names = [found[source] + port_of(body.nodes.get(source), ref)
               for source, ref in zip(needed, data_inputs(node))]
      if node.op in COPIES:
        found[node.name] = names[0]
        continue
      found[node.name] = 'constant_%d' % len(self._nodes)
      self._nodes[found[node.name]] = (node, names)
    return found, plain

  def stored_name(self, name: str) -> str:
    """Returns the name of the stored constant, or first part, from which an expression starts.

    Returns '' if it starts from something else.
    """
    node, inputs = self._nodes.get(name, (None, []))
    while node is not None and node.op != 'Const' and inputs:
      node, inputs = self._nodes.get(inputs[0], (None, []))
    return str(node.name) if node is not None and node.op == 'Const' else ''

  def evaluate(self, names: Set[str]) -> Dict[str, np.ndarray]:
    """Returns the values of expressions, by their names."""
    rest = sorted(name for name in names if name not in self._values and not self._compute(name))
    if rest:
      self._values.update(zip(rest, self._run(rest)))
    return {name: self._values[name] for name in names}

  def _compute(self, name: str) -> bool:
    """Evaluates an expression without a session, if possible: stored arrays and their products."""
    pending = [name]
    while pending:  # Not recursive, as graphs are deep.
      node, inputs = self._nodes.get(pending[-1], (None, []))
      missing = [other for other in inputs if other not in self._values
                 and other not in self._for_session]
      if node is None or node.op not in ('Const', 'ConcatV2', 'Mul'):
        self._for_session.add(pending.pop())
      elif missing:
        pending.extend(missing)
      else:
        made = pending.pop()
        if made not in self._values and made not in self._for_session:
          self._make(made, node, inputs)
    return name in self._values

  def _make(self, name: str, node: NodeDef, inputs: List[str]) -> None:
    if node.op == 'Const':
      self._values[name] = tensors.to_array(node.attr['value'].tensor, node.name)
      self._allowance.stored(self._values[name])
      return
    values = [self._values[other] for other in inputs if other in self._values]
    if len(values) < len(inputs) or any(
        value.dtype.kind not in 'fiu' for value in values):  # NumPy itself has no bfloat16.
      self._for_session.add(name)
      return
    try:
      self._values[name] = combined(node.op, values, node.name, self._allowance)
    except (TypeError, ValueError, IndexError) as error:
      if isinstance(error, errors.PruningError):
        raise
      self._for_session.add(name)  # TensorFlow will report what does not fit.

  def _run(self, names: List[str]) -> List[np.ndarray]:
    """Returns the values of the other expressions, computed in one session run."""
    graph_def, pending, done = tf.GraphDef(), [name.split(':')[0] for name in names], set()
    while pending:
      name = pending.pop()
      if name not in done:
        done.add(name)
        node, inputs = self._nodes[name]
        copy = graph_def.node.add(name=name, op=node.op)
        copy.input.extend(inputs)
        for key, value in node.attr.items():
          if not key.startswith('_'):
            copy.attr[key].CopyFrom(value)
        pending.extend(other.split(':')[0] for other in inputs)
    with tf.Graph().as_default() as graph, sources.by_tensorflow('the graph'):
      tf.import_graph_def(graph_def, name='')
      _check_sizes(graph, names, graph_def.ByteSize())
      # Compute as the model would: on a CPU, and without rewriting.
      config = running.once()
      config.device_count['GPU'] = 0
      with tf.Session(graph=graph, config=config) as session:
        return list(session.run([name if ':' in name else name + ':0' for name in names]))


def _check_sizes(graph: Graph, fetched: Sequence[str], present: int) -> None:
  """Raises errors.ModelFileError if computing a graph of constants would need too much memory."""
  wanted, total = {name.split(':')[0] for name in fetched}, 0
  for op in graph.get_operations():
    for tensor in op.outputs:
      dims: List[Any] = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
      if None not in dims:
        itemsize = max(1, tensor.dtype.size)
        tensors.check_size(dims, itemsize, op.name, present)
        total += tensors.elements(dims) * itemsize if op.name in wanted else 0
      elif op.type in _GROWING:
        raise errors.ModelFileError(
            'The size of %s (%s), from which a weight is computed, is unknown in advance; '
            'store the value in the graph' % (op.name, op.type))
  tensors.check_size([total], 1, 'of all masked weights', 4 * max(present, tensors.LARGEST))


def port_of(node: NodeDef, ref: str) -> str:
  """Returns the output of `node` that an input refers to, as ':1'; '' for the first."""
  port = ref.split(':')[-1]
  return ':' + port if node is not None and node.op in _SEVERAL and port.isdigit() else ''


def _in_order(body: Body) -> List[NodeDef]:
  """Returns the nodes that may be constant, each after its inputs."""
  order: List[Any] = []
  done: Set[str] = set()
  for start in body.nodes:  # Depth first, but not recursive, as graphs are deep.
    stack = [start]
    while stack:
      node = body.nodes.get(stack[-1])
      if node is None or node.name in done or not may_be_constant(node.op):
        stack.pop()
        continue
      pending = [name for name in map(producer, data_inputs(node))
                 if name in body.nodes and name not in done
                 and may_be_constant(body.nodes[name].op)]
      if pending:
        stack.extend(pending)
      else:
        done.add(node.name)
        order.append(node)
        stack.pop()
  return order


def may_be_constant(op: str) -> bool:
  """Whether an operation always computes the same from the same inputs, without side effects."""
  return op in COPIES or op not in _NOT_CONSTANT and not is_stateful(op)
