# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Estimator: one model_fn for TRAIN, EVAL and PREDICT, tf.data in input_fns, training_hooks."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning


def model_fn(features, labels, mode, params):
  images = tf.identity(features['image'], 'images')
  with model_pruning.masked_scope(exclude='head'):
    net = tf.layers.conv1d(images, 8, 3, activation=tf.nn.relu, name='conv')
    net = tf.layers.flatten(net)
    net = tf.layers.dense(net, params['units'], tf.nn.relu, name='dense')
    logits = tf.layers.dense(net, 2, name='head')
  predictions = {
      'classes': tf.argmax(logits, 1, name='classes'),
      'probabilities': tf.nn.softmax(logits, name='probabilities')}
  if mode == tf.estimator.ModeKeys.PREDICT:
    return tf.estimator.EstimatorSpec(mode, predictions)
  loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
  if mode == tf.estimator.ModeKeys.EVAL:
    metrics = {'accuracy': tf.metrics.accuracy(labels, predictions['classes'])}
    return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
  train_op = tf.train.AdagradOptimizer(0.1).minimize(loss, tf.train.get_global_step())
  hook = model_pruning.PruningHook(params['pruning'])
  return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, training_hooks=[hook])


def input_fn(seed, repeat=True):
  images = np.random.RandomState(seed).rand(64, 9, 2).astype(np.float32)
  labels = (images.mean((1, 2)) > 0.5).astype(np.int32)
  dataset = tf.data.Dataset.from_tensor_slices(({'image': images}, labels))
  return dataset.shuffle(64).repeat(None if repeat else 1).batch(8)


def main(folder, steps):
  try:
    print(tf.layers.dense.__name__, tf.estimator.Estimator.__name__)
  except AttributeError as error:
    print(json.dumps({'skip': 'no Estimator or tf.layers here: %s' % error}))
    return
  config = tf.estimator.RunConfig(tf_random_seed=1, save_checkpoints_steps=20)
  params = {
      'units': 15,
      'pruning': 'target_sparsity=0.75,sparsity_function_end_step=64,pruning_frequency=8'}
  estimator = tf.estimator.Estimator(model_fn, folder, config, params)
  train_spec = tf.estimator.TrainSpec(lambda: input_fn(1), max_steps=steps)
  eval_spec = tf.estimator.EvalSpec(lambda: input_fn(2, repeat=False), throttle_secs=0)
  tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)
  predicted = list(estimator.predict(lambda: input_fn(3, repeat=False)))
  assert len(predicted) == 64 and estimator.get_variable_value('global_step') == steps
  print(json.dumps({
      'inputs': {'images': [4, 9, 2]}, 'outputs': ['classes', 'probabilities'],
      'sparsity': {'conv/kernel': 0.75, 'dense/kernel': 0.75}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
