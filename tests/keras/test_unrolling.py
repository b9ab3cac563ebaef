# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Units of recurrent layers are channels: the smaller model computes what the masked one does."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import exporting
from model_pruning.keras.backend import keras
from tests.keras.test_removal import half_of
from tests.keras.test_removal import hide
from tests.keras.test_removal import randomized

pytestmark = pytest.mark.legacy_keras

layers = keras.layers


def _sequence(*between, steps=5):
  return keras.Sequential([keras.Input((steps, 4)), *between, layers.Dense(3)])


def _words(*between, steps=None):
  """A model of words, of which 0 fills up sentences."""
  return keras.Sequential([keras.Input((steps,), dtype='int32'),
                           layers.Embedding(9, 6, mask_zero=True),
                           *between, layers.Dense(3)])


def _translation():
  """The states of one layer are the first states of another."""
  sources, targets = keras.Input((5, 4)), keras.Input((3, 2))
  _, *states = layers.LSTM(6, return_state=True)(sources)
  x = layers.LSTM(6, return_sequences=True)(targets, initial_state=states)
  return keras.Model([sources, targets], layers.Dense(3)(x))


def _twice():
  """One layer for two inputs."""
  one, other = keras.Input((4, 3)), keras.Input((4, 3))
  shared = layers.GRU(6)
  return keras.Model([one, other], layers.Dense(3)(layers.Subtract()([shared(one), shared(other)])))


def _inside():
  inner = keras.Sequential([keras.Input((5, 6)), layers.LSTM(8),
                            layers.Dense(6, activation='tanh')])
  inputs = keras.Input((5, 4))
  return keras.Model(inputs, layers.Dense(3)(inner(layers.Dense(6)(inputs))))


# By a name: the model, and the widths of its groups.
MODELS = {
    'lstm': (lambda: _sequence(layers.LSTM(6, return_sequences=True), layers.LSTM(4)), [6, 4]),
    'gru': (lambda: _sequence(layers.GRU(6), layers.Dense(5)), [6, 5]),
    'simple': (lambda: _sequence(layers.SimpleRNN(6, activation='relu')), [6]),
    'old_gru': (lambda: _sequence(layers.GRU(6, reset_after=False)), [6]),
    'backwards': (lambda: _sequence(layers.LSTM(6, go_backwards=True, use_bias=False)), [6]),
    'dropout': (lambda: _sequence(layers.LSTM(6, dropout=0.5, recurrent_dropout=0.5)), [6]),
    'both': (lambda: _sequence(layers.Bidirectional(layers.LSTM(6))), [6]),
    'sum': (lambda: _sequence(layers.Bidirectional(layers.GRU(6), merge_mode='sum')), [6]),
    'two': (lambda: _sequence(layers.Bidirectional(layers.LSTM(6), backward_layer=layers.GRU(
        6, go_backwards=True))), [6]),
    'cell': (lambda: _sequence(layers.Dense(6), layers.RNN(layers.LSTMCell(4))), [6, 4]),
    'cells': (lambda: _sequence(layers.RNN([layers.GRUCell(6), layers.SimpleRNNCell(4)])), [6, 4]),
    'convolution': (lambda: _sequence(layers.Conv1D(6, 3), layers.MaxPooling1D(2), layers.GRU(
        4, return_sequences=True), layers.Flatten(), steps=8), [6, 4]),
    'distributed': (lambda: _sequence(layers.TimeDistributed(layers.Dense(6)), layers.LSTM(
        4, return_sequences=True), layers.TimeDistributed(layers.Dense(8)), layers.Flatten()),
                    [6, 4, 8]),
    'words': (lambda: _words(layers.LSTM(4)), [6, 4]),
    'both_of_words': (lambda: _words(layers.Bidirectional(layers.GRU(
        4, return_sequences=True)), layers.LSTM(8), steps=5), [6, 4, 8]),
    'one_step': (lambda: _sequence(layers.LSTM(6, return_sequences=True), layers.SimpleRNN(4),
                                   steps=1), [6, 4]),
    'translation': (_translation, [6]),
    'twice': (_twice, [6]),
    'inside': (_inside, [6, 8, 6]),
}


