# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks of exactly k: of the keys equal to the threshold, the first ones are kept."""

import functools
from typing import Any, List, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.engine.counting import CHUNK
from model_pruning.engine.counting import chunks_of
from model_pruning.engine.counting import flattened
from model_pruning.engine.counting import on_any_size
from model_pruning.engine.counting import over_chunks
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import size_of
from model_pruning.engine.counting import total_of
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import subroutine

# Ties at the threshold are looked for in rows of so many keys.
_ROW = 1 << 12


def keep_exactly(weights: Sequence[Shards], key: Any, ties: Sequence[Any], kept_ties: Any,
                  use_tpu: bool) -> List[List[Any]]:
  """Returns masks of all keys above `key`, and of the first `kept_ties` equal to it.

  `ties` has, for each shard that is not empty, the number of keys equal to `key`
  in each of its chunks.
  """
  dtype = kept_ties.dtype
  remaining = iter(ties)
  by_chunk = [[tf.cast(next(remaining), dtype) if size_of(shard) else tf.zeros([1], dtype)
               for shard in shards] for shards in weights]
  by_shard = [[in_place(over_chunks, counts) for counts in shards] for shards in by_chunk]
  totals = [total_of(counts, dtype) for counts in by_shard]
  keep_first = functools.partial(in_place, _keep_first_by_bisection) if use_tpu else _mask_of
  masks = []
  for shards, chunks, counts, share in zip(
      weights, by_chunk, by_shard, _first_come(totals, kept_ties)):
    if len(shards) > 1 and int(shards[0].shape[0]) > 1:
      shares = _share_by_rows(shards, key, counts, share)
    else:
      shares = _first_come(counts, share)
    masks.append([keep_first(shard, key, count, kept)
                  if size_of(shard) else tf.zeros(shard.shape, tf.bool)
                  for shard, count, kept in zip(shards, chunks, shares)])
  return masks


def _first_come(counts: Sequence[Any], total: Any) -> List[Any]:
  """Hands out `total` to bins that can take `counts`, in their order."""
  if len(counts) == 1:
    return [total]
  counts = tf.cast(tf.stack(counts), total.dtype)
  shares = tf.clip_by_value(total - tf.cumsum(counts, exclusive=True), tf.zeros_like(total), counts)
  return list(tf.unstack(shares))


def _share_by_rows(shards: Shards, key: Any, counts: Sequence[Any], total: Any) -> List[Any]:
  """As _first_come, for shards whose rows interleave in the flat index order of the weight."""
  counts = tf.stack(counts)

  def by_rows() -> Any:
    ties = [in_place(lambda x: tf.reduce_sum(tf.cast(tf.equal(x, key), tf.int32), axis=1), shard)
            for shard in shards]
    in_order = tf.cast(tf.stack(ties, axis=1), total.dtype)
    before = tf.reshape(tf.cumsum(tf.reshape(in_order, [-1]), exclusive=True), tf.shape(in_order))
    kept = tf.clip_by_value(total - before, tf.zeros_like(total), in_order)
    return tf.reduce_sum(kept, axis=0)

  everything = tf.cast(counts, total.dtype)
  # Almost always the one key that equals the threshold is kept, and no row need be looked at.
  return list(tf.unstack(tf.cond(total >= tf.reduce_sum(everything), lambda: everything, by_rows),
                         num=len(shards)))


def _mask_of(keys: Any, key: Any, ties: Any, kept: Any) -> Any:
  if chunks_of(keys):
    return outlined(keep_first, keys, key, ties, kept)
  mask = on_any_size(keep_first, in_place(flattened, keys), key, ties, kept)
  return in_place(lambda mask: tf.reshape(mask, keys.shape), mask)


