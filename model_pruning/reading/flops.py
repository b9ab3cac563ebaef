# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Counts the FLOPs of the layers of a graph: multiplications by stored weights."""

import dataclasses
import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.reading import nodes as graphs
from model_pruning.reading.shapes import declared
from model_pruning.reading.shapes import INPUTS
from model_pruning.reading.shapes import Shapes
from model_pruning.reading.shapes import text_of

# The operands of each operation that may be the kernel.
LAYERS = {
    'Conv2D': (1,), 'DepthwiseConv2dNative': (1,), 'Conv3D': (1,), 'Conv2DBackpropInput': (1,),
    'Conv3DBackpropInputV2': (1,), 'MatMul': (1, 0), 'BatchMatMul': (1, 0), 'BatchMatMulV2': (1, 0),
    'BatchMatMulV3': (1, 0), 'SparseMatMul': (1, 0), 'Einsum': (1, 0),
}
# Inputs of Savers, and of the initializers of variables.
_OF_LIBRARIES = re.compile(r'(^|/)save(_\d+)?/(filename|Const)$|/Initializer/')
_GRADIENTS = re.compile(r'(^|/)gradients(_\d+)?/|_grad/')


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
              input_shapes: Optional[Mapping[str, Sequence[int]]] = None,
              trusted: bool = False) -> Layers:
  """Returns the layers of a graph's forward pass.

  Operations with the names of gradients are excluded. input_shapes are shapes of one
  example; without them, the first dimension of inputs counts examples.

  Args:
    nodes: result of nodes.flatten.
    weights: names of the nodes that are stored weights, including masks and partitions.
    input_shapes: shapes of inputs (placeholders and similar nodes), by the names of their nodes.
    trusted: whether TensorFlow has imported the graph before; see Shapes.

  Raises:
    errors.ModelFileError: input_shapes has a name that is no input, or a shape that it cannot have.
  """
  known = set(weights)
  found: List[Tuple[graphs.Node, int, Tuple[str, ...]]] = []
  for node in nodes.values():
    if node.op in LAYERS and not _GRADIENTS.search(node.name):
      for operand in LAYERS[node.op]:
        if operand < len(node.inputs):
          made_of = tuple(source.name for source in graphs.sources(nodes, node.inputs[operand])
                          if source.name in known)
          if made_of:
            found.append((node, operand, made_of))
            break
  joined = _joined(nodes)
  needed = graphs.needed_for(nodes, [joined.get(node.name, node.name) for node, _, _ in found])
  shapes = Shapes(needed, _check(nodes, input_shapes), trusted)
  layers = [Layer(node.name, node.op, made_of,
                  _flops(node, operand, joined.get(node.name), shapes), node.in_loop,
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
  for name, shape in given.items():
    if name not in nodes:
      inputs = [node.name for node in nodes.values()
                if node.op in INPUTS and not _OF_LIBRARIES.search(node.name)]
      raise errors.ModelFileError(
          'input_shapes: the graph has no input %r%s; its inputs are: %s' %
          (name, errors.nearest(name, inputs), ', '.join(inputs) or '(none)'))
    for dims in declared(nodes[name])[:1]:
      # The first dimension may be of one example where the graph has a batch.
      if dims and (len(dims) != len(shape) or any(
          dim is not None and dim != other for dim, other in zip(dims[1:], list(shape)[1:]))):
        raise errors.ModelFileError(
            'input_shapes: %s cannot have the shape %s; the graph has %s' % (
                name, text_of(shape), text_of(dims)))
  return given


def _notes(layers: Sequence[Layer], shapes: Shapes) -> List[str]:
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


def _joined(nodes: graphs.Nodes) -> Dict[str, str]:
  """Returns, for each dilated convolution, the node that joins its outputs.

  TensorFlow cuts the inputs into a larger batch for it, and pads them to whole pieces.
  """
  found = {}
  for node in nodes.values():
    if node.op == 'BatchToSpaceND':
      source = node
      # A convolution in one dimension is one in two, whose outputs are squeezed.
      while source.op in ('BatchToSpaceND', 'Squeeze') and source.inputs:
        source = nodes[source.inputs[0].node]
      found[source.name] = node.name
  return found


def _flops(node: graphs.Node, operand: int, joined: Optional[str], shapes: Shapes
           ) -> Optional[int]:
  """Returns the FLOPs of a layer per example; None if a shape is unknown."""
  kernel = shapes.of(node.inputs[operand])
  if node.op == 'Einsum':
    return _einsum_flops(node, shapes)
  if node.op.startswith(('Conv', 'Depthwise')):
    transposed = 'Backprop' in node.op
    # The whole kernel is applied at each position of the outputs; if transposed, of the inputs.
    positions = shapes.of(node.inputs[2] if transposed else graphs.Ref(joined or node.name))
    if positions is None or kernel is None:
      return None
    if joined:
      return shapes.per_example(2, list(kernel) + list(positions[:-1]))
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


def _einsum_flops(node: graphs.Node, shapes: Shapes) -> Optional[int]:
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
