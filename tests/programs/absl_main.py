# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""An absl program with a main() that leaves eager execution late, and a hook."""

import json

from absl import app
from absl import flags
import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

hparams = model_pruning.DEFINE_pruning_hparams(default=(
    'target_sparsity=0.9,sparsity_function_end_step=60,pruning_frequency=7,end_pruning_step=70'))
flags.DEFINE_float('learning_rate', 0.05, 'Step size.')


def dense(x, units, name):
  with tf.variable_scope(name):
    kernel = tf.get_variable('kernel', [x.shape[1], units])
    return tf.matmul(x, kernel) + tf.get_variable('bias', [units])


def main(argv):
  folder, steps = argv[1], int(argv[2])
  tf.set_random_seed(1)
  tf.disable_eager_execution()
  x = tf.placeholder(tf.float32, [None, 8], 'x')
  with model_pruning.masked_scope(exclude='logits.*'):
    logits = dense(tf.nn.relu(dense(x, 40, 'fc1')), 3, 'logits')
  tf.nn.softmax(logits, name='y')
  loss = tf.reduce_mean(tf.square(logits - 1))
  train = tf.train.GradientDescentOptimizer(flags.FLAGS.learning_rate).minimize(
      loss, tf.train.get_or_create_global_step())
  hooks = [model_pruning.PruningHook(hparams.value), tf.train.StopAtStepHook(last_step=steps)]
  with tf.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=hooks) as session:
    while not session.should_stop():
      session.run(train, {x: np.random.rand(4, 8)})
  print(json.dumps({'inputs': {'x': [3, 8]}, 'outputs': ['y'], 'sparsity': {'fc1/kernel': 0.9}}))


if __name__ == '__main__':
  app.run(main)
