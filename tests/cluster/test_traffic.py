# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""Over real servers: what crosses the network in a mask update, and in a training step."""

import sys

import numpy as np
import pytest

from benchmarks import traffic
import model_pruning
from model_pruning import registry
from model_pruning import variables
from model_pruning.compat import tf

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'),
                                reason='counts bytes as Linux does')

MEGABYTE = 10**6
NINETY = 'initial_sparsity=0.9,target_sparsity=0.9,'

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


def _partitioned(cluster, shape, axis, masked=True, name='layer', dtype=tf.float32):
  """Makes a weight that is cut along an axis, a part for each server; returns the masked one."""
  with tf.device(cluster.setter()), tf.variable_scope(
      name, partitioner=tf.fixed_size_partitioner(2, axis)) as scope:
    weights = tf.get_variable('weights', shape, dtype,
                              initializer=tf.random_uniform_initializer(-1, 1, seed=1))
    return model_pruning.apply_mask(weights, scope) if masked else tf.convert_to_tensor(weights)


def _received_by_update(spec, shape, axis, layers=1):
  cluster = traffic.Cluster(2)
  with tf.Graph().as_default():
    with tf.device(cluster.setter()):
      tf.train.get_or_create_global_step()
    for index in range(layers):
      _partitioned(cluster, shape, axis, name='layer%d' % index)
    update = model_pruning.Pruning(NINETY + spec).mask_update_op()
    return traffic.measured(cluster, [update])[0]


SPECS = ['', 'threshold_decay=0.5', 'threshold_method=histogram', 'use_tpu=true',
         'block_height=4,block_width=4', 'block_height=16,block_width=1,'
         'block_pooling_function=MAX', 'intra_block_sparsity=true,block_height=1,block_width=10',
         'prune_option=first_order_gradient', 'prune_option=second_order_gradient']


@pytest.mark.parametrize('axis', [0, 1], ids=['rows', 'columns'])
@pytest.mark.parametrize('spec', SPECS)
def test_an_update_moves_counts_and_no_weights(spec, axis):
  small = _received_by_update(spec, [200, 1000], axis)
  large = _received_by_update(spec, [2000, 1000], axis)
  assert large < 1 * MEGABYTE
  # A block that is cut is put together, and of columns that are cut the ties of each row travel;
  # small weights are counted by three digits. A shard of the large one has 4 MB.
  assert large - small < 0.5 * MEGABYTE


def test_a_group_moves_the_counts_of_each_of_its_shards():
  assert _received_by_update('global_pruning=true', [1000, 1000], 0, layers=3) < 3 * MEGABYTE


@pytest.mark.slow
def test_of_64_million_weights_no_more_is_moved_than_of_one_million():
  of_a_million = _received_by_update('', [1000, 1000], 0)
  of_64_million = _received_by_update('', [64000, 1000], 0)
  assert 0.2 * MEGABYTE < of_a_million < 2 * MEGABYTE  # Not nothing: it does count.
  assert 0.2 * MEGABYTE < of_64_million < 2 * MEGABYTE


@both_kinds
@pytest.mark.parametrize('axis', [None, 0, 1])
def test_a_training_step_moves_as_much_as_without_masks(axis, use_resource):
  received = []
  for masked in (False, True):
    cluster = traffic.Cluster(2)
    with tf.Graph().as_default():
      with tf.device(cluster.setter()):
        step = tf.train.get_or_create_global_step()
        with tf.variable_scope('model', use_resource=use_resource):
          partitioner = None if axis is None else tf.fixed_size_partitioner(2, axis)
          with tf.variable_scope('layer', partitioner=partitioner) as scope:
            weights = tf.get_variable('weights', [1000, 1000])
            if masked:
              weights = model_pruning.apply_mask(weights, scope)
        loss = tf.reduce_mean(tf.matmul(tf.ones([4, 1000]), weights)**2)
        train = tf.train.MomentumOptimizer(0.1, 0.5).minimize(loss, global_step=step)
      received.append(traffic.measured(cluster, [train])[0])
  assert received[0] > 7 * MEGABYTE
  assert abs(received[1] - received[0]) < 0.2 * MEGABYTE


