# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The pattern of single elements: every element of a weight is kept or dropped by itself."""

import dataclasses
from typing import List, Sequence, Tuple

import numpy as np

from model_pruning.engine.layout import Layout
from model_pruning.engine.layout import reshaped
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.pattern import Unit
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class Elementwise(OneThreshold):
  """Every element is one unit."""

  @classmethod
  def create(cls, shape: Sequence[int], dims: BlockDims, spec: PruningSpec) -> 'Elementwise':
    """Returns the pattern, which fits every weight."""
    del shape, dims, spec
    return cls()

  def units(self, layout: Layout) -> int:
    """Returns the number of elements."""
    return int(np.prod(layout.shape, dtype=np.int64))

  def unit_sizes(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns one pair: every unit covers one element."""
    return [(1, self.units(layout))]

  def describe(self, layout: Layout) -> Unit:
    """Returns a description of the units for reports."""
    del layout
    return Unit()

  def pool(self, scores: Sequence[Tensor], layout: Layout) -> List[Tensor]:
    """Returns the scores themselves as [rows, columns]."""
    if len(scores) > 1:
      rows = int(np.prod(layout.shape[:layout.axis], dtype=np.int64))
      return [reshaped(shard, [rows, -1]) for shard in scores]
    # Keep the last dimension: TPUs store it in tiles and would copy the weight to reshape it.
    *before, columns = layout.shape or (1,)
    return [reshaped(scores[0], [int(np.prod(before, dtype=np.int64)), columns])]

  def expand(self, masks: Sequence[Tensor], layout: Layout) -> List[Tensor]:
    """Returns the masks in the shapes of the shards."""
    return [reshaped(mask, layout.shard_shape(index)) for index, mask in enumerate(masks)]
