# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""tf.train.Supervisor: its managed_session restores and initializes, masks updated by hand."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_v2_behavior()


def main(folder, steps):
  graph = tf.Graph()
  with graph.as_default():
    tf.set_random_seed(3)
    global_step = tf.train.get_or_create_global_step()
    x = tf.placeholder(tf.float32, [None, 12], 'x')
    labels = tf.placeholder(tf.int32, [None], 'labels')
    with model_pruning.masked_scope(exclude='logits/'):
      with tf.variable_scope('hidden'):
        kernel = tf.get_variable('kernel', [12, 31], initializer=tf.glorot_normal_initializer())
        hidden = tf.nn.relu(tf.matmul(x, kernel))
    with tf.variable_scope('logits'):
      kernel = tf.get_variable('kernel', [31, 4])
      logits = tf.nn.bias_add(tf.matmul(hidden, kernel), tf.get_variable('bias', [4]))
    tf.argmax(logits, 1, name='classes')
    tf.nn.log_softmax(logits, name='scores')
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    tf.summary.scalar('loss', loss)
    train_op = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, global_step)

    pruning = model_pruning.Pruning(
        'target_sparsity=0.8,sparsity_function_begin_step=10,sparsity_function_end_step=70,'
        'pruning_frequency=5,end_pruning_step=75')
    pruning.add_pruning_summaries()
    summaries = tf.summary.merge_all()
    update = pruning.conditional_mask_update_op()

    saver = tf.train.Saver(max_to_keep=2)
    supervisor = tf.train.Supervisor(
        logdir=folder, saver=saver, global_step=global_step, save_model_secs=0,
        summary_op=None)  # Which its thread could not feed.
    with supervisor.managed_session() as session:
      step = session.run(global_step)
      while not supervisor.should_stop() and step < steps:
        images = np.random.rand(16, 12)
        feed = {x: images, labels: images[:, :4].argmax(1)}
        _, step = session.run([train_op, global_step], feed)
        session.run(update)
        if step % 20 == 0:
          supervisor.summary_computed(session, session.run(summaries, feed))
      supervisor.saver.save(
          session, os.path.join(folder, 'model.ckpt'), global_step=supervisor.global_step)
  print(json.dumps({
      'inputs': {'x': [5, 12]},
      'outputs': ['classes', 'scores'],
      'sparsity': {'hidden/kernel': 0.8}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
