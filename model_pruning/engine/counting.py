# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds the k-th largest of many scores by counting, without sorting.

Non-negative float32 values have the same order as their bit patterns read as int32, their *keys*;
see keys.py. So counting finds the k-th largest: count the keys by their high 16 bits, walk down the
counts to the bin that holds it, count the keys in that bin by their low 15 bits, and walk down
again. (Small shards take three passes with fewer bins.) On TPUs, where scatter is slow, comparing
and counting finds the same key bit by bit. Both methods give the same result to the bit.
"""

import functools
from typing import Callable, Dict, List, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.keys import bits as bits_of
from model_pruning.engine.keys import equal
from model_pruning.engine.keys import exceed
from model_pruning.engine.keys import reach
from model_pruning.engine.keys import summed_dtype
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.placement import outlined
from model_pruning.engine.placement import subroutine
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

# The unit scores, or the keys, of one weight: its shards, each [rows, columns], all with the same
# number of rows. pattern.py defines the order of the units.
Shards = Sequence[Tensor]

KEY_BITS = 31

# How the bits of a key are split into digits, the highest first. For many keys two passes are
# fastest; for few keys, short lists of counts are.
_FEW_PASSES, SMALL_COUNTS = (16, 15), (11, 10, 10)
_LARGE = 1 << 16

# Large shards are counted this many keys at a time, so that the temporaries stay in the
# processor's cache; on a GPU all at once.
CHUNK = 1 << 20


def size_of(shard: Tensor) -> int:
  """Returns the number of scores in a shard; raises errors.WeightError without a static shape."""
  size = shard.shape.num_elements()
  if size is None:
    raise errors.WeightError('Scores of shape %s: selection needs a static shape' % shard.shape)
  return int(size)


def flattened(keys: Tensor) -> Tensor:
  """Returns the keys in one dimension."""
  return tf.reshape(keys, [-1])


def count_dtype(units: int) -> DType:
  """Returns the integer dtype that holds counts of up to `units`."""
  return tf.int32 if units < 1 << 31 else tf.int64


def total_of(counts: Sequence[Tensor], dtype: DType) -> Tensor:
  """Returns the sum of the counts of all shards in an integer `dtype` wide enough for all units.

  Counts from one device are added up on that device first. So a parameter server with many shards
  of a group sends no more than a server with one shard.
  """
  by_device: Dict[str, List[Tensor]] = {}
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
  """Returns the numbers of bits of the digits by which to count shards of up to `size` keys."""
  return _FEW_PASSES if size >= _LARGE else SMALL_COUNTS


def kth_by_histograms(shards: Shards, keep: Tensor,
                       digits: Sequence[int]) -> Tuple[Tensor, List[Tensor], Tensor]:
  """Returns the keep-th largest key, its count in each chunk per shard, and how many to keep."""
  shards = [shard if chunks_of(shard) else in_place(flattened, shard) for shard in shards]
  prefix, bits_left = tf.constant(0), KEY_BITS
  if on_gpu(shards[0]):
    keep = tf.cast(keep, tf.int64)  # And so all counts; see keys.py.
  for bits in digits:
    first, bits_left = bits_left == KEY_BITS, bits_left - bits
    count = functools.partial(count_digits, functools.partial(digit_of, bits_left), 1 << bits)
    counts = [on_any_size(count, shard, *([] if first else [prefix])) for shard in shards]
    sums = [in_place(over_chunks, by_chunk) for by_chunk in counts]
    found, keep = subroutine(_walk_down, total_of(sums, keep.dtype), keep)
    prefix = tf.bitwise.bitwise_or(prefix, tf.bitwise.left_shift(found, bits_left))
  ties = [in_place(lambda by_chunk: tf.gather(by_chunk, found, axis=1), by_chunk)
          for by_chunk in counts]
  return prefix, ties, keep


def counts_by_high_bits(shards: Shards, bits: int, dtype: DType) -> Tensor:
  """Returns the number of keys of one weight by the highest of their 31 bits, [2 ** bits].

  Args:
    shards: the keys; only their counts leave their devices.
    bits: how many bits to count by.
    dtype: an integer dtype wide enough for all keys.
  """
  count = functools.partial(count_digits, functools.partial(high_bits, bits), 1 << bits)
  shards = [shard if chunks_of(shard) else in_place(flattened, shard) for shard in shards]
  return total_of([in_place(over_chunks, on_any_size(count, shard)) for shard in shards], dtype)


def high_bits(bits: int, keys: Tensor) -> Tensor:
  """Returns the highest `bits` of the 31 bits of each of the keys."""
  return digit_of(KEY_BITS - bits, keys)


def on_any_size(function: Callable[..., Tensor], keys: Tensor, *arguments: Tensor) -> Tensor:
  """Calls a function of flat keys; small shards of all sizes use one function body."""
  if keys.shape.num_elements() is None:
    return function(keys, *arguments)
  if chunks_of(keys):
    return outlined(function, keys, *arguments)
  shapes = [[None]] + [argument.shape for argument in arguments]
  return subroutine(function, keys, *arguments, shapes=shapes)


def over_chunks(counts: Tensor) -> Tensor:
  """Returns the sum of the counts over the chunks of one shard."""
  return tf.reduce_sum(counts, axis=0)


def digit_of(bits_below: int, keys: Tensor, *prefix: Tensor) -> Tensor:
  """Returns the digit above the lowest `bits_below` bits of keys; after a prefix, if there is one.

  Keys that do not begin with the prefix keep a higher bit under xor with it. Their digits exceed
  the number of bins, and bincount ignores them.
  """
  digits = bits_of(keys)
  for each in prefix:
    digits = tf.bitwise.bitwise_xor(digits, each)
  return tf.bitwise.right_shift(digits, bits_below) if bits_below else digits


def chunks_of(keys: Tensor) -> int:
  """Returns the number of whole chunks in which a shard is counted, before its remainder.

  The size may be unknown only for small shards, which are counted in one piece.
  """
  size = keys.shape.num_elements() or 0
  return size // CHUNK if size >= 2 * CHUNK and not on_gpu(keys) else 0


def count_digits(digit: Callable[..., Tensor], bins: int, keys: Tensor, *arguments: Tensor
                 ) -> Tensor:
  """Counts digit(keys, *arguments) of one shard; ignores digits of `bins` or more.

  Returns:
    [chunks + 1, bins] of summed_dtype(keys), the counts of each chunk and of the remainder.
  """
  def count(part: Tensor) -> Tensor:
    return tf.cast(tf.raw_ops.Bincount(arr=digit(part, *arguments), size=bins,
                                       weights=tf.constant([], tf.int32)), summed_dtype(keys))

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


def _walk_down(counts: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor]:
  """Finds the bin of the keep-th largest key.

  It is the highest bin whose count, together with the counts of all higher bins, reaches `keep`.

  Returns:
    The bin, int32, and the number of keys in it that are among the `keep` largest.
  """
  # In two levels, because a cumulative sum is serial and two short ones are faster.
  grid = tf.reshape(counts, [-1, 64 if int(counts.shape[0]) < 1 << 12 else 256])
  row, keep = _last_reaching(tf.reduce_sum(grid, axis=1), keep)
  column, keep = _last_reaching(grid[row], keep)
  return row * int(grid.shape[1]) + column, keep


def _last_reaching(counts: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor]:
  above = tf.cumsum(counts, reverse=True)
  index = tf.reduce_sum(tf.cast(above >= keep, tf.int32)) - 1
  return index, keep - (above[index] - counts[index])


# ---- For TPUs: the same by comparing and counting. ----


def _count(shards: Shards, test: Callable[[Tensor], Tensor], dtype: DType) -> Tensor:
  return total_of([in_place(lambda x: tf.reduce_sum(tf.cast(test(x), tf.int32)), shard)
                 for shard in shards], dtype)


def kth_by_bisection(shards: Shards, keep: Tensor) -> Tuple[Tensor, List[Tensor], Tensor]:
  """Does the same as kth_by_histograms by setting the key's bits while `keep` keys reach it."""

  def step(bit: Tensor, key: Tensor) -> Tuple[Tensor, Tensor]:
    candidate = tf.bitwise.bitwise_or(key, tf.bitwise.left_shift(1, bit))
    reached = _count(shards, lambda x: reach(x, candidate), keep.dtype) >= keep
    return bit - 1, tf.where(reached, candidate, key)

  _, key = tf.while_loop(lambda bit, _: bit >= 0, step, (tf.constant(30), tf.constant(0)))
  kept_ties = keep - _count(shards, lambda x: exceed(x, key), keep.dtype)
  ties = [in_place(lambda x: tf.reduce_sum(tf.cast(equal(x, key), tf.int32), keepdims=True)[0],
                   shard) for shard in shards]
  return key, ties, kept_ties
