# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels and groups of channels of a graph, and what each is worth."""

import collections
import copy
import dataclasses
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from model_pruning.channels.trace import Place
from model_pruning.channels.trace import Trace
from model_pruning.channels.trace import trace
from model_pruning.channels.units import is_removed
from model_pruning.channels.units import size_after
from model_pruning.channels.units import STAYS
from model_pruning.compat import tf
from model_pruning.reading import flops
from model_pruning.reading import nodes
from model_pruning.reading.inlining import needed_for
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef


@dataclasses.dataclass(frozen=True)
class Member:
  """The slices of one weight along one axis that belong to the channels of a group.

  Attributes:
    weight: name of the constant or variable.
    axis: number of the axis.
    indices: int64 [channels, slices per channel].
  """
  weight: str
  axis: int
  indices: Any


@dataclasses.dataclass(frozen=True)
class Group:
  """Channels that have slices in the same weights and axes.

  Attributes:
    name: name of the first weight that produces them.
    channels: their number.
    members: their slices.
    bytes: bytes of the slices of one channel.
    flops: FLOPs per example that one channel takes, if it alone is removed; None if a shape is
      unknown.
  """
  name: str
  channels: int
  members: Tuple[Member, ...]
  bytes: int
  flops: Any


@dataclasses.dataclass(frozen=True)
class Kept:
  """Weights that stay whole along an axis.

  Attributes:
    op: name of the operation that needs all of them.
    kind: its type.
    reason: why.
    places: (weight, axis) for each.
  """
  op: str
  kind: str
  reason: str
  places: Tuple[Place, ...]


