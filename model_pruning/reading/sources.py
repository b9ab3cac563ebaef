# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds and parses the files of models: checkpoints, GraphDefs, SavedModels."""

import contextlib
import difflib
import os
from typing import Iterator, List, Sequence

from model_pruning import errors
from model_pruning.compat import SavedModel
from model_pruning.compat import tf
from model_pruning.reading import inputs
from model_pruning.reading import validation
from model_pruning.util.files import AnyPath
from model_pruning.util.types import GraphDef
from model_pruning.util.types import MetaGraphDef

_EXPECTED = ('expected a frozen graph, a checkpoint or the folder of checkpoints, the folder of a '
             'SavedModel, a Keras model (.keras, .h5), or, for a report, a .tflite file')


def unreadable(path: str, error: BaseException) -> errors.CheckpointError:
  """Returns the error for a damaged checkpoint."""
  return errors.CheckpointError(
      'Checkpoint %s cannot be read (%s); it may be truncated: use an earlier one, or save '
      'again' % (path, errors.first_line(error)))


def graph_def(path: AnyPath) -> GraphDef:
  """Returns the GraphDef in a file, binary or text (.pbtxt).

  Raises:
    errors.ModelFileError: there is no such file, or it holds no graph.
  """
  path = inputs.check(path)
  content = _content(path)
  result = tf.GraphDef()
  reason = 'it has no nodes'
  try:
    if path.endswith('.pbtxt'):
      from google.protobuf import text_format  # Installed with TensorFlow.
      text_format.Parse(content, result)
    else:
      inputs.parse(result, content)
  except Exception as error:  # Each version of protobuf has its own class.
    result, reason = tf.GraphDef(), errors.first_line(error)
  # Most bytes parse as some message, so check the nodes.
  if not result.node or not all(node.name and node.op for node in result.node):
    raise errors.ModelFileError('%s is not a graph, or is damaged (%s); %s' %
                                (path, reason, _EXPECTED))
  validation.check(result, path)
  return result


def meta_graphs(folder: AnyPath) -> List[MetaGraphDef]:
  """Returns the MetaGraphDefs of a SavedModel, at least one.

  Raises:
    errors.ModelFileError: there is no SavedModel, or it is damaged.
  """
  folder = inputs.check(folder)
  path = os.path.join(folder, 'saved_model.pb')
  if not tf.gfile.Exists(path):
    raise errors.ModelFileError('There is no SavedModel in %s (no saved_model.pb)' % folder)
  model = SavedModel()
  try:
    inputs.parse(model, _content(path))
  except errors.ModelFileError:
    raise
  except Exception as error:
    raise errors.ModelFileError('%s is not a SavedModel, or is damaged (%s); export it again' %
                                (path, errors.first_line(error))) from error
  if not model.meta_graphs:
    raise errors.ModelFileError('%s is not a SavedModel, or is damaged; export it again' % path)
  for meta in model.meta_graphs:
    validation.check(meta.graph_def, path)
  return list(model.meta_graphs)


def meta_graph(path: str) -> MetaGraphDef:
  """Returns the MetaGraphDef in the .meta file of a checkpoint.

  Raises:
    errors.ModelFileError: there is no such file, or it is damaged.
  """
  meta = tf.MetaGraphDef()
  try:
    inputs.parse(meta, _content(path))
  except errors.ModelFileError:
    raise
  except Exception as error:  # Each version of protobuf has its own class.
    raise errors.ModelFileError('%s is damaged (%s); save the checkpoint again' % (
        path, errors.first_line(error))) from error
  validation.check(meta.graph_def, path)
  return meta


@contextlib.contextmanager
def by_tensorflow(subject: str) -> Iterator[None]:
  """Raises errors.ModelFileError if TensorFlow fails on `subject`, whatever error it raises."""
  try:
    yield
  except (errors.PruningError, MemoryError):
    raise
  except Exception as error:
    raise errors.ModelFileError(
        'TensorFlow %s cannot use %s (%s); it may be damaged, or need operations that this '
        'TensorFlow lacks: make it again, or import the module that defines them' % (
            tf.__version__, subject, errors.first_line(error))) from error


def _content(path: str) -> bytes:
  try:
    with tf.gfile.GFile(path, 'rb') as f:
      return bytes(f.read())
  except (tf.errors.OpError, OSError) as error:
    reason = getattr(error, 'strerror', None) or errors.first_line(error)
    raise errors.ModelFileError('%s cannot be read (%s); %s' % (path, reason, _EXPECTED)) from error


def check_list(names: Sequence[str], argument: str) -> None:
  """Raises errors.OutputNodeError if names of operations or tensors are a string, not a list."""
  if isinstance(names, str):
    raise errors.OutputNodeError('%s is %r; expected a list of names: %s=[%r]' % (
        argument, names, argument, names))


def check_outputs(known: Sequence[str], output_node_names: Sequence[str]) -> None:
  """Raises errors.OutputNodeError unless all outputs are names of operations."""
  if isinstance(output_node_names, str) or not output_node_names:
    raise errors.OutputNodeError('output_node_names is %r; expected a list of operation names' %
                                 (output_node_names,))
  names = set(known)
  for name in output_node_names:
    if name not in names:
      raise errors.OutputNodeError('There is no operation %r in the graph%s%s' % (
          name, errors.nearest(name, known), _near(name, known)))


def _near(name: str, known: Sequence[str]) -> str:
  """Returns '; ...' with similar names, or with the last ones if none is similar."""
  leaf = name.split(':')[0].split('/')[-1].lower()
  near = difflib.get_close_matches(name, known, n=5, cutoff=0.6)
  near += [other for other in known if leaf and leaf in other.split('/')[-1].lower()]
  if near:
    return '; there are: ' + ', '.join(list(dict.fromkeys(near))[:5])
  # A Saver's operations come last, and are never outputs.
  own = [other for other in known if not other.startswith('save')]
  return '; it ends with: ' + ', '.join((own or list(known))[-5:])
