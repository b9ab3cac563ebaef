# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Custom layers with weights: one names its prunable weights, another is registered."""

import json
import os
import sys

import numpy as np
import tensorflow as tf

import model_pruning.keras as sparsity

register = tf.keras.utils.register_keras_serializable


@register('low_rank')
class LowRankDense(tf.keras.layers.Layer, sparsity.PrunableLayer):
  """x U V + b."""

  def __init__(self, units, rank, **kwargs):
    super().__init__(**kwargs)
    self.units, self.rank = units, rank

  def build(self, input_shape):
    self.u = self.add_weight(name='u', shape=(input_shape[-1], self.rank), initializer='he_normal')
    self.v = self.add_weight(name='v', shape=(self.rank, self.units), initializer='he_normal')
    self.gain = self.add_weight(name='gain', shape=(1, self.units), initializer='ones')
    self.b = self.add_weight(name='b', shape=(self.units,), initializer='zeros')
    super().build(input_shape)

  def call(self, x):
    return tf.matmul(tf.matmul(x, self.u), self.v) * self.gain + self.b

  def get_prunable_weights(self):
    return [self.u, self.v]

  def get_config(self):
    return {**super().get_config(), 'units': self.units, 'rank': self.rank}


@register('low_rank')
class Mixer(tf.keras.layers.Layer):
  """A third-party layer: a table and a kernel of rank 3."""

  def __init__(self, heads=2, **kwargs):
    super().__init__(**kwargs)
    self.heads = heads

  def build(self, shape):
    width = int(shape[-1])
    self.mix = self.add_weight(name='mix', shape=(self.heads, width, width),
                               initializer='glorot_uniform')
    self.table = self.add_weight(name='table', shape=(4, width), initializer='random_normal')
    self.built = True

  def call(self, x):
    return tf.reduce_mean(tf.einsum('bi,hij->bhj', x, self.mix), axis=1) + self.table[0]

  def get_config(self):
    return dict(super().get_config(), heads=self.heads)


sparsity.register_prunable_layer(Mixer, ['mix'])


@register('low_rank')
class ScaledDense(tf.keras.layers.Dense):
  """A subclass of a Keras layer."""

  def call(self, x):
    return 0.5 * super().call(x)


def model_fn():
  inp = tf.keras.layers.Input(shape=(12,))
  x = LowRankDense(14, 5, name='low_rank')(inp)
  x = tf.keras.layers.Activation('selu')(x)
  x = Mixer(name='mixer')(x)
  return tf.keras.models.Model(inp, ScaledDense(3, name='scaled')(x))


folder, until = sys.argv[1], int(sys.argv[2])
data = np.random.RandomState(12)
x, y = data.normal(size=(56, 12)), data.normal(size=(56, 3))
if until == 2:
  model = sparsity.prune_low_magnitude(model_fn(), sparsity.PolynomialDecaySchedule(
      begin_step=2, total_iters=11, update_frequency=2, initial_sparsity=0.1, target_sparsity=0.8))
  model.compile('nadam', 'huber' if hasattr(tf.keras.losses, 'huber') else 'mse')
else:
  model = tf.keras.models.load_model(os.path.join(folder, 'own.keras'))
model.fit(x, y, batch_size=14, epochs=until, initial_epoch=until - 2, verbose=0,
          callbacks=[sparsity.UpdatePruningStep()])
model.save(os.path.join(folder, 'own.keras'))

low_rank, mixer, scaled = (model.get_layer(name) for name in ('low_rank', 'mixer', 'scaled'))
np.savez(os.path.join(folder, 'weights.npz'), u=low_rank.u.numpy(), v=low_rank.v.numpy(),
         mix=mixer.mix.numpy(), scaled=scaled.kernel.numpy())
assert np.all(low_rank.gain.numpy() != 0) and np.all(mixer.table.numpy() != 0)
answer = {}
if until == 4:
  pruned_predictions = model.predict(x, verbose=0)
  stripped = sparsity.strip_pruning(model)
  assert [type(layer).__name__ for layer in stripped.layers[1:]] == [
      'LowRankDense', 'Activation', 'Mixer', 'ScaledDense']
  stripped.save(os.path.join(folder, 'stripped.keras'))
  np.savez(os.path.join(folder, 'outputs.npz'), pruned=pruned_predictions,
           stripped=stripped.predict(x, verbose=0))
  answer = {'sparsity': dict.fromkeys(('u', 'v', 'mix', 'scaled'), 0.8),
            'unpruned': [w.shape for w in model_fn().get_weights()],
            'stripped': [w.shape for w in stripped.get_weights()]}
print(json.dumps(answer))
