# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Selects the units of many weights on a GPU at once, each weight by its own threshold.

On a GPU the work itself takes little time: most of it goes into starting operations, some 6
microseconds for each, and into waiting for the host to decide how to go on. So here nearly all
operations work on all weights together, and nothing waits for the host.

The weights are joined, and each element gets one integer of 64 bits: the number of its weight, its
key, and its place, counted down. No two are equal, and in descending order the elements of a weight
are in the order in which they are kept, of equal keys the first ones first. GPUs sort fast. Then
the last integer that each weight keeps is at a known rank, and its mask is one comparison.
selection.select gives the same results, to the bit.
"""

import functools
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.counting import KEY_BITS
from model_pruning.engine.counting import size_of
from model_pruning.engine.layout import reshaped
from model_pruning.engine.magnitude import magnitude
from model_pruning.engine.placement import on_gpu
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

# Sorting takes about 40 bytes of memory per element: some weights are sorted at a time, of up to
# MOST elements together and at most ROWS of them. Up to LARGEST a weight may be sorted alone.
MOST, ROWS, LARGEST = 1 << 22, 256, 1 << 24

# Zeros fill up each weight to a multiple, so that the numbers of weights and the places are sums
# of a short column and a short line.
_LINE = 1 << 10


class Smoothing(NamedTuple):
  """What threshold_decay needs.

  Attributes:
    previous: the previous thresholds, floating [weights].
    decay: the factor, more than 0.
  """
  previous: Tensor
  decay: float


def in_turns(sizes: Sequence[int]) -> List[List[int]]:
  """Returns the numbers of the weights that are selected at a time.

  Args:
    sizes: the number of units of each weight.
  """
  turns: List[List[int]] = []
  left = 0
  for index, size in enumerate(sizes):
    if not turns or size > left or len(turns[-1]) == ROWS:
      turns.append([])
      left = MOST
    turns[-1].append(index)
    left -= size
  return turns


def select(scores: Sequence[Tensor], keep: Tensor, dtype: DType = tf.bool,
           smoothing: Optional[Smoothing] = None) -> List[Tuple[Tensor, Tensor]]:
  """Chooses the units to keep of each weight, of equal scores the first ones.

  Args:
    scores: per weight, a floating tensor on a GPU, of which the sign is ignored.
    keep: int32 [weights, 1], how many units of each weight are kept.
    dtype: of the masks.
    smoothing: if given, the units that reach the smoothed threshold are kept instead; see
      selection.select.

  Returns:
    Per weight the threshold, a float32 scalar, and the mask, of the shape of scores.
  """
  form = _Form([size_of(score) for score in scores])
  keys = magnitude(form.joined(scores))
  elements = form.elements(keys)
  ranked = _sorted(keys, elements, form)
  last = ranked(form.begins + tf.cast(keep[:, 0], tf.int64) - 1)
  threshold = tf.bitcast(tf.cast(form.keys(last), tf.int32), tf.float32)
  if smoothing is not None:
    threshold = selection.between(threshold, smoothing.previous, smoothing.decay)
    reached = tf.cast(tf.bitcast(magnitude(threshold), tf.int32), tf.int64)
    # A threshold remembered from larger weights may exceed all scores.
    last = form.lowest(tf.minimum(reached, form.keys(ranked(form.begins))))
  mask = tf.cast(form.reach(elements, last), dtype)
  return list(zip(tf.unstack(threshold, num=len(scores)),
                  form.apart(mask, [score.shape.as_list() for score in scores])))


def _sorted(keys: Tensor, elements: Tensor, form: '_Form') -> Callable[[Tensor], Tensor]:
  """Returns a function from ranks, int64, to the elements of these ranks in descending order."""
  flat = tf.reshape(elements, [-1])
  if form.weights > 1:
    # Sorting all returns the places too, which nothing needs.
    return functools.partial(tf.gather, tf.nn.top_k(flat, form.width)[0])
  # The keys of a single weight take half the time. Of equal ones top_k returns the first one first.
  _, places = tf.nn.top_k(tf.bitcast(tf.reshape(keys, [-1]), tf.int32), form.width)
  return lambda ranks: tf.gather(flat, tf.gather(places, ranks))


class _Form:
  """How integers of 64 bits hold the elements of weights that lie one after the other.

  Attributes:
    weights: their number.
    width: the number of integers, with those that fill up the lines.
    begins: where each weight begins, int64 [weights].
  """

  def __init__(self, sizes: Sequence[int]) -> None:
    """Takes the numbers of units."""
    self._sizes, self.weights = sizes, len(sizes)
    lines = -(-np.array(sizes, np.int64) // _LINE)
    self.width = int(lines.sum()) * _LINE
    self._places = (self.width - 1).bit_length()  # Bits.
    self._of_line = np.repeat(np.arange(len(sizes)), lines)
    self._numbers = np.arange(len(sizes))[::-1].astype(np.int64) << (KEY_BITS + self._places)
    self.begins = tf.constant((np.cumsum(lines) - lines) * _LINE, tf.int64)

  def joined(self, scores: Sequence[Tensor]) -> Tensor:
    """Returns the scores in lines, float32 [lines, _LINE].

    The zeros that fill up the last line of a weight come after its elements and are the smallest
    scores, so no weight keeps one of them.
    """
    zeros: Dict[int, Tensor] = {}
    pieces = []
    for score, size in zip(scores, self._sizes):
      pieces.append(reshaped(tf.cast(score, tf.float32), [size]))
      missing = -size % _LINE
      if missing:
        if missing not in zeros:
          zeros[missing] = tf.zeros([missing])
        pieces.append(zeros[missing])
    return tf.reshape(pieces[0] if len(pieces) == 1 else tf.concat(pieces, axis=0), [-1, _LINE])

  def elements(self, scores: Tensor) -> Tensor:
    """Returns the integers, int64 of the shape of `scores`, which are not negative."""
    last_places = self.width - 1 - np.arange(0, self.width, _LINE)
    of_line = tf.constant((self._numbers[self._of_line] + last_places)[:, None], tf.int64)
    in_line = tf.constant(np.arange(_LINE)[None], tf.int64)
    keys = tf.cast(tf.bitcast(scores, tf.int32), tf.int64)
    return tf.bitwise.left_shift(keys, tf.constant(self._places, tf.int64)) + of_line - in_line

  def keys(self, elements: Tensor) -> Tensor:
    """Returns the keys of some elements, int64."""
    return tf.bitwise.bitwise_and(
        tf.bitwise.right_shift(elements, tf.constant(self._places, tf.int64)),
        tf.constant((1 << KEY_BITS) - 1, tf.int64))

  def lowest(self, keys: Tensor) -> Tensor:
    """Returns the lowest integer of each weight that has its key or a larger one; int64."""
    return tf.constant(self._numbers) + tf.bitwise.left_shift(
        keys, tf.constant(self._places, tf.int64))

  def reach(self, elements: Tensor, last: Tensor) -> Tensor:
    """Returns whether elements are at least the `last` one of their weight; bool."""
    if self.weights > 1:
      last = tf.gather(last, tf.constant(self._of_line[:, None], tf.int64))
    return elements >= last

  def apart(self, lines: Tensor, shapes: Sequence[Sequence[int]]) -> List[Tensor]:
    """Takes lines apart, inverting `joined`: returns the elements of each weight in its shape."""
    if len(shapes) == 1 and self.width == self._sizes[0]:
      return [tf.reshape(lines, shapes[0])]
    pieces = [piece for size in self._sizes for piece in (size, -size % _LINE)]
    flat = cut(tf.reshape(lines, [-1]), pieces)[::2]
    return [reshaped(piece, shape) for piece, shape in zip(flat, shapes)]


def cut(vector: Tensor, sizes: Sequence[int]) -> List[Tensor]:
  """Returns the pieces of a vector, one after the other, of these sizes."""
  if vector.dtype != tf.bool or not on_gpu(vector):
    return list(tf.split(vector, sizes))
  # There is no kernel for GPUs that splits bools.
  return [tf.cast(piece, tf.bool) for piece in tf.split(tf.cast(vector, tf.float32), sizes)]
