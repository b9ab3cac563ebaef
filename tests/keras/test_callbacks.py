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
from model_pruning.keras import traces
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs
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


@pytest.mark.sampled(1)
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


# Counts, which are variables: files and other models change them at any time.


class EachBatch(keras.callbacks.Callback):
  """Calls a function with the model and the number of the batch, from 1, after each."""

  def __init__(self, function):
    super().__init__()
    self._function, self._batches = function, 0

  def on_train_batch_end(self, batch, logs=None):
    self._batches += 1
    self._function(self.model, self._batches)


def in_fit(model, after_batch):
  training.fit(model, [training.Update(), EachBatch(after_batch)], epochs=2, batches=12)


def in_fit_before_the_callback(model, after_batch):
  training.fit(model, [EachBatch(after_batch), training.Update()], epochs=2, batches=12)


def in_fit_by_several_batches(model, after_batch):
  model.compile('sgd', model.loss, steps_per_execution=2)
  training.fit(model, [training.Update(), EachBatch(
      lambda model, executions: after_batch(model, 2 * executions))], epochs=2, batches=12)


def in_a_loop(model, after_batch, ends_batches=True):
  callback, (x, y) = training.Update(), training.data(1)
  callback.set_model(model)
  callback.on_train_begin()
  for batch in range(24):
    callback.on_train_batch_begin(batch=-1)
    model.train_on_batch(x, y)
    if ends_batches:
      callback.on_train_batch_end(batch=-1)
    after_batch(model, batch + 1)
    if batch % 12 == 11:
      callback.on_epoch_end(batch=-1)
  callback.on_train_end()


def in_a_loop_without_ends(model, after_batch):
  in_a_loop(model, after_batch, ends_batches=False)


ALL_WAYS = [in_fit, in_fit_before_the_callback, in_fit_by_several_batches, in_a_loop,
            in_a_loop_without_ends]
WAYS = pytest.mark.parametrize('train', ALL_WAYS, ids=lambda train: train.__name__)


@pytest.mark.sampled(1)
# When weights are saved, and loaded again: before an update, after it and after the last one.
@pytest.mark.parametrize('train, when', legs.few(legs.product(
    ALL_WAYS, [(2, 4), (4, 6), (4, 14), (10, 18)]), 8, 'newest'), ids=lambda each: getattr(
        each, '__name__', str(each)))
def test_weights_loaded_between_batches_bring_their_step(train, when, tmp_path):
  saved, loaded = when
  path, model = str(tmp_path / 'saved.weights.h5'), training.pruned(schedule=SCHEDULE)
  before, after = [], []

  def save_or_load(model, batch):
    if batch == saved:
      model.save_weights(path)
      before.append(training.shares(model))
    elif batch == loaded:
      model.load_weights(path)
      after.append(training.shares(model))

  train(model, save_or_load)
  assert after == before
  assert training.step_of(model) == {24 - loaded + saved}
  assert training.shares(model) == [0.75, 0.75]


@pytest.mark.parametrize('number', [2, 9])
def test_few_and_many_layers_bring_their_step(number, tmp_path):
  path = str(tmp_path / 'saved.weights.h5')
  model = sparsity.prune_low_magnitude(keras.Sequential(
      [keras.Input((8,))] + [layers.Dense(8) for _ in range(number)]), SCHEDULE)
  model.compile('sgd', 'mse')
  x = np.ones((1, 8), np.float32)
  callback = sparsity.UpdatePruningStep()
  callback.set_model(model)
  callback.on_train_begin()
  for batch in range(5):
    callback.on_train_batch_begin(batch=-1)
    model.train_on_batch(x, x)
    callback.on_train_batch_end(batch=-1)
    if batch == 0:
      model.save_weights(path)
    if batch == 3:
      model.load_weights(path)
  assert [int(layer.pruning.step.numpy()) for layer in pruned_layers(model)] == number * [2]
  assert [int(layer.pruning.last_update_step.numpy()) for layer in pruned_layers(model)] == (
      number * [2])


