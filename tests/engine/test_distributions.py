# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Distributions: which weight gets how many of the zeros, against NumPy."""

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import distribution
from model_pruning.engine import distributions
from model_pruning.engine import erk
from model_pruning.engine import lamp
from model_pruning.engine import selection
from model_pruning.engine.distribution import Part
from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import Member
from model_pruning.engine.patterns import pattern_for
from model_pruning.engine.plan import plan
from model_pruning.engine.plan import plan_training
from model_pruning.engine.plan import PrunedTogether
from model_pruning.hparams.choices import DISTRIBUTIONS
from model_pruning.hparams.spec import PruningSpec
from tests import oracle

SHAPES = [(3, 3, 1, 8), (120, 64), (64, 10), (10,)]
NAMES = sorted(set(DISTRIBUTIONS) - {'uniform'})
BLOCKS = {'elementwise': (1, 1), '4x2 blocks': (4, 2), 'whole rows': (1, -1)}
SPARSITIES = [0.0, 0.1, 0.5, 0.9, 0.98, 0.999]


class Record:
  """A weight, as far as a plan looks at it."""

  def __init__(self, name, layout):
    self.name, self.layout, self.identity, self.group = name, layout, name, None


def layouts_of(shapes, shards):
  """Returns a layout per shape; with shards, weights are cut along their first or last axis."""
  found = []
  for index, shape in enumerate(shapes):
    axis = index % 2 * (len(shape) - 1)
    size = shape[axis]
    if shards == 1 or size < 2 * shards:
      found.append(Layout.whole(shape))
    else:
      first = size // shards
      found.append(Layout(shape, axis, (first,) * (shards - 1) + (size - first * (shards - 1),)))
  return found


def select(weights, sparsity, spec, shards=1, layouts=None):
  """Returns (thresholds, masks) of weights that share a sparsity."""
  return selections(weights, [sparsity], spec, shards, layouts)[0]


def selections(weights, sparsities, spec, shards=1, layouts=None):
  """Returns (thresholds, masks) for each sparsity."""
  layouts = layouts or layouts_of([weight.shape for weight in weights], shards)
  with tf.Graph().as_default(), tf.Session() as session:
    parts = []
    for weight, layout in zip(weights, layouts):
      pattern = pattern_for(layout.own_shape, (spec.block_height, spec.block_width), spec)
      pieces = np.split(np.abs(weight), np.cumsum(layout.sizes)[:-1], layout.axis)
      parts.append(Part(layout, pattern, pattern.pool(
          [tf.constant(piece) for piece in pieces], layout)))
    units = sum(part.units for part in parts)
    requested = tf.placeholder(selection.sparsity_dtype(units), [])
    (thresholds, chosen), = distributions.select_each([distributions.Together(
        parts, requested, [tf.constant(0.0)] * len(parts))], spec)
    masks = [tf.concat(part.pattern.expand(masks, part.layout), part.layout.axis)
             for part, masks in zip(parts, chosen)]
    return [session.run([thresholds, masks], {requested: sparsity}) for sparsity in sparsities]


