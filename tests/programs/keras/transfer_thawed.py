# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Transfer learning: first a new head on a frozen base, then the whole model."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

keras = tf.keras
folder, epochs = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, 'transfer.keras')
random = np.random.RandomState(9)
pictures = random.rand(40, 16, 16, 3).astype('float32')
classes = random.randint(0, 3, 40)


def base_model():
  keras.utils.set_random_seed(77)  # Instead of downloaded weights.
  return keras.Sequential([
      keras.Input((16, 16, 3)),
      keras.layers.Conv2D(8, 3, strides=2, use_bias=False, name='stem'),
      keras.layers.BatchNormalization(),
      keras.layers.ReLU(),
      keras.layers.SeparableConv2D(12, 3, activation='relu', name='separable'),
      keras.layers.GlobalAveragePooling2D()], name='base')


def full_model():
  base = base_model()
  base.trainable = False
  inputs = keras.Input((16, 16, 3))
  x = keras.layers.Rescaling(2.0, offset=-1.0)(inputs)
  x = base(x, training=False)
  x = keras.layers.Dropout(0.2)(x)
  return keras.Model(inputs, keras.layers.Dense(3, name='head')(x))


def compile_and_fit(model, rate, first, last):
  model.compile(keras.optimizers.Adam(rate),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=['accuracy'])
  model.fit(pictures, classes, batch_size=10, initial_epoch=first, epochs=last, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])


if epochs == 2:
  model = sparsity.prune_low_magnitude(full_model(), sparsity.PolynomialDecay(
      0.2, 0.6, begin_step=0, end_step=14, frequency=2))
  stem = model.get_layer('base').get_layer('stem').kernel
  untouched = stem.numpy()
  compile_and_fit(model, 1e-3, 0, 1)
  np.testing.assert_array_equal(stem.numpy(), untouched)  # Frozen layers are not pruned.
  assert 0 < np.mean(model.get_layer('head').kernel.numpy() == 0) < 0.6
  model.get_layer('base').trainable = True
  compile_and_fit(model, 1e-5, 1, 2)
else:
  model = keras.models.load_model(path)
  compile_and_fit(model, 1e-5, 2, 4)
model.save(path)

base = model.get_layer('base')
np.savez(os.path.join(folder, 'weights.npz'), head=model.get_layer('head').kernel.numpy(),
         stem=base.get_layer('stem').kernel.numpy(),
         pointwise=base.get_layer('separable').pointwise_kernel.numpy())
if epochs == 2:
  print('{}')
else:
  before = model.predict(pictures, verbose=0)
  stripped = sparsity.strip_pruning(model)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(pictures, verbose=0))
  # Sorted, since thawing changes the order of the weights.
  print(json.dumps({
      'sparsity': {'head': 0.6, 'stem': 0.6, 'pointwise': 0.6},
      'unpruned': sorted(list(w.shape) for w in full_model().weights),
      'stripped': sorted(list(w.shape) for w in stripped.weights)}))
