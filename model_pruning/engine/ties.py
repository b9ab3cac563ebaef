# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computes masks that keep exactly k: of the keys equal to the threshold, the first are kept."""

import functools
from typing import List, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.engine.counting import CHUNK
from model_pruning.engine.counting import chunks_of
from model_pruning.engine.counting import flattened
from model_pruning.engine.counting import on_any_size
from model_pruning.engine.counting import over_chunks
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import size_of
from model_pruning.engine.counting import total_of
from model_pruning.engine.keys import count
from model_pruning.engine.keys import equal
from model_pruning.engine.keys import exceed
from model_pruning.engine.keys import reach
from model_pruning.engine.keys import summed_dtype
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import subroutine
from model_pruning.util.types import Tensor

# Ties at the threshold are searched in rows of this many keys.
_ROW = 1 << 12


def keep_exactly(weights: Sequence[Shards], key: Tensor, ties: Sequence[Tensor], kept_ties: Tensor,
                 use_tpu: bool) -> List[List[Tensor]]:
  """Returns masks that keep all keys above `key` and the first `kept_ties` keys equal to it.

  Args:
    weights: the keys, per weight and shard.
    key: the key of the threshold, scalar int32.
    ties: for each shard that is not empty, the number of keys equal to `key` in each chunk.
    kept_ties: how many keys equal to `key` are kept, an integer scalar.
    use_tpu: see selection.select.

  Returns:
    Per weight and shard, a bool tensor of the shape of the keys.
  """
  dtype = kept_ties.dtype
  remaining = iter(ties)
  by_chunk = [[tf.cast(next(remaining), dtype) if size_of(shard) else tf.zeros([1], dtype)
               for shard in shards] for shards in weights]
  by_shard = [[in_place(over_chunks, counts) for counts in shards] for shards in by_chunk]
  totals = [total_of(counts, dtype) for counts in by_shard]
  keep_first = functools.partial(in_place, _keep_first_by_bisection) if use_tpu else _mask_of
  masks = []
  for shards, chunks, counts, allotted in zip(
      weights, by_chunk, by_shard, first_come(totals, kept_ties)):
    if len(shards) > 1 and int(shards[0].shape[0]) > 1:
      kept_by_shard = _allot_by_rows(shards, key, counts, allotted)
    else:
      kept_by_shard = first_come(counts, allotted)
    masks.append([keep_first(shard, key, count, kept)
                  if size_of(shard) else tf.zeros(shard.shape, tf.bool)
                  for shard, count, kept in zip(shards, chunks, kept_by_shard)])
  return masks


def first_come(counts: Sequence[Tensor], total: Tensor) -> List[Tensor]:
  """Returns how many of `total` each bin gets: the first bins are filled up to their `counts`."""
  if len(counts) == 1:
    return [total]
  counts = tf.cast(tf.stack(counts), total.dtype)
  allotted = tf.clip_by_value(total - tf.cumsum(counts, exclusive=True), tf.zeros_like(total),
                              counts)
  return list(tf.unstack(allotted))


def _allot_by_rows(shards: Shards, key: Tensor, counts: Sequence[Tensor], total: Tensor
                   ) -> List[Tensor]:
  """Does the same as first_come for shards whose rows interleave in the weight's index order."""
  counts = tf.stack(counts)

  def by_rows() -> Tensor:
    ties = [in_place(lambda x: count(equal(x, key), axis=1), shard) for shard in shards]
    in_order = tf.cast(tf.stack(ties, axis=1), total.dtype)
    before = tf.reshape(tf.cumsum(tf.reshape(in_order, [-1]), exclusive=True), tf.shape(in_order))
    kept = tf.clip_by_value(total - before, tf.zeros_like(total), in_order)
    return tf.reduce_sum(kept, axis=0)

  everything = tf.cast(counts, total.dtype)
  # Almost always only one key equals the threshold. It is kept, and no row needs counting.
  return list(tf.unstack(tf.cond(total >= tf.reduce_sum(everything), lambda: everything, by_rows),
                         num=len(shards)))


def _mask_of(keys: Tensor, key: Tensor, ties: Tensor, kept: Tensor) -> Tensor:
  if chunks_of(keys):
    return outlined(keep_first, keys, key, ties, kept)
  mask = on_any_size(keep_first, in_place(flattened, keys), key, ties, kept)
  return in_place(lambda mask: tf.reshape(mask, keys.shape), mask)


