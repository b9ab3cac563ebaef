# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""An encoder used directly and through TimeDistributed, with one set of weights."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity


def ranker():
  keras = tf.keras
  encoder = keras.Sequential(
      [keras.layers.Dense(15, activation='relu', name='wide'),
       keras.layers.Dense(6, name='code')], name='encoder')
  query = keras.Input(shape=(11,), name='query')
  candidates = keras.Input(shape=(4, 11), name='candidates')
  scores = keras.layers.Dot(axes=(1, 2), name='scores')(
      [encoder(query), keras.layers.TimeDistributed(encoder)(candidates)])
  return keras.Model([query, candidates], keras.layers.Softmax()(scores))


def main(folder, epochs):
  rng = np.random.RandomState(8)
  inputs = [rng.rand(50, 11).astype('float32'), rng.rand(50, 4, 11).astype('float32')]
  best = rng.randint(0, 4, 50)

  plain = ranker()
  shapes = [w.shape for w in plain.get_weights()]
  assert len(shapes) == 4
  model = sparsity.prune_low_magnitude(plain, sparsity.PolynomialDecay(
      0.25, 0.75, begin_step=0, end_step=16, frequency=5))
  assert len(model.trainable_weights) == 4
  model.compile('adagrad', 'sparse_categorical_crossentropy')
  file = os.path.join(folder, 'ranker.weights.h5')
  if epochs > 2:
    model.load_weights(file)
  model.fit(inputs, best, batch_size=10, initial_epoch=epochs - 2, epochs=epochs, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  model.save_weights(file)

  encoder = model.get_layer('encoder')
  np.savez(os.path.join(folder, 'weights.npz'), wide=encoder.get_layer('wide').kernel.numpy(),
           code=encoder.get_layer('code').kernel.numpy())
  if epochs == 2:
    return {}
  before = model.predict(inputs, verbose=0)
  stripped = sparsity.strip_pruning(model)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(inputs, verbose=0))
  return {'sparsity': {'wide': 0.75, 'code': 0.75}, 'unpruned': shapes,
          'stripped': [w.shape for w in stripped.get_weights()]}


print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
