# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where tf.contrib.model_pruning is wrong: first that it is, then that ours is right.

These inputs are left out of the random cases in test_pruning.py. What is right is
said by a few lines of NumPy.
"""

import numpy as np
import pytest

contrib = pytest.importorskip(
    'tensorflow.contrib.model_pruning',
    reason='only TensorFlow 1.15 has tf.contrib.model_pruning to compare with')

# pylint: disable=g-import-not-at-top
import model_pruning
import tensorflow.compat.v1 as tf

pytestmark = pytest.mark.differential

# The sparsity is that of the target at the first update, at step 10.
AT_ONCE = 'sparsity_function_end_step=10,pruning_frequency=10,target_sparsity=%s'


def _values(*shape, seed=0):
  return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def _keep_largest(scores, keep):
  """Returns the mask of the `keep` largest; of equal ones the first in flat index order."""
  order = np.argsort(-scores.reshape(-1), kind='stable')
  mask = np.zeros(scores.size, np.float32)
  mask[order[:keep]] = 1
  return mask.reshape(scores.shape)


def _keep_blocks(values, height, width, sparsity, pool):
  """Returns the mask over the elements of the largest blocks, counted from the first element."""
  rows, columns = range(0, values.shape[0], height), range(0, values.shape[1], width)
  scores = np.array([[pool(np.abs(values[r:r + height, c:c + width])) for c in columns]
                     for r in rows])
  units = _keep_largest(scores, max(1, int(np.round(scores.size * (1 - sparsity)))))
  return units.repeat(height, 0).repeat(width, 1)[:values.shape[0], :values.shape[1]]


def test_few_units_at_high_sparsity(job, weight):
  hparams, weights, values = AT_ONCE % .96, [weight('w', (10,))], _values(10)
  with pytest.raises(tf.errors.InvalidArgumentError, match=r'indices = -1 is not in \[0, 10\)'):
    job(contrib, hparams, weights).update(10, [values])

  state = job(model_pruning, hparams, weights).update(10, [values])
  np.testing.assert_array_equal(state.masks[0], _keep_largest(np.abs(values), 1))
  assert state.thresholds[0] == np.abs(values).max()


@pytest.mark.parametrize('in_map', [False, True])
def test_whole_dimension_is_that_of_each_weight(job, weight, in_map):
  hparams = AT_ONCE % .5 + (',block_dims_map=[w:-1x1]' if in_map
                            else ',block_height=-1,block_width=1')
  weights = [weight('w0', (4, 6)), weight('w1', (8, 6))]
  values = [_values(4, 6), _values(8, 6)]
  right = [_keep_blocks(v, v.shape[0], 1, .5, np.mean) for v in values]

  theirs = job(contrib, hparams, weights).update(10, values).masks
  np.testing.assert_array_equal(theirs[0], right[0])
  # The height of the first weight.
  np.testing.assert_array_equal(theirs[1], _keep_blocks(values[1], 4, 1, .5, np.mean))
  assert (theirs[1] != right[1]).any()

  ours = job(model_pruning, hparams, weights).update(10, values).masks
  np.testing.assert_array_equal(ours[0], right[0])
  np.testing.assert_array_equal(ours[1], right[1])


@pytest.mark.parametrize('dtype', ['float16', 'float64'])
def test_other_floating_dtypes(job, weight, dtype):
  hparams, weights = AT_ONCE % .5, [weight('w', (6, 5))]
  with pytest.raises((TypeError, ValueError), match='float32.*%s|%s.*float32' % (dtype, dtype)):
    job(contrib, hparams, weights, dtype=dtype)

  values = _values(6, 5).astype(dtype)
  state = job(model_pruning, hparams, weights, dtype=dtype).update(10, [values])
  np.testing.assert_array_equal(state.masks[0], _keep_largest(np.abs(values), 15))
  assert state.masks[0].dtype == state.thresholds[0].dtype == values.dtype
  np.testing.assert_allclose(state.thresholds[0], np.sort(np.abs(values), None)[15], rtol=1e-7)


def test_target_zero_with_a_map(job, weight):
  hparams = AT_ONCE % 0 + ',weight_sparsity_map=[w1:0.75]'
  weights, values = [weight('w0', (20,)), weight('w1', (20,))], [_values(20), _values(20)]
  with pytest.raises(tf.errors.InvalidArgumentError, match='indices'):
    job(contrib, hparams, weights).update(10, values)

  masks = job(model_pruning, hparams, weights).update(10, values).masks
  np.testing.assert_array_equal(masks[0], np.ones(20))
  np.testing.assert_array_equal(masks[1], _keep_largest(np.abs(values[1]), 5))


def test_initial_sparsity_with_a_map(job, weight):
  # Halfway on a line from 0.4 to the weight's own 0.4 it is 0.4.
  hparams = ('initial_sparsity=0.4,target_sparsity=0.8,sparsity_function_end_step=20,'
             'sparsity_function_exponent=1,weight_sparsity_map=[w1:0.4]')
  weights, values = [weight('w0', (100,)), weight('w1', (100,))], [_values(100), _values(100)]
  theirs = job(contrib, hparams, weights).update(10, values).masks
  ours = job(model_pruning, hparams, weights).update(10, values).masks
  for masks in (theirs, ours):
    np.testing.assert_array_equal(masks[0], _keep_largest(np.abs(values[0]), 40))
  assert theirs[1].sum() == 70  # 0.6 * 0.4 / 0.8 of them are gone.
  np.testing.assert_array_equal(ours[1], _keep_largest(np.abs(values[1]), 60))


@pytest.mark.parametrize('parts', [0, 3])
def test_ties(job, weight, parts):
  values = [np.repeat(_values(10), 2).reshape(10, 2), np.full([20], -.5, np.float32)]
  hparams = AT_ONCE % .55
  weights = [weight('w0', (10, 2), parts), weight('w1', (20,), parts)]
  theirs = job(contrib, hparams, weights).update(10, values).masks
  assert 1 - theirs[0].mean() == pytest.approx(.5)
  assert 1 - theirs[1].mean() == 0

  ours = job(model_pruning, hparams, weights).update(10, values).masks
  for value, mask in zip(values, ours):
    np.testing.assert_array_equal(mask, _keep_largest(np.abs(value), 9))


@pytest.mark.parametrize('name', ['weight_sparsity_map=[wrong:0.9]', 'block_dims_map=[wrong:2x2]'])
def test_map_key_that_matches_nothing(job, weight, name):
  hparams, weights, values = AT_ONCE % .5 + ',' + name, [weight('w', (4, 5))], _values(4, 5)
  mask, = job(contrib, hparams, weights).update(10, [values]).masks
  np.testing.assert_array_equal(mask, _keep_largest(np.abs(values), 10))

  with pytest.raises(ValueError, match="key 'wrong' matches no masked weight.*w/weights"):
    job(model_pruning, hparams, weights)


@pytest.mark.parametrize('hparams, allowed', [
    ('pruning_frequency=0', 'pruning_frequency: 0; it must be 1 or more'),
    ('nbins=-3', 'nbins: -3; it must be 1 or more'),
    ('sparsity_function_exponent=-2', 'sparsity_function_exponent: -2.0; it must be positive'),
    ('weight_sparsity_map=[w:-0.4]', r'sparsity -0.4 is outside \[0, 1\)'),
])
def test_values_out_of_range(job, weight, hparams, allowed):
  job(contrib, hparams, [weight('w', (4,))])
  with pytest.raises(ValueError, match=allowed):
    job(model_pruning, hparams, [weight('w', (4,))])


@pytest.mark.parametrize('blocks', ['', ',block_height=4,block_width=1,block_pooling_function=MAX'])
def test_partitions_are_not_gathered(job, weight, blocks):
  hparams, weights = AT_ONCE % .5 + blocks, [weight('w', (1000, 400), 4)]

  def largest_of_update(library):
    each = job(library, hparams, weights)
    # The product with the mask is of the model, not of the update.
    return max(output.shape.num_elements() or 0 for op in each.graph.get_operations()
               if 'pruning_ops' in op.name or 'ConcatPartitions_' in op.name
               for output in op.outputs)

  assert largest_of_update(contrib) == 400000
  # A partition, and two rows to fill its last blocks up.
  assert largest_of_update(model_pruning) <= 252 * 400


@pytest.mark.parametrize('pooling', ['AVG', 'MAX'])
@pytest.mark.parametrize('use_tpu', [False, True])
def test_ragged_blocks_cover_what_their_mask_covers(job, weight, pooling, use_tpu):
  # Three rows short of three blocks: contrib pads a row before the first and two after the last.
  hparams = AT_ONCE % .5 + ',block_height=4,block_width=1,block_pooling_function=%s,use_tpu=%s' % (
      pooling, use_tpu)
  weights, values = [weight('w', (9, 6))], _values(9, 6)
  pool = np.mean if pooling == 'AVG' else np.max
  right = _keep_blocks(values, 4, 1, .5, pool)

  mask, = job(contrib, hparams, weights).update(10, [values]).masks
  assert (mask != right).any()
  shifted = np.concatenate([values[:1] * np.nan, values, values[:2] * np.nan])
  ignoring_nan = np.nanmean if pooling == 'AVG' else np.nanmax
  np.testing.assert_array_equal(mask, _keep_blocks(shifted, 4, 1, .5, ignoring_nan)[:9])

  mask, = job(model_pruning, hparams, weights).update(10, [values]).masks
  np.testing.assert_array_equal(mask, right)


@pytest.mark.parametrize('blocks', ['', ',block_height=2,block_width=2'])
def test_remembered_threshold_above_all_scores(job, weight, blocks):
  hparams, weights = AT_ONCE % .5 + ',threshold_decay=0.9' + blocks, [weight('w', (8, 6))]
  values = _values(8, 6)
  theirs, ours = job(contrib, hparams, weights), job(model_pruning, hparams, weights)
  for library in (theirs, ours):
    library.update(10, [values * 100])
  # The weights shrink to a hundredth.
  their_state, our_state = theirs.update(20, [values]), ours.update(20, [values])
  np.testing.assert_allclose(our_state.thresholds, their_state.thresholds, rtol=1e-6)
  assert our_state.thresholds[0] > np.abs(values).max()
  assert not their_state.masks[0].any()
  size = 2 if blocks else 1
  np.testing.assert_array_equal(our_state.masks[0],
                                _keep_blocks(values, size, size, .999, np.mean))


@pytest.mark.parametrize('key, parts, blocks', [
    ('w/weights$', 3, ''),
    ('^w/weights', 0, 'block_height=2,block_width=2,'),
    ('w/weights$', 0, 'block_height=2,block_width=2,'),
])
def test_anchored_map_keys(job, weight, key, parts, blocks):
  # contrib searches in the name of an operation computed from the weight, not of the weight.
  hparams = '%s%s,weight_sparsity_map=[%s:0.25]' % (blocks, AT_ONCE % .75, key)
  weights, values = [weight('w', (12, 8), parts)], _values(12, 8)
  size = 2 if blocks else 1
  mask, = job(contrib, hparams, weights).update(10, [values]).masks
  np.testing.assert_array_equal(mask, _keep_blocks(values, size, size, .75, np.mean))

  mask, = job(model_pruning, hparams, weights).update(10, [values]).masks
  np.testing.assert_array_equal(mask, _keep_blocks(values, size, size, .25, np.mean))


def test_summaries_of_partitioned_weights(job, weight):
  weights, values = [weight('w', (12,), 3)], _values(12)
  theirs, ours = (job(library, AT_ONCE % .5, weights) for library in (contrib, model_pruning))
  with theirs.graph.as_default(), pytest.raises(AttributeError):
    theirs.pruning.add_pruning_summaries()

  with ours.graph.as_default():
    merged = ours.pruning.add_pruning_summaries()
  ours.update(10, [values])
  summary = tf.Summary.FromString(ours.session.run(merged))
  found = {value.tag: value.simple_value for value in summary.value}
  assert found['model_pruning_summaries/w/mask/sparsity'] == .5


def test_unconditional_after_conditional_update(job, weight):
  # contrib's second op waits for the assignments of the first one's branch, which is not taken.
  weights, values = [weight('w', (10,))], _values(10)
  theirs, ours = (job(library, AT_ONCE % .5, weights) for library in (contrib, model_pruning))
  for each in (theirs, ours):
    with each.graph.as_default():
      each.update_op = each.pruning.mask_update_op()
  their_state, our_state = theirs.update(5, [values]), ours.update(5, [values])
  assert their_state.last_update == our_state.last_update == 5
  assert their_state.masks[0].all()
  # 0.5 * (1 - 0.5 ** 3) of them are to go.
  np.testing.assert_array_equal(our_state.masks[0], _keep_largest(np.abs(values), 6))
