# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training and evaluation in two graphs of one process, in turns, by way of checkpoints."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

folder, last_step = sys.argv[1], int(sys.argv[2])


def model(is_training):
  x = tf.placeholder(tf.float32, [None, 7], 'x')
  keep = 0.9 if is_training else 1.0
  with model_pruning.masked_scope(), tf.variable_scope('scope-with.odd_name'):
    h = tf.nn.dropout(tf.nn.elu(tf.matmul(x, tf.get_variable('kernel', [7, 33]))), rate=1 - keep)
    with tf.variable_scope('out'):
      return x, tf.matmul(h, tf.get_variable('kernel', [33, 5]), name='y')


train_graph, eval_graph = tf.Graph(), tf.Graph()
with train_graph.as_default():
  x, y = model(True)
  step = tf.train.get_or_create_global_step()
  train = tf.train.RMSPropOptimizer(0.01).minimize(tf.reduce_mean((y + 1)**2), step)
  update = model_pruning.Pruning(
      'target_sparsity=0.8,sparsity_function_end_step=70,pruning_frequency=10,'
      'block_height=1,block_width=1').conditional_mask_update_op()
  init, saver = tf.global_variables_initializer(), tf.train.Saver()
with eval_graph.as_default():
  eval_x, eval_y = model(False)
  # What the evaluation graph saves, without an optimizer, is what is deployed.
  eval_step = tf.train.get_or_create_global_step()
  eval_saver = tf.train.Saver()
  deploy_saver = tf.train.Saver()

with tf.Session(graph=train_graph) as training, tf.Session(graph=eval_graph) as evaluation:
  training.run(init)
  state = os.path.join(folder, 'train')
  if tf.train.latest_checkpoint(state):
    saver.restore(training, tf.train.latest_checkpoint(state))
  while training.run(step) < last_step:
    training.run(train, {x: np.random.rand(4, 7)})
    training.run(update)
    if training.run(step) % 20 == 0:
      path = saver.save(training, os.path.join(state, 'model'), global_step=step)
      eval_saver.restore(evaluation, path)
      evaluation.run(eval_y, {eval_x: np.ones([2, 7])})
  with eval_graph.as_default():
    deploy_saver.save(evaluation, os.path.join(folder, 'deploy'))
print(json.dumps({'inputs': {'x': [3, 7]}, 'outputs': ['scope-with.odd_name/out/y'], 'sparsity': {
    'scope-with.odd_name/kernel': 0.8, 'scope-with.odd_name/out/kernel': 0.8}}))
