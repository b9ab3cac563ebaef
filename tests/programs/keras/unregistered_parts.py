# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A custom regularizer, constraint, initializer and RNN cell; nothing is registered."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity


class Orthogonality(tf.keras.regularizers.Regularizer):

  def __init__(self, factor):
    self.factor = factor

  def __call__(self, w):
    gram = tf.matmul(w, w, transpose_a=True)
    return self.factor * tf.reduce_sum(tf.square(gram - tf.eye(int(w.shape[-1]))))


class Clip(tf.keras.constraints.Constraint):

  def __init__(self, limit):
    self.limit = limit

  def __call__(self, w):
    return tf.clip_by_value(w, -self.limit, self.limit)


class Sines(tf.keras.initializers.Initializer):

  def __call__(self, shape, dtype=None, **kwargs):
    count = int(np.prod(shape))
    return tf.cast(tf.reshape(tf.sin(tf.range(1, count + 1, dtype=tf.float32)), shape) * 0.3,
                   dtype or tf.float32)


class Lasso(tf.keras.regularizers.Regularizer):

  def __call__(self, w):
    return 1e-4 * tf.reduce_sum(tf.abs(w))


class MinimalCell(tf.keras.layers.SimpleRNNCell):
  """A cell that forgets half of its state."""

  def call(self, inputs, states, training=None):
    state = tf.nest.flatten(states)[0]
    return super().call(inputs, [0.5 * state] if isinstance(states, (list, tuple)) else 0.5 * state)


def network():
  sequence = tf.keras.Input((5, 6))
  x = tf.keras.layers.RNN(MinimalCell(9, kernel_regularizer=Lasso()), name='rnn')(sequence)
  x = tf.keras.layers.Dense(10, kernel_regularizer=Orthogonality(1e-3), activation='relu',
                            kernel_initializer=Sines(), name='orthogonal')(x)
  x = tf.keras.layers.Dense(4, kernel_constraint=Clip(0.2), bias_regularizer=Lasso(),
                            name='clipped')(x)
  return tf.keras.Model(sequence, x)


def kernels_of(model):
  recurrent = model.get_layer('rnn').get_weights()
  return {'rnn_kernel': recurrent[0], 'rnn_recurrent': recurrent[1],
          'orthogonal': model.get_layer('orthogonal').get_weights()[0],
          'clipped': model.get_layer('clipped').get_weights()[0]}


if __name__ == '__main__':
  folder, epochs = sys.argv[1], int(sys.argv[2])
  file = os.path.join(folder, 'parts.weights.h5')
  r = np.random.RandomState(24)
  x, y = r.normal(size=(45, 5, 6)).astype('float32'), r.normal(size=(45, 4)).astype('float32')
  net = network()
  shapes = [w.shape for w in net.get_weights()]
  net = sparsity.prune_low_magnitude(
      net, sparsity.PolynomialDecay(0.3, 0.7, begin_step=0, end_step=10, frequency=1))
  net.compile('adamax', 'mse')
  if epochs == 4:
    net.load_weights(file)
  net.fit(x, y, batch_size=15, epochs=2, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  net.save_weights(file)
  kernels = kernels_of(net)
  assert np.abs(kernels['clipped']).max() <= np.float32(0.2)
  np.savez(os.path.join(folder, 'weights.npz'), **kernels)
  said = {}
  if epochs == 4:
    before = net.predict(x, verbose=0)
    net = sparsity.strip_pruning(net)
    layer = net.get_layer('clipped')
    assert isinstance(layer.kernel_constraint, Clip) and len(net.losses) == 3
    np.savez(os.path.join(folder, 'outputs.npz'), pruned=before, stripped=net.predict(x, verbose=0))
    net.compile('adamax', 'mse')
    net.fit(x, y, verbose=0)  # Without the callback.
    assert np.abs(layer.get_weights()[0]).max() <= np.float32(0.2)
    said = {'sparsity': dict.fromkeys(kernels, 0.7), 'unpruned': shapes,
            'stripped': [w.shape for w in net.get_weights()]}
  print(json.dumps(said))
