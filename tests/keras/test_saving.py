# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""What a pruned model is after it was saved, in every way Keras saves, and read again."""

import contextlib

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers
from tests.keras import test_training as training
from tests.keras import zoo

pytestmark = [pytest.mark.legacy_keras, pytest.mark.slow]

layers = keras.layers


@keras.utils.register_keras_serializable('tests')
class Linear(sparsity.PruningSchedule):
  """A registered schedule of one's own."""

  def __init__(self, end_step):
    self.end_step = end_step

  def __call__(self, step):
    return 0 < step <= self.end_step, 0.75 * min(step, self.end_step) / self.end_step

  def get_config(self):
    return {'class_name': 'Linear', 'config': {'end_step': self.end_step}}


@keras.utils.register_keras_serializable('tests')
class Subclassed(keras.Model):
  """A model that is no graph of layers."""

  def __init__(self, units=6, **kwargs):
    super().__init__(**kwargs)
    self.units = units
    self.hidden = layers.Dense(units, activation='relu', name='hidden')
    self.logits = layers.Dense(4, name='logits')

  def build(self, input_shape):
    self.hidden.build(input_shape)
    self.logits.build((*input_shape[:-1], self.units))
    super().build(input_shape)

  def call(self, inputs):
    return self.logits(self.hidden(inputs))

  def get_config(self):
    return {**(super().get_config() if backend.IS_KERAS_3 else {'name': self.name}),
            'units': self.units}


def nested_model():
  inner = keras.Sequential([keras.Input((8,)), layers.Dense(6, 'relu', name='hidden')],
                           name='inner')
  x = keras.Input((8,))
  keras.utils.set_random_seed(3)
  return keras.Model(x, layers.Dense(4, name='logits')(inner(x)), name='outer')


def subclassed_model():
  keras.utils.set_random_seed(3)
  model = Subclassed(name='own')
  model.build((None, 8))
  return model


MODELS = {'sequential': training.dense_model, 'nested': nested_model,
          'subclassed': subclassed_model}

# Every option of prune_low_magnitude.
OPTIONS = {
    'polynomial': dict(pruning_schedule=training.SCHEDULE),
    'constant': dict(pruning_schedule=sparsity.ConstantSparsity(0.5, 1, end_step=5, frequency=2)),
    'n_of_m': dict(pruning_schedule=sparsity.PolynomialDecay(0.0, 0.5, 0, 6, 1, 2),
                   sparsity_m_by_n=(2, 4)),
    'blocks': dict(pruning_schedule=training.SCHEDULE, block_size=(2, -1),
                   block_pooling_type='MAX'),
    'own': dict(pruning_schedule=Linear(6)),
    'decay': dict(pruning_schedule=sparsity.PolynomialDecaySchedule(
        total_iters=6, update_frequency=2),
                  hparams='target_sparsity=0.75,weight_sparsity_map=[.*logits.*:0.5]'),
    'hparams': dict(pruning_schedule='target_sparsity=0.75,pruning_frequency=2,'
                    'sparsity_function_end_step=6,threshold_decay=0.5,threshold_method=histogram,'
                    'block_dims_map=[.*hidden.*:2x1]'),
}


def made(kind='sequential', option='polynomial', optimizer=None):
  model = sparsity.prune_low_magnitude(MODELS[kind](), **OPTIONS[option])
  return zoo.compiled(model, optimizer or keras.optimizers.Adam(0.01), run_eagerly=True)


def train(model, epoch):
  """Trains for one of two epochs, of four batches each."""
  model.run_eagerly = True
  training.fit(model, epochs=1)
  del epoch
  return model


@contextlib.contextmanager
def no_scope():
  """As prune_scope, and does nothing."""
  yield


def saved_and_read(model, path, scope=no_scope):
  model.save(path)
  with scope():
    return keras.models.load_model(path)


def assert_goes_on_alike(model, read, train_first=True):
  """Trains two models on, and compares what becomes of them bit for bit."""
  training.assert_equal(zoo.values(model), zoo.values(read))
  assert [layer.pruning.settings for layer in pruned_layers(model)] == [
      layer.pruning.settings for layer in pruned_layers(read)]
  assert training.step_of(read) == training.step_of(model)
  train(model, 2)
  train(read, 2)
  assert training.step_of(read) == {8}
  training.assert_equal(zoo.values(model), zoo.values(read))


@pytest.mark.sampled(1)
@pytest.mark.parametrize('option', sorted(OPTIONS))
def test_every_option_survives(option, tmp_path):
  model = train(made(option=option), 1)
  assert_goes_on_alike(model, saved_and_read(model, str(tmp_path / 'model.keras')))


FORMATS = ['keras', 'h5'] + ([] if backend.IS_KERAS_3 else ['folder'])


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind, scope', [
    ('sequential', no_scope), ('sequential', sparsity.prune_scope), ('nested', no_scope),
    ('subclassed', no_scope)])
