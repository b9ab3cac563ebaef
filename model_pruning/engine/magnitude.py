# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Saliency by magnitude."""

import dataclasses
from typing import Any, List, Tuple

from model_pruning.compat import tf
from model_pruning.engine.placement import in_place
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec


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

  def average(self, reads: Reads) -> List[Any]:
    """Returns []: no average is kept."""
    del reads
    return []

  def scores(self, reads: Reads, average: List[Any]) -> List[Any]:
    """Returns the magnitudes, per shard."""
    del average
    return [in_place(magnitude, shard) for shard in reads.weight]


def magnitude(weight: Any) -> Any:
  """Returns |weight|, the saliency of Han et al. (2015), as float32 of the same shape.

  float16 and bfloat16 widen exactly. float64 is rounded, so weights that agree
  to 24 bits tie, and ties are kept in index order.

  Args:
    weight: a real floating tensor: one read of a weight, or of a shard of one.
  """
  return tf.abs(tf.cast(weight, tf.float32))
