# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The second process knows no model: it resumes from the meta graph, and goes on pruning."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from model_pruning.python import pruning

SPEC = 'target_sparsity=0.9,sparsity_function_end_step=60,pruning_frequency=6'


def build():
  x = tf.placeholder(tf.float32, [None, 16], 'x')
  with pruning.masked_scope(), tf.variable_scope('fc', use_resource=True):
    y = tf.matmul(x, tf.get_variable('kernel', [16, 16]), name='y')
  train = tf.train.AdagradOptimizer(0.1).minimize(
      tf.reduce_mean((y - 3)**2), tf.train.get_or_create_global_step())
  update = pruning.Pruning(SPEC).conditional_mask_update_op()
  tf.add_to_collection('train', train)
  tf.add_to_collection('train', update)
  return tf.train.Saver()


def main(folder, last_step):
  latest = tf.train.latest_checkpoint(folder)
  saver = tf.train.import_meta_graph(latest + '.meta') if latest else build()
  step = tf.train.get_global_step()
  train, update = tf.get_collection('train')
  with tf.Session() as session:
    if latest:
      saver.restore(session, latest)
      update = pruning.Pruning(SPEC).conditional_mask_update_op()  # A new one will do as well.
    else:
      session.run(tf.global_variables_initializer())
    while session.run(step) < last_step:
      session.run(train, {'x:0': np.random.rand(3, 16)})
      session.run(update)
    assert len(session.run(pruning.get_masks())) == 1
    saver.save(session, os.path.join(folder, 'run'), global_step=step)


with tf.Graph().as_default():
  main(sys.argv[1], int(sys.argv[2]))
print(json.dumps({'inputs': {'x': [3, 16]}, 'outputs': ['fc/y'], 'sparsity': {'fc/kernel': 0.9}}))
