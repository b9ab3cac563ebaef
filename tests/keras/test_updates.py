# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Mask updates in all ways to train: frozen layers, executions, many runs in one process."""

import gc
import logging as std_logging
import weakref

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from absl import logging

import model_pruning.keras as sparsity
from model_pruning.keras import updates
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs
from tests.keras.test_loops import fit
from tests.keras.test_loops import interrupt
from tests.keras.test_loops import pruned
from tests.keras.test_loops import SCHEDULE
from tests.keras.test_loops import shares
from tests.keras.test_loops import steps
from tests.keras.test_loops import X
from tests.keras.test_loops import Y

pytestmark = pytest.mark.legacy_keras

layers = keras.layers


@pytest.fixture(name='said')
def fixture_said(monkeypatch):
  """The warnings that are logged."""
  found = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: found.append(text % args))
  return found


def with_a_callback_list(model):
  """Trains by a CallbackList, as fit() does itself."""
  callbacks = keras.callbacks.CallbackList(
      [sparsity.UpdatePruningStep()], add_history=True, model=model, epochs=2, steps=8, verbose=0)
  callbacks.on_train_begin()
  for epoch in range(2):
    callbacks.on_epoch_begin(epoch)
    for batch in range(8):
      callbacks.on_train_batch_begin(batch)
      model.train_on_batch(X[8 * batch:8 * batch + 8], Y[8 * batch:8 * batch + 8])
      callbacks.on_train_batch_end(batch)
    callbacks.on_epoch_end(epoch)
  callbacks.on_train_end()


def with_passes_in_training_mode(model):
  """Takes gradients between epochs, as plots of them do."""
  class Gradients(keras.callbacks.Callback):

    def on_epoch_end(self, epoch, logs=None):
      with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_mean(self.model(X, training=True))
      assert tape.gradient(loss, self.model.trainable_variables)

  fit(model, sparsity.UpdatePruningStep(), Gradients(), epochs=2)


def with_the_callback_twice(model):
  fit(model, sparsity.UpdatePruningStep(), sparsity.UpdatePruningStep(), epochs=2)


def with_one_callback_twice(model):
  update = sparsity.UpdatePruningStep()
  fit(model, update, update, epochs=2)


def with_a_run_of_another_model_between(model):
  other, update = pruned(), sparsity.UpdatePruningStep()
  for each in (model, other, model):
    fit(each, update)


