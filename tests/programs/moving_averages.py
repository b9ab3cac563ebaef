# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Evaluation by exponential moving averages: the saved graph computes with the shadow variables."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning


def forward(x, getter=None):
  with tf.variable_scope('net', custom_getter=getter, reuse=getter is not None):
    for index in range(2):
      with tf.variable_scope('dense%d' % index):
        kernel = tf.get_variable('kernel', [x.shape[1], 12])
        if getter is None:
          kernel = model_pruning.apply_mask(kernel, tf.get_variable_scope())
        else:  # The average of the weight, under the mask of the weight.
          kernel = model_pruning.get_masks()[index] * kernel
        x = tf.tanh(tf.matmul(x, kernel))
  return x


with tf.Graph().as_default():
  folder, last_step = sys.argv[1], int(sys.argv[2])
  inputs = tf.placeholder(tf.float32, [None, 12], 'inputs')
  step = tf.train.get_or_create_global_step()
  train = tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean((forward(inputs) - 0.5)**2), step)
  averages = tf.train.ExponentialMovingAverage(0.9, step)
  with tf.control_dependencies([train]):
    train = averages.apply(tf.trainable_variables())
  tf.identity(forward(inputs, lambda getter, name, *args, **kwargs: averages.average(
      getter(name, *args, **kwargs))), 'averaged')
  update = model_pruning.Pruning(
      'target_sparsity=0.7,sparsity_function_end_step=50,pruning_frequency=10'
  ).conditional_mask_update_op()
  saver = tf.train.Saver()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    if tf.train.latest_checkpoint(folder):
      saver.restore(session, tf.train.latest_checkpoint(folder))
    while session.run(step) < last_step:
      session.run(train, {inputs: np.random.rand(4, 12)})
      session.run(update)
    saver.save(session, os.path.join(folder, 'averaged.ckpt'), step)
print(json.dumps({'inputs': {'inputs': [4, 12]}, 'outputs': ['averaged'], 'sparsity': {
    'net/dense0/kernel': 0.7, 'net/dense1/kernel': 0.7}}))
