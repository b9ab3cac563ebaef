# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Lambdas wherever Keras takes a function: layers, activations, an initializer, a loss."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

K, folder, until = tf.keras.layers, sys.argv[1], int(sys.argv[2])
weights_file = os.path.join(folder, 'lambdas.weights.h5')
swish = lambda t: t * tf.sigmoid(1.7 * t)
scale = 3.0

inputs = tf.keras.Input((8,))
h = K.Lambda(lambda t: t / scale, name='scale')(inputs)
h = K.Dense(14, activation=swish, name='one',
            kernel_initializer=lambda shape, dtype=None, **_: tf.random.stateless_normal(
                shape, seed=(1, 2), dtype=dtype or 'float32'))(h)
h = K.Activation(lambda t: tf.nn.leaky_relu(t, 0.3))(h)
h = K.Lambda(lambda t: tf.concat([t, -t], axis=-1), output_shape=(28,))(h)
h = K.Dense(10, activation=lambda t: tf.nn.relu(t) ** 2, name='two')(h)
h = K.TimeDistributed(K.Dense(3, activation=lambda t: tf.sin(t)), name='three')(
    K.Reshape((2, 5))(h))
outputs = K.Lambda(lambda t: tf.reduce_sum(t, axis=1), output_shape=(3,))(h)
model = tf.keras.Model(inputs, outputs)
unpruned = [list(w.shape) for w in model.weights]

rng = np.random.RandomState(23)
x, y = rng.rand(60, 8).astype('float32'), rng.rand(60, 3).astype('float32')
dense = model(x).numpy()
model = sparsity.prune_low_magnitude(model, sparsity.PolynomialDecay(0.0, 0.6, 2, 14, frequency=2))
np.testing.assert_allclose(model(x).numpy(), dense, rtol=1e-5, atol=1e-6)
model.compile(tf.keras.optimizers.Adam(1e-3), loss=lambda t, p: tf.reduce_mean(tf.abs(t - p), -1))
if until == 4:
  model.load_weights(weights_file)
rate = tf.keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 * 0.9 ** epoch)
model.fit(x, y, batch_size=15, epochs=until, initial_epoch=until - 2, verbose=0,
          callbacks=[rate, sparsity.UpdatePruningStep()])
model.save_weights(weights_file)

np.savez(os.path.join(folder, 'weights.npz'), one=model.get_layer('one').get_weights()[0],
         two=model.get_layer('two').get_weights()[0],
         three=model.get_layer('three').get_weights()[0])
if until == 2:
  print('{}')
else:
  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  print(json.dumps({'sparsity': {'one': 0.6, 'two': 0.6, 'three': 0.6}, 'unpruned': unpruned,
                    'stripped': [list(w.shape) for w in stripped.weights]}))
