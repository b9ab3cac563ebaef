# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""tf.cond on is_training: dropout, batch norm with moving statistics and UPDATE_OPS by hand."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_v2_behavior()


def batch_norm(x, is_training, name):
  size = [int(x.shape[-1])]
  with tf.variable_scope(name):
    gamma = tf.get_variable('gamma', size, initializer=tf.ones_initializer())
    beta = tf.get_variable('beta', size, initializer=tf.zeros_initializer())
    mean = tf.get_variable('mean', size, initializer=tf.zeros_initializer(), trainable=False)
    variance = tf.get_variable('var', size, initializer=tf.ones_initializer(), trainable=False)
    now_mean, now_variance = tf.nn.moments(x, list(range(x.shape.ndims - 1)))
    for moving, now in ((mean, now_mean), (variance, now_variance)):
      tf.add_to_collection(
          tf.GraphKeys.UPDATE_OPS, tf.assign(moving, 0.9 * moving + 0.1 * now))
    use_mean, use_variance = tf.cond(
        is_training, lambda: (now_mean, now_variance), lambda: (mean.read_value(), variance + 0.))
    return tf.nn.batch_normalization(x, use_mean, use_variance, beta, gamma, 1e-3)


def net(x, is_training):
  kernel = tf.get_variable('conv/kernel', [3, 3, 2, 8])
  x = tf.nn.conv2d(x, kernel, [1, 2, 2, 1], 'SAME')
  x = tf.nn.relu(batch_norm(x, is_training, 'bn'))
  x = tf.reshape(x, [-1, 9 * 8])
  x = tf.cond(is_training, lambda: tf.nn.dropout(x, rate=0.3), lambda: x)

  def head(name):  # Weights made and masked in the branch itself.
    with tf.variable_scope('head', reuse=tf.AUTO_REUSE):
      return tf.matmul(x, tf.get_variable('kernel', [72, 5]), name=name)
  return tf.cond(is_training, lambda: head('noisy'), lambda: head('clean'))


def main(folder, steps):
  x = tf.placeholder(tf.float32, [None, 6, 6, 2], 'x')
  targets = tf.placeholder(tf.float32, [None, 5])
  is_training = tf.placeholder_with_default(False, [], 'is_training')
  with tf.variable_scope('net'), model_pruning.masked_scope():
    y = tf.identity(net(x, is_training), 'y')
  loss = tf.losses.mean_squared_error(targets, y)
  step = tf.train.get_or_create_global_step()
  with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train_op = tf.train.AdadeltaOptimizer(1.0).minimize(loss, step)
  prune = model_pruning.Pruning(
      'target_sparsity=0.93,sparsity_function_end_step=60').conditional_mask_update_op()
  saver = tf.train.Saver()
  with tf.Session() as session:
    latest = tf.train.latest_checkpoint(folder)
    if latest:
      saver.restore(session, latest)
    else:
      session.run(tf.global_variables_initializer())
    for _ in range(session.run(step), steps):
      images = np.random.rand(4, 6, 6, 2)
      session.run(train_op, {x: images, targets: images[:, 0, :5, 0], is_training: True})
      session.run(prune)
    saver.save(session, os.path.join(folder, 'model.ckpt'), step)
  print(json.dumps({'inputs': {'x': [2, 6, 6, 2]}, 'outputs': [y.op.name], 'sparsity': {
      'net/conv/kernel': 0.93, 'net/head/kernel': 0.93}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
