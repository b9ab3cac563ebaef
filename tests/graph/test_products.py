# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Masked products where the weight lives, and where masks live."""

import threading

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.export import strip
from model_pruning.graph import registry
from model_pruning.graph import variables
from tests import clusters

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


@both_kinds
def test_gradients_through_a_mask_on_a_server_are_those_of_the_product(use_resource):
  values = np.linspace(-1, 1, 12).reshape(4, 3).astype(np.float32)
  for axis in (None, 0, 1):
    partitioner = None if axis is None else tf.fixed_size_partitioner(2, axis)
    cluster = clusters.cluster(2)
    with tf.Graph().as_default(), cluster.session() as session:
      with tf.device(cluster.setter()), tf.variable_scope('fc', partitioner=partitioner,
                                                  use_resource=use_resource) as scope:
        weights = tf.get_variable('weights', [4, 3], initializer=tf.random_uniform_initializer())
        masked, mask = model_pruning.apply_mask_and_return(weights, scope)
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


@both_kinds
@pytest.mark.parametrize('axis', [None, 0])
def test_slices_and_second_gradients_go_through_a_product_on_a_server(axis, use_resource):
  partitioner = None if axis is None else tf.fixed_size_partitioner(2, axis)
  cluster = clusters.cluster(2)
  with tf.Graph().as_default(), cluster.session() as session:
    with tf.device(cluster.setter()), tf.variable_scope('embedding', partitioner=partitioner,
                                                use_resource=use_resource) as scope:
      weights = tf.get_variable('weights', [6, 3], initializer=tf.random_uniform_initializer())
      masked, mask = registry.apply_mask_and_return(weights, scope)
    rows = tf.gather(masked, [1, 4, 1])  # The gradient of which is of slices.
    parts = variables.shards_of(weights)
    first = tf.gradients(tf.reduce_sum(rows**3), parts)
    second = tf.concat(tf.gradients([tf.reduce_sum(part**2) for part in first], parts), axis or 0)
    session.run(tf.global_variables_initializer())
    hide = [part.assign(tf.cast(tf.random_uniform(part.shape, seed=3) > 0.5, tf.float32))
            for part in variables.shards_of(mask)]
    session.run(hide)
    weight, hidden, gradient, curvature = session.run(
        [tf.convert_to_tensor(weights), tf.convert_to_tensor(mask),
         tf.concat([tf.convert_to_tensor(part) for part in first], axis or 0), second])
    times = np.array([0, 2, 0, 0, 1, 0])[:, None]
    np.testing.assert_allclose(gradient, times * 3 * weight**2 * hidden, rtol=1e-5)
    np.testing.assert_allclose(curvature, (times * 3)**2 * 4 * weight**3 * hidden, rtol=1e-5)


@pytest.mark.sampled(2)
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


def test_a_partitioned_product_on_servers_is_stripped_as_one(tmp_path):
  cluster = clusters.cluster(2)
  with tf.Graph().as_default() as graph, cluster.session() as session:
    with tf.device(cluster.setter()), tf.variable_scope(
        'fc', partitioner=tf.fixed_size_partitioner(2)) as scope:
      masked, mask = registry.apply_mask_and_return(tf.get_variable('weights', [4, 3]), scope)
    tf.matmul(tf.ones([1, 4], name='inputs'), masked, name='outputs')
    session.run(tf.global_variables_initializer())
    session.run([part.assign(tf.constant([[1., 0, 0], [0, 1, 1]]))
                 for part in variables.shards_of(mask)])
    expected = session.run('outputs:0')
    frozen = tf.graph_util.convert_variables_to_constants(
        session, graph.as_graph_def(), ['outputs'])
  stripped, folded = strip.strip(frozen, ['outputs'])
  assert folded == ['fc/weights/masked_weight']
  assert not [node.name for node in stripped.node if 'mask' in node.name and node.op == 'Mul']
  for node in stripped.node:
    node.device = ''
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(stripped, name='')
    np.testing.assert_array_equal(session.run('outputs:0'), expected)


@both_kinds
def test_who_reads_a_mask_on_a_server_while_it_is_written_sees_one_of_the_two(use_resource):
  """Of a ref variable, which TensorFlow copies into, every sixth reader here sees some of both."""
  cluster = clusters.cluster(1)
  with tf.Graph().as_default(), cluster.session() as session:
    with tf.device(cluster.setter()), tf.variable_scope('fc', use_resource=use_resource) as scope:
      weights = tf.get_variable('weights', [2000, 2000], initializer=tf.ones_initializer())
      _, mask = registry.apply_mask_and_return(weights, scope)
    value = tf.placeholder(tf.float32, [])
    record, = registry.masked_weights()
    with tf.device(record.weight.device):
      write = variables.assign(mask, tf.fill([2000, 2000], value))
      read = variables.read(mask)
      seen = tf.stack([tf.reduce_min(read), tf.reduce_max(read)])
    session.run(tf.global_variables_initializer())
    done, pairs = threading.Event(), []

    def reader():
      while not done.is_set():
        pairs.append(tuple(session.run(seen)))

    thread = threading.Thread(target=reader)
    thread.start()
    for index in range(60):
      session.run(write, {value: index % 2})
    done.set()
    thread.join()
    assert len(pairs) > 10 and {low for low, _ in pairs} == {0, 1}
    assert all(low == high for low, high in pairs)
