# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Queues: records in a file, a reader, tf.train.shuffle_batch, a Coordinator and queue runners."""

import json
import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

SPEC = 'target_sparsity=0.5,intra_block_sparsity=true,block_width=4,sparsity_function_end_step=40'


def write_records(path):
  random = np.random.RandomState(0)
  with tf.python_io.TFRecordWriter(path) as writer:
    for _ in range(100):
      x = random.rand(8)
      features = tf.train.Features(feature={
          'x': tf.train.Feature(float_list=tf.train.FloatList(value=x)),
          'label': tf.train.Feature(int64_list=tf.train.Int64List(value=[int(x[0] > x[5])]))})
      writer.write(tf.train.Example(features=features).SerializeToString())


def inputs(path):
  queue = tf.train.string_input_producer([path])
  _, serialized = tf.TFRecordReader().read(queue)
  features = tf.parse_single_example(serialized, features={
      'x': tf.FixedLenFeature([8], tf.float32), 'label': tf.FixedLenFeature([], tf.int64)})
  return tf.train.shuffle_batch(
      [features['x'], features['label']], batch_size=10, capacity=60, min_after_dequeue=20,
      num_threads=2)


def main(folder, steps):
  records = os.path.join(folder, 'train.tfrecords')
  if not os.path.exists(records):
    tf.gfile.MakeDirs(folder)
    write_records(records)
  with tf.Graph().as_default(), tf.Session() as sess:
    batch, labels = inputs(records)
    x = tf.placeholder_with_default(batch, [None, 8], name='x')
    with model_pruning.masked_scope(exclude='.*/out_weights'):
      with tf.variable_scope('fc'):
        weights = tf.get_variable('weights', [8, 16], regularizer=tf.nn.l2_loss)
        net = tf.nn.relu(tf.nn.xw_plus_b(x, weights, tf.get_variable('b', [16])))
      with tf.variable_scope('out'):
        logits = tf.matmul(net, tf.get_variable('out_weights', [16, 2]))
    tf.nn.softmax(logits, name='probabilities')
    tf.losses.sparse_softmax_cross_entropy(labels, logits)
    loss = tf.losses.get_total_loss()
    global_step = tf.Variable(0, trainable=False, name='global_step')
    train_op = tf.train.FtrlOptimizer(0.05).minimize(loss, global_step=global_step)
    pruning = model_pruning.Pruning(SPEC, global_step=global_step)
    train_op = tf.group(train_op, pruning.conditional_mask_update_op())
    saver = tf.train.Saver(tf.global_variables())
    sess.run(tf.group(tf.global_variables_initializer(), tf.local_variables_initializer()))
    latest = tf.train.get_checkpoint_state(folder)
    if latest and latest.model_checkpoint_path:
      saver.restore(sess, latest.model_checkpoint_path)
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)
    try:
      while not coord.should_stop() and sess.run(global_step) < steps:
        sess.run(train_op)
      saver.save(sess, os.path.join(folder, 'model.ckpt'), global_step=global_step)
    finally:
      coord.request_stop()
      coord.join(threads)
  print(json.dumps({
      'inputs': {'x': [10, 8]}, 'outputs': ['probabilities'], 'sparsity': {'fc/weights': 0.5}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
