# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Counts the FLOPs of the layers of a graph: multiplications by stored weights."""

import dataclasses
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import nodes as graphs
from model_pruning.reading import tensors
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor
from model_pruning.util.types import TensorProto

# The operands of each operation that may be the kernel.
_LAYERS = {
    'Conv2D': (1,), 'DepthwiseConv2dNative': (1,), 'Conv3D': (1,), 'Conv2DBackpropInput': (1,),
    'Conv3DBackpropInputV2': (1,), 'MatMul': (1, 0), 'BatchMatMul': (1, 0), 'BatchMatMulV2': (1, 0),
    'BatchMatMulV3': (1, 0), 'SparseMatMul': (1, 0), 'Einsum': (1, 0),
}
_GRADIENTS = re.compile(r'(^|/)gradients(_\d+)?/|_grad/')
_INPUTS = ('Placeholder', 'PlaceholderWithDefault', 'PlaceholderV2', 'IteratorGetNext')
# The most elements, or bytes, of constants from which shapes are computed.
_MOST_COMPUTED = 1000

Dims = Optional[Tuple[Optional[int], ...]]


@dataclasses.dataclass(frozen=True)
class Layer:
  """One multiplication by a stored kernel.

  Attributes:
    name: name of the operation.
    op: its type.
    sources: names of the variables and constants from which the kernel is computed.
    flops: FLOPs per example, two per multiply-add; None if a shape is unknown.
    in_loop: whether `flops` count a single iteration of a loop.
    transposed: whether a matrix product takes the kernel as [outputs, inputs].
  """
  name: str
  op: str
  sources: Tuple[str, ...]
  flops: Optional[int]
  in_loop: bool
  transposed: bool = False


@dataclasses.dataclass(frozen=True)
class Layers:
  """The layers of a graph, in its order, and notes on their FLOPs."""
  layers: Tuple[Layer, ...]
  notes: Tuple[str, ...]


def layers_of(nodes: graphs.Nodes, weights: Sequence[str],
              input_shapes: Optional[Mapping[str, Sequence[int]]] = None) -> Layers:
  """Returns the layers of a graph's forward pass.

  Operations with the names of gradients are excluded. input_shapes are shapes of one
  example; without them, the first dimension of inputs counts examples.

  Args:
    nodes: result of nodes.flatten.
    weights: names of the nodes that are stored weights, including masks and partitions.
    input_shapes: shapes of inputs (placeholders and similar nodes), by the names of their nodes.

  Raises:
    errors.ModelFileError: input_shapes has a name that is no input.
  """
  known = set(weights)
  found: List[Tuple[graphs.Node, int, Tuple[str, ...]]] = []
  for node in nodes.values():
    if node.op in _LAYERS and not _GRADIENTS.search(node.name):
      for operand in _LAYERS[node.op]:
        if operand < len(node.inputs):
          made_of = tuple(source.name for source in graphs.sources(nodes, node.inputs[operand])
                          if source.name in known)
          if made_of:
            found.append((node, operand, made_of))
            break
  needed = graphs.needed_for(nodes, [node.name for node, _, _ in found])
  shapes = _Shapes(needed, _check(nodes, input_shapes))
  layers = [Layer(node.name, node.op, made_of, _flops(node, operand, shapes), node.in_loop,
                  _is_transposed(node, operand))
            for node, operand, made_of in found]
  return Layers(tuple(layers), tuple(_notes(layers, shapes)))


def _is_transposed(node: graphs.Node, operand: int) -> bool:
  """Whether a matrix product takes its kernel as [outputs, inputs]."""
  if 'MatMul' not in node.op:
    return False
  flags = [node.definition.attr[name].b for name in (
      ('transpose_b', 'adj_y') if operand else ('transpose_a', 'adj_x'))]
  return any(flags) if operand else not any(flags)


def _check(nodes: graphs.Nodes, input_shapes: Optional[Mapping[str, Sequence[int]]]
           ) -> Dict[str, Sequence[int]]:
  given = {name.split(':')[0]: shape for name, shape in (input_shapes or {}).items()}
  for name in given:
    if name not in nodes:
      inputs = [node.name for node in nodes.values() if node.op in _INPUTS]
      raise errors.ModelFileError(
          'input_shapes: the graph has no input %r%s; its inputs are: %s' %
          (name, errors.nearest(name, inputs), ', '.join(inputs) or '(none)'))
  return given


def _notes(layers: Sequence[Layer], shapes: '_Shapes') -> List[str]:
  notes = []
  if any(layer.in_loop for layer in layers):
    notes.append('FLOPs of layers in a loop count one iteration.')
  unknown = [layer.name for layer in layers if layer.flops is None]
  if unknown and shapes.disagreeing:
    notes.append('FLOPs are unknown: the inputs differ in their first dimension (%s); give '
                 'input_shapes for one example.' % shapes.disagreeing)
  elif unknown:
    notes.append('FLOPs of %s are unknown%s: give input_shapes%s.' % (
        unknown[0], ' (and of %d more)' % (len(unknown) - 1) if len(unknown) > 1 else '',
        ' of ' + ', '.join(shapes.vague) if shapes.vague else ''))
  return notes


