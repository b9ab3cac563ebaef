# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models nested three deep: Sequential in functional in functional, one of them used twice."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity
from tensorflow.keras import Input, Model, Sequential
from tensorflow.keras.layers import Add, Dense, LayerNormalization


def mlp(width, out, name):
  return Sequential([Input((out,)), Dense(width, activation='gelu', name='up'),
                     Dense(out, name='down')], name=name)


def block(dim, name):
  x = Input((dim,))
  y = LayerNormalization(name='norm')(x)
  y = mlp(2 * dim, dim, 'mlp')(y)
  return Model(x, Add(name='skip')([x, y]), name=name)


def trunk(dim):
  x = Input((dim,))
  first, second = block(dim, 'block_a'), block(dim, 'block_b')
  return Model(x, first(second(first(x))), name='trunk')


def whole():
  x = Input((13,), name='features')
  y = Dense(10, name='embed')(x)
  y = trunk(10)(y)
  return Model(x, Dense(2, name='regress')(y), name='whole')


def inner_kernels(model):
  found = {name: model.get_layer(name).kernel for name in ('embed', 'regress')}
  for name in ('block_a', 'block_b'):
    inner = model.get_layer('trunk').get_layer(name).get_layer('mlp')
    for part in ('up', 'down'):
      found['%s_%s' % (name, part)] = inner.get_layer(part).kernel
  return {name: kernel.numpy() for name, kernel in found.items()}


def main(folder, epochs):
  file = os.path.join(folder, 'nested.keras')
  rng = np.random.RandomState(10)
  x, y = rng.rand(72, 13), rng.rand(72, 2)
  if epochs == 2:
    model = sparsity.prune_low_magnitude(
        whole(), sparsity.PolynomialDecay(0.3, 0.85, 0, 14, frequency=4),
        hparams='weight_sparsity_map=[embed/kernel:0.6]')
    model.compile('adam', 'mse')
  else:
    with sparsity.prune_scope():
      model = tf.keras.models.load_model(file)
  model.fit(x, y, batch_size=18, initial_epoch=epochs - 2, epochs=epochs, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  model.save(file)
  kernels = inner_kernels(model)
  np.savez(os.path.join(folder, 'weights.npz'), **kernels)
  if epochs == 2:
    return {}
  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  stripped.save(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  targets = dict.fromkeys(kernels, 0.85)
  targets['embed'] = 0.6
  return {'sparsity': targets, 'unpruned': [w.shape for w in whole().get_weights()],
          'stripped': [w.shape for w in stripped.get_weights()]}


if __name__ == '__main__':
  print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
