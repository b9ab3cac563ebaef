# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""An endless tf.data pipeline with steps_per_epoch, and two steps per execution."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

STEPS_PER_EPOCH = 6


def input_fn(seed):
  generator = tf.random.Generator.from_seed(seed)

  def one(_):
    x = generator.normal((10, 3))
    return x, tf.reduce_sum(x[2:] * x[:-2], axis=1)

  return (tf.data.Dataset.counter() if hasattr(tf.data.Dataset, 'counter')
          else tf.data.experimental.Counter()).map(one).batch(12).repeat().prefetch(2)


def forecaster():
  return tf.keras.Sequential([
      tf.keras.Input((10, 3)),
      tf.keras.layers.Conv1D(12, 3, padding='causal', activation='relu', name='causal'),
      tf.keras.layers.Conv1D(12, 3, padding='causal', dilation_rate=2, name='dilated'),
      tf.keras.layers.Flatten(),
      tf.keras.layers.Dense(8, name='horizon')])


if __name__ == '__main__':
  FOLDER, EPOCHS = sys.argv[1], int(sys.argv[2])
  PATH = os.path.join(FOLDER, 'forecaster.keras')
  if EPOCHS == 2:
    tf.keras.utils.set_random_seed(20)
    net = sparsity.prune_low_magnitude(
        forecaster(), sparsity.PolynomialDecay(0.2, 0.8, begin_step=0, end_step=4 * STEPS_PER_EPOCH,
                                               frequency=2))
    net.compile('adam', 'mae', steps_per_execution=2)
  else:
    net = tf.keras.models.load_model(PATH)
  net.fit(input_fn(EPOCHS), steps_per_epoch=STEPS_PER_EPOCH, initial_epoch=EPOCHS - 2,
          epochs=EPOCHS, validation_data=input_fn(99), validation_steps=1, verbose=0,
          callbacks=[sparsity.UpdatePruningStep()])
  net.save(PATH)
  NAMES = ('causal', 'dilated', 'horizon')
  np.savez(os.path.join(FOLDER, 'weights.npz'),
           **{name: net.get_layer(name).kernel.numpy() for name in NAMES})
  if EPOCHS == 2:
    print('{}')
  else:
    batch = next(iter(input_fn(3)))[0]
    before = net(batch).numpy()
    small = sparsity.strip_pruning(net)
    np.savez(os.path.join(FOLDER, 'outputs.npz'), pruned=before, stripped=small(batch).numpy())
    print(json.dumps({'sparsity': dict.fromkeys(NAMES, 0.8),
                      'unpruned': [w.shape for w in forecaster().get_weights()],
                      'stripped': [w.shape for w in small.get_weights()]}))
