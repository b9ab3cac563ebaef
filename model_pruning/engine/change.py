# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Saliency by the change of the weights: the gradient options of the research branch.

Google's research branch of model_pruning uses the change of a weight between two updates as an
estimate of its gradient:

    score = |weight| * gradient
    gradient <- decay * gradient + (1 - decay) * change / (l2 norm of change)

with change = |w - old_w| (first order) or |w + old_old_w - 2 old_w| (second order).
"""

import dataclasses
from typing import List, Sequence, Tuple, Type, TypeVar

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine import in_chunks
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import GRADIENT
from model_pruning.names import OLD_OLD_WEIGHT
from model_pruning.names import OLD_WEIGHT
from model_pruning.names import WEIGHT
from model_pruning.util.types import Tensor

_Self = TypeVar('_Self', bound='_Change')


def gradient_magnitude(weight: Tensor, gradient: Tensor) -> Tensor:
  """Returns |weight| * gradient as float32: of equal weights, the one that changes matters more.

  Args:
    weight: as in magnitude.
    gradient: the running average from average_change; non-negative float32 of the same shape.
  """
  # The product can take the memory of the gradient. abs also clears the sign of NaN.
  score = tf.abs(tf.cast(weight, tf.float32) * gradient)
  if not on_gpu(weight):
    return score
  # Arithmetic makes another NaN on a GPU than on a CPU, and thresholds and ranks show its bits.
  return tf.where_v2(tf.math.is_nan(score), np.float32(np.nan), score)


def first_order_change(weight: Tensor, old_weight: Tensor) -> Tensor:
  """Returns |weight - old_weight|, the estimate of the gradient; all float32."""
  return tf.abs(weight - old_weight)


def second_order_change(weight: Tensor, old_weight: Tensor, old_old_weight: Tensor) -> Tensor:
  """Returns |weight + old_old_weight - 2 old_weight|, the second difference; all float32."""
  return tf.abs(weight + old_old_weight - 2 * old_weight)


def sum_of_squares(change: Tensor) -> Tensor:
  """Returns the float64 sum of the squares of one shard's changes.

  The squares of float32 are exact in float64. Sums in any order and over any shards agree to far
  more digits than the float32 result keeps.
  """
  return tf.reduce_sum(tf.square(tf.cast(change, tf.float64)))


def inverse_norm(sums_of_squares: Sequence[Tensor]) -> Tensor:
  """Returns 1 / (l2 norm) as a float32 scalar, from the sum_of_squares of every shard.

  As in tf.nn.l2_normalize, the norm is at least 1e-6.
  """
  total = tf.maximum(tf.add_n(list(sums_of_squares)), tf.constant(1e-12, tf.float64))
  return tf.cast(1 / tf.sqrt(total), tf.float32)


def average_change(gradient: Tensor, change: Tensor, inverse_norm_of_change: Tensor,
                   decay: float) -> Tensor:
  """Returns decay * gradient + (1 - decay) * change / (l2 norm of the whole weight's change)."""
  return gradient * np.float32(decay) + change * inverse_norm_of_change * np.float32(1 - decay)


@dataclasses.dataclass(frozen=True)
class _Change:
  """The part that both saliencies share.

  Attributes:
    decay: fraction of the running average kept at an update, in [0, 1).
    use_tpu: compute with whole shards, without loops.
  """
  decay: float
  use_tpu: bool = False

  @classmethod
  def create(cls: Type[_Self], spec: PruningSpec) -> _Self:
    """Returns the saliency with the gradient_decay_rate of a spec."""
    return cls(spec.gradient_decay_rate, spec.use_tpu)

  @staticmethod
  def _change(*weights: Tensor) -> Tensor:
    """Returns the change of one shard, for the weight and its earlier values."""
    raise NotImplementedError

  def average(self, reads: Reads) -> List[Tensor]:
    """Returns the running average of the changes, including the latest one, per shard."""
    gradient, *earlier = reads.history
    shards = list(zip(reads.weight, *earlier))
    # The change of a large shard is computed again instead of kept, for less memory.
    changes = [None if self._is_chunked(values[0]) else in_place(self._change, *values)
               for values in shards]
    inverse = inverse_norm([
        in_place(self._squares_of_chunks, *values) if change is None else
        in_place(self._squares, change) for change, values in zip(changes, shards)])
    with tf.control_dependencies([inverse]):  # The squares have freed their temporaries.
      return [
          in_place(self._average_of_chunks, average, inverse, *values) if change is None else
          in_place(average_change, average, change, inverse, self.decay)
          for average, change, values in zip(gradient, changes, shards)]

  def scores(self, reads: Reads, average: List[Tensor]) -> List[Tensor]:
    """Returns |weight| * gradient, per shard; see overwrites."""
    return [in_place(_score_chunks if reads.copied and self._is_chunked(shard) else
                     gradient_magnitude, shard, changed)
            for shard, changed in zip(reads.weight, average)]

  def overwrites(self, reads: Reads) -> bool:
    """Whether `scores` overwrites the average: of copied weights that are too large to keep it."""
    return reads.copied and any(self._is_chunked(shard) for shard in reads.weight)

  def _is_chunked(self, shard: Tensor) -> bool:
    return not self.use_tpu and in_chunks.is_chunked(shard)

  def _squares(self, change: Tensor) -> Tensor:
    return sum_of_squares(change) if self.use_tpu else in_chunks.total(sum_of_squares, [change])

  def _squares_of_chunks(self, *weights: Tensor) -> Tensor:
    return in_chunks.total(lambda *parts: sum_of_squares(self._change(*parts)), weights)

  def _average_of_chunks(self, average: Tensor, inverse: Tensor, *weights: Tensor) -> Tensor:
    return in_chunks.elementwise(
        lambda average, *parts: average_change(average, self._change(*parts[:-1]), parts[-1],
                                               self.decay), [average, *weights], inverse)


def _score_chunks(weight: Tensor, average: Tensor) -> Tensor:
  return in_chunks.elementwise(gradient_magnitude, [weight, average], overwrite=average)


@dataclasses.dataclass(frozen=True)
class FirstOrder(_Change):
  """Saliency by the first difference of a weight between updates."""
  history: Tuple[str, ...] = (GRADIENT, OLD_WEIGHT)
  remembers: Tuple[Tuple[str, str], ...] = ((OLD_WEIGHT, WEIGHT),)
  _change = staticmethod(first_order_change)


@dataclasses.dataclass(frozen=True)
class SecondOrder(_Change):
  """Saliency by the second difference of a weight between updates."""
  history: Tuple[str, ...] = (GRADIENT, OLD_WEIGHT, OLD_OLD_WEIGHT)
  remembers: Tuple[Tuple[str, str], ...] = ((OLD_OLD_WEIGHT, OLD_WEIGHT), (OLD_WEIGHT, WEIGHT))
  _change = staticmethod(second_order_change)
