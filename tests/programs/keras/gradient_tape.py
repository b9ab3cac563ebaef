# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A custom training loop with GradientTape and tf.function, resumed by tf.train.Checkpoint."""

import json
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

FOLDER, EPOCHS = sys.argv[1], int(sys.argv[2])
BATCH = 16

rng = np.random.RandomState(4)
features = rng.uniform(-1, 1, (96, 9)).astype(np.float32)
targets = (features @ rng.normal(size=(9, 2))).astype(np.float32)
dataset = tf.data.Dataset.from_tensor_slices((features, targets)).batch(BATCH)

net = tf.keras.Sequential([
    tf.keras.layers.InputLayer((9,)),
    tf.keras.layers.Dense(24, activation=tf.nn.softplus),
    tf.keras.layers.Dense(24, activation=tf.nn.softplus),
    tf.keras.layers.Dense(2),
])
shapes = [w.shape.as_list() if hasattr(w.shape, 'as_list') else list(w.shape) for w in net.weights]
net = sparsity.prune_low_magnitude(
    net, sparsity.PolynomialDecay(0.0, 0.5, begin_step=3, end_step=20, frequency=3, power=1))
optimizer = tf.keras.optimizers.SGD(0.05, momentum=0.9)
# So that the optimizer's variables exist.
optimizer.build(net.trainable_variables)

epoch = tf.Variable(0, dtype=tf.int64)
checkpoint = tf.train.Checkpoint(net=net, epoch=epoch)
manager = tf.train.CheckpointManager(checkpoint, FOLDER + '/tape', max_to_keep=2)
if manager.latest_checkpoint:
  checkpoint.restore(manager.latest_checkpoint).assert_existing_objects_matched()


@tf.function
def train_step(x, y):
  with tf.GradientTape() as tape:
    loss = tf.reduce_mean(tf.math.squared_difference(net(x, training=True), y))
  gradients = tape.gradient(loss, net.trainable_variables)
  gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
  optimizer.apply_gradients(zip(gradients, net.trainable_variables))
  return loss


pruning = sparsity.UpdatePruningStep()
pruning.set_model(net)
pruning.on_train_begin()
while int(epoch) < EPOCHS:
  losses = []
  for x, y in dataset:
    pruning.on_train_batch_begin(batch=-1)
    losses.append(float(train_step(x, y)))
  pruning.on_epoch_end(batch=-1)
  epoch.assign_add(1)
  print('epoch', int(epoch), 'loss', np.mean(losses))
pruning.on_train_end()
manager.save()

kernels = {'dense_%d' % i: layer.kernel.numpy() for i, layer in enumerate(net.layers)
           if isinstance(layer, tf.keras.layers.Dense)}
np.savez(FOLDER + '/weights.npz', **kernels)
if EPOCHS == 2:
  print(json.dumps({}))
else:
  before = net(features).numpy()
  plain = sparsity.strip_pruning(net)
  np.savez(FOLDER + '/outputs.npz', pruned=before, stripped=plain(features))
  print(json.dumps({'sparsity': dict.fromkeys(kernels, 0.5), 'unpruned': shapes,
                    'stripped': [list(w.shape) for w in plain.weights]}))