def _examples(model):
  random = np.random.RandomState(1)
  found = []
  for tensor in model.inputs:
    shape = [5 if size is None else size for size in tensor.shape]
    found.append(random.randint(0, 9, shape) if len(shape) == 2 else
                 random.normal(size=shape).astype(np.float32))
  return found if len(found) > 1 else found[0]


@pytest.mark.sampled(5)
@pytest.mark.parametrize('name', MODELS)
def test_the_smaller_model_computes_what_the_masked_one_does(name):
  make, widths = MODELS[name]
  model = randomized(make())
  groups = sparsity.channel_groups(model)
  assert sorted(group.channels for group in groups) == sorted(widths)
  remove = half_of(groups)
  smaller = sparsity.remove_channels(model, remove=remove)
  assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
  examples = _examples(model)
  hide(model, remove)
  expected = model.predict(examples, verbose=0)
  np.testing.assert_allclose(smaller.predict(examples, verbose=0), expected, rtol=1e-4, atol=1e-5)
  assert np.ptp(expected) > 0
  # The masked units have no effect, so that they are found without their names.
  assert sparsity.remove_channels(model).count_params() == smaller.count_params()
  assert smaller.count_params() < 0.75 * model.count_params()


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['lstm', 'both', 'cells', 'two'])
def test_the_smaller_model_is_trained_saved_and_made_again(name, tmp_path):
  model = randomized(MODELS[name][0]())
  smaller = sparsity.remove_channels(model, fraction=0.5)
  examples = _examples(model)
  smaller.compile('adam', 'mse')
  smaller.fit(examples, np.zeros((len(examples), 3)), verbose=0)
  path = str(tmp_path / 'small.h5')
  smaller.save(path)
  read = keras.models.load_model(path, compile=False)
  np.testing.assert_allclose(read.predict(examples, verbose=0),
                             smaller.predict(examples, verbose=0), rtol=1e-4, atol=1e-5)
  assert [weight.shape for weight in keras.models.clone_model(smaller).weights] == [
      weight.shape for weight in smaller.weights]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['both_of_words', 'lstm', 'simple', 'cells'])
def test_units_without_columns_are_always_zero(name):
  """The rows of what reads them are not zero."""
  model = randomized(MODELS[name][0]())
  groups = sparsity.channel_groups(model)
  variables = exporting.freeze(model).variables
  for group in groups:
    rows = [member for member in group.members if member.weight in variables]
    recurrent = {member.weight.rsplit('/', 1)[0] for member in rows if 'recurrent' in member.weight}
    for member in rows:
      scope, _, leaf = member.weight.rpartition('/')
      if scope in recurrent and (member.axis or leaf == 'bias'):
        value = np.moveaxis(np.array(variables[member.weight]), member.axis, 0)
        value[member.indices[::2].reshape(-1)] = 0
        variables[member.weight].assign(np.moveaxis(value, 0, member.axis))
  smaller = sparsity.remove_channels(model)
  assert sum(group.channels for group in sparsity.channel_groups(smaller)) == sum(
      group.channels // 2 if any('recurrent' in member.weight for member in group.members)
      else group.channels for group in groups)
  examples = _examples(model)
  np.testing.assert_allclose(smaller.predict(examples, verbose=0),
                             model.predict(examples, verbose=0), rtol=1e-4, atol=1e-5)


def _loops_in(model):
  return [layer for layer in backend.layers_in(model) if hasattr(layer, 'unroll')]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['lstm', 'both_of_words'])
