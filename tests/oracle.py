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
        scores[i, j] = halving_sum(halving_sum(full, 1), 0) * (
            np.float32(1) / np.float32(block.size))
  return scores


def mask(weight, sparsity, block=(1, 1), pooling='AVG'):
  """Returns (mask, threshold) of a weight: the whole rule, for any rank."""
  magnitudes = np.abs(np.asarray(weight, np.float32))
  squeezed = magnitudes.squeeze()
  if squeezed.ndim != 2 or tuple(block) == (1, 1):
    units, height, width = magnitudes, None, None
  else:
    height, width = (size if dim == -1 else min(dim, size)
                     for dim, size in zip(block, squeezed.shape))
    units = block_scores(squeezed, height, width, pooling)
  keep = keep_count(units.size, sparsity)
  kept = unit_mask(units, keep)
  threshold = np.sort(ranks(units).ravel())[-keep].astype(np.int32).view(np.float32)
  if height is not None:
    kept = np.repeat(np.repeat(kept, height, 0), width, 1)[:squeezed.shape[0], :squeezed.shape[1]]
  return kept.reshape(magnitudes.shape), threshold
