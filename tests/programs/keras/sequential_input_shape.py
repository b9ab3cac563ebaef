# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A Sequential net whose layers are pruned one by one; the first has an input_shape."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

from model_pruning.keras import ConstantSparsity
from model_pruning.keras import PolynomialDecay
from model_pruning.keras import prune_low_magnitude
from model_pruning.keras import strip_pruning
from model_pruning.keras import UpdatePruningStep

layers = tf.keras.layers
folder, epochs = sys.argv[1], int(sys.argv[2])
saved = os.path.join(folder, 'lenet.keras')

np.random.seed(0)
images = np.random.rand(60, 12, 12, 1)
labels = tf.keras.utils.to_categorical(np.random.randint(0, 5, 60), 5)


def lenet(wrap_conv, wrap_dense):
  model = tf.keras.Sequential()
  model.add(wrap_conv(layers.Conv2D(6, 3, activation='relu', input_shape=(12, 12, 1),
                                    name='conv_1')))
  model.add(layers.MaxPooling2D())
  model.add(wrap_conv(layers.Conv2D(8, (3, 3), padding='same', name='conv_2')))
  model.add(layers.BatchNormalization())
  model.add(layers.ReLU())
  model.add(layers.Flatten())
  model.add(wrap_dense(layers.Dense(30, activation='relu', name='fc')))
  model.add(layers.Dropout(0.3))
  model.add(layers.Dense(5, activation='softmax'))
  return model


if epochs == 2:
  convs = {'pruning_schedule': ConstantSparsity(0.5, begin_step=2, frequency=2)}
  fc = {'pruning_schedule': PolynomialDecay(initial_sparsity=0.2, final_sparsity=0.85,
                                            begin_step=0, end_step=10, frequency=3)}
  model = lenet(lambda layer: prune_low_magnitude(layer, **convs),
                lambda layer: prune_low_magnitude(layer, **fc))
  assert model.built and model.input_shape == (None, 12, 12, 1)
  model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
else:
  model = tf.keras.models.load_model(saved)

model.fit(images, labels, batch_size=20, initial_epoch=epochs - 2, epochs=epochs, verbose=0,
          callbacks=[UpdatePruningStep()])
model.save(saved)

pruned = {name: model.get_layer(name).get_weights()[0] for name in ('conv_1', 'conv_2', 'fc')}
np.savez(os.path.join(folder, 'weights.npz'), **pruned)
result = {'epochs': epochs}
if epochs == 4:
  before = model.predict(images, verbose=0)
  model = strip_pruning(model)
  model.save(os.path.join(folder, 'stripped.keras'))
  model = tf.keras.models.load_model(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=model.predict(images, verbose=0))
  plain = lenet(lambda layer: layer, lambda layer: layer)
  result = {'sparsity': {'conv_1': 0.5, 'conv_2': 0.5, 'fc': 0.85},
            'unpruned': [w.shape for w in plain.get_weights()],
            'stripped': [w.shape for w in model.get_weights()]}
print(json.dumps(result))
