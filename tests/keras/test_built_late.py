# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers of layers that are only partly built by their build(): the rest is built by a call."""

import contextlib

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
_LATE = {
    'dense': (lambda: layers.Dense(6), 1),
    'lstm': (lambda: layers.LSTM(6, return_sequences=True), 2),
    'attention': (lambda: MySelf(), 4),
    'model': (lambda: keras.Sequential([layers.Dense(8), layers.Dense(6)]), 2),
    'wrapped': (lambda: layers.TimeDistributed(layers.Dense(6)), 1),
}


@keras.utils.register_keras_serializable('built_late')
class MySelf(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.attention = layers.MultiHeadAttention(2, 3)

  def call(self, x):
    return self.attention(x, x)


@keras.utils.register_keras_serializable('built_late')
class MyBlock(layers.Layer):
  """Builds its last layer alone."""

  def __init__(self, kind, **kwargs):
    super().__init__(**kwargs)
    self.kind = kind
    self.late = _LATE[kind][0]()
    self.early = layers.Dense(6)

  def build(self, input_shape):
    self.early.build((*input_shape[:-1], 6))
    super().build(input_shape)

  def call(self, x):
    return self.early(self.late(x))

  def get_config(self):
    return {**super().get_config(), 'kind': self.kind}


def _layer(kind):
  return keras.Sequential([keras.Input((4, 6)), sparsity.prune_low_magnitude(
      MyBlock(kind, name='block'), _schedule())])


def _unbuilt_model(kind):
  return sparsity.prune_low_magnitude(keras.Sequential([MyBlock(kind, name='block')]), _schedule())


def _built_by_hand(kind):
  block = MyBlock(kind, name='block')
  block.build((None, 4, 6))
  return keras.Sequential([keras.Input((4, 6)), sparsity.prune_low_magnitude(
      block, _schedule(), in_place=True)])


def _schedule():
  return sparsity.PolynomialDecay(0.1, 0.5, begin_step=0, end_step=4, frequency=2)


def _fit(model):
  random = np.random.RandomState(2)
  model.fit(random.normal(size=(16, 4, 6)), random.normal(size=(16, 4, 6)), batch_size=8,
            verbose=0, callbacks=[sparsity.UpdatePruningStep()])


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make, kind', legs.few(legs.product(
    [_layer, _unbuilt_model, _built_by_hand], list(_LATE)), 6, 'newest'))
def test_what_a_call_builds_is_pruned_as_well(kind, make, tmp_path):
  model = make(kind)
  model.compile('adam', 'mse')
  _fit(model)
  path = str(tmp_path / 'model.keras')
  model.save(path)
  loaded = keras.models.load_model(path)
  halfway = _kernels(loaded, kind)
  for name, kernel in _kernels(model, kind).items():
    np.testing.assert_array_equal(halfway[name], kernel)
  _fit(loaded)
  end = _kernels(loaded, kind)
  for name, kernel in end.items():
    assert np.mean(kernel == 0) == 0.5, name
    assert np.all(kernel[halfway[name] == 0] == 0), name
  stripped = sparsity.strip_pruning(loaded)
  assert not pruned_layers(stripped)
  assert len(stripped.weights) == len(keras.models.clone_model(stripped).weights)


def _kernels(model, kind):
  found = [np.asarray(weight) for weight in model.trainable_weights
           if len(weight.shape) >= 2 and 'bias' not in weight.name]
  assert len(found) == _LATE[kind][1] + 1
  return dict(enumerate(found))


class MyAttention(layers.MultiHeadAttention):
  """A subclass of a Keras layer whose weights are made by its inner layers."""


class MyLstm(layers.LSTM):
  """The same, of a cell."""


class MyTwice(layers.Bidirectional):
  """The same, of a wrapper."""


@pytest.mark.parametrize('make, inputs, kernels', [
    (lambda: layers.MultiHeadAttention(2, 3), 2, 4), (lambda: MyAttention(2, 3), 2, 4),
    (lambda: MyLstm(5), 1, 2), (lambda: MyTwice(layers.GRU(3)), 1, 4)],
                         ids=['attention', 'subclass', 'lstm', 'wrapper'])
def test_an_unbuilt_layer_is_pruned_once_it_has_its_weights(make, inputs, kernels):
  x = keras.Input((4, 6))
  layer = sparsity.prune_low_magnitude(make(), _schedule())
  model = keras.Model(x, layer(*[x] * inputs))
  assert sum(len(each.pruning.weights) for each in pruned_layers(model)) == kernels


