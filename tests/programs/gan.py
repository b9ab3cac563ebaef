# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A GAN: two optimizers over two variable scopes, a discriminator used twice, both nets pruned."""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf

import model_pruning

tf.disable_v2_behavior()


def fc(x, units, name, activation=tf.identity):
  with tf.variable_scope(name):
    w = tf.get_variable(
        'w', [int(x.shape[1]), units], initializer=tf.truncated_normal_initializer())
    b = tf.get_variable('b', [units], initializer=tf.zeros_initializer())
    return activation(tf.matmul(x, w) + b)


def generator(z):
  with tf.variable_scope('generator', reuse=tf.AUTO_REUSE):
    return fc(fc(z, 24, 'g1', tf.nn.elu), 10, 'g2', tf.tanh)


def discriminator(x, reuse):
  with tf.variable_scope('discriminator', reuse=reuse):
    return fc(fc(x, 17, 'd1', tf.nn.leaky_relu), 1, 'd2')


def main(folder, steps):
  z = tf.placeholder(tf.float32, [None, 6], 'z')
  real = tf.placeholder(tf.float32, [None, 10], 'real')
  with model_pruning.masked_scope(include='generator/g./w|discriminator/d1/w'):
    with tf.name_scope('gen'):
      fake = generator(z)
    with tf.name_scope('real_pass'):
      real_logits = discriminator(real, reuse=False)
    with tf.name_scope('fake_pass'):
      fake_logits = discriminator(fake, reuse=True)
  tf.identity(fake, 'sample')
  tf.sigmoid(fake_logits, 'score')
  entropy = tf.nn.sigmoid_cross_entropy_with_logits
  d_loss = tf.reduce_mean(entropy(labels=tf.ones_like(real_logits), logits=real_logits) +
                          entropy(labels=tf.zeros_like(fake_logits), logits=fake_logits))
  g_loss = tf.reduce_mean(entropy(labels=tf.ones_like(fake_logits), logits=fake_logits))

  global_step = tf.train.get_or_create_global_step()
  d_train = tf.train.AdamOptimizer(1e-3, name='d_adam').minimize(
      d_loss, var_list=tf.trainable_variables('discriminator'))
  g_train = tf.train.AdamOptimizer(1e-3, name='g_adam').minimize(
      g_loss, global_step, var_list=tf.trainable_variables('generator'))
  assert len(tf.trainable_variables()) == 8 and len(model_pruning.get_masks()) == 3

  hook = model_pruning.PruningHook(
      'weight_sparsity_map=[^generator:0.7,^discriminator:0.5],target_sparsity=0.7,'
      'sparsity_function_end_step=60,pruning_frequency=6')
  saver_hook = tf.train.CheckpointSaverHook(folder, save_steps=25)
  with tf.train.MonitoredTrainingSession(
      checkpoint_dir=folder, save_checkpoint_secs=None, hooks=[hook, saver_hook]) as session:
    step = 0
    while step < steps:
      noise = np.random.randn(8, 6)
      for _ in range(2):
        session.run(d_train, {z: noise, real: np.random.rand(8, 10)})
      _, step = session.run([g_train, global_step], {z: noise})
  print(json.dumps({'inputs': {'z': [3, 6]}, 'outputs': ['sample', 'score'], 'sparsity': {
      'generator/g1/w': 0.7, 'generator/g2/w': 0.7, 'discriminator/d1/w': 0.5}}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
