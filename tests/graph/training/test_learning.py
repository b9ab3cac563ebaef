# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of the training loop. It needs a slim; layers/test_slim_layers.py tests it without one."""

import inspect
import os

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph.layers import slim
from model_pruning.graph.training import learning
from model_pruning.python import learning as legacy_learning

HPARAMS = ('begin_pruning_step=2,pruning_frequency=2,sparsity_function_end_step=8,'
           'target_sparsity=0.75')


@pytest.fixture(name='eager')
def fixture_eager():
  """Whether TensorFlow executes eagerly, as it does from version 2 on."""
  return tf.executing_eagerly()


@pytest.fixture(autouse=True)
def graph(eager, request):
  """Turns eager execution off and opens a graph; with the parameter False it leaves both alone."""
  if not slim.libraries():
    pytest.skip('needs tf_slim, or TensorFlow 1')
  if not getattr(request, 'param', True):
    yield None
    return
  if eager:
    tf.disable_eager_execution()
  with tf.Graph().as_default() as opened:
    yield opened
  if eager:
    tf.reset_default_graph()  # Threads of slim's looked at it; TensorFlow wants to be in none.
    tf.enable_eager_execution()


def _job():
  """Returns the train op, whose value is the loss, and the Pruning of a small model."""
  step = tf.train.get_or_create_global_step()
  with tf.variable_scope('fc'):
    weights = tf.get_variable('weights', [4, 4], initializer=tf.constant_initializer(
        np.arange(1, 17) / 16.))
  loss = tf.reduce_sum(tf.square(model_pruning.apply_mask(weights, 'fc') - 2.))
  train = tf.train.GradientDescentOptimizer(.01).minimize(loss, step)
  with tf.control_dependencies([train]):
    return tf.identity(loss), model_pruning.Pruning(HPARAMS)


def _restored(logdir):
  reader = tf.train.NewCheckpointReader(tf.train.latest_checkpoint(str(logdir)))
  return reader.get_tensor


def test_trains_and_prunes_to_the_end(tmp_path):
  train_op, pruning = _job()
  loss = learning.train(train_op, str(tmp_path), pruning.conditional_mask_update_op(),
                        number_of_steps=10)
  value = _restored(tmp_path)
  assert value('global_step') == 10
  assert value('model_pruning/last_mask_update_step') == 10
  assert value('fc/mask').sum() == 4
  assert 0 < loss < 64


def test_masks_are_updated_after_every_step(tmp_path):
  train_op, _ = _job()
  count = tf.get_variable('count', [], initializer=tf.zeros_initializer(), trainable=False)
  seen = tf.get_variable('seen', [], initializer=tf.zeros_initializer(), trainable=False)
  step = tf.cast(tf.train.get_global_step(), tf.float32)
  learning.train(train_op, str(tmp_path), [tf.assign_add(count, 1), tf.assign_add(seen, step)],
                 number_of_steps=5)
  assert _restored(tmp_path)('count') == 5
  assert _restored(tmp_path)('seen') == 1 + 2 + 3 + 4 + 5


def test_a_train_step_of_the_users(tmp_path):
  train_op, pruning = _job()
  calls = []

  def step_fn(session, train_op, global_step, kwargs):
    loss, _ = learning.train_step(session, train_op, global_step, kwargs)
    calls.append((kwargs['mine'], session.run(global_step)))
    return loss, len(calls) == 3

  learning.train(train_op, str(tmp_path), pruning.conditional_mask_update_op(), step_fn,
                 {'mine': 7})
  assert calls == [(7, 1), (7, 2), (7, 3)]
  assert _restored(tmp_path)('model_pruning/last_mask_update_step') == 2


def test_other_arguments_reach_slim(tmp_path):
  train_op, pruning = _job()
  weights, = model_pruning.get_weights()
  started = []
  learning.train(train_op, str(tmp_path), pruning.conditional_mask_update_op(), number_of_steps=2,
                 init_fn=lambda session: started.append(session.run(weights)),
                 saver=tf.train.Saver([tf.train.get_global_step()]), summary_op=None,
                 session_config=tf.ConfigProto(intra_op_parallelism_threads=1))
  assert len(started) == 1 and started[0].shape == (4, 4)
  names = dict(tf.train.list_variables(tf.train.latest_checkpoint(str(tmp_path))))
  assert list(names) == ['global_step']


def test_training_goes_on_where_it_stopped(tmp_path):
  for steps in (4, 10):
    with tf.Graph().as_default():
      train_op, pruning = _job()
      learning.train(train_op, str(tmp_path), pruning.conditional_mask_update_op(),
                     number_of_steps=steps)
      assert _restored(tmp_path)('model_pruning/last_mask_update_step') == steps
  assert _restored(tmp_path)('fc/mask').sum() == 4


def test_without_a_logdir_nothing_is_written(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  train_op, pruning = _job()
  assert learning.train(train_op, None, pruning.conditional_mask_update_op(),
                        number_of_steps=2) > 0
  assert os.listdir(str(tmp_path)) == []


def test_without_an_update_it_says_so_before_any_step(tmp_path):
  train_op, _ = _job()
  with pytest.raises(TypeError, match='mask_update_op=None.*conditional_mask_update_op'):
    learning.train(train_op, str(tmp_path), None)
  assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('graph', [False], indirect=True, ids=['eager'])
def test_where_execution_is_eager_it_says_so_before_any_step(eager, tmp_path):
  if not eager:
    pytest.skip('TensorFlow 1 does not execute eagerly')
  with tf.Graph().as_default():
    train_op, pruning = _job()
    update = pruning.conditional_mask_update_op()
    with pytest.raises(RuntimeError, match='disable_eager_execution'):
      learning.train(train_op, str(tmp_path), update, number_of_steps=2)
    assert os.listdir(str(tmp_path)) == []
    assert learning.train(train_op, None, update, number_of_steps=2) > 0


def test_the_arguments_are_contribs():
  contrib = pytest.importorskip('tensorflow.contrib.model_pruning',
                                reason='only TensorFlow 1 has contrib')
  ours, theirs = [inspect.signature(function).parameters for function in (
      learning.train, contrib.train)]
  assert list(ours) == list(theirs)
  for name in theirs:
    if name != 'train_step_fn':
      assert ours[name].default == theirs[name].default, name


def test_legacy_names_are_the_same_objects():
  assert legacy_learning.train is learning.train
  assert legacy_learning.train_step is learning.train_step