class Channels:
  """The channels of a graph.

  Attributes:
    groups: channels that can be removed, by groups, in the order of the graph.
    kept: what stays whole, and why.
    trace: the graph and its units.
    channel_of: the number of the channel of each unit.
  """

  def __init__(self, found: Trace, counted: Sequence[str] = ()) -> None:
    """Takes a graph and its units; for `counted` see analyse."""
    self.trace = found
    self.channel_of = found.records.units.components()
    self._reasons = found.records.units.reasons()
    self._shapes = {name: tuple(_dims(found, name)) for name in found.weights}
    self._itemsizes = {name: _itemsize(found, name) for name in found.weights}
    self._flops = _layers(found)
    if counted:
      names = {node.name for node in needed_for(found.graph_def, counted).node}
      self._flops = {name: value for name, value in self._flops.items() if name in names}
    self._unknown = any(value is None for value in self._flops.values())
    self._labels: Dict[str, Any] = {}  # The channels of each group, in order.
    self._parts: Dict[str, Any] = {}  # The weights and the products of each group.
    self.groups = self._find_groups()
    self.kept = self._find_kept()

  def with_values(self, graph_def: GraphDef) -> 'Channels':
    """Returns the channels of a graph that differs only in the values of weights.

    Args:
      graph_def: the graph of `trace` with other values.
    """
    with tf.Graph().as_default() as graph:
      tf.import_graph_def(graph_def, name='')
    result = copy.copy(self)
    result.trace = dataclasses.replace(self.trace, graph_def=graph_def, graph=graph)
    return result

  def removed(self, channels: Mapping[str, Sequence[int]]) -> Array:
    """Returns whether each unit is removed, bool, with the channels of some groups.

    Args:
      channels: numbers of channels, from 0, by the names of groups.
    """
    gone = np.zeros(max(1, len(self.channel_of)), bool)
    for name, numbers in channels.items():
      gone[self._labels[name][np.asarray(numbers, np.int64)]] = True
    return gone[self.channel_of] if len(self.channel_of) else gone

  def label(self, group: str, number: int) -> int:
    """Returns the least unit of a channel of a group, which stands for the channel."""
    return int(self._labels[group][number])

  def shapes(self, removed: Array) -> Dict[str, Tuple[int, ...]]:
    """Returns the shapes of the weights without the removed units."""
    return {name: tuple(size_after(axis, size, removed) for axis, size in zip(
        axes, self._shapes[name])) for name, axes in self.trace.weights.items()}

  def bytes(self, removed: Array) -> int:
    """Returns the bytes of all weights without the removed units."""
    return sum(self._bytes_of(name, removed) for name in self.trace.weights)

  def saved(self, group: str, before: Array, after: Array) -> Tuple[int, Any]:
    """Returns the bytes and FLOPs that go when further channels of one group are removed.

    It counts only what reads or produces the group, which is fast in a large graph.

    Args:
      group: its name.
      before, after: whether each unit is removed, bool; they differ in units of the group.

    Returns:
      The FLOPs are None if a shape is unknown.
    """
    weights, products = self._parts[group]
    flops = None if self._unknown else sum(
        self._flops_of(product, before) - self._flops_of(product, after) for product in products)
    return sum(self._bytes_of(name, before) - self._bytes_of(name, after)
               for name in weights), flops

  def flops(self, removed: Array) -> Any:
    """Returns the FLOPs per example without the removed units; None if a shape is unknown."""
    if self._unknown:
      return None
    return sum(self._flops_of(product, removed) for product in self.trace.records.products)

  def nothing(self) -> Array:
    """Returns an array for the other methods if no unit is removed."""
    return np.zeros(max(1, len(self.channel_of)), bool)

  def _bytes_of(self, name: str, removed: Array) -> int:
    size = self._itemsizes[name]
    for axis, length in zip(self.trace.weights[name], self._shapes[name]):
      size *= size_after(axis, length, removed)
    return size

  def _flops_of(self, product: Any, removed: Array) -> int:
    whole = self._flops.get(product.op, 0)
    for axis in product.axes:
      if axis is not None and whole:
        whole = whole * size_after(axis, len(axis), removed) // len(axis)
    return whole

  def _find_groups(self) -> List[Group]:
    places = [(weight, number) for weight, axes in self.trace.weights.items()
              for number, axis in enumerate(axes) if axis is not None]
    alike = self._alike(places)
    computed = self.nothing()
    for product in self.trace.records.products:
      for axis in product.outputs:
        if axis is not None:
          computed[self.channel_of[axis[axis != STAYS]]] = True
    producers = self._producers()
    found: List[Tuple[str, Any, List[Tuple[int, int]]]] = []
    for labels, counts in alike:
      if computed[labels[0]]:  # Otherwise they are constants that meet each other alone.
        own = [places[place] for place, _ in counts]
        name = self._named(next((weight for weight, axis in own
                                 if (weight, axis) in producers), own[0][0]))
        self._labels[name] = labels
        found.append((name, labels, counts))
    users = self._users([labels for _, labels, _ in found])
    nothing = self.nothing()
    groups: List[Group] = []
    for index, (name, labels, counts) in enumerate(found):
      members = tuple(self._member(*places[place], labels, count) for place, count in counts)
      self._parts[name] = tuple(dict.fromkeys(member.weight for member in members)), users[index]
      size, flops_of_one = self.saved(name, nothing, self.removed({name: [0]}))
      groups.append(Group(name, len(labels), members, size, flops_of_one))
    return groups

  def _alike(self, places: Sequence[Place]) -> List[Tuple[Any, List[Tuple[int, int]]]]:
    """Returns the channels that have as many slices in the same places, in the order of the graph.

    Returns:
      For each set of them, their numbers, and (index of a place, slices of one channel) for each
      place.
    """
    units = len(self.channel_of)
    fixed = np.zeros(units, bool)
    fixed[list(self._reasons)] = True
    first = np.full(units, -1)  # Where each channel is met first.
    kind = np.zeros(units, np.int64)  # Channels of one kind are alike so far.
    kinds: List[List[Tuple[int, int]]] = [[]]
    known: Dict[Tuple[int, int, int], int] = {}
    met = 0
    for place, (weight, number) in enumerate(places):
      labels = self.channel_of[self.trace.weights[weight][number]]
      found, where, counts = np.unique(labels, return_index=True, return_counts=True)
      stays = ~fixed[found]
      found, where, counts = found[stays], where[stays], counts[stays]
      first[found] = np.where(first[found] < 0, met + where, first[found])
      met += len(labels)
      if not found.size:
        continue
      pairs, of_pair = np.unique(np.stack([kind[found], counts]), axis=1, return_inverse=True)
      new = []
      for before, count in pairs.T.tolist():
        key = (before, place, count)
        if key not in known:
          known[key] = len(kinds)
          kinds.append(kinds[before] + [(place, count)])
        new.append(known[key])
      kind[found] = np.array(new, np.int64)[of_pair.reshape(-1)]
    labels = np.flatnonzero(first >= 0)
    labels = labels[np.argsort(first[labels])]
    of_label = kind[labels]
    order = np.argsort(of_label, kind='stable')
    ends = np.flatnonzero(np.diff(of_label[order])) + 1
    parts: List[Any] = [part for part in np.split(labels[order], ends) if len(part)]
    return [(part, kinds[int(kind[part[0]])])
            for part in sorted(parts, key=lambda part: int(first[part[0]]))]

  def _member(self, weight: str, number: int, labels: Array, count: int) -> Member:
    own = self.channel_of[self.trace.weights[weight][number]]
    order = np.argsort(own, kind='stable')
    starts: Any = np.searchsorted(own[order], labels)
    return Member(weight, number, order[starts[:, np.newaxis] + np.arange(count)])

  def _users(self, groups: Sequence[Array]) -> List[Tuple[Any, ...]]:
    """Returns the products whose FLOPs depend on channels of each group."""
    group_of = np.full(len(self.channel_of), -1)
    for index, labels in enumerate(groups):
      group_of[labels] = index
    found: List[List[Any]] = [[] for _ in groups]
    for product in self.trace.records.products:
      own = [group_of[self.channel_of[axis[axis != STAYS]]] for axis in product.axes
             if axis is not None]
      for index in np.unique(np.concatenate([np.zeros(0, np.int64), *own])).tolist():
        if index >= 0:
          found[index].append(product)
    return [tuple(products) for products in found]

  def _producers(self) -> Any:
    """Returns the axes of weights whose positions are outputs of a product."""
    produced = self.nothing()
    for product in self.trace.records.products:
      for axis in product.outputs:
        if axis is not None:
          produced[axis[axis != STAYS]] = True
    return {(weight, number) for weight, axes in self.trace.weights.items()
            for number, axis in enumerate(axes) if axis is not None and produced[axis].any()}

  def _named(self, weight: str) -> str:
    """Returns a name for a group: a weight, and a number if the weight has several groups."""
    name, number = weight, 1
    while name in self._labels:
      number += 1
      name = '%s~%d' % (weight, number)
    return name

  def _find_kept(self) -> List[Kept]:
    places: Dict[Tuple[str, str, str], List[Place]] = collections.defaultdict(list)
    for weight, axes in self.trace.weights.items():
      for number, axis in enumerate(axes):
        labels = np.unique(self.channel_of[axis]) if axis is not None else ()
        for record in {id(record): record for record in (
            self._reasons.get(int(label)) for label in labels) if record is not None}.values():
          if record.reason:
            places[record.op, record.kind, record.reason].append((weight, number))
    return [Kept(*key, tuple(dict.fromkeys(found))) for key, found in places.items()]


