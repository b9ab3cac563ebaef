# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""An LSTM over sequences of any length: dynamic_rnn, and by hand in a tf.while_loop."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_v2_behavior()

UNITS = 10
SPEC = ('target_sparsity=0.9,sparsity_function_begin_step=0,sparsity_function_end_step=70,'
        'pruning_frequency=10,block_height=2,block_width=2')


def lstm_by_hand(inputs):
  """Reads [batch, time, depth] and returns the last h."""
  batch, time, depth = tf.shape(inputs)[0], tf.shape(inputs)[1], int(inputs.shape[2])
  series = tf.TensorArray(tf.float32, time).unstack(tf.transpose(inputs, [1, 0, 2]))

  def body(t, c, h):
    with tf.variable_scope('lstm', reuse=tf.AUTO_REUSE):
      kernel = tf.get_variable('kernel', [depth + UNITS, 4 * UNITS])
      bias = tf.get_variable('bias', [4 * UNITS], initializer=tf.zeros_initializer())
    gates = tf.matmul(tf.concat([series.read(t), h], 1), kernel) + bias
    i, j, f, o = tf.split(gates, 4, axis=1)
    c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
    return t + 1, c, tf.sigmoid(o) * tf.tanh(c)

  zeros = tf.zeros([batch, UNITS])
  shape = tf.TensorShape([None, UNITS])
  return tf.while_loop(
      lambda t, c, h: t < time, body, [0, zeros, zeros],
      shape_invariants=[tf.TensorShape([]), shape, shape])[2]


def lstm(inputs):
  try:
    cell = tf.nn.rnn_cell.LSTMCell(UNITS, name='lstm')
  except AttributeError:
    return lstm_by_hand(inputs)
  return tf.nn.dynamic_rnn(cell, inputs, dtype=tf.float32, scope='')[1].h


def main(folder, steps):
  x = tf.placeholder(tf.float32, [None, None, 6], 'x')
  with model_pruning.masked_scope():
    with tf.variable_scope('encoder'):
      last = lstm(x)
    with tf.variable_scope('backward'):
      last = tf.concat([last, lstm_by_hand(tf.reverse(x, [1]))], 1)
  y = tf.reduce_sum(last, 1, name='y')
  loss = tf.losses.mean_squared_error(tf.reduce_sum(x, [1, 2]), y)
  optimizer = tf.train.RMSPropOptimizer(0.01)
  gradients, variables = zip(*optimizer.compute_gradients(loss))
  gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
  train_op = optimizer.apply_gradients(
      zip(gradients, variables), tf.train.get_or_create_global_step())
  hooks = [tf.train.StopAtStepHook(last_step=steps), model_pruning.PruningHook(SPEC)]
  with tf.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=hooks) as session:
    while not session.should_stop():
      session.run(train_op, {x: np.random.randn(4, np.random.randint(2, 9), 6)})
  names = [variable.op.name for variable in variables if variable.op.name.endswith('kernel')]
  print(json.dumps({
      'inputs': {'x': [3, 4, 6]}, 'outputs': ['y'], 'sparsity': {name: 0.9 for name in names}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
