# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes whole channels from graphs of constants."""

from typing import Any, Container, Dict, List, Mapping, Optional, Sequence, Tuple

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.channels import compare
from model_pruning.channels import rewrite
from model_pruning.channels.absorbing import Absorbers
from model_pruning.channels.analysis import analyse
from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import left
from model_pruning.channels.budgets import within
from model_pruning.channels.choice import by_norm
from model_pruning.channels.choice import Orders
from model_pruning.channels.choice import Target
from model_pruning.channels.choice import uniform
from model_pruning.channels.exact import by_group
from model_pruning.channels.exact import free
from model_pruning.channels.exact import unread
from model_pruning.export.smaller import Smaller
from model_pruning.export.smaller import Width
from model_pruning.reading import tensors
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef


def remove_channels(graph_def: GraphDef, outputs: Sequence[str],
                    remove: Optional[Mapping[str, Sequence[int]]] = None,
                    examples: Optional[Mapping[str, Any]] = None) -> Smaller:
  """Removes channels from a graph of constants.

  Without `remove`, these are the channels that do not affect the outputs, for example as their
  slices are masked: at each place that reads a channel its value is zero, or the slices of the
  reader, or its value is constant, and the bias of the reader takes it. With `remove`, the slices
  of these channels are set to zero first, which changes the outputs, except that biases take the
  constants. Then the outputs of the graph with these zeros and of the smaller graph are compared.

      smaller = export.remove_channels(graph_def, ['scores'])
      print(smaller.table())

  Args:
    graph_def: a GraphDef of constants. It is not changed.
    outputs: names of the outputs, of operations or tensors. Inputs that are to stay although no
      output needs them are named as well.
    remove: numbers of channels, by the names of groups; see model_pruning.channels.analysis.
    examples: arrays by the names of placeholders, to compare the outputs on; random values by
      default.

  Raises:
    errors.ChannelError: there is no such group or channel; a channel cannot be removed; or the
      outputs differ by more than 1e-5 of the largest value.
    errors.OutputNodeError: an output is not in the graph.
    errors.ModelFileError: the graph is damaged, has variables, or TensorFlow cannot use it.
    errors.ExamplesError: there are no random values for an input.
  """
  return without(analyse(graph_def, outputs), remove, examples)


def without(channels: Channels, remove: Optional[Mapping[str, Sequence[int]]] = None,
            examples: Optional[Mapping[str, Any]] = None,
            variables: Optional[Container[str]] = None) -> Smaller:
  """Does the same as remove_channels with a graph that is analysed already.

  Args:
    channels: the channels of the graph.
    remove, examples: see remove_channels.
    variables: names of the biases and moving means that may take constants; None for all.
  """
  check_frozen(channels)
  absorbers = Absorbers(channels, variables)
  if remove is None:
    return _without_unread(channels, examples, Target(), absorbers)
  check_names(channels, remove)
  absorbed = absorbers.absorbed(channels.removed(remove))
  channels, removed, readers = _masked(channels, remove, absorbed)
  _check_all(channels, remove, by_group(channels, removed), readers)
  return compared(channels, removed, examples, absorbed)


def shrink(graph_def: GraphDef, outputs: Sequence[str], fraction: float = 0.0,
           keep: Optional[str] = None, multiple_of: int = 1,
           examples: Optional[Mapping[str, Any]] = None, max_flops: Optional[float] = None,
           max_bytes: Optional[float] = None) -> Smaller:
  """Removes channels of each group: those that do no damage, then those with the smallest norms.

      smaller = export.shrink(graph_def, ['scores'], fraction=0.5, multiple_of=8)
      smaller = export.shrink(graph_def, ['scores'], max_flops=2e9)

  A group stays whole if its channels would not be zero without their weights. The weights that
  stay keep their values; one_shot.shrink_graph also refits them to examples.

  Args:
    graph_def, outputs, examples: see remove_channels.
    fraction: the largest fraction of the channels of each group to remove, in [0, 1); with 0 and
      no other goal, only channels that do not affect the outputs are removed.
    keep: a regular expression for names of groups to keep whole, matched from their start.
    multiple_of: the number of channels that stay is rounded up to a multiple of this number.
    max_flops, max_bytes: instead of a fraction: the most FLOPs per example, or bytes of weights,
      that are left. Groups lose similar fractions of their squared norms, and less if they
      connect several layers, as the sum of residual blocks does.

  Raises:
    errors.ChannelError: a number is out of range; FLOPs or bytes cannot be so few; or see
      remove_channels.
    errors.MapError: keep is no regular expression, or matches no group.
    errors.PruningError: see remove_channels.
  """
  target = Target(fraction, max_flops, max_bytes, None, keep, multiple_of)
  return without_smallest(analyse(graph_def, outputs), target, examples)


