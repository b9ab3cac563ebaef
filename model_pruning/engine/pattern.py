# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of patterns: which elements of a weight are kept or dropped together.

A pattern turns scores into unit scores (`pool`), chooses units (`select`), and turns a mask over
units into a mask over elements (`expand`). All three work on the shards of one weight, each on the
shard's device. The unit scores of a shard have shape [rows, columns]. Reading row r of the first
shard, row r of the second and so on, then row r + 1, visits the units of the whole weight in flat
index order.
"""

import abc
from typing import Any, Hashable, List, NamedTuple, Optional, Sequence, Tuple

from model_pruning.engine import selection
from model_pruning.engine.counting import Shards
from model_pruning.engine.layout import Layout
from model_pruning.engine.selection import Selection
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.protocols import Protocol
from model_pruning.util.types import Tensor


class Pattern(Protocol):
  """Which elements of a weight are kept or dropped together.

  A pattern is a value object: patterns with the same settings are equal and have the same hash,
  because equal patterns share the functions of a graph. patterns.py lists the patterns.
  """

  @classmethod
  def create(cls, shape: Sequence[int], dims: BlockDims,
             spec: PruningSpec) -> 'Optional[Pattern]':
    """Returns the pattern for a weight; None if the spec requests another pattern.

    Args:
      shape: static shape of the whole weight.
      dims: (height, width) of the weight's blocks in the spec; -1 is the whole dimension.
      spec: the hyperparameters.

    Raises:
      errors.BlockError: the spec requests this pattern, but it does not fit the weight.
    """

  def units(self, layout: Layout) -> int:
    """Returns the number of units of a weight."""

  def describe(self, layout: Layout) -> 'Unit':
    """Returns a description of the units of a weight for reports."""

  def pool(self, scores: Sequence[Tensor], layout: Layout) -> Shards:
    """Returns the score of every unit, per shard.

    Args:
      scores: per shard, a non-negative float32 tensor of the shard's shape.
      layout: how the weight is cut into shards.
    """

  def select(self, pooled: Sequence[Shards], sparsity: Tensor, previous_threshold: Tensor,
             spec: PruningSpec) -> Selection:
    """Chooses the units to keep of one weight or of all members of a group.

    The first member's pattern chooses for the whole group.

    Args:
      pooled: per weight, the result of its pattern's `pool`.
      sparsity: scalar tensor of selection.sparsity_dtype(number of units).
      previous_threshold: float32 scalar; threshold_decay needs it.
      spec: the hyperparameters.
    """

  def expand(self, masks: Sequence[Tensor], layout: Layout) -> Shards:
    """Returns the mask over elements, per shard, for a mask over units; all bool tensors."""

  def fewest_zeros(self, members: 'Sequence[Member]', sparsity: float) -> int:
    """Returns the smallest number of elements that masks of a given sparsity may hide.

    Args:
      members: one weight, or all members of a group; this pattern is the first member's.
      sparsity: in [0, 1).
    """

  def check_target(self, target: float) -> None:
    """Raises errors.BlockError if a target sparsity above 0 would drop nothing."""


class Record(Protocol):
  """A weight as the engine sees it, for example a MaskedWeight."""

  @property
  def name(self) -> str:
    """The name of the weight, which the maps of a spec match."""

  @property
  def identity(self) -> Hashable:
    """A key that is equal for records of the same weight."""

  @property
  def group(self) -> Optional[str]:
    """The name of its group; None for none."""

  @property
  def layout(self) -> Layout:
    """How the weight is cut into shards."""


class Member(NamedTuple):
  """A weight and the pattern in which it is pruned.

  Attributes:
    record: a Record; the graph and Keras APIs each have their own class, and need more of it.
    pattern: the pattern.
  """
  record: Any
  pattern: Pattern


class Unit(NamedTuple):
  """The units of a weight, for reports.

  Attributes:
    name: in words, for example 'blocks of 4x1'; '' for single elements.
    height: the number of rows, or of inputs, in a unit.
    by_columns: whether a unit has all rows, so that whole columns are dropped.
  """
  name: str = ''
  height: int = 1
  by_columns: bool = False


class OneThreshold(abc.ABC):
  """The common part of patterns whose units compete under one threshold."""

  @abc.abstractmethod
  def units(self, layout: Layout) -> int:
    """Returns the number of units of a weight."""

  @abc.abstractmethod
  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns (elements in a unit, number of units of that size) for every size."""

  def select(self, pooled: Sequence[Shards], sparsity: Tensor, previous_threshold: Tensor,
             spec: PruningSpec) -> Selection:
    """Chooses with one threshold over all units of all weights; see Pattern.select."""
    return selection.select(pooled, sparsity, previous_threshold, spec.threshold_decay,
                            spec.threshold_method, spec.nbins, spec.use_tpu)

  def fewest_zeros(self, members: Sequence[Member], sparsity: float) -> int:
    """Returns the number of masked elements if the smallest units are dropped first."""
    sizes: List[Tuple[int, int]] = []
    for record, pattern in members:
      assert isinstance(pattern, OneThreshold), 'members of a group share one threshold'
      sizes.extend(pattern.unit_sizes(record.layout))
    units = sum(number for _, number in sizes)
    return fewest_elements(sizes, units - selection.rounded_keep_count(units, sparsity))

  def check_target(self, target: float) -> None:
    """Accepts every target, even if it is too low to drop a unit of a small weight."""
    del target


def fewest_elements(sizes: Sequence[Tuple[int, int]], units: int) -> int:
  """Returns the smallest number of elements that `units` units can cover.

  >>> fewest_elements([(4, 6), (2, 3)], 4)
  10

  Args:
    sizes: as from OneThreshold.unit_sizes.
    units: the number of units.
  """
  elements = 0
  for size, number in sorted(sizes):
    elements += size * min(number, units)
    units -= min(number, units)
  return elements
