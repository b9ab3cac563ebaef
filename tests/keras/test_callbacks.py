# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""UpdatePruningStep beside callbacks that put a model back, and with layers of other models."""

import copy

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from absl import logging

import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests.keras import test_training as training
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
EPOCHS = 4  # Of two batches.
SCHEDULE = sparsity.PolynomialDecay(0.0, 0.75, begin_step=0, end_step=6, frequency=2)


class Crashes(keras.callbacks.Callback):

  def on_epoch_end(self, epoch, logs=None):
    if epoch == 1:
      raise KeyboardInterrupt


def fit(callbacks, model=None):
  model = model or training.pruned(schedule=SCHEDULE)
  training.fit(model, callbacks, epochs=EPOCHS, batches=2)
  return model


@pytest.mark.parametrize('ours_first', [True, False])
def test_a_run_that_is_restored_goes_on_bit_for_bit(ours_first, tmp_path):
  def callbacks(*more):
    pair = [training.Update(), keras.callbacks.BackupAndRestore(str(tmp_path))]
    return (pair if ours_first else pair[::-1]) + list(more)

  whole = fit([training.Update()])
  with pytest.raises(KeyboardInterrupt):
    fit(callbacks(Crashes()))
  restored = fit(callbacks())
  assert training.step_of(restored) == {2 * EPOCHS}
  training.assert_equal(zoo.values(whole), zoo.values(restored))


def test_weights_loaded_in_the_middle_of_a_run_are_pruned_on(tmp_path):
  path = str(tmp_path / 'first.weights.h5')

  class Reloads(keras.callbacks.Callback):

    def on_epoch_end(self, epoch, logs=None):
      if epoch == 0:
        self.model.save_weights(path)
      elif epoch == 2:
        self.model.load_weights(path)

  model = fit([training.Update(), Reloads()])
  assert training.step_of(model) == {4}
  assert training.shares(model)[0] < 0.75  # Four batches are not six.
  fit([training.Update()], model)
  assert training.shares(model) == [0.75, 0.75]


def test_stripping_tells_of_a_model_that_went_back_to_sparser_days(monkeypatch):
  found = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: found.append(text % args))
  model = training.pruned(schedule=SCHEDULE)
  training.fit(model, epochs=1, batches=2)
  del found[:]
  sparsity.strip_pruning(model)
  assert len(found) == 1 and 'not the target of 0.75' in found[0]
  fit([training.Update()], model)
  del found[:]
  sparsity.strip_pruning(model)
  assert not found


def test_layers_count_for_themselves_where_they_are_joined_later():
  encoder = training.pruned(keras.Sequential([keras.Input((8,)), layers.Dense(6)]))
  x, y = training.data(2)
  training.fit(encoder, epochs=1, batches=2)
  head = sparsity.prune_low_magnitude(layers.Dense(4, name='head'), SCHEDULE)
  inputs = keras.Input((8,))
  joined = zoo.compiled(keras.Model(inputs, head(encoder(inputs))), run_eagerly=True)
  joined.fit(x, y, batch_size=training.BATCH, shuffle=False, verbose=0,
             callbacks=[training.Update()])
  steps = [int(layer.pruning.step.numpy()) for layer in pruned_layers(joined)]
  assert sorted(steps) == [2, 4]
  kept = {int(layer.pruning.step.numpy()): np.mean(np.asarray(layer.pruning.weights[0].mask))
          for layer in pruned_layers(joined)}
  assert kept[4] < kept[2] < 1


def test_a_callback_can_be_copied_after_a_run():
  callback = training.Update()
  fit([callback])
  fit([copy.deepcopy(callback)])


@pytest.mark.parametrize('interrupted_in', ['batch', 'epoch'])
@pytest.mark.parametrize('then', ['without', 'with'])
def test_a_fit_after_an_interrupted_one_asks_for_the_callback(interrupted_in, then):
  model = sparsity.prune_low_magnitude(
      keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]),
      sparsity.ConstantSparsity(0.5, 10, frequency=5))
  model.compile('sgd', 'mse')
  x, y = np.random.rand(64, 8), np.random.rand(64, 4)

  class Interrupt(keras.callbacks.Callback):

    def on_train_batch_end(self, batch, logs=None):
      if batch == 2 and interrupted_in == 'batch':
        raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    model.fit(x, y, batch_size=8, verbose=0,
              callbacks=[sparsity.UpdatePruningStep(), Interrupt()])
  if then == 'with':
    model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
    assert abs(np.mean(model.layers[-1].pruning.weights[0].mask.numpy()) - 0.5) < 1e-6
  else:
    with pytest.raises(Exception, match='UpdatePruningStep'):
      model.fit(x, y, batch_size=8, epochs=3, verbose=0)