def without_smallest(channels: Channels, target: Target,
                     examples: Optional[Mapping[str, Any]] = None,
                     variables: Optional[Container[str]] = None) -> Smaller:
  """Does the same as shrink with a graph that is analysed already; for `variables` see without."""
  check_frozen(channels)
  target.check_keep(channels)
  absorbers = Absorbers(channels, variables)
  if target.removes_nothing_needed:
    return _without_unread(channels, examples, target, absorbers)
  orders = by_norm(channels, free(channels, absorbers))
  masked, removed = able(channels, orders, target, absorbers=absorbers, even=True)
  return compared(masked, removed, examples, absorbers.absorbed(removed))


def able(channels: Channels, orders: Orders, target: Target,
         steps: Optional[Mapping[str, Sequence[int]]] = None,
         absorbers: Optional[Absorbers] = None, even: bool = False) -> Tuple[Channels, Array]:
  """Returns the masked graph, and the units to remove: a choice that can be removed as a whole.

  Groups of which a channel cannot be removed stay whole.

  Args:
    channels: the channels of the graph.
    orders: the order in which the channels of each group go.
    target: how many go.
    steps: the choice, if it is made already, instead of a choice by the target.
    absorbers: where the values of constant channels go; None drops them.
    even: for a budget; see budgets.Path.
  """
  orders = dict(orders)
  while True:
    remove = {name: list(numbers) for name, numbers in steps.items() if name in orders} if (
        steps is not None) else chosen(channels, orders, target, even)
    masked, removed, _ = _masked(channels, remove, absorbers.absorbed(
        channels.removed(remove)) if absorbers else {})
    found = by_group(masked, removed)
    unable = [name for name, numbers in remove.items()
              if not set(numbers) <= set(found.get(name, ()))]
    if not unable:
      if target.fraction and not removed.any():
        logging.warning(
            'fraction=%g removes no channel: %s; `model-pruning channels` lists the groups, and '
            'what stays whole and why', target.fraction, _why_none(channels, orders, target))
      return masked, removed
    for name in unable:
      del orders[name]


def _why_none(channels: Channels, orders: Orders, target: Target) -> str:
  """Returns why a fraction removes no channel of the groups that `orders` has."""
  if not channels.groups:
    return 'there are none that can be removed'
  if all(map(target.kept_whole, orders)):
    return 'all groups have to stay whole'
  if target.multiple_of > 1:
    return 'multiple_of=%d rounds the channels that stay up to all of them' % target.multiple_of
  return 'it is less than one channel of any group'


def chosen(channels: Channels, orders: Orders, target: Target, even: bool = False
           ) -> Dict[str, List[int]]:
  """Returns the channels to remove, by group; see choice.uniform and budgets.within."""
  if target.max_flops is target.max_bytes is None:
    return uniform(channels, orders, target)
  return within(channels, orders, target, even)


def _without_unread(channels: Channels, examples: Optional[Mapping[str, Any]],
                    target: Target, absorbers: Optional[Absorbers]) -> Smaller:
  wanted = {group.name: list(range(group.channels)) for group in channels.groups
            if not target.kept_whole(group.name)}
  removed, _ = unread(channels, channels.removed(wanted), absorbers)
  if target.multiple_of > 1:
    sizes = {group.name: group.channels for group in channels.groups}
    found = {name: numbers[:sizes[name] - target.stay(sizes[name], sizes[name] - len(numbers))]
             for name, numbers in by_group(channels, removed).items()}
    removed, _ = unread(channels, channels.removed(found), absorbers)
  absorbed = absorbers.absorbed(removed) if absorbers else {}
  try:
    return compared(channels, removed, examples, absorbed)
  except errors.ChannelError:
    if not absorbed:
      raise
    # Rounding, for example of large constants that nearly cancel each other.
    return _without_unread(channels, examples, target, None)


def _masked(channels: Channels, remove: Mapping[str, Sequence[int]],
            absorbed: Mapping[str, Any]) -> Tuple[Channels, Array, Dict[int, str]]:
  """Returns the masked graph, the units that can be removed from it, and who reads the others.

  The masked graph has the values `absorbed`.
  """
  masked = _with_constants(channels, absorbed)
  masked = channels.with_values(rewrite.masked(masked, channels.removed(remove)))
  removed, readers = unread(masked, masked.removed(remove))
  return masked, removed, readers


