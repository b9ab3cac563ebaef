# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Every registered saliency, pattern and distribution keeps its contract."""

import numpy as np
import pytest

from model_pruning import names
from model_pruning.compat import tf
from model_pruning.engine import distributions
from model_pruning.engine.distribution import Part
from model_pruning.engine.distributions import distribution_for
from model_pruning.engine.distributions import DISTRIBUTIONS
from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import Member
from model_pruning.engine.patterns import pattern_for
from model_pruning.engine.patterns import PATTERNS
from model_pruning.engine.reads import Reads
from model_pruning.engine.saliency import keeps_history
from model_pruning.engine.saliency import SALIENCIES
from model_pruning.engine.saliency import saliency_for
from model_pruning.hparams import choices
from model_pruning.hparams.choices import PRUNE_OPTIONS
from model_pruning.hparams.spec import PruningSpec
from tests import oracle

LAYOUTS = [Layout.whole((12, 10)), Layout((12, 10), 0, (5, 4, 3)), Layout((12, 10), 1, (7, 3))]
SPARSITY = 0.5

# Hyperparameters that ask for each pattern. A new pattern needs an entry.
SPECS = {
    'NofM': PruningSpec(intra_block_sparsity=True, block_width=4),
    'Block': PruningSpec(block_height=3, block_width=2),
    'Elementwise': PruningSpec(),
}


class _Record:
  """What a pattern looks at of a weight."""

  def __init__(self, layout):
    self.layout = layout


def split(values, layout):
  return np.split(values, np.cumsum(layout.sizes)[:-1], layout.axis)


def made(name, layout):
  spec = SPECS[name]
  return pattern_for(layout.shape, (spec.block_height, spec.block_width), spec), spec


def masks_of(name, layout, scores):
  """Returns the unit scores and the mask, over all shards, at SPARSITY."""
  pattern, spec = made(name, layout)
  with tf.Graph().as_default(), tf.Session() as session:
    pooled = pattern.pool([tf.constant(shard) for shard in split(scores, layout)], layout)
    chosen = pattern.select([pooled], tf.constant(SPARSITY), tf.constant(0.0), spec)
    masks = pattern.expand(chosen.masks[0], layout)
    assert [mask.shape.as_list() for mask in masks] == [
        list(layout.shard_shape(index)) for index in range(len(layout.sizes))]
    return np.concatenate(session.run(masks), layout.axis)


def scores_of(layout):
  return np.random.RandomState(3).permutation(layout.shape[0] * layout.shape[1]).reshape(
      layout.shape).astype(np.float32)


def test_every_pattern_is_tested_here():
  assert set(SPECS) == {pattern.__name__ for pattern in PATTERNS}
  assert all(type(made(name, LAYOUTS[0])[0]).__name__ == name for name in SPECS)


@pytest.mark.parametrize('name', sorted(SPECS))
def test_a_pattern_is_a_value(name):
  one, other = made(name, LAYOUTS[0])[0], made(name, LAYOUTS[0])[0]
  assert one is not other and one == other and hash(one) == hash(other)


@pytest.mark.parametrize('name', sorted(SPECS))
def test_shards_have_the_mask_of_the_whole_weight(name):
  scores = scores_of(LAYOUTS[0])
  whole = masks_of(name, LAYOUTS[0], scores)
  for layout in LAYOUTS[1:]:
    np.testing.assert_array_equal(masks_of(name, layout, scores), whole)


@pytest.mark.parametrize('name', sorted(SPECS))
def test_a_mask_hides_what_was_promised_and_keeps_the_highest_score(name):
  scores = scores_of(LAYOUTS[0])
  mask = masks_of(name, LAYOUTS[0], scores)
  pattern, _ = made(name, LAYOUTS[0])
  fewest = pattern.fewest_zeros((Member(_Record(LAYOUTS[0]), pattern),), SPARSITY)
  assert fewest <= (~mask).sum() < mask.size
  assert fewest == pytest.approx(mask.size * SPARSITY, rel=0.1)
  assert scores[mask].mean() > scores[~mask].mean()


@pytest.mark.parametrize('name', sorted(SPECS))
def test_a_report_can_say_what_the_units_are(name):
  pattern, _ = made(name, LAYOUTS[0])
  unit = pattern.describe(LAYOUTS[0])
  assert 1 <= unit.height <= LAYOUTS[0].shape[0]
  assert bool(unit.name) == (name != 'Elementwise')
  assert 1 <= pattern.units(LAYOUTS[0]) <= 120
  pattern.check_target(SPARSITY)


def test_the_hyperparameter_names_the_saliencies_there_are():
  assert tuple(SALIENCIES) == PRUNE_OPTIONS