def _flops(node: graphs.Node, operand: int, shapes: '_Shapes') -> Optional[int]:
  """Returns the FLOPs of a layer per example; None if a shape is unknown."""
  kernel = shapes.of(node.inputs[operand])
  if node.op == 'Einsum':
    return _einsum_flops(node, shapes)
  if node.op.startswith(('Conv', 'Depthwise')):
    transposed = 'Backprop' in node.op
    # The whole kernel is applied at each position of the outputs; if transposed, of the inputs.
    positions = shapes.of(node.inputs[2] if transposed else graphs.Ref(node.name))
    if positions is None or kernel is None:
      return None
    order = node.definition.attr['data_format'].s or (
        b'NHWC' if len(positions) == 4 else b'NDHWC')
    rest = [dim for index, dim in enumerate(positions) if order[index:index + 1] != b'C']
  else:
    other, output = shapes.of(node.inputs[1 - operand]), shapes.of(graphs.Ref(node.name))
    if kernel is None or other is None or output is None:
      return None
    adjoint = any(node.definition.attr[name].b for name in (
        ('transpose_a', 'adj_x') if operand else ('transpose_b', 'adj_y')))
    # [m, k] x [k, n]: the kernel provides n of the output. Batches are the output's.
    m = (len(other) - 1 if adjoint else len(other) - 2) if operand else (
        len(other) - 2 if adjoint else len(other) - 1)
    rest = [other[m]] + list(output[:-2])
    kernel = kernel[-2:]
  return shapes.per_example(2, list(kernel) + rest)


def _einsum_flops(node: graphs.Node, shapes: '_Shapes') -> Optional[int]:
  equation = node.definition.attr['equation'].s.decode('utf-8', 'replace').replace(' ', '')
  terms = equation.split('->')[0].split(',')
  dims: Dict[str, Optional[int]] = {}
  for term, ref in zip(terms, node.inputs):
    shape = shapes.of(ref)
    if shape is None:
      return None
    head, dots, tail = term.partition('...')
    labels = list(head) + ['...%d' % (len(head) + len(tail) - len(shape) + index)
                           for index in range(len(shape) - len(head) - len(tail))
                           if dots] + list(tail)
    for label, dim in zip(labels, shape):
      dims[label] = dim if dims.get(label, 1) == 1 else dims[label]
  return shapes.per_example(2, list(dims.values()))


class _Shapes:
  """Static shapes of tensors, by TensorFlow's own shape inference, node by node.

  Attributes:
    vague: names of inputs with unknown dimensions besides the first.
    disagreeing: the inputs that differ in their first dimension, as text; '' if they agree.
  """

  def __init__(self, nodes: graphs.Nodes, given: Mapping[str, Sequence[int]]) -> None:
    self._nodes, self._given = nodes, given
    self._outputs: Dict[str, Optional[List[Any]]] = {}  # Tensors; None if they are unknown.
    self._op_defs: Dict[str, Any] = {}
    self._graph = tf.Graph()
    self.vague: List[str] = []
    self.disagreeing = ''
    self._batch = 1 if given else self._find_batch()

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
      for shape in _declared(node):
        if shape is not None and len(shape) > 1 and shape[0] is not None:
          leading.setdefault(shape[0], '%s: %s' % (node.name, _text(shape)))
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
    if node.name in self._given or node.op in _INPUTS or node.op in graphs.VARIABLE_OPS:
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
      if node.op in _INPUTS:
        return self._import_input(node)
      if node.op in graphs.VARIABLE_OPS:
        return [tf.placeholder(attr['dtype'].type, tf.TensorShape(attr['shape'].shape))]
      if node.op == 'Const' and (node.definition.ByteSize() > _MOST_COMPUTED or tensors.elements(
          dim.size for dim in attr['value'].tensor.tensor_shape.dim) > _MOST_COMPUTED):
        # Weights are needed for their shape only; the constants that determine shapes are small.
        return [tf.placeholder(attr['dtype'].type,
                               tf.TensorShape(attr['value'].tensor.tensor_shape))]
      if any(tensor is None for tensor in inputs):
        return None
      if graphs.is_same(node):
        return [inputs[0]] * 2  # A Switch has two outputs.
      return self._import_operation(node, inputs)

  def _import_input(self, node: graphs.Node) -> List[Any]:
    attr = node.definition.attr
    dtypes = attr['output_types'].list.type if 'output_types' in attr else [attr['dtype'].type]
    made = []
    for dtype, shape in zip(dtypes, _declared(node)):
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
    definition.CopyFrom(node.definition)
    definition.name = 'n%d' % len(self._outputs)
    if node.op == 'ResourceGather':  # In this graph, variables are plain tensors.
      definition.op = 'Gather'
      definition.attr['Tparams'].type = node.definition.attr['dtype'].type
      for key in ('dtype', 'batch_dims'):
        definition.attr.pop(key, None)
    definition.ClearField('device')
    for key in [key for key in definition.attr if key.startswith('_')]:
      del definition.attr[key]
    del definition.input[:]
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


def _declared(node: graphs.Node) -> List[Dims]:
  """Returns the shapes that a graph input declares for its outputs; [] for other nodes."""
  if node.op not in _INPUTS:
    return []
  attr = node.definition.attr
  shapes = attr['output_shapes'].list.shape if 'output_shapes' in attr else [attr['shape'].shape]
  return [None if shape.unknown_rank else tuple(
      None if dim.size < 0 else dim.size for dim in shape.dim) for shape in shapes]


def _text(shape: Sequence[Optional[int]]) -> str:
  return 'x'.join('?' if dim is None else str(dim) for dim in shape)