# ---- Where things are. ----


@both_kinds
@pytest.mark.parametrize('axis', [None, 0, 1])
@pytest.mark.parametrize('way', ['apply_mask', 'masked_scope'])
def test_masks_and_thresholds_live_with_their_part_of_the_weight(way, axis, use_resource):
  with tf.Graph().as_default():
    with tf.device(tf.train.replica_device_setter(ps_tasks=3)):
      tf.train.get_or_create_global_step()
      tf.get_variable('other', [2])
      partitioner = None if axis is None else tf.fixed_size_partitioner(2, axis)
      # The scope is called as the second part of a variable is.
      with tf.variable_scope('mask/part_1', partitioner=partitioner,
                             use_resource=use_resource) as scope:
        if way == 'apply_mask':
          model_pruning.apply_mask(tf.get_variable('weights', [8, 6]), scope)
        else:
          with model_pruning.masked_scope():
            tf.get_variable('depthwise_kernel', [8, 6])
    pruning = model_pruning.Pruning('prune_option=second_order_gradient')
    pruning.mask_update_op()
    record, = registry.masked_weights()
    devices = [shard.device for shard in record.weight_shards]
    assert len(set(devices)) == (1 if axis is None else 2)
    for made in (record.mask, record.gradient, record.old_weight, record.old_old_weight):
      assert [shard.device for shard in variables.shards_of(made)] == devices
    assert record.threshold.device == devices[0]
    step = tf.train.get_global_step()
    assert pruning.last_mask_update_step.device == step.device == '/job:ps/task:0'


def test_weights_are_dealt_out_to_servers_as_without_masks():
  devices = []
  for masked in (False, True):
    with tf.Graph().as_default(), tf.device(tf.train.replica_device_setter(ps_tasks=3)):
      for index in range(5):
        with tf.variable_scope('layer%d' % index) as scope:
          weights = tf.get_variable('weights', [4, 4])
          if masked:
            model_pruning.apply_mask(weights, scope)
          tf.get_variable('bias', [4])
      devices.append([variable.device for variable in tf.trainable_variables()])
  assert devices[0] == devices[1]


@both_kinds
def test_gradients_through_a_mask_on_a_server_are_those_of_the_product(use_resource):
  values = np.linspace(-1, 1, 12).reshape(4, 3).astype(np.float32)
  for axis in (None, 0, 1):
    partitioner = None if axis is None else tf.fixed_size_partitioner(2, axis)
    with tf.Graph().as_default(), tf.Session() as session:
      # One device that was chosen, where there is one.
      with tf.device('/cpu:0'), tf.variable_scope('fc', partitioner=partitioner,
                                                  use_resource=use_resource) as scope:
        weights = tf.get_variable('weights', [4, 3], initializer=tf.random_uniform_initializer())
        masked, mask = model_pruning.registry.apply_mask_and_return(weights, scope)
      loss = tf.reduce_sum(tf.tanh(masked) * values)
      parts = variables.shards_of(weights)
      gradients = tf.concat(tf.gradients(loss, parts), axis or 0)
      session.run(tf.global_variables_initializer())
      zeros = np.arange(12).reshape(4, 3) % 3 > 0
      offset = 0
      for part in variables.shards_of(mask):
        size = part.shape.as_list()[axis or 0]
        session.run(part.assign(np.take(zeros, range(offset, offset + size), axis or 0)
                                .astype(np.float32)))
        offset += size
      weight, product, gradient = session.run(
          [tf.convert_to_tensor(weights), masked, gradients])
      np.testing.assert_array_equal(product, weight * zeros)
      np.testing.assert_allclose(gradient, zeros * values * (1 - np.tanh(product)**2), rtol=1e-5)
      assert masked.op.name.endswith('weights/masked_weight')
