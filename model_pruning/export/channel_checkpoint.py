# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes checkpoints without some channels, for code that takes the widths as arguments."""

from typing import Dict, List, Mapping, Optional, Sequence, Set

from model_pruning import errors
from model_pruning.channels.analysis import analyse
from model_pruning.channels.choice import Target
from model_pruning.compat import tf
from model_pruning.export import channels
from model_pruning.export import checkpoint
from model_pruning.export import freeze
from model_pruning.export import strip
from model_pruning.export.smaller import Smaller
from model_pruning.export.smaller import Width
from model_pruning.reading import tensors
from model_pruning.reading.ownership import MaskedNames
from model_pruning.util.files import AnyPath
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef
from model_pruning.util.types import NodeDef


def frozen(source: checkpoint.Checkpoint, output_node_names: Sequence[str],
           meta_graph: Optional[MetaGraphDef] = None) -> GraphDef:
  """Returns a checkpoint as a graph of constants without masks, named after the variables.

  Args:
    source: the checkpoint.
    output_node_names, meta_graph: see freeze.graph_def_from_checkpoint.

  Raises:
    errors.PruningError: see freeze.graph_def_from_checkpoint and strip.strip.
  """
  graph_def = freeze.graph_def_from_checkpoint(source.path, output_node_names, meta_graph)
  stripped, products = strip.strip(graph_def, output_node_names)
  weights = {each.weight for each in source.masked()}
  nodes = {node.name: node for node in graph_def.node}
  return _renamed(stripped, {product: weight for product in products if product in nodes
                             for weight in weights & _constants_before(product, nodes)})


def _constants_before(name: str, nodes: Mapping[str, NodeDef]) -> Set[str]:
  """Returns the constants that a product multiplies."""
  found = {text.split(':')[0].lstrip('^') for text in nodes[name].input}
  return {each for other in found for each in (
      _constants_before(other, nodes) if nodes[other].op == 'Identity' else [other])}


def _renamed(graph_def: GraphDef, names: Mapping[str, str]) -> GraphDef:
  """Returns a graph with other names of constants; those that get the same name become one."""
  result, made = tf.GraphDef(), set()
  result.CopyFrom(graph_def)
  del result.node[:]
  for node in graph_def.node:
    name = names.get(node.name, node.name)
    if name in made:
      continue
    made.add(name)
    copy = result.node.add()
    copy.CopyFrom(node)
    copy.name = name
    for number, text in enumerate(node.input):
      before, colon, output = text.lstrip('^').partition(':')
      copy.input[number] = '^' * text.startswith('^') + names.get(before, before) + colon + output
  return result


def shrink_checkpoint(place: AnyPath, path: AnyPath, output_node_names: Sequence[str],
                      fraction: float = 0.0, keep: Optional[str] = None, multiple_of: int = 1,
                      meta_graph: Optional[MetaGraphDef] = None,
                      max_flops: Optional[float] = None,
                      max_bytes: Optional[float] = None) -> Smaller:
  """Writes a checkpoint without some channels.

      smaller = export.shrink_checkpoint('train', 'small/model.ckpt', ['scores'], fraction=0.5)
      print(smaller.table())  # The widths that the code has to use from now on.

  The state of optimizers, the averages and the masks of a weight lose the same slices. Weights are
  multiplied by their masks. Everything else is copied. The new checkpoint has no meta graph: it is
  restored by the code of the model, with the new widths.

  Args:
    place: a checkpoint with its meta graph, or a directory, of which the latest one is taken.
    path: the path of the checkpoint to write, in another folder.
    output_node_names: names of the outputs.
    fraction, keep, multiple_of, max_flops, max_bytes: see model_pruning.export.shrink.
    meta_graph: the file with the graph; None takes the checkpoint's own .meta file.

  Raises:
    errors.CheckpointError: there is no checkpoint; it cannot be read; it has a weight under another
      name than the graph, or in partitions; or another variable depends on the width of a weight.
    errors.WriteError: nothing can be written to `path`.
    errors.PruningError: see model_pruning.export.shrink.
  """
  source = checkpoint.Checkpoint(place)
  path = checkpoint.check_elsewhere(source, path)
  graph_def = frozen(source, output_node_names, meta_graph)
  smaller = channels.without_smallest(
      analyse(graph_def, output_node_names),
      Target(fraction, max_flops, max_bytes, None, keep, multiple_of),
      variables=())  # As training may go on, no bias takes constants that may change.
  write(source, path, smaller)
  return smaller


def write(source: checkpoint.Checkpoint, path: AnyPath, smaller: Smaller) -> None:
  """Writes a checkpoint of a smaller graph.

  Args:
    source: the checkpoint that the graph was frozen from.
    path: the path of the checkpoint to write.
    smaller: the smaller graph; its constants are the values of the weights.

  Raises:
    errors.CheckpointError, errors.WriteError: see shrink_checkpoint.
  """
  values: Dict[str, Array] = {name: source.read(name) for name in source.shapes}
  constants = {node.name: node for node in smaller.graph_def.node if node.op == 'Const'}
  masks = {each.weight: each for each in source.masked()}
  lost: List[str] = []
  for width in smaller.widths:
    _check_shape(source, width)
    for name in _companions(width.name, source.shapes, masks.get(width.name)):
      if name in constants and name != width.name:
        continue  # Another weight in a scope of this name.
      if tuple(source.shapes[name]) == width.before:
        values[name] = width.cut(values[name])
      elif len(source.shapes[name]):
        lost.append(name)
  _check_beside(source, smaller.widths, constants)
  if lost:
    raise errors.CheckpointError(
        'Checkpoint %s has %s, which depend on the widths of weights in a way that is not known; '
        'save one without the state of the optimizer' % (source.path, ', '.join(sorted(lost))))
  for name in source.shapes:
    if name in constants and tf.as_dtype(constants[name].attr['dtype'].type) == source.dtypes[name]:
      values[name] = tensors.to_array(constants[name].attr['value'].tensor, name)
  checkpoint.write(path, values, [source.path])


def _check_shape(source: checkpoint.Checkpoint, width: Width) -> None:
  if tuple(source.shapes.get(width.name, ())) != width.before:
    raise errors.CheckpointError(
        'Checkpoint %s has no variable %s of shape %s, although the graph has: it was saved under '
        'another name, or in partitions. Freeze the graph, and shrink it instead' % (
            source.path, width.name, list(width.before)))


def _check_beside(source: checkpoint.Checkpoint, widths: Sequence[Width],
                  constants: Mapping[str, NodeDef]) -> None:
  """Raises errors.CheckpointError if statistics that the graph does not use would stay as wide."""
  for width in widths:
    scope = width.name.rpartition('/')[0]
    for name, shape in source.shapes.items():
      if (name not in constants and name.rpartition('/')[0] == scope and
          name.rpartition('/')[2].startswith('moving_') and tuple(shape) == width.before):
        raise errors.CheckpointError(
            'The graph of checkpoint %s normalizes by the statistics of the batch, and does not '
            'use %s, which loses channels like %s; give the graph of evaluation (meta_graph=, '
            '--meta_graph)' % (source.path, name, width.name))


def _companions(weight: str, shapes: Mapping[str, Sequence[int]],
                masked: Optional[MaskedNames]) -> List[str]:
  """Returns the variables that may have the slices of a weight: itself, slots, masks, averages."""
  roots = [weight] + ([] if masked is None else [masked.mask, *masked.others])
  return [name for name in shapes
          if any(name == root or name.startswith(root + '/') for root in roots)]
