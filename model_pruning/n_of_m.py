# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""N of M: which of each run of M neighbours to keep.

A run is short, so its members are ranked by comparing each with each, for all
runs at once. Long runs are bisected, bit by bit of the threshold of each run,
as selection.py does with whole weights for TPUs. Both use static shapes only,
and what compiles everywhere, so there is one way for all devices.
"""

import functools
from typing import Any, List, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.placement import in_place
from model_pruning.placement import outlined
from model_pruning.selection import Selection

# Runs up to this long are ranked by m * (m - 1) / 2 comparisons, longer ones bisected.
_LONGEST_RANKED = 32

# A sparsity of 0.57 in float32 times 100 falls short of 57; what is this close counts as reached.
_NEARLY = 1e-6


def dropped(m: int, sparsity: float) -> int:
  """Returns how many of a run of `m` are dropped: floor(m * sparsity), at most m - 1."""
  share = np.float32(sparsity) + np.float32(_NEARLY)
  return min(int(np.floor(np.float32(m) * share)), m - 1)


def select(shards: Sequence[Any], m: int, sparsity: Any, use_tpu: bool = False) -> Selection:
  """Keeps the highest scores of every run of `m`, all but floor(m * sparsity) of them.

  Of equal scores the first is kept. Of a last, shorter run of r as many are kept
  by the same rule: all but floor(r * sparsity). At least one of a run is.

  Args:
    shards: scores, non-negative float32, of static shape [any, inputs, outputs]; every shard
      begins with the first input of a run.
    m: length of the runs along the inputs.
    sparsity: float scalar tensor.
    use_tpu: make no functions, which XLA would not compile into the graph.

  Returns:
    A Selection. Its threshold is zero: every run has one of its own.
  """
  apply = in_place if use_tpu else outlined
  sparsity = tf.cast(sparsity, tf.float32)
  return Selection(tf.constant(0.0), [[
      apply(functools.partial(_keep, m), shard, sparsity)
      if shard.shape.num_elements() else tf.zeros(shard.shape, tf.bool) for shard in shards]])


def _keep(m: int, scores: Any, sparsity: Any) -> Any:
  """Returns the mask of one shard."""
  keys = tf.bitcast(scores, tf.int32)
  before, inputs, after = keys.shape.as_list()
  whole = inputs // m * m
  parts: List[Any] = []
  if whole:
    runs = tf.reshape(keys[:, :whole], [before * (whole // m), m, after])
    parts.append(tf.reshape(_keep_of_runs(runs, sparsity), [before, whole, after]))
  if inputs > whole:
    parts.append(_keep_of_runs(keys[:, whole:], sparsity))
  return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def _keep_of_runs(keys: Any, sparsity: Any) -> Any:
  """Returns the mask of runs that are the middle axis of `keys`."""
  m = int(keys.shape[1])
  if m == 1:
    return tf.ones(keys.shape, tf.bool)
  drop = tf.cast(tf.floor(m * (sparsity + _NEARLY)), tf.int32)
  keep = m - tf.clip_by_value(drop, 0, m - 1)
  return _keep_by_rank(keys, keep) if m <= _LONGEST_RANKED else _keep_by_bisection(keys, keep)


def _keep_by_rank(keys: Any, keep: Any) -> Any:
  """Keeps a key if fewer than `keep` of its run are larger, or equal and ahead of it."""
  members = tf.unstack(keys, axis=1)
  m, keep = len(members), tf.cast(keep, tf.int8)
  # Whether the earlier one of two comes before the later; it does when they are equal.
  earlier_wins = {(i, j): tf.cast(members[i] >= members[j], tf.int8)
                  for i in range(m) for j in range(i + 1, m)}
  kept = []
  for j in range(m):
    behind = m - 1 - j  # How many of those after it would come before it, if it never won.
    ahead = [earlier_wins[i, j] for i in range(j)]
    won = [earlier_wins[j, k] for k in range(j + 1, m)]
    if won and ahead:
      kept.append(tf.add_n(ahead) - tf.add_n(won) < keep - behind)
    else:
      kept.append(tf.add_n(ahead) < keep - behind if ahead else tf.add_n(won) > behind - keep)
  return tf.stack(kept, axis=1)


def _keep_by_bisection(keys: Any, keep: Any) -> Any:
  """Finds the keep-th largest key of every run from its highest bit down, and keeps from there."""
  def count(flags: Any) -> Any:
    return tf.reduce_sum(tf.cast(flags, tf.int32), axis=1, keepdims=True)

  def step(bit: Any, threshold: Any) -> Tuple[Any, Any]:
    candidate = tf.bitwise.bitwise_or(threshold, tf.bitwise.left_shift(1, bit))
    return bit - 1, tf.where(count(keys >= candidate) >= keep, candidate, threshold)

  _, threshold = tf.while_loop(lambda bit, _: bit >= 0, step,
                               (tf.constant(30), tf.zeros_like(keys[:, :1])))
  above, equal = keys > threshold, tf.equal(keys, threshold)
  room = keep - count(above)
  return above | (equal & (tf.cumsum(tf.cast(equal, tf.int32), axis=1) <= room))
