# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A graph whose forward pass is a tf.function over variables of TensorFlow 1."""

import json
import sys

import numpy as np
import tensorflow as tf2
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_eager_execution()
x = tf.placeholder(tf.float32, [None, 5], 'x')
with model_pruning.masked_scope():
  with tf.variable_scope('first', use_resource=True):
    first = tf.get_variable('kernel', [5, 20])
  with tf.variable_scope('second', use_resource=True):
    second = tf.get_variable('kernel', [20, 3])


@tf2.function
def forward(x, first, second):
  if tf.reduce_sum(x) > 1e9:  # AutoGraph makes a conditional of it.
    x = tf.zeros_like(x)
  return tf.matmul(tf.nn.relu(tf.matmul(x, first)), second)


y = tf.identity(forward(x, first, second), 'y')
train = tf.train.GradientDescentOptimizer(0.01).minimize(
    tf.reduce_mean((y - 1)**2), tf.train.get_or_create_global_step())
hook = model_pruning.PruningHook(sparsity=model_pruning.PolynomialDecay(
    0.0, 0.85, begin_step=5, end_step=75, frequency=8))
with tf.train.MonitoredTrainingSession(
    checkpoint_dir=sys.argv[1],
    hooks=[hook, tf.train.StopAtStepHook(last_step=int(sys.argv[2]))]) as session:
  while not session.should_stop():
    session.run(train, {x: np.random.rand(6, 5)})
print(json.dumps({'inputs': {'x': [2, 5]}, 'outputs': ['y'],
                  'sparsity': {'first/kernel': 0.85, 'second/kernel': 0.85}}))
