# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Keys, and counting them: the k-th largest of many scores, without sorting.

Non-negative float32 values order as their bit patterns read as int32, their
*keys*. So the k-th largest is found without sorting: count the keys by their
high 16 bits, walk the counts down to the bin that holds it, count the keys in
that bin by their low 15 bits, walk again. (For small shards in three steps, of
fewer bins.) On TPUs, where scatter is slow, the same key is found bit by bit
with compare-and-count. Both give the same answer to the bit.

Comparing keys instead of floats also ranks NaN above infinity, tells denormals
from zero where the processor flushes them, and does so on every device.
"""

import functools
from typing import Any, Callable, Dict, List, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import subroutine

# The unit scores, or the keys, of one weight: its shards, each [rows, columns]. The same number
# of rows in all of them; see pattern.py for the order they imply.
Shards = Sequence[Any]

_KEY_BITS = 31

# How the bits of a key are split into digits, the highest first. Two passes are
# fastest over many keys; for few, counts short enough to be made and read quickly.
_FEW_PASSES, _SMALL_COUNTS = (16, 15), (11, 10, 10)
_LARGE = 1 << 16

# Large shards are counted this many keys at a time: the temporaries then stay in
# the processor's cache, which is faster than passes over all of memory.
CHUNK = 1 << 20


def size_of(shard: Any) -> int:
  """Returns the number of scores in a shard; errors.WeightError if its shape is not static."""
  size = shard.shape.num_elements()
  if size is None:
    raise errors.WeightError('Scores of shape %s: selection needs a static shape' % shard.shape)
  return int(size)


def flattened(keys: Any) -> Any:
  """Returns the keys in one dimension."""
  return tf.reshape(keys, [-1])


def count_dtype(units: int) -> Any:
  """Returns the dtype that holds counts of up to so many."""
  return tf.int32 if units < 1 << 31 else tf.int64


def total_of(counts: Sequence[Any], dtype: Any) -> Any:
  """Adds up the counts of all shards, in an integer wide enough for all units.

  Those from one device are added up there first: a server with many shards of a group then
  sends no more than one with a single shard.
  """
  by_device: Dict[str, List[Any]] = {}
  for count in counts:
    by_device.setdefault(count.device, []).append(count)
  sums = []
  for alike in by_device.values():
    if len(alike) > 1:
      with on_device_of(alike[0]):
        alike = [tf.add_n([tf.cast(count, dtype) for count in alike])]
    sums.append(tf.cast(alike[0], dtype))
  return sums[0] if len(sums) == 1 else tf.add_n(sums)


def digits_for(size: int) -> Tuple[int, ...]:
  """Returns the numbers of bits to count shards of up to that size by."""
  return _FEW_PASSES if size >= _LARGE else _SMALL_COUNTS


def kth_by_histograms(shards: Shards, keep: Any,
                       digits: Sequence[int]) -> Tuple[Any, List[Any], Any]:
  """Returns the key of the keep-th largest, its number in each shard, and how many to keep."""
  shards = [shard if chunks_of(shard) else in_place(flattened, shard) for shard in shards]
  prefix, bits_left = tf.constant(0), _KEY_BITS
  for bits in digits:
    first, bits_left = bits_left == _KEY_BITS, bits_left - bits
    digit = functools.partial(_high_digit if first else _digit, bits_left)
    count = functools.partial(count_digits, digit, 1 << bits)
    counts = [on_any_size(count, shard, *([] if first else [prefix])) for shard in shards]
    sums = [in_place(over_chunks, by_chunk) for by_chunk in counts]
    found, keep = subroutine(_walk_down, total_of(sums, keep.dtype), keep)
    prefix = tf.bitwise.bitwise_or(prefix, tf.bitwise.left_shift(found, bits_left))
  ties = [in_place(lambda by_chunk: tf.gather(by_chunk, found, axis=1), by_chunk)
          for by_chunk in counts]
  return prefix, ties, keep


def on_any_size(function: Callable[..., Any], keys: Any, *arguments: Any) -> Any:
  """Calls a function of flat keys by a body for all sizes, if it looks at them in one piece."""
  if keys.shape.num_elements() is None:
    return function(keys, *arguments)
  if chunks_of(keys):
    return outlined(function, keys, *arguments)
  shapes = [[None]] + [argument.shape for argument in arguments]
  return subroutine(function, keys, *arguments, shapes=shapes)


def over_chunks(counts: Any) -> Any:
  """Adds up the counts of the chunks of one shard."""
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


def chunks_of(keys: Any) -> int:
  """Returns how many chunks a shard is counted in, before the rest of it.

  Only of small shards the size may be unknown; they are counted in one piece.
  """
  size = keys.shape.num_elements() or 0
  return size // CHUNK if size >= 2 * CHUNK else 0


def count_digits(digit: Callable[..., Any], bins: int, keys: Any, *arguments: Any) -> Any:
  """Counts digit(keys, *arguments) of one shard. Digits past the end are dropped.

  Returns:
    int32 [chunks + 1, bins], the counts of each chunk and of the rest.
  """
  def count(part: Any) -> Any:
    return tf.raw_ops.Bincount(arr=digit(part, *arguments), size=bins,
                               weights=tf.constant([], tf.int32))

  flat, chunks = tf.reshape(keys, [-1]), chunks_of(keys)
  if not chunks:
    return tf.reshape(count(flat), [1, bins])
  rest = count(flat[chunks * CHUNK:])
  # A slice of whole rows shares its memory with the original.
  rows = tf.reshape(flat[:chunks * CHUNK], [chunks, CHUNK])
  _, counts = tf.while_loop(
      lambda index, _: index < chunks,
      lambda index, counts: (index + 1, counts.write(index, count(
          tf.reshape(tf.slice(rows, [index, 0], [1, CHUNK]), [CHUNK])))),
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
  return total_of([in_place(lambda x: tf.reduce_sum(tf.cast(test(x), tf.int32)), shard)
                 for shard in shards], dtype)


def kth_by_bisection(shards: Shards, keep: Any) -> Tuple[Any, List[Any], Any]:
  """As kth_by_histograms: sets the key's bits from the top while `keep` keys reach it."""

  def step(bit: Any, key: Any) -> Tuple[Any, Any]:
    candidate = tf.bitwise.bitwise_or(key, tf.bitwise.left_shift(1, bit))
    reached = _count(shards, lambda x: x >= candidate, keep.dtype) >= keep
    return bit - 1, tf.where(reached, candidate, key)

  _, key = tf.while_loop(lambda bit, _: bit >= 0, step, (tf.constant(30), tf.constant(0)))
  kept_ties = keep - _count(shards, lambda x: x > key, keep.dtype)
  ties = [in_place(lambda x: tf.reduce_sum(tf.cast(tf.equal(x, key), tf.int32), keepdims=True)[0],
                   shard) for shard in shards]
  return key, ties, kept_ties