def drawn(seed=0, shapes=SHAPES):
  rng = np.random.RandomState(seed)
  return [(rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
          for shape in shapes]


def expected(name, weights, block, sparsity):
  """Returns the masks by the oracle."""
  pooled = [oracle.unit_scores(np.abs(weight), block) for weight in weights]
  units = [scores.size for scores, _ in pooled]
  keep = oracle.keep_count(sum(units), sparsity)
  if name == 'global':
    return oracle.masks([np.abs(weight) for weight in weights], sparsity, [block] * len(weights))[0]
  counts = (oracle.erk_counts([weight.shape for weight in weights], units, keep) if name == 'erk'
            else oracle.lamp_counts([scores for scores, _ in pooled], keep))
  assert sum(counts) == max(keep, len(weights))
  return [oracle.expanded(oracle.unit_mask(scores, count), size, weight.shape)
          for (scores, size), count, weight in zip(pooled, counts, weights)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize('shards', [1, 3])
@pytest.mark.parametrize('block', sorted(BLOCKS))
@pytest.mark.parametrize('name', NAMES)
def test_masks_are_the_oracles(name, block, shards):
  height, width = BLOCKS[block]
  spec = PruningSpec(sparsity_distribution=name, block_height=height, block_width=width)
  weights = drawn()
  for sparsity, (thresholds, masks) in zip(
      SPARSITIES, selections(weights, SPARSITIES, spec, shards)):
    for mask, wanted in zip(masks, expected(name, weights, BLOCKS[block], sparsity)):
      np.testing.assert_array_equal(mask, wanted)
    if block == 'elementwise':
      assert sum(mask.sum() for mask in masks) == max(
          oracle.keep_count(sum(weight.size for weight in weights), sparsity),
          1 if name == 'global' else len(weights))
      for threshold, mask, weight in zip(thresholds, masks, weights):
        if name != 'global':  # The smallest magnitude that the weight keeps.
          assert threshold == np.abs(weight)[mask].min()
        elif mask.any():
          assert threshold <= np.abs(weight)[mask].min()


def test_every_name_has_a_distribution():
  assert tuple(distributions.DISTRIBUTIONS) == DISTRIBUTIONS


@pytest.mark.parametrize('name', NAMES)
def test_one_weight_alone_gets_the_sparsity_itself(name):
  weight, = drawn(shapes=[(20, 30)])
  _, (mask,) = select([weight], 0.87, PruningSpec(sparsity_distribution=name))
  np.testing.assert_array_equal(mask, oracle.mask(weight, 0.87)[0])


@pytest.mark.parametrize('name', NAMES)
def test_a_weight_without_elements_takes_no_part(name):
  spec = PruningSpec(sparsity_distribution=name)
  weights = drawn()
  _, masks = select(weights, 0.9, spec)
  _, with_empty = select(weights[:1] + [np.zeros([0], np.float32)] + weights[1:], 0.9, spec)
  assert with_empty[1].shape == (0,)
  for mask, other in zip(masks, with_empty[:1] + with_empty[2:]):
    np.testing.assert_array_equal(mask, other)


@pytest.mark.parametrize('name', ['erk', 'lamp'])
def test_every_weight_keeps_something_even_with_too_little_for_all(name):
  weights = drawn(shapes=[(5,), (6,), (7, 1)])
  _, masks = select(weights, 0.99, PruningSpec(sparsity_distribution=name))
  assert [mask.sum() for mask in masks] == [1, 1, 1]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('special', ['equal', 'zeros', 'tiny', 'infinite', 'nan'])
def test_weights_of_special_values(name, special):
  weights = drawn()
  if special == 'equal':
    weights[1][:] = 0.25
  elif special == 'zeros':
    weights[1][:] = 0
    weights[2][:, ::2] = 0
  elif special == 'tiny':
    weights = [weight * np.float32(1e-37) for weight in weights]
  else:
    weights[1][5, ::3] = np.inf if special == 'infinite' else np.nan
  spec = PruningSpec(sparsity_distribution=name)
  for sparsity, (_, masks) in zip((0.3, 0.95), selections(weights, (0.3, 0.95), spec, shards=3)):
    assert sum(mask.sum() for mask in masks) == oracle.keep_count(
        sum(weight.size for weight in weights), sparsity)
    for mask, weight in zip(masks, weights):
      np.testing.assert_array_equal(mask, oracle.unit_mask(np.abs(weight), mask.sum()))
    if special in ('infinite', 'nan'):
      assert masks[1][5, ::3].all()


@hypothesis.given(
    shapes=st.lists(st.lists(st.integers(1, 40), min_size=0, max_size=4), min_size=2, max_size=9),
    fraction=st.floats(0, 1))
@hypothesis.settings(max_examples=oracle.soak(60), deadline=None)
def test_erk_shares_out_exactly_what_there_is(shapes, fraction):
  units = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
  keep = max(1, int(round(fraction * sum(units))))
  ratios = [erk._ratio(tuple(shape)) for shape in shapes]
  densities, counts = erk.kept_units(units, ratios, keep)
  assert sum(counts) == max(keep, len(units)) if keep >= len(units) else sum(counts) >= keep
  assert all(1 <= count <= most for count, most in zip(counts, units))
  np.testing.assert_array_equal(counts, oracle.erk_counts(shapes, units, keep))
  by_ratio = np.argsort(ratios)
  assert (np.diff(np.array(densities)[by_ratio]) >= -1e-12).all()
  with tf.Graph().as_default(), tf.Session() as session:
    exact, rounded = session.run(erk._sparsities(
        tuple(units), tuple(ratios), tf.constant(keep, tf.int32)))
  np.testing.assert_allclose(exact, 1 - np.array(densities), atol=1e-15)
  np.testing.assert_array_equal(rounded, (np.array(units) - counts) / np.array(units))


@hypothesis.given(
    weights=st.lists(st.tuples(st.integers(1, 30), st.integers(-3, 40)), min_size=2, max_size=7),
    fraction=st.floats(0, 1))
@hypothesis.settings(max_examples=oracle.soak(40), deadline=None)
def test_counts_are_settled_to_the_total(weights, fraction):
  units, counts = zip(*weights)
  keep = int(round(fraction * sum(units)))
  with tf.Graph().as_default(), tf.Session() as session:
    found = session.run(distribution.settled(
        tf.constant(counts, tf.int64), units, tf.constant(keep, tf.int64)))
  assert sum(found) == max(keep, len(units))
  assert all(1 <= count <= most for count, most in zip(found, units))
  np.testing.assert_array_equal(found, distribution.settled_numbers(
      np.array(counts, np.int64), units, keep))


@pytest.mark.parametrize('units', [100, (1 << 24) + 3, 3 * 10**9])
def test_a_share_keeps_exactly_the_units_that_were_meant(units):
  rng = np.random.RandomState(0)
  counts = [1, 2, units // 3, units - 1, units] + rng.randint(1, units, 20, np.int64).tolist()
  with tf.Graph().as_default(), tf.Session() as session:
    sparsity = tf.placeholder(tf.float64, [])
    kept = selection.keep_count(units, sparsity)
    assert [session.run(kept, {sparsity: (units - count) / units}) for count in counts] == counts


def test_erk_in_runs_of_n_of_m_takes_the_unrounded_density():
  spec = PruningSpec(sparsity_distribution='erk', intra_block_sparsity=True, block_width=4)
  weights = drawn(shapes=[(8, 8), (64, 64), (64, 64)])
  _, masks = select(weights, 0.7, spec)
  ratios = [16 / 64, 128 / 4096, 128 / 4096]
  keep = oracle.keep_count(64 + 2 * 4096, 0.7)
  densities, _ = erk.kept_units([64, 4096, 4096], ratios, keep)
  for weight, mask, density in zip(weights, masks, densities):
    np.testing.assert_array_equal(mask, oracle.n_of_m_mask(np.abs(weight), 4, 1 - density))
  assert masks[0].all() and masks[1].mean() == 0.5


def test_erk_of_a_view_counts_the_dimensions_of_the_weight():
  weights = drawn(shapes=[(9, 4, 8), (64, 64)])
  layouts = layouts_of([weight.shape for weight in weights], 1)
  seen = Layout((9, 4, 8), 0, (9,), viewed=(3, 3, 4, 8))
  spec = PruningSpec(sparsity_distribution='erk')
  _, masks = select(weights, 0.9, spec, layouts=[seen, layouts[1]])
  keep = oracle.keep_count(9 * 32 + 64 * 64, 0.9)
  assert [mask.sum() for mask in masks] == oracle.erk_counts(
      [(3, 3, 4, 8), (64, 64)], [9 * 32, 64 * 64], keep).tolist()


@pytest.mark.sampled(1)
@pytest.mark.parametrize('drawn_from', ['normal', 'uniform', 'lognormal', 'ternary'])
def test_lamp_by_bins_is_close_to_lamp_by_sorting(drawn_from):
  rng = np.random.RandomState(1)
  sizes = [288, 5000, 200000]
  weights = [{'normal': rng.standard_normal, 'uniform': rng.rand,
              'lognormal': lambda n: np.exp(2 * rng.standard_normal(n)),
              'ternary': lambda n: rng.randint(1, 3, n)}[drawn_from](size).astype(np.float32) *
             scale for size, scale in zip(sizes, [0.3, 1.0, 0.02])]
  magnitudes = [np.abs(weight) for weight in weights]
  sparsities = (0.5, 0.9, 0.98, 0.999)
  found = selections(weights, sparsities, PruningSpec(sparsity_distribution='lamp'))
  for sparsity, (_, masks) in zip(sparsities, found):
    keep = oracle.keep_count(sum(sizes), sparsity)
    literal = oracle.lamp_counts(magnitudes, keep, oracle.lamp_scores)
    # At most a hundredth of the units that a weight keeps, or a few of them; more where most of
    # them share the highest bins.
    most = 0.01 if sparsity < 0.99 else 0.2
    for mask, wanted in zip(masks, literal):
      assert abs(int(mask.sum()) - int(wanted)) <= max(6, most * wanted), (sparsity, literal)


def test_lamp_does_not_depend_on_the_scale_of_a_weight():
  weights = drawn()
  spec = PruningSpec(sparsity_distribution='lamp')
  _, masks = select(weights, 0.9, spec)
  _, scaled = select([weights[0] * 1024] + weights[1:-1] + [weights[-1] / 64], 0.9, spec)
  for mask, other in zip(masks, scaled):
    np.testing.assert_array_equal(mask, other)


def test_lamp_scores_rise_with_magnitude():
  rng = np.random.RandomState(2)
  scores = np.sort(np.concatenate([np.abs(rng.standard_normal(3000)), np.linspace(1, 1.01, 500)]))
  with tf.Graph().as_default(), tf.Session() as session:
    keys, = session.run(lamp.lamp_scores([tf.constant(scores.astype(np.float32).reshape(1, -1))]))
  assert (np.diff(keys) >= 0).all()
  assert keys.view(np.float32).max() <= 1


def test_lamp_of_a_large_weight_in_chunks_and_shards():
  rng = np.random.RandomState(3)
  weights = [rng.standard_normal((2100, 1024)).astype(np.float32), drawn()[1]]
  spec = PruningSpec(sparsity_distribution='lamp')
  _, masks = select(weights, 0.95, spec)
  keep = oracle.keep_count(weights[0].size + weights[1].size, 0.95)
  assert [mask.sum() for mask in masks] == oracle.lamp_counts(
      [np.abs(weight) for weight in weights], keep).tolist()
  cut = [Layout((2100, 1024), 0, (2000, 60, 40)), Layout.whole((120, 64))]
  _, sharded = select(weights, 0.95, spec, layouts=cut)
  for mask, other in zip(masks, sharded):
    np.testing.assert_array_equal(mask, other)


@pytest.mark.parametrize('name', sorted(DISTRIBUTIONS))
def test_a_plan_shares_the_target_of_the_weights_that_no_map_names(name):
  spec = PruningSpec(sparsity_distribution=name, target_sparsity=0.9,
                     weight_sparsity_map=(('own', 0.5),))
  records = [Record(weight, Layout.whole(shape)) for weight, shape in (
      ('a', (8, 8)), ('own', (8, 8)), ('b', (64, 64)))]
  plans = plan(records, spec)
  found = [([record.name for record, _ in each.members], each.own_target) for each in plans]
  assert found == ([(['a'], None), (['own'], 0.5), (['b'], None)] if name == 'uniform' else
                   [(['a', 'b'], None), (['own'], 0.5)])


def test_reports_get_the_targets_that_shapes_decide():
  members = tuple(Member(Record(name, Layout.whole(shape)), pattern_for(
      shape, (1, 1), PruningSpec())) for name, shape in (('a', (8, 8)), ('b', (64, 64))))
  together = PrunedTogether('all_weights', None, members)
  for name in ('uniform', 'lamp', 'global'):
    assert distributions.by_weight(together, 0.9, PruningSpec(sparsity_distribution=name)) == [
        (together, 0.9)]
  assert distributions.by_weight(together, 0.9, None) == [(together, 0.9)]
  (first, target), (second, other) = distributions.by_weight(
      together, 0.9, PruningSpec(sparsity_distribution='erk'))
  counts = oracle.erk_counts([(8, 8), (64, 64)], [64, 4096], oracle.keep_count(4160, 0.9))
  assert [first.kept, second.kept] == counts.tolist()
  assert [target, other] == [1 - count / size for count, size in zip(counts, (64, 4096))]
  assert first.fewest_zeros(target) == 64 - counts[0] and first.name == 'a'
  assert second.fewest_zeros(other) == 4096 - counts[1]


def test_blocks_so_large_that_none_is_hidden_are_warned_of_once(caplog):
  records = [Record('large/fc', Layout.whole((8, 12))),
             Record('large/other', Layout.whole((40, 40)))]
  for _ in range(2):
    plan_training(records, PruningSpec.create(
        'target_sparsity=0.9,block_dims_map=[large/fc:100x100]'))
  warning, = caplog.records
  assert ('large/fc stays dense, and its target is 0.9: its mask hides whole blocks of 8x12' in
          warning.getMessage())
  for fine in ('target_sparsity=0.9', 'target_sparsity=0,block_dims_map=[large/fc:8x12]',
               'target_sparsity=0.5,block_dims_map=[large/fc:8x6]'):
    plan_training(records, PruningSpec.create(fine))
  assert len(caplog.records) == 1


def test_units_of_different_sizes_under_one_sparsity_are_warned_of_once(caplog):
  spec = PruningSpec(sparsity_distribution='lamp', block_height=16)
  records = [Record('odd/conv', Layout.whole((3, 3, 4, 8))),
             Record('odd/fc', Layout.whole((64, 8)))]
  for _ in range(2):
    plan(records, spec)
  warnings = [record.message for record in caplog.records if 'units' in record.message]
  assert len(warnings) == 1
  assert 'odd/fc has units of 16 elements and odd/conv of 1' in warnings[0]
  plan(records[:1], spec)
  plan(records, PruningSpec(block_height=16))
  assert len(caplog.records) == 1
