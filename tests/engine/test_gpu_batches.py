# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Many weights on a GPU are selected at once as NumPy would select each of them."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.engine import gpu_batches
from model_pruning.engine import placement

SPECIAL = np.array([0.0, np.inf, np.nan, 1e-45, 1e-40, 3.4e38, 0.5], np.float32)


def keys_of(size, kind, seed):
  random = np.random.RandomState(seed)
  keys = np.abs(random.standard_normal(size)).astype(np.float32)
  if kind == 'tied':
    return np.round(keys * 2)
  if kind == 'special':
    return random.choice(SPECIAL, size)
  return np.zeros(size, np.float32) if kind == 'zero' else keys


def select(weights, keep):
  """Returns the threshold and the mask of each weight."""
  with tf.Graph().as_default(), tf.Session() as session, placement.assumed_gpu():
    return session.run(gpu_batches.select([tf.constant(keys) for keys in weights],
                                          tf.constant(keep, tf.int32)))


def check(weights, keep):
  for keys, number, (threshold, mask) in zip(weights, keep, select(
      weights, np.array(keep)[:, None])):
    order = np.argsort(-keys.view(np.int32).astype(np.int64), kind='stable')
    expected = np.zeros(keys.size, bool)
    expected[order[:number]] = True
    np.testing.assert_array_equal(mask, expected)
    assert threshold.view(np.int32) == keys.view(np.int32)[order[number - 1]]


@pytest.mark.parametrize('kind', ['normal', 'tied', 'special', 'zero'])
def test_each_weight_keeps_exactly_its_number(kind):
  sizes = [1, 2, 70, 255, 4097, 30000]
  weights = [keys_of(size, kind, size) for size in sizes]
  for fraction in (0.0, 0.3, 1.0):
    check(weights, [max(1, int(size * fraction)) for size in sizes])


def test_ties_of_one_weight_leave_the_others_as_they_are():
  check([keys_of(5000, 'normal', 1), keys_of(3000, 'tied', 2), keys_of(900, 'normal', 3)],
        [1000, 1234, 1])


@pytest.mark.parametrize('size', [5000, 4096])
def test_one_weight_alone(size):
  check([keys_of(size, 'tied', 1)], [777])


@pytest.mark.parametrize('weights', [1, 2])
def test_a_smoothed_threshold_above_all_scores_keeps_the_largest(weights):
  scores = [np.array([1, -3, 2, 3], np.float32), np.array([5, 0, 7], np.float32)][:weights]
  with tf.Graph().as_default(), tf.Session() as session, placement.assumed_gpu():
    smoothing = gpu_batches.Smoothing(tf.constant([100.0] * weights), 0.5)
    chosen = session.run(gpu_batches.select(list(map(tf.constant, scores)),
                                            tf.constant([[2]] * weights), smoothing=smoothing))
  expected = [(51.5, [False, True, False, True]), (52.5, [False, False, True])]
  for (threshold, mask), (smoothed, kept) in zip(chosen, expected):
    assert threshold == smoothed and mask.tolist() == kept


def test_weights_are_selected_in_turns_of_limited_memory():
  most, rows = gpu_batches.MOST, gpu_batches.ROWS
  assert gpu_batches.in_turns([1] * (rows + 1)) == [list(range(rows)), [rows]]
  assert gpu_batches.in_turns([most // 2, most // 2, 1, 2 * most, 5]) == [[0, 1], [2], [3], [4]]


def masks_of(sizes, hparams, gpu):
  with tf.Graph().as_default(), placement.assumed_gpu(gpu), tf.Session() as session:
    tf.train.get_or_create_global_step()
    for index, size in enumerate(sizes):
      with tf.variable_scope('layer%d' % index):
        model_pruning.apply_mask(tf.get_variable('weights', initializer=keys_of(
            size, 'tied', index)))
    update = model_pruning.Pruning(
        'initial_sparsity=0.5,target_sparsity=0.5,' + hparams).mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    return session.run(model_pruning.get_masks() + model_pruning.get_thresholds())


@pytest.mark.sampled(1)
@pytest.mark.parametrize('hparams', ['weight_sparsity_map=[layer7:0.9]', 'threshold_decay=0.3',
                                     'sparsity_distribution=global'])
def test_turns_leave_the_masks_as_they_are(monkeypatch, hparams):
  monkeypatch.setattr(gpu_batches, 'ROWS', 3)
  sizes = [5 + 300 * index for index in range(8)]
  for one, other in zip(*(masks_of(sizes, hparams, gpu) for gpu in (False, True))):
    np.testing.assert_array_equal(one, other)
