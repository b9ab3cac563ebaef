# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A script for contrib's model_pruning, with the one line of its import changed."""

from __future__ import absolute_import
from __future__ import division
from __future__ import print_function

import json
import os

import numpy as np
import tensorflow.compat.v1 as tf

from model_pruning.python import pruning

FLAGS = tf.app.flags.FLAGS
tf.app.flags.DEFINE_string(
    'pruning_hparams',
    'name=my_pruning,begin_pruning_step=0,end_pruning_step=-1,pruning_frequency=4,'
    'initial_sparsity=0.1,target_sparsity=0.75,sparsity_function_begin_step=0,'
    'sparsity_function_end_step=60,sparsity_function_exponent=3,threshold_decay=0.0,'
    'weight_sparsity_map=[local1:0.875],block_height=1,block_width=4,'
    'block_pooling_function=MAX,nbins=256,use_tpu=false', 'Pruning hyperparameters.')


def local(name, x, units):
  with tf.variable_scope(name) as scope:
    weights = tf.get_variable(
        'weights', shape=[x.get_shape()[1].value, units], dtype=tf.float32,
        initializer=tf.truncated_normal_initializer(stddev=0.04))
    biases = tf.get_variable('biases', [units], initializer=tf.constant_initializer(0.1))
    return tf.nn.relu(
        tf.matmul(x, pruning.apply_mask(weights, scope)) + biases, name=scope.name)


def main(argv):
  folder, steps = argv[1], int(argv[2])
  tf.disable_v2_behavior()
  global_step = tf.train.get_or_create_global_step()
  images = tf.placeholder(tf.float32, [None, 24], name='images')
  net = local('local2', local('local1', images, 32), 16)
  loss = tf.reduce_mean(tf.square(tf.reduce_mean(net, 1) - images[:, 0]), name='loss')

  pruning_hparams = pruning.get_pruning_hparams().parse(FLAGS.pruning_hparams)
  p = pruning.Pruning(pruning_hparams, global_step=global_step)
  p.print_hparams()
  train_op = tf.train.GradientDescentOptimizer(0.05).minimize(loss, global_step=global_step)
  with tf.control_dependencies([train_op]):
    mask_update_op = p.conditional_mask_update_op()
  p.add_pruning_summaries()
  summary_op = tf.summary.merge_all()

  saver = tf.train.Saver(tf.all_variables())
  sess = tf.Session()
  sess.run(tf.initialize_all_variables())
  ckpt = tf.train.get_checkpoint_state(folder)
  if ckpt and ckpt.model_checkpoint_path:
    saver.restore(sess, ckpt.model_checkpoint_path)
  summary_writer = tf.summary.FileWriter(folder, sess.graph)
  step = sess.run(global_step)
  while step < steps:
    feed = {images: np.random.uniform(size=(8, 24)).astype(np.float32)}
    sess.run(mask_update_op, feed_dict=feed)
    step = tf.train.global_step(sess, global_step)
    if step % 10 == 0:
      summary_writer.add_summary(sess.run(summary_op, feed_dict=feed), step)
  saver.save(sess, os.path.join(folder, 'model.ckpt'), global_step=step)
  print(sess.run(pruning.get_weight_sparsity()))
  print(json.dumps({'inputs': {'images': [2, 24]}, 'outputs': [net.op.name], 'sparsity': {
      'local1/weights': 0.875, 'local2/weights': 0.75}}))


if __name__ == '__main__':
  tf.app.run()
