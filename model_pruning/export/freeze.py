# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Freezes checkpoints, sessions and SavedModels into graphs of constants."""

import re
from typing import Any, Optional, Sequence

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import references
from model_pruning.export.folding import fold
from model_pruning.reading import bundle
from model_pruning.reading import inputs
from model_pruning.reading import places
from model_pruning.reading import running
from model_pruning.reading import sources
from model_pruning.util.files import AnyPath
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef
from model_pruning.util.types import Session


def graph_def_from_checkpoint(checkpoint_dir: AnyPath, output_node_names: Sequence[str],
                              meta_graph: Optional[MetaGraphDef] = None) -> GraphDef:
  """Returns the latest checkpoint, with its meta graph, as a GraphDef of constants.

  Args:
    checkpoint_dir: a directory of checkpoints, or the path of a checkpoint.
    output_node_names: names of the operations to keep, with all they need.
    meta_graph: the file with the graph; None takes the checkpoint's own .meta file.

  Raises:
    errors.CheckpointError: there is no checkpoint, or it cannot be read.
    errors.OutputNodeError: an output is not in the graph.
  """
  path = places.checkpoint_path(checkpoint_dir)
  with tf.Graph().as_default(), tf.Session(config=running.once()) as session:
    restore(session, path, meta_graph)
    return graph_def_from_session(session, output_node_names)


def graph_def_from_session(session: Session, output_node_names: Sequence[str]) -> GraphDef:
  """Returns the graph of a session as a GraphDef whose variables are constants.

  Args:
    session: a tf.Session whose variables have their values.
    output_node_names: names of the operations to keep, with all they need.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
  """
  sources.check_outputs([op.name for op in session.graph.get_operations()], output_node_names)
  with session.graph.as_default():
    frozen = tf.graph_util.convert_variables_to_constants(
        _ArraySession(session), session.graph.as_graph_def(), list(output_node_names))
  references.use_values(frozen)
  _forget_shapes(frozen)
  _gather_from_values(frozen)
  # TensorFlow 1 leaves reads in functions, although the variables are constants now.
  return fold.fold_reads(frozen, output_node_names)


def _forget_shapes(graph_def: GraphDef) -> None:
  """Removes notes about the shapes of outputs, where a loop or a call may return a variable.

  Its value has another shape than its handle, and TensorFlow 2 compares the notes as it loads.
  """
  for nodes in (graph_def.node, *(function.node_def for function in graph_def.library.function)):
    for node in nodes:
      node.attr.pop('_output_shapes', None)


def _gather_from_values(graph_def: GraphDef) -> None:
  """Changes gathers in functions whose variable has become a constant, which TensorFlow forgets."""
  for function in graph_def.library.function:
    values = {arg.name for arg in function.signature.input_arg
              if arg.type != tf.resource.as_datatype_enum}
    for node in function.node_def:
      if (node.op == 'ResourceGather' and node.input[0] in values and
          not node.attr['batch_dims'].i):
        node.op = 'Gather'
        node.attr['Tparams'].CopyFrom(node.attr['dtype'])
        for name in ('dtype', 'batch_dims'):
          node.attr.pop(name, None)


class _ArraySession:
  """A session that always returns arrays: TensorFlow's fails to freeze a string variable."""

  def __init__(self, session: Session) -> None:
    self._session = session

  def __getattr__(self, name: str) -> Any:
    return getattr(self._session, name)

  def run(self, *args: Any, **kwargs: Any) -> Any:
    values = self._session.run(*args, **kwargs)
    return [np.array(value, object) if isinstance(value, (bytes, str)) else value
            for value in values] if isinstance(values, list) else values


def restore(session: Session, path: str, meta_graph: Optional[MetaGraphDef] = None) -> None:
  """Builds the graph of a checkpoint in the default graph, and restores its variables.

  Args:
    session: a session of the default graph.
    path: the checkpoint.
    meta_graph: the file with the graph; None takes the checkpoint's own .meta file.

  Raises:
    errors.CheckpointError: the checkpoint or its meta graph cannot be read.
  """
  meta_graph = inputs.check(meta_graph or path + '.meta')
  if not tf.gfile.Exists(meta_graph):
    raise errors.CheckpointError(
        'There is no %s, which holds the graph; give the .meta file of another checkpoint of the '
        'model (meta_graph=, --meta_graph), or save with it' % meta_graph)
  bundle.check(path)
  try:
    with inputs.silent_parsing():
      saver = tf.train.import_meta_graph(sources.meta_graph(meta_graph), clear_devices=True)
    if saver is None:
      raise ValueError('its meta graph has no variables')
    saver.restore(session, path)
  except MemoryError:
    raise
  except Exception as error:  # TensorFlow raises many classes.
    missing = re.search(r'Key (\S+) not found in checkpoint', str(error))
    if missing:
      raise errors.CheckpointError(
          'Checkpoint %s has no variable %s, which is in the graph of %s: the graph is of another '
          'model, or one of the two is stripped of its masks; give the .meta file that was written '
          'with the checkpoint' % (path, missing.group(1), meta_graph)) from error
    raise errors.CheckpointError(
        'Checkpoint %s cannot be read (%s); it may be truncated, or written without its meta '
        'graph: use an earlier one, or save again' % (path, errors.first_line(error))) from error
