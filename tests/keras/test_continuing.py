# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Channels removed in the middle of training: it goes on as with masks."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
HALF = 'channel_pruning=true,target_sparsity=0.5,pruning_frequency=1,sparsity_function_end_step=2'


def _model():
  inputs = keras.Input((6, 6, 3))
  x = layers.Conv2D(8, 3, padding='same', use_bias=False, name='stem')(inputs)
  x = layers.Activation('elu')(layers.BatchNormalization(momentum=0.8)(x))
  x = layers.Add()([x, layers.Conv2D(8, 1, name='b')(layers.Conv2D(
      6, 3, padding='same', activation='tanh', name='a')(x))])
  x = layers.Dense(12, activation='tanh', name='fc')(layers.Flatten()(x))
  model = keras.Model(inputs, layers.Dense(5, name='scores')(x))
  random = np.random.RandomState(0)
  for weight in model.trainable_weights:
    weight.assign(random.uniform(-1, 1.5, tuple(weight.shape)).astype(np.float32) / np.sqrt(
        np.prod(weight.shape[:-1])))
  return model


def _data():
  random = np.random.RandomState(1)
  return (random.normal(size=(12, 6, 6, 3)).astype(np.float32),
          random.normal(size=(12, 5)).astype(np.float32))


def _fit(model, epochs, callbacks=()):
  return model.fit(*_data(), batch_size=4, epochs=epochs, shuffle=False, verbose=0,
                   callbacks=list(callbacks)).history


def _scaling():
  return getattr(keras.optimizers, 'LossScaleOptimizer', None) or (
      keras.mixed_precision.LossScaleOptimizer)


def _optimizers():
  found = {'sgd': lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
           'adam': lambda: keras.optimizers.Adam(
               keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5), amsgrad=True),
           'nadam': lambda: keras.optimizers.Nadam(0.01),
           'adamw': lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01, use_ema=True)}
  found['scaled'] = lambda: _scaling()(keras.optimizers.Adam(0.01))
  if hasattr(keras.optimizers, 'MultiOptimizer'):  # Since Keras 3.15.
    found['several'] = lambda: keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.05, momentum=0.9), {'stem.*': keras.optimizers.Adam(0.01)}))
  if hasattr(keras.optimizers, 'legacy') and hasattr(keras.optimizers.legacy, 'Adam'):
    try:
      keras.optimizers.legacy.Adam()
      found['legacy'] = lambda: keras.optimizers.legacy.Adam(0.01)
    except ImportError:  # Keras 3 only has a name.
      pass
  return found


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', [
    # Its state is like Adam's, on Keras 2 as well.
    pytest.param(name, marks=pytest.mark.legs('newest')) if name == 'nadam' else name
    for name in sorted(_optimizers())])
