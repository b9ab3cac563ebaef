# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning and stripping in place: layers become pruned ones where they stand, and themselves again.
"""

import copy
import gc
import os
import pickle
import weakref

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
from model_pruning.engine import selection
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests import legs
from tests.keras import test_training as training
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras

layers, prune, strip = keras.layers, sparsity.prune_low_magnitude, sparsity.strip_pruning
HALF = sparsity.ConstantSparsity(0.5, 0, frequency=2)


def random(*shape):
  return np.random.RandomState(0).rand(*shape).astype('float32')


# Models as tutorials write them: no **kwargs, no get_config, parts in every place.


class Chain(keras.Model):

  def __init__(self):
    super().__init__()
    self.first = layers.Dense(6, activation=lambda x: tensorflow.nn.relu(x))
    self.last = layers.Dense(3)

  def call(self, x):
    return self.last(self.first(x))


class Listed(keras.Model):

  def __init__(self):
    super().__init__()
    self.blocks = [layers.Dense(6) for _ in range(2)]
    self.heads = {'main': layers.Dense(3)}

  def call(self, x):
    for block in self.blocks:
      x = block(x)
    return self.heads['main'](x)


class OfModels(keras.Model):

  def __init__(self):
    super().__init__()
    self.inner = Chain()
    self.outer = keras.Sequential([layers.Dense(5), layers.BatchNormalization(), layers.Dense(3)])

  def call(self, x, training=False):
    return self.outer(self.inner(x), training=training)


class Recurrent(keras.Model):

  def __init__(self):
    super().__init__()
    self.cells = layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)])
    self.last = layers.Dense(3)

  def call(self, x):
    return self.last(self.cells(tensorflow.reshape(x, (-1, 4, 2))))


class Attends(keras.Model):

  def __init__(self):
    super().__init__()
    self.attention = layers.MultiHeadAttention(2, 2)
    self.last = layers.Dense(3)

  def call(self, x):
    x = tensorflow.reshape(x, (-1, 4, 2))
    return self.last(layers.Flatten()(self.attention(x, x)))


class OfFunctional(keras.Model):

  def __init__(self):
    super().__init__()
    inputs = keras.Input((8,))
    self.body = keras.Model(inputs, layers.Dense(6, activation='tanh')(inputs))
    self.last = layers.Dense(3)

  def call(self, x):
    return self.last(self.body(x))


TUTORIALS = {Chain: 2, Listed: 3, OfModels: 4, Recurrent: 5, OfFunctional: 2}
if backend.IS_KERAS_3:  # In Keras 2 a layer that is called is not to be made in a call.
  TUTORIALS[Attends] = 5


def fit(model):
  model.fit(random(16, 8), random(16, 3), batch_size=8, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  return model


def trained(model, **kwargs):
  pruned = prune(model, HALF, **kwargs)
  pruned.compile('sgd', 'mse')
  return fit(pruned)


def assert_half(model, number):
  """Asserts that a model has so many pruned weights, half of each of which is zero."""
  found = training.records(model)
  assert len(found) == number
  for record in found:
    weight = np.asarray(record.weight)
    assert np.sum(weight == 0) == weight.size - selection.rounded_keep_count(weight.size, 0.5)


@pytest.mark.sampled(1)
# Its cases differ from leg to leg, so all of them run on each.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('make, built', legs.few(legs.product(
    sorted(TUTORIALS, key=str), [False, True]), 6, 'newest'))
def test_tutorials_are_pruned_trained_and_stripped_in_place(make, built):
  model, x = make(), random(4, 8)
  if built:
    model(x)
    before = np.asarray(model(x))
  pruned = prune(model, HALF, in_place=True)
  assert pruned is model
  if built:
    np.testing.assert_array_equal(before, pruned(x))
  pruned.compile('sgd', 'mse')
  assert_half(fit(pruned), TUTORIALS[make])
  outputs = np.asarray(pruned(x))
  stripped = strip(pruned, in_place=True)
  assert stripped is model and type(stripped) is make and not pruned_layers(stripped)
  np.testing.assert_array_equal(outputs, stripped(x))
  reference = make()
  reference(x)
  assert [tuple(w.shape) for w in stripped.weights] == [tuple(w.shape) for w in reference.weights]
  stripped.compile('sgd', 'mse')
  stripped.fit(x, random(4, 3), verbose=0)  # Plain training, which asks for no callback.


@pytest.mark.sampled(1)
# Its cases differ from leg to leg, so all of them run on each.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('make', legs.few(sorted(TUTORIALS, key=str), 2, 'newest'),
                         ids=lambda each: each.__name__)
def test_tutorials_need_no_arguments(make):
  model = make()
  model(random(2, 8))
  pruned = trained(model)
  outputs = np.asarray(pruned(random(4, 8)))
  stripped = strip(pruned)
  assert not pruned_layers(stripped)
  np.testing.assert_allclose(outputs, stripped(random(4, 8)), atol=1e-6)


# Layers that are shared in ways a config does not say.


def encoder():
  return keras.Sequential([keras.Input((8,)), layers.Dense(6, 'relu'), layers.Dense(4)])


def alone_and_distributed():
  shared, query, documents = encoder(), keras.Input((8,)), keras.Input((5, 8))
  return keras.Model([query, documents], layers.Dot(axes=(1, 2))(
      [shared(query), layers.TimeDistributed(shared)(documents)]))


def distributed_twice():
  shared, ones, others = encoder(), keras.Input((8,)), keras.Input((5, 8))
  both = layers.TimeDistributed(shared), layers.TimeDistributed(shared)
  one = layers.Reshape((1, 8))(ones)
  return keras.Model([ones, others], layers.Flatten()(
      layers.Dot(axes=(2, 2))([both[0](one), both[1](others)])))


class Calls(layers.Layer):
  """A layer of a user's that is given another."""

  def __init__(self, inner, **kwargs):
    super().__init__(**kwargs)
    self.inner = inner

  def call(self, x):
    return self.inner(x)


