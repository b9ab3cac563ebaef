# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Saliency by magnitude."""

import dataclasses
from typing import List, Tuple

from model_pruning.compat import tf
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class Magnitude:
  """score = |weight|, the saliency of Han et al. (2015)."""

  history: Tuple[str, ...] = ()
  remembers: Tuple[Tuple[str, str], ...] = ()

  @classmethod
  def create(cls, spec: PruningSpec) -> 'Magnitude':
    """Returns the saliency."""
    del spec
    return cls()

  def average(self, reads: Reads) -> List[Tensor]:
    """Returns []: no average is kept."""
    del reads
    return []

  def scores(self, reads: Reads, average: List[Tensor]) -> List[Tensor]:
    """Returns the magnitude of every element, per shard."""
    del average
    return [in_place(magnitude, shard) for shard in reads.weight]


def magnitude(weight: Tensor) -> Tensor:
  """Returns |weight|, the saliency of Han et al. (2015), as float32 of the same shape.

  float16 and bfloat16 convert exactly. float64 is rounded, so weights whose first 24 bits agree
  tie, and ties are kept in index order.

  Args:
    weight: a real floating tensor: one read of a weight or of one of its shards.
  """
  score = tf.cast(weight, tf.float32)
  if not on_gpu(weight):
    return tf.abs(score)
  # The kernel of abs for GPUs returns zero for denormals. This one clears the bit of the sign.
  return tf.bitcast(tf.bitwise.bitwise_and(tf.bitcast(score, tf.int32), 0x7fffffff), tf.float32)
