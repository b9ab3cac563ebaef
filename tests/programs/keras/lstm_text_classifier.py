# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A text classifier: Embedding, a Bidirectional LSTM, a Bidirectional GRU."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

vocab_size, maxlen = 40, 9


def build_model():
  model = tf.keras.models.Sequential()
  model.add(tf.keras.layers.Embedding(vocab_size, 8, mask_zero=True, name='embedding'))
  model.add(tf.keras.layers.Bidirectional(
      tf.keras.layers.LSTM(6, return_sequences=True), name='first'))
  model.add(tf.keras.layers.Bidirectional(
      tf.keras.layers.GRU(5, dropout=0.1), merge_mode='sum', name='second'))
  model.add(tf.keras.layers.Dense(1, activation='sigmoid', name='out'))
  model.build((None, maxlen))
  return model


def recurrent(model):
  """The kernels, found by their place in get_weights(), as everybody does."""
  found = {}
  for name in ('first', 'second'):
    weights = model.get_layer(name).get_weights()
    found.update({name + '_forward': weights[0], name + '_forward_recurrent': weights[1],
                  name + '_backward': weights[3], name + '_backward_recurrent': weights[4]})
  for name in ('embedding', 'out'):
    found[name] = model.get_layer(name).get_weights()[0]
  return found


folder, epochs = sys.argv[1], int(sys.argv[2])
rs = np.random.RandomState(16)
sentences = tf.keras.utils.pad_sequences(
    [rs.randint(1, vocab_size, rs.randint(3, maxlen + 1)).tolist() for _ in range(30)], maxlen)
positive = rs.randint(0, 2, (30, 1))

if epochs == 2:
  model = sparsity.prune_low_magnitude(
      build_model(), sparsity.PolynomialDecay(0.0, 0.8, begin_step=1, end_step=10, frequency=3))
  model.compile(loss='binary_crossentropy', optimizer=tf.keras.optimizers.Adam(clipnorm=1.0))
else:
  model = tf.keras.models.load_model(os.path.join(folder, 'sentiment.keras'))
model.fit(sentences, positive, batch_size=10, epochs=epochs, initial_epoch=epochs - 2, verbose=0,
          callbacks=[sparsity.UpdatePruningStep()])
model.save(os.path.join(folder, 'sentiment.keras'))
kernels = recurrent(model)
np.savez(os.path.join(folder, 'weights.npz'), **kernels)
summary = {}
if epochs == 4:
  before = model.predict(sentences, verbose=0)
  final = sparsity.strip_pruning(model)
  final.save(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=final.predict(sentences, verbose=0))
  summary = {'sparsity': {name: 0.8 for name in kernels},
             'unpruned': [w.shape for w in build_model().get_weights()],
             'stripped': [w.shape for w in final.get_weights()]}
print(json.dumps(summary))
