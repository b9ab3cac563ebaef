# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Selects the elements to keep in every run of M neighbours.

The method depends on the length of the runs. The members of the shortest runs are ranked by
comparing all pairs, for all runs at once. Longer runs are sorted by a network of maxima and minima,
a few runs at a time. For long runs, bisection finds the threshold of each run bit by bit, as
counting.py does for whole weights on TPUs.

Ranking and bisection have static shapes and compile on every device; TPUs use only them. All
methods give the same masks to the bit.
"""

import functools
from typing import Callable, Iterator, List, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.keys import bits
from model_pruning.engine.keys import count
from model_pruning.engine.keys import equal
from model_pruning.engine.keys import exceed
from model_pruning.engine.keys import ordered
from model_pruning.engine.keys import reach
from model_pruning.engine.keys import summed_dtype
from model_pruning.engine.magnitude import magnitude
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import shared
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

# Ranking takes m * (m - 1) / 2 comparisons and is fastest up to the first length. Where a network
# cannot be used, ranking replaces it, up to the second length.
_LONGEST_RANKED, _LONGEST_IN_NETWORK = 4, 32

# About this many runs are selected at a time by the network, so that they stay in the processor's
# cache, and by bisection.
_PIECE = 1 << 14

# 0.57 in float32 times 100 is slightly less than 57. A difference this small is ignored.
_NEARLY = 1e-6


def dropped(m: int, sparsity: float) -> int:
  """Returns how many elements of a run of `m` are dropped: floor(m * sparsity), at most m - 1."""
  fraction = np.float32(sparsity) + np.float32(_NEARLY)
  return min(int(np.floor(np.float32(m) * fraction)), m - 1)


def select(shards: Sequence[Tensor], m: int, sparsity: Tensor, use_tpu: bool = False
           ) -> List[Tensor]:
  """Keeps the highest scores of every run of `m` and drops the floor(m * sparsity) lowest.

  Of equal scores the first ones are kept. A shorter last run, of length r, loses floor(r *
  sparsity) by the same rule. At least one element of a run is kept.

  Args:
    shards: scores, non-negative float32, of static shape [any, inputs, outputs]; every shard
      begins with the first input of a run.
    m: length of the runs along the inputs.
    sparsity: float scalar tensor.
    use_tpu: create no functions, because XLA would not compile them into the graph.

  Returns:
    Per shard, a bool tensor of its shape.
  """
  apply = in_place if use_tpu else outlined
  sparsity = tf.cast(sparsity, tf.float32)
  return [apply(functools.partial(_keep, m), shard, sparsity)
          if shard.shape.num_elements() else tf.zeros(shard.shape, tf.bool) for shard in shards]


def select_together(scores: Sequence[Tensor], m: int, sparsity: Tensor, dtype: DType = tf.bool
                    ) -> List[Tensor]:
  """Does the same as `select` for many weights on a GPU, in a few operations.

  Args:
    scores: per weight, one shard, of which the sign is ignored; the number of inputs is a multiple
      of m.
    m: length of the runs.
    sparsity: float scalar tensor.
    dtype: of the masks.

  Returns:
    Per weight the mask.
  """
  shapes = [score.shape.as_list() for score in scores]
  members = [tf.reshape(tf.transpose(tf.reshape(tf.cast(score, tf.float32), [-1, m, after]),
                                     [1, 0, 2]), [m, -1])
             for score, (_, _, after) in zip(scores, shapes)]
  mask = _of_any_number(magnitude(tf.concat(members, axis=1)[None]),
                        tf.cast(sparsity, tf.float32))
  masks = tf.split(tf.cast(mask[0], tf.float32), [each.shape[1] for each in members], axis=1)
  return [tf.cast(tf.reshape(tf.transpose(tf.reshape(each, [m, -1, shape[2]]), [1, 0, 2]), shape),
                  dtype) for each, shape in zip(masks, shapes)]


def _keep(m: int, keys: Tensor, sparsity: Tensor) -> Tensor:
  """Returns the mask of one shard."""
  before, inputs, after = keys.shape.as_list()
  whole = inputs // m * m
  parts: List[Tensor] = []
  if whole:
    runs = tf.reshape(keys[:, :whole], [before * (whole // m), m, after])
    parts.append(tf.reshape(_of_any_number(runs, sparsity), [before, whole, after]))
  if inputs > whole:
    parts.append(_of_any_number(keys[:, whole:], sparsity))
  return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def _of_any_number(keys: Tensor, sparsity: Tensor) -> Tensor:
  """Returns _keep_of_runs(keys, sparsity); weights of all sizes use one function body."""
  mask = shared(_keep_of_runs, keys, sparsity, shapes=([None, keys.shape[1], None], []))
  mask.set_shape(keys.shape)
  return mask


def _keep_of_runs(keys: Tensor, sparsity: Tensor) -> Tensor:
  """Returns the mask of runs along the middle axis of `keys`."""
  m = int(keys.shape[1])
  if m == 1:
    return tf.ones_like(keys, tf.bool)
  drop = tf.cast(tf.floor(m * (sparsity + _NEARLY)), tf.int32)
  keep = m - tf.clip_by_value(drop, 0, m - 1)
  if keys.shape.is_fully_defined():
    return (_keep_by_bisection if m > _LONGEST_IN_NETWORK else _keep_by_rank)(keys, keep)
  if m > _LONGEST_IN_NETWORK:
    return _in_pieces(_keep_by_bisection, keys, keep)
  if m <= _LONGEST_RANKED:
    return _keep_by_rank(keys, keep)
  return _in_pieces(_keep_by_network, keys, keep)


def _keep_by_rank(keys: Tensor, keep: Tensor) -> Tensor:
  """Keeps a key if fewer than `keep` keys of its run are larger, or equal and earlier."""
  members = [ordered(member) for member in tf.unstack(keys, axis=1)]
  dtype = _dtype_of_ranks(keys)
  m, keep = len(members), tf.cast(keep, dtype)
  # 1 if the earlier of two members ranks before the later one, also when they are equal.
  earlier_wins = {(i, j): tf.cast(members[i] >= members[j], dtype)
                  for i in range(m) for j in range(i + 1, m)}
  kept = []
  for j in range(m):
    behind = m - 1 - j  # The number of later members; all rank before it if it never wins.
    ahead = [earlier_wins[i, j] for i in range(j)]
    won = [earlier_wins[j, k] for k in range(j + 1, m)]
    if won and ahead:
      kept.append(_total(ahead) - _total(won) < keep - behind)
    else:
      kept.append(_total(ahead) < keep - behind if ahead else _total(won) > behind - keep)
  return tf.stack(kept, axis=1)


def _in_pieces(method: Callable[..., Tensor], keys: Tensor, keep: Tensor) -> Tensor:
  """Returns method(keys, keep), computed for some runs at a time: temporaries stay small."""
  m, shape = int(keys.shape[1]), tf.shape(keys)
  if on_gpu(keys):
    return method(keys, keep)
  rows = tf.clip_by_value(_PIECE // tf.maximum(shape[2], 1), 1, tf.maximum(shape[0], 1))
  pieces = (shape[0] + rows - 1) // rows

  def one(index: Tensor, masks: Tensor) -> Tuple[Tensor, Tensor]:
    begin = index * rows
    piece = tf.slice(keys, [begin, 0, 0], tf.stack([tf.minimum(rows, shape[0] - begin), m, -1]))
    piece.set_shape([None, m, None])
    return index + 1, masks.write(index, method(piece, keep))

  masks = tf.TensorArray(tf.bool, pieces, infer_shape=False, element_shape=[None, m, None])
  _, masks = tf.while_loop(lambda index, _: index < pieces, one, (tf.constant(0), masks),
                           parallel_iterations=2)
  return masks.concat()


def _keep_by_network(keys: Tensor, keep: Tensor) -> Tensor:
  """Sorts the members of each run and keeps the first `keep`."""
  return _keep_by_order(tf.unstack(keys, num=int(keys.shape[1]), axis=1), keep)


def _keep_by_order(members: Sequence[Tensor], keep: Tensor) -> Tensor:
  """Returns the mask of runs; `members` has the first members of all runs, the second ones, ..."""
  dtype = _dtype_of_ranks(members[0])
  members = [ordered(member) for member in members]
  descending = list(members)
  for high, low in _network(len(members)):
    descending[high], descending[low] = (tf.maximum(descending[high], descending[low]),
                                         tf.minimum(descending[high], descending[low]))
  ranked = tf.stack([*descending, tf.zeros_like(descending[0])])
  threshold, following = ranked[keep - 1], ranked[keep]
  reached = [member >= threshold for member in members]

  def first_of_equal() -> Tensor:
    above = [tf.cast(member > threshold, dtype) for member in members]
    room = tf.cast(keep, dtype) - _total(above)
    kept = []
    for at_or_above, higher in zip(reached, above):
      tied = tf.cast(at_or_above, dtype) - higher
      kept.append(tf.cast(higher, tf.bool) | (tf.cast(tied, tf.bool) & (room > 0)))
      room -= tied
    return tf.stack(kept, axis=1)

  # Few or no runs have a kept member that equals a dropped one.
  return tf.cond(tf.reduce_all(following < threshold), lambda: tf.stack(reached, axis=1),
                 first_of_equal)


def _network(size: int) -> Iterator[Tuple[int, int]]:
  """Yields the comparisons of Batcher's odd-even merge sort: (place of the larger, of the smaller).

  See Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2M.
  """
  width = 1
  while width < size:
    distance = width
    while distance:
      for first in range(distance % width, size - distance, 2 * distance):
        for high in range(first, min(first + distance, size - distance)):
          # Compare only within the part that is being merged.
          if high // (2 * width) == (high + distance) // (2 * width):
            yield high, high + distance
      distance //= 2
    width *= 2


def _total(counts: Sequence[Tensor]) -> Tensor:
  """Returns the sum of small tensors; there is no kernel of add_n for int8."""
  return functools.reduce(tf.add, counts)


def _dtype_of_ranks(keys: Tensor) -> DType:
  """Returns a small dtype for numbers up to the length of a run.

  TensorFlow's optimizer turns sums into add_n, which has no kernel for int8 on GPUs.
  """
  return tf.float16 if on_gpu(keys) else tf.int8


def _keep_by_bisection(keys: Tensor, keep: Tensor) -> Tensor:
  """Finds the keep-th largest key of every run bit by bit, and keeps the keys that reach it."""
  keep = tf.cast(keep, summed_dtype(keys))

  def step(bit: Tensor, threshold: Tensor) -> Tuple[Tensor, Tensor]:
    candidate = tf.bitcast(tf.bitwise.bitwise_or(
        bits(threshold), tf.bitwise.left_shift(1, bit)), tf.float32)
    enough = count(reach(keys, candidate), axis=1, keepdims=True) >= keep
    return bit - 1, tf.where(enough, candidate, threshold)

  _, threshold = tf.while_loop(lambda bit, _: bit >= 0, step,
                               (tf.constant(30), tf.zeros_like(keys[:, :1])))

  def first_of_equal() -> Tensor:
    above, tied = exceed(keys, threshold), equal(keys, threshold)
    room = keep - count(above, axis=1, keepdims=True)
    return above | (tied & (tf.cumsum(tf.cast(tied, keep.dtype), axis=1) <= room))

  if keys.shape.is_fully_defined():
    return first_of_equal()
  reached = reach(keys, threshold)
  # Few or no runs have a kept member that equals a dropped one.
  return tf.cond(tf.reduce_all(count(reached, axis=1, keepdims=True) <= keep), lambda: reached,
                 first_of_equal)
