# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""N of M: pattern and selection against the NumPy oracle, and the laws they obey."""

import functools

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine import n_of_m
from model_pruning.engine import runs
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.layout import Layout
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec
from tests import drawn
from tests import legs
from tests import oracle

SPECIAL = np.array([0.0, 1.0, 1e-45, 1e-39, 1.1754944e-38, np.inf, np.nan, 3.4028235e38, 0.5,
                    0.50000006], np.float32)
N_OF_M = PruningSpec(intra_block_sparsity=True, block_width=4)
SPARSITIES = (0.0, 0.1, 0.25, 0.5, 0.57, 0.75, 0.999)


class Selector:
  """One selection graph, fed with scores and sparsities."""

  def __init__(self, layout, m, use_tpu):
    with tf.Graph().as_default():
      self.scores = [tf.placeholder(tf.float32, layout.shard_shape(index))
                     for index in range(len(layout.sizes))]
      self.sparsity = tf.placeholder(tf.float32, [])
      pattern = n_of_m.NofM(m)
      units = runs.select(pattern.pool(self.scores, layout), m, self.sparsity, use_tpu)
      self.masks = pattern.expand(units, layout)
      self.layout = layout
      self.session = tf.Session()

  def __call__(self, scores, sparsity):
    shards = np.split(scores, np.cumsum(self.layout.sizes)[:-1], axis=self.layout.axis)
    feed = dict(zip(self.scores, shards))
    feed[self.sparsity] = sparsity
    return np.concatenate(self.session.run(self.masks, feed), self.layout.axis)


@functools.lru_cache(maxsize=None)
def selector(shape, m, axis=0, sizes=None, use_tpu=False):
  return Selector(Layout(shape, axis, sizes or (shape[axis],)), m, use_tpu)


def scores(shape, kind, seed=0):
  rng = np.random.RandomState(seed)
  if kind == 'normal':
    return np.abs(rng.standard_normal(shape)).astype(np.float32)
  if kind == 'ties':
    return rng.randint(0, 4, shape).astype(np.float32)
  if kind == 'zeros':
    return np.zeros(shape, np.float32)
  return rng.choice(SPECIAL, shape).astype(np.float32)


KINDS = ('normal', 'ties', 'zeros', 'special')

# Runs that fit, that leave a rest, that are all of the axis; ranked ones and bisected ones.
CASES = [((12, 10), 4), ((13, 7), 4), ((13, 7), 2), ((13, 1), 5), ((7, 3), 7), ((2, 3, 9, 5), 4),
         ((1, 1, 8, 2), 8), ((70, 3), 32), ((70, 3), 33), ((3, 1, 81, 2), 40)]


@pytest.mark.sampled(2)
@pytest.mark.parametrize('shape, m, use_tpu', legs.few([
    case + (use_tpu,) for case, use_tpu in legs.product(CASES, [False, True])], 12), ids=str)
def test_masks_are_those_of_the_oracle(shape, m, use_tpu):
  select = selector(shape, m, use_tpu=use_tpu)
  for kind in KINDS:
    given = scores(shape, kind)
    for sparsity in SPARSITIES:
      np.testing.assert_array_equal(select(given, sparsity), oracle.n_of_m_mask(given, m, sparsity))


CUTS = [((13, 6), 4, 0, (4, 4, 5)), ((13, 6), 4, 0, (3, 3, 3, 2, 2)), ((13, 6), 5, 0, (1, 12)),
        ((13, 6), 4, 0, (1,) * 13), ((13, 6), 4, 1, (2, 4)), ((2, 3, 9, 5), 4, 2, (5, 4)),
        ((2, 3, 9, 5), 4, 0, (1, 1)), ((2, 3, 9, 5), 2, 3, (2, 2, 1)), ((80, 2), 37, 0, (41, 39))]


@pytest.mark.sampled(5)
@pytest.mark.parametrize('shape, m, axis, sizes, use_tpu', legs.few([
    cut + (use_tpu,) for cut, use_tpu in legs.product(CUTS, [False, True])], 11), ids=str)
