# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs a graph on the CPU, and finds the nodes that would move large tensors between GPU and host.

The names of nodes in the functions of a graph are made unique first. So the trace of the run says
which node of which function had outputs of which size.
"""

import re
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

import numpy as np

from model_pruning.compat import tf
from tools import kernel_table

# Nodes that TensorFlow adds when it lowers conditionals and loops, and between devices.
_ADDED = ('Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'Identity')
_UNIQUE = re.compile(r'(F\d+\.)(?!.*F\d+\.)')
# Nodes without a tensor of a weight, wherever they are.
_IGNORED = ('NoOp', 'Placeholder', 'PlaceholderWithDefault', 'VarHandleOp', 'VariableV2',
            'LoopCond', 'ControlTrigger', '_Send', '_Recv', '_HostSend', '_HostRecv')


_SUMS = ('Add', 'AddV2')


class Fault(NamedTuple):
  """A reason why an update would not stay on a GPU.

  Attributes:
    node, op: the name of the node, and the type of its operation.
    reason: what is wrong, for a person to read.
  """
  node: str
  op: str
  reason: str


class Trace:
  """A graph whose run is traced.

  Attributes:
    graph_def: the GraphDef to run, in which all names of nodes are unique.
  """

  def __init__(self, graph_def: Any) -> None:
    """Makes the names in a copy of a GraphDef unique."""
    self.graph_def = tf.GraphDef()
    self.graph_def.CopyFrom(graph_def)
    self._nodes: Dict[str, Any] = {node.name: node for node in self.graph_def.node}
    # Nodes that TensorFlow places on the CPU if there is no kernel for GPUs. A function runs on one
    # device.
    self._placed = {node.name for node in self.graph_def.node if '_class' not in node.attr}
    self._arguments: Dict[str, Tuple[str, int]] = {}  # (function, index) by name.
    self._functions: Dict[str, Any] = {}
    self._callers: Dict[str, List[Tuple[Any, int]]] = {}
    self._sizes: Dict[Tuple[str, int], int] = {}
    self._executed: Dict[str, str] = {}  # The type of operation by the name in the trace.
    self._added: Dict[str, List[Tuple[Any, int]]] = {}
    for number, function in enumerate(self.graph_def.library.function):
      self._rename(function, 'F%d.' % number)
    for node in list(self._nodes.values()):
      for name, skipped in self._called_by(node):
        self._callers.setdefault(name, []).append((node, skipped))

  def _rename(self, function: Any, prefix: str) -> None:
    arguments = {argument.name: prefix.lower().replace('.', '_') + argument.name
                 for argument in function.signature.input_arg}

    def renamed(reference: str) -> str:
      name, colon, rest = reference.partition(':')
      if name.startswith('^'):
        return '^' + prefix + name[1:]
      return (arguments[name] if name in arguments else prefix + name) + colon + rest

    for index, argument in enumerate(function.signature.input_arg):
      argument.name = arguments[argument.name]
      self._arguments[argument.name] = (function.signature.name, index)
    for node in function.node_def:
      node.name = prefix + node.name
      node.input[:] = [renamed(each) for each in node.input]
      node.attr.pop('_class', None)  # Colocation, by the old names.
      self._nodes[node.name] = node
    for results in (function.ret, function.control_ret):
      for name, reference in list(results.items()):
        results[name] = renamed(reference)
    self._functions[function.signature.name] = function

  def _called_by(self, node: Any) -> Iterator[Tuple[str, int]]:
    """Yields each function that a node calls, and how many inputs are not arguments of it."""
    if node.op in self._functions:
      yield node.op, 0
    for value in node.attr.values():
      if value.HasField('func') and value.func.name in self._functions:
        yield value.func.name, int(node.op in ('If', 'StatelessIf'))

  def run(self, session: tf.Session, operation: Any) -> None:
    """Runs an operation of the graph and keeps the sizes of all tensors; the largest of all runs.

    Args:
      session: of a graph that graph_def was imported to, and that is not optimized.
      operation: to run.
    """
    metadata = tf.RunMetadata()
    session.run(operation, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE),
                run_metadata=metadata)
    for device in metadata.step_stats.dev_stats:
      for stats in device.node_stats:
        self._add(stats)

  def _add(self, stats: Any) -> None:
    op = re.match(r'.*? = ([^(]*)\(', stats.timeline_label)
    if op is None:
      return
    unique = _UNIQUE.search(stats.node_name)
    name = stats.node_name[unique.start():] if unique else stats.node_name
    sizes = [(output.slot, tf.as_dtype(output.tensor_description.dtype).base_dtype,
              int(np.prod([dim.size for dim in output.tensor_description.shape.dim],
                          dtype=np.int64))) for output in stats.output]
    if name not in self._nodes:
      if op.group(1) in _ADDED:
        self._executed[stats.node_name] = op.group(1)
        self._added.setdefault(stats.node_name, []).extend(
            (dtype, size) for slot, dtype, size in sizes
            if slot == 0 or op.group(1) == 'Switch')
      return
    self._executed[name] = op.group(1)
    for slot, _, size in sizes:
      self._sizes[name, slot] = max(size, self._sizes.get((name, slot), 0))

  def ops(self) -> Set[str]:
    """Returns the types of the operations that ran."""
    return set(self._executed.values())

  def faults(self, limit: int) -> List[Fault]:
    """Returns the faults of the nodes that ran: a line for each reason to leave a GPU.

    Args:
      limit: the number of elements above which a tensor counts as large.
    """
    found = []
    for name, op in sorted(self._executed.items()):
      if name in self._nodes:
        found.extend(self._faults_of(self._nodes[name], limit))
      else:
        found.extend(_faults_of_added(name, op, self._added.get(name, ()), limit))
    return found

  def _faults_of(self, node: Any, limit: int) -> Iterator[Fault]:
    if node.op in _IGNORED:
      return
    sizes = [self._size_of(each) for each in node.input if not each.startswith('^')]
    if kernel_table.is_call(node):
      memory = kernel_table.memory_of_call(*self._signature(node))
    else:
      memory = kernel_table.memory_of(node)
    if not memory.has_kernel and node.name in self._placed:
      if max([self._size_of_output(node, index) for index in range(len(memory.outputs))] + sizes,
             default=0) > limit:
        yield Fault(node.name, node.op, 'runs on the CPU with a large tensor')
      return
    if not memory.has_kernel:
      yield Fault(node.name, node.op, 'no kernel for GPUs with %s' % ', '.join(
          dtype.name for dtype in memory.inputs + memory.outputs))
      return
    if self._may_become_add_n(node):
      yield Fault(node.name, node.op, 'may be turned, with the sum it adds to, into an AddN, which '
                  'has no kernel for GPUs with %s' % memory.outputs[0].name)
    for index in memory.host_inputs:
      if sizes[index] > limit:
        yield Fault(node.name, node.op, 'takes %d elements of %s in host memory' % (
            sizes[index], memory.inputs[index].name))
    for index in memory.host_outputs:
      size = self._size_of_output(node, index)
      if size > limit:
        yield Fault(node.name, node.op, 'gives %d elements of %s in host memory' % (
            size, memory.outputs[index].name))

  def _may_become_add_n(self, node: Any) -> bool:
    """Whether TensorFlow's optimizer may join a sum of sums into a node without a kernel."""
    if node.op not in _SUMS or not any(
        self._nodes[name].op in _SUMS for name in (each.split(':')[0] for each in node.input)
        if name in self._nodes):
      return False
    joined = tf.NodeDef(name=node.name, op='AddN')
    joined.attr['T'].CopyFrom(node.attr['T'])
    joined.attr['N'].i = 3
    return not kernel_table.memory_of(joined).has_kernel

  def _signature(self, node: Any) -> Tuple[List[Any], List[Any]]:
    """Returns the dtypes of the inputs and of the outputs of a call."""
    name, skipped = next(self._called_by(node), (None, 0))
    if name is None:
      return [], []
    if node.op.endswith('While'):
      dtypes = [tf.as_dtype(each) for each in node.attr['T'].list.type]
      return dtypes, dtypes
    signature = self._functions[name].signature
    inputs = [tf.as_dtype(each.type) for each in signature.input_arg]
    return [tf.bool] * skipped + inputs, [tf.as_dtype(each.type) for each in signature.output_arg]

  def _size_of(self, reference: str) -> int:
    """Returns the largest size of a tensor, by its name in a GraphDef or in a function."""
    name, *rest = reference.split(':')
    if name in self._arguments:
      return self._size_of_argument(*self._arguments[name])
    node = self._nodes[name]
    if len(rest) < 2:
      return self._size_of_output(node, int(rest[0]) if rest else 0)
    if kernel_table.is_call(node) and node.op in self._functions:
      names = [each.name for each in self._functions[node.op].signature.output_arg]
      return self._size_of_output(node, names.index(rest[0]))
    return self._size_of_output(node, kernel_table.output_index(node, rest[0], int(rest[1])))

  def _size_of_argument(self, function: str, index: int) -> int:
    # Of calls that did not run there are no sizes.
    return max([self._size_of(node.input[index + skipped])
                for node, skipped in self._callers.get(function, ())], default=0)

  def _size_of_output(self, node: Any, index: int) -> int:
    if (node.name, index) in self._sizes:
      return self._sizes[node.name, index]
    sizes = [0]
    for name, _ in self._called_by(node):  # It was lowered, and is not in the trace itself.
      function = self._functions[name]
      if index < len(function.signature.output_arg):
        result = function.ret[function.signature.output_arg[index].name]
        if result.split(':')[0] not in self._arguments:
          sizes.append(self._size_of(result))
    return max(sizes)


def _faults_of_added(name: str, op: str, outputs: Sequence[Tuple[Any, int]], limit: int
                     ) -> Iterator[Fault]:
  for dtype, size in outputs:
    node = tf.NodeDef(name=name, op=op)
    node.attr['T'].type = dtype.as_datatype_enum
    node.attr['N'].i = 1
    memory = kernel_table.memory_of(node)
    if not memory.has_kernel:
      yield Fault(name, op, 'no kernel for GPUs with %s' % dtype.name)
    elif 0 in memory.host_outputs and size > limit:
      yield Fault(name, op, 'moves %d elements of %s in host memory' % (size, dtype.name))
