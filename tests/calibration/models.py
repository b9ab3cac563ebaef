# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Small nets as graphs of constants, whose layers can be learned from random inputs."""

import numpy as np

from model_pruning.compat import tf


def inputs(shape=(64, 6, 6, 2), seed=0):
  """Returns inputs with few degrees of freedom, as images have."""
  rng = np.random.RandomState(seed)
  size = int(np.prod(shape[1:]))
  return (rng.randn(shape[0], 8) @ rng.randn(8, size)).reshape(shape).astype(np.float32)


def graph_of(build, shape=(None, 6, 6, 2), seed=0):
  """Returns the GraphDef of build(placeholder, weight), with outputs named `outputs`.

  Args:
    build: a function of the inputs and of weight(name, *shape), which returns a constant.
    shape: shape of the inputs, a placeholder named `images`.
    seed: of the constants.
  """
  rng = np.random.RandomState(seed)

  def weight(name, *dims):
    fan = max(1, int(np.prod(dims[:-1])))
    return tf.constant((rng.randn(*dims) / fan**0.5).astype(np.float32), name=name)

  with tf.Graph().as_default() as graph:
    images = tf.placeholder(tf.float32, shape, name='images')
    tf.identity(build(images, weight), name='outputs')
    return graph.as_graph_def()


def convnet(images, weight):
  """A convolution with a bias, one with a normalization, a dense layer, and one without a bias."""
  x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(
      images, weight('conv1/kernel', 3, 3, 2, 8), strides=1, padding='SAME'),
                                weight('conv1/bias', 8)))
  x = tf.nn.conv2d(x, weight('conv2/kernel', 3, 3, 8, 8), strides=2, padding='SAME')
  x, _, _ = tf.nn.fused_batch_norm(
      x, scale=tf.constant(np.ones(8, np.float32)), offset=weight('norm/beta', 8),
      mean=weight('norm/mean', 8), variance=tf.constant(np.full(8, 2, np.float32)),
      is_training=False)
  x = tf.reshape(tf.nn.relu(x), [-1, 72])
  x = tf.nn.relu(tf.matmul(x, weight('fc1/kernel', 72, 20)) + weight('fc1/bias', 20))
  return tf.matmul(x, weight('fc2/kernel', 20, 5))


def run(graph_def, images, output='outputs'):
  """Returns the outputs of a graph."""
  with tf.Graph().as_default() as graph, tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    return session.run(graph.get_tensor_by_name(output + ':0'), {'images:0': images})


def value(graph_def, name):
  """Returns the value of a constant."""
  node, = (node for node in graph_def.node if node.name == name)
  return tf.make_ndarray(node.attr['value'].tensor)


def normalized(x, weight, name):
  """Returns x after a batch normalization, for functions that graph_of takes."""
  channels = x.shape.as_list()[-1]
  return tf.nn.fused_batch_norm(
      x, 1 + weight(name + '/gamma', channels), weight(name + '/beta', channels),
      mean=weight(name + '/mean', channels), variance=tf.constant([2.0] * channels),
      is_training=False)[0]