def with_a_fit_of_another_model_inside(model):
  class Inner(keras.callbacks.Callback):

    def on_epoch_end(self, epoch, logs=None):
      fit(pruned(), sparsity.UpdatePruningStep())

  fit(model, sparsity.UpdatePruningStep(), Inner(), epochs=2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('train', [
    with_a_callback_list, with_passes_in_training_mode, with_the_callback_twice,
    with_one_callback_twice,
    with_a_run_of_another_model_between, with_a_fit_of_another_model_inside],
    ids=lambda train: train.__name__)
def test_other_ways_to_train_prune_the_same(train):
  keras.utils.set_random_seed(2)
  model = pruned()
  train(model)
  assert steps(model) == {16} and shares(model) == [0.5, 0.5]


# Frozen layers.


def freeze(model, frozen=True):
  for layer in model.layers:
    layer.trainable = not frozen
  model.compile('sgd', 'mse')


@pytest.mark.sampled(2)
@pytest.mark.parametrize('how, schedule', legs.few(legs.product(['layers', 'model', 'records'], [
    SCHEDULE, sparsity.ConstantSparsity(0.5, 0, frequency=2),
    'target_sparsity=0.5,sparsity_function_end_step=10,pruning_frequency=2']), 3), ids=str)
def test_a_frozen_model_is_trained_with_one_line_and_goes_on_when_thawed(how, schedule, said):
  model = pruned(schedule)
  if how == 'layers':
    freeze(model)
  elif how == 'model':
    model.trainable = False
  else:
    for layer in pruned_layers(model):
      layer.trainable = False
  model.compile('sgd', 'mse')
  del said[:]
  fit(model, sparsity.UpdatePruningStep(), epochs=2)
  assert len(said) == 1 and 'trainable' in said[0] and model.name in said[0]
  assert shares(model) == [0, 0]
  notes = ' '.join(sparsity.report(model).notes)
  assert 'Frozen' in notes and 'first/kernel' in notes and 'never updated' in notes
  del said[:]
  fit(model)  # Frozen layers need no callback.
  model.trainable = True
  freeze(model, False)
  with pytest.raises(Exception, match='UpdatePruningStep'):
    fit(model)
  fit(model, sparsity.UpdatePruningStep(), epochs=2)
  assert shares(model) == [0.5, 0.5] and not said and not sparsity.report(model).notes


def test_a_model_of_which_one_layer_is_frozen_is_trained_without_a_word(said):
  model = pruned()
  model.get_layer('first').trainable = False
  model.compile('sgd', 'mse')
  del said[:]
  fit(model, sparsity.UpdatePruningStep(), epochs=2)
  assert not said and shares(model) == [0, 0.5]
  (note,) = sparsity.report(model).notes
  assert 'first/kernel' in note and 'last/kernel' not in note
  model.get_layer('first').trainable = True
  model.compile('sgd', 'mse')
  with pytest.raises(Exception, match='UpdatePruningStep'):
    fit(model)  # It did not reach its target while it was frozen.
  fit(model, sparsity.UpdatePruningStep())
  assert shares(model) == [0.5, 0.5]


class OfParts(keras.Model):
  """A model that is pruned as one layer."""

  def __init__(self):
    super().__init__()
    self.first, self.last = keras.layers.Dense(8, name='first'), keras.layers.Dense(4, name='last')

  def call(self, inputs):
    return self.last(self.first(inputs))


@pytest.mark.parametrize('begun', [False, True])
def test_a_frozen_part_of_a_model_is_named_and_pruned_when_thawed(begun, caplog):
  x = np.random.RandomState(0).rand(16, 8).astype('float32')
  model = OfParts()
  model(x)
  model.first.trainable = False
  model = sparsity.prune_low_magnitude(  # The last update of a run is at step 4 of 8.
      model, sparsity.PolynomialDecay(0.0, 0.5, 0, 4, frequency=2), in_place=True)
  assert '1 of 2 layers that could be pruned are frozen' in caplog.text
  assert caplog.text.rstrip().endswith(': first')

  def train(epochs=2):
    model.compile('sgd', 'mse')
    model.fit(x, x[:, :4], 4, verbose=0, epochs=epochs, callbacks=[sparsity.UpdatePruningStep()])
    return [np.mean(np.asarray(weight) == 0) for weight in (model.first.kernel, model.last.kernel)]

  if begun:
    assert train() == [0, 0.5]
    caplog.clear()
  model.first.trainable = begun
  sparsity_of = train()
  if begun:
    assert sparsity_of == [0.5, 0.5] and train() == [0.5, 0.5]
  sparsity.strip_pruning(model)
  assert ('1 of 2 pruned layers were frozen' in caplog.text) == (not begun)


# Schedules of users between executions.


@keras.utils.register_keras_serializable('tests_loops')
class AtSteps(sparsity.PruningSchedule):
  """Updates at two steps."""

  def __init__(self, first=4, second=7):
    self.first, self.second = first, second

  def __call__(self, step):
    return step in (self.first, self.second), 0.25 if step < self.second else 0.75

  def get_config(self):
    return {'class_name': 'AtSteps', 'config': {'first': self.first, 'second': self.second}}


@pytest.mark.sampled(3)
@pytest.mark.parametrize('executions', [1, 2, 3, 5])
def test_an_update_within_an_execution_is_made_after_it(executions):
  seen = []

  class Sees(keras.callbacks.Callback):

    def on_train_batch_begin(self, batch, logs=None):
      seen.append((batch, shares(self.model)[0]))

  model = pruned(AtSteps(), steps_per_execution=executions)
  fit(model, sparsity.UpdatePruningStep(), Sees(), epochs=2)
  assert shares(model) == [0.75, 0.75]
  ends = [min(end, 8) for end in range(executions, 8 + executions, executions)]
  first = next(end for end in ends if end >= 4)
  assert dict(seen[:len(ends)])[0] == 0
  if first < 7:
    assert dict(seen[:len(ends)]).get(first) == 0.25


# Many fits in one process.


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind', legs.few(['m_of_n', 'fit', 'own_loop', 'unchanged'], 2, 'newest'))
def test_many_short_runs_give_no_retracing_warnings(kind, caplog):
  update = sparsity.UpdatePruningStep()
  caplog.set_level(std_logging.WARNING)
  for width in range(3, 13):
    inputs = keras.Input((8,))
    model = sparsity.prune_low_magnitude(
        keras.Model(inputs, layers.Dense(4)(
            layers.Dense(8 if kind == 'unchanged' else width)(inputs))),
        sparsity.ConstantSparsity(0.5, 0, frequency=2),
        sparsity_m_by_n=(1, 2) if kind == 'm_of_n' else None)
    # Keras's own train function is traced once per model, and counts.
    model.compile('sgd', 'mse', run_eagerly=True)
    if kind == 'own_loop':
      update.set_model(model)
      update.on_train_begin()
      update.on_train_batch_begin(-1)
      model.train_on_batch(X[:8], Y[:8])
      update.on_train_end()
    else:
      model.fit(X[:8], Y[:8], verbose=0, callbacks=[update])
  assert not [record for record in caplog.records if 'retracing' in record.getMessage()]


def test_nothing_keeps_a_model_alive_that_was_trained():
  def trained(interrupted):
    model = pruned()
    if interrupted:
      interrupt(model, 'on_train_batch_end')
    else:
      fit(model, sparsity.UpdatePruningStep())
    return [weakref.ref(each) for each in (model, *pruned_layers(model))]

  left = trained(False) + trained(True)
  keras.backend.clear_session()
  for _ in range(3):
    gc.collect()
  assert not [each() for each in left if each() is not None]


class Linear(sparsity.PruningSchedule):
  """A schedule that accepts only Python numbers."""

  def __init__(self, end):
    self._end = end

  def __call__(self, step):
    return True, min(int(step), self._end) / self._end

  def get_config(self):
    return {'class_name': 'Linear', 'config': {'end': self._end}}


@pytest.mark.parametrize('schedule', [sparsity.PolynomialDecay(0.1, 0.8, 0, 20, frequency=1),
                                      Linear(25)])
def test_an_update_has_the_sparsity_of_its_step(schedule):
  model = keras.Sequential([keras.Input([50]), sparsity.prune_low_magnitude(
      layers.Dense(20), schedule)])
  updater = updates.MaskUpdater(model)
  for step in (0, 3, 7, 20):
    updater.update(step)
    expected = schedule(step)[1]
    assert shares(model) == pytest.approx([float(expected)], abs=1e-3)
