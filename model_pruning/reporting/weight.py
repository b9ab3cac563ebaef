# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The rows of a report, one for each weight."""

import dataclasses
from typing import Any, Dict, Optional, Tuple

import numpy as np

from model_pruning.export.tflite.kernels import Zeros
from model_pruning.hparams.maps import BlockDims
from model_pruning.reading.goals import Goal
from model_pruning.reporting.sketch import Sketch
from model_pruning.util import tables

# A pattern is coarse if its closest sparsity is further than this from the target.
_COARSE = 0.02


def is_off(target: float, sparsity: float, size: int) -> bool:
  """Whether a pattern keeps a weight of so many elements off its target."""
  return target - sparsity > max(_COARSE, 1 / max(size, 1))


@dataclasses.dataclass(frozen=True)
class Details:
  """More about a weight, not in JSON and CSV.

  Attributes:
    hidden: number of elements that the mask hides; 0 without a mask.
    outputs: size of the last axis.
    dead_outputs: number of outputs with no element left.
    sketch: data for pictures of the magnitudes and the mask; None for an empty weight.
    zeros: the numbers that decide which kernels skip its zeros, for rank 2; None otherwise.
    stored_sparse: whether storing it sparse would make a float TFLite file smaller.
    goal: its target, if known.
    op: the kind of operation that uses it, as TFLite names it: 'FULLY_CONNECTED'; '' if
      unknown.
    transposed: whether the operation takes it as [outputs, inputs].
    in_loop: whether the operation is in a loop.
    whole_channels: whether the mask hides whole inputs and outputs, and nothing else.
    not_finite: number of values that are NaN or infinite, hidden ones included.
  """
  hidden: int = 0
  outputs: int = 1
  dead_outputs: int = 0
  sketch: Optional[Sketch] = None
  zeros: Optional[Zeros] = None
  stored_sparse: bool = False
  goal: Optional[Goal] = None
  op: str = ''
  transposed: bool = False
  in_loop: bool = False
  whole_channels: bool = False
  not_finite: int = 0


@dataclasses.dataclass(frozen=True)
class WeightReport:
  """One weight.

  Attributes:
    name: name of the variable, constant or tensor.
    shape: shape of the weight.
    dtype: name of its dtype.
    masked: whether a mask is stored with it.
    zeros: number of elements that are zero or hidden by the mask.
    block: (height, width) of the blocks that block_sparsity and bytes_sparse refer to, in
      elements of the weight as a matrix [inputs, outputs].
    block_sparsity: fraction of these blocks that are all zeros; None if a block size was
      requested and the weight is not a matrix.
    threshold: threshold of the last mask update; None if none is stored.
    bytes_dense: size of all elements.
    bytes_sparse: size in the encoding of measure.bytes_sparse, in these blocks, or
      bytes_dense if that is less.
    bytes_gzipped: size of all elements, zeros included, after gzip.
    flops: FLOPs per example of the layers that multiply by the weight, two per multiply-add;
      None if unknown.
    flops_effective: flops times the fraction of elements that are kept.
    target: the target sparsity, from the model or from given hparams; None if unknown, and for
      weights without a mask.
    met: whether the mask, or the masks of its group together, hide as many elements as the
      target requires, and the pattern can come close to it; None without a target.
    details: more about it, not in JSON and CSV.
  """
  name: str
  shape: Tuple[int, ...]
  dtype: str
  masked: bool
  zeros: int
  block: BlockDims
  block_sparsity: Optional[float]
  threshold: Optional[float]
  bytes_dense: int
  bytes_sparse: int
  bytes_gzipped: int
  flops: Optional[int] = None
  flops_effective: Optional[int] = None
  target: Optional[float] = None
  met: Optional[bool] = None
  details: Details = dataclasses.field(default_factory=Details, compare=False, repr=False)

  @property
  def size(self) -> int:
    """Number of elements."""
    return int(np.prod(self.shape, dtype=np.int64))

  @property
  def sparsity(self) -> float:
    """Fraction of the elements that are zero."""
    return self.zeros / max(self.size, 1)

  @property
  def is_coarse(self) -> bool:
    """Whether the pattern (blocks or runs), not the training, keeps it off its target."""
    goal = self.details.goal
    return (goal is not None and bool(goal.unit) and goal.group is None and
            self.details.hidden >= goal.fewest_zeros and
            is_off(goal.target, self.sparsity, self.size))

  @property
  def target_of(self) -> Optional[str]:
    """The group that the target belongs to; None if the weight has its own target."""
    return self.details.goal.group if self.details.goal else None

  @property
  def target_text(self) -> str:
    """The target in tables: '0.9000', '0.9000 of all', '0.9000 of GROUP'; '-' for none.

    It is '0.9000 of the rest' beside weights that have their own targets.
    """
    goal = self.details.goal
    if self.target is None or goal is None or goal.group is None:
      return tables.fraction(self.target)
    shared = goal.spec is None or goal.spec.shares_target
    rest = 'the rest' if goal.spec and goal.spec.weight_sparsity_map else 'all'
    return '%s of %s' % (tables.fraction(self.target), rest if shared else goal.group)

  def values(self) -> Dict[str, Any]:
    """Returns the attributes except `details`, and values derived from them, for JSON and CSV."""
    return {'name': self.name, 'shape': list(self.shape), 'dtype': self.dtype,
            'masked': self.masked, 'size': self.size, 'zeros': self.zeros,
            'sparsity': self.sparsity, 'block': list(self.block),
            'block_sparsity': self.block_sparsity, 'threshold': self.threshold,
            'bytes_dense': self.bytes_dense, 'bytes_sparse': self.bytes_sparse,
            'bytes_gzipped': self.bytes_gzipped, 'flops': self.flops,
            'flops_effective': self.flops_effective, 'target': self.target,
            'target_of': self.target_of, 'met': self.met}
