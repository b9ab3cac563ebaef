# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Saliency by how much the weights change: the gradient options of the research branch.

Google's research branch of model_pruning takes the change of a weight between two updates for its
gradient:

    score = |weight| * gradient
    gradient <- decay * gradient + (1 - decay) * change / (l2 norm of change)

with change = |w - old_w| (first order) or |w + old_old_w - 2 old_w| (second order).
"""

import dataclasses
from typing import Any, List, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.magnitude import magnitude
from model_pruning.engine.placement import in_place
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import GRADIENT
from model_pruning.names import OLD_OLD_WEIGHT
from model_pruning.names import OLD_WEIGHT
from model_pruning.names import WEIGHT


@dataclasses.dataclass(frozen=True)
class FirstOrder:
  """Saliency by the first difference of a weight over the updates.

  Attributes:
    decay: fraction of the running average kept at an update, in [0, 1).
  """
  decay: float
  history: Tuple[str, ...] = (GRADIENT, OLD_WEIGHT)
  remembers: Tuple[Tuple[str, str], ...] = ((OLD_WEIGHT, WEIGHT),)

  @classmethod
  def create(cls, spec: PruningSpec) -> 'FirstOrder':
    """Returns the saliency with the decay of a spec."""
    return cls(spec.gradient_decay_rate)

  def average(self, reads: Reads) -> List[Any]:
    """Returns the running average of changes after one more change."""
    gradient, old_weight = reads.history
    return _average(gradient, [in_place(first_order_change, *shards)
                               for shards in zip(reads.weight, old_weight)], self.decay)

  def scores(self, reads: Reads, average: List[Any]) -> List[Any]:
    """Returns |weight| * gradient, per shard."""
    return _scores(reads, average)


@dataclasses.dataclass(frozen=True)
class SecondOrder:
  """Saliency by the second difference of a weight over the updates.

  Attributes:
    decay: fraction of the running average kept at an update, in [0, 1).
  """
  decay: float
  history: Tuple[str, ...] = (GRADIENT, OLD_WEIGHT, OLD_OLD_WEIGHT)
  remembers: Tuple[Tuple[str, str], ...] = ((OLD_OLD_WEIGHT, OLD_WEIGHT), (OLD_WEIGHT, WEIGHT))

  @classmethod
  def create(cls, spec: PruningSpec) -> 'SecondOrder':
    """Returns the saliency with the decay of a spec."""
    return cls(spec.gradient_decay_rate)

  def average(self, reads: Reads) -> List[Any]:
    """Returns the running average of changes after one more change."""
    gradient, old_weight, old_old_weight = reads.history
    return _average(gradient, [
        in_place(second_order_change, *shards)
        for shards in zip(reads.weight, old_weight, old_old_weight)], self.decay)

  def scores(self, reads: Reads, average: List[Any]) -> List[Any]:
    """Returns |weight| * gradient, per shard."""
    return _scores(reads, average)


def _average(gradient: Sequence[Any], changes: Sequence[Any], decay: float) -> List[Any]:
  inverse = inverse_norm([in_place(sum_of_squares, change) for change in changes])
  return [in_place(average_change, shard, change, inverse, decay)
          for shard, change in zip(gradient, changes)]


def _scores(reads: Reads, average: Sequence[Any]) -> List[Any]:
  return [in_place(gradient_magnitude, *shards) for shards in zip(reads.weight, average)]


def gradient_magnitude(weight: Any, gradient: Any) -> Any:
  """Returns |weight| * gradient as float32: of two weights alike, the one that moves matters more.

  Args:
    weight: as in magnitude.
    gradient: non-negative float32 of the same shape, what average_change keeps.
  """
  # abs is for the sign of NaN, which a product of infinity and zero may have.
  return tf.abs(magnitude(weight) * gradient)


def first_order_change(weight: Any, old_weight: Any) -> Any:
  """Returns |weight - old_weight|, what stands in for the gradient, all float32."""
  return tf.abs(weight - old_weight)


def second_order_change(weight: Any, old_weight: Any, old_old_weight: Any) -> Any:
  """Returns |weight + old_old_weight - 2 old_weight|, the second difference, all float32."""
  return tf.abs(weight + old_old_weight - 2 * old_weight)


def sum_of_squares(change: Any) -> Any:
  """Returns the float64 sum of the squares of one shard's changes.

  In float64 squares of float32 are exact, and sums in any order, and over any
  shards, agree to far more digits than are kept in the end.
  """
  return tf.reduce_sum(tf.square(tf.cast(change, tf.float64)))


def inverse_norm(sums_of_squares: Sequence[Any]) -> Any:
  """Returns 1 / (l2 norm) as a float32 scalar, from sum_of_squares of every shard.

  As in tf.nn.l2_normalize, a norm is taken to be 1e-6 at least.
  """
  total = tf.maximum(tf.add_n(list(sums_of_squares)), tf.constant(1e-12, tf.float64))
  return tf.cast(1 / tf.sqrt(total), tf.float32)


def average_change(gradient: Any, change: Any, inverse_norm_of_change: Any, decay: float) -> Any:
  """Returns decay * gradient + (1 - decay) * change / (its l2 norm over the whole weight)."""
  return gradient * np.float32(decay) + change * inverse_norm_of_change * np.float32(1 - decay)