@pytest.mark.sampled(1)
@WAYS
def test_models_that_share_layers_count_the_batches_of_both(train):
  shared = sparsity.prune_low_magnitude(layers.Dense(6), SCHEDULE)
  inputs = keras.Input((8,))
  one, other = (training.zoo.compiled(keras.Model(inputs, layers.Dense(4)(shared(inputs))))
                for _ in range(2))
  second = training.Update()
  x, y = training.data(1)

  def train_the_other(model, batch):
    if batch == 2:
      second.set_model(other)
      second.on_train_begin()
    if batch % 4 == 0:
      second.on_train_batch_begin(batch=-1)
      other.train_on_batch(x, y)
      second.on_epoch_end(batch=-1)

  train(one, train_the_other)
  assert int(shared.pruning.step.numpy()) == 24 + 6
  assert np.mean(np.asarray(shared.kernel) == 0) == 0.75


@pytest.mark.sampled(1)
@WAYS
def test_a_step_that_is_saved_after_a_batch_counts_it(train):
  found = {}
  train(training.pruned(schedule=SCHEDULE),
        lambda model, batch: found.setdefault(batch, training.step_of(model)))
  assert found == {batch: {batch} for batch in found}


@training.needs_keras_2
def test_keras_2_does_not_wait_for_the_logs_of_batches():
  kinds = []

  class Looks(sparsity.UpdatePruningStep):

    def on_train_batch_end(self, batch, logs=None):
      super().on_train_batch_end(batch, logs)
      kinds.append(tensorflow.is_tensor(logs['loss']))  # Numbers were waited for.

  model = training.pruned(schedule=SCHEDULE)
  fit([Looks()], model)
  assert kinds == 2 * EPOCHS * [True]
  assert training.step_of(model) == {2 * EPOCHS}


def test_two_callbacks_in_one_loop_count_batches_once():
  model = training.pruned(schedule=SCHEDULE)
  callbacks = keras.callbacks.CallbackList([training.Update(), training.Update()], model=model)
  callbacks.on_train_begin()
  x, y = training.data(1)
  for batch in range(8):
    callbacks.on_train_batch_begin(batch)
    model.train_on_batch(x, y)
    callbacks.on_train_batch_end(batch)
  callbacks.on_train_end()
  assert training.step_of(model) == {8} and training.shares(model) == [0.75, 0.75]


def test_two_callbacks_in_one_fit_warn_once_of_a_target_that_is_missed(caplog):
  model = training.pruned(schedule=sparsity.PolynomialDecay(0.0, 0.75, 0, 1000, frequency=1))
  fit([training.Update(), training.Update()], model)
  assert caplog.text.count('not the target of 0.75') == 1



def test_a_loop_that_is_interrupted_in_a_batch_is_continued_by_another_callback():
  model = training.pruned(schedule=SCHEDULE)
  callbacks = [training.Update(), training.Update()]
  for callback in callbacks:
    callback.set_model(model)
    callback.on_train_begin()
    x, y = training.data(1)
    for batch in range(4):
      callback.on_train_batch_begin(batch=-1)
      if callback is callbacks[0] and batch == 3:
        break
      model.train_on_batch(x, y)
      callback.on_train_batch_end(batch=-1)
  assert training.step_of(model) == {8}  # The batch that was announced may have been trained on.


@pytest.mark.parametrize('run_eagerly', [False, True])
def test_a_second_fit_traces_no_update_again(run_eagerly, monkeypatch):
  model = training.pruned(schedule=SCHEDULE, compiling={'run_eagerly': run_eagerly})
  fit([training.Update()], model)
  traced = []
  original = traces.update_masks
  monkeypatch.setattr(traces, 'update_masks',
                      lambda *arguments: traced.append(1) or original(*arguments))
  fit([training.Update()], model)
  assert not traced
  other = training.pruned(schedule=SCHEDULE)
  fit([training.Update()], other)
  assert traced


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


@pytest.mark.sampled(1)
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
