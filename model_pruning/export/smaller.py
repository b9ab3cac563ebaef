# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A graph without some channels, and what it has lost."""

import dataclasses
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from model_pruning.util import tables
from model_pruning.util.types import Array


@dataclasses.dataclass(frozen=True)
class Width:
  """A weight before and after the removal.

  Attributes:
    name: its name in the graph.
    before, after: both shapes.
    indices: for each axis, the indices of the slices that stay; None if all of them do.
  """
  name: str
  before: Tuple[int, ...]
  after: Tuple[int, ...]
  indices: Tuple[Optional[Tuple[int, ...]], ...]

  def cut(self, value: Array) -> Array:
    """Returns the slices that stay of an array of the shape `before`."""
    for axis, stay in enumerate(self.indices):
      if stay is not None:
        value = np.take(value, stay, axis=axis)
    return value


@dataclasses.dataclass(frozen=True)
class Smaller:
  """A graph without some channels.

  Attributes:
    graph_def: the GraphDef. Calls of functions are replaced by the nodes of the functions, and
      nodes that the outputs do not need are dropped.
    removed: numbers of the removed channels, by the names of groups.
    widths: the weights that got smaller, in the order of the graph.
    bytes: bytes of all weights, (before, after).
    flops: FLOPs per example, (before, after); None if a shape is unknown.
    difference: the largest difference of the outputs, relative to the largest value.
    absorbed: new values of the biases and moving means that took the values of constant channels,
      in the shapes before the removal, by their names.
  """
  graph_def: Any
  removed: Dict[str, List[int]]
  widths: Tuple[Width, ...]
  bytes: Tuple[int, int]
  flops: Optional[Tuple[int, int]]
  difference: float
  absorbed: Dict[str, Any]

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns a table of the weights that got smaller, and a line with the totals."""
    rows = [[each.name, tables.shape_text(each.before), tables.shape_text(each.after)]
            for each in self.widths]
    lines = [tables.fitted(['weight', 'before', 'after'], rows, width)] if rows else []
    numbers = 'bytes of weights: %s -> %s' % tuple(
        tables.scaled(number, 'B') for number in self.bytes)
    if self.flops is not None:
      numbers += '; FLOPs per example: %s -> %s' % tuple(map(tables.scaled, self.flops))
    lines += [''] * bool(lines) + [numbers]
    if self.absorbed:
      lines += tables.wrapped('values of constant channels went into: ' + ', '.join(
          self.absorbed), width)
    return '\n'.join(lines)
