# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads the weights, masks and graphs in checkpoints, frozen graphs, SavedModels and Keras files.

Reading needs no session and builds no graph; Keras files are loaded by Keras.
"""

import dataclasses
import os
import re
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import checkpoint_weights
from model_pruning.reading import constant_weights
from model_pruning.reading import goals as goals_lib
from model_pruning.reading import hdf5_weights
from model_pruning.reading import inputs
from model_pruning.reading import kinds
from model_pruning.reading import nodes as graphs
from model_pruning.reading import places
from model_pruning.reading import sources
from model_pruning.reading import updated
from model_pruning.reading.checkpoint_weights import open_checkpoint
from model_pruning.reading.stored import StoredWeight
from model_pruning.util.files import AnyPath

CHECKPOINT, FROZEN_GRAPH, SAVED_MODEL = kinds.CHECKPOINT, kinds.GRAPH, kinds.SAVED_MODEL


@dataclasses.dataclass(frozen=True)
class StoredModel:
  """The contents of a model file.

  Attributes:
    path: the file, or the prefix of the checkpoint.
    kind: the kind of model, a constant of kinds.
    nodes: the nodes of its graph; empty if it has no graph that can be read.
    notes: sentences that say what could not be read, and why.
    read: see `weights`.
    last_update: the step of the last mask update; None if none is stored.
    goals: its stored target sparsities.
    signatures: the nodes that each signature of a SavedModel needs, the default signature
      first; each may have a copy of the model. Empty for other models.
  """
  path: str
  kind: str
  nodes: graphs.Nodes
  notes: Tuple[str, ...]
  read: Callable[[], Iterator[StoredWeight]]
  last_update: Optional[int] = None
  signatures: Tuple[graphs.Nodes, ...] = ()
  goals: goals_lib.StoredGoals = dataclasses.field(default_factory=goals_lib.StoredGoals)

  def weights(self) -> Iterator[StoredWeight]:
    """Yields the weights: those with masks, and other kernels (floats of rank 2 or more).

    Excludes variables of optimizers, moving averages, masks, and other variables of
    pruning.

    Raises:
      errors.CheckpointError: the checkpoint is damaged.
    """
    return self.read()

  def warnings(self) -> List[str]:
    """Returns a sentence for each problem that the user should know of; see reading.updated.

    Raises:
      errors.CheckpointError: the checkpoint is damaged.
    """
    masks = (updated.state_of(weight) for weight in self.weights())
    return ([updated.warning(self.path)] if updated.never_updated(masks, self.last_update)
            else [])


def load(path: AnyPath, output_node_names: Optional[Sequence[str]] = None) -> StoredModel:
  """Opens a checkpoint, a frozen graph, a SavedModel, or a Keras file.

  Args:
    path: the prefix of a checkpoint or one of its files; a folder of checkpoints (the
      latest is taken); the folder of a SavedModel; a file with a GraphDef; or a Keras file.
    output_node_names: keep only the nodes that these need. None keeps all nodes or, for a
      SavedModel, the nodes that its signatures need.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it cannot be read.
    errors.ModelFileError: the file holds no model, or is damaged.
    errors.OutputNodeError: an output is not in the graph.
  """
  path = inputs.check(path)
  kind = kinds.kind_of(path)
  if kind == kinds.SAVED_MODEL:
    return _load_saved_model(kinds.saved_model_folder(path), output_node_names)
  if kind == kinds.KERAS_WEIGHTS:
    return _load_keras_weights(path)
  if kind == kinds.GRAPH:
    return _load_graph(path, output_node_names)
  if kind == kinds.KERAS:
    return _load_keras(path)
  if kind == kinds.TFLITE:
    raise errors.ModelFileError('%s is a TFLite model, which only reports can read; give the '
                                'model that it was made from' % path)
  return _load_checkpoint(places.checkpoint_path(path), output_node_names)


def _load_checkpoint(prefix: str, output_node_names: Optional[Sequence[str]]) -> StoredModel:
  variables, notes, meta = open_checkpoint(prefix), [], tf.MetaGraphDef()
  nodes: graphs.Nodes = {}
  if not tf.gfile.Exists(prefix + '.meta'):
    notes.append('FLOPs are unknown: the checkpoint has no .meta file, which holds the graph.')
  else:
    try:
      meta = sources.meta_graph(prefix + '.meta')
      nodes = graphs.flatten(meta.graph_def)
    except errors.ModelFileError as error:
      meta = tf.MetaGraphDef()
      notes.append('FLOPs are unknown: %s.' % str(error).rstrip('.'))
  found = checkpoint_weights.weights_of(variables, meta, nodes)
  return StoredModel(prefix, CHECKPOINT, _needed(nodes, output_node_names),
                     tuple(notes) + found.notes, found.read, found.last_update,
                     goals=goals_lib.stored_goals(meta))


def _load_keras(path: str) -> StoredModel:
  check_keras(path)
  return kinds.READERS[kinds.KERAS](path)


def check_keras(path: str) -> None:
  """Raises errors.ModelFileError unless this TensorFlow can read Keras models."""
  if tf.__version__.startswith('1.'):
    raise errors.ModelFileError(
        '%s is a Keras model, which needs TensorFlow 2.13 or newer to read; this is %s' % (
            path, tf.__version__))


def _load_keras_weights(path: str) -> StoredModel:
  found = checkpoint_weights.weights_of(hdf5_weights.open_weights(path), tf.MetaGraphDef(), {})
  return StoredModel(path, kinds.KERAS_WEIGHTS, {}, (
      'FLOPs are unknown, and names are those in the file: it contains no architecture.',
  ) + found.notes, found.read, found.last_update)


def _load_graph(path: str, output_node_names: Optional[Sequence[str]]) -> StoredModel:
  nodes = _needed(graphs.flatten(sources.graph_def(path)), output_node_names)
  variable = next((name for name, node in nodes.items() if node.op in graphs.VARIABLE_OPS), None)
  if variable is not None:
    raise errors.ModelFileError(
        '%s is a graph with variables, for example %s, whose values are in checkpoints: give the '
        'folder of these, or freeze the graph first' % (path, variable))
  return StoredModel(path, FROZEN_GRAPH, nodes, (), lambda: constant_weights.weights_among(nodes))


def _load_saved_model(folder: str, output_node_names: Optional[Sequence[str]]) -> StoredModel:
  metas = sources.meta_graphs(folder)
  meta = next((meta for meta in metas if 'serve' in meta.meta_info_def.tags), metas[0])
  signatures = [] if output_node_names else [
      sorted({info.name.split(':')[0] for info in signature.outputs.values() if info.name})
      for key, signature in sorted(meta.signature_def.items(), key=_default_first)
      if not key.startswith('__')]
  output_node_names = output_node_names or sorted({
      name for names in signatures for name in names})
  prefix = os.path.join(folder, 'variables', 'variables')
  has_variables = os.path.exists(prefix + '.index')
  nodes = graphs.flatten(meta.graph_def)
  if not has_variables and any(node.op in graphs.VARIABLE_OPS for node in nodes.values()):
    raise errors.ModelFileError('SavedModel %s has variables, but no %s.index; export the model '
                                'again' % (folder, prefix))
  needed = _needed(nodes, output_node_names)
  stored = (checkpoint_weights.weights_of(open_checkpoint(prefix), meta, nodes)
            if has_variables else None)

  def read() -> Iterator[StoredWeight]:
    found = False
    for weight in stored.read() if stored is not None else ():
      # Keras 3 also saves copies of weights that no node reads.
      if not weight.nodes or any(name in needed for name in weight.nodes):
        found = True
        yield weight
    for weight in constant_weights.weights_among(needed):
      found = True
      yield weight
    if not found and stored is not None:
      yield from stored.read()  # The nodes of a Keras 3 model in a tf.Module have other names.

  return StoredModel(folder, SAVED_MODEL, needed, stored.notes if stored else (), read,
                     stored.last_update if stored else None,
                     tuple(_needed(nodes, names) for names in signatures if names),
                     goals_lib.stored_goals(meta))


def masks_that_keras_exported(folder: str) -> List[str]:
  """Returns the names of the masks among the variables that model.export() wrote.

  Their places in the checkpoint are numbers, so the graph alone has the names of their layers.
  """
  found = {node.name for meta in sources.meta_graphs(folder) for node in meta.graph_def.node
           if node.op == 'VarHandleOp'}
  return sorted(name for name in found
                if re.search(r'/(pruning_\d+_)?mask(_\d+)?$', name) and any(
                    other.startswith(name.rpartition('/')[0] + '/pruning_step') for other in found))


def _default_first(item: Tuple[str, Any]) -> Tuple[bool, str]:
  return item[0] != tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY, item[0]


def _needed(nodes: graphs.Nodes, output_node_names: Optional[Sequence[str]]) -> graphs.Nodes:
  if not output_node_names:
    return nodes
  sources.check_outputs(list(nodes), list(output_node_names))
  return graphs.needed_for(nodes, output_node_names)

