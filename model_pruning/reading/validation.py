# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checks a GraphDef as a whole, once, before any code traverses it.

TensorFlow's own checks come late, one at a time and with many classes of errors, and some faults
end the process.
"""

from typing import Any, Dict, List, NoReturn, Sequence, Set

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import tensors
from model_pruning.util.types import AttrValue
from model_pruning.util.types import FunctionDef
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

# Operations that call functions, grouped by the meaning of their inputs.
CALLS = ('PartitionedCall', 'StatefulPartitionedCall', 'TPUPartitionedCall')
LOOPS = ('While', 'StatelessWhile')
BRANCHES = ('If', 'StatelessIf', 'Case', 'StatelessCase')
_ROLES = dict([(op, ('f',)) for op in CALLS] + [(op, ('cond', 'body')) for op in LOOPS] + [
    (op, ('then_branch', 'else_branch')) for op in ('If', 'StatelessIf')] + [
        (op, ('branches',)) for op in ('Case', 'StatelessCase')])
_BACK = ('NextIteration', 'RefNextIteration')  # They close the loops of TensorFlow 1.
_MOST_REPEATED = 4 * tensors.LARGEST  # Bytes in all arrays of a graph together.


def check(graph_def: GraphDef, source: str) -> None:
  """Raises errors.ModelFileError unless a GraphDef is consistent.

  Names must be unique; inputs must exist and form no circle; functions that are called must
  exist and take the arguments passed to them; dtypes and shapes must be valid; and arrays must
  have the sizes that they declare.

  Args:
    graph_def: the GraphDef. It may have operations that this TensorFlow does not know.
    source: the file it comes from, for the error.
  """
  try:
    _check(graph_def)
  except errors.ModelFileError as error:
    raise errors.ModelFileError('%s: the graph is damaged: %s' % (source, error)) from error


def _check(graph_def: GraphDef) -> None:
  functions: Dict[str, Any] = {}
  for function in graph_def.library.function:
    name = function.signature.name
    if not name or name in functions:
      _fail('it has %s' % ('two functions %s' % name if name else 'a function without a name'))
    functions[name] = function
  repeated = [0]
  _check_nodes(graph_def.node, (), functions, '', repeated)
  for name, function in functions.items():
    _check_function(name, function, functions, repeated)
  _check_inlined(graph_def.node, functions)
  if repeated[0] > _MOST_REPEATED and repeated[0] > graph_def.ByteSize():
    _fail('its arrays would take %s bytes of memory, which the file does not have' %
          '{:,}'.format(repeated[0]))


def _check_function(name: str, function: FunctionDef, functions: Dict[str, Any],
                    repeated: List[int]) -> None:
  where = ' in function %s' % name
  arguments = [arg.name for arg in function.signature.input_arg]
  if len(set(arguments)) < len(arguments):
    _fail('two arguments of function %s have one name' % name)
  _check_nodes(function.node_def, arguments, functions, where, repeated)
  known = set(arguments) | {node.name for node in function.node_def}
  results = [arg.name for arg in function.signature.output_arg]
  if len(set(results)) < len(results):
    _fail('two results of function %s have one name' % name)
  for result in results:
    if result not in function.ret:
      _fail('function %s does not define its result %s' % (name, result))
  for ref in [*function.ret.values(), *function.control_ret.values()]:
    if _producer(ref) not in known:
      _fail('function %s returns %s, which it does not contain' % (name, ref))
    _check_port(ref, 'the results', where)
  for arg in [*function.signature.input_arg, *function.signature.output_arg]:
    if arg.type and not _is_dtype(arg.type):
      _fail('argument %s of function %s has the dtype %d' % (arg.name, name, arg.type))


def _check_nodes(nodes: Sequence[NodeDef], arguments: Sequence[str], functions: Dict[str, Any],
                 where: str, repeated: List[int]) -> None:
  names: Set[str] = set(arguments)
  for node in nodes:
    if not node.name or not node.op:
      _fail('a node%s has no %s' % (where, 'operation' if node.name else 'name'))
    if node.name in names:
      _fail('two nodes%s have the name %s' % (where, node.name))
    names.add(node.name)
  for node in nodes:
    controls = False
    for ref in node.input:
      controls = controls or ref.startswith('^')
      if controls and not ref.startswith('^'):
        _fail('node %s%s has its inputs in the wrong order' % (node.name, where))
      if _producer(ref) not in names:
        _fail('node %s%s has the input %r, which does not exist' % (node.name, where, ref))
      _check_port(ref, node.name, where)
    for key, attr in node.attr.items():
      _check_attr(node, key, attr, where, repeated)
    if node.op == 'Const' and (not node.attr['value'].HasField('tensor') or
                               node.attr['value'].tensor.dtype != node.attr['dtype'].type):
      _fail('constant %s%s has no value of its dtype' % (node.name, where))
    _check_calls(node, functions, where)
  _check_order(nodes, where)


def _check_attr(node: NodeDef, key: str, attr: AttrValue, where: str, repeated: List[int]) -> None:
  """Checks an attribute; adds to repeated[0] the bytes of arrays that the file does not hold."""
  kind = attr.WhichOneof('value')
  subject = 'attribute %s of node %s%s' % (key, node.name, where)
  if kind == 'type' and not _is_dtype(attr.type):
    _fail('%s is the dtype %d' % (subject, attr.type))
  shapes = [attr.shape] if kind == 'shape' else attr.list.shape if kind == 'list' else ()
  for shape in shapes:
    dims = [dim.size for dim in shape.dim]
    if any(dim < -1 for dim in dims) or len(dims) > 254 or \
        tensors.elements([dim for dim in dims if dim > 0]) >= 2**63:
      _fail('%s is the shape %s' % (subject, 'x'.join(map(str, dims[:20]))))
  for tensor in [attr.tensor] if kind == 'tensor' else attr.list.tensor if kind == 'list' else ():
    if not tensor.ByteSize():
      continue  # An empty element of a list, or a value that is not set.
    if tensor.dtype in (tf.resource.as_datatype_enum, tf.variant.as_datatype_enum):
      continue  # Their values are C++ objects.
    declared, dtype, present = tensors.check(tensor, '%s%s' % (node.name, where))
    size = tensors.elements(declared)
    repeated[0] += (size - present) * (dtype.size or 1) if present < size else 0


def _check_calls(node: NodeDef, functions: Dict[str, Any], where: str) -> None:
  """Checks that the functions that a node calls exist and take the number of its arguments."""
  called = _called_by(node, functions)
  passed = sum(not ref.startswith('^') for ref in node.input) - (node.op in BRANCHES)
  signatures = []
  for name in called:
    if name not in functions:
      _fail('node %s%s calls the function %r, which does not exist' % (node.name, where, name))
    signature = functions[name].signature
    signatures.append(signature)
    if any(arg.number_attr or arg.type_list_attr for arg in signature.input_arg):
      continue
    if len(signature.input_arg) != passed:
      _fail('node %s%s passes %d values to function %s, which takes %d' % (
          node.name, where, passed, name, len(signature.input_arg)))
  if node.op in LOOPS and len(signatures[1].output_arg) != passed:
    _fail('the body %s of loop %s%s returns %d values of %d' % (
        signatures[1].name, node.name, where, len(signatures[1].output_arg), passed))
  if node.op in LOOPS and len(signatures[0].output_arg) != 1:
    _fail('the condition %s of loop %s%s returns %d values' % (
        signatures[0].name, node.name, where, len(signatures[0].output_arg)))
  if node.op in BRANCHES and len({len(signature.output_arg) for signature in signatures}) > 1:
    _fail('the branches of %s%s return different numbers of values' % (node.name, where))


def _called_by(node: NodeDef, functions: Dict[str, Any]) -> List[str]:
  if node.op in functions:
    return [node.op]
  names = []
  for role in _ROLES.get(node.op, ()):
    attr = node.attr[role]
    names += [func.name for func in attr.list.func] if role == 'branches' else [attr.func.name]
  return names


def _check_order(nodes: Sequence[NodeDef], where: str) -> None:
  """Checks that inputs form no circles except through loops."""
  by_name = {node.name: node for node in nodes}
  readers: Dict[str, List[str]] = {}
  waiting: Dict[str, int] = {}
  for node in nodes:
    before = {name for name in map(_producer, node.input)
              if name in by_name and by_name[name].op not in _BACK}
    waiting[node.name] = len(before)
    for name in before:
      readers.setdefault(name, []).append(node.name)
  pending = [name for name, number in waiting.items() if not number]
  for name in pending:  # The loop extends the list.
    for reader in readers.get(name, ()):
      waiting[reader] -= 1
      if not waiting[reader]:
        pending.append(reader)
  if len(pending) < len(by_name):
    done = set(pending)
    _fail('the inputs of node %s%s lead back to it' % (
        next(name for name in by_name if name not in done), where))


def _check_port(ref: str, node: str, where: str) -> None:
  parts = ref.split(':')[1:]
  if len(parts) > 2 or parts and not (parts[-1].isdigit() and len(parts[-1]) < 10):
    _fail('%s%s: %r is not an output of a node' % (node, where, ref))


def _producer(ref: str) -> str:
  return ref.lstrip('^').split(':')[0]


def _is_dtype(number: int) -> bool:
  try:
    tf.as_dtype(number)
  except TypeError:
    return False
  return True


def _fail(message: str) -> NoReturn:
  raise errors.ModelFileError(message)


# ---- Functions, inlined. ----


def _check_inlined(nodes: Sequence[NodeDef], functions: Dict[str, Any]) -> None:
  """Limits the number of nodes after inlining functions, without inlining them.

  A function that calls itself is counted once; a Budget limits its inlining later.
  """
  totals: Dict[str, int] = {}
  calls = {name: [callee for node in function.node_def for callee in _called_by(node, functions)]
           for name, function in functions.items()}
  for start in functions:
    stack = [start]
    while stack:
      name = stack[-1]
      if name in totals and totals[name]:
        stack.pop()
        continue
      missing = [callee for callee in calls[name] if callee not in totals]
      totals.setdefault(name, 0)
      if missing:
        stack.append(missing[0])
        continue
      stack.pop()
      totals[name] = 1 + len(functions[name].node_def) + sum(
          totals[callee] for callee in calls[name])
  Budget().spend(sum(totals[callee] for node in nodes for callee in _called_by(node, functions)),
                 0, 0)


class Budget:
  """Limits how large inlining makes a graph, as nested calls can double it at each level."""

  MOST_NODES, MOST_BYTES, MOST_CALLS = 3 * 10**5, 2**30, 100

  def __init__(self) -> None:
    self._nodes = self._bytes = 0

  def spend(self, nodes: int, size: int, depth: int) -> None:
    """Accounts for nodes that are added.

    Args:
      nodes: their number.
      size: bytes that they take.
      depth: number of calls that contain them.

    Raises:
      errors.ModelFileError: the limit is exceeded.
    """
    self._nodes += nodes
    self._bytes += size
    if depth > self.MOST_CALLS:
      raise errors.ModelFileError('The functions of the graph call one another more than %d deep, '
                                  'or in a circle; export the model with fewer' % self.MOST_CALLS)
    if self._nodes > self.MOST_NODES or self._bytes > self.MOST_BYTES:
      raise errors.ModelFileError(
          'The functions of the graph call one another so often that it has more than %s nodes, or '
          'nodes of more than %s bytes; export the model with fewer calls' % (
              '{:,}'.format(self.MOST_NODES), '{:,}'.format(self.MOST_BYTES)))
