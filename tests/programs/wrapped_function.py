# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Eager TensorFlow 2 around code of TensorFlow 1, by wrap_function; masks and weights are eager."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.enable_eager_execution()
folder, last_step = sys.argv[1], int(sys.argv[2])
step = tf.Variable(0, dtype=tf.int64, name='global_step', use_resource=True)


def train_step(x):
  with model_pruning.masked_scope(), tf.variable_scope('fc', reuse=tf.AUTO_REUSE):
    kernel = tf.get_variable('kernel', [9, 30])
  loss = tf.reduce_mean((tf.matmul(x, kernel) - 1)**2)
  weight, = model_pruning.get_weights()
  gradient, = tf.gradients(loss, weight)
  with tf.control_dependencies([weight.assign_sub(0.1 * gradient), step.assign_add(1)]):
    update = model_pruning.Pruning(
        'target_sparsity=0.7,sparsity_function_end_step=60,pruning_frequency=10',
        global_step=step).conditional_mask_update_op()
  with tf.control_dependencies([update]):
    return tf.identity(loss)


wrapped = tf.wrap_function(train_step, [tf.TensorSpec([None, 9], tf.float32)])
variables = {variable.name.split(':')[0]: variable for variable in wrapped.graph.variables}
variables['global_step'] = step
state = os.path.join(folder, 'state.npz')
if os.path.exists(state):
  for name, value in np.load(state).items():
    variables[name.replace('|', '/')].assign(value)
while int(step.numpy()) < last_step:
  wrapped(tf.constant(np.random.rand(4, 9), tf.float32))
np.savez(state, **{name.replace('/', '|'): v.numpy() for name, v in variables.items()})

# Deployed from a graph of TensorFlow 1, as the rest of the house expects it.
with tf.Graph().as_default(), tf.Session() as session:
  x = tf.placeholder(tf.float32, [None, 9], 'x')
  with model_pruning.masked_scope(), tf.variable_scope('fc'):
    tf.matmul(x, tf.get_variable('kernel', [9, 30]), name='y')
  for variable in tf.global_variables():
    variable.load(np.load(state)[variable.op.name.replace('/', '|')], session)
  tf.train.Saver().save(session, os.path.join(folder, 'model.ckpt'))
print(json.dumps({'inputs': {'x': [3, 9]}, 'outputs': ['fc/y'], 'sparsity': {'fc/kernel': 0.7}}))
