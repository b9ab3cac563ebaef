# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""Over real servers: what crosses the network in a mask update, and in a training step."""

import sys

import pytest

from benchmarks import traffic
import model_pruning
from model_pruning.compat import tf
from tests import clusters
from tests import legs

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'),
                                reason='counts bytes as Linux does')

MEGABYTE = 10**6
NINETY = 'initial_sparsity=0.9,target_sparsity=0.9,'


def _partitioned(cluster, shape, axis, masked=True, name='layer', dtype=tf.float32):
  """Makes a weight that is cut along an axis, a part for each server; returns the masked one."""
  with tf.device(cluster.setter()), tf.variable_scope(
      name, partitioner=tf.fixed_size_partitioner(2, axis)) as scope:
    weights = tf.get_variable('weights', shape, dtype,
                              initializer=tf.random_uniform_initializer(-1, 1, seed=1))
    return model_pruning.apply_mask(weights, scope) if masked else tf.convert_to_tensor(weights)


def _received_by_update(spec, shape, axis, layers=1):
  cluster = clusters.cluster(2)
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


@pytest.mark.sampled(1)
@pytest.mark.parametrize('spec, axis', legs.few(legs.product(SPECS, [0, 1]), 10))
def test_an_update_moves_counts_and_no_weights(spec, axis):
  small = _received_by_update(spec, [200, 1000], axis)
  large = _received_by_update(spec, [2000, 1000], axis)
  assert large < 1 * MEGABYTE
  # A block that is cut is put together, and of columns that are cut the ties of each row travel;
  # small weights are counted by three digits. A shard of the large one has 4 MB.
  assert large - small < 0.5 * MEGABYTE


def test_a_group_moves_the_counts_of_a_server_once():
  assert _received_by_update('global_pruning=true', [1000, 1000], 0, layers=3) < 0.5 * MEGABYTE


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['erk', 'lamp'])
def test_a_distribution_moves_counts_and_no_weights(name):
  spec = 'sparsity_distribution=' + name
  small = _received_by_update(spec, [200, 1000], 0, layers=2)
  large = _received_by_update(spec, [2000, 1000], 0, layers=2)
  assert large < 3 * MEGABYTE and large - small < 1 * MEGABYTE  # A shard of the large has 4 MB.


@pytest.mark.slow
def test_of_64_million_weights_no_more_is_moved_than_of_one_million():
  of_a_million = _received_by_update('', [1000, 1000], 0)
  of_64_million = _received_by_update('', [64000, 1000], 0)
  assert 0.2 * MEGABYTE < of_a_million < 2 * MEGABYTE  # Not nothing: it does count.
  assert 0.2 * MEGABYTE < of_64_million < 2 * MEGABYTE


@pytest.mark.parametrize('axis, use_resource', legs.few(legs.product(
    [None, 0, 1], [False, True]), 3))
def test_a_training_step_moves_as_much_as_without_masks(axis, use_resource):
  received = []
  for masked in (False, True):
    cluster = clusters.cluster(2)
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
