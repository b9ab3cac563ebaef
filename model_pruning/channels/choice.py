# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chooses the channels to remove: their order in each group, and their number."""

import dataclasses
import numbers
from typing import Any, Dict, List, Mapping, Optional

import numpy as np

from model_pruning import errors
from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import Group
from model_pruning.hparams.maps import expression
from model_pruning.reading import tensors
from model_pruning.util.types import Array


def _is_number(value: Any, begin: float, end: float, kind: Any = numbers.Real) -> bool:
  """Whether a value of any type is a number, at least `begin` and less than `end`."""
  return isinstance(value, kind) and begin <= value < end


def check_budget(function: str, budget: Mapping[str, Any]) -> None:
  """Raises TypeError, as Python does, for arguments of a function that are no budgets."""
  known = ('max_flops', 'max_bytes', 'max_loss')
  for name in sorted(set(budget) - set(known)):
    raise TypeError('%s() got an unexpected keyword argument %r%s' % (
        function, name, errors.nearest(name, ('fraction', 'keep', 'multiple_of', 'remove',
                                              'examples', 'labels', 'classes', 'joint_steps',
                                              *known))))


def check_joint_steps(steps: Any, refits: bool) -> None:
  """Raises errors.ChannelError for a number of steps of a joint refit that cannot be made.

  Args:
    steps: the number.
    refits: whether there are examples and a goal.
  """
  if isinstance(steps, bool) or not _is_number(steps, 0, float('inf'), numbers.Integral):
    raise errors.ChannelError('joint_steps=%r; expected a number of steps, 0 or more' % (steps,))
  if steps and not refits:
    raise errors.ChannelError(
        'joint_steps=%d refits a model that has lost channels to examples; give examples, and '
        'one of fraction, max_flops, max_bytes and max_loss' % steps)


@dataclasses.dataclass(frozen=True)
class Target:
  """How many channels to remove; without a number, those that do not affect the outputs.

  Attributes:
    fraction: the largest fraction of the channels of each group to remove, in [0, 1).
    max_flops: the most FLOPs per example that may be left.
    max_bytes: the most bytes of weights that may be left.
    max_loss: the largest loss on examples; see calibration.losses.Loss.
    keep: a regular expression for names of groups to keep whole, matched from their start.
    multiple_of: the number of channels that stay is rounded up to a multiple of this number, for
      example 8 for tensor cores; a group with fewer channels stays whole.
  """
  fraction: float = 0.0
  max_flops: Optional[float] = None
  max_bytes: Optional[float] = None
  max_loss: Optional[float] = None
  keep: Optional[str] = None
  multiple_of: int = 1

  def __post_init__(self) -> None:
    """Checks the numbers.

    Raises:
      errors.ChannelError: a number is out of range, or there is more than one goal.
      errors.MapError: keep is no regular expression.
    """
    if not _is_number(self.fraction, 0, 1):
      raise errors.ChannelError('fraction=%r; expected a number from 0 to less than 1' %
                                (self.fraction,))
    if not _is_number(self.multiple_of, 1, float('inf'), numbers.Integral):
      raise errors.ChannelError('multiple_of=%r; expected a number of channels, at least 1' %
                                (self.multiple_of,))
    budgets = {name: value for name, value in (
        ('max_flops', self.max_flops), ('max_bytes', self.max_bytes), ('max_loss', self.max_loss))
               if value is not None}
    given = ['fraction'] * bool(self.fraction) + list(budgets)
    if len(given) > 1:
      raise errors.ChannelError('Give one of fraction, max_flops, max_bytes and max_loss; got %s' %
                                ', '.join(given))
    for name, value in budgets.items():
      if not _is_number(value, 0, 1 if name == 'max_loss' else float('inf')):
        raise errors.ChannelError('%s=%s; expected %s' % (
            name, value, 'a number from 0 to less than 1' if name == 'max_loss' else
            'a finite number, 0 or more'))
    if self.keep is not None and not isinstance(self.keep, str):
      raise errors.MapError('keep=%r; expected a regular expression, for example %r' % (
          self.keep, 'conv1|.*/conv2'))
    if self.keep:
      expression('keep', self.keep)

  @property
  def removes_nothing_needed(self) -> bool:
    """Whether only channels go that do not affect the outputs."""
    return not self.fraction and self.max_flops is self.max_bytes is self.max_loss is None

  def kept_whole(self, group: str) -> bool:
    """Whether `keep` names a group."""
    return bool(self.keep and expression('keep', self.keep).match(group))

  def check_keep(self, channels: Channels) -> None:
    """Raises errors.MapError if `keep` names no group."""
    names = [group.name for group in channels.groups]
    if self.keep and not any(map(self.kept_whole, names)):
      raise errors.MapError('keep=%r matches the beginning of no name of a group%s; there are: '
                            '%s' % (self.keep, errors.nearest(self.keep, names),
                                    ', '.join(names) or 'none'))

  def stay(self, channels: int, least: int) -> int:
    """Returns how many of `channels` stay if `least` should: at least 1, and a multiple."""
    return min(-(-max(least, 1) // self.multiple_of) * self.multiple_of, channels)


@dataclasses.dataclass(frozen=True)
class Order:
  """The order in which the channels of a group are removed.

  Attributes:
    numbers: their numbers, the first to go first.
    costs: float64 [channels + 1], the damage of removing the first 0, 1, ... of them.
  """
  numbers: List[int]
  costs: Any


Orders = Dict[str, Order]  # By the names of groups.


def by_norm(channels: Channels, free: Optional[Array] = None) -> Orders:
  """Returns the channels of each group by the norms of all their slices, the smallest first.

  The damage of removing some is their fraction of the squared norm of the group.

  Args:
    channels: the channels of a frozen graph.
    free: whether each unit does no damage, bool; None for none of them.
  """
  values = values_of(channels)
  found = {}
  for group in channels.groups:
    sizes = norms(group, values)
    if free is not None:
      sizes[[free[channels.label(group.name, number)] for number in range(group.channels)]] = 0
    order = np.argsort(sizes, kind='stable')
    squares = np.concatenate([[0.0], np.cumsum(np.square(sizes[order]))])
    found[group.name] = Order([int(number) for number in order],
                              squares / max(squares[-1], 1e-300))
  return found


def uniform(channels: Channels, orders: Orders, target: Target) -> Dict[str, List[int]]:
  """Returns the channels to remove, by group, if each group loses the target's fraction.

  Groups that `orders` lacks stay whole.
  """
  found = {}
  for group in channels.groups:
    stay = target.stay(group.channels, group.channels - int(
        target.fraction * group.channels + 1e-9))
    if stay < group.channels and group.name in orders and not target.kept_whole(group.name):
      found[group.name] = sorted(orders[group.name].numbers[:group.channels - stay])
  return found


def values_of(channels: Channels) -> Dict[str, Any]:
  """Returns the values of the weights of a frozen graph by their names."""
  return {node.name: tensors.to_array(node.attr['value'].tensor, node.name)
          for node in channels.trace.graph_def.node if node.name in channels.trace.weights}


def norms(group: Group, values: Mapping[str, Array]) -> Array:
  """Returns the norm of all slices of each channel of a group, float64 [channels].

  Args:
    group: the group.
    values: the values of the weights by their names.
  """
  total = np.zeros(group.channels)
  for member in group.members:
    value = np.moveaxis(np.asarray(values[member.weight], np.float64), member.axis, 0)
    squares = np.square(value).reshape(len(value), -1).sum(axis=1)
    total += squares[member.indices].sum(axis=1)
  return np.sqrt(total)
