# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""No function at all: everything at the level of the module, a Session, a Saver, an update op."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_v2_behavior()
folder, last_step = sys.argv[1], int(sys.argv[2])

x = tf.placeholder(tf.float32, [None, 6], 'x')
w1 = tf.get_variable('w1', [6, 50])
b1 = tf.Variable(tf.zeros([50]), name='b1')
w2 = tf.get_variable('w2', [50, 4])
hidden = tf.nn.relu(tf.matmul(x, model_pruning.apply_mask(w1, 'w1')) + b1)
y = tf.matmul(hidden, model_pruning.apply_mask(w2, 'w2'), name='y')
global_step = tf.train.get_or_create_global_step()
train = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean((y - 2)**2), global_step)
pruning = model_pruning.Pruning(
    'target_sparsity=0.8,weight_sparsity_map=[w2:0.5],pruning_frequency=5,'
    'sparsity_function_end_step=50,end_pruning_step=70')
update = pruning.conditional_mask_update_op()
saver = tf.train.Saver()

with tf.Session() as session:
  session.run(tf.global_variables_initializer())
  latest = tf.train.latest_checkpoint(folder)
  if latest:
    saver.restore(session, latest)
  step = session.run(global_step)
  while step < last_step:
    session.run(train, {x: np.random.normal(size=[8, 6])})
    session.run(update)
    step = session.run(global_step)
  saver.save(session, os.path.join(folder, 'model.ckpt'), global_step=global_step)
print(json.dumps({'inputs': {'x': [5, 6]}, 'outputs': ['y'], 'sparsity': {'w1': 0.8, 'w2': 0.5}}))