def test_sharding_changes_nothing(shape, m, axis, sizes, use_tpu):
  for kind in KINDS:
    given = scores(shape, kind, seed=1)
    for sparsity in (0.25, 0.57, 0.75):
      np.testing.assert_array_equal(selector(shape, m, axis, sizes, use_tpu)(given, sparsity),
                                    oracle.n_of_m_mask(given, m, sparsity))


VALUES = st.one_of(st.sampled_from([float(value) for value in SPECIAL]),
                   st.floats(0, width=32), st.integers(0, 2).map(float))
SHARES = st.floats(0, 0.9990234375, width=32)
PROPERTY = hypothesis.settings(max_examples=oracle.soak(60), deadline=None,
                               suppress_health_check=list(hypothesis.HealthCheck))


@PROPERTY
@hypothesis.given(drawn.numbers(VALUES, 77, signed=False), SHARES,
                  st.sampled_from([2, 3, 4, 8, 11]))
def test_ranking_and_the_oracle_agree(values, sparsity, m):
  given = values.reshape(11, 7)
  np.testing.assert_array_equal(selector((11, 7), m)(given, sparsity),
                                oracle.n_of_m_mask(given, m, sparsity))


@PROPERTY
@hypothesis.given(drawn.numbers(VALUES, 80, signed=False), SHARES, SHARES)
def test_bisection_keeps_as_many_of_each_run_and_fewer_at_more_sparsity(values, one, other):
  given = values.reshape(40, 2)
  low, high = sorted([one, other])
  less, more = selector((40, 2), 40)(given, low), selector((40, 2), 40)(given, high)
  assert (less.sum(axis=0) == 40 - oracle.dropped(40, low)).all()
  assert not (more & ~less).any()


@pytest.mark.sampled(8)
@pytest.mark.parametrize('m, sparsity, expected', [
    (4, 0.5, 2), (4, 0.0, 0), (4, 0.24, 0), (4, 0.25, 1), (4, 0.999999, 3), (4, 1.0, 3),
    (100, 0.57, 57), (100, 0.29, 29), (10, 0.7, 7), (1, 0.9, 0), (3, 0.3333333, 1)])
def test_drop_counts_are_floors_that_decimal_fractions_reach(m, sparsity, expected):
  assert runs.dropped(m, sparsity) == expected
  dropped = m - selector((m, 1), m)(scores((m, 1), 'normal'), sparsity).sum() if m > 1 else 0
  assert dropped == expected


def test_runs_are_no_longer_than_the_axis():
  assert pattern_for((6, 3), (1, 8), N_OF_M) == n_of_m.NofM(6)
  assert pattern_for((3, 3, 6, 3), (1, -1), N_OF_M) == n_of_m.NofM(6)
  assert pattern_for((6, 3), (1, 1), N_OF_M) == Elementwise()


@pytest.mark.parametrize('shape', [(), (7,), (2, 3, 4), (1, 2, 3, 4, 5), (1, 8), (3, 3, 1, 8)],
                         ids=str)
def test_weights_that_n_of_m_cannot_serve_are_refused(shape):
  with pytest.raises(errors.BlockError, match='N of M.*1x1 in block_dims_map'):
    pattern_for(shape, (1, 4), N_OF_M)


@pytest.mark.parametrize('shape, m, expected', [
    ((12, 10), 4, [(4, 30)]), ((13, 7), 4, [(4, 21), (1, 7)]),
    ((2, 3, 9, 5), 4, [(4, 60), (1, 30)]), ((3, 6), 4, [(3, 6)]),
    ((0, 5), 4, []), ((70, 3), 33, [(33, 6), (4, 3)])], ids=str)
def test_runs_are_counted_over_the_input_channels(shape, m, expected):
  found = n_of_m.NofM(m).runs(Layout.whole(shape))
  assert found == expected
  assert sum(length * number for length, number in found) == np.prod(shape)
