# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Two towers in a loop over variable scopes, with averaged gradients, as on several GPUs.

The collections are halved afterwards, as programs for contrib had to do.
"""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from model_pruning.python import pruning

tf.disable_eager_execution()


def tower(images):
  with tf.variable_scope('conv') as scope:
    kernel = tf.get_variable('weights', [3, 3, 1, 8])
    kernel = pruning.apply_mask(kernel, scope)
    net = tf.nn.relu(tf.nn.conv2d(images, kernel, strides=[1, 1, 1, 1], padding='SAME'))
  net = tf.reduce_mean(net, axis=[1, 2])
  with tf.variable_scope('fc') as scope:
    return tf.matmul(net, pruning.apply_mask(tf.get_variable('weights', [8, 10]), scope))


def average(gradients):
  for pairs in zip(*gradients):
    yield tf.add_n([gradient for gradient, _ in pairs]) / len(pairs), pairs[0][1]


def main(folder, last_step):
  images = tf.placeholder(tf.float32, [4, 6, 6, 1], name='images')
  step = tf.train.get_or_create_global_step()
  optimizer = tf.train.GradientDescentOptimizer(0.1)
  gradients, outputs = [], []
  for index, part in enumerate(tf.split(images, 2)):
    with tf.variable_scope('net', reuse=index > 0), tf.device('/cpu:0'):
      outputs.append(tower(part))
      gradients.append(optimizer.compute_gradients(tf.reduce_mean((outputs[-1] - 1)**2)))
  tf.concat(outputs, axis=0, name='scores')
  for key in ('masks', 'masked_weights', 'thresholds', 'kernel'):
    found = tf.get_collection_ref(key)
    del found[len(found) // 2:]
  train = optimizer.apply_gradients(average(gradients), step)
  hparams = pruning.get_pruning_hparams().parse(
      'target_sparsity=0.6,sparsity_function_end_step=60,pruning_frequency=10')
  update = pruning.Pruning(hparams, global_step=step).conditional_mask_update_op()
  saver = tf.train.Saver()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    if tf.train.latest_checkpoint(folder):
      saver.restore(session, tf.train.latest_checkpoint(folder))
    while session.run(step) < last_step:
      session.run(train, {images: np.random.rand(4, 6, 6, 1)})
      session.run(update)
    saver.save(session, os.path.join(folder, 'model'), global_step=step)
  print(json.dumps({'inputs': {'images': [4, 6, 6, 1]}, 'outputs': ['scores'],
                    'sparsity': {'net/conv/weights': 0.6, 'net/fc/weights': 0.6}}))


main(sys.argv[1], int(sys.argv[2]))
