# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Every pattern x selector x sharding against the NumPy oracle, and the laws they obey."""

import functools

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.layout import Layout
from model_pruning.engine.magnitude import magnitude
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec
from tests import drawn
from tests import legs
from tests import oracle

PATTERNS = {
    'elementwise': ((1, 1), 'AVG'),
    '2x3 AVG': ((2, 3), 'AVG'),
    '4x1 MAX': ((4, 1), 'MAX'),
    '5x5 AVG': ((5, 5), 'AVG'),
    'whole rows MAX': ((1, -1), 'MAX'),
    'whole columns AVG': ((-1, 2), 'AVG'),
}
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-39, 1.1754944e-38, np.inf, -np.inf,
                    np.nan, 3.4028235e38, -3.4028235e38, 0.5, 0.50000006], np.float32)


class Selector:
  """One selection graph, fed with weights and sparsities."""

  def __init__(self, layout, block, pooling, use_tpu):
    with tf.Graph().as_default():
      self.weights = [tf.placeholder(tf.float32, layout.shard_shape(index))
                      for index in range(len(layout.sizes))]
      self.sparsity = tf.placeholder(tf.float32, [])
      pattern = pattern_for(layout.shape, block, PruningSpec(block_pooling_function=pooling))
      scores = [magnitude(weight) for weight in self.weights]
      chosen = selection.select([pattern.pool(scores, layout)], self.sparsity, use_tpu=use_tpu)
      self.results = [pattern.expand(chosen.masks[0], layout), chosen.threshold]
      self.layout = layout
      self.session = tf.Session()

  def __call__(self, weight, sparsity):
    cuts = np.cumsum(self.layout.sizes)[:-1]
    shards = np.split(weight, cuts, axis=self.layout.axis) if weight.ndim else [weight]
    feed = dict(zip(self.weights, shards))
    feed[self.sparsity] = sparsity
    masks, threshold = self.session.run(self.results, feed)
    mask = np.concatenate(masks, self.layout.axis) if weight.ndim else masks[0]
    return mask, threshold


@functools.lru_cache(maxsize=None)
def selector(shape, axis, sizes, name, use_tpu):
  block, pooling = PATTERNS[name]
  return Selector(Layout(shape, axis, sizes), block, pooling, use_tpu)


def whole(shape, name, use_tpu=False):
  return selector(shape, 0, shape[:1] or (1,), name, use_tpu)


def same(left, right):
  """Equal masks, and thresholds of the same bits."""
  np.testing.assert_array_equal(left[0], right[0])
  assert oracle.ranks(left[1]) == oracle.ranks(right[1])


def weights(shape, kind, seed):
  rng = np.random.RandomState(seed)
  if kind == 'normal':
    return rng.standard_normal(shape).astype(np.float32)
  if kind == 'ties':
    return rng.randint(-3, 4, shape).astype(np.float32)
  if kind == 'equal':
    return np.full(shape, -0.25, np.float32)
  if kind == 'zeros':
    return np.zeros(shape, np.float32)
  return rng.choice(SPECIAL, shape).astype(np.float32)


KINDS = ('normal', 'ties', 'equal', 'zeros', 'special')
SPARSITIES = (0.0, 0.5, 0.55, 0.97)


def summed(kind, name):
  """Sums of denormals are flushed to zero by TensorFlow's kernels, not by NumPy's."""
  return kind == 'special' and name.endswith('AVG')


ALL_CASES = [(shape, name, False) for shape in ((12, 10), (13, 7), (3, 1, 11))
             for name in sorted(PATTERNS)]
ALL_CASES += [(shape, 'elementwise', use_tpu) for use_tpu in (False, True)
              for shape in ((), (1,), (37,), (2, 3, 4, 5))]
