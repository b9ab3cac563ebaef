# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Blocks as TPUs pool and expand them have the scores and the masks of blocks elsewhere."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine.blocks import Block
from model_pruning.engine.layout import Layout
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec


@pytest.mark.sampled(8)
@pytest.mark.parametrize('pooling', ['AVG', 'MAX'])
@pytest.mark.parametrize('layout', [
    Layout.whole([13, 10]), Layout.whole([1, 16, 24]),
    Layout((13, 10), 0, (5, 5, 3)), Layout((13, 10), 1, (4, 3, 3))], ids=str)
@pytest.mark.parametrize('size', [(4, 4), (1, 3), (5, 1), (13, 10), (3, 7)], ids=str)
def test_scores_and_masks_are_the_same_to_the_bit(layout, size, pooling):
  rng = np.random.RandomState(1)
  scores = np.abs(rng.standard_normal(layout.shape)).astype(np.float32)
  shards = np.split(scores, np.cumsum(layout.sizes)[:-1], layout.axis)
  found = []
  for use_tpu in (False, True):
    block = Block(size[0], size[1], pooling, use_tpu)
    with tf.Graph().as_default(), tf.Session() as session:
      pooled = block.pool([tf.constant(shard) for shard in shards], layout)
      masks = block.expand([units > 0.5 for units in pooled], layout)
      found.append(session.run(pooled + masks))
  assert len(found[0]) == len(found[1]) == 2 * len(shards)
  for plain, for_tpu in zip(*found):
    np.testing.assert_array_equal(plain, for_tpu)


def test_a_pattern_is_told_whom_it_is_for():
  assert pattern_for([8, 8], (4, 2), PruningSpec(use_tpu=True)) == Block(
      4, 2, 'AVG', use_tpu=True)
  assert not pattern_for([8, 8], (4, 2), PruningSpec()).use_tpu
