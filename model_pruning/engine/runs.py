# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which elements of each run of M neighbours to keep.

A run is short. The members of the shortest are ranked by comparing each with
each, for all runs at once; longer ones are put in order by a sorting network of
maxima and minima, of a few runs at a time; long ones are bisected, bit by bit of
the threshold of each run, as selection.py does with whole weights for TPUs.

Ranking and bisecting use static shapes only, and what compiles everywhere: TPUs
have no other. All give the same masks, to the bit.
"""

import functools
from typing import Any, Iterator, List, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import shared

# Ranking takes m * (m - 1) / 2 comparisons, which up to this length are the fastest; where a
# network is no option, runs are ranked up to the length that a network serves.
_LONGEST_RANKED, _LONGEST_IN_NETWORK = 4, 32

# The network goes over about so many runs at a time: what it holds stays in the processor's cache.
_PIECE = 1 << 14

# A sparsity of 0.57 in float32 times 100 falls short of 57; what is this close counts as reached.
_NEARLY = 1e-6


def dropped(m: int, sparsity: float) -> int:
  """Returns how many of a run of `m` are dropped: floor(m * sparsity), at most m - 1."""
  share = np.float32(sparsity) + np.float32(_NEARLY)
  return min(int(np.floor(np.float32(m) * share)), m - 1)


def select(shards: Sequence[Any], m: int, sparsity: Any, use_tpu: bool = False) -> List[Any]:
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
    Per shard, a bool tensor of its shape.
  """
  apply = in_place if use_tpu else outlined
  sparsity = tf.cast(sparsity, tf.float32)
  return [apply(functools.partial(_keep, m), shard, sparsity)
          if shard.shape.num_elements() else tf.zeros(shard.shape, tf.bool) for shard in shards]


def _keep(m: int, scores: Any, sparsity: Any) -> Any:
  """Returns the mask of one shard."""
  keys = tf.bitcast(scores, tf.int32)
  before, inputs, after = keys.shape.as_list()
  whole = inputs // m * m
  parts: List[Any] = []
  if whole:
    runs = tf.reshape(keys[:, :whole], [before * (whole // m), m, after])
    parts.append(tf.reshape(_of_any_number(runs, sparsity), [before, whole, after]))
  if inputs > whole:
    parts.append(_of_any_number(keys[:, whole:], sparsity))
  return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def _of_any_number(keys: Any, sparsity: Any) -> Any:
  """Does what _keep_of_runs does, by a body that weights of all sizes share, if there are any."""
  mask = shared(_keep_of_runs, keys, sparsity, shapes=([None, keys.shape[1], None], []))
  mask.set_shape(keys.shape)
  return mask


def _keep_of_runs(keys: Any, sparsity: Any) -> Any:
  """Returns the mask of runs that are the middle axis of `keys`."""
  m = int(keys.shape[1])
  if m == 1:
    return tf.ones_like(keys, tf.bool)
  drop = tf.cast(tf.floor(m * (sparsity + _NEARLY)), tf.int32)
  keep = m - tf.clip_by_value(drop, 0, m - 1)
  if m > _LONGEST_IN_NETWORK:
    return _keep_by_bisection(keys, keep)
  if m <= _LONGEST_RANKED or keys.shape.is_fully_defined():
    return _keep_by_rank(keys, keep)
  return _keep_by_network(keys, keep)


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


def _keep_by_network(keys: Any, keep: Any) -> Any:
  """Puts the members of each run in order, and keeps from the keep-th; piece by piece."""
  m, shape = int(keys.shape[1]), tf.shape(keys)
  rows = tf.clip_by_value(_PIECE // tf.maximum(shape[2], 1), 1, tf.maximum(shape[0], 1))
  pieces = (shape[0] + rows - 1) // rows

  def one(index: Any, masks: Any) -> Tuple[Any, Any]:
    begin = index * rows
    piece = tf.slice(keys, [begin, 0, 0], tf.stack([tf.minimum(rows, shape[0] - begin), m, -1]))
    return index + 1, masks.write(index, _keep_by_order(tf.unstack(piece, num=m, axis=1), keep))

  masks = tf.TensorArray(tf.bool, pieces, infer_shape=False, element_shape=[None, m, None])
  _, masks = tf.while_loop(lambda index, _: index < pieces, one, (tf.constant(0), masks),
                           parallel_iterations=2)
  return masks.concat()


def _keep_by_order(members: Sequence[Any], keep: Any) -> Any:
  """Returns the mask of runs, from the first of each, the second of each, and so on."""
  ordered = list(members)
  for high, low in _network(len(members)):
    ordered[high], ordered[low] = (tf.maximum(ordered[high], ordered[low]),
                                   tf.minimum(ordered[high], ordered[low]))
  threshold = tf.stack(ordered)[keep - 1]
  reached = [tf.cast(member >= threshold, tf.int8) for member in members]
  keep = tf.cast(keep, tf.int8)

  def first_of_equal() -> Any:
    above = [tf.cast(member > threshold, tf.int8) for member in members]
    room = keep - tf.add_n(above)
    kept = []
    for at_or_above, higher in zip(reached, above):
      equal = at_or_above - higher
      kept.append(tf.cast(higher, tf.bool) | (tf.cast(equal, tf.bool) & (room > 0)))
      room -= equal
    return tf.stack(kept, axis=1)

  # Runs in which the last to be kept equals one that is dropped are few, or none.
  return tf.cond(tf.reduce_all(tf.equal(tf.add_n(reached), keep)),
                 lambda: tf.cast(tf.stack(reached, axis=1), tf.bool), first_of_equal)


def _network(size: int) -> Iterator[Tuple[int, int]]:
  """Yields the comparisons of Batcher's odd-even merge sort: pairs, of which the first gets more.

  See Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2M.
  """
  width = 1
  while width < size:
    distance = width
    while distance:
      for first in range(distance % width, size - distance, 2 * distance):
        for high in range(first, min(first + distance, size - distance)):
          # Only within what is being merged.
          if high // (2 * width) == (high + distance) // (2 * width):
            yield high, high + distance
      distance //= 2
    width *= 2


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
