# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finding the k-th largest score, exactly, by counting; and the mask that keeps k.

Non-negative float32 values order as their bit patterns read as int32, their
*keys*. So the k-th largest is found without sorting: count the keys by their
high 16 bits, walk the counts down to the bin that holds it, count the keys in
that bin by their low 15 bits, walk again. (For small weights in three steps, of
fewer bins.) On TPUs, where scatter is slow, the same key is found bit by bit
with compare-and-count. Both give the same answer to the bit.

Counts add up, and that is how shards are served: each is counted where it
lives, only counts travel, and each shard's mask is made where it lives. Shards
are never brought together.

Comparing keys instead of floats also ranks NaN above infinity, tells denormals
from zero where the processor flushes them, and does so on every device.
"""

import functools
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.placement import in_place
from model_pruning.placement import outlined
from model_pruning.placement import subroutine

# The unit scores of one weight: its shards, each [rows, columns] of float32. The
# same number of rows in all of them; see patterns.py for the order they imply.
Shards = Sequence[Any]

_KEY_BITS = 31

# How the bits of a key are split into digits, the highest first. Two passes are
# fastest over many keys; for few, counts short enough to be made and read quickly.
_FEW_PASSES, _SMALL_COUNTS = (16, 15), (11, 10, 10)
_LARGE = 1 << 16

# Large shards are counted this many keys at a time: the temporaries then stay in
# the processor's cache, which is faster than passes over all of memory.
_CHUNK = 1 << 20

_INFINITY = 0x7f800000  # The key of it; those of NaN are larger.

# Ties at the threshold are looked for in rows of so many keys.
_ROW = 1 << 12

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
  return sum(_size(shard) for shards in weights for shard in shards)


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
  return tf.cast(kept, _count_dtype(units) if isinstance(units, int) else tf.int32)


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
  keys = [[tf.bitcast(shard, tf.int32) for shard in shards] for shards in weights]
  every = [shard for shards in keys for shard in shards if _size(shard)]
  # XLA, on the way to a TPU, compiles a graph and not calls out of it.
  apply = in_place if use_tpu else outlined
  if method == 'histogram':
    current = _estimate(every, units, tf.cast(sparsity, tf.float32), nbins, use_tpu, apply)
  else:
    if not use_tpu and not threshold_decay and len(every) == 1 and not _chunks(every[0]):
      threshold, mask = _select_of_one(every[0], sparsity)
      return Selection(threshold, [[mask if _size(shard) else tf.zeros(shard.shape, tf.bool)
                                    for shard in shards] for shards in keys])
    keep = keep_count(units, sparsity, apply)
    if use_tpu:
      key, ties, kept_ties = _kth_by_bisection(every, keep)
    else:
      digits = _digits(max(_size(shard) for shard in every))
      key, ties, kept_ties = _kth_by_histograms(every, keep, digits)
    current = tf.bitcast(key, tf.float32)
    if not threshold_decay:
      return Selection(current, _keep_exactly(keys, key, ties, kept_ties, use_tpu))
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


def _size(shard: Any) -> int:
  size = shard.shape.num_elements()
  if size is None:
    raise errors.WeightError('Scores of shape %s: selection needs a static shape' % shard.shape)
  return size


def _select_of_one(keys: Any, sparsity: Any) -> Tuple[Any, Any]:
  """Returns the threshold and the mask of one shard, which is counted in one piece.

  Most weights are such, each of a shape of its own. To build a body for each would
  take most of the time that it takes to build the update of a model.
  """
  size = _size(keys)
  find = functools.partial(_find_in_one, sparsity_dtype(size), _digits(size))
  threshold, mask = subroutine(find, in_place(_flat, keys), sparsity, shapes=([None], []))
  return threshold, in_place(lambda mask: tf.reshape(mask, keys.shape), mask)


def _find_in_one(dtype: Any, digits: Sequence[int], keys: Any, sparsity: Any) -> Tuple[Any, Any]:
  keep = _rounded(tf.size(keys), tf.cast(sparsity, dtype))
  key, (ties,), kept_ties = _kth_by_histograms([keys], keep, digits)
  return tf.bitcast(key, tf.float32), _keep_first(keys, key, ties, kept_ties)


def _flat(keys: Any) -> Any:
  return tf.reshape(keys, [-1])


def _count_dtype(units: int) -> Any:
  return tf.int32 if units < 1 << 31 else tf.int64


def _total(counts: Sequence[Any], dtype: Any) -> Any:
  """Adds up the counts of all shards, in an integer wide enough for all units."""
  counts = [tf.cast(count, dtype) for count in counts]
  return counts[0] if len(counts) == 1 else tf.add_n(counts)


# ---- The k-th largest by two histograms of the bits. ----


def _digits(size: int) -> Tuple[int, ...]:
  """Returns the numbers of bits to count shards of up to that size by."""
  return _FEW_PASSES if size >= _LARGE else _SMALL_COUNTS


def _kth_by_histograms(shards: Shards, keep: Any,
                       digits: Sequence[int]) -> Tuple[Any, List[Any], Any]:
  """Returns the key of the keep-th largest, its number in each shard, and how many to keep."""
  shards = [shard if _chunks(shard) else in_place(_flat, shard) for shard in shards]
  prefix, bits_left = tf.constant(0), _KEY_BITS
  for bits in digits:
    first, bits_left = bits_left == _KEY_BITS, bits_left - bits
    digit = functools.partial(_high_digit if first else _digit, bits_left)
    count = functools.partial(_count_digits, digit, 1 << bits)
    counts = [_on_any_size(count, shard, *([] if first else [prefix])) for shard in shards]
    sums = [in_place(_over_chunks, by_chunk) for by_chunk in counts]
    found, keep = subroutine(_walk_down, _total(sums, keep.dtype), keep)
    prefix = tf.bitwise.bitwise_or(prefix, tf.bitwise.left_shift(found, bits_left))
  ties = [in_place(lambda by_chunk: tf.gather(by_chunk, found, axis=1), by_chunk)
          for by_chunk in counts]
  return prefix, ties, keep


def _on_any_size(function: Callable[..., Any], keys: Any, *arguments: Any) -> Any:
  """Calls a function of flat keys by a body for all sizes, if it looks at them in one piece."""
  if keys.shape.num_elements() is None:
    return function(keys, *arguments)
  if _chunks(keys):
    return outlined(function, keys, *arguments)
  shapes = [[None]] + [argument.shape for argument in arguments]
  return subroutine(function, keys, *arguments, shapes=shapes)


def _over_chunks(counts: Any) -> Any:
  return tf.reduce_sum(counts, axis=0)


def _high_digit(bits_below: int, keys: Any) -> Any:
  return tf.bitwise.right_shift(keys, bits_below)


def _digit(bits_below: int, keys: Any, prefix: Any) -> Any:
  """Returns what follows the prefix in keys that begin with it.

  Under xor with the prefix other keys keep a higher bit, which makes them exceed
  the number of bins; bincount passes over those.
  """
  digits = tf.bitwise.bitwise_xor(keys, prefix)
  return _high_digit(bits_below, digits) if bits_below else digits


def _chunks(keys: Any) -> int:
  """Returns how many chunks a shard is counted in, before the rest of it.

  Only of small shards the size may be unknown; they are counted in one piece.
  """
  size = keys.shape.num_elements() or 0
  return size // _CHUNK if size >= 2 * _CHUNK else 0


def _count_digits(digit: Callable[..., Any], bins: int, keys: Any, *arguments: Any) -> Any:
  """Counts digit(keys, *arguments) of one shard. Digits past the end are dropped.

  Returns:
    int32 [chunks + 1, bins], the counts of each chunk and of the rest.
  """
  def count(part: Any) -> Any:
    return tf.raw_ops.Bincount(arr=digit(part, *arguments), size=bins,
                               weights=tf.constant([], tf.int32))

  flat, chunks = tf.reshape(keys, [-1]), _chunks(keys)
  if not chunks:
    return tf.reshape(count(flat), [1, bins])
  rest = count(flat[chunks * _CHUNK:])
  # A slice of whole rows shares its memory with the original.
  rows = tf.reshape(flat[:chunks * _CHUNK], [chunks, _CHUNK])
  _, counts = tf.while_loop(
      lambda index, _: index < chunks,
      lambda index, counts: (index + 1, counts.write(index, count(
          tf.reshape(tf.slice(rows, [index, 0], [1, _CHUNK]), [_CHUNK])))),
      (tf.constant(0), tf.TensorArray(tf.int32, chunks, element_shape=[bins])),
      parallel_iterations=2)
  return tf.reshape(tf.concat([counts.stack(), [rest]], axis=0), [chunks + 1, bins])


def _walk_down(counts: Any, keep: Any) -> Tuple[Any, Any]:
  """Finds the bin of the keep-th largest: the highest whose count and all above reach `keep`.

  Returns:
    The bin, as int32; and how many of the bin are among the `keep` largest.
  """
  # In two levels: a cumulative sum is serial, and this one is short.
  grid = tf.reshape(counts, [-1, 64 if int(counts.shape[0]) < 1 << 12 else 256])
  row, keep = _last_reaching(tf.reduce_sum(grid, axis=1), keep)
  column, keep = _last_reaching(grid[row], keep)
  return row * int(grid.shape[1]) + column, keep


def _last_reaching(counts: Any, keep: Any) -> Tuple[Any, Any]:
  above = tf.cumsum(counts, reverse=True)
  index = tf.reduce_sum(tf.cast(above >= keep, tf.int32)) - 1
  return index, keep - (above[index] - counts[index])


# ---- The same, by comparing and counting. ----


def _count(shards: Shards, test: Callable[[Any], Any], dtype: Any) -> Any:
  return _total([in_place(lambda x: tf.reduce_sum(tf.cast(test(x), tf.int32)), shard)
                 for shard in shards], dtype)


def _kth_by_bisection(shards: Shards, keep: Any) -> Tuple[Any, List[Any], Any]:
  """As _kth_by_histograms: sets the key's bits from the top while `keep` keys reach it."""

  def step(bit: Any, key: Any) -> Tuple[Any, Any]:
    candidate = tf.bitwise.bitwise_or(key, tf.bitwise.left_shift(1, bit))
    reached = _count(shards, lambda x: x >= candidate, keep.dtype) >= keep
    return bit - 1, tf.where(reached, candidate, key)

  _, key = tf.while_loop(lambda bit, _: bit >= 0, step, (tf.constant(30), tf.constant(0)))
  kept_ties = keep - _count(shards, lambda x: x > key, keep.dtype)
  ties = [in_place(lambda x: tf.reduce_sum(tf.cast(tf.equal(x, key), tf.int32), keepdims=True)[0],
                   shard) for shard in shards]
  return key, ties, kept_ties