@pytest.mark.parametrize('form', FORMATS)
def test_every_kind_of_model_survives_in_every_form(form, kind, scope, tmp_path):
  if form == 'h5' and kind == 'subclassed':
    pytest.skip('Keras writes no subclassed models to HDF5')
  model = train(made(kind), 1)
  path = str(tmp_path / 'model') + {'folder': ''}.get(form, '.' + form)
  read = saved_and_read(model, path, scope)
  if form == 'folder' or form == 'h5' and backend.IS_KERAS_3:
    for each in (model, read):  # Keras restores no state of optimizers from these.
      zoo.compiled(each, keras.optimizers.SGD(0.05))
  assert_goes_on_alike(model, read)


@keras.utils.register_keras_serializable('tests')
class Backbone(keras.Model):
  """A functional model that is made anew from arguments, not from its layers, as keras_hub's."""

  def __init__(self, units=6, **kwargs):
    inputs = keras.Input((8,))
    hidden = layers.Dense(units, activation='relu', name='hidden')
    super().__init__(inputs, hidden(inputs), **kwargs)
    self.units = units

  def get_config(self):
    return {'units': self.units, 'name': self.name}

  @classmethod
  def from_config(cls, config, custom_objects=None):
    return cls(**config)


@keras.utils.register_keras_serializable('tests')
class Task(keras.Model):
  """A functional model around a backbone."""

  def __init__(self, backbone, **kwargs):
    super().__init__(backbone.input, layers.Dense(4, name='logits')(backbone.output), **kwargs)
    self.backbone = backbone

  def get_config(self):
    return {'backbone': self.backbone.get_config(), 'name': self.name}

  @classmethod
  def from_config(cls, config, custom_objects=None):
    return cls(Backbone.from_config(config['backbone']), name=config['name'])


@pytest.mark.sampled(1)
@pytest.mark.parametrize('make, number', [
    (Backbone, 1), (lambda: Task(Backbone()), 2),
    (lambda: keras.Sequential([keras.Input((8,)), Backbone(), layers.Dense(4)]), 2)],
                         ids=['backbone', 'task', 'inside'])
@pytest.mark.parametrize('in_place', [None, True])
def test_functional_models_with_configs_of_their_own_survive(make, number, in_place, tmp_path):
  keras.utils.set_random_seed(3)
  dense = make()
  model = sparsity.prune_low_magnitude(dense, training.SCHEDULE, in_place=in_place)
  assert (model is dense) == bool(in_place)
  rng = np.random.RandomState(0)
  x, y = rng.rand(32, 8), rng.randint(0, 4, 32)
  model.compile('sgd', keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                run_eagerly=True)
  model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  read = saved_and_read(model, str(tmp_path / 'model.keras'))
  masks = [record.mask for layer in pruned_layers(read) for record in layer.pruning.weights]
  assert [float(np.mean(np.asarray(mask) == 0)) for mask in masks] == [0.75] * number
  np.testing.assert_array_equal(read(x), model(x))
  assert not pruned_layers(sparsity.strip_pruning(read))


@pytest.mark.sampled(3)
@pytest.mark.parametrize('kind', sorted(MODELS))
@pytest.mark.parametrize('form', ['model.weights.h5', 'model.h5', 'checkpoint', 'Checkpoint',
                                  'get_weights'])
def test_weights_alone(form, kind, tmp_path):
  if backend.IS_KERAS_3 and form in ('model.h5', 'checkpoint'):
    pytest.skip('Keras 3 names them .weights.h5')
  model, read = train(made(kind), 1), made(kind)
  path = str(tmp_path / form)
  if form == 'Checkpoint':
    saved = tensorflow.train.Checkpoint(model=model).save(path)
    tensorflow.train.Checkpoint(model=read).restore(saved).expect_partial()
  elif form == 'get_weights':
    read.set_weights(model.get_weights())
  else:
    model.save_weights(path)
    read.load_weights(path)
  training.assert_equal(zoo.values(model), zoo.values(read))
  train(read, 2)
  assert training.shares(read) == [0.75, 0.75] and training.step_of(read) == {8}


def test_a_checkpoint_of_model_and_optimizer_goes_on(tmp_path):
  model, read = train(made(), 1), made()
  saved = tensorflow.train.Checkpoint(model=model, optimizer=model.optimizer).save(
      str(tmp_path / 'checkpoint'))
  if hasattr(read.optimizer, 'build'):
    read.optimizer.build(read.trainable_variables)
  tensorflow.train.Checkpoint(model=read, optimizer=read.optimizer).restore(saved)
  assert_goes_on_alike(model, read)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('kind', sorted(MODELS))
