# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The steps of tfmot's guide to 2 by 4 sparsity; only the import differs."""

import json
import os
import sys

import numpy as np
from sklearn.datasets import load_digits
import tensorflow as tf
from tensorflow import keras

import model_pruning.keras as sparsity

prune_low_magnitude = sparsity.prune_low_magnitude
folder, until = sys.argv[1], int(sys.argv[2])
digits = load_digits()
train_images = (digits.images[:400, :, :, None] / 16.0).astype('float32')
train_labels = digits.target[:400]

pruning_params_2_by_4 = {'sparsity_m_by_n': (2, 4)}
pruning_params_sparsity_0_5 = {
    'pruning_schedule': sparsity.ConstantSparsity(target_sparsity=0.5, begin_step=0,
                                                  frequency=100)}


def layers_of(structured, random):
  return [
      random(keras.layers.Conv2D(16, 5, padding='same', activation='relu',
                                 input_shape=(8, 8, 1), name='pruning_sparsity_0_5')),
      keras.layers.MaxPooling2D((2, 2), (2, 2), padding='same'),
      structured(keras.layers.Conv2D(32, 5, padding='same', name='structural_pruning')),
      keras.layers.BatchNormalization(),
      keras.layers.ReLU(),
      keras.layers.MaxPooling2D((2, 2), (2, 2), padding='same'),
      keras.layers.Flatten(),
      structured(keras.layers.Dense(64, activation='relu', name='structural_pruning_dense')),
      keras.layers.Dropout(0.4),
      keras.layers.Dense(10, name='head')]


file = os.path.join(folder, 'two_by_four.keras')
if until == 2:
  model = keras.Sequential(layers_of(
      lambda layer: prune_low_magnitude(layer, **pruning_params_2_by_4),
      lambda layer: prune_low_magnitude(layer, **pruning_params_sparsity_0_5)))
  model.compile(optimizer='adam',
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=['accuracy'])
  model.summary(print_fn=lambda line, **_: None)
else:
  model = keras.models.load_model(file)
model.fit(train_images, train_labels, batch_size=100, epochs=until, initial_epoch=until - 2,
          verbose=0, callbacks=[sparsity.UpdatePruningStep()], validation_split=0.1)
model.save(file)

names = ('pruning_sparsity_0_5', 'structural_pruning', 'structural_pruning_dense')
kernels = {name: model.get_layer(name).get_weights()[0] for name in names}
np.savez(os.path.join(folder, 'weights.npz'), **kernels)
for name in names[1:]:
  kernel = kernels[name]
  runs = np.moveaxis(kernel, -2, -1).reshape(-1, 4)  # Of input channels.
  assert np.all(np.sum(runs == 0, axis=-1) == 2), name
if until == 2:
  print('{}')
  sys.exit()

before = model.predict(train_images, verbose=0)
model = sparsity.strip_pruning(model)
converter = tf.lite.TFLiteConverter.from_keras_model(model)
tflite_model = converter.convert()
tflite_file = os.path.join(folder, 'stripped.tflite')
with open(tflite_file, 'wb') as f:
  f.write(tflite_model)

# Convolution kernels in the file are (out, height, width, in).
interpreter = tf.lite.Interpreter(model_content=tflite_model)
interpreter.allocate_tensors()
found = [interpreter.get_tensor(details['index']) for details in interpreter.get_tensor_details()
         if list(details['shape']) == [32, 5, 5, 16]]
assert len(found) >= 1
assert np.all(np.sum(found[0].reshape(-1, 4) == 0, axis=-1) >= 2)
np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
         stripped=model.predict(train_images, verbose=0))
plain = keras.Sequential(layers_of(lambda layer: layer, lambda layer: layer))
print(json.dumps({'sparsity': dict.fromkeys(names, 0.5),
                  'unpruned': [w.shape for w in plain.get_weights()],
                  'stripped': [w.shape for w in model.get_weights()]}))
