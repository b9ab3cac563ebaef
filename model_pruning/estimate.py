# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The threshold as tf.contrib.model_pruning estimated it up to TensorFlow 1.12."""

from typing import Any, Callable

from model_pruning.compat import tf
from model_pruning.counting import count_digits
from model_pruning.counting import count_dtype
from model_pruning.counting import over_chunks
from model_pruning.counting import Shards
from model_pruning.counting import total_of

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

  def cumulative(keys: Any, largest: Any) -> Any:
    bins = _linear_bins(keys, largest, nbins)
    if not use_tpu:
      return tf.cumsum(over_chunks(count_digits(tf.identity, nbins, bins)))
    return tf.map_fn(lambda edge: tf.reduce_sum(tf.cast(bins <= edge, tf.int32)), tf.range(nbins))

  counts = total_of([apply(cumulative, shard, largest) for shard in shards], count_dtype(units))
  share = tf.cast(counts, tf.float32) / tf.cast(units, tf.float32)
  below = tf.reduce_sum(tf.cast(share < sparsity, tf.float32))
  return below / float(nbins) * largest


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