def _with_constants(channels: Channels, values: Mapping[str, Any]) -> Channels:
  return channels.with_values(
      tensors.with_constants(channels.trace.graph_def, values)) if values else channels


def compared(channels: Channels, removed: Array,
             examples: Optional[Mapping[str, Any]] = None,
             absorbed: Optional[Mapping[str, Any]] = None) -> Smaller:
  """Returns the graph without some units, once its outputs are equal.

  Args:
    channels: the channels of a graph whose outputs these units do not affect.
    removed: whether each unit is removed, bool.
    examples: see remove_channels.
    absorbed: values of biases and means that take the removed constants.

  Raises:
    errors.ChannelError: the outputs differ.
  """
  absorbed = dict(absorbed or {})
  found = by_group(channels, removed)
  graph = rewrite.without(_with_constants(channels, absorbed), removed)
  setup = [name for name in channels.trace.ends if ':' not in name]
  masked, outputs = channels.trace.graph_def, channels.trace.outputs
  apart = compare.difference(masked, graph, outputs, examples, setup)
  allowed = compare.allowed(apart, masked, outputs, examples, setup)
  if not apart <= allowed:
    raise errors.ChannelError(
        'Without %d channels, the outputs differ by %.2g of their largest value; %g is allowed. %s'
        % (sum(map(len, found.values())), apart, allowed, compare.advice(
            masked, 'Remove channels of fewer groups')))
  return _result(channels, removed, found, graph, apart, absorbed)


def check_names(channels: Channels, remove: Mapping[str, Sequence[int]]) -> None:
  """Raises errors.ChannelError unless all groups and channels exist, and one of each stays."""
  known = {group.name: group.channels for group in channels.groups}
  if not isinstance(remove, Mapping):
    raise errors.ChannelError('remove=%r; expected numbers of channels by the names of groups, for '
                              'example {%r: [0, 3]}' % (remove, next(iter(known), 'conv/kernel')))
  for name, numbers in remove.items():
    if name not in known:
      raise errors.ChannelError('There is no group of channels %r%s; there are: %s' % (
          name, errors.nearest(name, known), ', '.join(known) or 'none'))
    found = np.asarray(numbers)
    if found.ndim != 1 or found.size and found.dtype.kind not in 'iu':
      raise errors.ChannelError('Group %s has %r; expected a list of numbers of channels' % (
          name, numbers))
    if any(not 0 <= number < known[name] for number in numbers):
      raise errors.ChannelError('Group %s has the channels 0 to %d, and not %s' % (
          name, known[name] - 1, ', '.join(
              str(number) for number in numbers if not 0 <= number < known[name])))


def check_frozen(channels: Channels) -> None:
  """Raises errors.ModelFileError if the graph has variables."""
  for name in channels.trace.weights:
    if channels.trace.graph.get_operation_by_name(name).type != 'Const':
      raise errors.ModelFileError(
          'The graph has the variable %s; freeze it first, for example with '
          'export.graph_def_from_session' % name)


def _check_all(channels: Channels, wanted: Mapping[str, Sequence[int]],
               found: Mapping[str, Sequence[int]], readers: Mapping[int, str]) -> None:
  for name, numbers in wanted.items():
    stays = sorted(set(numbers) - set(found.get(name, ())))
    if stays:
      label = channels.label(name, stays[0])
      raise errors.ChannelError(
          'Channel %d of group %s cannot be removed: %s' % (
              stays[0], name, '%s reads it, and its value is not zero there' % readers[label]
              if label in readers else 'it would be the last one of a tensor'))


def _result(channels: Channels, removed: Array, found: Dict[str, List[int]], graph: GraphDef,
            apart: float, absorbed: Dict[str, Any]) -> Smaller:
  nothing = channels.nothing()
  before, after = channels.shapes(nothing), channels.shapes(removed)
  flops = (channels.flops(nothing), channels.flops(removed))
  return Smaller(
      graph, found,
      tuple(Width(name, before[name], after[name], _indices(channels, name, removed))
            for name in before if before[name] != after[name]),
      (channels.bytes(nothing), channels.bytes(removed)),
      None if None in flops else flops, apart, absorbed)


def _indices(channels: Channels, weight: str, removed: Array
             ) -> Tuple[Optional[Tuple[int, ...]], ...]:
  """Returns the indices of a weight that stay, for each axis; see Width."""
  found: List[Optional[Tuple[int, ...]]] = []
  for axis in channels.trace.weights[weight]:
    stay = () if axis is None else left(axis, removed)
    found.append(None if axis is None or len(stay) == len(axis) else tuple(map(int, stay)))
  return tuple(found)
