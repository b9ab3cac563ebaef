# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The global policy mixed_float16: float32 weights, float16 outputs, a scaled loss."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

tf.keras.mixed_precision.set_global_policy('mixed_float16')


def cnn():
  inputs = tf.keras.Input((10, 10, 3))
  x = tf.keras.layers.Conv2D(8, 3, activation='relu', name='plain')(inputs)
  x = tf.keras.layers.DepthwiseConv2D(3, name='depthwise')(x)
  x = tf.keras.layers.Conv2D(12, 1, name='pointwise')(x)
  x = tf.keras.layers.GlobalMaxPooling2D()(x)
  x = tf.keras.layers.Dense(6, name='logits')(x)
  return tf.keras.Model(inputs, tf.keras.layers.Activation('softmax', dtype='float32')(x))


def main(folder, epochs):
  data = np.random.RandomState(19)
  x, y = data.rand(36, 10, 10, 3).astype('float16'), data.randint(0, 6, 36)
  file = os.path.join(folder, 'half.keras')
  if epochs == 2:
    model = sparsity.prune_low_magnitude(cnn(), sparsity.PolynomialDecay(
        initial_sparsity=0.0, final_sparsity=0.7, begin_step=2, end_step=11, frequency=3))
    model.compile(tf.keras.optimizers.SGD(0.01, momentum=0.9), 'sparse_categorical_crossentropy')
    assert 'LossScale' in type(model.optimizer).__name__
  else:
    model = tf.keras.models.load_model(file)
  model.fit(x, y, batch_size=12, epochs=epochs, initial_epoch=epochs - 2, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  model.save(file)
  names = ('plain', 'pointwise', 'logits')
  kernels = {name: model.get_layer(name).get_weights()[0] for name in names}
  assert all(kernel.dtype == np.float32 for kernel in kernels.values())
  np.savez(os.path.join(folder, 'weights.npz'), **kernels)
  if epochs == 2:
    return {}
  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  stripped.save(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  return {'sparsity': dict.fromkeys(names, 0.7), 'unpruned': [w.shape for w in cnn().get_weights()],
          'stripped': [w.shape for w in stripped.get_weights()]}


if __name__ == '__main__':
  print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
