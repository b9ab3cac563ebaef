# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_trained: every kind of layer and model, what the result can do, and what is refused."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import trained
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.trained import prune_trained_with_rows
from tests.calibration import models
from tests.keras.zoo import Residual

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
HALF = 'target_sparsity=0.5'


def _randomized(model, seed=0):
  """Gives biases and statistics values as training does; kernels have some from the start."""
  rng = np.random.RandomState(seed)
  for variable in model.weights:
    value = np.asarray(variable)
    if value.ndim == 1:
      variable.assign((np.abs(value) + rng.uniform(0.1, 0.4, value.shape)).astype(value.dtype))
  return model


def _sequential(*made, shape=(6, 6, 4)):
  keras.utils.set_random_seed(1)
  return _randomized(keras.Sequential([keras.Input(shape), *made]))


def _attention():
  keras.utils.set_random_seed(1)
  x = keras.Input((5, 8))
  y = x + layers.MultiHeadAttention(2, 4, name='attention')(x, x)
  y = layers.EinsumDense('abc,cd->abd', output_shape=(5, 6), bias_axes='d', name='einsum')(y)
  return _randomized(keras.Model(x, layers.Dense(3, name='last')(layers.Flatten()(y))))


# name: (makes the model, shape of an example)
MODELS = {
    'dense': (lambda: _sequential(
        layers.Dense(16, activation='relu', name='fc1'), layers.Dense(6, name='fc2'),
        shape=(20,)), (20,)),
    'convolutions': (lambda: _sequential(
        layers.Conv2D(8, 3, groups=2, padding='same', activation='relu', name='grouped'),
        layers.SeparableConv2D(8, 3, activation='relu', name='separable'),
        layers.Conv2DTranspose(6, 3, strides=2, name='transposed'),
        layers.Reshape((-1, 6)), layers.Conv1D(4, 3, strides=3, name='conv1d')), (6, 6, 4)),
    'normalization': (lambda: _sequential(
        layers.Conv2D(8, 3, use_bias=False, name='conv'), layers.BatchNormalization(name='norm'),
        layers.ReLU(), layers.Flatten(), layers.Dense(8, use_bias=False, name='fc1'),
        layers.BatchNormalization(name='norm2'), layers.ReLU(), layers.Dense(5, name='fc2')),
                      (6, 6, 4)),
    'attention': (_attention, (5, 8)),
    'lstm': (lambda: _sequential(
        layers.LSTM(8, return_sequences=True, name='lstm'), layers.GRU(8, name='gru'),
        layers.Dense(6, name='fc'), shape=(5, 8)), (5, 8)),
}
# Weights that are only masked, by the layer.
MASKED = {'lstm': {'lstm', 'gru'}}


@pytest.fixture(scope='module', params=sorted(MODELS))
def case(request):
  """(name, dense model, its examples, pruned without examples, with them, rows of the latter)."""
  make, shape = MODELS[request.param]
  model, x = make(), models.inputs((64,) + shape) / 2
  before = [np.copy(value) for value in model.get_weights()]
  free = sparsity.prune_trained(model, HALF)
  refitted, rows = prune_trained_with_rows(model, HALF, x)
  for value, same in zip(model.get_weights(), before):
    np.testing.assert_array_equal(value, same)
  return request.param, model, x, free, refitted, rows


def _outputs(model, x):
  return np.asarray(model(x, training=False), np.float32)


def _error(model, pruned, x):
  return np.square(_outputs(model, x) - _outputs(pruned, x)).mean()


def _weights(model):
  return [record for layer in pruned_layers(model) for record in layer.pruning.weights]


def _zeros(model):
  return {record.name: int(np.sum(np.asarray(record.mask) == 0)) for record in _weights(model)}


@pytest.mark.sampled(2)
def test_the_outputs_stay_near_those_of_the_dense_model(case):
  name, model, x, free, refitted, _ = case
  assert _error(model, refitted, x) < (0.8 if name in MASKED else 0.5) * _error(model, free, x)


