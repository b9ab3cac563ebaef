# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which channels masks can hide, so that the masked model computes the same without them."""

import dataclasses
from typing import Collection, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.channels.analysis import analyse
from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import Group
from model_pruning.channels.exact import unread
from model_pruning.channels.units import is_removed
from model_pruning.compat import tf
from model_pruning.engine.channel_groups import ChannelGroup
from model_pruning.engine.channel_groups import ChannelPlan
from model_pruning.engine.channel_groups import Slices
from model_pruning.engine.channel_groups import stays
from model_pruning.engine.layout import Layout
from model_pruning.hparams.maps import check_keys
from model_pruning.hparams.maps import lookup
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef
from model_pruning.util.types import NodeDef

_SHOWN = 20  # Weights in a message.


@dataclasses.dataclass(frozen=True)
class Hideable:
  """The groups of channels that masks can hide.

  Attributes:
    groups: the groups.
    dense: for each weight with a mask and without slices of these groups, why.
  """
  groups: List[Group]
  dense: Dict[str, str]

  def plan(self, layouts: Mapping[str, Layout], masked: Sequence[str], spec: PruningSpec
           ) -> Tuple[ChannelPlan, List[str]]:
    """Returns the plan for the engine, and the names of its weights.

    Args:
      layouts: how the weights with slices are cut, by their names. Slices of other weights do not
        count in norms.
      masked: names of the weights that have masks.
      spec: the hyperparameters.

    Raises:
      errors.ChannelError: there are no groups, or none can lose a channel.
      errors.MapError: a key of weight_sparsity_map matches no group, or several match one.
    """
    if not self.groups:
      raise errors.ChannelError(
          'channel_pruning=true, but masks can hide no channels of this model: %s. Prune its '
          'weights without channel_pruning, or mask the layers that read these channels' % (
              self.log_line or 'it has no weights with masks'))
    if all(stays(group.channels, 1.0, spec) == group.channels for group in self.groups):
      raise errors.ChannelError(
          'min_channels=%d and channels_multiple_of=%d keep all channels of each group, which are '
          'at most %d; lower them' % (spec.min_channels, spec.channels_multiple_of, max(
              group.channels for group in self.groups)))
    found = [group.name for group in self.groups]
    check_keys('weight_sparsity_map', spec.weight_sparsity_map, found, 'group of channels')
    names = list(dict.fromkeys(member.weight for group in self.groups for member in group.members
                               if member.weight in layouts))
    number = {name: index for index, name in enumerate(names)}
    groups = [ChannelGroup(
        group.name, group.channels,
        lookup('weight_sparsity_map', spec.weight_sparsity_map, group.name, 'group'),
        tuple(Slices(number[member.weight], member.axis, member.indices)
              for member in group.members if member.weight in number)) for group in self.groups]
    return ChannelPlan(tuple(groups), tuple(layouts[name] for name in names), tuple(
        number[name] for name in masked if name in number)), names

  def renamed(self, names: Mapping[str, str]) -> 'Hideable':
    """Returns the same with other names of weights and groups; see `names`, {old: new}."""
    def new(name: str) -> str:
      weight, tilde, number = name.partition('~')
      return names.get(weight, weight) + tilde + number

    return Hideable([dataclasses.replace(group, name=new(group.name), members=tuple(
        dataclasses.replace(member, weight=names.get(member.weight, member.weight))
        for member in group.members)) for group in self.groups],
                    {names.get(name, name): reason for name, reason in self.dense.items()})

  @property
  def log_line(self) -> str:
    """The weights that stay dense, with the reasons; '' if there are none."""
    shown = ['%s (%s)' % item for item in list(self.dense.items())[:_SHOWN]]
    more = len(self.dense) - len(shown)
    return ', '.join(shown) + (', and %d more' % more if more > 0 else '')


def hideable(channels: Channels, masked: Collection[str],
             groups: Sequence[Group], whole: Optional[Mapping[str, str]] = None) -> Hideable:
  """Returns the groups whose channels contribute nothing to the outputs once masks hide them.

  A hidden channel still has the value of its bias, which has no mask. So each weight that reads it
  needs a mask, or else its value must be zero without a bias.

  Args:
    channels: the channels of a graph, frozen or with variables.
    masked: names of the weights that have masks.
    groups: the groups to choose from.
    whole: why others stay whole, by their names.
  """
  reasons: Dict[str, str] = dict(whole or {})
  able = [group for group in groups if group.channels > 1]
  while True:
    # One channel of each group stays, so that those who read only hidden ones count as readers.
    hidden = {group.name: list(range(1, group.channels)) for group in able}
    tested = analyse(_with_values(channels, channels.removed(hidden), masked),
                     channels.trace.ends)
    removed, readers = unread(tested, tested.removed(hidden))
    left = []
    for group in able:
      stays = [number for number in hidden[group.name]
               if not removed[tested.label(group.name, number)]]
      if stays:
        reasons[group.name] = '%s reads it without a mask' % readers.get(
            tested.label(group.name, stays[0]), 'an operation')
      else:
        left.append(group)
    if len(left) == len(able):
      break
    able = left
  sliced = {member.weight for group in able for member in group.members}
  return Hideable(able, {name: _reason(channels, name, reasons)
                         for name in masked if name not in sliced})


def _reason(channels: Channels, weight: str, reasons: Mapping[str, str]) -> str:
  """Returns why masks hide no channels of a weight."""
  groups = [group for group in channels.groups
            if any(member.weight == weight for member in group.members)]
  found = [reasons[group.name] for group in groups if group.name in reasons]
  found += ['its channels can only be removed all together'] * any(
      group.channels == 1 for group in groups)
  found += ['%s: %s' % (kept.op, kept.reason) for kept in channels.kept
            if any(name == weight for name, _ in kept.places)]
  return '; '.join(dict.fromkeys(found)) or 'its channels belong to no group'


def _with_values(channels: Channels, removed: Array, masked: Collection[str]) -> GraphDef:
  """Returns the graph with constants for its weights: zeros where masks hide them, else random.

  Values of a model would be zero by accident, as new biases are.
  """
  random = np.random.RandomState(0)
  result = tf.GraphDef()
  result.CopyFrom(channels.trace.graph_def)
  weights = {member.weight for group in channels.groups for member in group.members}
  others = _users_of_handles(result, weights)
  shapes = channels.shapes(channels.nothing())
  for node in result.node:
    if node.name in weights and node.name not in others:
      axes = channels.trace.weights[node.name]
      value = random.uniform(0.5, 1.5, shapes[node.name]).astype(np.float32)
      for place, axis in enumerate(axes):
        if axis is not None and node.name in masked:
          np.moveaxis(value, place, 0)[is_removed(axis, removed)] = 0
      _set_constant(node, value)
    elif node.op == 'ReadVariableOp' and node.input[0].split(':')[0] in weights - others:
      node.op = 'Identity'
      dtype = node.attr['dtype'].type
      node.attr.clear()
      node.attr['T'].type = dtype
  return result


def _users_of_handles(graph_def: GraphDef, weights: Collection[str]) -> Set[str]:
  """Returns the resource variables that other operations than reads take."""
  handles = {node.name for node in graph_def.node
             if node.op == 'VarHandleOp' and node.name in weights}
  return {name for node in graph_def.node if node.op != 'ReadVariableOp'
          for name in (text.split(':')[0] for text in node.input) if name in handles}


def _set_constant(node: NodeDef, value: Array) -> None:
  dtype = tf.as_dtype(node.attr['dtype'].type)
  node.op = 'Const'
  node.attr.clear()
  node.attr['dtype'].type = dtype.as_datatype_enum
  node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
