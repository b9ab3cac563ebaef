# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A model with plain tf.Variables, a custom training loop and tf.train.Checkpoint."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity


class Recommender(tf.keras.Model):
  """Factors by Embedding, biases and a global mean as variables that are no add_weight."""

  def __init__(self, users, items, size):
    super().__init__()
    self.user = tf.keras.layers.Embedding(users, size, embeddings_initializer='random_normal')
    self.item = tf.keras.layers.Embedding(items, size, embeddings_initializer='random_normal')
    self.tower = tf.keras.layers.Dense(size, activation='relu')
    self.user_bias = tf.Variable(tf.zeros([users]), name='user_bias')
    self.mean = tf.Variable(0.0, name='mean')
    self.seen = tf.Variable(0, dtype=tf.int64, trainable=False, name='seen')

  def call(self, pairs):
    users, items = pairs[:, 0], pairs[:, 1]
    product = tf.reduce_sum(self.tower(self.user(users)) * self.item(items), axis=-1)
    return product + tf.gather(self.user_bias, users) + self.mean


def main():
  folder, epochs = sys.argv[1], int(sys.argv[2])
  rng = np.random.RandomState(14)
  pairs = np.stack([rng.randint(0, 30, 120), rng.randint(0, 25, 120)], axis=1)
  stars = rng.uniform(1, 5, 120).astype('float32')

  model = Recommender(30, 25, 6)
  model(pairs[:1])
  unpruned = sorted(list(v.shape) for v in model.variables)
  own = [model.user_bias, model.mean]
  model = sparsity.prune_low_magnitude(
      model, sparsity.PolynomialDecay(0.1, 0.5, begin_step=0, end_step=10, frequency=2))
  for one, other in zip(own, (model.user_bias, model.mean)):
    np.testing.assert_array_equal(one.numpy(), other.numpy())

  # The layers' weights by Keras's optimizer, the rest by hand.
  optimizer = tf.keras.optimizers.Adagrad(0.1)
  trained = [w for layer in (model.user, model.item, model.tower) for w in layer.trainable_weights]
  optimizer.build(trained)
  checkpoint = tf.train.Checkpoint(model=model)
  prefix = os.path.join(folder, 'recommender')
  if epochs == 4:
    checkpoint.restore(tf.train.latest_checkpoint(folder)).expect_partial()
    assert int(model.seen) == 240, model.seen

  callback = sparsity.UpdatePruningStep()
  callback.set_model(model)
  callback.on_train_begin()
  for _ in range(2):
    for first in range(0, 120, 30):
      callback.on_train_batch_begin(batch=-1)
      x, y = pairs[first:first + 30], stars[first:first + 30]
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
      by_keras, by_hand = tape.gradient(loss, [trained, [model.user_bias, model.mean]])
      optimizer.apply_gradients(zip(by_keras, trained))
      model.user_bias.assign_sub(0.05 * tf.convert_to_tensor(by_hand[0]))
      model.mean.assign_sub(0.05 * by_hand[1])
      model.seen.assign_add(30)
    callback.on_epoch_end(batch=-1)
  callback.on_train_end()
  checkpoint.save(prefix)

  np.savez(os.path.join(folder, 'weights.npz'), user=model.user.embeddings.numpy(),
           item=model.item.embeddings.numpy(), tower=model.tower.kernel.numpy())
  if epochs == 2:
    return {}
  assert float(model.mean) != 0 and int(model.seen) == 480
  before = model(pairs).numpy()
  stripped = sparsity.strip_pruning(model)
  assert float(stripped.mean) == float(model.mean)
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=before, stripped=stripped(pairs).numpy())
  return {'sparsity': {'user': 0.5, 'item': 0.5, 'tower': 0.5}, 'unpruned': unpruned,
          'stripped': sorted(list(v.shape) for v in stripped.variables)}


if __name__ == '__main__':
  print(json.dumps(main()))
