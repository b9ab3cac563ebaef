# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Loops that are interrupted, or that leave callbacks without a model."""

import time

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
X = np.random.RandomState(0).rand(64, 8).astype(np.float32)
Y = np.random.RandomState(1).rand(64, 4).astype(np.float32)
# Of 8 batches an epoch.
SCHEDULE = sparsity.PolynomialDecay(0.0, 0.5, begin_step=2, end_step=12, frequency=3)


@keras.utils.register_keras_serializable('tests_loops')
class OwnStep(keras.Model):
  """A model with a train_step of its own."""

  def train_step(self, data):
    x, y = data
    with tensorflow.GradientTape() as tape:
      loss = tensorflow.reduce_mean(tensorflow.square(self(x, training=True) - y))
    gradients = tape.gradient(loss, self.trainable_variables)
    self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
    return {'loss': loss}


def pruned(schedule=SCHEDULE, own_step=False, optimizer='sgd', **compiled):
  inputs = keras.Input((8,))
  outputs = layers.Dense(4, name='last')(layers.Dense(6, name='first')(inputs))
  model = (OwnStep if own_step else keras.Model)(inputs, outputs)
  model = sparsity.prune_low_magnitude(model, schedule)
  model.compile(optimizer, 'mse', **compiled)
  return model


def fit(model, *callbacks, data=None, **kwargs):
  given = (X, Y) if data is None else (data,)
  if data is None:
    kwargs = {'batch_size': 8, **kwargs}
  return model.fit(*given, verbose=0, callbacks=list(callbacks), **kwargs)


def steps(model):
  return {int(layer.pruning.step.numpy()) for layer in pruned_layers(model)}


def shares(model):
  return [float(np.mean(np.asarray(record.mask) == 0))
          for layer in pruned_layers(model) for record in layer.pruning.weights]


# Without a model.


@pytest.mark.parametrize('method, arguments', [
    ('on_train_begin', ()), ('on_epoch_begin', (0,)), ('on_train_batch_begin', (0,)),
    ('on_batch_begin', (0,)), ('on_train_batch_end', (0,)), ('on_batch_end', (0,)),
    ('on_epoch_end', (0,)), ('on_train_end', ())])
def test_without_set_model_every_method_says_to_call_it(method, arguments):
  with pytest.raises(errors.MissingCallbackError, match=r'UpdatePruningStep.*set_model\(model\)'):
    getattr(sparsity.UpdatePruningStep(), method)(*arguments)


@pytest.mark.parametrize('method, arguments', [
    ('on_train_begin', ()), ('on_epoch_begin', (0,)), ('on_epoch_begin', (-1,)),
    ('on_epoch_begin', (None,)), ('on_train_batch_begin', (0,)), ('on_train_batch_end', (0,)),
    ('on_test_begin', ()), ('on_test_end', ()), ('on_epoch_end', (0,)), ('on_train_end', ())])
def test_summaries_without_set_model_say_to_call_it(method, arguments, tmp_path):
  with pytest.raises(errors.MissingCallbackError, match=r'PruningSummaries.*set_model\(model\)'):
    getattr(sparsity.PruningSummaries(tmp_path), method)(*arguments)


@pytest.mark.parametrize('method, arguments', [
    ('on_epoch_begin', (0,)), ('on_train_batch_begin', (0,)), ('on_train_batch_end', (0,)),
    ('on_epoch_end', (0,)), ('on_train_end', ())])
def test_without_on_train_begin_every_method_says_to_call_it(method, arguments):
  callback = sparsity.UpdatePruningStep()
  callback.set_model(pruned())
  with pytest.raises(errors.MissingCallbackError, match='on_train_begin'):
    getattr(callback, method)(*arguments)


@pytest.mark.parametrize('model', ['model', 3, {}, keras.Model])
def test_a_model_that_is_none_is_named(model):
  callback = sparsity.UpdatePruningStep()
  callback.set_model(model)
  with pytest.raises(errors.LayerError, match='set_model.*takes the Keras model'):
    callback.on_train_begin()


def test_the_first_names_of_the_hooks_count_as_well():
  model, callback = pruned(), sparsity.UpdatePruningStep()
  callback.set_model(model)
  callback.on_train_begin()
  for batch in range(12):
    callback.on_batch_begin(batch)
    model.train_on_batch(X[:8], Y[:8])
    callback.on_batch_end(batch)
  callback.on_train_end()
  assert steps(model) == {12} and shares(model) == [0.5, 0.5]


# After an interrupted fit().


class InTrainStep(Exception):
  """Raised while a batch is trained on."""