@pytest.mark.sampled(2)
@pytest.mark.parametrize('called, kind', legs.few(legs.product(
    [False, True], sorted(_LATE)), 5, 'newest'))
def test_what_is_built_after_the_only_update_gets_one_of_its_own(kind, called):
  block = MyBlock(kind, name='block')
  block.build((None, 4, 6))
  inputs = keras.Input((4, 6))
  sparsity.prune_low_magnitude(block, sparsity.ConstantSparsity(0.5, 0), in_place=True)
  model = keras.Model(inputs, block(inputs)) if called else keras.Sequential([block])
  model.compile('sgd', 'mse')
  x = np.random.RandomState(0).rand(16, 4, 6).astype('float32')
  model.fit(x, x, batch_size=4, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  records = pruned_layers(model)[0].pruning.weights
  assert len(records) == 1 + _LATE[kind][1]
  assert [float(np.mean(np.asarray(each.weight) == 0)) for each in records] == [0.5] * len(records)


class Adversarial(keras.Model):
  """A model that is trained, and never called: train_step() calls what is in it."""

  def __init__(self, parts):
    super().__init__()
    self.maker, self.judge = (keras.Sequential(each) for each in parts)

  def train_step(self, data):
    x = data[0] if isinstance(data, tuple) else data
    with tensorflow.GradientTape() as tape:
      made = self.maker(x, training=True)
      loss = tensorflow.reduce_mean((self.judge(made, training=True) - x) ** 2)
    weights = self.maker.trainable_weights + self.judge.trainable_weights
    self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return {'loss': loss}


class Encodes(Adversarial):
  """The same, whose call() is for predictions, of one part."""

  def call(self, x):
    return self.maker(x)


_PARTS = {
    'built': lambda: ([keras.Input((8,)), layers.Dense(6)], [keras.Input((6,)), layers.Dense(8)]),
    'unbuilt': lambda: ([layers.Dense(6)], [layers.Dense(8)]),
    'half': lambda: ([keras.Input((8,)), layers.Dense(6)], [layers.Dense(8)]),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize('run_eagerly, make, parts', legs.few(legs.product(
    [False, True], [Adversarial, Encodes], sorted(_PARTS)), 6, 'newest'))
def test_a_model_that_is_never_called_is_pruned(make, parts, run_eagerly):
  model, x = make(_PARTS[parts]()), np.random.RandomState(0).rand(32, 8).astype('float32')
  before = [np.asarray(weight) for weight in model.maker.weights] if parts != 'unbuilt' else []
  pruned = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0, frequency=2))
  for weight, value in zip(pruned.maker.weights if before else [], before):
    np.testing.assert_array_equal(weight, value)
  pruned.compile('sgd', run_eagerly=run_eagerly)
  pruned.fit(x, batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  kernels = [pruned.maker.layers[-1].kernel, pruned.judge.layers[-1].kernel]
  assert [float(np.mean(np.asarray(kernel) == 0)) for kernel in kernels] == [0.5, 0.5]
  stripped = sparsity.strip_pruning(pruned)
  assert not pruned_layers(stripped)
  for kernel, net in zip(kernels, (stripped.maker, stripped.judge)):
    np.testing.assert_array_equal(net.layers[-1].kernel, kernel)
    assert len(net.weights) == 2 and 'build' not in (set(vars(net.layers[-1])) - set(
        vars(layers.Dense(1))))


@pytest.mark.parametrize('parts', sorted(_PARTS))
def test_a_model_that_is_never_called_asks_for_the_callback(parts):
  pruned = sparsity.prune_low_magnitude(Adversarial(_PARTS[parts]()),
                                        sparsity.ConstantSparsity(0.5, 0, frequency=2))
  pruned.compile('sgd')
  with pytest.raises(Exception, match='UpdatePruningStep'):
    pruned.fit(np.zeros((8, 8), np.float32), verbose=0)


def test_exporting_does_not_keep_what_is_built_later_from_being_pruned(tmp_path):
  model, x = Encodes(_PARTS['half']()), np.random.RandomState(0).rand(32, 8).astype('float32')
  model(x)
  sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0, frequency=2), in_place=True)
  # Keras 2 exports no model with one in it that is not built. That must change nothing either.
  with contextlib.nullcontext() if backend.IS_KERAS_3 else pytest.raises(errors.ConversionError):
    sparsity.to_saved_model(model, str(tmp_path / 'saved'))
  model.compile('sgd')
  model.fit(x, batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  assert np.mean(np.asarray(model.judge.layers[-1].kernel) == 0) == 0.5
