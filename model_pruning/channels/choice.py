# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chooses channels to remove: those with the smallest norm in each group."""

from typing import Dict, List, Mapping, Optional

import numpy as np

from model_pruning import errors
from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import Group
from model_pruning.hparams.maps import expression
from model_pruning.reading import tensors
from model_pruning.util.types import Array


def smallest(channels: Channels, fraction: float, keep: Optional[str] = None,
             multiple_of: int = 1) -> Dict[str, List[int]]:
  """Returns the channels with the smallest norms of all their slices, by group.

  Args:
    channels: the channels of a frozen graph.
    fraction: the largest fraction of each group to remove, in [0, 1). One channel always stays.
    keep: a regular expression for names of groups to keep whole, matched from their start.
    multiple_of: the number of channels that stay is rounded up to a multiple of this number, for
      example 8 for tensor cores; a group with fewer channels stays whole.

  Raises:
    errors.ChannelError: fraction or multiple_of is out of range.
    errors.MapError: keep is no regular expression.
  """
  if not 0 <= fraction < 1:
    raise errors.ChannelError('fraction=%s; expected a number from 0 to less than 1' % fraction)
  if multiple_of < 1:
    raise errors.ChannelError('multiple_of=%d; expected a number of channels, at least 1' %
                              multiple_of)
  pattern = expression('keep', keep) if keep else None
  values = {node.name: tensors.to_array(node.attr['value'].tensor, node.name)
            for node in channels.trace.graph_def.node if node.name in channels.trace.weights}
  found = {}
  for group in channels.groups:
    stay = group.channels - int(fraction * group.channels + 1e-9)
    stay = min(-(-max(stay, 1) // multiple_of) * multiple_of, group.channels)
    if stay < group.channels and not (pattern and pattern.match(group.name)):
      order = np.argsort(norms(group, values), kind='stable')
      found[group.name] = sorted(int(number) for number in order[:group.channels - stay])
  return found


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
