# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints hold the masks of their step, whoever saves them."""

import os

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph.training import hooks
from tests import resumed

SPEC = 'target_sparsity=0.75,pruning_frequency=2,sparsity_function_end_step=12'


def _checkpoints(folder):
  """Returns the last update step by the step, of all checkpoints of a folder."""
  state = tf.train.get_checkpoint_state(folder)
  readers = [tf.train.load_checkpoint(path) for path in state.all_model_checkpoint_paths]
  return {int(reader.get_tensor('global_step')):
          int(reader.get_tensor('model_pruning/last_mask_update_step')) for reader in readers}


@pytest.mark.parametrize('hook_first', [False, True])
def test_every_checkpoint_holds_the_masks_of_its_step(hook_first, tmp_path):
  folder = str(tmp_path)
  resumed.train(folder, SPEC, hook_first=hook_first)
  assert _checkpoints(folder) == {8: 8, 9: 8, 10: 10, 11: 10, 12: 12}
  assert os.path.basename(tf.train.latest_checkpoint(folder)) == 'model.ckpt-12'


def test_what_a_listener_exports_at_the_end_has_the_last_masks(tmp_path):
  class Exporter(tf.train.CheckpointSaverListener):
    def end(self, session, global_step):
      self.values = resumed.values(str(tmp_path))

  exporter = Exporter()
  with tf.Graph().as_default():
    train_op = resumed.build()
    saver = tf.train.CheckpointSaverHook(str(tmp_path), save_steps=100, listeners=[exporter])
    with tf.train.MonitoredTrainingSession(
        hooks=[saver, hooks.PruningHook(SPEC)], save_summaries_steps=None,
        save_summaries_secs=None, log_step_count_steps=None) as session:
      for _ in range(resumed.STEPS):
        session.run(train_op)
  assert exporter.values['model_pruning/last_mask_update_step'] == resumed.STEPS
  assert exporter.values['model/one/mask'].sum() == 24


@pytest.mark.parametrize('relative', [False, True])
def test_a_last_checkpoint_from_before_the_update_stays_beside_one_with_it(relative, tmp_path,
                                                                           monkeypatch):
  monkeypatch.setattr(hooks, 'session_around', lambda: (None, []))  # As of another session.
  folder = str(tmp_path / 'model')
  values = resumed.train(folder, SPEC, relative_paths=relative)
  if relative:
    os.rename(folder, folder + '_moved')
    folder += '_moved'
  latest = tf.train.latest_checkpoint(folder)
  assert os.path.basename(latest) == 'model.ckpt-pruned-12'
  assert values['model_pruning/last_mask_update_step'] == 12
  before = tf.train.load_checkpoint(os.path.join(folder, 'model.ckpt-12'))
  assert before.get_tensor('model_pruning/last_mask_update_step') == 10
  again = resumed.train(folder, SPEC)  # With nothing left to do.
  for name in values:
    np.testing.assert_array_equal(again[name], values[name], err_msg=name)


@pytest.mark.parametrize('when', ['early', 'listed', 'late', 'deferred', 'none'])
def test_a_saver_without_masks_is_told_before_training(when, caplog):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    with tf.variable_scope('fc'):
      kernel = tf.get_variable('kernel', [4, 4])
    saver = tf.train.Saver() if when == 'early' else None
    saver = tf.train.Saver([kernel]) if when == 'listed' else saver
    saver = tf.train.Saver(defer_build=True) if when == 'deferred' else saver
    model_pruning.apply_mask(kernel, 'fc')
    saver = tf.train.Saver() if when == 'late' else saver
    scaffold = tf.train.Scaffold(saver=saver, init_op=tf.global_variables_initializer())
    with tf.train.MonitoredTrainingSession(
        scaffold=scaffold, hooks=[model_pruning.PruningHook('target_sparsity=0.5')]):
      pass
  assert ('fc/mask' in caplog.text and 'saves no masks' in caplog.text) == (
      when in ('early', 'listed'))
