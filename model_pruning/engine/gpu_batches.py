# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Selects the units of many weights on a GPU at once, each weight by its own threshold.

On a GPU the work itself takes little time: of 1.5 ms for a weight of a million elements on an H200
it took a tenth. The rest went into starting some 70 kernels, and into waiting for the host to
decide how to go on. So only what reads all units of a weight is an operation per weight here.
Walking down the counts, and the decision whether keys tie at a threshold, take a few operations for
all weights together. selection.select gives the same results, to the bit.
"""

from typing import List, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.engine import keys as keys_lib
from model_pruning.engine.counting import digit_of
from model_pruning.engine.counting import KEY_BITS
from model_pruning.engine.magnitude import magnitude
from model_pruning.engine.ties import keep_first
from model_pruning.util.types import Tensor

# How the bits of a key are split into digits. Few passes matter more than short lists of counts.
_DIGITS = (16, 15)

# The lists of counts of so many weights are in memory at a time, at 1 MB for each.
ROWS = 64

_COUNTS_IN_LINE = 256


def select(scores: Sequence[Tensor], keep: Tensor) -> List[Tuple[Tensor, Tensor]]:
  """Chooses the units to keep of each weight: exactly `keep`, of equal scores the first ones.

  Args:
    scores: per weight, a float32 tensor on a GPU, of which the sign is ignored.
    keep: int32 [weights, 1], how many units of each weight are kept.

  Returns:
    Per weight the threshold, a float32 scalar, and the mask, a bool tensor of the shape of scores.
  """
  keys = [magnitude(tf.reshape(score, [-1])) for score in scores]
  rows, keep, bits_left = len(keys), tf.cast(keep, tf.int64), KEY_BITS
  prefix, ties = None, keep
  prefixes: List[Tensor] = []
  for bits in _DIGITS:
    bits_left -= bits
    counts = tf.stack([_counts(each, 1 << bits, bits_left, *prefixes[index:index + 1])
                       for index, each in enumerate(keys)])
    found, keep, ties = _walk_down(tf.cast(tf.bitcast(counts, tf.int32), tf.int64), keep)
    found = tf.bitwise.left_shift(tf.cast(found, tf.int32), bits_left)
    prefix = found if prefix is None else tf.bitwise.bitwise_or(prefix, found)
    # Kernels that take int32 tensors apart would do it on the host.
    thresholds = tf.unstack(tf.bitcast(prefix[:, 0], tf.float32), num=rows)
    prefixes = [tf.bitcast(threshold, tf.int32) for threshold in thresholds]

  def all_that_reach() -> Tuple[Tensor, ...]:
    return (nothing, *map(keys_lib.reach, keys, prefixes))

  def some() -> Tuple[Tensor, ...]:
    return (nothing, *map(keep_first, keys, prefixes, tf.unstack(ties, num=rows),
                          tf.unstack(keep[:, 0], num=rows)))

  nothing = tf.constant(0)  # Of one result alone not all versions return a tuple.
  # Almost always only one key of each weight equals its threshold.
  _, *masks = tf.cond(tf.reduce_all(keep >= ties), all_that_reach, some)
  return [(threshold, tf.reshape(mask, score.shape.as_list()))
          for threshold, mask, score in zip(thresholds, masks, scores)]


def _counts(keys: Tensor, bins: int, bits_below: int, *prefix: Tensor) -> Tensor:
  """Returns how often each digit occurs in keys that begin with the prefix.

  Returns:
    [bins], int32 in the form of float32, which can be stacked on a GPU.
  """
  return tf.bitcast(tf.raw_ops.Bincount(
      arr=digit_of(bits_below, keys, *prefix), size=bins, weights=tf.constant([], tf.int32)),
                    tf.float32)


def _walk_down(counts: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
  """Finds the bin of the keep-th largest key in every row of `counts`, int64.

  Returns:
    Per row the bin, the number of keys in it that are among the `keep` largest, and its count; all
    int64 [rows, 1].
  """
  rows, bins = counts.shape.as_list()
  grid = tf.reshape(counts, [rows, bins // _COUNTS_IN_LINE, _COUNTS_IN_LINE])
  line, keep = _last_reaching(tf.reduce_sum(grid, axis=2), keep)
  in_line = tf.reshape(tf.gather(grid, line, axis=1, batch_dims=1), [rows, _COUNTS_IN_LINE])
  column, keep = _last_reaching(in_line, keep)
  return (line * _COUNTS_IN_LINE + column, keep,
          tf.gather(in_line, column, axis=1, batch_dims=1))


def _last_reaching(counts: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor]:
  """Returns per row the last index whose suffix sum reaches `keep`, and the rest; [rows, 1]."""
  above = tf.cumsum(counts, axis=1, reverse=True)
  reaches = above >= keep
  index = tf.reduce_sum(tf.cast(reaches, tf.int64), axis=1, keepdims=True) - 1
  # Suffix sums fall, so the largest that does not reach it is the next one.
  beyond = tf.reduce_max(tf.where(reaches, tf.zeros_like(above), above), axis=1, keepdims=True)
  return index, keep - beyond
