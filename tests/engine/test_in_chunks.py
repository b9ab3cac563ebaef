# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computing in chunks gives the same results as computing at once."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import in_chunks
from model_pruning.engine.change import FirstOrder
from model_pruning.engine.change import SecondOrder
from model_pruning.engine.placement import assumed_gpu
from model_pruning.engine.reads import Reads

# Rows of one chunk, of several, of a part of one; a vector; many short rows.
SHAPES = [(1024, 1000), (2048, 512), (3, 1 << 18), (700001, 1), (1 << 19,), (65537, 8, 1)]


def _values(number, shape):
  return [np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
          for seed in range(number)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize('shape', SHAPES, ids=str)
@pytest.mark.parametrize('saliency', [FirstOrder(0.9), SecondOrder(0.9)],
                         ids=['first_order', 'second_order'])
def test_averages_and_scores_are_equal_to_the_bit(saliency, shape):
  values = _values(1 + len(saliency.history), shape)
  values[1] = np.abs(values[1])

  def run(copied):
    with tf.Graph().as_default(), tf.Session() as session:
      weight, *history = [tf.placeholder(tf.float32, shape) for _ in values]
      reads = Reads([weight], tuple([each] for each in history), copied)
      average, = saliency.average(reads)
      again, = saliency.average(reads)
      scores, = saliency.scores(reads, [average])
      return session.run([again, scores], dict(zip([weight, *history], values)))

  for whole, chunked in zip(run(False), run(True)):
    np.testing.assert_array_equal(whole.view(np.int32), chunked.view(np.int32))


def test_small_tensors_tensors_on_gpus_and_large_primes_are_not_cut():
  with tf.Graph().as_default():
    assert in_chunks.is_chunked(tf.placeholder(tf.float32, [1 << 20]))
    assert not in_chunks.is_chunked(tf.placeholder(tf.float32, [1 << 18]))
    assert not in_chunks.is_chunked(tf.placeholder(tf.float32, [1000003]))
    with assumed_gpu():
      assert not in_chunks.is_chunked(tf.placeholder(tf.float32, [1 << 20]))


@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_totals_add_up(shape):
  value, = _values(1, shape)
  with tf.Graph().as_default(), tf.Session() as session:
    total = in_chunks.total(lambda part: tf.reduce_sum(tf.cast(part, tf.float64)**2),
                            [tf.constant(value)])
    assert session.run(total) == pytest.approx(np.sum(value.astype(np.float64)**2), rel=1e-12)