def inside_and_outside():
  dense, ones, others = layers.Dense(4), keras.Input((8,)), keras.Input((5, 8))
  scores = layers.Dot(axes=(1, 2))([dense(ones), Calls(dense)(others)])
  return keras.Model([ones, others], scores)


def one_cell_in_two():
  cell, ones, others = layers.GRUCell(4), keras.Input((8,)), keras.Input((5, 8))
  states = layers.RNN(cell)(others), layers.RNN(cell)(layers.Reshape((1, 8))(ones))
  return keras.Model([ones, others], layers.Dense(5)(layers.Concatenate()(states)))


SHARED = {alone_and_distributed: 2, distributed_twice: 2, inside_and_outside: 1, one_cell_in_two: 3}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', legs.few(sorted(SHARED, key=str), 2, 'newest'),
                         ids=lambda each: each.__name__)
def test_what_is_shared_stays_shared_and_has_one_mask(make):
  model = make()
  names, count = [layer.name for layer in model.layers], model.count_params()
  x = [random(16, 8), random(16, 5, 8)]
  before = model(x)
  pruned = prune(model, HALF)
  assert len(pruned.trainable_weights) == len(model.trainable_weights)
  np.testing.assert_allclose(before, pruned(x), atol=1e-6)
  pruned.compile('sgd', 'mse')
  pruned.fit(x, random(16, 5), batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  assert_half(pruned, SHARED[make])
  stripped = strip(pruned)
  assert stripped.count_params() == count
  assert [layer.name for layer in stripped.layers] == names


# What the model was before.


def dense_model(**kwargs):
  keras.utils.set_random_seed(3)
  return keras.Sequential([keras.Input((8,)), layers.Dense(6, name='hidden', **kwargs),
                           layers.Dense(3, name='logits')])


@pytest.mark.parametrize('run_eagerly', [False, True])
def test_a_model_in_training_is_pruned_and_goes_on(run_eagerly):
  model, x, y = dense_model(), random(32, 8), random(32, 3)
  model.compile('adam', 'mse', run_eagerly=run_eagerly)
  model.fit(x, y, batch_size=8, verbose=0)
  optimizer, moments = model.optimizer, backend.iterations(model)
  assert prune(model, HALF, in_place=True) is model and model.optimizer is optimizer
  assert backend.iterations(model) == moments
  with pytest.raises(Exception, match='UpdatePruningStep'):
    model.fit(x, y, batch_size=8, verbose=0)
  model.fit(x, y, batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  assert training.shares(model) == [0.5, 0.5]
  strip(model, in_place=True)
  model.fit(x, y, batch_size=8, verbose=0)
  assert np.mean(np.asarray(model.layers[-1].kernel) == 0) < 0.5


def test_stripping_puts_everything_back():
  model = dense_model(kernel_constraint=keras.constraints.MaxNorm(1.0))
  hidden, before = model.get_layer('hidden'), dict(vars(model.get_layer('hidden')))
  weights, constraint = list(model.weights), hidden.kernel.constraint
  trained(model, in_place=True)
  assert hidden.kernel.constraint is not constraint
  strip(model, in_place=True)
  assert type(hidden) is layers.Dense and hidden.kernel.constraint is constraint
  assert [id(weight) for weight in model.weights] == [id(weight) for weight in weights]
  assert model.get_layer('logits').kernel.constraint is None
  assert set(vars(hidden)) == set(before)


def test_stripping_in_place_gives_the_masks_back():
  model = dense_model()
  pruned = trained(model, in_place=True)
  masks = [weakref.ref(record.mask) for record in training.records(pruned)]
  strip(pruned, in_place=True)
  del pruned
  model.compile('sgd', 'mse')  # Of the functions that were traced with them.
  gc.collect()
  assert [mask() for mask in masks] == [None, None]


@pytest.mark.parametrize('in_place', [False, True])
def test_masks_are_named_by_their_layers(in_place):
  pruned = prune(dense_model(), HALF, in_place=in_place)
  names = [variables.variable_name(record.mask) for record in training.records(pruned)]
  assert [name.split('/')[-2:] for name in names] == [['hidden', 'mask'], ['logits', 'mask']]


def test_a_layer_pruned_in_place_keeps_its_checkpoint_names(tmp_path):
  model = trained(dense_model(), in_place=True)
  saved = tensorflow.train.Checkpoint(model=model).save(str(tmp_path / 'checkpoint'))
  other = prune(dense_model(), HALF, in_place=True)
  tensorflow.train.Checkpoint(model=other).restore(saved).expect_partial()
  training.assert_equal(zoo.values(model), zoo.values(other))
  strip(other, in_place=True)
  strip(model, in_place=True)
  saved = tensorflow.train.Checkpoint(model=model).save(str(tmp_path / 'stripped'))
  assert not [name for name, _ in tensorflow.train.list_variables(saved) if 'mask' in name]


@pytest.mark.parametrize('bad', [
    dict(hparams='weight_sparsity_map=[nope:0.5]'),
    dict(hparams='weight_sparsity_map=[hidden:0.5,kernel:0.2]'),
    dict(hparams='block_dims_map=[nope:2x2]')], ids=['unmatched', 'twice', 'blocks'])
def test_an_error_leaves_the_model_as_it_was(bad):
  model = dense_model()
  weights = list(map(id, model.weights))
  with pytest.raises(errors.PruningError):
    prune(model, HALF, in_place=True, **bad)
  assert not pruned_layers(model) and list(map(id, model.weights)) == weights
  assert type(model.get_layer('hidden')) is layers.Dense
  assert all(layer.kernel.constraint is None for layer in model.layers)


def test_a_weight_that_cannot_be_pruned_leaves_the_model_as_it_was():
  model = keras.Sequential([keras.Input((8,)), layers.Dense(8), zoo.Counts()])
  with pytest.raises(errors.WeightError, match='table'):
    prune(model, HALF, in_place=True)
  assert not pruned_layers(model) and len(model.weights) == 3


@pytest.mark.parametrize('kwargs', [dict(name='other'), dict(input_shape=(3,))])
def test_arguments_for_a_new_layer_are_refused_in_place(kwargs):
  with pytest.raises(TypeError, match='in_place'):
    prune(layers.Dense(3), HALF, in_place=True, **kwargs)


@pytest.mark.parametrize('in_place, models', [(True, 0), (False, 1)])
def test_in_place_makes_masks_and_no_second_model(in_place, models):
  model, made = dense_model(), []
  with variables.weights_watched(lambda layer, shape, dtype: made.append(int(np.prod(shape)))):
    pruned = prune(model, HALF, in_place=in_place)
  masks = sum(int(np.prod(record.mask.shape)) for record in training.records(pruned))
  assert sum(size for size in made if size > 1) == masks + models * model.count_params()
  made = []
  with variables.weights_watched(lambda layer, shape, dtype: made.append(int(np.prod(shape)))):
    strip(pruned, in_place=True)
  assert not made


# Layers pruned in constructors.


class Inside(layers.Layer):
  """Prunes a layer of its own."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.inner = prune(layers.Dense(6), HALF)

  def call(self, x):
    return self.inner(x)


class InBuild(layers.Layer):
  """Prunes a layer that it makes when it is built."""

  def build(self, input_shape):
    self.inner = prune(layers.Dense(6), HALF)
    self.inner.build(input_shape)
    super().build(input_shape)

  def call(self, x):
    return self.inner(x)


class InList(keras.Model):
  """A model with pruned layers in a list."""

  def __init__(self):
    super().__init__()
    self.parts = [prune(layers.Dense(6), HALF), prune(layers.Dense(3), HALF)]

  def call(self, x):
    return self.parts[1](self.parts[0](x))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make, number', [
    (lambda: keras.Sequential([keras.Input((8,)), Inside(), layers.Dense(3)]), 1),
    (lambda: keras.Sequential([keras.Input((8,)), InBuild(), layers.Dense(3)]), 1),
    (InList, 2)], ids=['constructor', 'build', 'list'])
def test_layers_pruned_in_constructors_are_stripped(make, number):
  model = make()
  model.compile('sgd', 'mse')
  fit(model)
  assert training.shares(model) == [0.5] * number
  outputs = np.asarray(model(random(4, 8)))
  stripped = strip(model)
  np.testing.assert_array_equal(outputs, stripped(random(4, 8)))
  assert not pruned_layers(stripped)
  assert stripped.count_params() == 8 * 6 + 6 + 6 * 3 + 3
  stripped.compile('sgd', 'mse')
  stripped.fit(random(16, 8), random(16, 3), verbose=0)


def test_a_model_with_a_pruned_layer_in_it_is_pruned_but_for_that():
  model = keras.Sequential([keras.Input((8,)), Inside(), layers.Dense(3)])
  quarter = prune(model, sparsity.ConstantSparsity(0.75, 0, frequency=2), in_place=True)
  quarter.compile('sgd', 'mse')
  fit(quarter)
  assert sorted(np.round(training.shares(quarter), 2)) == [0.5, 0.78]  # Of 18 one keeps 4.


# The weights of a layer, in their order.


@pytest.mark.sampled(1)
@pytest.mark.parametrize('make, shape', [
    (lambda: layers.LSTM(4, name='r'), (5, 3)), (lambda: layers.GRU(4, name='r'), (5, 3)),
    (lambda: layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)], name='r'), (5, 3)),
    (lambda: layers.Bidirectional(layers.LSTM(4), name='r'), (5, 3)),
    (lambda: layers.TimeDistributed(layers.Dense(4), name='r'), (5, 3)),
    (lambda: layers.SeparableConv1D(4, 2, name='r'), (5, 3)),
    (lambda: Normalized(name='r'), (8,))])
@pytest.mark.parametrize('frozen', [False, True])
def test_the_weights_of_the_plain_layer_come_first(make, shape, frozen):
  layer, inputs = make(), keras.Input(shape)
  model = keras.Model(inputs, layer(inputs))
  layer.trainable = not frozen
  plain = layer.get_weights()
  pruned = prune(model, HALF).get_layer('r')
  for before, after in zip(plain, pruned.get_weights()):
    np.testing.assert_array_equal(before, after)
  assert len(pruned.get_weights()) > len(plain)
  assert len(pruned.trainable_weights) + len(pruned.non_trainable_weights) == len(pruned.weights)


def test_arguments_for_a_wrapper_are_not_those_of_the_layer_in_it():
  pruned = prune(layers.TimeDistributed(layers.Dense(4)), HALF, input_shape=(5, 3))
  assert keras.Sequential([pruned]).output_shape == (None, 5, 4)
  inner = pruned.layer
  assert 'batch_input_shape' not in inner.get_config()  # Of Keras 2.
  assert getattr(inner, '_input_shape_arg', None) is None  # Of Keras 3.


class Normalized(layers.Layer):
  """Has weights of all kinds in it."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.dense, self.norm = layers.Dense(6), layers.BatchNormalization()

  def call(self, x):
    return self.norm(self.dense(x))


# Files.


def test_a_file_has_the_config_of_each_layer(tmp_path):
  pruned = prune(keras.Sequential(
      [keras.Input((16,))] + [layers.Dense(16 + i, name='d%d' % i) for i in range(24)]), HALF)
  for attempt in range(3):
    path = str(tmp_path / ('%d.keras' % attempt))
    pruned.save(path)
    read = keras.models.load_model(path)
    assert [layer.units for layer in read.layers] == [16 + i for i in range(24)]


@keras.utils.register_keras_serializable('test_pruned')
class Registered(keras.Model):
  """A subclass as Keras can save it."""

  def __init__(self, units=6, **kwargs):
    super().__init__(**kwargs)
    self.units, self.hidden, self.last = units, layers.Dense(units), layers.Dense(3)

  def call(self, x):
    return self.last(self.hidden(x))

  def get_config(self):
    return {'name': self.name, 'units': self.units}


def test_a_subclass_pruned_in_place_is_saved_and_goes_on(tmp_path):
  model = trained(Registered(5), in_place=True)
  path = str(tmp_path / 'model.keras')
  model.save(path)
  read = keras.models.load_model(path)
  training.assert_equal(zoo.values(model), zoo.values(read))
  assert read.units == 5 and training.step_of(read) == {2}
  fit(read)
  stripped = strip(read)
  assert type(stripped) is Registered
  np.testing.assert_array_equal(stripped(random(4, 8)), read(random(4, 8)))


@pytest.mark.sampled(1)
@pytest.mark.legs('default', 'tf_keras')
@pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 3 loads no models from SavedModels')
@pytest.mark.parametrize('in_place', [False, True])
def test_a_subclass_goes_on_from_a_saved_model(in_place, tmp_path):
  plain = Registered(5)
  plain(random(2, 8))
  model = trained(plain, in_place=in_place)
  model.save(str(tmp_path / 'model'), save_format='tf')
  read = keras.models.load_model(str(tmp_path / 'model'))
  assert sorted(map(np.sum, zoo.values(model))) == sorted(map(np.sum, zoo.values(read)))
  assert training.step_of(read) == {2}
  fit(read)
  np.testing.assert_array_equal(strip(read)(random(4, 8)), read(random(4, 8)))


def pickled(model):
  return pickle.loads(pickle.dumps(model))


@pytest.mark.sampled(1)
@pytest.mark.parametrize('make, copied', legs.few(legs.product(
    [Registered, dense_model], [copy.deepcopy, pickled]), 2, 'newest'),
                         ids=lambda each: each.__name__)
def test_copies_of_python_are_pruned_models_of_their_own(make, copied):
  model = trained(make(), in_place=True)
  other = copied(model)
  training.assert_equal(zoo.values(model), zoo.values(other))
  fit(other)
  assert training.step_of(other) == {4} and training.step_of(model) == {2}


@pytest.mark.parametrize('form', ['model.weights.h5', 'Checkpoint'])
def test_what_keras_cannot_save_whole_is_saved_by_its_weights(form, tmp_path):
  model, other, path = trained(Chain(), in_place=True), prune(Chain(), HALF), str(tmp_path / form)
  other(random(2, 8))
  if form == 'Checkpoint':
    saved = tensorflow.train.Checkpoint(model=model).save(path)
    tensorflow.train.Checkpoint(model=other).restore(saved).expect_partial()
  else:
    model.save_weights(path)
    other.load_weights(path)
  training.assert_equal(zoo.values(model), zoo.values(other))
  assert training.step_of(other) == {2}


@pytest.mark.slow
def test_exporting_leaves_a_model_pruned_in_place_as_it_is(tmp_path):
  model = trained(Chain(), in_place=True)
  values, x = zoo.values(model), random(4, 8)
  sparsity.to_saved_model(model, str(tmp_path / 'saved'))
  sparsity.to_tflite(model, str(tmp_path / 'model.tflite'), input_shapes={'inputs': [1, 8]})
  assert os.path.getsize(str(tmp_path / 'model.tflite'))
  training.assert_equal(values, zoo.values(model))
  assert len(pruned_layers(model)) == 1
  read = tensorflow.saved_model.load(str(tmp_path / 'saved'))
  outputs = read.signatures['serving_default'](tensorflow.constant(x))
  np.testing.assert_allclose(list(outputs.values())[0], model(x), atol=1e-6)
  fit(model)
  assert training.shares(model) == [0.5, 0.5] and training.step_of(model) == {4}


# Strategies.


@pytest.mark.slow
def test_a_model_made_under_a_strategy_is_pruned_outside_of_it():
  devices = tensorflow.config.list_logical_devices('CPU')
  strategy = tensorflow.distribute.MirroredStrategy([device.name for device in devices[:1]])
  with strategy.scope():
    model = dense_model()
    model.compile('sgd', 'mse')
  prune(model, HALF, in_place=True)
  fit(model)
  assert training.shares(model) == [0.5, 0.5]


@pytest.mark.skipif(not backend.IS_KERAS_3, reason='LoRA came with Keras 3')
@pytest.mark.parametrize('make, shape', [
    (lambda: layers.Dense(6), (4,)), (lambda: layers.Embedding(9, 6), (4,)),
    (lambda: layers.EinsumDense('ab,bc->ac', 6), (4,)), (lambda: layers.Conv1D(6, 2), (5, 4))])
def test_lora_would_fill_the_zeros_of_a_mask(make, shape):
  model = keras.Sequential([keras.Input(shape), make()])
  pruned = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
  with pytest.raises(errors.LayerError, match='after strip_pruning'):
    pruned.layers[-1].enable_lora(2)
  model.layers[-1].enable_lora(2)
  with pytest.raises(errors.LayerError, match=r'%s has LoRA.*save_weights\(\) merges' %
                     model.layers[-1].name):
    sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
  sparsity.strip_pruning(pruned).layers[-1].enable_lora(2)


class _Inside(layers.Layer):
  """A layer with a kernel in it."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.inner = layers.Dense(6, name='inner')

  def build(self, input_shape):
    self.inner.build(input_shape)
    super().build(input_shape)

  def call(self, inputs):
    return self.inner(inputs)


@pytest.mark.skipif(not backend.IS_KERAS_3, reason='LoRA came with Keras 3')
def test_lora_inside_a_layer_is_refused_too():
  model = keras.Sequential([keras.Input((8,)), _Inside(), layers.Dense(3)])
  pruned = sparsity.prune_low_magnitude(model, HALF)
  pruned.compile('sgd', 'mse')
  fit(pruned)
  pruned.layers[0].inner.enable_lora(2)
  for call in (lambda: fit(pruned), lambda: strip(pruned)):
    with pytest.raises(errors.LayerError, match='Layer inner has LoRA'):
      call()
  model.layers[0].inner.enable_lora(2)
  with pytest.raises(errors.LayerError, match='Layer inner has LoRA'):
    sparsity.prune_low_magnitude(model, HALF)


class _Wrapping(tensorflow.Variable):
  """Wraps a variable, as the layers of packages do that quantize what is read."""

  def __init__(self, inner):
    self.latent_variable = inner

  name = property(lambda self: self.latent_variable.name)
  constraint = property(lambda self: self.latent_variable.constraint)


class _Refusing(_Wrapping):
  """Takes no constraint."""

  constraint = property(lambda self: None)


@pytest.mark.skipif(backend.IS_KERAS_3, reason='variables of Keras 3 have constraints of their own')
def test_the_variable_in_another_gets_the_constraint():
  inner = tensorflow.Variable([1.0], name='kernel')
  variables.set_constraint(_Wrapping(_Wrapping(inner)), abs)
  assert inner.constraint is abs
  with pytest.raises(errors.WeightError, match='Weight kernel is a _Refusing, .* pruning_policy'):
    variables.set_constraint(_Refusing(inner), abs)