@pytest.mark.sampled(3)
def test_the_zeros_are_as_many_as_without_examples(case):
  _, _, _, free, refitted, rows = case
  assert _zeros(refitted) == _zeros(free) == {row.name: row.zeros for row in rows}
  for row in rows:
    assert row.zeros == row.size // 2 and row.target == 0.5
  for record in _weights(refitted):
    value, mask = np.asarray(record.weight), np.asarray(record.mask)
    assert set(np.unique(mask)) <= {0, 1} and not np.any(value[mask == 0])


def test_each_layer_is_refitted_or_says_why_not(case):
  name, _, _, _, _, rows = case
  for row in rows:
    if MASKED.get(name, set()) & set(row.name.split('/')):
      assert row.reason and row.error_refitted is None
    else:
      assert not row.reason and row.error_refitted < row.error_masked


def test_stripped_it_computes_the_same(case):
  _, _, x, _, refitted, _ = case
  stripped = sparsity.strip_pruning(refitted, in_place=False)
  assert not pruned_layers(stripped)
  np.testing.assert_allclose(_outputs(stripped, x), _outputs(refitted, x), rtol=1e-4, atol=1e-5)


def test_saved_and_loaded_it_computes_the_same(case, tmp_path):
  _, _, x, _, refitted, _ = case
  path = str(tmp_path / 'pruned.keras')
  refitted.save(path)
  loaded = keras.models.load_model(path)
  # Keras 2 names the cells of a loaded model anew.
  assert sorted(_zeros(loaded).values()) == sorted(_zeros(refitted).values())
  np.testing.assert_allclose(_outputs(loaded, x), _outputs(refitted, x), rtol=1e-4, atol=1e-5)


# ---- One model, thoroughly. ----


@pytest.fixture(scope='module')
def dense():
  """(a model, its examples)"""
  return MODELS['dense'][0](), models.inputs((64, 20)) / 2


def test_the_result_is_the_same_each_time(dense):
  model, x = dense
  first, second = (sparsity.prune_trained(model, HALF, x) for _ in range(2))
  for one, other in zip(first.get_weights(), second.get_weights()):
    np.testing.assert_array_equal(one, other)