def test_training_goes_on_as_with_masks(name):
  pruned = sparsity.prune_low_magnitude(_model(), HALF)
  pruned.compile(_optimizers()[name](), 'mse', metrics=['mae', keras.metrics.MeanSquaredError()])
  _fit(pruned, 3, [sparsity.UpdatePruningStep()])
  before = [np.array(weight) for weight in pruned.weights]
  smaller = sparsity.remove_channels_in_training(pruned)
  for weight, value in zip(pruned.weights, before):
    np.testing.assert_array_equal(weight, value)
  assert smaller.get_layer('stem').filters == 4 and smaller.get_layer('fc').units == 6
  assert type(smaller.optimizer) is type(pruned.optimizer)
  assert int(np.asarray(smaller.optimizer.iterations)) == 9
  expected = _fit(pruned, 4, [sparsity.UpdatePruningStep()])
  found = _fit(smaller, 4)
  assert set(found) == set(expected) and len(found) == 3
  for metric, values in expected.items():
    np.testing.assert_allclose(found[metric], values, rtol=1e-5)
  x, _ = _data()
  np.testing.assert_allclose(smaller.predict(x, verbose=0), pruned.predict(x, verbose=0),
                             rtol=1e-4, atol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('scaled', [False, True])
@pytest.mark.parametrize('excluded', ['names', 'variables'])
def test_weights_without_decay_stay_so(excluded, scaled):
  pruned = sparsity.prune_low_magnitude(_model(), HALF)
  optimizer = keras.optimizers.AdamW(0.01, weight_decay=20.0)
  if excluded == 'names':
    optimizer.exclude_from_weight_decay(var_names=['kernel'])
  else:
    optimizer.exclude_from_weight_decay(var_list=[
        pruned.get_layer('fc').kernel, pruned.get_layer('scores').bias])
  pruned.compile(_scaling()(optimizer) if scaled else optimizer, 'mse')
  _fit(pruned, 1, [sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels_in_training(pruned)
  expected = _fit(pruned, 2, [sparsity.UpdatePruningStep()])
  np.testing.assert_allclose(_fit(smaller, 2)['loss'], expected['loss'], rtol=1e-5)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
  """As in TensorFlow's tutorials: without get_config()."""

  def __call__(self, step):
    return 0.05 / (1.0 + tensorflow.cast(step, tensorflow.float32))


class Boosted(keras.optimizers.SGD):
  """Without get_config()."""

  def __init__(self, learning_rate, boost=1.0, **options):
    super().__init__(learning_rate, **options)
    self.boost, self._table = boost, np.arange(3)

  def update_step(self, gradient, *args):
    return super().update_step(gradient * self.boost, *args)


def _difference(y, outputs):
  return tensorflow.reduce_mean(tensorflow.abs(y - outputs), -1)


class Difference(keras.losses.Loss):

  def call(self, y_true, y_pred):
    return _difference(y_true, y_pred)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('optimizer', [
    lambda: keras.optimizers.SGD(Schedule(), momentum=0.9),
    lambda: keras.optimizers.SGD(lambda: 0.05),
    lambda: _scaling()(keras.optimizers.Adam(Schedule())), lambda: Boosted(0.005, boost=8.0)],
                         ids=['schedule', 'function', 'scaled schedule', 'attributes'])
def test_settings_that_no_config_has_stay(optimizer):
  pruned = sparsity.prune_low_magnitude(_model(), HALF)
  pruned.compile(optimizer(), 'mse')
  _fit(pruned, 1, [sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels_in_training(pruned)
  expected = _fit(pruned, 2, [sparsity.UpdatePruningStep()])
  np.testing.assert_allclose(_fit(smaller, 2)['loss'], expected['loss'], rtol=1e-5)


def test_an_optimizer_that_cannot_be_recreated_is_named():
  class Own(keras.optimizers.SGD):

    def __init__(self, learning_rate, *, factor, **options):
      super().__init__(learning_rate * factor, **options)

  model = _model()
  model.compile(Own(0.05, factor=2), 'mse')
  with pytest.raises(errors.LayerError, match='Optimizer Own cannot be recreated.*factor.*'
                     'remove_channels'):
    sparsity.remove_channels_in_training(model, fraction=0.5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('loss', [_difference, lambda y, outputs: _difference(y, outputs),
                                  Difference()], ids=['function', 'lambda', 'class'])
def test_losses_of_users(loss):
  dense = _model()
  dense.compile('sgd', loss)
  pruned = sparsity.prune_low_magnitude(dense, HALF)
  assert pruned is not dense  # It is of layers of Keras alone, so it is copied.
  pruned.compile('sgd', loss)
  _fit(pruned, 1, [sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels_in_training(pruned)
  expected = _fit(pruned, 2, [sparsity.UpdatePruningStep()])
  np.testing.assert_allclose(_fit(smaller, 2)['loss'], expected['loss'], rtol=1e-5)


def test_a_model_without_masks_loses_its_smallest_channels_and_trains_on():
  model = _model()
  model.compile(keras.optimizers.SGD(0.05, momentum=0.9), 'mse')
  _fit(model, 1)
  smaller = sparsity.remove_channels_in_training(model, fraction=0.5, keep='.*stem')
  assert smaller.get_layer('stem').filters == 8 and smaller.get_layer('fc').units == 6
  # The slots of the weights that stay whole, and the others' parts, are copied.
  whole = [slot for slot in _slots(model) if slot.shape == (3, 3, 3, 8)]
  assert any((slot == whole[0]).all() for slot in _slots(smaller) if slot.shape == whole[0].shape)
  wide, = [slot for slot in _slots(model) if slot.shape == (12, 5)]
  narrow, = [slot for slot in _slots(smaller) if slot.shape == (6, 5)]
  assert all((wide == row).all(axis=1).any() for row in narrow) and narrow.any()
  _fit(smaller, 1)


def test_means_over_rows_and_columns_lose_the_same_channels(caplog):
  keras.utils.set_random_seed(1)
  model = keras.Sequential([
      keras.Input((7,)), layers.Dense(9, activation='relu', name='a'),
      layers.Dense(9, activation='relu', name='b'), layers.Dense(5, name='c')])
  model.compile(keras.optimizers.Adafactor(0.01), 'mse')
  x = np.random.RandomState(0).randn(16, 7).astype(np.float32)
  model.fit(x, x[:, :5], verbose=0)
  kept_a, kept_b = [1, 3, 4], [0, 2, 5, 6, 8]
  groups = {group.name.split('/kernel')[0][-1]: group.name
            for group in sparsity.channel_groups(model)}
  smaller = sparsity.remove_channels_in_training(model, remove={
      groups['a']: sorted(set(range(9)) - set(kept_a)),
      groups['b']: sorted(set(range(9)) - set(kept_b))})
  assert 'anew' not in caplog.text
  (row_a, row_b, row_c), (column_a, column_b, column_c) = [
      [np.asarray(slot) for slot in slots[::2]]  # Those between belong to biases.
      for slots in (model.optimizer._r, model.optimizer._c)]
  rows, columns = smaller.optimizer._r, smaller.optimizer._c
  for found, expected in [
      (rows[0], row_a), (rows[2], row_b[kept_a]), (rows[4], row_c[kept_b]),
      (columns[0], column_a[kept_a]), (columns[2], column_b[kept_b]), (columns[4], column_c)]:
    np.testing.assert_array_equal(found, expected)
  assert row_b.any() and column_b.any()
  smaller.fit(x, x[:, :5], verbose=0)


def _slots(model):
  return [np.asarray(variable) for variable in model.optimizer.variables]


def _own_loop(model, steps):
  x, y = _data()
  for _ in range(steps):
    with tensorflow.GradientTape() as tape:
      loss = tensorflow.reduce_mean((model(x, training=True) - y)**2)
    variables = model.trainable_variables
    model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
  return float(loss)


def test_an_own_loop_goes_on_with_the_optimizer_of_the_model():
  model = _model()
  model.optimizer = keras.optimizers.Adam(0.01)
  _own_loop(model, 3)
  smaller = sparsity.remove_channels_in_training(model, fraction=0.5)
  assert type(smaller.optimizer) is type(model.optimizer)
  assert int(np.asarray(smaller.optimizer.iterations)) == 3
  found = smaller.optimizer.variables
  moments = [np.asarray(each) for each in (found() if callable(found) else found) if each.shape]
  assert moments and all(each.any() for each in moments)
  assert np.isfinite(_own_loop(smaller, 2))


def test_a_model_that_is_not_compiled_is_refused():
  with pytest.raises(errors.LayerError, match='is not compiled; use remove_channels'):
    sparsity.remove_channels_in_training(_model())


def test_losses_of_users_and_models_that_were_not_trained_yet_are_compiled_too():
  def loss(y, predicted):
    return tensorflow.reduce_mean(tensorflow.abs(y - predicted))

  model = _model()
  model.compile('adam', loss, metrics=[loss])
  smaller = sparsity.remove_channels_in_training(model, fraction=0.25)
  assert set(_fit(smaller, 1)) == {'loss'} | set(_fit(model, 1))


class OwnSGD(keras.optimizers.SGD):
  """An optimizer of a user, which is not registered."""


class Warm(keras.optimizers.schedules.LearningRateSchedule):
  """A schedule of a user, which is not registered."""

  def __init__(self, rate=0.01):
    self.rate = rate

  def __call__(self, step):
    return self.rate * tensorflow.minimum(1.0, tensorflow.cast(step + 1, tensorflow.float32) / 5)

  def get_config(self):
    return {'rate': self.rate}


@pytest.mark.parametrize('legacy', [False, True])
def test_the_scale_of_the_loss_goes_on(legacy):
  scaled = getattr(keras.optimizers, 'LossScaleOptimizer', None) or (
      keras.mixed_precision.LossScaleOptimizer)
  inner = keras.optimizers.Adam
  if legacy:
    inner = getattr(getattr(keras.optimizers, 'legacy', None), 'Adam', None)
    if inner is None or not hasattr(keras, 'mixed_precision'):
      pytest.skip('This Keras has no legacy optimizers.')
  try:
    optimizer = scaled(inner(0.01), initial_scale=2.0**10, dynamic_growth_steps=5)
  except ImportError as error:  # Keras 3 lists legacy optimizers only to refuse them.
    pytest.skip(str(error))
  model = sparsity.prune_low_magnitude(_model(), HALF)
  model.compile(optimizer, 'mse')
  _fit(model, 4, [sparsity.UpdatePruningStep()])  # 12 steps.

  def state_of(model):
    optimizer = model.optimizer
    return [float(np.asarray(getattr(optimizer, name))) for name in (
        'dynamic_scale', 'step_counter', 'loss_scale', 'dynamic_counter')
            if hasattr(optimizer, name)]

  assert state_of(model) == [2.0**12, 2]
  assert state_of(sparsity.remove_channels_in_training(model)) == [2.0**12, 2]


@pytest.mark.parametrize('make', [OwnSGD, lambda: keras.optimizers.Adam(Warm())],
                         ids=['optimizer', 'schedule'])
def test_optimizers_and_schedules_of_users_need_not_be_registered(make):
  pruned = sparsity.prune_low_magnitude(_model(), HALF)
  pruned.compile(make(), 'mse')
  _fit(pruned, 1, [sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels_in_training(pruned)
  assert type(smaller.optimizer) is type(pruned.optimizer)
  np.testing.assert_allclose(_fit(smaller, 1)['loss'], _fit(
      pruned, 1, [sparsity.UpdatePruningStep()])['loss'], rtol=1e-4)


def test_metrics_of_several_outputs_keep_their_names():
  inputs = keras.Input((4,))
  x = layers.Dense(8, activation='relu')(inputs)
  model = keras.Model(inputs, {name: layers.Dense(1, name=name)(x) for name in 'ab'})
  model.compile('sgd', 'mse', metrics={
      'a': [keras.metrics.MeanAbsoluteError(name='off'), 'mse'],
      'b': [keras.metrics.MeanAbsoluteError(name='b_off')]})
  x = np.ones((8, 4), np.float32)
  y = {'a': x[:, :1], 'b': x[:, :1]}
  before = model.fit(x, y, verbose=0).history
  smaller = sparsity.remove_channels_in_training(model, fraction=0.5)
  assert set(smaller.fit(x, y, verbose=0).history) == set(before)


def test_functions_between_layers_are_kept():
  inputs = keras.Input((4,))
  x = layers.Lambda(lambda x: np.float32(2) * x)(layers.Dense(8, activation='relu')(inputs))
  pruned = sparsity.prune_low_magnitude(keras.Model(inputs, layers.Dense(5)(x)), HALF)
  pruned.compile('adam', 'mse')
  x, y = np.ones((12, 4), np.float32), np.zeros((12, 5), np.float32)
  pruned.fit(x, y, batch_size=4, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels_in_training(pruned)
  assert smaller.count_params() == 4 * 4 + 4 + 4 * 5 + 5
  np.testing.assert_allclose(smaller.predict(x, verbose=0), pruned.predict(x, verbose=0),
                             rtol=1e-5)
