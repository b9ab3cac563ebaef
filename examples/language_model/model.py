# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A language model over characters: an embedding, two layers of LSTM cells, a softmax."""

import tensorflow.compat.v1 as tf

EMBEDDING_SIZE = 32
LAYERS = 2


class LanguageModel(object):
  """Predicts each next character of a batch of texts.

  Attributes:
    inputs: placeholder of characters, int32 of shape [batch, time].
    targets: placeholder of what follows each of them, of the same shape.
    logits: float32 of shape [batch, time, vocabulary_size].
    loss: mean cross entropy of the targets, in nats; a scalar.
  """

  def __init__(self, vocabulary_size, num_units):
    self.inputs = tf.placeholder(tf.int32, [None, None], name='inputs')
    self.targets = tf.placeholder(tf.int32, [None, None], name='targets')

    embedding = tf.get_variable('embedding', [vocabulary_size, EMBEDDING_SIZE])
    embedded = tf.nn.embedding_lookup(embedding, self.inputs)
    cell = tf.nn.rnn_cell.MultiRNNCell(
        [tf.nn.rnn_cell.BasicLSTMCell(num_units) for _ in range(LAYERS)])
    outputs, _ = tf.nn.dynamic_rnn(cell, embedded, dtype=tf.float32)
    self.logits = tf.layers.dense(outputs, vocabulary_size, name='softmax')

    self.loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=self.targets, logits=self.logits))

  def train_op(self, learning_rate, max_gradient_norm=5.0):
    """Returns the operation of one step of Adam, on clipped gradients."""
    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(self.loss, variables), max_gradient_norm)
    return tf.train.AdamOptimizer(learning_rate).apply_gradients(
        zip(gradients, variables), global_step=tf.train.get_or_create_global_step())
