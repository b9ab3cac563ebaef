# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Mixed precision: a custom_getter casts float32 weights to half; loss scaling; bfloat16."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

LOSS_SCALE = 64.0


def float32_storage(getter, name, shape=None, dtype=None, trainable=True, **kwargs):
  """Trains a float32 variable wherever the model asks for a half one."""
  storage = tf.float32 if trainable and dtype == tf.float16 else dtype
  variable = getter(name, shape, dtype=storage, trainable=trainable, **kwargs)
  return variable if storage == dtype else tf.cast(variable, dtype, name.split('/')[-1] + '_half')


def dense(x, units, name):
  with tf.variable_scope(name):
    kernel = tf.get_variable('kernel', [x.shape[1], units], x.dtype)
    bias = tf.get_variable('bias', [units], x.dtype, tf.zeros_initializer())
    return tf.matmul(x, kernel) + bias


def model(x):
  with tf.variable_scope('mixed', custom_getter=float32_storage):
    x = tf.nn.relu(dense(tf.cast(x, tf.float16), 30, 'fc1'))
    x = tf.nn.relu(dense(x, 20, 'fc2'))
  return tf.cast(dense(tf.cast(x, tf.bfloat16), 4, 'brain'), tf.float32, 'y')


def main(folder, steps):
  with tf.Graph().as_default():
    tf.set_random_seed(9)
    x = tf.placeholder(tf.float32, [None, 10], 'x')
    with model_pruning.masked_scope():
      y = model(x)
    assert [mask.dtype.base_dtype for mask in model_pruning.get_masks()] == [
        tf.float32, tf.float32, tf.bfloat16]
    loss = tf.reduce_mean(tf.square(y - x[:, :4]))
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    grads_and_vars = optimizer.compute_gradients(loss * LOSS_SCALE)
    assert all(gradient is not None for gradient, _ in grads_and_vars)
    train_op = optimizer.apply_gradients(
        [(gradient * (1 / LOSS_SCALE), variable) for gradient, variable in grads_and_vars],
        tf.train.get_or_create_global_step())
    hooks = [
        tf.train.StopAtStepHook(last_step=steps),
        tf.train.LoggingTensorHook({'loss': loss}, every_n_iter=50),
        model_pruning.PruningHook(
            'target_sparsity=0.7,sparsity_function_end_step=55,pruning_frequency=11')]
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=folder, hooks=hooks, save_summaries_steps=10) as session:
      while not session.should_stop():
        session.run(train_op, {x: np.random.rand(8, 10)})
  print(json.dumps({'inputs': {'x': [3, 10]}, 'outputs': ['y'], 'sparsity': {
      'mixed/fc1/kernel': 0.7, 'mixed/fc2/kernel': 0.7, 'brain/kernel': 0.7}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