ALL_CASES += [((13, 7), 'elementwise', True), ((13, 7), '2x3 AVG', True),
              ((5, 1), '2x3 AVG', False), ((2, 3, 4, 5), '2x3 AVG', False)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize('shape, name, use_tpu', legs.few(ALL_CASES, 18), ids=str)
def test_masks_and_thresholds_are_those_of_the_oracle(shape, name, use_tpu):
  select = whole(shape, name, use_tpu)
  for kind in KINDS:
    if summed(kind, name) and len([dim for dim in shape if dim != 1]) == 2:
      continue
    weight = weights(shape, kind, seed=1)
    for sparsity in SPARSITIES:
      same(select(weight, sparsity), oracle.mask(weight, sparsity, *PATTERNS[name]))


CUTS = [(axis, sizes, name, False) for name in sorted(PATTERNS)
        for axis, sizes in ((0, (3, 3, 3, 2, 2)), (1, (4, 3, 3)))]
CUTS += [(0, (7, 6), 'elementwise', True), (1, (9, 1), '2x3 AVG', True),
         (0, (1,) * 13, '5x5 AVG', False), (0, (1, 12), '4x1 MAX', False)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('axis, sizes, name, use_tpu', legs.few(CUTS, 10), ids=str)
def test_sharding_changes_nothing(axis, sizes, name, use_tpu):
  shape = (13, 10)
  sharded = selector(shape, axis, sizes, name, use_tpu)
  for kind in KINDS:
    weight = weights(shape, kind, seed=2)
    for sparsity in SPARSITIES:
      same(sharded(weight, sparsity), whole(shape, name)(weight, sparsity))


@pytest.mark.parametrize('axis, sizes', [(0, (1, 1)), (2, (3, 1)), (3, (2, 2, 1))], ids=str)
def test_sharding_a_convolution_changes_nothing(axis, sizes):
  shape = (2, 3, 4, 5)
  for kind in KINDS:
    weight = weights(shape, kind, seed=3)
    for sparsity in SPARSITIES:
      same(selector(shape, axis, sizes, 'elementwise', False)(weight, sparsity),
           whole(shape, 'elementwise')(weight, sparsity))


VALUES = st.one_of(st.sampled_from([float(value) for value in SPECIAL]),
                   st.floats(width=32, allow_nan=True, allow_infinity=True),
                   st.integers(-2, 2).map(float))
SHAPE = (9, 8)
PROPERTY = hypothesis.settings(max_examples=oracle.soak(100), deadline=None,
                               suppress_health_check=list(hypothesis.HealthCheck))


WEIGHTS = drawn.numbers(VALUES, 72).map(lambda values: values.reshape(SHAPE))
SHARES = st.floats(0, 0.9990234375, width=32)


@PROPERTY
@hypothesis.given(WEIGHTS, SHARES)
def test_exactly_k_are_kept_whatever_the_ties(weight, sparsity):
  mask, _ = whole(SHAPE, 'elementwise')(weight, sparsity)
  assert mask.sum() == oracle.keep_count(72, sparsity)


@PROPERTY
@hypothesis.given(WEIGHTS, SHARES, SHARES, st.sampled_from(sorted(PATTERNS)))
def test_what_is_pruned_grows_with_the_sparsity(weight, one, other, name):
  low, high = sorted([one, other])
  less, _ = whole(SHAPE, name)(weight, low)
  more, _ = whole(SHAPE, name)(weight, high)
  assert not (more & ~less).any()


@PROPERTY
@hypothesis.given(WEIGHTS, SHARES, st.sampled_from(sorted(PATTERNS)))
def test_histograms_and_bisection_agree_to_the_bit(weight, sparsity, name):
  same(whole(SHAPE, name, True)(weight, sparsity), whole(SHAPE, name, False)(weight, sparsity))


@PROPERTY
@hypothesis.given(WEIGHTS, SHARES, st.sampled_from([(0, (4, 5)), (0, (1, 1, 7)), (1, (3, 5)),
                                                  (1, (2, 2, 2, 2))]))
def test_any_sharding_keeps_the_same_elements(weight, sparsity, cut):
  same(selector(SHAPE, cut[0], cut[1], 'elementwise', False)(weight, sparsity),
       oracle.mask(weight, sparsity))


@PROPERTY
@hypothesis.given(WEIGHTS, SHARES)
def test_the_drawn_masks_are_those_of_the_oracle(weight, sparsity):
  same(whole(SHAPE, 'elementwise')(weight, sparsity), oracle.mask(weight, sparsity))
  same(whole(SHAPE, '4x1 MAX')(weight, sparsity), oracle.mask(weight, sparsity, (4, 1), 'MAX'))
