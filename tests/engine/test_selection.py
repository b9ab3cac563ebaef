# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Selection: keep counts, thresholds with decay, contrib's estimate, groups, large weights."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine import selection
from tests import legs
from tests import oracle


def run(function):
  with tf.Graph().as_default(), tf.Session() as session:
    return session.run(function())


def select(scores, sparsity, **options):
  scores = np.asarray(scores, np.float32).reshape(1, -1)
  masks, threshold = run(lambda: (lambda chosen: [chosen.masks[0][0], chosen.threshold])(
      selection.select([[tf.constant(scores)]], tf.constant(sparsity, tf.float32), **options)))
  return masks.ravel(), threshold


@pytest.mark.parametrize('units, sparsity, keep', [
    (10, 0.55, 4), (10, 0.5, 5), (10, 0.45, 6), (5, 0.5, 2), (7, 0.5, 4), (10, 0.99, 1),
    (1, 0.9, 1), (10, 0.0, 10), (1000, 0.999, 1)])
def test_keep_count_rounds_half_to_even_and_keeps_one(units, sparsity, keep):
  assert run(lambda: selection.keep_count(units, tf.constant(sparsity))) == keep
  assert selection.rounded_keep_count(units, sparsity) == keep == oracle.keep_count(units, sparsity)


@pytest.mark.parametrize('sparsity', [-0.5, 1.5])
def test_keep_count_of_an_external_sparsity_stays_within_the_weight(sparsity):
  assert run(lambda: selection.keep_count(10, tf.constant(sparsity))) == (10 if sparsity < 0 else 1)


@pytest.mark.parametrize('units', [(1 << 24) + 1, 100000001, 3 * 10**9])
@pytest.mark.parametrize('sparsity', [0.1, 0.9, 0.999])
def test_keep_count_is_exact_where_float32_no_longer_counts(units, sparsity):
  kept = run(lambda: selection.keep_count(units, tf.constant(sparsity, tf.float64)))
  assert abs(kept - units * (1 - sparsity)) <= 0.51
  assert kept == selection.rounded_keep_count(units, sparsity)


@pytest.mark.parametrize('method', ['exact', 'histogram'])
def test_decay_mixes_in_the_previous_threshold(method):
  scores = np.abs(np.random.RandomState(0).standard_normal(1000)).astype(np.float32)
  _, current = select(scores, 0.7, method=method)
  mask, smoothed = select(scores, 0.7, method=method, previous_threshold=0.5, threshold_decay=0.25)
  assert smoothed == pytest.approx(0.75 * current + 0.25 * 0.5, rel=1e-6)
  expected = scores >= smoothed if method == 'exact' else scores > smoothed
  np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize('method', ['exact', 'histogram'])
def test_a_remembered_threshold_never_hides_everything(method):
  mask, smoothed = select([0.1, 0.3, 0.2, 0.3], 0.5, method=method, previous_threshold=100.0,
                          threshold_decay=0.9)
  assert smoothed > 0.3
  np.testing.assert_array_equal(mask, [False, True, False, True])


def estimate(scores, sparsity, nbins):
  """contrib's formula, bin by bin."""
  top = scores.max()
  bins = np.clip(np.floor(scores / top * np.float32(nbins)), 0, nbins - 1).astype(int)
  share = np.cumsum(np.bincount(bins, minlength=nbins)).astype(np.float32) / np.float32(scores.size)
  return np.float32((share < np.float32(sparsity)).sum()) / np.float32(nbins) * top


@pytest.mark.parametrize('use_tpu', [False, True])
@pytest.mark.parametrize('nbins', [1, 7, 256])
@pytest.mark.parametrize('sparsity', [0.0, 0.3, 0.9])
def test_the_histogram_estimate_is_contribs(sparsity, nbins, use_tpu):
  scores = np.abs(np.random.RandomState(1).standard_normal(5000)).astype(np.float32)
  mask, threshold = select(scores, sparsity, method='histogram', nbins=nbins, use_tpu=use_tpu)
  assert threshold == estimate(scores, sparsity, nbins)
  np.testing.assert_array_equal(mask, scores > threshold)


@pytest.mark.parametrize('scores', [[0, 0, 0], [2, 2, 2], [np.inf, 1, 2], [np.nan, 1, 2, 3]])
def test_the_estimate_of_odd_weights_keeps_at_least_the_highest(scores):
  mask, threshold = select(scores, 0.5, method='histogram')
  assert np.isfinite(threshold)
  assert mask[np.argmax(oracle.ranks(np.asarray(scores, np.float32)))]


@pytest.mark.parametrize('use_tpu', [False, True])
def test_a_group_has_one_threshold_and_ties_go_in_order_of_members(use_tpu):
  rng = np.random.RandomState(2)
  members = [rng.randint(0, 4, size).astype(np.float32) for size in [(1, 30), (4, 5), (1, 7)]]
  cut = [[members[0][:, :11], members[0][:, 11:]], [members[1][:, :2], members[1][:, 2:]],
         [members[2]]]
  for sparsity in (0.1, 0.5, 0.8, 0.95):
    masks = run(lambda sparsity=sparsity: selection.select(
        [[tf.constant(shard) for shard in shards] for shards in cut], tf.constant(sparsity),
        use_tpu=use_tpu).masks)
    flat = np.concatenate([np.concatenate(shards, 1).ravel() for shards in masks])
    scores = np.concatenate([member.ravel() for member in members])
    np.testing.assert_array_equal(
        flat, oracle.unit_mask(scores, oracle.keep_count(scores.size, sparsity)))


@pytest.mark.sampled(1)
@pytest.mark.parametrize('size, levels', legs.few(legs.product(
    [4095, 4096, 4097, 70000, 1 << 21, (1 << 21) + 12345], [0, 2, 1000]), 7))
def test_weights_that_are_counted_in_chunks(size, levels):
  rng = np.random.RandomState(3)
  scores = (rng.randint(0, levels, size) if levels else np.abs(rng.standard_normal(size)))
  scores = scores.astype(np.float32)
  for sparsity in (0.25, 0.9):
    mask, threshold = select(scores, sparsity)
    keep = oracle.keep_count(size, sparsity)
    assert threshold == np.partition(scores, size - keep)[size - keep]
    np.testing.assert_array_equal(mask, oracle.unit_mask(scores, keep))


def test_a_snapshot_is_selected_from_even_while_it_is_written():
  """The passes share one score tensor, so a writer in the same step cannot split them."""
  with tf.Graph().as_default(), tf.Session() as session:
    weight = tf.get_variable('w', [1, 200000], initializer=tf.random_normal_initializer(seed=1),
                             use_resource=False)
    chosen = selection.select([[tf.abs(weight.read_value())]], tf.constant(0.9))
    write = [tf.assign(weight, tf.random_normal([1, 200000])).op for _ in range(8)]
    session.run(tf.global_variables_initializer())
    for _ in range(20):
      mask = session.run([chosen.masks[0][0]] + write)[0]
      assert mask.sum() == 20000


def test_nothing_to_select_from_is_an_error():
  with pytest.raises(errors.WeightError, match='empty'):
    run(lambda: selection.select([[tf.zeros([1, 0])]], tf.constant(0.5)).threshold)


def test_a_shape_unknown_is_an_error():
  with pytest.raises(errors.WeightError, match='static shape'):
    run(lambda: selection.select([[tf.placeholder(tf.float32, [1, None])]], 0.5).threshold)