def keep_first(keys: Tensor, key: Tensor, ties: Tensor, kept: Tensor) -> Tensor:
  """Returns the mask of one shard: keys above `key` and the first `kept` keys equal to it.

  Large weights have few ties at the threshold. `ties`, the number of ties in each chunk, shows in
  which chunk the last kept tie is. All other chunks take a single comparison.
  """
  flat, chunks = tf.reshape(keys, [-1]), chunks_of(keys)

  def keep_some(flat: Tensor, key: Tensor, kept: Tensor) -> Tensor:
    return subroutine(_keep_some, flat, key, kept, shapes=([None], [], []))

  def some() -> Tensor:
    if not chunks:
      return keep_some(flat, key, kept)
    size = size_of(keys)
    body, rest = tf.reshape(flat[:chunks * CHUNK], [chunks, CHUNK]), flat[chunks * CHUNK:]
    before = tf.cumsum(ties, exclusive=True)
    at = _last_below(before, kept)
    in_rest = tf.equal(at, chunks)
    remaining, rest_size = kept - before[at], size - chunks * CHUNK
    mixed = tf.cond(in_rest, lambda: keep_some(rest, key, remaining),
                    lambda: keep_some(body[at], key, remaining))
    return tf.concat([tf.reshape(reach(body[:at], key), [-1]), mixed,
                      tf.reshape(exceed(body[at + 1:], key), [-1]),
                      exceed(rest[tf.cond(in_rest, lambda: rest_size, lambda: 0):], key)], axis=0)

  mask = tf.cond(kept >= over_chunks(ties), lambda: reach(flat, key), some)
  return mask if keys.shape.rank == 1 else tf.reshape(mask, keys.shape)


def _last_below(before: Tensor, kept: Tensor) -> Tensor:
  """Returns the last index at which `before` is less than `kept`; 0 if there is none."""
  return tf.maximum(tf.reduce_sum(tf.cast(before < kept, tf.int32)) - 1, 0)


def _keep_some(flat: Tensor, key: Tensor, kept: Tensor) -> Tensor:
  """Returns the mask of keys above `key` and of the first `kept` keys equal to it.

  Only the rows with a key equal to `key` are searched.
  """
  size = tf.size(flat)
  rows = size // _ROW
  body, tail = tf.reshape(flat[:rows * _ROW], [rows, _ROW]), flat[rows * _ROW:]
  tail_size = size - rows * _ROW
  # The tail is treated as one more row, padded with a value that equals no key.
  hit = tf.where(tf.concat([tf.reduce_any(equal(body, key), axis=1), [True]], axis=0))[:, 0]
  last = tf.pad(tail, [[0, _ROW - tail_size]], constant_values=tf.constant(-1, tail.dtype))
  searched = tf.concat([tf.gather(body, hit[:-1]), [last]], axis=0)
  tied = tf.cast(equal(searched, key), summed_dtype(searched))
  kept = tf.cast(kept, tied.dtype)
  before = tf.cumsum(tf.reduce_sum(tied, axis=1), exclusive=True)
  # The row of the last kept tie: ties in earlier rows are kept, ties in later rows are not.
  at = _last_below(before, kept)
  keep_here = (tied[at] > 0) & (tf.cumsum(tied[at]) <= kept - before[at])
  row = tf.cast(hit[at], tf.int32)
  in_tail = tf.equal(row, rows)
  in_row = tf.cond(in_tail, lambda: tail_size, lambda: _ROW)
  return tf.concat([
      tf.reshape(reach(body[:row], key), [-1]),
      (exceed(searched[at], key) | keep_here)[:in_row],
      tf.reshape(exceed(body[row + 1:], key), [-1]),
      exceed(tail[tf.cond(in_tail, lambda: tail_size, lambda: 0):], key)], axis=0)


def _keep_first_by_bisection(keys: Tensor, key: Tensor, ties: Tensor, kept: Tensor) -> Tensor:
  """Does the same as keep_first with static shapes, without a reshape, for which TPUs copy."""

  def some() -> Tensor:
    end = _position_by_bisection(keys, key, tf.cast(kept, tf.int32))
    return exceed(keys, key) | (equal(keys, key) & (_flat_index(keys) < end))

  return tf.cond(kept >= ties[0], lambda: reach(keys, key), some)


def _flat_index(keys: Tensor) -> Tensor:
  """Returns the flat index of each of the keys, which have shape [rows, columns]."""
  rows, columns = keys.shape.as_list()
  before = tf.reshape(tf.range(rows) * columns, [rows, 1])
  return before + tf.reshape(tf.range(columns), [1, columns])


def _position_by_bisection(keys: Tensor, key: Tensor, limit: Tensor) -> Tensor:
  """Returns the length of the longest prefix of `keys` with at most `limit` keys equal to `key`."""
  size = size_of(keys)

  def step(bit: Tensor, length: Tensor) -> Tuple[Tensor, Tensor]:
    candidate = length + tf.bitwise.left_shift(1, bit)
    # Compare here and not before the loop, so that only the keys stay in memory.
    tied = equal(keys, key) & (_flat_index(keys) < candidate)
    inside = tf.reduce_sum(tf.cast(tied, tf.int32))
    return bit - 1, tf.where((candidate <= size) & (inside <= limit), candidate, length)

  _, length = tf.while_loop(lambda bit, _: bit >= 0, step,
                            (tf.constant(size.bit_length() - 1), tf.constant(0)))
  return length