# ---- Masks of exactly k. ----


def _keep_exactly(weights: Sequence[Shards], key: Any, ties: Sequence[Any], kept_ties: Any,
                  use_tpu: bool) -> List[List[Any]]:
  """Returns masks of all keys above `key`, and of the first `kept_ties` equal to it.

  `ties` has, for each shard that is not empty, the number of keys equal to `key`
  in each of its chunks.
  """
  dtype = kept_ties.dtype
  remaining = iter(ties)
  by_chunk = [[tf.cast(next(remaining), dtype) if _size(shard) else tf.zeros([1], dtype)
               for shard in shards] for shards in weights]
  by_shard = [[in_place(_over_chunks, counts) for counts in shards] for shards in by_chunk]
  totals = [_total(counts, dtype) for counts in by_shard]
  keep_first = functools.partial(in_place, _keep_first_by_bisection) if use_tpu else _mask_of
  masks = []
  for shards, chunks, counts, share in zip(
      weights, by_chunk, by_shard, _first_come(totals, kept_ties)):
    if len(shards) > 1 and int(shards[0].shape[0]) > 1:
      shares = _share_by_rows(shards, key, counts, share)
    else:
      shares = _first_come(counts, share)
    masks.append([keep_first(shard, key, count, kept)
                  if _size(shard) else tf.zeros(shard.shape, tf.bool)
                  for shard, count, kept in zip(shards, chunks, shares)])
  return masks


