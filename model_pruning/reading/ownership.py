# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the weight of each mask in a checkpoint.

The collections of the graph list them, if the checkpoint has its graph. Otherwise names decide:
the mask's own name or, as a last resort, that only one weight is possible.
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
from model_pruning.util.types import MetaGraphDef

OBJECT_SUFFIX = '/.ATTRIBUTES/VARIABLE_VALUE'  # Ends the keys in TensorFlow 2's checkpoints.
OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_READ = re.compile(r'(/read|/Read/ReadVariableOp)?(:\d+)?$')
# Two weights of a recurrent layer, in the order in which Keras prunes and files number them.
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
    others: the names of its threshold and of the history of gradient saliency, if stored.
    threshold: the name of its threshold; None if none is stored.
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
    candidates: the weights it may belong to: none, or several.
    computed: the tensor that it masks, if that is not a variable; '' otherwise.
  """
  mask: str
  candidates: Tuple[str, ...] = ()
  computed: str = ''


@dataclasses.dataclass(frozen=True)
class Ownership:
  """The masks with their weights, and the masks whose weights are unknown.

  A weight may have several masks; a mask has one weight.
  """
  owned: Tuple[MaskedNames, ...]
  unowned: Tuple[Unowned, ...] = ()

  def aside(self) -> Set[str]:
    """Returns the names of all variables that pruning added; none of them is a weight.
    """
    found: Set[str] = set()
    for each in self.owned:
      found |= {each.mask, *each.others}
    for mask in self.unowned:
      found |= {names.sibling(mask.mask, leaf) for leaf in names.ADDED}
    return found


def ownership(variables: Variables, meta: MetaGraphDef, nodes: graphs.Nodes) -> Ownership:
  """Finds the weight of each mask in a checkpoint.

  The graph's collections decide, if the checkpoint has all masks in them. Otherwise names do:
  1. <scope>/mask belongs to <scope>/kernel or <scope>/weights, whichever has its shape;
     <scope>/<leaf>_mask to <scope>/<leaf>.
  2. <name>/mask belongs to the variable <name> of its shape.
  3. Any other mask belongs to the only variable in its scope that has its shape and no other
     mask, if there is exactly one.
  A variable counts as a mask if it has a scalar threshold beside it or, for rules 1 and 2, if
  it consists of zeros and ones.

  Args:
    variables: the variables of the checkpoint.
    meta: its MetaGraphDef; empty if there is none.
    nodes: the nodes of its graph; empty if there is none.
  """
  collected = _by_collections(variables, meta, nodes)
  return _ByNames(variables).answer() if collected is None else collected


# ---- By collections. ----


def saved_under(nodes: graphs.Nodes, shapes: Mapping[str, Any]) -> Dict[str, str]:
  """Returns the checkpoint names of a graph's variables, by the names of their nodes."""
  found = {}
  constants = ConstantValues(nodes)
  for node in nodes.values():
    if node.op in graphs.VARIABLE_OPS:
      name = without_part(node.name)
      found[node.name] = name if name in shapes else ''
  for node in nodes.values():  # A Saver may save variables under other names.
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


def _by_collections(variables: Variables, meta: MetaGraphDef,
                    nodes: graphs.Nodes) -> Optional[Ownership]:
  """Returns the owners by the graph's collections; None if these are missing or incomplete."""
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
      return None  # The graph names other variables than the checkpoint has.
    name = _stored(weight, saved, nodes)
    if variables.shapes.get(name) == variables.shapes[mask]:
      # Thresholds and history may be saved under other names, as masks may.
      others = [saved.get(names.sibling(_READ.sub('', listed), leaf), names.sibling(mask, leaf))
                for leaf in names.ADDED[1:]]
      owned[mask] = _masked(variables, name, mask, others)
    else:
      unowned[mask] = Unowned(mask, computed=weight)
  return Ownership(tuple(owned.values()), tuple(unowned.values()))


def _stored(listed: str, saved: Mapping[str, str], nodes: graphs.Nodes) -> str:
  """Returns a variable's name in the checkpoint, given the name that a collection lists."""
  name = _READ.sub('', listed)
  seen = set()
  while name not in saved and name not in seen and name in nodes and (
      graphs.is_same(nodes[name]) or nodes[name].op == 'Cast') and (
          nodes[name].inputs[0].node in nodes):
    seen.add(name)
    followed = nodes[name].inputs[0].node
    if nodes[followed].op == 'ConcatV2':
      break  # It joins the parts of a partitioned variable, which is saved under this name.
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
  """Finds the weights of masks by the names of a checkpoint's variables."""

  def __init__(self, variables: Variables) -> None:
    self._variables = variables
    # Object-based checkpoints name attributes, which in Keras 3 have more underscores.
    plain = _plain if OBJECT_GRAPH in variables.shapes else str
    self._key = {plain(name): name for name in sorted(variables.shapes, reverse=True)}
    self._shapes = {name: tuple(variables.shapes[key]) for name, key in self._key.items()}
    self._owned: Dict[str, str] = {}

  def answer(self) -> Ownership:
    prefixes = {name: names.prefix_of(name) for name in sorted(self._shapes)}
    masks = [name for name, prefix in prefixes.items()
             if prefix is not None and self._shapes[name]]
    undecided = []
    for mask in masks:
      weight = self._by_its_name(mask)
      if weight is not None and (self._has_threshold(mask) or self._holds_a_mask(mask)):
        self._owned[mask] = weight
      elif self._has_threshold(mask):
        undecided.append(mask)
    unowned = []
    for mask in undecided:
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
    """Returns the variables in a mask's scope that may be its weight."""
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
      return []  # The name fc/own_mask allows only the weight fc/own.
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
