# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A small transformer with MultiHeadAttention and EinsumDense, saved whole."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

keras = tf.keras
LENGTH, WIDTH, HEADS = 6, 16, 2


@keras.utils.register_keras_serializable('transformer')
class TransformerBlock(keras.layers.Layer):

  def __init__(self, width, heads, rate=0.1, **kwargs):
    super().__init__(**kwargs)
    self.width, self.heads, self.rate = width, heads, rate
    self.attention = keras.layers.MultiHeadAttention(heads, width // heads)
    self.expand = keras.layers.EinsumDense('bsd,df->bsf', (None, 2 * width), bias_axes='f',
                                           activation='relu')
    self.shrink = keras.layers.EinsumDense('bsf,fd->bsd', (None, width), bias_axes='d')
    self.norm_1, self.norm_2 = (keras.layers.LayerNormalization(epsilon=1e-6) for _ in range(2))
    self.dropout = keras.layers.Dropout(rate)

  def build(self, input_shape):
    shape = tuple(input_shape)
    # Keras 2 builds the layer by another method.
    if hasattr(self.attention, '_build_from_signature'):
      self.attention._build_from_signature(shape, shape)
    else:
      self.attention.build(shape, shape)
    self.expand.build(shape)
    self.shrink.build((*shape[:-1], 2 * self.width))
    self.norm_1.build(shape)
    self.norm_2.build(shape)
    super().build(input_shape)

  def call(self, x, training=None):
    x = self.norm_1(x + self.dropout(self.attention(x, x), training=training))
    return self.norm_2(x + self.shrink(self.expand(x)))

  def get_config(self):
    return {**super().get_config(), 'width': self.width, 'heads': self.heads, 'rate': self.rate}


def transformer():
  tokens = keras.Input((LENGTH,), dtype='int32')
  x = keras.layers.Embedding(30, WIDTH, name='tokens')(tokens)
  x = TransformerBlock(WIDTH, HEADS, name='block')(x)
  x = keras.layers.GlobalAveragePooling1D()(x)
  return keras.Model(tokens, keras.layers.Dense(5, name='out')(x))


folder, epochs = sys.argv[1], int(sys.argv[2])
rng = np.random.RandomState(17)
x, y = rng.randint(0, 30, (32, LENGTH)), rng.randint(0, 5, 32)
file = os.path.join(folder, 'transformer.keras')
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
if epochs == 2:
  model = sparsity.prune_low_magnitude(
      transformer(), sparsity.PolynomialDecay(0.25, 0.75, begin_step=0, end_step=13, frequency=4),
      pruning_policy=sparsity.skip_unknown)
  model.compile(keras.optimizers.AdamW(1e-3), loss)
else:
  model = keras.models.load_model(file)
model.fit(x, y, batch_size=8, epochs=epochs, initial_epoch=epochs - 2, verbose=0,
          callbacks=[sparsity.UpdatePruningStep()])
model.save(file)

block = model.get_layer('block')
kernels = {'expand': block.expand.kernel, 'shrink': block.shrink.kernel,
           'tokens': model.get_layer('tokens').embeddings, 'out': model.get_layer('out').kernel}
for weight in block.attention.trainable_weights:
  if len(weight.shape) == 3:
    name = getattr(weight, 'path', weight.name)
    kernels[[part for part in ('query', 'key', 'value', 'output') if part in name][0]] = weight
assert len(kernels) == 8
np.savez(os.path.join(folder, 'weights.npz'), **{k: v.numpy() for k, v in kernels.items()})
if epochs == 2:
  print('{}')
else:
  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  stripped.save(os.path.join(folder, 'stripped.keras'))
  print(json.dumps({'sparsity': dict.fromkeys(kernels, 0.75),
                    'unpruned': [list(w.shape) for w in transformer().weights],
                    'stripped': [list(w.shape) for w in stripped.weights]}))