def analyse(graph_def: GraphDef, outputs: Sequence[str], counted: Sequence[str] = (),
            alike: Sequence[Tuple[Place, Place]] = ()) -> Channels:
  """Returns the channels of a graph, frozen or with variables.

  Args:
    graph_def: a GraphDef. It is not changed.
    outputs: names of the outputs, of operations or tensors.
    counted: the outputs whose FLOPs count, if the graph computes the same more than once, for
      several signatures; () for all.
    alike: see trace.

  Raises:
    errors.OutputNodeError: an output is not in the graph.
    errors.ModelFileError: the graph is damaged, or TensorFlow cannot use it.
  """
  return Channels(trace(graph_def, outputs, alike), counted)


def left(axis: Array, removed: Array) -> Array:
  """Returns the indices of the positions of an axis that stay, int64."""
  return np.flatnonzero(~is_removed(axis, removed))


def _dims(found: Trace, weight: str) -> List[int]:
  op = found.graph.get_operation_by_name(weight)
  if op.type == 'Const':
    return list(op.outputs[0].shape.as_list())
  return list(tf.TensorShape(op.get_attr('shape')).as_list())


def _itemsize(found: Trace, weight: str) -> int:
  op = found.graph.get_operation_by_name(weight)
  return int(tf.as_dtype(op.get_attr('dtype')).size)


def _layers(found: Trace) -> Dict[str, Any]:
  """Returns the FLOPs of each product with a weight, by the name of its operation."""
  # A copy, as reading an attribute that a node lacks adds an empty one; without large values.
  graph_def = tf.GraphDef()
  for node in found.graph_def.node:
    copy = graph_def.node.add()
    if node.op == 'Const' and node.name in found.weights:
      copy.name, copy.op = node.name, node.op
      copy.attr['dtype'].CopyFrom(node.attr['dtype'])
      value = copy.attr['value'].tensor
      value.dtype = node.attr['value'].tensor.dtype
      value.tensor_shape.CopyFrom(node.attr['value'].tensor.tensor_shape)
    else:
      copy.CopyFrom(node)
  layers = flops.layers_of(nodes.flatten(graph_def), list(found.weights), trusted=True).layers
  return {layer.name: layer.flops for layer in layers}