def test_the_model_itself_keeps_its_loops(name):
  model = MODELS[name][0]()
  before = [{name: value for name, value in vars(layer).items() if name in (
      'unroll', '_could_use_gpu_kernel')} for layer in _loops_in(model)]
  smaller = sparsity.remove_channels(model, fraction=0.5)
  assert before and not any(layer.unroll for layer in _loops_in(smaller))
  for layer, attributes in zip(_loops_in(model), before):
    assert all(vars(layer)[name] == value for name, value in attributes.items())


@pytest.mark.parametrize('make, reason', [
    (lambda: _sequence(layers.Dense(6), layers.LSTM(4, name='whole'), layers.Dense(5), steps=300),
     '300 time steps'),
    (lambda: keras.Sequential([
        layers.InputLayer(**{'batch_shape' if backend.IS_KERAS_3 else 'batch_input_shape': (
            2, 5, 4)}), layers.Dense(6), layers.LSTM(4, stateful=True, name='whole'),
        layers.Dense(5), layers.Dense(3)]), 'stateful=True')], ids=['many steps', 'stateful'])
def test_what_stays_a_loop_stays_whole_and_is_named(make, reason, caplog):
  assert [group.channels for group in sparsity.channel_groups(make())] == [5]
  assert 'keep all units: whole: ' + reason in caplog.text


def test_the_steps_of_the_layer_count_and_not_the_sizes_of_inputs():
  sequence, features = keras.Input((600, 3)), keras.Input((400,))
  x = layers.LSTM(6)(layers.MaxPooling1D(100)(sequence))
  x = layers.Concatenate()([x, layers.Dense(4)(features)])
  model = randomized(keras.Model([sequence, features], layers.Dense(3)(x)))
  assert sorted(group.channels for group in sparsity.channel_groups(model)) == [4, 6]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['both', 'two', 'cells', 'old_gru'])
def test_layers_inside_of_others_keep_their_names(name):
  model = MODELS[name][0]()
  smaller = sparsity.remove_channels(randomized(model), fraction=0.5)
  again = keras.Sequential.from_config(smaller.get_config())

  def names(model):  # Old configs have no names of the cells in an LSTM.
    return [layer.name for layer in backend.layers_in(model)[1:] if '_cell' not in layer.name]

  assert names(smaller) == names(again) == names(model)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['lstm', 'words', 'both'])
def test_examples_refit_the_readers(name):
  model = randomized(MODELS[name][0]())
  random = np.random.RandomState(3)
  steps = 7 if model.inputs[0].shape[1] is None else model.inputs[0].shape[1]
  examples = (random.randint(0, 9, (300, steps)) if name == 'words' else
              random.normal(size=(300, steps, 4)).astype(np.float32))
  expected = model.predict(examples, verbose=0)

  def apart(**options):
    return np.abs(sparsity.remove_channels(model, fraction=0.3, **options).predict(
        examples, verbose=0) - expected).mean()

  assert apart(examples=examples) < 0.85 * apart()


@pytest.mark.legs('default', 'newest')
def test_units_hidden_in_training_are_removed():
  keras.utils.set_random_seed(0)
  model = _sequence(layers.LSTM(8, return_sequences=True, name='first'),
                    layers.Bidirectional(layers.GRU(8), name='second'))
  model = sparsity.prune_low_magnitude(
      model, 'channel_pruning=true,target_sparsity=0.5,pruning_frequency=1,'
      'sparsity_function_end_step=4')
  model.compile('adam', 'mse')
  x, y = np.random.normal(size=(32, 5, 4)).astype(np.float32), np.random.normal(size=(32, 3))
  model.fit(x, y, batch_size=4, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  stripped = sparsity.strip_pruning(model)
  smaller = sparsity.remove_channels(stripped)
  assert [smaller.get_layer('first').units, smaller.get_layer('second').forward_layer.units,
          smaller.get_layer('second').backward_layer.units] == [4, 4, 4]
  np.testing.assert_allclose(smaller.predict(x, verbose=0), model.predict(x, verbose=0),
                             rtol=1e-4, atol=1e-5)
