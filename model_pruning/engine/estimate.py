# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The threshold as tf.contrib.model_pruning estimated it up to TensorFlow 1.12."""

from typing import Any, Callable, Tuple

from model_pruning.compat import tf
from model_pruning.engine.counting import count_digits
from model_pruning.engine.counting import count_dtype
from model_pruning.engine.counting import over_chunks
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import total_of
from model_pruning.engine.placement import in_place

_INFINITY = 0x7f800000  # The key of it; those of NaN are larger.


def estimate(shards: Shards, units: int, sparsity: Any, nbins: int, use_tpu: bool,
              apply: Callable[..., Any]) -> Any:
  """Returns the threshold that contrib estimated up to TensorFlow 1.12.

      (number of bins whose cumulative share is below the sparsity) / nbins * max

  over nbins equal bins of [0, max]. The maximum is taken over the finite scores,
  and the others are counted in the last bin.
  """
  largest = tf.bitcast(tf.reduce_max(tf.stack(
      [apply(_largest_finite, shard) for shard in shards])), tf.float32)
  dtype = count_dtype(units)

  def is_below(counts: Any) -> Any:
    return tf.cast(counts, tf.float32) / tf.cast(units, tf.float32) < sparsity

  if use_tpu:
    bins = [in_place(_linear_bins, shard, largest, nbins) for shard in shards]
    below = _below_by_bisection(bins, nbins, dtype, is_below)
  else:
    def cumulative(keys: Any, largest: Any) -> Any:
      return tf.cumsum(over_chunks(count_digits(tf.identity, nbins,
                                                _linear_bins(keys, largest, nbins))))
    counts = total_of([apply(cumulative, shard, largest) for shard in shards], dtype)
    below = tf.reduce_sum(tf.cast(is_below(counts), tf.int32))
  return tf.cast(below, tf.float32) / float(nbins) * largest


def _below_by_bisection(bins: Shards, nbins: int, dtype: Any,
                        is_below: Callable[[Any], Any]) -> Any:
  """Returns how many bins have a cumulative count that is_below; counts do not decrease."""

  def step(bit: Any, below: Any) -> Tuple[Any, Any]:
    candidate = below + tf.bitwise.left_shift(1, bit)
    count = total_of([in_place(
        lambda shard: tf.reduce_sum(tf.cast(shard < candidate, tf.int32)), shard)
                      for shard in bins], dtype)
    return bit - 1, tf.where((candidate <= nbins) & is_below(count), candidate, below)

  _, below = tf.while_loop(lambda bit, _: bit >= 0, step,
                           (tf.constant(nbins.bit_length() - 1), tf.constant(0)))
  return below


def _largest_finite(keys: Any) -> Any:
  return tf.reduce_max(_finite(keys))


def _finite(keys: Any) -> Any:
  """Returns the keys with zero for those of infinities and NaN."""
  return tf.where(keys < _INFINITY, keys, tf.zeros_like(keys))


def _linear_bins(keys: Any, largest: Any, nbins: int) -> Any:
  """Returns the bin of every score of a shard, int32 in [0, nbins)."""
  scaled = tf.bitcast(_finite(keys), tf.float32) / largest
  # Zero over a maximum of zero is NaN, and the cast of that is anything.
  bins = tf.clip_by_value(tf.cast(tf.floor(scaled * nbins), tf.int32), 0, nbins - 1)
  return tf.where(keys < _INFINITY, bins, (nbins - 1) * tf.ones_like(bins))
