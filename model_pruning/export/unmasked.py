# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads trained models to be pruned, and refuses those that have masks already.

Pruning, planning and measuring of trained models all begin here.
"""

from typing import Any, Dict, Sequence, Tuple, Type

from model_pruning import errors
from model_pruning.export import checkpoint as checkpoint_lib
from model_pruning.export import saved_model as saved_model_lib
from model_pruning.export import strip
from model_pruning.util import files
from model_pruning.util.files import AnyPath
from model_pruning.util.types import GraphDef


def check_graph(graph_def: GraphDef, outputs: Sequence[str]) -> None:
  """Checks that a graph of constants has no masked products.

  Args:
    graph_def: a GraphDef of constants. It is not changed.
    outputs: names of the outputs, of operations or tensors.

  Raises:
    errors.ModelFileError: it has masks, or is damaged.
    errors.OutputNodeError: an output is not in the graph.
  """
  names = [name.split(':')[0] for name in outputs]
  _refuse(strip.strip(graph_def, names)[1], 'The graph', errors.ModelFileError)


def checkpoint(place: AnyPath) -> checkpoint_lib.Checkpoint:
  """Returns a checkpoint without masks.

  Args:
    place: the path of a checkpoint, or a directory, of which the latest one is taken.

  Raises:
    errors.CheckpointError: there is no checkpoint, it cannot be read, or it has masks.
  """
  found = checkpoint_lib.Checkpoint(place)
  _refuse([names.mask for names in found.masked()], 'Checkpoint %s' % found.path,
          errors.CheckpointError, ', or continue training it')
  return found


def saved_model(folder: AnyPath) -> Tuple[Any, Dict[str, Any], Any]:
  """Returns (GraphDef of constants, signatures, other parts) of a SavedModel without masks.

  Args:
    folder: its folder; see saved_model.read_stripped.

  Raises:
    errors.ModelFileError: there is no SavedModel, or it has masks.
  """
  folder = files.as_path(folder)
  graph_def, signatures, kept, folded = saved_model_lib.read_stripped(folder)
  _refuse(folded, 'The SavedModel in %s' % folder, errors.ModelFileError)
  return graph_def, signatures, kept


def _refuse(masked: Sequence[str], place: str, error: Type[errors.PruningError],
            otherwise: str = '') -> None:
  if masked:
    raise error('%s has masks already (%s%s); strip it first%s' % (
        place, masked[0], ', ...' if len(masked) > 1 else '', otherwise))
