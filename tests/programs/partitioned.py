# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Large weights cut into parts by a partitioner, and one threshold over the whole model."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning


def main(folder, last_step):
  ids = tf.placeholder(tf.int32, [None], 'ids')
  with tf.variable_scope('model', partitioner=tf.fixed_size_partitioner(3)), \
      model_pruning.masked_scope('.*(kernel|table)$'):
    with tf.variable_scope('embedding'):
      table = tf.get_variable('table', [31, 8])
    with tf.variable_scope('out'):
      kernel = tf.get_variable('kernel', [8, 6])
  y = tf.matmul(tf.nn.embedding_lookup(table, ids), kernel, name='y')
  train = tf.train.AdamOptimizer(0.01).minimize(
      tf.reduce_mean((y - 1)**2), tf.train.get_or_create_global_step())
  hook = model_pruning.PruningHook('target_sparsity=0.5,sparsity_function_end_step=60')
  stop = tf.train.StopAtStepHook(last_step=last_step)
  with tf.train.MonitoredTrainingSession(checkpoint_dir=folder, hooks=[hook, stop]) as session:
    while not session.should_stop():
      session.run(train, {ids: np.random.randint(31, size=5)})


with tf.Graph().as_default():
  main(sys.argv[1], int(sys.argv[2]))
print(json.dumps({'inputs': {'ids': [4]}, 'outputs': ['y'], 'sparsity': {
    'model/embedding/table': 0.5, 'model/out/kernel': 0.5}}))