def keep_first(keys: Any, key: Any, ties: Any, kept: Any) -> Any:
  """Returns the mask of one shard that keeps its first `kept` keys equal to `key`.

  Large weights do have ties at the threshold, but few. `ties` says which chunk
  they run out in; all others go through a single comparison.
  """
  flat, chunks = tf.reshape(keys, [-1]), chunks_of(keys)

  def keep_some(flat: Any, key: Any, kept: Any) -> Any:
    return subroutine(_keep_some, flat, key, kept, shapes=([None], [], []))

  def some() -> Any:
    if not chunks:
      return keep_some(flat, key, kept)
    size = size_of(keys)
    body, rest = tf.reshape(flat[:chunks * CHUNK], [chunks, CHUNK]), flat[chunks * CHUNK:]
    before = tf.cumsum(ties, exclusive=True)
    at = _last_below(before, kept)
    in_rest = tf.equal(at, chunks)
    left, rest_size = kept - before[at], size - chunks * CHUNK
    mixed = tf.cond(in_rest, lambda: keep_some(rest, key, left),
                    lambda: keep_some(body[at], key, left))
    return tf.concat([tf.reshape(body[:at] >= key, [-1]), mixed,
                      tf.reshape(body[at + 1:] > key, [-1]),
                      rest[tf.cond(in_rest, lambda: rest_size, lambda: 0):] > key], axis=0)

  mask = tf.cond(kept >= over_chunks(ties), lambda: flat >= key, some)
  return mask if keys.shape.rank == 1 else tf.reshape(mask, keys.shape)


def _last_below(before: Any, kept: Any) -> Any:
  """Returns the last index at which fewer than `kept` came before; 0 where there is none."""
  return tf.maximum(tf.reduce_sum(tf.cast(before < kept, tf.int32)) - 1, 0)


def _keep_some(flat: Any, key: Any, kept: Any) -> Any:
  """Returns flat > key, and true for the first `kept` where they are equal.

  Only the rows that hold a key equal to `key` are looked into.
  """
  size = tf.size(flat)
  rows = size // _ROW
  body, tail = tf.reshape(flat[:rows * _ROW], [rows, _ROW]), flat[rows * _ROW:]
  tail_size = size - rows * _ROW
  # The tail counts as one more row, filled up with what equals no key.
  hit = tf.where(tf.concat([tf.reduce_any(tf.equal(body, key), axis=1), [True]], axis=0))[:, 0]
  last = tf.pad(tail, [[0, _ROW - tail_size]], constant_values=-1)
  looked_into = tf.concat([tf.gather(body, hit[:-1]), [last]], axis=0)
  equal = tf.cast(tf.equal(looked_into, key), kept.dtype)
  before = tf.cumsum(tf.reduce_sum(equal, axis=1), exclusive=True)
  # The row in which the kept ties run out: all before it are kept, none after.
  at = _last_below(before, kept)
  keep_here = (equal[at] > 0) & (tf.cumsum(equal[at]) <= kept - before[at])
  row = tf.cast(hit[at], tf.int32)
  in_tail = tf.equal(row, rows)
  in_row = tf.cond(in_tail, lambda: tail_size, lambda: _ROW)
  return tf.concat([
      tf.reshape(body[:row] >= key, [-1]),
      ((looked_into[at] > key) | keep_here)[:in_row],
      tf.reshape(body[row + 1:] > key, [-1]),
      tail[tf.cond(in_tail, lambda: tail_size, lambda: 0):] > key], axis=0)


def _keep_first_by_bisection(keys: Any, key: Any, ties: Any, kept: Any) -> Any:
  """As keep_first, with static shapes, and in the shape of the keys: TPUs would copy to reshape."""

  def some() -> Any:
    end = _position_by_bisection(keys, key, tf.cast(kept, tf.int32))
    return (keys > key) | (tf.equal(keys, key) & (_flat_index(keys) < end))

  return tf.cond(kept >= ties[0], lambda: keys >= key, some)


def _flat_index(keys: Any) -> Any:
  """Returns the index that each of the keys [rows, columns] has in flat order."""
  rows, columns = keys.shape.as_list()
  before = tf.reshape(tf.range(rows) * columns, [rows, 1])
  return before + tf.reshape(tf.range(columns), [1, columns])


def _position_by_bisection(keys: Any, key: Any, wanted: Any) -> Any:
  """Returns the length of the longest prefix of `keys` in which at most `wanted` equal `key`."""
  size = size_of(keys)

  def step(bit: Any, length: Any) -> Tuple[Any, Any]:
    candidate = length + tf.bitwise.left_shift(1, bit)
    # Compared here, and not before the loop, so that nothing but the keys is kept for it.
    equal = tf.equal(keys, key) & (_flat_index(keys) < candidate)
    inside = tf.reduce_sum(tf.cast(equal, tf.int32))
    return bit - 1, tf.where((candidate <= size) & (inside <= wanted), candidate, length)

  _, length = tf.while_loop(lambda bit, _: bit >= 0, step,
                            (tf.constant(size.bit_length() - 1), tf.constant(0)))
  return length
