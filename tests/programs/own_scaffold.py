# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A MonitoredTrainingSession whose Scaffold, Saver and initializers were made before the hook."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning


def build():
  x = tf.placeholder(tf.float32, [None, 10], name='x')
  with model_pruning.masked_scope(), tf.variable_scope('net'):
    for index, units in enumerate([30, 30, 2]):
      with tf.variable_scope('layer_%d' % index):
        x = tf.matmul(x, tf.get_variable('weights', [x.shape[1], units]))
  return tf.identity(x, name='y')


def train(folder, last_step):
  y = build()
  step = tf.train.get_or_create_global_step()
  train_op = tf.train.MomentumOptimizer(0.01, 0.5).minimize(tf.reduce_mean((y - 1)**2), step)
  tf.summary.scalar('mean', tf.reduce_mean(y))
  scaffold = tf.train.Scaffold(
      saver=tf.train.Saver(max_to_keep=2), init_op=tf.global_variables_initializer(),
      summary_op=tf.summary.merge_all())
  hook = model_pruning.PruningHook(
      'target_sparsity=0.75,begin_pruning_step=10,pruning_frequency=15,'
      'sparsity_function_begin_step=10,sparsity_function_end_step=70')
  feed = tf.train.FeedFnHook(lambda: {'x:0': np.random.rand(4, 10)})
  with tf.train.MonitoredTrainingSession(
      checkpoint_dir=folder, scaffold=scaffold, save_checkpoint_steps=25,
      save_summaries_steps=None, hooks=[feed, hook, tf.train.StopAtStepHook(last_step=last_step)]
  ) as session:
    while not session.should_stop():
      session.run(train_op)


if __name__ == '__main__':
  with tf.Graph().as_default():
    train(sys.argv[1], int(sys.argv[2]))
  print(json.dumps({'inputs': {'x': [3, 10]}, 'outputs': ['y'], 'sparsity': {
      'net/layer_%d/weights' % layer: 0.75 for layer in range(3)}}))
