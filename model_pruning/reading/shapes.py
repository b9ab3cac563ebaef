# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Static shapes of the tensors of a graph, with one example in place of a batch."""

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.reading import nodes as graphs
from model_pruning.reading import tensors
from model_pruning.util.types import NodeDef
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor
from model_pruning.util.types import TensorProto

INPUTS = ('Placeholder', 'PlaceholderWithDefault', 'PlaceholderV2', 'IteratorGetNext')
# The most elements, or bytes, of constants from which shapes are computed.
_MOST_COMPUTED = 1000

Dims = Optional[Tuple[Optional[int], ...]]


class Shapes:
  """Static shapes of tensors, by TensorFlow's own shape inference.

  It goes node by node, because a file may hold a node that computes a huge constant, or that this
  TensorFlow lacks. A graph that TensorFlow has imported before is imported at once, which takes a
  fraction of the time.

  Attributes:
    vague: names of inputs with unknown dimensions besides the first.
    disagreeing: the inputs that differ in their first dimension, as text; '' if they agree.
  """

  def __init__(self, nodes: graphs.Nodes, given: Mapping[str, Sequence[int]],
               trusted: bool = False) -> None:
    """Begins.

    Args:
      nodes: the nodes, whose inputs are all among them.
      given: shapes of inputs, by the names of their nodes.
      trusted: whether TensorFlow has imported the graph before.
    """
    self._nodes, self._given = nodes, given
    self._outputs: Dict[str, Optional[List[Any]]] = {}  # Tensors; None if they are unknown.
    self._op_defs: Dict[str, Any] = {}
    self._graph = tf.Graph()
    self.vague: List[str] = []
    self.disagreeing = ''
    self._batch = 1 if given else self._find_batch()
    if trusted:
      self._import_at_once()

  def of(self, ref: graphs.Ref) -> Dims:
    """Returns the shape of a node's output; None if its rank is unknown."""
    tensor = self._tensor(ref)
    if tensor is None or tensor.shape.rank is None:
      return None
    return tuple(tensor.shape.as_list())

  def per_example(self, factor: int, dims: Sequence[Optional[int]]) -> Optional[int]:
    """Returns factor * product of dims / number of examples; None if unknown."""
    total = factor
    for dim in dims:
      if dim is None:
        return None
      total *= dim
    return None if self.disagreeing else total // self._batch

  def _find_batch(self) -> int:
    leading: Dict[int, str] = {}
    for node in self._nodes.values():
      for shape in declared(node):
        if shape is not None and len(shape) > 1 and shape[0] is not None:
          leading.setdefault(shape[0], '%s: %s' % (node.name, text_of(shape)))
    if len(leading) > 1:
      self.disagreeing = ', '.join(leading.values())
    return next(iter(leading), 1)

  def _tensor(self, ref: graphs.Ref) -> TensorProto:
    """Returns the tensor that represents an output, importing the nodes it depends on."""
    pending, waiting = [ref.node], set()
    while pending:
      name = pending[-1]
      if name in self._outputs or name not in self._nodes:
        pending.pop()
        continue
      waiting.add(name)
      node = self._nodes[name]
      wanted = self._wanted(node)
      # A node that is already waiting closes a loop: it stays unknown.
      missing = [other.node for other in wanted if other.node in self._nodes and
                 other.node not in self._outputs and other.node not in waiting]
      if missing:
        pending.append(missing[0])
        continue
      self._outputs[name] = self._import(node, [self._known(other) for other in wanted])
      pending.pop()
    return self._known(ref)

  def _wanted(self, node: graphs.Node) -> Sequence[graphs.Ref]:
    if node.name in self._given or node.op in INPUTS or node.op in graphs.VARIABLE_OPS:
      return ()
    return node.inputs[:1] if graphs.is_same(node) else node.inputs

  def _known(self, ref: graphs.Ref) -> Any:
    outputs = self._outputs.get(ref.node)
    if outputs is None:
      return None
    index, op_def = ref.index, self._op_defs.get(ref.node)
    if ref.arg and op_def is not None:
      for arg, number in op_def:
        if arg == ref.arg:
          break
        index += number
    return outputs[index] if index < len(outputs) else None

  def _import(self, node: graphs.Node, inputs: Sequence[Any]) -> Optional[List[Any]]:
    with self._graph.as_default():
      attr = node.definition.attr
      if node.name in self._given:
        dtype = next((attr[key].type for key in ('dtype', 'T') if key in attr), tf.float32)
        return [tf.placeholder(dtype, self._given[node.name])]
      if node.op in INPUTS:
        return self._import_input(node)
      if node.op in graphs.VARIABLE_OPS:
        return [tf.placeholder(attr['dtype'].type, tf.TensorShape(attr['shape'].shape))]
      if node.op == 'Const' and _is_large(node.definition):
        # Weights are needed for their shape only; the constants that determine shapes are small.
        return [tf.placeholder(attr['dtype'].type,
                               tf.TensorShape(attr['value'].tensor.tensor_shape))]
      if any(tensor is None for tensor in inputs):
        return None
      if graphs.is_same(node):
        return [inputs[0]] * 2  # A Switch has two outputs.
      return self._import_operation(node, inputs)

  def _import_at_once(self) -> None:
    """Imports all nodes, unless some are in functions or loops, or cannot be imported."""
    if any(node.in_loop or any(ref.arg for ref in node.inputs) or node.op == 'ResourceGather'
           for node in self._nodes.values()):
      return
    graph_def = tf.GraphDef()
    graph_def.versions.producer = tf.version.GRAPH_DEF_VERSION
    made: Dict[str, List[Any]] = {}
    given: Dict[str, Any] = {}
    names: Dict[str, str] = {}
    for index, node in enumerate(self._nodes.values()):
      names[node.name] = 'n%d' % index
      if self._is_placeholder(node):
        made[node.name] = self._import(node, ()) or []
        given.update(('n%d:%d' % (index, output), tensor)
                     for output, tensor in enumerate(made[node.name]))
    for node in self._nodes.values():
      if node.name not in made and not graphs.is_same(node):
        definition = _plain(node)
        definition.name = names[node.name]
        for ref in node.inputs:
          ref = self._behind(ref)
          if ref.node not in names:
            return
          definition.input.append('%s:%d' % (names[ref.node], ref.index))
        graph_def.node.append(definition)
    used = {text for definition in graph_def.node for text in definition.input}
    try:
      with self._graph.as_default():
        ops = tf.import_graph_def(
            graph_def, {key: tensor for key, tensor in given.items() if key in used},
            [definition.name for definition in graph_def.node], name='')
    except (ValueError, TypeError, KeyError, tf.errors.OpError):
      return  # Node by node, some may be known.
    by_name = dict(zip((definition.name for definition in graph_def.node), ops))
    for node in self._nodes.values():
      if node.name not in made and not graphs.is_same(node):
        made[node.name] = list(by_name[names[node.name]].outputs)
    for node in self._nodes.values():
      if graphs.is_same(node):
        ref = self._behind(graphs.Ref(node.name))
        made[node.name] = [made[ref.node][ref.index]] * 2
    self._outputs.update(made)

  def _behind(self, ref: graphs.Ref) -> graphs.Ref:
    """Returns the output that operations copy."""
    while ref.node in self._nodes and graphs.is_same(self._nodes[ref.node]):
      ref = self._nodes[ref.node].inputs[0]
    return ref

  def _is_placeholder(self, node: graphs.Node) -> bool:
    """Whether a placeholder represents a node: an input, a variable, or a large constant."""
    return (node.name in self._given or node.op in INPUTS or node.op in graphs.VARIABLE_OPS or
            node.op == 'Const' and _is_large(node.definition))

  def _import_input(self, node: graphs.Node) -> List[Any]:
    attr = node.definition.attr
    dtypes = attr['output_types'].list.type if 'output_types' in attr else [attr['dtype'].type]
    made = []
    for dtype, shape in zip(dtypes, declared(node)):
      if shape and shape[0] is None:
        shape = (self._batch,) + shape[1:]
      if (shape is None or None in shape) and node.name not in self.vague:
        self.vague.append(node.name)
      made.append(tf.placeholder(dtype, shape))
    return made

  def _import_operation(self, node: graphs.Node, inputs: Sequence[Any]) -> Optional[List[Any]]:
    graph_def = tf.GraphDef()
    graph_def.versions.producer = tf.version.GRAPH_DEF_VERSION
    definition = graph_def.node.add()
    definition.CopyFrom(_plain(node))
    definition.name = 'n%d' % len(self._outputs)
    if node.op == 'ResourceGather':  # In this graph, variables are plain tensors.
      definition.op = 'Gather'
      definition.attr['Tparams'].type = node.definition.attr['dtype'].type
      for key in ('dtype', 'batch_dims'):
        definition.attr.pop(key, None)
    definition.input.extend('i%d' % index for index in range(len(inputs)))
    given = {'i%d:0' % index: tensor for index, tensor in enumerate(inputs)}
    op = None
    while op is None:
      try:
        op, = tf.import_graph_def(graph_def, given, [definition.name], name='')
      except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        # A newer TensorFlow may have written an attribute that this one does not know.
        unknown = re.search(r"mentions attr '(\w+)' not in", str(error))
        if not unknown or unknown.group(1) not in definition.attr:
          return None  # This TensorFlow lacks the operation, or it needs the graph's functions.
        del definition.attr[unknown.group(1)]
    self._op_defs[node.name] = [(arg.name, _number(arg, op)) for arg in op.op_def.output_arg]
    return [_unevaluated(tensor) for tensor in op.outputs]


