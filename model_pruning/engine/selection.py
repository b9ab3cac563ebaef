# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which scores to keep: one threshold over all of them, and the mask that keeps k.

Counts add up, and that is how shards are served: each is counted where it
lives, only counts travel, and each shard's mask is made where it lives. Shards
are never brought together. counting.py has how.
"""

import functools
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

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
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import subroutine
from model_pruning.engine.ties import keep_exactly
from model_pruning.engine.ties import keep_first

# float32 counts exactly up to here. Up to here keep counts are rounded in
# float32, as contrib rounded them; beyond, in float64.
_EXACT_IN_FLOAT32 = 1 << 24


class Selection(NamedTuple):
  """What to keep.

  Attributes:
    threshold: scalar float32, the smoothed threshold to store.
    masks: per weight, per shard, a bool tensor of the shape of its unit scores.
  """
  threshold: Any
  masks: List[List[Any]]


def unit_count(weights: Sequence[Shards]) -> int:
  """Returns the number of units in all shards of all weights."""
  return sum(size_of(shard) for shards in weights for shard in shards)


def sparsity_dtype(units: int) -> Any:
  """Returns the dtype that a sparsity needs for the keep count of so many units to be exact."""
  return tf.float32 if units <= _EXACT_IN_FLOAT32 else tf.float64


def keep_count(units: int, sparsity: Any, apply: Callable[..., Any] = in_place) -> Any:
  """Returns max(1, round_half_to_even(units * (1 - sparsity))), an integer scalar.

  Args:
    units: number of units, at least 1.
    sparsity: scalar tensor, best of sparsity_dtype(units).
    apply: in_place or outlined, how to put the arithmetic into the graph.
  """
  return apply(functools.partial(_rounded, units), tf.cast(sparsity, sparsity_dtype(units)))


def _rounded(units: Any, sparsity: Any) -> Any:
  """Does what keep_count does, also for a tensor of a number of units that fits int32."""
  kept = tf.cast(tf.round(tf.cast(units, sparsity.dtype) * (1 - sparsity)), tf.int64)
  kept = tf.clip_by_value(kept, tf.constant(1, tf.int64), tf.cast(units, tf.int64))
  return tf.cast(kept, count_dtype(units) if isinstance(units, int) else tf.int32)


def rounded_keep_count(units: int, sparsity: float) -> int:
  """Returns what keep_count makes of a sparsity known in advance."""
  number = np.float32 if units <= _EXACT_IN_FLOAT32 else np.float64
  return int(np.clip(np.rint(number(units) * (number(1) - number(sparsity))), 1, units))


def select(weights: Sequence[Shards], sparsity: Any,
           previous_threshold: Any = 0.0, threshold_decay: float = 0.0, method: str = 'exact',
           nbins: int = 256, use_tpu: bool = False) -> Selection:
  """Chooses which units to keep, by one threshold over all of `weights`.

  With threshold_decay 0 and method 'exact' precisely keep_count units are kept:
  all above the threshold, and of those equal to it the first in flat index
  order, weight after weight. Otherwise a unit is kept when its score reaches
  (for 'histogram': exceeds) the smoothed threshold

      (1 - threshold_decay) * current + threshold_decay * previous

  and at least the highest score always is.

  Args:
    weights: unit scores, non-negative float32, of static shape; one weight as
      [shards], a group as the list of its members.
    sparsity: see keep_count.
    previous_threshold: scalar of any floating dtype, read when decay is not 0.
    threshold_decay: in [0, 1).
    method: 'exact'; or 'histogram', contrib's estimate from `nbins` equal bins.
    nbins: number of bins of the estimate.
    use_tpu: count by comparing, with static shapes, without scatter.

  Raises:
    errors.WeightError: there is no unit to select from.
  """
  units = unit_count(weights)
  if not units:
    raise errors.WeightError('There are no weights to select from: all shards are empty')
  keys = [[in_place(_as_keys, shard) for shard in shards] for shards in weights]
  every = [shard for shards in keys for shard in shards if size_of(shard)]
  # XLA, on the way to a TPU, compiles a graph and not calls out of it.
  apply = in_place if use_tpu else outlined
  if method == 'histogram':
    current = estimate(every, units, tf.cast(sparsity, tf.float32), nbins, use_tpu, apply)
  else:
    if not use_tpu and not threshold_decay and len(every) == 1 and not chunks_of(every[0]):
      threshold, mask = _select_of_one(every[0], sparsity)
      return Selection(threshold, [[mask if size_of(shard) else tf.zeros(shard.shape, tf.bool)
                                    for shard in shards] for shards in keys])
    keep = keep_count(units, sparsity, apply)
    if use_tpu:
      key, ties, kept_ties = kth_by_bisection(every, keep)
    else:
      digits = digits_for(max(size_of(shard) for shard in every))
      key, ties, kept_ties = kth_by_histograms(every, keep, digits)
    current = tf.bitcast(key, tf.float32)
    if not threshold_decay:
      return Selection(current, keep_exactly(keys, key, ties, kept_ties, use_tpu))
  smoothed = current
  if threshold_decay:
    smoothed = current * (1 - threshold_decay) + threshold_decay * tf.cast(
        previous_threshold, tf.float32)
  # A threshold remembered from larger weights may exceed every score there is.
  largest = tf.reduce_max(tf.stack([apply(_largest, shard) for shard in every]))
  lowest_kept = tf.bitcast(tf.abs(smoothed), tf.int32) + (1 if method == 'histogram' else 0)
  lowest_kept = tf.minimum(lowest_kept, largest)
  return Selection(smoothed, [[in_place(tf.greater_equal, shard, lowest_kept) for shard in shards]
                              for shards in keys])


def _as_keys(scores: Any) -> Any:
  return tf.bitcast(scores, tf.int32)


def _select_of_one(keys: Any, sparsity: Any) -> Tuple[Any, Any]:
  """Returns the threshold and the mask of one shard, which is counted in one piece.

  Most weights are such, each of a shape of its own. To build a body for each would
  take most of the time that it takes to build the update of a model.
  """
  size = size_of(keys)
  find = functools.partial(_find_in_one, sparsity_dtype(size), digits_for(size))
  threshold, mask = subroutine(find, in_place(flattened, keys), sparsity, shapes=([None], []))
  return threshold, in_place(lambda mask: tf.reshape(mask, keys.shape), mask)


def _find_in_one(dtype: Any, digits: Sequence[int], keys: Any, sparsity: Any) -> Tuple[Any, Any]:
  keep = _rounded(tf.size(keys), tf.cast(sparsity, dtype))
  key, (ties,), kept_ties = kth_by_histograms([keys], keep, digits)
  return tf.bitcast(key, tf.float32), keep_first(keys, key, ties, kept_ties)


def _largest(keys: Any) -> Any:
  return tf.reduce_max(keys)
