# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Selects the units of many small weights at once, each weight by its own threshold.

Selecting weight after weight takes some dozens of operations for each, and for small weights
starting them takes longer than their work. Here weights of similar sizes are the rows of a matrix,
and every operation works on all rows. selection.select gives the same results, to the bit.

Short rows are sorted as far as the last element that is kept. Longer rows are counted digit by
digit, as counting.py counts one weight, with a table of counts per row; after the first digit few
keys are left to count. Weights on a GPU of all sizes go together; see gpu_batches.py.
"""

import collections
import functools
from typing import Callable, Dict, Hashable, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine import gpu_batches
from model_pruning.engine import runs
from model_pruning.engine import selection
from model_pruning.engine.counting import KEY_BITS
from model_pruning.engine.counting import size_of
from model_pruning.engine.counting import SMALL_COUNTS
from model_pruning.engine.layout import reshaped
from model_pruning.engine.n_of_m import NofM
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.requests import apart
from model_pruning.engine.requests import joined
from model_pruning.engine.requests import Request
from model_pruning.engine.requests import takes
from model_pruning.engine.requests import takes_runs
from model_pruning.engine.selection import Selection
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor

# Rows of up to this length are sorted, and longer ones counted.
_LONGEST_SORTED = 1 << 11

# A matrix has about this many elements, so that it stays in the processor's cache.
_MATRIX = 1 << 20

# So few rows that are wider than this are faster one by one, on several processors at once.
_FEW, _WIDE = 4, 1 << 12

# Counts are found in two steps: the row of so many counts, and then the count.
_COUNTS_IN_ROW = 32


def select_each(requests: Sequence[Request], spec: PruningSpec, dtype: DType = tf.bool
                ) -> List[Selection]:
  """Returns the selection of each request; see Pattern.select.

  Args:
    requests: what to choose; the scores of small weights with one shard are on one device.
    spec: the hyperparameters.
    dtype: the masks of small weights are cast to it, all in one operation; others remain bool.
  """
  in_one = [joined(request, spec) for request in requests]
  return [apart(request, chosen) for request, chosen in zip(
      requests, _select_each(in_one, spec, dtype))]


def _select_each(requests: Sequence[Request], spec: PruningSpec, dtype: DType) -> List[Selection]:
  batches: Dict[Hashable, List[int]] = collections.OrderedDict()
  for index, request in enumerate(requests):
    batches.setdefault(_kind(request, spec) or ('alone', index), []).append(index)
  selected: Dict[int, Selection] = {}
  for kind, indices in batches.items():
    if kind[0] == 'gpu':  # type: ignore[index]
      selected.update(zip(indices, _in_turns(
          [requests[index] for index in indices],
          functools.partial(_select_on_gpu, spec, dtype))))
      continue
    if kind[0] == 'runs':  # type: ignore[index]
      selected.update(zip(indices, _in_turns(
          [requests[index] for index in indices], functools.partial(_select_runs_on_gpu, dtype))))
      continue
    if kind[0] == 'alone':  # type: ignore[index]
      request, = (requests[index] for index in indices)
      selected[indices[0]] = request.pattern.select(
          request.pooled, request.sparsity, request.previous_threshold, spec)
      continue
    width = max(_units(requests[index]) for index in indices)
    few = len(indices) <= _FEW and width > _WIDE
    rows = 1 if few else max(1, _MATRIX // width)
    for start in range(0, len(indices), rows):
      some = indices[start:start + rows]
      selected.update(zip(some, _select_rows([requests[index] for index in some], spec, dtype)))
  return [selected[index] for index in range(len(requests))]


def _kind(request: Request, spec: PruningSpec) -> Optional[Tuple[Hashable, ...]]:
  """Returns a key that is equal for requests which go into one matrix; None to go alone."""
  if len(request.pooled) > 1:
    return None
  if takes_runs(request.layout, request.pattern, spec, request.pooled[0][0]):
    return 'runs', repr(request.pattern), request.pooled[0][0].device, id(request.sparsity)
  if not takes(request.layout, request.pattern, spec, request.pooled[0][0]):
    return None
  if on_gpu(request.pooled[0][0]):
    return 'gpu', request.pooled[0][0].device, request.sparsity.dtype
  bits = (_units(request) - 1).bit_length()
  # Sorting stops at the last element that is kept, so filling up short rows costs little.
  return (bits if 1 << bits > _LONGEST_SORTED else -(-bits // 2), 1 << bits > _LONGEST_SORTED,
          request.sparsity.dtype)


def _units(request: Request) -> int:
  return size_of(request.pooled[0][0])


def _select_rows(requests: Sequence[Request], spec: PruningSpec, dtype: DType
                 ) -> List[Selection]:
  """Returns the selections of weights that have one shard each."""
  scores = [request.pooled[0][0] for request in requests]
  sizes = [size_of(score) for score in scores]
  keys = selection.as_keys(tf.abs(_matrix(scores, sizes)))
  keep = selection.rounded(np.array(sizes)[:, None], _column(
      [request.sparsity for request in requests]))
  find = _by_sorting if max(sizes) <= _LONGEST_SORTED else _by_counting
  if spec.threshold_decay:
    current = tf.bitcast(find(keys, keep)[0], tf.float32)
    smoothed = selection.between(current, _column(
        [request.previous_threshold for request in requests]), spec.threshold_decay)
    mask = keys >= tf.minimum(tf.bitcast(tf.abs(smoothed), tf.int32),
                              tf.reduce_max(keys, axis=1, keepdims=True))
  else:
    key, mask = find(keys, keep)
    smoothed = tf.bitcast(key, tf.float32)
  return [Selection(threshold, [[row]]) for threshold, row in zip(
      _rows(smoothed, [[]] * len(scores)),
      _rows(tf.cast(mask, dtype), [score.shape.as_list() for score in scores]))]


def _in_turns(requests: Sequence[Request],
              select: Callable[[Sequence[Request]], Iterable[Tuple[Tensor, Tensor]]]
              ) -> List[Selection]:
  """Returns the selections of weights that have one shard each, all on one GPU, some at a time.

  Args:
    requests: what to choose.
    select: returns the threshold and the mask for each of some requests.
  """
  selected: List[Selection] = []
  for turn in gpu_batches.in_turns([_units(request) for request in requests]):
    some = [requests[index] for index in turn]
    # The turns would take memory at the same time.
    after = [mask for chosen in selected[-1:] for mask in chosen.masks[0]]
    with on_device_of(some[0].pooled[0][0]), tf.control_dependencies(after):
      selected.extend(Selection(threshold, [[mask]]) for threshold, mask in select(some))
  return selected


def _select_on_gpu(spec: PruningSpec, dtype: DType, requests: Sequence[Request]
                   ) -> List[Tuple[Tensor, Tensor]]:
  """Returns thresholds and masks, each weight by its own threshold."""
  keep = selection.rounded(np.array(list(map(_units, requests)))[:, None], _column(
      [request.sparsity for request in requests]))
  smoothing = gpu_batches.Smoothing(
      tf.stack([request.previous_threshold for request in requests]),
      spec.threshold_decay) if spec.threshold_decay else None
  return gpu_batches.select([request.pooled[0][0] for request in requests], keep, dtype, smoothing)


def _select_runs_on_gpu(dtype: DType, requests: Sequence[Request]) -> List[Tuple[Tensor, Tensor]]:
  """Returns thresholds of 0 and the masks of weights that are pruned N of M to one sparsity."""
  pattern = requests[0].pattern
  assert isinstance(pattern, NofM)
  return [(tf.constant(0.0), mask) for mask in runs.select_together(
      [request.pooled[0][0] for request in requests], pattern.m, requests[0].sparsity, dtype)]


def _column(scalars: Sequence[Tensor]) -> Tensor:
  """Returns the scalars as a matrix of one column; a scalar if all are the same tensor."""
  if all(scalar is scalars[0] for scalar in scalars):
    return tf.convert_to_tensor(scalars[0])
  return tf.stack(scalars)[:, None]


def _matrix(scores: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
  """Returns the scores as rows of a matrix; zeros fill up the shorter rows.

  The zeros come last and are the smallest scores, so no row keeps one of them.
  """
  width, pieces = max(sizes), []
  if len(scores) == 1:
    return tf.reshape(scores[0], [1, width])
  if _alike([score.shape.as_list() for score in scores]):
    return tf.reshape(tf.stack(scores), [len(sizes), width])  # One reshape for all.
  for score, size in zip(scores, sizes):
    pieces.append(reshaped(score, [size]))
    if size < width:
      pieces.append(tf.zeros([width - size]))
  return tf.reshape(tf.concat(pieces, axis=0), [len(sizes), width])


def _rows(matrix: Tensor, shapes: Sequence[Sequence[int]]) -> List[Tensor]:
  """Returns the rows of a matrix, without the elements that fill them up, in these shapes."""
  if len(shapes) == 1:
    return [tf.reshape(matrix, shapes[0])]
  if _alike(shapes):
    return list(tf.unstack(tf.reshape(matrix, [len(shapes), *shapes[0]]), num=len(shapes)))
  sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
  width = max(sizes)
  pieces = [piece for size in sizes for piece in (size, width - size)]
  return [reshaped(row, shape) for row, shape in zip(
      tf.split(tf.reshape(matrix, [-1]), pieces)[::2], shapes)]


def _alike(shapes: Sequence[Sequence[int]]) -> bool:
  return all(shape == shapes[0] for shape in shapes)


def _by_sorting(keys: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor]:
  """Returns, per row, the keep-th largest key, and the mask that keeps exactly `keep`.

  Args:
    keys: int32 [rows, width].
    keep: int32 [rows, 1].

  Returns:
    int32 [rows, 1], and a mask as a vector of the rows, one after the other.
  """
  rows, width = keys.shape.as_list()
  most = keep[0, 0] if rows == 1 else tf.reduce_max(keep)
  # Of equal keys top_k returns the first ones first, as the mask keeps them.
  descending, columns = tf.nn.top_k(keys, most)
  # Setting the few elements that are kept is faster than comparing all.
  if rows == 1:
    key, kept = descending[:, -1:], tf.ones([most])
  else:
    key = tf.gather_nd(descending, tf.stack([tf.range(rows)[:, None], keep - 1], axis=2))
    kept = tf.reshape(tf.cast(tf.range(most) < keep, tf.float32), [-1])
    columns += tf.range(rows)[:, None] * width
  return key, tf.scatter_nd(tf.reshape(columns, [-1, 1]), kept, [rows * width])


def _by_counting(keys: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor]:
  """Does the same as _by_sorting, with the mask as a matrix."""
  rows, width = keys.shape.as_list()
  first, *others = SMALL_COUNTS
  bits_left = KEY_BITS - first
  digits = tf.bitwise.right_shift(keys, bits_left)
  counts = _counts(digits, tf.range(rows)[:, None], rows, 1 << first)
  found, keep, ties = _walk_down(counts, keep)
  key = tf.bitwise.left_shift(found, bits_left)
  # Only the few keys that begin with the digit of their row are counted again.
  hits = tf.where(tf.reshape(tf.equal(digits, found), [-1]))[:, 0]
  row = tf.cast(hits // width, tf.int32)
  candidates = tf.gather(tf.reshape(keys, [-1]), hits)
  for bits in others:
    bits_left -= bits
    # As in counting.py, keys without the digits found so far get digits that are too large. Here
    # the last bin takes those.
    digits = tf.bitwise.bitwise_xor(candidates, tf.gather(key[:, 0], row))
    digits = tf.minimum(tf.bitwise.right_shift(digits, bits_left), 1 << bits)
    counts = _counts(digits, row, rows, (1 << bits) + 1)[:, :-1]
    found, keep, ties = _walk_down(counts, keep)
    key = tf.bitwise.bitwise_or(key, tf.bitwise.left_shift(found, bits_left))

  def some() -> Tensor:
    equal = tf.equal(keys, key)
    return (keys > key) | (equal & (tf.cumsum(tf.cast(equal, tf.int32), axis=1) <= keep))

  # Almost always only one key equals the threshold.
  return key, tf.cond(tf.reduce_all(keep >= ties), lambda: keys >= key, some)


def _counts(digits: Tensor, row: Tensor, rows: int, bins: int) -> Tensor:
  """Returns how often each digit below `bins` occurs in each row, int32 [rows, bins].

  Args:
    digits: int32.
    row: the row of each digit, of a shape that can be broadcast with them.
    rows, bins: the shape of the result.
  """
  if rows > 1:
    digits += row * bins
  return tf.reshape(tf.raw_ops.Bincount(
      arr=tf.reshape(digits, [-1]), size=rows * bins, weights=tf.constant([], tf.int32)),
                    [rows, bins])


def _walk_down(counts: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
  """Finds the bin of the keep-th largest key in every row of `counts`.

  Returns:
    Per row the bin, the number of keys in it that are among the `keep` largest, and its count.
  """
  rows, bins = counts.shape.as_list()
  lines = bins // _COUNTS_IN_ROW
  grid = tf.reshape(counts, [rows, lines, _COUNTS_IN_ROW])
  line, keep, _ = _last_reaching(tf.reduce_sum(grid, axis=2), keep)
  column, keep, count = _last_reaching(
      tf.gather_nd(grid, tf.stack([tf.range(rows), line[:, 0]], axis=1)), keep)
  return line * _COUNTS_IN_ROW + column, keep, count


def _last_reaching(counts: Tensor, keep: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
  """Returns per row the last index whose suffix sum reaches `keep`, the rest, and the count.

  All results have shape [rows, 1], as `keep` has.
  """
  above = tf.cumsum(counts, axis=1, reverse=True)
  index = tf.reduce_sum(tf.cast(above >= keep, tf.int32), axis=1, keepdims=True) - 1
  at = tf.stack([tf.range(int(counts.shape[0]))[:, None], index], axis=2)
  count = tf.gather_nd(counts, at)
  return index, keep - (tf.gather_nd(above, at) - count), count
