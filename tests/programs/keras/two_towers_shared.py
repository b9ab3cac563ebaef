# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Two inputs, two outputs and a shared encoder; one head has its own target sparsity."""

import json
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

L = tf.keras.layers


def make_model():
  left = tf.keras.Input((10,), name='left')
  right = tf.keras.Input((10,), name='right')
  encoder = L.Dense(16, activation='tanh', name='encoder')
  a, b = encoder(left), encoder(right)
  joined = L.Concatenate(name='joined')([a, b, L.Multiply()([a, b])])
  same = L.Dense(1, activation='sigmoid', name='same')(joined)
  topic = L.Dense(7, name='topic')(L.Average()([a, b]))
  return tf.keras.Model({'left': left, 'right': right}, {'same': same, 'topic': topic})


def main(folder, until):
  random = np.random.RandomState(1)
  x = {'left': random.normal(size=(64, 10)), 'right': random.normal(size=(64, 10))}
  y = {'same': random.randint(0, 2, (64, 1)), 'topic': random.randint(0, 7, (64,))}

  plain = make_model()
  shapes = [w.shape for w in plain.get_weights()]
  if until == 2:
    model = sparsity.prune_low_magnitude(
        plain, sparsity.PolynomialDecay(0.1, 0.8, begin_step=0, end_step=13, frequency=4),
        hparams='weight_sparsity_map=[same/kernel:0.5]')
    assert len(model.trainable_weights) == 6
    model.compile(
        'rmsprop', loss={'same': 'binary_crossentropy',
                         'topic': tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
        loss_weights={'same': 1.0, 'topic': 0.3})
  else:
    model = tf.keras.models.load_model(folder + '/towers.keras')
  model.fit(x, y, batch_size=16, epochs=until, initial_epoch=until - 2, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  model.save(folder + '/towers.keras')
  np.savez(folder + '/weights.npz', **{
      name: model.get_layer(name).kernel.numpy() for name in ('encoder', 'same', 'topic')})
  if until == 2:
    print('{}')
    return

  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  after = stripped.predict(x, verbose=0)
  np.savez(folder + '/outputs.npz',
           **{'pruned_' + name: value for name, value in before.items()},
           **{'stripped_' + name: value for name, value in after.items()})
  print(json.dumps({
      'sparsity': {'encoder': 0.8, 'topic': 0.8, 'same': 0.5}, 'unpruned': shapes,
      'stripped': [w.shape for w in stripped.get_weights()]}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