def _first_come(counts: Sequence[Any], total: Any) -> List[Any]:
  """Hands out `total` to bins that can take `counts`, in their order."""
  if len(counts) == 1:
    return [total]
  counts = tf.cast(tf.stack(counts), total.dtype)
  shares = tf.clip_by_value(total - tf.cumsum(counts, exclusive=True), tf.zeros_like(total), counts)
  return tf.unstack(shares)


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
  return tf.unstack(tf.cond(total >= tf.reduce_sum(everything), lambda: everything, by_rows),
                    num=len(shards))


def _mask_of(keys: Any, key: Any, ties: Any, kept: Any) -> Any:
  if _chunks(keys):
    return outlined(_keep_first, keys, key, ties, kept)
  mask = _on_any_size(_keep_first, in_place(_flat, keys), key, ties, kept)
  return in_place(lambda mask: tf.reshape(mask, keys.shape), mask)


def _keep_first(keys: Any, key: Any, ties: Any, kept: Any) -> Any:
  """Returns the mask of one shard that keeps its first `kept` keys equal to `key`.

  Large weights do have ties at the threshold, but few. `ties` says which chunk
  they run out in; all others go through a single comparison.
  """
  flat, chunks = tf.reshape(keys, [-1]), _chunks(keys)

  def keep_some(flat: Any, key: Any, kept: Any) -> Any:
    return subroutine(_keep_some, flat, key, kept, shapes=([None], [], []))

  def some() -> Any:
    if not chunks:
      return keep_some(flat, key, kept)
    size = _size(keys)
    body, rest = tf.reshape(flat[:chunks * _CHUNK], [chunks, _CHUNK]), flat[chunks * _CHUNK:]
    before = tf.cumsum(ties, exclusive=True)
    at = _last_below(before, kept)
    in_rest = tf.equal(at, chunks)
    left, rest_size = kept - before[at], size - chunks * _CHUNK
    mixed = tf.cond(in_rest, lambda: keep_some(rest, key, left),
                    lambda: keep_some(body[at], key, left))
    return tf.concat([tf.reshape(body[:at] >= key, [-1]), mixed,
                      tf.reshape(body[at + 1:] > key, [-1]),
                      rest[tf.cond(in_rest, lambda: rest_size, lambda: 0):] > key], axis=0)

  mask = tf.cond(kept >= _over_chunks(ties), lambda: flat >= key, some)
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
  """As _keep_first, with static shapes."""
  flat = tf.reshape(keys, [-1])

  def some() -> Any:
    end = _position_by_bisection(tf.equal(flat, key), tf.cast(kept, tf.int32))
    return (flat > key) | (tf.equal(flat, key) & (tf.range(_size(keys)) < end))

  return tf.reshape(tf.cond(kept >= ties[0], lambda: flat >= key, some), keys.shape)


