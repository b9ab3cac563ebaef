# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of sessions for a single run."""

import numpy as np

from model_pruning.compat import tf
from model_pruning.reading import running


def test_runs_operations_of_absent_devices():
  with tf.Graph().as_default(), tf.Session(config=running.once()) as session:
    with tf.device('/gpu:7'):
      product = tf.constant([2.0, 3.0]) * 2
    assert session.run(product).tolist() == [4, 6]


def test_leaves_the_graph_as_it_is():
  options, metadata = tf.RunOptions(output_partition_graphs=True), tf.RunMetadata()
  with tf.Graph().as_default(), tf.Session(config=running.once()) as session:
    product = tf.add(tf.constant([2.0, 3.0]), 2, name='sum')
    session.run(product, options=options, run_metadata=metadata)
  # TensorFlow would have put a constant in its place.
  assert 'AddV2' in [node.op for graph in metadata.partition_graphs for node in graph.node] or (
      'Add' in [node.op for graph in metadata.partition_graphs for node in graph.node])


def test_large_constants_are_fed():
  kernel = np.random.RandomState(0).randn(80, 70).astype(np.float32)
  with tf.Graph().as_default() as graph:
    product = tf.matmul(tf.placeholder(tf.float32, [None, 80], 'x'), tf.constant(kernel, name='k'))
    tf.reshape(product, [-1, 7, 10], 'y')
  x = np.ones((2, 80), np.float32)
  with tf.Graph().as_default() as light, tf.Session() as session:
    values = running.import_light(graph.as_graph_def())
    assert list(values) == ['k:0'] and np.array_equal(values['k:0'], kernel)
    assert light.get_tensor_by_name('y:0').shape.as_list() == [None, 7, 10]
    assert light.as_graph_def().ByteSize() < 2000
    y, constant = session.run(['y:0', 'k:0'], {'x:0': x, **values})
  np.testing.assert_allclose(y.reshape(2, 70), x @ kernel, rtol=1e-5)
  assert np.array_equal(constant, kernel)
