# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Selects the scores to keep: finds one threshold over all scores, and the masks that keep k.

Shards are never brought together. Each shard is counted on its own device, only the counts are
sent, and each mask is computed on the device of its shard. See counting.py.
"""

import functools
from typing import Callable, List, NamedTuple, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.counting import chunks_of
from model_pruning.engine.counting import count_dtype
from model_pruning.engine.counting import digits_for
from model_pruning.engine.counting import flattened
from model_pruning.engine.counting import kth_by_bisection
from model_pruning.engine.counting import kth_by_histograms
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import size_of
from model_pruning.engine.estimate import estimate
from model_pruning.engine.keys import bits
from model_pruning.engine.keys import largest as largest_of
from model_pruning.engine.keys import reach
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import subroutine
from model_pruning.engine.ties import keep_exactly
from model_pruning.engine.ties import keep_first
from model_pruning.util.types import DType
from model_pruning.util.types import Numeric
from model_pruning.util.types import Tensor

# float32 represents all integers up to this one. Up to it, keep counts are rounded in float32, as
# contrib rounded them; above it, in float64.
_EXACT_IN_FLOAT32 = 1 << 24


class Selection(NamedTuple):
  """The units to keep.

  Attributes:
    threshold: scalar float32, the smoothed threshold to store.
    masks: per weight and shard, a bool tensor of the shape of the unit scores.
  """
  threshold: Tensor
  masks: List[List[Tensor]]


def unit_count(weights: Sequence[Shards]) -> int:
  """Returns the number of units in all shards of all weights."""
  return sum(size_of(shard) for shards in weights for shard in shards)


def sparsity_dtype(units: int) -> DType:
  """Returns the dtype of a sparsity with which the keep count of `units` units is exact."""
  return tf.float32 if units <= _EXACT_IN_FLOAT32 else tf.float64


def keep_count(units: int, sparsity: Tensor, apply: Callable[..., Tensor] = in_place) -> Tensor:
  """Returns max(1, round_half_to_even(units * (1 - sparsity))), an integer scalar.

  Args:
    units: number of units, at least 1.
    sparsity: scalar tensor, preferably of sparsity_dtype(units). With float64, (n - k) / n keeps
      k of any number n of units.
    apply: in_place or outlined: how the arithmetic enters the graph.
  """
  return apply(functools.partial(rounded, units), _precise(sparsity, units))


def _precise(sparsity: Tensor, units: int) -> Tensor:
  """Returns the sparsity in sparsity_dtype(units); a float64 tensor keeps its dtype."""
  if tf.is_tensor(sparsity) and sparsity.dtype == tf.float64:
    return sparsity
  return tf.cast(sparsity, sparsity_dtype(units))


def rounded(units: Numeric, sparsity: Tensor) -> Tensor:
  """Returns the keep count of a number of units, or of each of a vector of numbers.

  Args:
    units: an int; or an array or a tensor of numbers that fit int32.
    sparsity: in sparsity_dtype or float64, of a shape that can be broadcast with the units.
  """
  convert = tf.cast if tf.is_tensor(units) else tf.constant
  most = convert(units, tf.int64)
  kept = tf.cast(tf.round(convert(units, sparsity.dtype) * (1 - sparsity)), tf.int64)
  kept = tf.clip_by_value(kept, tf.ones_like(most), most)
  return tf.cast(kept, count_dtype(units) if isinstance(units, int) else tf.int32)


def rounded_keep_count(units: int, sparsity: float) -> int:
  """Returns the keep count for a sparsity that is a Python number."""
  number = np.float32 if units <= _EXACT_IN_FLOAT32 else np.float64
  return int(np.clip(np.rint(number(units) * (number(1) - number(sparsity))), 1, units))


def select(weights: Sequence[Shards], sparsity: Tensor,
           previous_threshold: Tensor = 0.0, threshold_decay: float = 0.0, method: str = 'exact',
           nbins: int = 256, use_tpu: bool = False) -> Selection:
  """Chooses the units to keep with one threshold over all `weights`.

  With threshold_decay 0 and method 'exact' exactly keep_count units are kept: all units above the
  threshold and, among the units equal to it, the first in flat index order, weight after weight.
  Otherwise a unit is kept if its score reaches (for 'histogram': exceeds) the smoothed threshold

      (1 - threshold_decay) * current + threshold_decay * previous

  The unit with the highest score is always kept.

  Args:
    weights: unit scores, non-negative float32, of static shape; for one weight [shards], for a
      group the list of its members' shards.
    sparsity: see keep_count.
    previous_threshold: scalar of any floating dtype; used only if threshold_decay is not 0.
    threshold_decay: in [0, 1).
    method: 'exact'; or 'histogram', contrib's estimate from `nbins` equal bins.
    nbins: number of bins of the estimate.
    use_tpu: count by comparing, with static shapes and without scatter.

  Raises:
    errors.WeightError: all shards are empty.
  """
  units = unit_count(weights)
  if not units:
    raise errors.WeightError('There are no weights to select from: all shards are empty')
  every = [shard for shards in weights for shard in shards if size_of(shard)]
  if method == 'exact' and not threshold_decay:
    return _select_exactly(weights, every, sparsity, use_tpu)
  # For a TPU, XLA compiles only the graph itself, not calls to separate functions.
  apply = in_place if use_tpu else outlined
  if method == 'histogram':
    smoothed = estimate(every, units, tf.cast(sparsity, tf.float32), nbins, use_tpu, apply)
  else:
    smoothed = tf.bitcast(_kth(every, sparsity, use_tpu)[0], tf.float32)
  if threshold_decay:
    smoothed = between(smoothed, previous_threshold, threshold_decay)
  # A threshold remembered from larger weights may exceed all scores.
  largest = tf.reduce_max(tf.stack([apply(largest_of, shard) for shard in every]))
  lowest_kept = tf.bitcast(tf.abs(smoothed), tf.int32) + (1 if method == 'histogram' else 0)
  lowest_kept = tf.minimum(lowest_kept, largest)
  return Selection(smoothed, [[in_place(reach, shard, lowest_kept) for shard in shards]
                              for shards in weights])


def _select_exactly(keys: Sequence[Shards], every: Sequence[Tensor], sparsity: Tensor,
                    use_tpu: bool) -> Selection:
  """Keeps exactly keep_count units.

  Args:
    keys: per weight and shard, the scores.
    every: all shards that are not empty.
    sparsity, use_tpu: see select.
  """
  if not use_tpu and len(every) == 1 and not chunks_of(every[0]) and size_of(every[0]) < 1 << 31:
    threshold, mask = _select_of_one(every[0], sparsity)
    return Selection(threshold, [[mask if size_of(shard) else tf.zeros(shard.shape, tf.bool)
                                  for shard in shards] for shards in keys])
  key, ties, kept_ties = _kth(every, sparsity, use_tpu)
  return Selection(tf.bitcast(key, tf.float32), keep_exactly(keys, key, ties, kept_ties, use_tpu))


def _kth(every: Sequence[Tensor], sparsity: Tensor, use_tpu: bool) -> Tuple[Tensor, Tensor, Tensor]:
  """Returns the keep_count-th largest key, its counts per shard, and how many of them to keep."""
  keep = keep_count(sum(map(size_of, every)), sparsity, in_place if use_tpu else outlined)
  if use_tpu:
    return kth_by_bisection(every, keep)
  return kth_by_histograms(every, keep, digits_for(max(map(size_of, every))))


def between(current: Tensor, previous: Tensor, decay: float) -> Tensor:
  """Returns the smoothed threshold, see select; float32 of the shape of the thresholds."""
  return current * (1 - decay) + decay * tf.cast(previous, tf.float32)


def as_keys(scores: Tensor) -> Tensor:
  """Returns the keys of scores, int32 of the same shape; see keys.py."""
  return bits(scores)


def _select_of_one(keys: Tensor, sparsity: Tensor) -> Tuple[Tensor, Tensor]:
  """Returns the threshold and the mask of a single shard that is counted in one piece.

  Most weights have one such shard, and many different shapes. Building a function body per shape
  would take most of the time of building the mask update of a model, so all use one body.
  """
  size = size_of(keys)
  find = functools.partial(_find_in_one, digits_for(size))
  threshold, mask = subroutine(find, in_place(flattened, keys), _precise(sparsity, size),
                               shapes=([None], []))
  return threshold, in_place(lambda mask: tf.reshape(mask, keys.shape), mask)


def _find_in_one(digits: Sequence[int], keys: Tensor, sparsity: Tensor) -> Tuple[Tensor, Tensor]:
  keep = rounded(tf.size(keys), sparsity)
  key, (ties,), kept_ties = kth_by_histograms([keys], keep, digits)
  return tf.bitcast(key, tf.float32), keep_first(keys, key, ties, kept_ties)
