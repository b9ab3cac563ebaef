# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""tf_slim: arg_scope, batch_norm, regularizers in slim's losses, slim.learning.create_train_op."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

SPEC = ('target_sparsity=0.6,weight_sparsity_map=[net/fc:0.85],sparsity_function_end_step=50,'
        'pruning_frequency=10')


def batch_norm(slim, inputs, is_training, decay):
  """slim.batch_norm, in plain operations where tf_slim's own cannot run: on TensorFlow 2."""
  if tf.__version__.startswith('1.'):
    return slim.batch_norm(inputs, is_training=is_training, decay=decay, scale=True)
  size, axes = [inputs.shape[-1]], list(range(inputs.shape.ndims - 1))
  with tf.variable_scope(None, 'BatchNorm'):
    gamma = slim.model_variable('gamma', size, initializer=tf.ones_initializer())
    beta = slim.model_variable('beta', size, initializer=tf.zeros_initializer())
    moving = [slim.model_variable(name, size, initializer=initializer, trainable=False)
              for name, initializer in (('moving_mean', tf.zeros_initializer()),
                                        ('moving_variance', tf.ones_initializer()))]
  current = tf.nn.moments(inputs, axes)
  for variable, value in zip(moving, current):
    tf.add_to_collection(
        tf.GraphKeys.UPDATE_OPS, variable.assign_sub((1 - decay) * (variable - value)))
  mean, variance = [tf.where(is_training, now, old) for now, old in zip(current, moving)]
  return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-3)


def net(slim, images, is_training):
  with slim.arg_scope(
      [slim.conv2d, slim.fully_connected], activation_fn=tf.nn.relu,
      weights_regularizer=slim.l2_regularizer(0.001),
      normalizer_fn=lambda inputs: batch_norm(slim, inputs, is_training, 0.9)):
    with tf.variable_scope('net'):
      out = slim.conv2d(images, 6, [3, 3], scope='conv1')
      out = slim.repeat(out, 2, slim.conv2d, 6, [3, 3], scope='conv2')
      out = slim.flatten(slim.max_pool2d(out, [2, 2], scope='pool'))
      out = slim.fully_connected(out, 20, scope='fc')
      return slim.fully_connected(
          out, 3, activation_fn=None, normalizer_fn=None, scope='logits')


def main(folder, steps):
  try:
    import tf_slim as slim
  except ImportError as error:
    print(json.dumps({'skip': 'no tf_slim here: %s' % error}))
    return
  tf.disable_eager_execution()
  tf.set_random_seed(5)
  images = tf.placeholder(tf.float32, [None, 8, 8, 1], 'images')
  is_training = tf.placeholder_with_default(False, [], 'is_training')
  labels = tf.placeholder(tf.int64, [None], 'labels')
  with model_pruning.masked_scope(exclude='.*logits'):
    logits = net(slim, images, is_training)
  tf.nn.softmax(logits, name='predictions')
  slim.losses.sparse_softmax_cross_entropy(logits, labels)
  total_loss = slim.losses.get_total_loss()
  assert len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 5
  global_step = slim.create_global_step()
  train_op = slim.learning.create_train_op(total_loss, tf.train.AdamOptimizer(0.01))
  pruning = model_pruning.Pruning(SPEC, global_step=global_step)
  with tf.control_dependencies([train_op]):
    update = pruning.conditional_mask_update_op()
  saver = tf.train.Saver()
  with tf.Session() as session:
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    if tf.train.latest_checkpoint(folder):
      saver.restore(session, tf.train.latest_checkpoint(folder))
    while session.run(global_step) < steps:
      batch = np.random.rand(8, 8, 8, 1)
      session.run(update, {
          images: batch, labels: (batch.mean((1, 2, 3)) * 3).astype(int), is_training: True})
    saver.save(session, os.path.join(folder, 'model'), global_step)
  sparsity = {'net/%s/weights' % name: 0.6 for name in ('conv1', 'conv2/conv2_1', 'conv2/conv2_2')}
  sparsity['net/fc/weights'] = 0.85
  print(json.dumps(
      {'inputs': {'images': [2, 8, 8, 1]}, 'outputs': ['predictions'], 'sparsity': sparsity}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