def broken_data():
  """Returns batches that end in an error after three."""
  def batches():
    for index in range(3):
      yield X[8 * index:8 * index + 8], Y[8 * index:8 * index + 8]
    raise InTrainStep('no further batch')
  specs = (tensorflow.TensorSpec((8, 8), tensorflow.float32),
           tensorflow.TensorSpec((8, 4), tensorflow.float32))
  return tensorflow.data.Dataset.from_generator(batches, output_signature=specs)


class Raises(keras.callbacks.Callback):
  """Raises in one of the hooks of the third batch, or of the first epoch."""

  def __init__(self, hook, error):
    super().__init__()
    self._hook, self._error = hook, error

  def _raise(self, hook, number):
    if hook == self._hook and (number == 2 or 'epoch' in hook):
      raise self._error

  def on_train_batch_begin(self, batch, logs=None):
    self._raise('on_train_batch_begin', batch)

  def on_train_batch_end(self, batch, logs=None):
    self._raise('on_train_batch_end', batch)

  def on_epoch_begin(self, epoch, logs=None):
    self._raise('on_epoch_begin', epoch)

  def on_epoch_end(self, epoch, logs=None):
    self._raise('on_epoch_end', epoch)


HOOKS = ['on_train_batch_begin', 'on_train_batch_end', 'on_epoch_begin', 'on_epoch_end']
MODELS = {
    'plain': {}, 'eager': {'run_eagerly': True}, 'executions': {'steps_per_execution': 2},
    'own_step': {'own_step': True}, 'own_eager': {'own_step': True, 'run_eagerly': True},
    'momentum': {'optimizer': 'adam'}}


def interrupt(model, how, ours_first=True):
  """Begins a fit() that does not end."""
  update = sparsity.UpdatePruningStep()
  if how == 'data':
    with pytest.raises(Exception, match='no further batch|InTrainStep'):
      fit(model, update, data=broken_data())
    return
  callbacks = [update, Raises(how, KeyboardInterrupt())]
  with pytest.raises(KeyboardInterrupt):
    fit(model, *(callbacks if ours_first else callbacks[::-1]))


@pytest.mark.sampled(1)
# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('how, kind, ours_first', legs.few([
    (how, kind, kind != 'eager') for how in HOOKS + ['data'] for kind in sorted(MODELS)] + [
        (how, 'plain', False) for how in HOOKS], 11))
def test_after_an_interrupted_fit_the_next_one_needs_the_callback(how, kind, ours_first):
  if how == 'data' and kind == 'executions':
    pytest.skip('Keras wants to know the size of such data')
  if kind == 'executions' and 'batch' in how:
    how = 'on_epoch_end'  # Which batches begin and end there is up to Keras.
  model = pruned(**MODELS[kind])
  interrupt(model, how, ours_first)
  for _ in range(2):  # Not once alone.
    with pytest.raises(errors.MissingCallbackError, match=r'UpdatePruningStep\(\)'):
      fit(model)
  fit(model, sparsity.UpdatePruningStep(), epochs=2)
  assert shares(model) == [0.5, 0.5]


@pytest.mark.sampled(3)
@pytest.mark.parametrize('how, done, kind, ours_first', legs.few([
    (how, done, kind, kind == 'plain') for (how, done), kind in legs.product(
        [('on_train_batch_end', 3), ('on_epoch_end', 8), ('on_epoch_begin', 0), ('data', 3)],
        ['plain', 'eager', 'own_step'])], 5))
def test_the_next_fit_goes_on_from_the_batches_that_are_done(how, done, ours_first, kind):
  model = pruned(**MODELS[kind])
  interrupt(model, how, ours_first)
  fit(model, sparsity.UpdatePruningStep())
  assert steps(model) == {done + 8}


@pytest.mark.parametrize('error', [RuntimeError('mine'), ValueError('mine'), SystemExit(3)])
def test_any_error_is_raised_as_it_is(error):
  model = pruned()
  with pytest.raises(type(error)) as raised:
    fit(model, sparsity.UpdatePruningStep(), Raises('on_train_batch_end', error))
  assert raised.value is error
  with pytest.raises(errors.MissingCallbackError):
    fit(model)


@keras.utils.register_keras_serializable('tests_loops')
class Fails(OwnStep):
  """Fails in its train_step."""
  calls = 0

  def train_step(self, data):
    type(self).calls += 1
    if type(self).calls == 3:
      raise InTrainStep
    return super().train_step(data)


