# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""PruningHook follows a step that a Saver restores into the running session."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from tests import legs

SPEC = 'target_sparsity=0.75,sparsity_function_end_step=16,pruning_frequency=4'
OPTIONS = {'endless': '', 'ends': ',end_pruning_step=16', 'ends_late': ',end_pruning_step=30',
           'schedule': None}


def _counts(options, by_hook, saved, restored, steps=32, restores_all=True):
  """Trains, restores the checkpoint of one step at another one, and trains on.

  Returns:
    Per session.run, (step after it, number of masked elements).
  """
  sparsity = None
  if options is None:
    options, sparsity = '', model_pruning.PolynomialDecay(0.0, 0.75, 4, 16, frequency=4)
  rows, path = [], None
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      weights = tf.get_variable('a/weights', initializer=np.random.RandomState(0).standard_normal(
          [1000]).astype(np.float32))
    step = tf.train.get_or_create_global_step()
    train = tf.train.GradientDescentOptimizer(.01).minimize(tf.reduce_sum(weights**2), step)
    pruning = model_pruning.Pruning(SPEC + options, sparsity=sparsity)
    update = pruning.conditional_mask_update_op(keeps_schedule=True)
    mask, = model_pruning.get_masks()
    saver = tf.train.Saver() if restores_all else tf.train.Saver([step, mask])
    tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
    hooks = [model_pruning.PruningHook(pruning, summaries=False)] if by_hook else []
    with tf.train.MonitoredTrainingSession(hooks=hooks) as session:
      raw = session._tf_sess()
      for index in range(1, steps + 1):
        if index == restored:
          saver.restore(raw, path)
        session.run(train)
        if not by_hook:
          raw.run(update)
        if index == saved:
          path = saver.save(raw, _counts.folder)
        rows.append((int(raw.run(step)), 1000 - int(raw.run(mask).sum())))
  return rows


@pytest.fixture(autouse=True)
def _folder(tmp_path):
  _counts.folder = str(tmp_path / 'model.ckpt')


@pytest.mark.sampled(1)
@pytest.mark.parametrize('options, saved, restored', legs.few(legs.product(
    sorted(OPTIONS), [3, 6, 7], [8, 9, 14, 18, 26]), 20, 'oldest'))
def test_the_schedule_starts_again_from_a_step_that_is_set_back(options, saved, restored):
  rows = _counts(OPTIONS[options], True, saved, restored)
  assert rows == _counts(OPTIONS[options], False, saved, restored)
  assert rows[restored - 1][0] == saved + 1
  first = dict(reversed(rows[:restored - 1]))
  # Steps that are trained twice have the same masks both times.
  assert all(count == first.get(step, count) for step, count in rows[restored - 1:])
  assert rows[-1] == (32 - restored + 1 + saved, first.get(32 - restored + 1 + saved, rows[-1][1]))


@pytest.mark.parametrize('options', ['endless', 'ends_late'])
def test_a_step_alone_is_set_back(options):
  rows = _counts(OPTIONS[options], True, 3, 22, restores_all=False)
  assert rows == _counts(OPTIONS[options], False, 3, 22, restores_all=False)
  assert rows[-1][1] > rows[22][1]


def _forwards(folder, by_hook):
  """Restores a checkpoint of step 12 at step 2."""
  rows = []
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      tf.get_variable('a/weights', initializer=np.arange(1, 101, dtype=np.float32))
    step = tf.train.get_or_create_global_step()
    train = tf.assign_add(step, 1)
    pruning = model_pruning.Pruning(SPEC)
    update = pruning.conditional_mask_update_op(keeps_schedule=True)
    mask, = model_pruning.get_masks()
    saver = tf.train.Saver()
    tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      for _ in range(12):
        session.run(train)
        session.run(update)
      path = saver.save(session, folder)
    hooks = [model_pruning.PruningHook(pruning, summaries=False)] if by_hook else []
    with tf.train.MonitoredTrainingSession(hooks=hooks) as session:
      raw = session._tf_sess()
      for index in range(10):
        if index == 2:
          saver.restore(raw, path)
        session.run(train)
        if not by_hook:
          raw.run(update)
        rows.append((int(raw.run(step)), int(raw.run(mask).sum())))
  return rows


def test_a_step_is_restored_forwards(tmp_path):
  rows = _forwards(str(tmp_path / 'forwards'), True)
  assert rows == _forwards(str(tmp_path / 'forwards'), False)
  assert [step for step, _ in rows[:4]] == [1, 2, 13, 14] and rows[-1] == (20, 25)


def test_two_hooks_share_a_step_that_is_set_back(tmp_path):
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      tf.get_variable('a/weights', initializer=np.arange(1, 101, dtype=np.float32))
    step = tf.train.get_or_create_global_step()
    train = tf.assign_add(step, 1)
    hooks = [model_pruning.PruningHook('name=%s,%s' % (name, SPEC), summaries=False)
             for name in ('one', 'two')]
    saver = tf.train.Saver(defer_build=True)
    tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
    with tf.train.MonitoredTrainingSession(hooks=hooks) as session:
      raw, path = session._tf_sess(), str(tmp_path / 'shared')
      for index in range(24):
        if index == 20:
          saver.restore(raw, path)
        session.run(train)
        if index == 5:
          saver.save(raw, path)
      last = raw.run([hook._pruning.last_mask_update_step for hook in hooks])
  assert last == [8, 8]
