# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the library should compute, in NumPy: slow, plain, and written apart from it."""

import os

import numpy as np


def soak(cases):
  """Returns the number of random cases to run: more of them under `make soak`."""
  return cases * int(os.environ.get('MODEL_PRUNING_SOAK', '1'))


def keep_count(units, sparsity):
  """Returns k = max(1, round_half_to_even(n * (1 - sparsity))), in float32 as contrib did."""
  return max(1, int(np.rint(np.float32(units) * (np.float32(1) - np.float32(sparsity)))))


def ranks(scores):
  """Returns integers that order as the scores, with NaN above infinity."""
  return np.ascontiguousarray(scores, np.float32).view(np.int32).astype(np.int64)


def unit_mask(scores, keep):
  """Keeps the `keep` highest scores; of equal ones the first in flat order."""
  best = np.argsort(-ranks(scores).ravel(), kind='stable')[:keep]
  mask = np.zeros(scores.size, bool)
  mask[best] = True
  return mask.reshape(scores.shape)


def halving_sum(values, axis):
  """Sums over an axis by adding its upper half to its lower until one is left."""
  values = np.moveaxis(np.asarray(values, np.float32), axis, 0)
  while len(values) > 1:
    half = (len(values) + 1) // 2
    upper = np.zeros_like(values[:half])
    upper[:len(values) - half] = values[half:]
    values = values[:half] + upper
  return values[0]