def _is_large(constant: NodeDef) -> bool:
  """Whether a constant is a weight, needed for its shape only: others determine shapes."""
  tensor = constant.attr['value'].tensor
  return max(tensors.elements(dim.size for dim in tensor.tensor_shape.dim),
             len(tensor.tensor_content), constant.ByteSize()) > _MOST_COMPUTED


def _plain(node: graphs.Node) -> NodeDef:
  """Returns the definition of a node without inputs, device and private attributes."""
  definition = tf.NodeDef()
  definition.CopyFrom(node.definition)
  definition.ClearField('device')
  for key in [key for key in definition.attr if key.startswith('_')]:
    del definition.attr[key]
  del definition.input[:]
  return definition


def _unevaluated(tensor: Tensor) -> Any:
  """Replaces a large tensor with a placeholder, so that shape inference does not evaluate it."""
  if not tensor.shape.is_fully_defined() or tensor.dtype in (tf.resource, tf.variant) or \
      tensors.elements(tensor.shape.as_list()) <= _MOST_COMPUTED:
    return tensor
  return tf.placeholder(tensor.dtype, tensor.shape)


def _number(arg: Any, op: Operation) -> int:
  """Returns the number of tensors in an output argument of an operation."""
  if arg.number_attr:
    return int(op.get_attr(arg.number_attr))
  return len(op.get_attr(arg.type_list_attr)) if arg.type_list_attr else 1


def declared(node: graphs.Node) -> List[Dims]:
  """Returns the shapes that a graph input declares for its outputs; [] for other nodes."""
  if node.op not in INPUTS:
    return []
  attr = node.definition.attr
  shapes = attr['output_shapes'].list.shape if 'output_shapes' in attr else [attr['shape'].shape]
  return [None if shape.unknown_rank else tuple(
      None if dim.size < 0 else dim.size for dim in shape.dim) for shape in shapes]


def text_of(shape: Sequence[Optional[int]]) -> str:
  """Returns a shape as text, 1x28x28; unknown dimensions are '?'."""
  return 'x'.join('?' if dim is None else str(dim) for dim in shape)
