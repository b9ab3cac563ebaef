# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whose mask is this: which weight of a checkpoint each of its masks belongs to.

The collections of the graph say it, where the checkpoint has its graph. Otherwise the names
do: a mask's own name, and, as a last resort, that only one weight can be meant.
"""

import dataclasses
import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from model_pruning import names
from model_pruning.reading import nodes as graphs
from model_pruning.reading.constant_values import ConstantValues
from model_pruning.reading.stored import is_mask
from model_pruning.reading.stored import without_part

OBJECT_SUFFIX = '/.ATTRIBUTES/VARIABLE_VALUE'  # Of keys in the checkpoints of TensorFlow 2.
OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_READ = re.compile(r'(/read|/Read/ReadVariableOp)?(:\d+)?$')
# Two weights of a recurrent layer, in the order in which Keras prunes them; files number them.
_RECURRENT = (['kernel', 'recurrent_kernel'], ['0', '1'])


@dataclasses.dataclass(frozen=True)
class Variables:
  """The variables of a checkpoint: shapes and dtypes by name, and how to read one."""
  shapes: Mapping[str, Tuple[int, ...]]
  dtypes: Mapping[str, Any]
  get: Callable[[str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class MaskedNames:
  """The names of a masked weight, and of the variables that belong to it, in a checkpoint.

  Attributes:
    weight: the name of the weight.
    mask: the name of its mask.
    others: the names of its threshold and of the history of gradient saliency, where stored.
    threshold: the name of its threshold; None where none is stored.
  """
  weight: str
  mask: str
  others: Tuple[str, ...]
  threshold: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Unowned:
  """A mask whose weight is unknown.

  Attributes:
    mask: the name of the mask.
    candidates: the weights it may belong to; none, or more than one.
    computed: the tensor that it masks, where that is no variable; '' otherwise.
  """
  mask: str
  candidates: Tuple[str, ...] = ()
  computed: str = ''


@dataclasses.dataclass(frozen=True)
class Ownership:
  """The answer: the masks with their weights, and those whose weight is unknown.

  A weight may have several masks; a mask has one weight.
  """
  owned: Tuple[MaskedNames, ...]
  unowned: Tuple[Unowned, ...] = ()

  def aside(self) -> Set[str]:
    """Returns the names of all variables of pruning that belong to weights: no weights themselves.
    """
    found: Set[str] = set()
    for each in self.owned:
      found |= {each.mask, *each.others}
    for mask in self.unowned:
      found |= {names.sibling(mask.mask, leaf) for leaf in names.ADDED}
    return found


def ownership(variables: Variables, meta: Any, nodes: graphs.Nodes) -> Ownership:
  """Returns which weight each mask of a checkpoint belongs to.

  By the collections of its graph, where all masks in them are stored. Otherwise by names:
  1. <scope>/mask belongs to <scope>/kernel or <scope>/weights, whichever has its shape;
     <scope>/<leaf>_mask to <scope>/<leaf>.
  2. <name>/mask belongs to the variable <name> of its shape.
  3. Any other mask belongs to the one variable of its scope that has its shape, and no other
     mask, if there is only one.
  By names, a mask is what has a scalar threshold beside it, or, for 1 and 2, holds zeros and
  ones alone.

  Args:
    variables: of the checkpoint.
    meta: its MetaGraphDef; an empty one where there is none.
    nodes: of the graph; empty where there is none.
  """
  collected = _by_collections(variables, meta, nodes)
  return _ByNames(variables).answer() if collected is None else collected


# ---- By collections. ----


def saved_under(nodes: graphs.Nodes, shapes: Mapping[str, Any]) -> Dict[str, str]:
  """Returns the checkpoint names of the variables of a graph, by the name of their node."""
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
          name = name_of(key.decode('utf-8', 'replace') if isinstance(key, bytes) else '')
          if not found.get(source.name) and name in shapes and source.op != 'Const':
            found[source.name] = name
  return {node: name for node, name in found.items() if name}


def name_of(key: str) -> str:
  """Returns the name of a variable, given its key in a checkpoint."""
  return key[:-len(OBJECT_SUFFIX)] if key.endswith(OBJECT_SUFFIX) else key


def _by_collections(variables: Variables, meta: Any, nodes: graphs.Nodes) -> Optional[Ownership]:
  """Returns the owners that the collections give; None if they give none, or not all."""
  weights, masks = (list(meta.collection_def[key].node_list.value)
                    if key in meta.collection_def else []
                    for key in (names.WEIGHT_COLLECTION, names.MASK_COLLECTION))
  if not masks or len(weights) != len(masks):
    return None
  saved = saved_under(nodes, variables.shapes)
  owned: Dict[str, MaskedNames] = {}
  unowned: Dict[str, Unowned] = {}
  for weight, listed in zip(weights, masks):
    mask = _stored(listed, saved, nodes)
    if mask not in variables.shapes:
      return None  # A graph that names other variables than the checkpoint has.
    name = _stored(weight, saved, nodes)
    if variables.shapes.get(name) == variables.shapes[mask]:
      # History and threshold may be saved under other names, as the mask may.
      others = [saved.get(names.sibling(_READ.sub('', listed), leaf), names.sibling(mask, leaf))
                for leaf in names.ADDED[1:]]
      owned[mask] = _masked(variables, name, mask, others)
    else:
      unowned[mask] = Unowned(mask, computed=weight)
  return Ownership(tuple(owned.values()), tuple(unowned.values()))


def _stored(listed: str, saved: Mapping[str, str], nodes: graphs.Nodes) -> str:
  """Returns the name in the checkpoint of the variable that a collection lists."""
  name = _READ.sub('', listed)
  seen = set()
  while name not in saved and name not in seen and name in nodes and (
      graphs.is_same(nodes[name]) or nodes[name].op == 'Cast') and (
          nodes[name].inputs[0].node in nodes):
    seen.add(name)
    followed = nodes[name].inputs[0].node
    if nodes[followed].op == 'ConcatV2':
      break  # The parts of a partitioned variable, which is saved under this name.
    name = followed
  return saved.get(name, name)


def _masked(variables: Variables, weight: str, mask: str, others: Sequence[str]) -> MaskedNames:
  """Returns the record of a mask, given the names of its threshold and history, in this order."""
  shapes = variables.shapes
  threshold = others[0] if shapes.get(others[0]) == () else None
  stored = [threshold] if threshold else []
  stored += [name for name in others[1:] if shapes.get(name) == shapes[mask] and name != weight]
  return MaskedNames(weight, mask, tuple(stored), threshold)


# ---- By names. ----


class _ByNames:
  """What the names of the variables of a checkpoint say."""

  def __init__(self, variables: Variables) -> None:
    self._variables = variables
    # Checkpoints of objects have attributes, which Keras 3 spells with more underscores.
    plain = _plain if OBJECT_GRAPH in variables.shapes else str
    self._key = {plain(name): name for name in sorted(variables.shapes, reverse=True)}
    self._shapes = {name: tuple(variables.shapes[key]) for name, key in self._key.items()}
    self._owned: Dict[str, str] = {}

  def answer(self) -> Ownership:
    prefixes = {name: names.prefix_of(name) for name in sorted(self._shapes)}
    masks = [name for name, prefix in prefixes.items()
             if prefix is not None and self._shapes[name]]
    left = []
    for mask in masks:
      weight = self._by_its_name(mask)
      if weight is not None and (self._has_threshold(mask) or self._holds_a_mask(mask)):
        self._owned[mask] = weight
      elif self._has_threshold(mask):
        left.append(mask)
    unowned = []
    for mask in left:
      candidates = self._beside(mask, masks)
      if len(candidates) == 1:
        self._owned[mask] = candidates[0]
      else:
        unowned.append(Unowned(self._key[mask], tuple(self._key[name] for name in candidates)))
    return Ownership(tuple(self._record(mask) for mask in sorted(self._owned)), tuple(unowned))

  def _record(self, mask: str) -> MaskedNames:
    others = [names.sibling(mask, leaf) for leaf in names.ADDED[1:]]
    return _masked(self._variables, self._key[self._owned[mask]], self._key[mask],
                   [self._key.get(name, name) for name in others])

  def _has_threshold(self, mask: str) -> bool:
    return self._shapes.get(names.sibling(mask, names.THRESHOLD)) == ()

  def _holds_a_mask(self, mask: str) -> bool:
    key = self._key[mask]
    return self._variables.dtypes[key].is_floating and is_mask(self._variables.get(key))

  def _by_its_name(self, mask: str) -> Optional[str]:
    scope, leaf = names.split(mask)
    if leaf == names.MASK:
      named = [scope + own for own in names.MAIN_WEIGHTS]
      found = [name for name in named if self._fits(name, mask)]
      if len(found) == 2:
        return None
      found += [scope[:-1]] if self._fits(scope[:-1], mask) else []
    else:
      name = scope + leaf[:-len('_' + names.MASK)]
      found = [name] if self._fits(name, mask) else []
    return found[0] if found else None

  def _fits(self, name: str, mask: str) -> bool:
    return name != mask and self._shapes.get(name) == self._shapes[mask]

  def _beside(self, mask: str, masks: Sequence[str]) -> List[str]:
    """Returns the variables of a mask's scope that may be its weight."""
    scope, leaf = names.split(mask)
    aside = {names.sibling(each, leaf) for each in masks if self._has_threshold(each)
             for leaf in names.ADDED} | set(self._owned.values())
    numbered = names.KERAS_NUMBERED.match(leaf[:-len(names.MASK)])
    found = []
    for name in sorted(self._shapes):
      below = name.startswith(scope) if numbered else names.split(name)[0] == scope
      if below and self._fits(name, mask) and name not in aside and not _is_slot(
          name, self._shapes):
        found.append(name)
    if numbered is None and leaf != names.MASK:
      return []  # fc/own_mask says that the weight is fc/own.
    leaves = sorted(names.split(name)[1] for name in found)
    if numbered and leaves in _RECURRENT and len({names.split(name)[0] for name in found}) == 1:
      wanted = leaves[min(int(numbered.group(1)), 1)]
      found = [name for name in found if names.split(name)[1] == wanted]
    return found


def _is_slot(name: str, shapes: Mapping[str, Any]) -> bool:
  """Whether a variable belongs to another: <weight>/Adam, <weight>/ExponentialMovingAverage."""
  scope = names.split(name)[0]
  return bool(scope) and scope[:-1] in shapes


def _plain(name: str) -> str:
  """Returns 'layer/kernel' for the attribute 'layer/_kernel', 'layer/mask' for '_added_mask'."""
  scope, leaf = names.split(name)
  if leaf.startswith(names.KERAS_ATTRIBUTE):
    leaf = leaf[len(names.KERAS_ATTRIBUTE):]
  return scope + (leaf.lstrip('_') or leaf)
