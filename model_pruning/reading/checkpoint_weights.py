# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The weights among the variables of a checkpoint."""

import dataclasses
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

from model_pruning.reading import bundle
from model_pruning.reading import nodes as graphs
from model_pruning.reading import sources
from model_pruning.compat import tf
from model_pruning.reading.constant_values import ConstantValues
from model_pruning.reading.stored import is_mask
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight
from model_pruning.reading.stored import without_part

_OBJECT_SUFFIX = '/.ATTRIBUTES/VARIABLE_VALUE'  # Of keys in the checkpoints of TensorFlow 2.
_HISTORY = ('threshold', 'gradient', 'old_weight', 'old_old_weight')
_OWN_NAMES = ('kernel', 'weights')  # Their masks are called mask; others <name>_mask.


@dataclasses.dataclass(frozen=True)
class Variables:
  """The variables of a checkpoint: shapes and dtypes by name, and how to read one."""
  shapes: Mapping[str, Tuple[int, ...]]
  dtypes: Mapping[str, Any]
  get: Callable[[str], np.ndarray]


def open_checkpoint(prefix: str) -> Variables:
  """Reads the list of variables of a checkpoint.

  Raises:
    errors.CheckpointError: it is damaged; so does reading a variable.
  """
  # TensorFlow 2 makes an IndexError of what ends too early.
  failures = (tf.errors.OpError, OSError, ValueError, RuntimeError, IndexError)
  bundle.check(prefix)
  try:
    reader = tf.train.NewCheckpointReader(prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
  except failures as error:
    raise sources.unreadable(prefix, error) from error
  keys = {_name_of(key): key for key in shapes if '.OPTIMIZER_SLOT' not in key}

  def get(name: str) -> np.ndarray:
    try:
      return reader.get_tensor(keys[name])
    except failures as error:
      raise sources.unreadable(prefix, error) from error

  return Variables({name: tuple(shapes[key]) for name, key in keys.items()},
                    {name: tf.as_dtype(dtypes[key]) for name, key in keys.items()}, get)


def _name_of(key: str) -> str:
  """Returns the name of a variable, given its key in a checkpoint."""
  return key[:-len(_OBJECT_SUFFIX)] if key.endswith(_OBJECT_SUFFIX) else key


def weights_of(variables: Variables, meta: Any, nodes: graphs.Nodes
               ) -> Callable[[], Iterator[StoredWeight]]:
  """Returns what reads the weights: masked ones, and other kernels, in the order of the graph.

  Args:
    variables: of the checkpoint.
    meta: its MetaGraphDef, for its collections; an empty one where there is none.
    nodes: of the graph; empty where there is none.
  """
  saved = _saved_under(nodes, variables.shapes)
  masks = _masks(variables, _collected(meta, saved))
  names = _weights_among(variables, masks)
  made_of: Dict[str, List[str]] = {}
  for node, name in saved.items():
    made_of.setdefault(name, []).append(node)
  order = {name: index for index, name in enumerate(made_of)}
  names.sort(key=lambda name: (order.get(name, len(order)), _natural(name)))

  def read() -> Iterator[StoredWeight]:
    for name in names:
      kept = threshold = None
      if name in masks:
        mask, remembered = masks[name]
        kept = nonzero(variables.get(mask))
        threshold = float(variables.get(remembered)) if remembered else None
      yield StoredWeight(_display(name, made_of.get(name, ()), nodes), variables.get(name), kept,
                         threshold, tuple(made_of.get(name, ())))

  return read


def _display(name: str, made_of: Sequence[str], nodes: graphs.Nodes) -> str:
  """Returns what a variable is called in its graph, where a checkpoint of objects has a path."""
  for node in made_of:
    shared = nodes[node].definition.attr['shared_name'].s.decode('utf-8', 'replace')
    if shared and nodes[node].op == 'VarHandleOp':
      return without_part(shared)
  return name


def _saved_under(nodes: graphs.Nodes, shapes: Mapping[str, Any]) -> Dict[str, str]:
  """Returns the names in the checkpoint of the variables of a graph, by that of their node."""
  found = {}
  constants = ConstantValues(nodes)
  for node in nodes.values():
    if node.op in graphs.VARIABLE_OPS:
      name = without_part(node.name)
      found[node.name] = name if name in shapes else ''
  for node in nodes.values():  # Savers may rename.
    if node.op == 'SaveV2' and len(node.inputs) > 3:
      keys = (constants.value(node.inputs[1]).ravel().tolist()
              if constants.has(node.inputs[1]) else [])
      for key, ref in zip(keys, node.inputs[3:]):
        for source in graphs.sources(nodes, ref):
          name = _name_of(key.decode('utf-8', 'replace') if isinstance(key, bytes) else '')
          if not found.get(source.name) and name in shapes and source.op != 'Const':
            found[source.name] = name
  return {node: name for node, name in found.items() if name}


def _collected(meta: Any, saved: Mapping[str, str]) -> List[Tuple[str, str, str]]:
  """Returns (weight, mask, threshold) of the collections that masks are registered in."""
  columns = []
  for key in ('kernel', 'masks', 'thresholds'):
    listed = meta.collection_def[key].node_list.value if key in meta.collection_def else ()
    columns.append([re.sub(r'(/read|/Read/ReadVariableOp)?(:\d+)?$', '', name) for name in listed])
  return [(saved.get(row[0], row[0]), saved.get(row[1], row[1]), saved.get(row[2], row[2]))
          for row in zip(*columns)]


def _masks(variables: Variables, collected: Sequence[Tuple[str, str, str]]
           ) -> Dict[str, Tuple[str, str]]:
  """Returns the names of mask and threshold ('' for none), by the name of the weight."""
  shapes = variables.shapes
  found = {weight: (mask, threshold if threshold in shapes else '')
           for weight, mask, threshold in collected
           if weight in shapes and shapes.get(mask) == shapes[weight]}
  taken = {mask for mask, _ in found.values()}
  for mask in sorted(shapes):
    scope, slash, leaf = mask.rpartition('/')
    if mask in taken or not re.fullmatch(r'(.+_)?mask', leaf):
      continue
    if leaf == 'mask':
      # Beside the weight, or, where its own name was the scope, below it.
      candidates = [scope + slash + own for own in _OWN_NAMES] + [scope]
      beside = [name for name in shapes if name.rpartition('/')[0] == scope and name != mask and
                name.rpartition('/')[2] not in _HISTORY]
      beside = [name for name in beside if shapes[name] == shapes[mask]]
      candidates += beside if len(beside) == 1 else []
    else:
      candidates = [scope + slash + leaf[:-len('_mask')]]
    weight = next((name for name in candidates
                   if name not in found and shapes.get(name) == shapes[mask]), None)
    if weight and variables.dtypes[mask].is_floating and is_mask(variables.get(mask)):
      threshold = mask[:-len('mask')] + 'threshold'
      found[weight] = (mask, threshold if shapes.get(threshold) == () else '')
  return found


def _weights_among(variables: Variables, masks: Mapping[str, Tuple[str, str]]) -> List[str]:
  """Returns the names of masked weights and other kernels."""
  shapes = variables.shapes
  aside = set()
  for mask, _ in masks.values():
    aside |= {mask} | {mask[:-len('mask')] + leaf for leaf in _HISTORY}

  def is_other_kernel(name: str) -> bool:
    parts = name.split('/')
    return (len(shapes[name]) >= 2 and variables.dtypes[name].is_floating and name not in aside and
            parts[0] not in ('optimizer', '_CHECKPOINTABLE_OBJECT_GRAPH') and
            # <variable>/Adam, <variable>/ExponentialMovingAverage and the like.
            not any('/'.join(parts[:end]) in shapes for end in range(1, len(parts))))

  return [name for name in shapes
          if 0 not in shapes[name] and (name in masks or is_other_kernel(name))]


def _natural(name: str) -> List[Any]:
  return [(int(part), '') if part.isdigit() else (-1, part) for part in re.split(r'(\d+)', name)]