@pytest.mark.parametrize('option', sorted(SALIENCIES))
def test_a_saliency_is_a_value_and_names_variables_that_there_are(option):
  saliency = saliency_for(PruningSpec(prune_option=option))
  assert saliency == saliency_for(PruningSpec(prune_option=option))
  assert hash(saliency) == hash(saliency_for(PruningSpec(prune_option=option)))
  assert set(saliency.history) <= set(names.HISTORY)
  assert bool(saliency.history) == keeps_history(option)
  # Every variable but the average is written, and none before it is read by a later one.
  assert [target for target, _ in saliency.remembers] == list(reversed(saliency.history[1:]))
  assert {source for _, source in saliency.remembers} <= {names.WEIGHT, *saliency.history}


@pytest.mark.parametrize('option', sorted(SALIENCIES))
def test_scores_are_never_negative_and_the_same_in_shards(option):
  rng = np.random.RandomState(5)
  saliency = saliency_for(PruningSpec(prune_option=option))
  values = [rng.standard_normal((6, 4)).astype(np.float32) for _ in range(4)]
  values[1] = np.abs(values[1])  # The average of changes is one of magnitudes.

  def scores(parts):
    with tf.Graph().as_default(), tf.Session() as session:
      shards = [[tf.constant(part) for part in np.split(value, parts)] for value in values]
      reads = Reads(shards[0], tuple(shards[1:1 + len(saliency.history)]))
      average = saliency.average(reads)
      assert len(average) == (parts if saliency.history else 0)
      return np.concatenate(session.run(saliency.scores(reads, average)))

  whole = scores(1)
  assert whole.dtype == np.float32 and whole.shape == (6, 4)
  assert (whole >= 0).all() and whole.any()
  np.testing.assert_array_equal(scores(3), whole)


def shared_out(name, layouts, sparsity):
  """Returns the masks that a distribution chooses, over all shards, and their thresholds."""
  spec = PruningSpec(sparsity_distribution=name)
  rng = np.random.RandomState(7)
  with tf.Graph().as_default(), tf.Session() as session:
    parts = []
    for layout in layouts:
      scores = np.abs(rng.standard_normal(layout.shape) * len(parts) + 0.1).astype(np.float32)
      pattern = pattern_for(layout.shape, (1, 1), spec)
      parts.append(Part(layout, pattern, pattern.pool(
          [tf.constant(shard) for shard in split(scores, layout)], layout)))
    (thresholds, chosen), = distributions.select_each([distributions.Together(
        parts, tf.constant(sparsity), [tf.constant(0.0)] * len(parts))], spec)
    masks = [np.concatenate(session.run(list(part.pattern.expand(masks, part.layout))),
                            part.layout.axis) for part, masks in zip(parts, chosen)]
    return masks, session.run(thresholds)


def test_the_hyperparameter_names_the_distributions_there_are():
  assert tuple(DISTRIBUTIONS) == choices.DISTRIBUTIONS


@pytest.mark.parametrize('name', sorted(DISTRIBUTIONS))
def test_a_distribution_is_a_value(name):
  spec = PruningSpec(sparsity_distribution=name)
  one, other = distribution_for(spec), distribution_for(spec)
  assert one is not other and one == other and hash(one) == hash(other)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', sorted(DISTRIBUTIONS))
def test_a_distribution_has_the_total_and_the_same_masks_in_shards(name):
  shapes = [(12, 10), (40, 30), (8, 3)]
  whole = [Layout.whole(shape) for shape in shapes]
  cut = [LAYOUTS[1], Layout((40, 30), 1, (20, 10)), Layout((8, 3), 0, (1, 7))]
  for sparsity in (0.0, 0.5, 0.93):
    masks, thresholds = shared_out(name, whole, sparsity)
    assert sum(mask.sum() for mask in masks) == oracle.keep_count(120 + 1200 + 24, sparsity)
    sharded, again = shared_out(name, cut, sparsity)
    for mask, other in zip(masks, sharded):
      np.testing.assert_array_equal(mask, other)
    np.testing.assert_array_equal(thresholds, again)


@pytest.mark.parametrize('name', sorted(DISTRIBUTIONS))
def test_reports_of_a_distribution_have_its_total(name):
  spec = PruningSpec(sparsity_distribution=name)
  shapes = [(12, 10), (40, 30), (8, 3)]
  members = [Member(_Record(Layout.whole(shape)), pattern_for(shape, (1, 1), spec))
             for shape in shapes]
  shares = distribution_for(spec).shares(members, 0.9)
  if shares is not None:
    masks, _ = shared_out(name, [Layout.whole(shape) for shape in shapes], 0.9)
    assert [share.kept for share in shares] == [mask.sum() for mask in masks]
    assert [share.sparsity for share in shares] == [
        1 - mask.sum() / mask.size for mask in masks]
