# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""BackupAndRestore after a crash, with ModelCheckpoint and EarlyStopping."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

folder, epochs = sys.argv[1], int(sys.argv[2])
best = os.path.join(folder, 'best.keras')


class Interrupted(Exception):
  pass


class PowerCut(tf.keras.callbacks.Callback):

  def on_train_batch_end(self, batch, logs=None):
    if self.epoch == 2 and batch == 1:
      raise Interrupted()

  def on_epoch_begin(self, epoch, logs=None):
    self.epoch = epoch


def net():
  return tf.keras.Sequential([
      tf.keras.Input((15,)), tf.keras.layers.Dense(20, activation='relu', name='a'),
      tf.keras.layers.Dense(20, activation='relu', name='b'), tf.keras.layers.Dense(1, name='c')])


random = np.random.RandomState(18)
x = random.normal(size=(80, 15)).astype('float32')
y = (x @ random.normal(size=(15, 1))).astype('float32')
tf.keras.utils.set_random_seed(18)
model = sparsity.prune_low_magnitude(net(), sparsity.PolynomialDecay(
    0.1, 0.9, begin_step=0, end_step=12, frequency=2))
model.compile('adam', 'mse')
callbacks = [
    tf.keras.callbacks.BackupAndRestore(os.path.join(folder, 'backup')),
    sparsity.UpdatePruningStep(),
    tf.keras.callbacks.ModelCheckpoint(best, monitor='val_loss', save_best_only=True),
    tf.keras.callbacks.EarlyStopping(monitor='val_loss', patience=50),
]
fit = {'batch_size': 16, 'validation_data': (x[:16], y[:16]), 'verbose': 0, 'epochs': 4}
names = ('a', 'b', 'c')
if epochs == 2:
  try:
    model.fit(x, y, callbacks=[*callbacks, PowerCut()], **fit)
  except Interrupted:
    pass
  else:
    raise AssertionError('fit must be interrupted')
  # The best of the two complete epochs.
  reached = tf.keras.models.load_model(best)
  np.savez(os.path.join(folder, 'weights.npz'),
           **{name: reached.get_layer(name).kernel.numpy() for name in names})
  print('{}')
else:
  seen = []
  note = tf.keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
  model.fit(x, y, callbacks=[*callbacks, note], **fit)
  assert seen == [2, 3], seen  # The first two are not repeated.
  np.savez(os.path.join(folder, 'weights.npz'),
           **{name: model.get_layer(name).kernel.numpy() for name in names})
  before = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  # The best epoch may have a lower sparsity.
  sparsity.strip_pruning(tf.keras.models.load_model(best)).save(
      os.path.join(folder, 'stripped_best.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before,
           stripped=stripped.predict(x, verbose=0))
  print(json.dumps({'sparsity': dict.fromkeys(names, 0.9),
                    'unpruned': [w.shape for w in net().get_weights()],
                    'stripped': [w.shape for w in stripped.get_weights()]}))
