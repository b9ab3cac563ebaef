# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The contract of patterns: which elements of a weight are kept or dropped together.

A pattern turns scores into unit scores (`pool`), chooses among units (`select`), and turns a mask
over units into a mask over elements (`expand`). All work on the shards of one weight, each where
it lives. The unit scores of a shard are given as [rows, columns], so that reading row r of the
first shard, row r of the second, and so on, then row r + 1, visits the units of the whole weight in
flat index order.
"""

import abc
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from model_pruning.engine import selection
from model_pruning.engine.layout import Layout
from model_pruning.engine.selection import Selection
from model_pruning.engine.counting import Shards
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.protocols import Protocol


class Pattern(Protocol):
  """Which elements of a weight are kept or dropped together.

  A pattern is a value: two with the same settings are equal and have the same hash, since equal
  patterns share the functions of a graph. patterns.py lists the patterns.
  """

  @classmethod
  def create(cls, shape: Sequence[int], dims: BlockDims,
             spec: PruningSpec) -> 'Optional[Pattern]':
    """Returns the pattern for a weight, or None if the spec asks for another one.

    Args:
      shape: static shape of the whole weight.
      dims: (height, width) that the spec gives this weight; -1 is the whole dimension.
      spec: the hyperparameters.

    Raises:
      errors.BlockError: the spec asks for this pattern, and it cannot serve the weight.
    """

  def units(self, layout: Layout) -> int:
    """Returns the number of units of a weight."""

  def describe(self, layout: Layout) -> 'Unit':
    """Returns what a report says about the units of a weight."""

  def pool(self, scores: Sequence[Any], layout: Layout) -> Shards:
    """Returns the score of every unit, per shard.

    Args:
      scores: per shard, a non-negative float32 tensor of the shard's shape.
      layout: how the weight is cut into shards.
    """

  def select(self, pooled: Sequence[Shards], sparsity: Any, previous_threshold: Any,
             spec: PruningSpec) -> Selection:
    """Chooses the units to keep, of one weight or of all members of a group.

    The first member's pattern chooses for the whole group.

    Args:
      pooled: per weight, what its pattern's `pool` returned.
      sparsity: scalar tensor of selection.sparsity_dtype(number of units).
      previous_threshold: float32 scalar, for threshold_decay.
      spec: the hyperparameters.
    """

  def expand(self, masks: Sequence[Any], layout: Layout) -> Shards:
    """Returns a mask over elements, per shard, for a mask over units; bool tensors."""

  def fewest_zeros(self, members: 'Sequence[Member]', sparsity: float) -> int:
    """Returns the smallest number of elements that masks of that sparsity hide.

    Args:
      members: one weight, or all members of a group; this pattern is the first one's.
      sparsity: in [0, 1).
    """

  def check_target(self, target: float) -> None:
    """Raises errors.BlockError if a target sparsity drops nothing, though it is not 0."""


class Member(NamedTuple):
  """A weight and the pattern it is pruned in.

  Attributes:
    record: has the name, identity, group and layout of the weight; a MaskedWeight, say.
    pattern: a Pattern.
  """
  record: Any
  pattern: Pattern


class Unit(NamedTuple):
  """The units of a weight, for reports.

  Attributes:
    name: in words, 'blocks of 4x1', say; '' for single elements.
    height: the number of rows, or of inputs, that a unit spans.
    by_columns: whether a unit spans all rows, so that whole columns are dropped.
  """
  name: str = ''
  height: int = 1
  by_columns: bool = False


class OneThreshold(abc.ABC):
  """The part of Pattern that patterns share whose units compete under one threshold."""

  @abc.abstractmethod
  def units(self, layout: Layout) -> int:
    """Returns the number of units of a weight."""

  @abc.abstractmethod
  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns (elements that a unit covers, number of units that cover so many)."""

  def select(self, pooled: Sequence[Shards], sparsity: Any, previous_threshold: Any,
             spec: PruningSpec) -> Selection:
    """Chooses by one threshold over all units of all weights; see Pattern.select."""
    return selection.select(pooled, sparsity, previous_threshold, spec.threshold_decay,
                            spec.threshold_method, spec.nbins, spec.use_tpu)

  def fewest_zeros(self, members: Sequence[Member], sparsity: float) -> int:
    """Returns the smallest number of elements hidden; the smallest units may go first."""
    sizes: List[Tuple[int, int]] = []
    for record, pattern in members:
      assert isinstance(pattern, OneThreshold), 'members of a group share one threshold'
      sizes.extend(pattern.unit_sizes(record.layout))
    units = sum(number for _, number in sizes)
    return fewest_elements(sizes, units - selection.rounded_keep_count(units, sparsity))

  def check_target(self, target: float) -> None:
    """Accepts every target: one that drops no unit of a small weight is simply not met."""
    del target


def fewest_elements(sizes: Sequence[Tuple[int, int]], units: int) -> int:
  """Returns the smallest number of elements that so many units cover; for `sizes` see unit_sizes.

  >>> fewest_elements([(4, 6), (2, 3)], 4)
  10
  """
  elements = 0
  for size, number in sorted(sizes):
    elements += size * min(number, units)
    units -= min(number, units)
  return elements