def block_scores(magnitudes, height, width, pooling):
  """Returns the score of every block of a matrix, one block after the other."""
  rows, columns = magnitudes.shape
  scores = np.zeros((-(-rows // height), -(-columns // width)), np.float32)
  for i in range(scores.shape[0]):
    for j in range(scores.shape[1]):
      block = magnitudes[i * height:(i + 1) * height, j * width:(j + 1) * width]
      if pooling == 'MAX':
        flat = np.ascontiguousarray(block).ravel()
        scores[i, j] = flat[np.argmax(ranks(flat))]
      else:
        full = np.zeros((height, width), np.float32)
        full[:block.shape[0], :block.shape[1]] = block
        scores[i, j] = halving_sum(halving_sum(full, 0), 0) * (
            np.float32(1) / np.float32(block.size))
  return scores


def unit_scores(scores, block=(1, 1), pooling='AVG'):
  """Returns (scores of units, size of a block or None) of element scores of any rank."""
  squeezed = scores.squeeze()
  if squeezed.ndim != 2 or tuple(block) == (1, 1):
    return scores, None
  size = tuple(length if dim == -1 else min(dim, length)
               for dim, length in zip(block, squeezed.shape))
  return block_scores(squeezed, *size, pooling), size


def expanded(units, size, shape):
  """Returns the mask over elements of a mask over units."""
  if size is not None:
    rows, columns = np.zeros(shape).squeeze().shape
    units = np.repeat(np.repeat(units, size[0], 0), size[1], 1)[:rows, :columns]
  return units.reshape(shape)


def masks(scores, sparsity, blocks=None, pooling='AVG'):
  """Returns (masks, threshold) of weights that are pruned together, from their scores."""
  pooled = [unit_scores(np.asarray(each, np.float32), block, pooling)
            for each, block in zip(scores, blocks or [(1, 1)] * len(scores))]
  flat = np.concatenate([units.ravel() for units, _ in pooled])
  keep = keep_count(flat.size, sparsity)
  kept = unit_mask(flat, keep)
  threshold = np.sort(ranks(flat))[-keep].astype(np.int32).view(np.float32)
  result = []
  for (units, size), each in zip(pooled, scores):
    own, kept = kept[:units.size].reshape(units.shape), kept[units.size:]
    result.append(expanded(own, size, np.shape(each)))
  return result, threshold


def mask(weight, sparsity, block=(1, 1), pooling='AVG'):
  """Returns (mask, threshold) of a weight: the whole rule, for any rank."""
  (result,), threshold = masks([np.abs(np.asarray(weight, np.float32))], sparsity, [block], pooling)
  return result, threshold


def dropped(m, sparsity):
  """Returns how many of a run of m are dropped; what is 1e-6 short of a count reaches it."""
  share = np.float32(sparsity) + np.float32(1e-6)
  return min(int(np.floor(np.float32(m) * share)), m - 1)


def n_of_m_mask(scores, m, sparsity):
  """Returns the mask that keeps the best of every run of m along the last axis but one."""
  scores = np.asarray(scores, np.float32)
  flat = scores.reshape((-1,) + scores.shape[-2:])
  kept = np.zeros(flat.shape, bool)
  for index in np.ndindex(flat.shape[0], flat.shape[2]):
    for begin in range(0, flat.shape[1], m):
      run = flat[index[0], begin:begin + m, index[1]]
      kept[index[0], begin:begin + m, index[1]] = unit_mask(
          run, len(run) - dropped(len(run), sparsity))
  return kept.reshape(scores.shape)


def next_gradient(gradient, change, decay):
  """Returns the average of normalized changes after one more of them, all float32."""
  norm = np.sqrt(max(np.sum(np.square(change.astype(np.float64))), 1e-12))
  return (gradient * np.float32(decay) +
          change * np.float32(1 / norm) * np.float32(1 - decay)).astype(np.float32)


def erk_counts(shapes, units, keep):
  """Returns how many units each weight keeps by ERK: cap at dense and share the rest out again."""
  shapes, units = [tuple(shape) or (1,) for shape in shapes], np.array(units, np.int64)
  ratios = np.array([np.sum(shape) / np.prod(shape, dtype=np.float64) for shape in shapes])
  dense = np.zeros(len(units), bool)
  while True:
    density = np.where(dense, 1.0, 0.0)
    if dense.all():
      break
    scale = (keep - units[dense].sum()) / (units * ratios)[~dense].sum()
    density[~dense] = scale * ratios[~dense]
    if (density <= 1 + 1e-9).all():
      break
    dense[np.argmax(density)] = True
  return largest_remainders(np.minimum(density, 1) * units, units, keep)


def largest_remainders(exact, units, keep):
  """Rounds to whole numbers in [1, units] with the sum `keep`, if there are so many."""
  counts = np.maximum(np.floor(exact), 1).astype(np.int64)
  missing = int(keep - counts.sum())
  if missing > 0:
    counts[np.argsort(-(exact - counts), kind='stable')[:missing]] += 1
  elif missing < 0:
    counts[np.argmax(counts)] += missing
  return np.clip(counts, 1, units)


def lamp_scores(scores):
  """Returns s^2 / (sum of the squares of all scores of s or more), by sorting."""
  flat = np.asarray(scores, np.float64).ravel()
  order = np.argsort(-flat, kind='stable')
  sums = np.cumsum(flat[order] ** 2)
  last_equal = np.searchsorted(-flat[order], -flat, side='right') - 1
  with np.errstate(invalid='ignore'):
    return np.nan_to_num(flat ** 2 / sums[last_equal])


def binned_lamp_scores(scores):
  """Returns the same with sums by bins of 1/256 of a score, as the library defines them."""
  flat = np.ascontiguousarray(scores, np.float32).ravel()
  keys = flat.view(np.int32)
  bins, position = keys >> 15, (keys & 0x7fff) / 2.0 ** 15
  numbers = np.bincount(bins, minlength=1 << 16)
  middle = ((np.arange(1 << 16, dtype=np.int64) << 15) + (1 << 14)).astype(np.int32)
  with np.errstate(invalid='ignore', over='ignore'):
    squares = np.where(np.arange(1 << 16) < 0xff00,
                       numbers * middle.view(np.float32).astype(np.float64) ** 2, 0.0)
    above = np.cumsum(squares[::-1])[::-1] - squares
    square = flat.astype(np.float64) ** 2
    total = above[bins] + square * (1 + (numbers[bins] - 1) * (1 - position))
    return np.where(np.isfinite(flat), np.nan_to_num(square / total), np.inf).astype(np.float32)


def lamp_counts(scores, keep, of=binned_lamp_scores):
  """Returns how many units each weight keeps by LAMP: the highest LAMP scores of all weights."""
  units = np.array([each.size for each in scores])
  kept = unit_mask(np.concatenate([of(each).astype(np.float32) for each in scores]), keep)
  counts = [each.sum() for each in np.split(kept, np.cumsum(units)[:-1])]
  return largest_remainders(np.array(counts, np.float64), units, keep)
