# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the weights among the variables of a checkpoint."""

import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from model_pruning import names as names_lib
from model_pruning.compat import tf
from model_pruning.reading import bundle
from model_pruning.reading import nodes as graphs
from model_pruning.reading import ownership as ownership_lib
from model_pruning.reading import sources
from model_pruning.reading.ownership import MaskedNames
from model_pruning.reading.ownership import Ownership
from model_pruning.reading.ownership import Variables
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored import without_part
from model_pruning.util.types import MetaGraphDef


# Variables of Keras's optimizers. Keras 3 may also list a model's weights there, as
# optimizer/_trainable_variables.
_OPTIMIZER = re.compile(r'^optimizer/(?!_trainable_variables)|/optimizer/_variables/')


def open_checkpoint(prefix: str) -> Variables:
  """Reads the list of variables of a checkpoint.

  Raises:
    errors.CheckpointError: it is damaged; reading a variable may raise the same.
  """
  # TensorFlow 2 raises IndexError for a truncated file.
  failures = (tf.errors.OpError, OSError, ValueError, RuntimeError, IndexError)
  bundle.check(prefix)
  try:
    reader = tf.train.NewCheckpointReader(prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
  except failures as error:
    raise sources.unreadable(prefix, error) from error
  keys = {ownership_lib.name_of(key): key for key in shapes if '.OPTIMIZER_SLOT' not in key}

  def get(name: str) -> np.ndarray:
    try:
      return reader.get_tensor(keys[name])
    except failures as error:
      raise sources.unreadable(prefix, error) from error

  return Variables({name: tuple(shapes[key]) for name, key in keys.items()},
                    {name: tf.as_dtype(dtypes[key]) for name, key in keys.items()}, get)


class CheckpointWeights(NamedTuple):
  """The weights of a checkpoint.

  Attributes:
    read: yields them, masked weights and other kernels, in the order of the graph.
    notes: sentences, one for each mask without a weight.
    last_update: the step of the last mask update; None if none is stored.
  """
  read: Callable[[], Iterator[StoredWeight]]
  notes: Tuple[str, ...]
  last_update: Optional[int]


def weights_of(variables: Variables, meta: MetaGraphDef, nodes: graphs.Nodes) -> CheckpointWeights:
  """Returns the weights of a checkpoint.

  Args:
    variables: the variables of the checkpoint.
    meta: its MetaGraphDef, for its collections; empty if there is none.
    nodes: the nodes of its graph; empty if there is none.
  """
  saved = ownership_lib.saved_under(nodes, variables.shapes)
  owners = ownership_lib.ownership(variables, meta, nodes)
  masks: Dict[str, List[MaskedNames]] = {}
  for each in owners.owned:
    masks.setdefault(each.weight, []).append(each)
  names = _weights_among(variables, owners)
  made_of: Dict[str, List[str]] = {}
  for node, name in saved.items():
    made_of.setdefault(name, []).append(node)
  order = {name: index for index, name in enumerate(made_of)}
  names.sort(key=lambda name: (order.get(name, len(order)), _natural(name)))

  shown = {name: _display(name, made_of.get(name, ()), nodes) for name in names}
  of_keras = names_lib.of_keras(shown.values()) if _is_exported(variables) else {}

  def read() -> Iterator[StoredWeight]:
    for name in names:
      kept = threshold = None
      for each in masks.get(name, ()):
        mask = nonzero(variables.get(each.mask))
        kept = mask if kept is None else kept & mask
        threshold = float(variables.get(each.threshold)) if each.threshold else threshold
      yield StoredWeight(of_keras.get(shown[name], shown[name]), variables.get(name), kept,
                         threshold, tuple(made_of.get(name, ())))

  notes = tuple('Mask %s is left out: %s.' % (
      each.mask, 'it applies to %s, which is computed' % each.computed if each.computed else
      'it is unknown which weight it belongs to') for each in owners.unowned)
  return CheckpointWeights(read, notes, _last_update(variables))


def _is_exported(variables: Variables) -> bool:
  """Whether the variables come from a SavedModel that Keras 3 exported."""
  return any(name.startswith('_all_variables/') for name in variables.shapes)


def _last_update(variables: Variables) -> Optional[int]:
  """Returns the step of the last mask update; None if none is stored."""
  steps = [int(variables.get(name)) for name, shape in variables.shapes.items()
           if shape == () and names_lib.is_step(name)]
  return max(steps) if steps else None


def _display(name: str, made_of: Sequence[str], nodes: graphs.Nodes) -> str:
  """Returns a variable's name in its graph; object-based checkpoints have paths instead."""
  for node in made_of:
    shared = nodes[node].definition.attr['shared_name'].s.decode('utf-8', 'replace')
    if shared and nodes[node].op == 'VarHandleOp':
      return without_part(shared)
  return name


def _weights_among(variables: Variables, owners: Ownership) -> List[str]:
  """Returns the names of masked weights and other kernels."""
  shapes, aside = variables.shapes, owners.aside()
  masked = {each.weight for each in owners.owned}
  of_objects = ownership_lib.OBJECT_GRAPH in shapes

  def is_other_kernel(name: str) -> bool:
    parts = name.split('/')
    return (len(shapes[name]) >= 2 and variables.dtypes[name].is_floating and name not in aside and
            parts[0] != ownership_lib.OBJECT_GRAPH and not (
                of_objects and _OPTIMIZER.search(name)) and
            # Exclude slots: <variable>/Adam, <variable>/ExponentialMovingAverage.
            not any('/'.join(parts[:end]) in shapes for end in range(1, len(parts))))

  return [name for name in shapes
          if 0 not in shapes[name] and (name in masked or is_other_kernel(name))]


def _natural(name: str) -> List[Any]:
  return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]
