# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A search over sparsities and schedules in one process; the winner is trained to the end."""

import itertools
import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

folder, epochs = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, 'winner.keras')
settings_path = os.path.join(folder, 'winner.json')
rng = np.random.RandomState(21)
x = rng.normal(size=(64, 16)).astype('float32')
y = (x[:, :4].sum(axis=1) > 0).astype('int32')


def build(units):
  return tf.keras.Sequential([
      tf.keras.layers.InputLayer((16,)),
      tf.keras.layers.Dense(units, activation='elu', name='first'),
      tf.keras.layers.Dense(2, name='last')])


def schedule_of(kind, target):
  if kind == 'constant':
    return sparsity.ConstantSparsity(target, begin_step=4, frequency=2)
  return sparsity.PolynomialDecay(0.2, target, begin_step=0, end_step=14, frequency=2)


def fit(model, first, last):
  return model.fit(x, y, batch_size=16, initial_epoch=first, epochs=last, verbose=0,
                   callbacks=[sparsity.UpdatePruningStep()]).history['loss'][-1]


if epochs == 2:
  trained = []
  base = {units: build(units) for units in (8, 12)}
  for units, kind, target in itertools.product((8, 12), ('constant', 'polynomial'), (0.5, 0.9)):
    tf.keras.utils.set_random_seed(5)
    dense = tf.keras.models.clone_model(base[units])
    dense.set_weights(base[units].get_weights())
    model = sparsity.prune_low_magnitude(dense, schedule_of(kind, target))
    model.compile('adam', tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained.append((fit(model, 0, 2), len(trained), units, kind, target, model))
  assert all(np.all(base[units].get_weights()[0] != 0) for units in base)
  _, _, units, kind, target, model = min(trained)
  with open(settings_path, 'w') as f:
    json.dump({'units': units, 'kind': kind, 'target': target}, f)
else:
  with open(settings_path) as f:
    settings = json.load(f)
  units, target = settings['units'], settings['target']
  model = tf.keras.models.load_model(path)
  fit(model, 2, 4)
model.save(path)

np.savez(os.path.join(folder, 'weights.npz'), first=model.get_layer('first').get_weights()[0],
         last=model.get_layer('last').get_weights()[0])
if epochs == 2:
  print(json.dumps({'units': units}))
else:
  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  print(json.dumps({'sparsity': {'first': target, 'last': target},
                    'unpruned': [w.shape for w in build(units).get_weights()],
                    'stripped': [w.shape for w in stripped.get_weights()]}))
