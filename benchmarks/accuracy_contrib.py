# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The ConvNet of benchmarks/nets.py in graph mode, pruned by tf.contrib.model_pruning.

For benchmarks/accuracy.py, on TensorFlow 1.15. Layers, initial distributions, dropout, Adam,
batches and the schedule are the same; the numbers that are drawn are not.
"""

import os

import numpy as np

from benchmarks.accuracy_cells import schedule
from model_pruning.compat import tf

_BATCH, _EPOCHS = 100, 10


class _Net(object):
  """The graph: placeholders, a step of training, and accuracy."""

  def __init__(self, seed, hparams):
    from tensorflow.contrib.model_pruning.python import pruning
    self._apply_mask = pruning.apply_mask
    self.images = tf.placeholder(tf.float32, [None, 28, 28, 1])
    self.labels = tf.placeholder(tf.int32, [None])
    self.training = tf.placeholder_with_default(False, [])
    tf.set_random_seed(seed)
    x = self._pooled(self._convolved(self.images, 'conv1', 32))
    x = self._pooled(self._convolved(x, 'conv2', 64))
    x = tf.nn.relu(self._dense(tf.layers.flatten(x), 'dense', 256))
    logits = self._dense(x, 'softmax', 10)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=self.labels, logits=logits))
    step = tf.train.get_or_create_global_step()
    # Keras's epsilon.
    train = tf.train.AdamOptimizer(1e-3, epsilon=1e-7).minimize(loss, global_step=step)
    spec = pruning.get_pruning_hparams().parse(hparams)
    with tf.control_dependencies([train]):
      self.step = pruning.Pruning(spec, global_step=step).conditional_mask_update_op()
    self.correct = tf.cast(tf.equal(
        tf.argmax(logits, axis=1, output_type=tf.int32), self.labels), tf.float32)
    self.masks = pruning.get_masks()

  def _weights(self, name, shape):
    with tf.variable_scope(name):
      weights = tf.get_variable('weights', shape, initializer=tf.glorot_uniform_initializer())
      bias = tf.get_variable('bias', shape[-1:], initializer=tf.zeros_initializer())
      return self._apply_mask(weights, tf.get_variable_scope()), bias

  def _convolved(self, x, name, filters):
    weights, bias = self._weights(name, [3, 3, int(x.shape[-1]), filters])
    return tf.nn.relu(tf.nn.conv2d(x, weights, strides=1, padding='VALID') + bias)

  def _dense(self, x, name, units):
    weights, bias = self._weights(name, [int(x.shape[-1]), units])
    return tf.matmul(x, weights) + bias

  def _pooled(self, x):
    return tf.layers.dropout(tf.nn.max_pool2d(x, 2, 2, 'VALID'), 0.25, training=self.training)


def measure(cell, data, epochs):
  """Returns (accuracy, fraction of zeros in all kernels) of the ConvNet; see accuracy_keras."""
  epochs = epochs or _EPOCHS
  number = len(data['y_train'])
  begin, end, frequency = schedule(epochs * -(-number // _BATCH))
  hparams = ('target_sparsity=%r,begin_pruning_step=%d,end_pruning_step=-1,'
             'sparsity_function_begin_step=%d,sparsity_function_end_step=%d,pruning_frequency=%d' %
             (cell.sparsity, begin, begin, end, frequency))
  # TensorFlow 1 does not read the variables of the environment that set its threads.
  threads = {name: int(os.environ.get('TF_NUM_%s_THREADS' % name[:5].upper(), 0))
             for name in ('intra_op_parallelism_threads', 'inter_op_parallelism_threads')}
  with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(**threads)) as session:
    net = _Net(cell.seed, hparams)
    session.run(tf.global_variables_initializer())
    for epoch in range(epochs):
      order = np.random.RandomState([cell.seed, epoch]).permutation(number)
      for first in range(0, number, _BATCH):
        chosen = order[first:first + _BATCH]
        session.run(net.step, {net.images: data['x_train'][chosen],
                               net.labels: data['y_train'][chosen], net.training: True})
    correct = np.concatenate([
        session.run(net.correct, {net.images: data['x_test'][first:first + 500],
                                  net.labels: data['y_test'][first:first + 500]})
        for first in range(0, len(data['y_test']), 500)])
    masks = session.run(net.masks)
  return (float(np.mean(correct)),
          float(sum(np.sum(mask == 0) for mask in masks) / sum(mask.size for mask in masks)))