@pytest.mark.parametrize('form', ['model.weights.h5', 'model.h5', 'checkpoint'])
def test_weights_of_a_dense_model_are_read_into_a_pruned_one(form, kind, tmp_path):
  if backend.IS_KERAS_3 and form != 'model.weights.h5':
    pytest.skip('Keras 3 names them .weights.h5')
  dense, path = MODELS[kind](), str(tmp_path / form)
  for weight in dense.weights:
    weight.assign(np.random.RandomState(7).normal(size=weight.shape))
  dense.save_weights(path)
  model = made(kind)
  if form == 'model.h5':
    with pytest.raises(ValueError, match='(?i)expect'):  # Keras goes by the number of weights.
      model.load_weights(path)
    return
  loaded = model.load_weights(path)
  if form == 'checkpoint':
    loaded.expect_partial()
  for value, weight in zip(zoo.values(dense), sparsity.strip_pruning(model).weights):
    np.testing.assert_array_equal(value, weight)
  train(model, 1)
  train(model, 2)
  assert training.shares(model) == [0.75, 0.75]


@pytest.mark.parametrize('kind', ['sequential', 'nested'])
def test_configs_alone(kind):
  model = train(made(kind), 1)
  copies = [keras.models.model_from_json(model.to_json()), keras.models.clone_model(model),
            model.__class__.from_config(model.get_config())]
  for copy in copies:
    assert [layer.pruning.settings for layer in pruned_layers(copy)] == [
        layer.pruning.settings for layer in pruned_layers(model)]
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert len(copy.weights) == len(model.weights)
    assert training.shares(copy) == [0, 0]
    copy.set_weights(model.get_weights())
    training.assert_equal(zoo.values(copy), zoo.values(model))
    zoo.compiled(copy, run_eagerly=True)
    train(copy, 2)
    assert training.shares(copy) == [0.75, 0.75]
  assert training.step_of(model) == {4}


def test_cloning_a_layer():
  layer = sparsity.prune_low_magnitude(layers.Dense(3, name='one'), **OPTIONS['n_of_m'])
  copy = type(layer).from_config(layer.get_config())
  assert copy.pruning.settings == layer.pruning.settings and copy.name == 'one'
  copy = keras.layers.deserialize(keras.layers.serialize(layer))
  assert copy.pruning.settings == layer.pruning.settings and copy.units == 3


@pytest.mark.sampled(1)
@pytest.mark.parametrize('kind', sorted(MODELS))
def test_exporting_for_serving(kind, tmp_path):
  model = train(made(kind), 1)
  x, _ = training.data()
  model(x)
  path = str(tmp_path / 'serving')
  if hasattr(model, 'export'):
    model.export(path, **({'verbose': False} if backend.IS_KERAS_3 else {}))
    read = tensorflow.saved_model.load(path)
    served = read.serve(x)
  else:
    tensorflow.saved_model.save(model, path)
    read = tensorflow.saved_model.load(path)
    served = read(x)
  np.testing.assert_allclose(np.asarray(served), np.asarray(model(x)), rtol=1e-5, atol=1e-6)


def test_tensorflow_saves_it_too(tmp_path):
  model = train(made(), 1)
  path, (x, _) = str(tmp_path / 'saved'), training.data()
  tensorflow.saved_model.save(model, path)
  read = tensorflow.saved_model.load(path)
  outputs = read.signatures['serving_default'](tensorflow.constant(x))
  np.testing.assert_allclose(list(outputs.values())[0], model(x), rtol=1e-5, atol=1e-6)


def test_a_schedule_of_ones_own_that_is_not_registered_says_so(tmp_path):
  model = training.pruned(schedule=training.Steps())
  path = str(tmp_path / 'model.keras')
  model.save(path)
  with pytest.raises((ValueError, TypeError), match='Steps'):
    keras.models.load_model(path)
  read = keras.models.load_model(path, custom_objects={'Steps': training.Steps})
  assert isinstance(pruned_layers(read)[0].pruning.settings.schedule, training.Steps)


def test_a_stripped_model_needs_nothing_of_this_library(tmp_path):
  model = train(made(), 1)
  stripped = sparsity.strip_pruning(model)
  path = str(tmp_path / 'model.keras')
  stripped.save(path)
  assert 'Prune' not in stripped.to_json()
  assert 'model_pruning' not in stripped.to_json()
  read = keras.models.load_model(path)
  training.assert_equal(zoo.values(stripped), zoo.values(read))


class Unregistered(Linear):
  """A schedule that is named only when a file is loaded."""

  def get_config(self):
    return {**super().get_config(), 'class_name': 'Unregistered'}


@pytest.mark.parametrize('name', ['model.keras', 'model.h5'])
def test_schedules_are_found_among_custom_objects(tmp_path, name):
  model = keras.Sequential([keras.Input((4,)), sparsity.prune_low_magnitude(
      layers.Dense(3), Unregistered(6))])
  path = str(tmp_path / name)
  model.save(path)
  read = keras.models.load_model(path, custom_objects={'Unregistered': Unregistered})
  schedule = read.layers[-1].pruning.settings.schedule
  assert isinstance(schedule, Unregistered) and schedule.end_step == 6
