# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Starting from a checkpoint that was trained without masks."""

import contextlib

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf


def model(masked, partitions=None, name='fc', use_resource=False):
  """Builds a dense layer, with masks or without; returns the training operation."""
  step = tf.train.get_or_create_global_step()
  scope = model_pruning.masked_scope() if masked else contextlib.nullcontext()
  with scope, tf.variable_scope(name, use_resource=use_resource):
    kernel = tf.get_variable('kernel', [6, 4], partitioner=(
        tf.fixed_size_partitioner(partitions) if partitions else None))
    bias = tf.get_variable('bias', [4])
  loss = tf.reduce_sum(tf.matmul(tf.ones([2, 6]), kernel) + bias)
  return tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, global_step=step)


@pytest.fixture(params=[None, 2], ids=['whole', 'partitioned'])
def dense(request, tmp_path):
  """Trains three steps without masks; returns the folder and the weights."""
  with tf.Graph().as_default():
    train = model(False, request.param)
    with tf.train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), log_step_count_steps=None,
                                           summary_dir='') as session:
      for _ in range(3):
        session.run(train)
  reader = tf.train.load_checkpoint(str(tmp_path))
  return str(tmp_path), reader.get_tensor('fc/kernel')


@pytest.mark.sampled(1)
@pytest.mark.parametrize('partitions', [None, 3])
@pytest.mark.parametrize('use_resource', [False, True])
def test_weights_come_from_the_checkpoint_and_masks_are_ones(dense, use_resource, partitions):
  path, kernel = dense
  with tf.Graph().as_default():
    model(True, partitions, use_resource=use_resource)
    weight, mask = (tf.convert_to_tensor(collection[0]) for collection in (
        model_pruning.get_weights(), model_pruning.get_masks()))
    model_pruning.init_from_dense_checkpoint(path)
    hook = model_pruning.PruningHook('target_sparsity=0.5')
    with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
      np.testing.assert_array_equal(session.run(weight), kernel)
      assert session.run(mask).all()
      assert session.run(tf.train.get_global_step()) == 3


def test_what_the_checkpoint_lacks_is_initialized_as_usual(dense):
  with tf.Graph().as_default(), tf.Session() as session:
    model(True)
    extra = tf.get_variable('extra', initializer=7.0)
    model_pruning.init_from_dense_checkpoint(dense[0])
    session.run(tf.global_variables_initializer())
    assert session.run(extra) == 7.0


def test_a_masked_weight_the_checkpoint_lacks_is_an_error_that_names_the_nearest(dense):
  with tf.Graph().as_default():
    model(True, name='fcc')
    with pytest.raises(errors.CheckpointError, match=r'fcc/kernel.*did you mean fc/kernel\?'):
      model_pruning.init_from_dense_checkpoint(dense[0])


def test_a_weight_of_another_shape_is_not_said_to_be_misspelled(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session, tf.variable_scope('fc'):
    saver = tf.train.Saver([tf.get_variable('kernel', [6, 5])])
    session.run(tf.global_variables_initializer())
    saver.save(session, str(tmp_path / 'model.ckpt'))
  with tf.Graph().as_default():
    model(True)
    with pytest.raises(errors.CheckpointError, match=r'\[6, 5\] for .* fc/kernel of') as caught:
      model_pruning.init_from_dense_checkpoint(str(tmp_path))
  assert 'did you mean' not in str(caught.value)


def test_no_checkpoint_is_an_error_that_names_the_path(tmp_path):
  with tf.Graph().as_default():
    model(True)
    with pytest.raises(errors.CheckpointError, match='nowhere'):
      model_pruning.init_from_dense_checkpoint(str(tmp_path / 'nowhere'))


def test_a_truncated_checkpoint_is_an_error(dense):
  path = tf.train.latest_checkpoint(dense[0])
  with open(path + '.index', 'r+b') as handle:
    handle.truncate(10)
  with tf.Graph().as_default():
    model(True)
    with pytest.raises(errors.CheckpointError, match='No checkpoint can be read'):
      model_pruning.init_from_dense_checkpoint(path)
