# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Patterns: which elements make a unit, and what its score is."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.blocks import Block
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import fewest_elements
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec
from tests import oracle


AVG = PruningSpec(block_pooling_function='AVG')
MAX = PruningSpec(block_pooling_function='MAX')


def pooled(weight, block, pooling='AVG'):
  layout = Layout.whole(weight.shape)
  pattern = pattern_for(weight.shape, block, PruningSpec(block_pooling_function=pooling))
  with tf.Graph().as_default(), tf.Session() as session:
    units, = pattern.pool([tf.constant(weight)], layout)
    expanded, = pattern.expand([units], layout)
    return session.run([units, expanded])


@pytest.mark.parametrize('pooling, function', [('AVG', np.mean), ('MAX', np.max)])
def test_edge_blocks_count_only_what_they_cover(pooling, function):
  weight = np.abs(np.random.RandomState(0).standard_normal((5, 7))).astype(np.float32)
  units, _ = pooled(weight, (2, 3), pooling)
  expected = [[function(weight[i:i + 2, j:j + 3]) for j in (0, 3, 6)] for i in (0, 2, 4)]
  np.testing.assert_allclose(units.reshape(3, 3), expected, rtol=1e-6)


def test_a_unit_expands_over_the_elements_it_was_pooled_from():
  weight = np.arange(35, dtype=np.float32).reshape(5, 7)
  units, expanded = pooled(weight, (2, 3), 'MAX')
  for i in range(5):
    for j in range(7):
      assert expanded[i, j] == units.reshape(3, 3)[i // 2, j // 3]


def test_max_ranks_nan_above_infinity():
  weight = np.array([[1, np.inf], [np.nan, 2]], np.float32)
  units, _ = pooled(weight, (1, 2), 'MAX')
  assert np.isinf(units.ravel()[0]) and np.isnan(units.ravel()[1])


@pytest.mark.parametrize('shape', [(1, 1, 6, 4), (6, 1, 4), (6, 4)])
def test_dimensions_of_one_do_not_count(shape):
  weight = np.abs(np.random.RandomState(1).standard_normal(shape)).astype(np.float32)
  units, expanded = pooled(weight, (3, 2))
  assert units.size == 4 and expanded.shape == shape


@pytest.mark.parametrize('shape', [(), (4,), (2, 3, 4), (3, 3, 2, 8)])
def test_other_ranks_are_pruned_elementwise(shape):
  assert isinstance(pattern_for(shape, (2, 2), AVG), Elementwise)


def test_minus_one_is_the_whole_dimension_of_each_weight():
  assert pattern_for((6, 4), (-1, 1), AVG) == Block(6, 1, 'AVG')
  assert pattern_for((8, 4), (-1, 1), AVG) == Block(8, 1, 'AVG')
  assert pattern_for((8, 4), (1, -1), MAX) == Block(1, 4, 'MAX')


def test_a_block_larger_than_the_weight_is_the_weight():
  units, _ = pooled(np.ones((3, 2), np.float32), (16, 16))
  assert units.size == 1


@pytest.mark.parametrize('block', [(0, 1), (1, -2)])
def test_impossible_dimensions_are_refused(block):
  with pytest.raises(errors.BlockError, match='positive'):
    pattern_for((4, 4), block, AVG)


def test_unknown_pooling_is_refused():
  with pytest.raises(errors.BlockError, match="'SUM'"):
    Block(2, 2, 'SUM')


@pytest.mark.parametrize('block', [(1, 1), (2, 3), (4, 4), (-1, 2)])
def test_units_and_the_fewest_elements_they_cover(block):
  shape = (5, 7)
  layout = Layout.whole(shape)
  pattern = pattern_for(shape, block, AVG)
  weight = np.random.RandomState(2).standard_normal(shape)
  units = pattern.units(layout)
  for sparsity in (0.3, 0.7, 0.95):
    zeros = int((~oracle.mask(weight, sparsity, block)[0]).sum())
    pruned = units - oracle.keep_count(units, sparsity)
    assert fewest_elements(pattern.unit_sizes(layout), pruned) <= zeros
  sizes = pattern.unit_sizes(layout)
  assert sum(number for _, number in sizes) == units
  assert fewest_elements(sizes, units) == 35
  assert fewest_elements(sizes, 0) == 0


def test_pairwise_sums_are_close_to_exact_ones():
  weight = np.abs(np.random.RandomState(3).standard_normal((64, 1000))).astype(np.float32)
  units, _ = pooled(weight, (1, -1))
  np.testing.assert_allclose(units.ravel(), weight.astype(np.float64).mean(1), rtol=3e-7)


@pytest.mark.parametrize('pooling', ['AVG', 'MAX'])
@pytest.mark.parametrize('block', [(2, 3), (3, 1), (1, 4), (-1, 2)], ids=str)
@pytest.mark.parametrize('shape', [(5, 7), (6, 12), (3, 1)], ids=str)
def test_blocks_by_rows_alone_have_the_same_bits(shape, block, pooling):
  weight = np.abs(np.random.RandomState(4).standard_normal(shape)).astype(np.float32)
  layout, found = Layout.whole(shape), []
  for use_tpu in (False, True):
    pattern = pattern_for(shape, block, PruningSpec(block_pooling_function=pooling,
                                                    use_tpu=use_tpu))
    with tf.Graph().as_default(), tf.Session() as session:
      units = pattern.pool([tf.constant(weight)], layout)
      found.append(session.run([*units, *pattern.expand(units, layout)]))
  for one, other in zip(*found):
    np.testing.assert_array_equal(one, other)
