# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The N of M pattern: of every run of M neighbouring inputs, N are dropped."""

import dataclasses
from typing import List, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine import runs
from model_pruning.engine.counting import Shards
from model_pruning.engine.layout import joined_range
from model_pruning.engine.layout import Layout
from model_pruning.engine.layout import reshaped
from model_pruning.engine.layout import whole_units
from model_pruning.engine.pattern import Member
from model_pruning.engine.pattern import Unit
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.selection import Selection
from model_pruning.hparams.maps import BlockDims
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class NofM:
  """Runs of `m` consecutive input channels, each of which loses the same number of elements.

  The last run of a weight may be shorter. Runs are counted from the first channel of the whole
  weight, no matter how it is cut into shards. The shard with the first element of a run owns the
  run and fetches the rest of it. `pool` returns scores of whole runs as [product of the
  dimensions before the input axis, input channels, output channels], the shape that `select`
  takes.

  Attributes:
    m: length of a run, at least 2.
  """
  m: int

  @classmethod
  def create(cls, shape: Sequence[int], dims: BlockDims, spec: PruningSpec) -> 'Optional[NofM]':
    """Returns the pattern; None without intra_block_sparsity or if the dimensions are 1x1.

    Raises:
      errors.BlockError: the rank is not 2 or 4, or there are fewer than two input channels.
    """
    if not spec.intra_block_sparsity or tuple(dims) == (1, 1):
      return None
    if len(shape) not in (2, 4):
      raise errors.BlockError(
          'N of M (intra_block_sparsity) prunes along the input channels of weights of rank 2 or '
          '4, but this weight has shape %s; prune it elementwise with an entry regex:1x1 in '
          'block_dims_map, or do not mask it' % (tuple(shape),))
    inputs = int(shape[-2])
    if inputs < 2:
      raise errors.BlockError(
          'N of M (intra_block_sparsity) needs at least two input channels, but this weight has '
          'shape %s with %d; prune it elementwise with an entry regex:1x1 in block_dims_map, or do '
          'not mask it' % (tuple(shape), inputs))
    return cls(inputs if dims[1] == -1 else min(dims[1], inputs))

  def units(self, layout: Layout) -> int:
    """Returns the number of elements."""
    return int(np.prod(layout.shape, dtype=np.int64))

  def runs(self, layout: Layout) -> List[Tuple[int, int]]:
    """Returns (length of a run, number of such runs) for every length that occurs."""
    inputs = layout.shape[-2]
    others = self.units(layout) // max(inputs, 1)
    lengths = [(self.m, inputs // self.m * others), (inputs % self.m, others)]
    return [(length, number) for length, number in lengths if length and number]

  def describe(self, layout: Layout) -> Unit:
    """Returns a description of the runs for reports."""
    del layout
    return Unit('runs of %d inputs' % self.m, self.m)

  def fewest_zeros(self, members: Sequence[Member], sparsity: float) -> int:
    """Returns the number of masked elements, which is the same for all weights of one shape."""
    (record, _), = members  # Groups are never pruned N of M.
    return sum(runs.dropped(length, sparsity) * number
               for length, number in self.runs(record.layout))

  def check_target(self, target: float) -> None:
    """Raises errors.BlockError if a target drops no input of a run."""
    if target and not runs.dropped(self.m, target):
      raise errors.BlockError(
          'N of M at a sparsity of %g drops floor(%d * %g) = 0 of every %d inputs; set a sparsity '
          'of %g or more, or 0' % (target, self.m, target, self.m, 1 / self.m))

  def pool(self, shards: Sequence[Tensor], layout: Layout) -> List[Tensor]:
    """Returns the scores, joining runs that cross a cut between shards; see the class."""
    whole = [reshaped(shard, self._shape(layout, layout.sizes[index]))
             for index, shard in enumerate(shards)]
    if not self._is_cut(layout):
      return whole
    scores = []
    for owner, (begin, end) in zip(whole, self._owned(layout)):
      with on_device_of(owner):
        scores.append(joined_range(whole, layout.spans, 1, begin, end))
    return scores

  def select(self, pooled: Sequence[Shards], sparsity: Tensor, previous_threshold: Tensor,
             spec: PruningSpec) -> Selection:
    """Keeps the highest scores of every run; see runs.select. The threshold is 0."""
    del previous_threshold  # Every run has its own threshold.
    shards, = pooled
    return Selection(tf.constant(0.0), [runs.select(shards, self.m, sparsity, spec.use_tpu)])

  def expand(self, masks: Sequence[Tensor], layout: Layout) -> List[Tensor]:
    """Returns the masks in the shapes of the shards; see Pattern.expand."""
    result = []
    for index, (begin, end) in enumerate(layout.spans):
      with on_device_of(masks[index]):
        mask = masks[index]
        if self._is_cut(layout):
          mask = joined_range(masks, self._owned(layout), 1, begin, end)
        result.append(tf.reshape(mask, layout.shard_shape(index)))
    return result

  def _is_cut(self, layout: Layout) -> bool:
    return len(layout.sizes) > 1 and layout.axis == len(layout.shape) - 2

  def _shape(self, layout: Layout, size: int) -> List[int]:
    shape = list(layout.shape)
    shape[layout.axis] = size
    return [int(np.prod(shape[:-2], dtype=np.int64)), shape[-2], shape[-1]]

  def _owned(self, layout: Layout) -> List[Tuple[int, int]]:
    return whole_units(layout, self.m)
