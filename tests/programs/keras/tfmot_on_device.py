# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The steps of tfmot's guide to on-device inference with XNNPACK; only the import differs."""

import json
import os
import sys

import numpy as np
from sklearn.datasets import load_digits
import tensorflow as tf

import model_pruning.keras as sparsity

folder, until = sys.argv[1], int(sys.argv[2])
half_done = os.path.join(folder, 'xnnpack.weights.h5')
digits = load_digits()
x_train, y_train = (digits.images[:300] / 16.0).astype('float32'), digits.target[:300]
x_train = np.stack([x_train] * 3, axis=-1)  # XNNPACK needs three channels.


def dense_model():
  keras = tf.keras
  return keras.Sequential([
      keras.layers.InputLayer(input_shape=(8, 8, 3)),
      keras.layers.ZeroPadding2D(padding=1),
      keras.layers.Conv2D(8, (3, 3), strides=(2, 2), padding='valid', name='entry'),
      keras.layers.BatchNormalization(),
      keras.layers.ReLU(),
      keras.layers.DepthwiseConv2D(kernel_size=(3, 3), padding='same'),
      keras.layers.BatchNormalization(),
      keras.layers.ReLU(),
      keras.layers.Conv2D(16, (1, 1), name='pointwise_1'),
      keras.layers.BatchNormalization(),
      keras.layers.ReLU(),
      keras.layers.Conv2D(32, (1, 1), name='pointwise_2'),
      keras.layers.ReLU(),
      keras.layers.GlobalAveragePooling2D(keepdims=True),
      keras.layers.Flatten(),
      keras.layers.Dense(10, name='classes')])


def compile_and_fit(model, first, last, callbacks):
  model.compile(loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                optimizer='adam', metrics=['accuracy'])
  model.fit(x_train, y_train, batch_size=50, initial_epoch=first, epochs=last, verbose=0,
            callbacks=callbacks)


model = dense_model()
shapes = [w.shape for w in model.get_weights()]
if until == 2:
  compile_and_fit(model, 0, 1, [])

# The policy refuses models that XNNPACK cannot run sparse.
try:
  sparsity.prune_low_magnitude(
      tf.keras.Sequential([tf.keras.layers.Dense(4, input_shape=(8,))]),
      pruning_policy=sparsity.PruneForLatencyOnXNNPack())
except ValueError as error:
  print(error)
else:
  raise AssertionError('a model without convolutions must be refused')

pruning_params = {
    'pruning_schedule': sparsity.PolynomialDecay(
        initial_sparsity=0.25, final_sparsity=0.75, begin_step=0, end_step=20, frequency=4),
    'pruning_policy': sparsity.PruneForLatencyOnXNNPack()}
model_for_pruning = sparsity.prune_low_magnitude(model, **pruning_params)
if until == 4:
  model_for_pruning.load_weights(half_done)
compile_and_fit(model_for_pruning, until - 2, until, [sparsity.UpdatePruningStep()])
model_for_pruning.save_weights(half_done)

names = ('pointwise_1', 'pointwise_2')
np.savez(os.path.join(folder, 'weights.npz'), **{
    name: model_for_pruning.get_layer(name).get_weights()[0] for name in names})
for name in ('entry', 'classes'):
  assert np.all(model_for_pruning.get_layer(name).get_weights()[0] != 0), name
if until == 2:
  print('{}')
  sys.exit()

before = model_for_pruning.predict(x_train, verbose=0)
stripped = sparsity.strip_pruning(model_for_pruning)
converter = tf.lite.TFLiteConverter.from_keras_model(stripped)
converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
sparse_file = converter.convert()
interpreter = tf.lite.Interpreter(model_content=sparse_file, num_threads=1)
interpreter.allocate_tensors()
answers = []
for image in x_train[:20]:
  interpreter.set_tensor(interpreter.get_input_details()[0]['index'], image[None])
  interpreter.invoke()
  answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]['index'])[0])
np.testing.assert_allclose(answers, before[:20], rtol=1e-3, atol=1e-4)
np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
         stripped=stripped.predict(x_train, verbose=0))
print(json.dumps({'sparsity': dict.fromkeys(names, 0.75), 'unpruned': shapes,
                  'stripped': [w.shape for w in stripped.get_weights()]}))
