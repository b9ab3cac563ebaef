# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Estimates the threshold as tf.contrib.model_pruning did up to TensorFlow 1.12."""

import functools
from typing import Callable, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.counting import count_digits
from model_pruning.engine.counting import count_dtype
from model_pruning.engine.counting import over_chunks
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import total_of
from model_pruning.engine.keys import is_finite
from model_pruning.engine.keys import largest_finite
from model_pruning.engine.placement import in_place
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

_SMALLEST_NORMAL, _LARGEST = np.finfo(np.float32).tiny, np.finfo(np.float32).max


def estimate(shards: Shards, units: int, sparsity: Tensor, nbins: int, use_tpu: bool,
             apply: Callable[..., Tensor]) -> Tensor:
  """Returns the threshold that contrib estimated up to TensorFlow 1.12.

      (number of bins whose cumulative fraction is below the sparsity) / nbins * max

  over nbins equal bins of [0, max]. max is the largest finite score. Infinities and NaN count in
  the last bin.
  """
  largest = tf.bitcast(tf.reduce_max(tf.stack(
      [apply(largest_finite, shard) for shard in shards])), tf.float32)
  dtype = count_dtype(units)

  def is_below(counts: Tensor) -> Tensor:
    return tf.cast(counts, tf.float32) / tf.cast(units, tf.float32) < sparsity

  bins_of = functools.partial(_linear_bins, nbins)
  if use_tpu:
    bins = [in_place(bins_of, shard, largest) for shard in shards]
    below = _below_by_bisection(bins, nbins, dtype, is_below)
  else:
    def cumulative(keys: Tensor, largest: Tensor) -> Tensor:
      return tf.cumsum(over_chunks(count_digits(bins_of, nbins, keys, largest)))
    counts = total_of([apply(cumulative, shard, largest) for shard in shards], dtype)
    below = tf.reduce_sum(tf.cast(is_below(counts), tf.int32))
  return tf.cast(below, tf.float32) / float(nbins) * largest


def _below_by_bisection(bins: Shards, nbins: int, dtype: DType,
                        is_below: Callable[[Tensor], Tensor]) -> Tensor:
  """Returns the number of bins whose cumulative count is_below; these counts never decrease."""

  def step(bit: Tensor, below: Tensor) -> Tuple[Tensor, Tensor]:
    candidate = below + tf.bitwise.left_shift(1, bit)
    count = total_of([in_place(
        lambda shard: tf.reduce_sum(tf.cast(shard < candidate, tf.int32)), shard)
                      for shard in bins], dtype)
    return bit - 1, tf.where((candidate <= nbins) & is_below(count), candidate, below)

  _, below = tf.while_loop(lambda bit, _: bit >= 0, step,
                           (tf.constant(nbins.bit_length() - 1), tf.constant(0)))
  return below


def _linear_bins(nbins: int, keys: Tensor, largest: Tensor) -> Tensor:
  """Returns the bin of every score of a shard, int32 in [0, nbins)."""
  # Dividing zero by a maximum of zero, or by one that the processor takes for zero because it is
  # denormal, would give NaN, and casting NaN an arbitrary integer.
  divisor = tf.where(largest >= _SMALLEST_NORMAL, largest, tf.constant(_LARGEST, tf.float32))
  scores = tf.where(is_finite(keys), keys, tf.fill(tf.shape(keys), np.float32(np.inf)))
  position = tf.minimum(tf.floor(scores / divisor * nbins), np.float32(nbins - 1))
  return tf.cast(position, tf.int32)