def _position_by_bisection(flags: Any, wanted: Any) -> Any:
  """Returns the length of the longest prefix of `flags` with at most `wanted` true."""
  size = _size(flags)
  index, ones = tf.range(size), tf.cast(flags, tf.int32)

  def step(bit: Any, length: Any) -> Tuple[Any, Any]:
    candidate = length + tf.bitwise.left_shift(1, bit)
    inside = tf.reduce_sum(ones * tf.cast(index < candidate, tf.int32))
    return bit - 1, tf.where((candidate <= size) & (inside <= wanted), candidate, length)

  _, length = tf.while_loop(lambda bit, _: bit >= 0, step,
                            (tf.constant(size.bit_length() - 1), tf.constant(0)))
  return length


# ---- contrib's estimate. ----


def _estimate(shards: Shards, units: int, sparsity: Any, nbins: int, use_tpu: bool,
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
      return tf.cumsum(_over_chunks(_count_digits(tf.identity, nbins, bins)))
    return tf.map_fn(lambda edge: tf.reduce_sum(tf.cast(bins <= edge, tf.int32)), tf.range(nbins))

  counts = _total([apply(cumulative, shard, largest) for shard in shards], _count_dtype(units))
  share = tf.cast(counts, tf.float32) / tf.cast(units, tf.float32)
  below = tf.reduce_sum(tf.cast(share < sparsity, tf.float32))
  return below / float(nbins) * largest


def _largest(keys: Any) -> Any:
  return tf.reduce_max(keys)


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
