# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A fully connected net whose kernels are cut into parts, one for each parameter server."""

from typing import Any

import tensorflow.compat.v1 as tf

import model_pruning


def build(images: Any, parts: int) -> Any:
  """Returns logits of shape [n, 10] for images of shape [n, height, width, 1].

  All three kernels are masked: hidden1, hidden2 and logits.

  Args:
    images: float32.
    parts: how many parts each kernel is stored in. A checkpoint does not mind: it can
      be restored with another number.
  """
  partitioner = tf.fixed_size_partitioner(parts) if parts > 1 else None
  x = tf.reshape(images, [-1, int(images.shape[1] * images.shape[2] * images.shape[3])])
  with model_pruning.masked_scope():
    x = tf.nn.relu(_dense(x, 256, 'hidden1', partitioner))
    x = tf.nn.relu(_dense(x, 256, 'hidden2', partitioner))
    return _dense(x, 10, 'logits', partitioner)


def _dense(x: Any, units: int, name: str, partitioner: Any) -> Any:
  with tf.variable_scope(name):
    kernel = tf.get_variable('kernel', [int(x.shape[-1]), units], partitioner=partitioner,
                             initializer=tf.glorot_uniform_initializer())
    bias = tf.get_variable('bias', [units], initializer=tf.zeros_initializer())
    return tf.matmul(x, kernel) + bias
