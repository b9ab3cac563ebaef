# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The distribution by magnitudes relative to the larger ones in the same weight.

It is LAMP, of Lee et al., "Layer-adaptive sparsity for the magnitude-based pruning" (2021).
"""

import dataclasses
import functools
from typing import List, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.engine.counting import CHUNK
from model_pruning.engine.counting import chunks_of
from model_pruning.engine.counting import count_dtype
from model_pruning.engine.counting import counts_by_high_bits
from model_pruning.engine.counting import digits_for
from model_pruning.engine.counting import flattened
from model_pruning.engine.counting import high_bits
from model_pruning.engine.counting import kth_by_histograms
from model_pruning.engine.counting import on_any_size
from model_pruning.engine.counting import over_chunks
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import size_of
from model_pruning.engine.counting import total_of
from model_pruning.engine.distribution import as_sparsities
from model_pruning.engine.distribution import Part
from model_pruning.engine.distribution import settled
from model_pruning.engine.pattern import Member
from model_pruning.engine.keys import bits
from model_pruning.engine.keys import count
from model_pruning.engine.keys import equal
from model_pruning.engine.keys import exceed
from model_pruning.engine.keys import INFINITY
from model_pruning.engine.keys import is_finite
from model_pruning.engine.keys import largest_finite
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.placement import outlined
from model_pruning.engine.ties import first_come
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor

# Keys are counted by their exponent and the first 8 bits of their fraction.
_BITS, _LOW_BITS = 16, 15


@dataclasses.dataclass(frozen=True)
class Lamp:
  """LAMP score of a unit = s^2 / (sum of the squares of all units with scores of s or more).

  s is the score of a unit by the saliency and the pattern, for single elements |w|. The sum is over
  the units of the same weight. The units with the highest LAMP scores of all weights are kept.

  Within a weight the LAMP scores are in the order of s. So they decide only how many units each
  weight keeps; each weight then keeps this many of its largest by its own threshold, which is the
  smallest s that it keeps.

  The sum comes from the numbers of units in bins, which are 1/256 of s wide: the units in higher
  bins, each with the square of the middle of its bin, and the part of its own bin that is above it
  if the bin is evenly filled, the highest one up to the largest unit. Numbers of units add up over
  shards, so shards are never brought together, and the result is the same for any shards. It
  differs from sorting by at most the units that share a bin, and in practice by far less. The
  largest unit of a weight has the highest LAMP score there is, 1, unless others are as large.
  """

  @classmethod
  def create(cls, spec: PruningSpec) -> 'Lamp':
    """Returns the distribution."""
    del spec
    return cls()

  def split(self, parts: Sequence[Part], keep: Tensor) -> List[Tensor]:
    """Returns the sparsity of each weight; see Distribution.split."""
    scores = [lamp_scores([shard for shard in part.pooled if size_of(shard)]) for part in parts]
    every = [shard for shards in scores for shard in shards]
    key, ties, kept_ties = kth_by_histograms(every, keep, digits_for(max(map(size_of, every))))
    dtype, remaining = kept_ties.dtype, iter(ties)
    above, tied = [], []
    for shards in scores:
      above.append(total_of([on_any_size(_count_above, shard, key) for shard in shards], dtype))
      tied.append(total_of([in_place(over_chunks, next(remaining)) for _ in shards], dtype))
    counts = [tf.cast(larger + kept, tf.int64)
              for larger, kept in zip(above, first_come(tied, kept_ties))]
    units = tuple(part.units for part in parts)
    sparsities = outlined(functools.partial(_sparsities_of, units), tf.stack(counts),
                          tf.cast(keep, tf.int64))
    return tf.unstack(sparsities, num=len(parts))  # type: ignore[no-any-return]

  def shares(self, members: Sequence[Member], sparsity: float) -> None:
    """Returns None: the values of the weights decide."""
    del members, sparsity


def lamp_scores(shards: Shards) -> List[Tensor]:
  """Returns the LAMP scores of one weight, per shard, float32 vectors.

  Args:
    shards: the scores of its units, non-negative float32; none is empty. Infinity and NaN rank
      highest and add nothing to the sums.
  """
  dtype = tf.int64 if on_gpu(shards[0]) else count_dtype(sum(map(size_of, shards)))
  keys = [shard if chunks_of(shard) else in_place(flattened, shard) for shard in shards]
  counts, tables, scores = counts_by_high_bits(keys, _BITS, dtype), {}, []
  largest = tf.reduce_max(tf.stack([on_any_size(largest_finite, shard) for shard in keys]))
  ties = total_of([on_any_size(_count_equal, shard, largest) for shard in keys], dtype)
  for shard in keys:
    # Each device gets the counts, once, and computes the sums itself: they are twice as large.
    if shard.device not in tables:
      with on_device_of(shard):
        tables[shard.device] = outlined(_squares_above, tf.identity(counts))
    scores.append(_scored(shard, *tables[shard.device], largest, ties))
  return scores


def _scored(keys: Tensor, *sums: Tensor) -> Tensor:
  if chunks_of(keys):
    scores = outlined(_by_chunks, keys, *sums)
  else:
    scores = on_any_size(_lamp_keys, keys, *sums)
  return in_place(functools.partial(tf.reshape, shape=[size_of(keys)]), scores)


def _count_equal(keys: Tensor, key: Tensor) -> Tensor:
  return count(equal(keys, key))


def _squares_above(counts: Tensor) -> Tuple[Tensor, Tensor]:
  """Returns the counts, and the sum of the squares in all bins above each bin; float64."""
  bins = tf.range(tf.constant(1 << _BITS, tf.int64))  # The int32 range would be on the host.
  middle = tf.bitwise.bitwise_or(tf.bitwise.left_shift(tf.cast(bins, tf.int32), _LOW_BITS),
                                 1 << (_LOW_BITS - 1))
  values = tf.cast(tf.bitcast(middle, tf.float32), tf.float64)
  numbers = tf.cast(counts, tf.float64)
  squares = tf.where(bins < INFINITY >> _LOW_BITS, numbers * values * values,
                     tf.zeros_like(numbers))
  return numbers, tf.cumsum(squares, exclusive=True, reverse=True)


def _lamp_keys(keys: Tensor, counts: Tensor, above: Tensor, largest: Tensor, ties: Tensor
               ) -> Tensor:
  """Returns the LAMP scores of flat scores; infinities and NaN stay as they are.

  Args:
    keys: float32 vector.
    counts, above: the result of _squares_above.
    largest, ties: the largest finite key of the weight and how many there are of it.
  """
  bins = high_bits(_BITS, keys)
  value = tf.cast(keys, tf.float64)
  square = value * value
  low, width = (1 << _LOW_BITS) - 1, tf.constant(1 << _LOW_BITS, tf.float64)
  position = tf.cast(tf.bitwise.bitwise_and(bits(keys), low), tf.float64)
  # The unit itself, the largest ones, and the others in its bin that are expected above it.
  highest = equal(bins, high_bits(_BITS, largest))
  end = tf.maximum(tf.cast(tf.bitwise.bitwise_and(largest, low), tf.float64), 1)
  end = tf.where(highest, end * tf.ones_like(square), width * tf.ones_like(square))
  ties = tf.cast(ties, tf.float64)
  own = tf.where(highest, 1 + ties * tf.ones_like(square), tf.ones_like(square))
  here = own + (tf.gather(counts, bins) - own) * (end - position) / end
  here = tf.where(equal(keys, largest), ties * tf.ones_like(square), here)
  total = tf.gather(above, bins) + square * here
  score = tf.where(square > 0, square / total, tf.zeros_like(square))
  return tf.where(is_finite(keys), tf.cast(score, tf.float32), keys)


def _by_chunks(keys: Tensor, *sums: Tensor) -> Tensor:
  """Does the same as _lamp_keys, a chunk at a time, so that its temporaries stay small."""
  flat, chunks = tf.reshape(keys, [-1]), chunks_of(keys)
  rows = tf.reshape(flat[:chunks * CHUNK], [chunks, CHUNK])
  _, scores = tf.while_loop(
      lambda index, _: index < chunks,
      lambda index, scores: (index + 1, scores.write(
          index, _lamp_keys(rows[index], *sums))),
      (tf.constant(0), tf.TensorArray(tf.float32, chunks, element_shape=[CHUNK])),
      parallel_iterations=2)
  return tf.concat([tf.reshape(scores.stack(), [-1]),
                    _lamp_keys(flat[chunks * CHUNK:], *sums)], axis=0)


def _count_above(keys: Tensor, key: Tensor) -> Tensor:
  return count(exceed(keys, key))


def _sparsities_of(units: Tuple[int, ...], counts: Tensor, keep: Tensor) -> Tensor:
  return as_sparsities(settled(counts, units, keep), units)
