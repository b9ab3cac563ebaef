# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of pooling and expanding the blocks of many small weights at once."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine.block_batches import batches_of
from model_pruning.engine.blocks import Block
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.layout import Layout

SHAPES = ((8, 8), (7, 9), (1, 5, 6, 1), (8, 8), (3, 17), (4, 1, 40), (2, 2))


def _values(shapes):
  random = np.random.RandomState(1)
  values = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
  values[0][3, 3], values[1][0, 0], values[1][1, 1] = -np.nan, -np.inf, -0.0
  values[2][:] = 1e-40
  return values


def _run(build):
  with tf.Graph().as_default(), tf.Session() as session:
    return session.run(build())


@pytest.mark.sampled(4)
@pytest.mark.parametrize('pooling', ['AVG', 'MAX'])
@pytest.mark.parametrize('height, width', [(4, 4), (1, 2), (3, 5), (16, 1), (6, 7)])
def test_a_batch_pools_and_expands_as_weight_after_weight(height, width, pooling):
  block, layouts = Block(height, width, pooling), [Layout.whole(shape) for shape in SHAPES]
  values = _values(SHAPES)

  def build():
    scores = [tf.constant(value) for value in values]
    batch, = batches_of(layouts, [block] * len(layouts), [[score] for score in scores])
    assert sorted(batch.members) == list(range(len(SHAPES)))
    pairs = []
    for dtype in (tf.float32, tf.bool):
      together = batch.pool(*(scores[member] for member in batch.members))
      masks = [tf.cast(tf.range(block.units(layouts[member])) % 3 > 0, dtype)
               for member in batch.members]
      expanded = batch.expand(*masks)
      for member, units, mask, whole in zip(batch.members, together, masks, expanded):
        alone, = block.pool([tf.abs(scores[member])], layouts[member])
        pairs.append((tf.bitcast(units, tf.int32), tf.bitcast(tf.reshape(alone, [-1]), tf.int32)))
        pairs.append((whole, *block.expand([tf.reshape(mask, alone.shape)], layouts[member])))
    return pairs

  for together, alone in _run(build):
    assert together.dtype == alone.dtype
    np.testing.assert_array_equal(together, alone)


def test_only_small_whole_weights_on_one_device_and_with_equal_blocks_are_in_a_batch():
  def members(patterns, layouts, devices=('', '')):
    with tf.Graph().as_default():
      weights = []
      for layout, device in zip(layouts, devices):
        with tf.device(device):
          weights.append([tf.zeros(layout.shard_shape(index))
                          for index in range(len(layout.sizes))])
      return [batch.members for batch in batches_of(layouts, patterns, weights)]

  block, small = Block(2, 2, 'AVG'), Layout.whole((8, 8))
  assert members([block, block], [small, small]) == [[0, 1]]
  assert members([block, Block(2, 4, 'AVG')], [small, small]) == []
  assert members([block, Elementwise()], [small, small]) == []
  assert members([Block(2, 2, 'AVG', use_tpu=True)] * 2, [small, small]) == []
  assert members([block, block], [small, Layout.whole((64, 64))]) == []
  assert members([block, block], [small, Layout((8, 8), 0, (4, 4))]) == []
  assert members([block, block], [small, Layout.whole((0, 8))]) == []
  assert members([block, block], [small, small], ['/job:ps/task:0', '/job:ps/task:1']) == []


def test_distinct_shapes_take_few_nodes():
  def nodes(number):
    with tf.Graph().as_default() as graph:
      layouts = [Layout.whole((9, 9 + index)) for index in range(number)]
      scores = [[tf.zeros(layout.shape)] for layout in layouts]
      batch, = batches_of(layouts, [Block(4, 4, 'AVG')] * number, scores)
      before = len(graph.get_operations())
      batch.expand(*batch.pool(*(score for score, in scores)))
      return len(graph.get_operations()) - before

  assert (nodes(40) - nodes(20)) / 20 <= 9
