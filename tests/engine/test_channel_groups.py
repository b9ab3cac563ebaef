# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels chosen by the norms of all their slices, against NumPy."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.engine import channel_groups
from model_pruning.engine.channel_groups import ChannelGroup
from model_pruning.engine.channel_groups import ChannelPlan
from model_pruning.engine.channel_groups import Slices
from model_pruning.engine.layout import Layout
from model_pruning.hparams.spec import PruningSpec

# A kernel of 6 channels, its bias, a reader of 3 slices per channel after a flattening, and a
# second reader, which also produces 10 channels that are read by nothing else here.
SHAPES = [(3, 3, 2, 6), (6,), (18, 4), (6, 10)]
A = ChannelGroup('a', 6, None, (
    Slices(0, 3, np.arange(6)[:, np.newaxis]), Slices(1, 0, np.arange(6)[:, np.newaxis]),
    Slices(2, 0, np.arange(18).reshape(3, 6).T), Slices(3, 0, np.arange(6)[:, np.newaxis])))
B = ChannelGroup('b', 10, None, (Slices(3, 1, np.arange(10)[:, np.newaxis]),))
MASKED = (0, 2, 3)


def _layouts(cut=None):
  """Returns the layouts of the weights; one of them is cut into two parts along its last axis."""
  return tuple(Layout(shape, len(shape) - 1, (2, shape[-1] - 2)) if index == cut else
               Layout.whole(shape) for index, shape in enumerate(SHAPES))


def _run(values, spec, sparsity, groups=(A, B), cut=None):
  """Returns the masks, whole, and the thresholds."""
  plan = ChannelPlan(groups, _layouts(cut), MASKED)
  with tf.Graph().as_default(), tf.Session() as session:
    shards = [[tf.constant(part) for part in np.split(value, np.cumsum(
        layout.sizes)[:-1], axis=layout.axis)] for value, layout in zip(values, plan.layouts)]
    given = sparsity if callable(sparsity) else lambda own: sparsity
    chosen = channel_groups.choose(
        plan, shards, lambda own, dtype: tf.constant(given(own), dtype), PruningSpec.create(spec))
    masks, thresholds = session.run([chosen.masks, chosen.thresholds])
  return [np.concatenate(parts, axis=layout.axis) if len(parts) > 1 else parts[0] for parts, layout
          in zip(masks, [plan.layouts[number] for number in MASKED])], thresholds


def _norms(values, group):
  total = np.zeros(group.channels)
  for weight, axis, indices in group.slices:
    rows = np.square(np.moveaxis(values[weight].astype(np.float64), axis, 0)).reshape(
        SHAPES[weight][axis], -1).sum(axis=1)
    total += rows[indices].sum(axis=1)
  return np.sqrt(total)


def _expected(kept):
  """Returns the masks for the channels of each group that stay, bool."""
  masks = [np.ones(shape, bool) for shape in SHAPES]
  for group, stay in zip((A, B), kept):
    for weight, axis, indices in group.slices:
      np.moveaxis(masks[weight], axis, 0)[indices[~stay].ravel()] = False
  return [masks[number] for number in MASKED]


def _largest(norms, number):
  stay = np.zeros(len(norms), bool)
  stay[np.argsort(-norms, kind='stable')[:number]] = True
  return stay


def _values(seed=0):
  random = np.random.RandomState(seed)
  return [random.standard_normal(shape).astype(np.float32) for shape in SHAPES]


@pytest.mark.parametrize('cut', [None, 0, 2, 3])
@pytest.mark.parametrize('sparsity', [0.0, 0.25, 0.5, 0.75, 0.99])
def test_the_channels_of_smallest_norm_are_hidden_in_all_weights(sparsity, cut):
  values = _values(int(sparsity * 100))
  masks, thresholds = _run(values, 'channel_pruning=true', sparsity, cut=cut)
  norms = [_norms(values, group) for group in (A, B)]
  stay = [_largest(each, max(1, len(each) - int(np.rint(len(each) * sparsity)))) for each in norms]
  for mask, expected in zip(masks, _expected(stay)):
    np.testing.assert_array_equal(mask, expected)
  np.testing.assert_allclose(thresholds, [norms[0][stay[0]].min()] * 3, rtol=1e-6)