def test_it_trains_on_at_its_targets(dense):
  model, x = dense
  pruned = sparsity.prune_trained(model, 'target_sparsity=0.5,pruning_frequency=2', x)
  before = {record.name: np.asarray(record.mask) for record in _weights(pruned)}
  kept = [np.asarray(record.weight) for record in _weights(pruned)]
  pruned.compile('sgd', 'mse')
  pruned.fit(x, np.zeros([64, 6], np.float32), batch_size=16, epochs=2, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  for record, old in zip(_weights(pruned), kept):
    value, mask = np.asarray(record.weight), np.asarray(record.mask)
    assert np.mean(mask == 0) == 0.5 and mask.shape == before[record.name].shape
    assert not np.array_equal(value, old)
  stripped = sparsity.strip_pruning(pruned)
  assert [np.mean(np.asarray(layer.kernel) == 0) for layer in stripped.layers
          if hasattr(layer, 'kernel')] == [0.5, 0.5]


@pytest.mark.parametrize('hparams, check', [
    ('target_sparsity=0.5,block_height=2,block_width=2', lambda mask: mask.reshape(
        mask.shape[0] // 2, 2, -1, 2).transpose(0, 2, 1, 3).reshape(-1, 4).std(axis=1).max() == 0),
    ('target_sparsity=0.5,intra_block_sparsity=true,block_width=4',
     lambda mask: (mask.reshape(-1, 4, mask.shape[1]).sum(axis=1) == 2).all()),
    ('target_sparsity=0.5,weight_sparsity_map=[fc2:0.5,fc1:0.5]', lambda mask: mask.mean() == 0.5),
])
def test_patterns_and_maps(dense, hparams, check):
  model, x = dense
  pruned = sparsity.prune_trained(model, hparams, x)
  assert _error(model, pruned, x) < _error(model, sparsity.prune_trained(model, hparams), x)
  for record in _weights(pruned):
    assert check(np.asarray(record.mask))


def test_examples_as_batches(dense):
  model, x = dense
  wanted = sparsity.prune_trained(model, HALF, x).get_weights()
  dataset = tensorflow.data.Dataset.from_tensor_slices((x, np.zeros(64))).batch(24)
  for examples in (dataset, iter([x[:40], x[40:]])):
    for one, other in zip(sparsity.prune_trained(model, HALF, examples).get_weights(), wanted):
      np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_plan_and_sensitivity_leave_the_model_as_it_is(dense):
  model, x = dense
  before = model.get_weights()
  found = sparsity.plan(model, x, target_sparsity=0.5)
  assert abs(found.sparsity - 0.5) < 0.05
  curves = sparsity.sensitivity(model, x, sparsities=[0.5, 0.9])
  assert 'fc1' in curves.table() and 'fc2' in curves.table()
  for value, same in zip(model.get_weights(), before):
    np.testing.assert_array_equal(value, same)
  assert not pruned_layers(model)
  pruned = sparsity.prune_trained(model, found.hparams, x)
  zeros, size = sum(_zeros(pruned).values()), sum(r.mask.shape.num_elements() if hasattr(
      r.mask.shape, 'num_elements') else int(np.prod(r.mask.shape)) for r in _weights(pruned))
  assert abs(zeros / size - found.sparsity) < 0.01


# ---- Models of other kinds. ----


def _two_inputs():
  keras.utils.set_random_seed(1)
  left, right = keras.Input((8,), name='left'), keras.Input((6,), name='right')
  y = layers.Concatenate()([layers.Dense(8, activation='relu', name='of_left')(left),
                            layers.Dense(8, activation='relu', name='of_right')(right)])
  return _randomized(keras.Model({'left': left, 'right': right}, layers.Dense(4, name='last')(y)))


def test_two_inputs_by_name():
  model = _two_inputs()
  x = {'left': models.inputs((48, 8)), 'right': models.inputs((48, 6), seed=1)}
  free, fitted = sparsity.prune_trained(model, HALF), sparsity.prune_trained(model, HALF, x)
  assert _error(model, fitted, x) < 0.5 * _error(model, free, x)
  dataset = tensorflow.data.Dataset.from_tensor_slices(x).batch(16)
  again = sparsity.prune_trained(model, HALF, dataset)
  np.testing.assert_allclose(_outputs(again, x), _outputs(fitted, x), rtol=1e-2, atol=1e-3)
  with pytest.raises(errors.ExamplesError, match='right'):
    sparsity.prune_trained(model, HALF, {'left': x['left']})
  with pytest.raises(errors.ExamplesError, match='2 inputs'):
    sparsity.prune_trained(model, HALF, x['left'])


def test_a_layer_used_twice_is_only_masked():
  keras.utils.set_random_seed(1)
  x = keras.Input((8,))
  shared = layers.Dense(8, activation='relu', name='shared')
  model = keras.Model(x, layers.Dense(4, name='last')(shared(shared(x))))
  rows = {row.name.split('/')[0]: row for row in prune_trained_with_rows(
      model, HALF, models.inputs((48, 8))).rows}
  assert rows['shared'].reason == 'it is used 2 times' and rows['shared'].zeros == 32
  assert not rows['last'].reason


class Subclassed(keras.Model):
  """Declares no inputs."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.hidden = layers.Dense(16, activation='relu', name='hidden')
    self.block = Residual(16, name='block')
    self.logits = layers.Dense(4, name='logits')

  def call(self, inputs):
    return self.logits(self.block(self.hidden(inputs)))

  def get_config(self):
    return {'name': self.name}


def test_a_subclassed_model_by_a_dataset():
  keras.utils.set_random_seed(1)
  x = models.inputs((64, 12)) / 2
  model = Subclassed()
  with pytest.raises(errors.LayerError, match='not a built Keras model'):
    sparsity.prune_trained(model, HALF, x)
  model(x[:1])
  dense = _outputs(model, x)
  free = sparsity.prune_trained(model, HALF, in_place=False)
  dataset = tensorflow.data.Dataset.from_tensor_slices((x, np.zeros(64))).batch(16)
  fitted = sparsity.prune_trained(model, HALF, dataset, in_place=False)
  np.testing.assert_array_equal(_outputs(model, x), dense)
  assert _error(model, fitted, x) < 0.5 * _error(model, free, x)


def test_mixed_precision():
  old = keras.mixed_precision.dtype_policy() if hasattr(
      keras.mixed_precision, 'dtype_policy') else keras.mixed_precision.global_policy()
  setter = getattr(keras.mixed_precision, 'set_global_policy', None) or (
      keras.mixed_precision.set_dtype_policy)
  setter('mixed_bfloat16')
  try:
    model = MODELS['dense'][0]()
  finally:
    setter(old)
  x = models.inputs((64, 20)) / 2
  free, fitted = sparsity.prune_trained(model, HALF), sparsity.prune_trained(model, HALF, x)
  assert _zeros(fitted) == _zeros(free)
  assert _error(model, fitted, x) < 0.7 * _error(model, free, x)


# ---- Mistakes. ----


@pytest.mark.sampled(8)
@pytest.mark.parametrize('x, message', [
    (lambda x: x[:, :7], r'shape \[64, 7\], but the model takes \[any, 20\]'),
    (lambda x: x[:5], 'There are 5 examples, too few'),
    (lambda x: np.where(np.arange(20) == 3, np.nan, x).astype(np.float32), 'NaN or infinite'),
    (lambda x: x > 0, 'dtype bool, but the model takes float32'),
    (lambda x: {'nothing': x}, "examples for 'nothing'"),
    (lambda x: 5, 'The examples are int'),
    (lambda x: [], 'examples'),
    (lambda x: iter([]), 'examples'),
    (lambda x: tensorflow.data.Dataset.from_tensor_slices(x).take(0), 'examples'),
])
@pytest.mark.parametrize('in_place', [False, True])
def test_bad_examples_change_nothing(dense, x, message, in_place):
  model, good = dense
  before = model.get_weights()
  with pytest.raises(errors.ExamplesError, match=message) as caught:
    sparsity.prune_trained(model, HALF, x(good), in_place=in_place)
  assert len(str(caught.value).splitlines()) == 1
  assert not pruned_layers(model)
  for value, same in zip(model.get_weights(), before):
    np.testing.assert_array_equal(value, same)


def test_an_interruption_in_place_leaves_the_model_as_it_was(dense, monkeypatch, caplog):
  model, x = dense
  before = model.get_weights()

  def interrupted(*unused):
    for record in _weights(model):
      record.weight.assign(np.zeros(record.weight.shape))
    raise KeyboardInterrupt

  monkeypatch.setattr(trained, 'reconstruct', interrupted)
  with pytest.raises(KeyboardInterrupt):
    sparsity.prune_trained(model, HALF, x, in_place=True)
  assert not pruned_layers(model) and not caplog.records
  for value, same in zip(model.get_weights(), before):
    np.testing.assert_array_equal(value, same)


def test_a_layer_after_one_with_a_state_is_refitted():
  keras.utils.set_random_seed(1)
  inputs = keras.Input((4, 6), batch_size=8)
  hidden = layers.GRU(16, stateful=True, name='memory')(inputs)
  model = keras.Model(inputs, layers.Dense(6, name='out')(hidden))
  x = np.random.RandomState(0).randn(64, 4, 6).astype(np.float32)

  def outputs(model):
    memory = model.get_layer('memory')
    (memory.reset_state if backend.IS_KERAS_3 else memory.reset_states)()
    return np.asarray(model(x[:8]))

  dense = outputs(model)
  masked, refitted = [np.abs(outputs(sparsity.prune_trained(
      model, HALF + ',weight_sparsity_map=[.*gru_cell.*:0.0]', given)) - dense).mean()
                      for given in (None, x)]
  assert refitted < 0.9 * masked


def test_a_model_with_a_vocabulary_is_refitted():
  keras.utils.set_random_seed(1)
  rng = np.random.RandomState(0)
  texts = tensorflow.constant([' '.join(rng.choice(list('abcdefghij'), 5)) for _ in range(200)])
  words = layers.TextVectorization(output_sequence_length=5)
  words.adapt(texts)
  inputs = keras.Input((), dtype='string')
  hidden = layers.Embedding(20, 8, name='table')(words(inputs))
  hidden = layers.GlobalMaxPooling1D()(layers.Conv1D(16, 2, activation='relu', name='c')(hidden))
  model = keras.Model(inputs, layers.Dense(3, name='out')(hidden))
  dense = np.asarray(model(texts))
  masked = sparsity.prune_trained(model, HALF)
  found = prune_trained_with_rows(model, HALF, texts)
  assert np.std(np.asarray(found.model(texts)) - dense) < (
      0.6 * np.std(np.asarray(masked(texts)) - dense))
  assert [row.reason for row in found.rows if row.reason] == [
      'it is no kernel of a product (GatherV2)']


def _tabular(examples):
  """Returns a model whose inputs are not in the order of their names, and some for it."""
  rng = np.random.RandomState(2)
  width, height = (keras.Input((6,), name=name) for name in ('width', 'height'))
  city = keras.Input((1,), dtype='string', name='city')
  hot = layers.StringLookup(vocabulary=['x', 'y'], output_mode='one_hot')(city)
  hidden = layers.Dense(24, activation='relu')(layers.Concatenate()([width, height, hot]))
  return keras.Model([width, height, city], layers.Dense(3)(hidden)), [
      (rng.normal(size=(examples, 2)) @ rng.normal(size=(2, 6))).astype(np.float32),
      (5 + rng.normal(size=(examples, 2)) @ rng.normal(size=(2, 6))).astype(np.float32),
      rng.choice(['x', 'y'], (examples, 1)).astype(object)]


def test_inputs_beside_a_vocabulary_are_in_the_order_of_the_model():
  keras.utils.set_random_seed(1)
  model, x = _tabular(96)
  given = [tensorflow.constant(part) for part in x]
  dense = np.asarray(model(given))
  names = ['width', 'height', 'city']
  outputs = [np.asarray(sparsity.prune_trained(model, HALF, examples)(given)) for examples in (
      x, tuple(x), dict(zip(names, x)),
      tensorflow.data.Dataset.from_tensor_slices(dict(zip(names, given))).batch(32))]
  for each in outputs:
    np.testing.assert_allclose(each, outputs[0], rtol=1e-3, atol=1e-3)
  masked = np.asarray(sparsity.prune_trained(model, HALF)(given))
  assert np.std(outputs[0] - dense) < 0.6 * np.std(masked - dense)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', [
    lambda: layers.LSTM(6), lambda: layers.Bidirectional(layers.GRU(4)),
    lambda: layers.SimpleRNN(5)], ids=['LSTM', 'Bidirectional', 'SimpleRNN'])
def test_a_vocabulary_before_a_recurrent_layer(make):
  keras.utils.set_random_seed(1)
  texts = tensorflow.constant([['a b c'], ['c d'], ['b a a'], ['e']] * 12)
  words = layers.TextVectorization(output_sequence_length=4)
  words.adapt(texts[:, 0])
  inputs = keras.Input((1,), dtype='string')
  hidden = layers.Dense(16, activation='relu', name='hidden')(make()(
      layers.Embedding(10, 8)(words(inputs))))
  model = keras.Model(inputs, layers.Dense(3, name='out')(hidden))
  found = prune_trained_with_rows(model, HALF, texts)
  assert np.isfinite(np.asarray(found.model(texts))).all()
  assert {row.name.split('/')[0] for row in found.rows if not row.reason} >= {'hidden', 'out'}


@pytest.mark.parametrize('hparams, error', [
    ('target_sparsity=2', errors.SpecError), ('target_sparsty=0.5', errors.UnknownHParamError),
    ('weight_sparsity_map=[nothing:0.5]', errors.MapError),
    ('threshold_decay=0.5', errors.SpecError),
    ('prune_option=first_order_gradient', errors.SpecError)])
def test_bad_hyperparameters(dense, hparams, error):
  with pytest.raises(error):
    sparsity.prune_trained(dense[0], hparams, dense[1])


def test_a_model_with_masks_is_refused(dense):
  model, x = dense
  pruned = sparsity.prune_trained(model, HALF)
  for function in (lambda: sparsity.prune_trained(pruned, HALF, x),
                   lambda: sparsity.plan(pruned, x, max_loss=0.1),
                   lambda: sparsity.sensitivity(pruned, x)):
    with pytest.raises(errors.LayerError, match='pruned already'):
      function()
