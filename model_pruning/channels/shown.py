# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows the channels of a graph: as tables for a terminal, and as JSON."""

import json
from typing import Any, List, Mapping, Sequence

from model_pruning.channels.analysis import Group
from model_pruning.channels.analysis import Kept
from model_pruning.util import tables

_WHOLE = 'These weights stay whole along an axis:'


def table(groups: Sequence[Group], whole: Sequence[Kept], unneeded: Mapping[str, Sequence[int]],
          width: int = tables.WIDTH) -> str:
  """Returns the groups and their worth, their slices, and what stays whole and why.

  Args:
    groups: the channels that can be removed, by groups.
    whole: what stays whole.
    unneeded: the channels that can go without changing the outputs, by group.
    width: the width of the terminal, in characters.
  """
  rows = [[group.name, str(group.channels), str(len(unneeded.get(group.name, ()))),
           tables.scaled(group.bytes, 'B'), tables.scaled(group.flops)]
          for group in groups]
  parts: List[str] = []
  if rows:
    parts.append(tables.fitted(
        ['group', 'channels', 'unneeded', 'bytes/channel', 'FLOPs/channel'], rows, width))
    lines = []
    for group in groups:
      lines += tables.wrapped('%s: %s' % (group.name, ', '.join(_slices(group))), width)
    parts.append('\n'.join(lines))
  else:
    parts.append('There are no channels that can be removed.')
  if whole:
    lines = [_WHOLE]
    for kept in whole:
      lines += tables.wrapped('%s (%s): %s: %s' % (kept.op, kept.kind, kept.reason, ', '.join(
          '%s axis %d' % place for place in kept.places)), width)
    parts.append('\n'.join(lines))
  return '\n\n'.join(parts)


def _slices(group: Group) -> List[str]:
  """Returns a text for each member of a group."""
  return ['%s axis %d%s' % (member.weight, member.axis, '' if member.indices.shape[1] == 1 else
                            ' (%d each)' % member.indices.shape[1]) for member in group.members]


def to_json(groups: Sequence[Group], whole: Sequence[Kept],
            unneeded: Mapping[str, Sequence[int]]) -> str:
  """Returns the groups and what stays whole as JSON; see table."""
  content: Any = {
      'groups': [{
          'name': group.name, 'channels': group.channels,
          'unneeded': list(unneeded.get(group.name, ())), 'bytes': group.bytes,
          'flops': group.flops, 'members': [
              {'weight': member.weight, 'axis': member.axis, 'indices': member.indices.tolist()}
              for member in group.members]} for group in groups],
      'whole': [{
          'op': kept.op, 'kind': kept.kind, 'reason': kept.reason,
          'places': [{'weight': weight, 'axis': axis} for weight, axis in kept.places]}
          for kept in whole]}
  return json.dumps(content, indent=2)