@pytest.mark.parametrize('spec,sparsity,stay', [
    ('min_channels=4', 0.9, (4, 4)),
    ('min_channels=8', 0.9, (6, 8)),
    ('channels_multiple_of=4', 0.5, (4, 8)),
    ('channels_multiple_of=8', 0.5, (6, 8)),
    ('min_channels=3,channels_multiple_of=2', 0.9, (4, 4)),
    ('min_channels=1', 0.25, (4, 8)),  # 1.5 and 2.5 are rounded to the even number.
])
def test_a_floor_and_multiples_limit_what_is_hidden(spec, sparsity, stay):
  values = _values()
  masks, _ = _run(values, 'channel_pruning=true,' + spec, sparsity)
  expected = _expected([_largest(_norms(values, group), number)
                        for group, number in zip((A, B), stay)])
  for mask, each in zip(masks, expected):
    np.testing.assert_array_equal(mask, each)
  assert stay == tuple(channel_groups.stays(group.channels, sparsity, PruningSpec.create(
      'channel_pruning=true,' + spec)) for group in (A, B))


def test_of_equal_norms_the_first_channels_stay():
  masks, _ = _run([np.ones_like(value) for value in _values()], 'channel_pruning=true', 0.5)
  for mask, expected in zip(masks, _expected([np.arange(6) < 3, np.arange(10) < 5])):
    np.testing.assert_array_equal(mask, expected)


def test_a_channel_without_masked_weights_is_hidden_first_whatever_its_bias_is():
  values = _values()
  values[1][4] = 1e6
  for weight, axis, indices in A.slices:
    if weight in MASKED:
      np.moveaxis(values[weight], axis, 0)[indices[4]] = 0
  masks, _ = _run(values, 'channel_pruning=true', 1 / 6)
  assert not masks[0][..., 4].any() and masks[0][..., :4].all() and masks[0][..., 5].all()


def test_diverged_channels_stay_visible():
  values = _values()
  values[0][..., 2], values[0][..., 5] = np.nan, np.inf
  masks, _ = _run(values, 'channel_pruning=true', 0.6)
  assert masks[0][..., 2].all() and masks[0][..., 5].all()
  assert masks[0][0, 0, 0].sum() == 2


def test_groups_with_their_own_target_get_it():
  masks, _ = _run(_values(), 'channel_pruning=true', lambda own: 0.5 if own is None else own,
                  (A, ChannelGroup('b', 10, 0.2, B.slices)))
  assert masks[0][0, 0, 0].sum() == 3
  assert masks[2].any(axis=0).sum() == 8


@pytest.mark.parametrize('sparsity', [0.25, 0.5, 0.75, 0.95])
@pytest.mark.parametrize('floor', [1, 3])
def test_a_global_threshold_hides_exactly_as_many_channels_by_normalized_norm(floor, sparsity):
  values = _values(7)
  masks, _ = _run(values, 'channel_pruning=true,sparsity_distribution=global,min_channels=%d' %
                  floor, sparsity)
  norms = [_norms(values, group) for group in (A, B)]
  scores = [each / np.linalg.norm(each) for each in norms]
  for each in scores:
    each[np.argsort(-each)[:floor]] = np.inf
  stay = _largest(np.concatenate(scores), max(2 * floor, 16 - int(np.rint(16 * sparsity))))
  for mask, expected in zip(masks, _expected([stay[:6], stay[6:]])):
    np.testing.assert_array_equal(mask, expected)


def test_a_global_threshold_leaves_groups_with_a_target_out():
  spec = 'channel_pruning=true,sparsity_distribution=global'
  masks, _ = _run(_values(), spec, lambda own: 0.5 if own is None else own,
                  (ChannelGroup('a', 6, 0.0, A.slices), B))
  assert masks[0].all() and masks[2].any(axis=0).sum() == 5


def test_the_target_of_a_weight_is_the_fraction_of_hidden_elements():
  plan, spec = ChannelPlan((A, B), _layouts(), MASKED), PruningSpec.create('channel_pruning=true')
  masks, _ = _run(_values(), spec, 0.5)
  for number, mask in zip(MASKED, masks):
    assert plan.target_of(number, lambda own: 0.5, spec) == pytest.approx(1 - mask.mean())
  spec = PruningSpec.create('channel_pruning=true,sparsity_distribution=global')
  assert plan.target_of(0, lambda own: 0.5, spec) is None
