# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A small convolutional net, written as if there were no pruning.

Each layer is a get_variable and the operation that uses it: tf.layers is missing
on TensorFlow with Keras 3.
"""

from typing import Any, Tuple

import tensorflow.compat.v1 as tf

import model_pruning

OUTPUT = 'scores'  # Operation with the logits, float32 of shape [n, 10].


def logits(images: Any) -> Any:
  """Returns logits of shape [n, 10] for images of shape [n, height, width, 1]."""
  # A seed per layer: dense and pruned net start from the same weights, although their graphs
  # differ in the operations between the layers.
  x = _conv(images, 32, 'conv1', seed=1)
  if x.shape[1] > 16:  # MNIST. Of 8 x 8 pixels none can be spared so early.
    x = _pool(x)
  x = _pool(_conv(x, 64, 'conv2', seed=2))
  x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
  x = tf.nn.relu(dense(x, 128, 'dense', seed=3))
  return dense(x, 10, 'logits', seed=4)


def build(images: Any, pruned: bool) -> Any:
  """Returns the logits of the net, named OUTPUT.

  Where `pruned`, all four kernels are masked (conv1, conv2, dense and logits), and
  the biases, some 0.2 % of the parameters, are not.
  """
  if pruned:
    with model_pruning.masked_scope(include='.*kernel$'):
      scores = logits(images)
  else:
    scores = logits(images)
  return tf.identity(scores, name=OUTPUT)


def loss_and_accuracy(scores: Any, labels: Any) -> Tuple[Any, Any]:
  """Returns the mean cross entropy and the accuracy, float32 scalars."""
  loss = tf.reduce_mean(
      tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores))
  right = tf.equal(tf.argmax(scores, axis=1, output_type=tf.int32), labels)
  return loss, tf.reduce_mean(tf.cast(right, tf.float32))


def train_op(loss: Any, learning_rate: float) -> Any:
  """Returns the operation of one step of Adam, which also counts the global step."""
  return tf.train.AdamOptimizer(learning_rate).minimize(
      loss, global_step=tf.train.get_or_create_global_step())


def _variables(kernel_shape: list, seed: int) -> Tuple[Any, Any]:
  kernel = tf.get_variable('kernel', kernel_shape,
                           initializer=tf.glorot_uniform_initializer(seed=seed))
  return kernel, tf.get_variable('bias', kernel_shape[-1:], initializer=tf.zeros_initializer())


def _conv(x: Any, filters: int, name: str, seed: int) -> Any:
  with tf.variable_scope(name):
    kernel, bias = _variables([3, 3, int(x.shape[-1]), filters], seed)
    return tf.nn.relu(tf.nn.conv2d(x, kernel, strides=[1, 1, 1, 1], padding='SAME') + bias)


def _pool(x: Any) -> Any:
  return tf.nn.max_pool2d(x, 2, 2, padding='VALID')


def dense(x: Any, units: int, name: str, seed: int) -> Any:
  """Returns a dense layer of x, [n, inputs], without activation: [n, units]."""
  with tf.variable_scope(name):
    kernel, bias = _variables([int(x.shape[-1]), units], seed)
    return tf.matmul(x, kernel) + bias