def test_an_error_in_train_step():
  inputs = keras.Input((8,))
  model = sparsity.prune_low_magnitude(Fails(inputs, layers.Dense(4)(inputs)), SCHEDULE)
  model.compile('sgd', 'mse', run_eagerly=True)
  with pytest.raises(InTrainStep):
    fit(model, sparsity.UpdatePruningStep())
  assert steps(model) == {2}
  with pytest.raises(errors.MissingCallbackError):
    fit(model)
  fit(model, sparsity.UpdatePruningStep())
  assert steps(model) == {10}


def test_single_batches_after_an_interrupted_fit_need_the_callback_too():
  model = pruned()
  interrupt(model, 'on_train_batch_end')
  with pytest.raises(errors.MissingCallbackError):
    model.train_on_batch(X[:8], Y[:8])


def test_a_history_that_is_passed_to_both_fits_makes_no_difference():
  model, history = pruned(), keras.callbacks.History()
  with pytest.raises(KeyboardInterrupt):
    fit(model, history, sparsity.UpdatePruningStep(),
        Raises('on_train_batch_end', KeyboardInterrupt()))
  with pytest.raises(errors.MissingCallbackError):
    fit(model, history)


def test_evaluating_and_predicting_after_an_interrupted_fit_need_no_callback():
  model = pruned()
  interrupt(model, 'on_epoch_end')
  model.evaluate(X, Y, verbose=0)
  model.predict(X, verbose=0)
  model(X[:2])


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind', legs.few(sorted(MODELS), 3, 'newest'))
def test_compiling_after_an_interrupted_fit_makes_no_difference(kind):
  model = pruned(**MODELS[kind])
  interrupt(model, 'on_epoch_end')
  compiled = {name: value for name, value in MODELS[kind].items()
              if name not in ('own_step', 'optimizer')}
  model.compile('adam', 'mse', **compiled)
  for _ in range(2):
    with pytest.raises((errors.MissingCallbackError, ValueError), match='UpdatePruningStep'):
      fit(model)
  fit(model, sparsity.UpdatePruningStep(), epochs=2)
  assert shares(model) == [0.5, 0.5]


@pytest.mark.sampled(2)
@pytest.mark.parametrize('hook, method', legs.few(legs.product(
    HOOKS, ['evaluate', 'predict', 'both']), 4))
def test_other_callbacks_may_evaluate_and_predict(hook, method):
  class Measures(Raises):

    def _raise(self, hook, number):
      if hook == self._hook:
        if method != 'predict':
          self.model.evaluate(X, Y, verbose=0)
        if method != 'evaluate':
          self.model.predict(X, verbose=0)

  model = pruned()
  fit(model, sparsity.UpdatePruningStep(), Measures(hook, None), epochs=2)
  assert steps(model) == {16} and shares(model) == [0.5, 0.5]


def test_a_run_that_ended_short_needs_the_callback_and_goes_on_with_it():
  model = pruned()
  fit(model, sparsity.UpdatePruningStep())
  with pytest.raises(Exception, match='UpdatePruningStep'):
    fit(model)
  fit(model, sparsity.UpdatePruningStep())
  assert steps(model) == {16} and shares(model) == [0.5, 0.5]
  fit(model)  # The target is reached.


def test_one_callback_serves_fits_of_many_models():
  update = sparsity.UpdatePruningStep()
  for _ in range(3):
    model = pruned()
    fit(model, update, epochs=2)
    assert shares(model) == [0.5, 0.5]


# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.sampled(2)
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('executions, sized', legs.few(
    legs.product([1, 3], [True, False]), 2, 'newest'))
def test_a_callback_that_is_in_no_list_counts_every_batch_once(executions, sized):
  """Keras 3 then tells of the end of a batch in another thread, while it trains on."""
  class Late(sparsity.UpdatePruningStep):

    def on_train_batch_end(self, batch, logs=None):
      time.sleep(0.02)
      super().on_train_batch_end(batch, logs)

  def batches():
    for index in range(8):
      yield X[8 * index:8 * index + 8], Y[8 * index:8 * index + 8]

  if executions > 1 and not sized and not backend.IS_KERAS_3:
    pytest.skip('Keras 2 wants to know the size')
  data = tensorflow.data.Dataset.from_tensor_slices((X, Y)).batch(8)
  if not sized:
    data = tensorflow.data.Dataset.from_generator(batches, output_signature=(
        tensorflow.TensorSpec((8, 8)), tensorflow.TensorSpec((8, 4))))
  model = pruned(steps_per_execution=executions)
  model.fit(data, epochs=2, verbose=0, callbacks=Late())
  assert steps(model) == {16} and shares(model) == [0.5, 0.5]
