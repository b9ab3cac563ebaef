# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A feedable iterator: one model, training and validation data switched by a string handle."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_eager_execution()


def dataset(seed, size):
  random = np.random.RandomState(seed)
  x = random.randn(size, 7).astype(np.float32)
  y = np.abs(x[:, 0] - x[:, 3]).astype(np.float32)
  return tf.data.Dataset.from_tensor_slices((x, y)).batch(16, drop_remainder=True)


def model(x):
  with tf.variable_scope('mlp', initializer=tf.variance_scaling_initializer()):
    for i, units in enumerate([25, 14]):
      kernel = tf.get_variable('layer_%d/kernel' % i, [x.shape[-1], units])
      x = tf.nn.relu(tf.matmul(x, kernel))
    return tf.squeeze(tf.matmul(x, tf.get_variable('out', [14, 1])), 1)


def main(folder, steps):
  train_data, valid_data = dataset(1, 320).shuffle(20).repeat(), dataset(2, 64)
  handle = tf.placeholder(tf.string, [], 'handle')
  iterator = tf.data.Iterator.from_string_handle(
      handle, tf.data.get_output_types(train_data), tf.data.get_output_shapes(train_data))
  x, y = iterator.get_next()
  x = tf.placeholder_with_default(x, [None, 7], 'x')
  train_iterator = tf.data.make_one_shot_iterator(train_data)
  valid_iterator = tf.data.make_initializable_iterator(valid_data)

  with model_pruning.masked_scope():
    predicted = tf.identity(model(x), 'predicted')
  loss = tf.losses.huber_loss(y, predicted)
  metric, metric_update = tf.metrics.mean_absolute_error(y, predicted, name='valid')
  metric_reset = tf.variables_initializer(tf.local_variables(scope='valid'))
  global_step = tf.train.create_global_step()
  learning_rate = tf.train.exponential_decay(0.02, global_step, 40, 0.5)
  train_op = tf.train.AdamOptimizer(learning_rate).minimize(loss, global_step)

  hook = model_pruning.PruningHook(
      'initial_sparsity=0.2,target_sparsity=0.88,pruning_frequency=3,end_pruning_step=72,'
      'sparsity_function_begin_step=6,sparsity_function_end_step=66')
  hooks = [hook, tf.train.StopAtStepHook(last_step=steps), tf.train.NanTensorHook(loss)]
  with tf.train.MonitoredTrainingSession(
      checkpoint_dir=folder, hooks=hooks, save_checkpoint_steps=30,
      log_step_count_steps=None) as session:
    raw = session.run_step_fn(lambda step_context: step_context.session)
    train_handle, valid_handle = raw.run(
        [train_iterator.string_handle(), valid_iterator.string_handle()])
    while not session.should_stop():
      _, step = session.run([train_op, global_step], {handle: train_handle})
      if step % 20 == 0:
        raw.run([metric_reset, valid_iterator.initializer])
        try:
          while True:
            raw.run(metric_update, {handle: valid_handle})
        except tf.errors.OutOfRangeError:
          print('step %d: error %.3f' % (step, raw.run(metric)))
  print(json.dumps({'inputs': {'x': [16, 7]}, 'outputs': ['predicted'], 'sparsity': {
      'mlp/layer_0/kernel': 0.88, 'mlp/layer_1/kernel': 0.88}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
