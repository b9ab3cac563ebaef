# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The research branch's options: movement of the weights as saliency, and groups of layers."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from model_pruning.python import pruning

tf.disable_v2_behavior()


def layer(x, units, name, group):
  with tf.variable_scope(name) as scope:
    w = tf.get_variable('weights', [int(x.shape[1]), units])
    return tf.matmul(x, pruning.apply_mask_with_group(w, scope, 'first_order_gradient', group))


def main(folder, last_step):
  x = tf.placeholder(tf.float32, [None, 10], 'x')
  h = tf.nn.sigmoid(layer(x, 20, 'a', 'lower'))
  h = tf.nn.sigmoid(layer(h, 20, 'b', 'lower'))
  y = tf.identity(layer(h, 10, 'c', 'upper'), 'y')
  step = tf.train.create_global_step()
  train = tf.train.AdamOptimizer().minimize(tf.losses.mean_squared_error(tf.ones_like(y), y), step)
  hparams = pruning.get_pruning_hparams()
  hparams.parse('prune_option=first_order_gradient,group_pruning=true,initial_sparsity=0.6')
  hparams.target_sparsity = 0.6
  hparams.group_sparsity_map = ['upper:0.4']
  hparams.sparsity_function_end_step = 5e1
  hparams.pruning_frequency = 10
  p = pruning.Pruning(hparams, global_step=step)
  update = p.conditional_mask_update_op()
  sparsities = pruning.get_weight_sparsity()
  saver = tf.train.Saver()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    if tf.train.latest_checkpoint(folder):
      saver.restore(session, tf.train.latest_checkpoint(folder))
    while session.run(step) < last_step:
      session.run(train, {x: np.random.rand(5, 10)})
      session.run(update)
    saver.save(session, os.path.join(folder, 'grouped'), global_step=step)
    a, b, c = session.run(sparsities)
    # A group has one threshold: its sparsity is that of both of its weights together.
    assert round((a * 200 + b * 400) / 600, 4) == 0.6 and round(float(c), 4) == 0.4
  print(json.dumps({'inputs': {'x': [3, 10]}, 'outputs': ['y'], 'sparsity': {
      'a/weights': float(a), 'b/weights': float(b), 'c/weights': float(c)}}))


main(sys.argv[1], int(sys.argv[2]))
