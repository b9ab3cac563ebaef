# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_low_magnitude and strip_pruning: of what, by what arguments, and what they refuse."""

import os
import subprocess
import sys

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
from tests.keras import test_training as training
from tests.keras import zoo

pytestmark = pytest.mark.legacy_keras

layers, prune = keras.layers, sparsity.prune_low_magnitude


class OwnTraining(keras.Model):
  """Made of inputs and outputs, with a train_step of its own."""

  steps = 0

  def train_step(self, *args, **kwargs):
    self.steps += 1
    return super().train_step(*args, **kwargs)


class Unbuilt(keras.Model):
  """Makes the weights of its layers when it is called."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.hidden = layers.Dense(6, activation='relu', name='hidden')
    self.logits = layers.Dense(4, name='logits')

  def call(self, inputs):
    return self.logits(self.hidden(inputs))

  def get_config(self):
    return {'name': self.name}


class WithoutConfig(keras.Model):
  """Cannot be made anew by its config."""

  def __init__(self, units):
    super().__init__()
    self.hidden = layers.Dense(units)

  def get_config(self):
    raise NotImplementedError

  def call(self, inputs):
    return self.hidden(inputs)


class AutoConfig(keras.Model):
  """Leaves its config to Keras, which notes the arguments of the constructor."""

  def __init__(self, units, **kwargs):
    super().__init__(**kwargs)
    self.hidden = layers.Dense(units, activation='relu', name='hidden')
    self.logits = layers.Dense(4, name='logits')

  def call(self, inputs):
    return self.logits(self.hidden(inputs))


class Unknown(layers.Layer):
  """Has weights, and nobody knows which to prune."""

  def build(self, input_shape):
    self.table = self.add_weight(name='table', shape=(int(input_shape[-1]), 6),
                                 initializer='glorot_uniform')
    super().build(input_shape)

  def call(self, inputs):
    return tensorflow.matmul(inputs, self.table)


def functional(model_class=keras.Model):
  keras.utils.set_random_seed(3)
  x = keras.Input((8,))
  hidden = layers.Dropout(0.0)(layers.Dense(6, 'relu', name='hidden')(x))
  return model_class(inputs=x, outputs=layers.Dense(4, name='logits')(hidden), name='functional')


def nested():
  x = keras.Input((8,))
  inner = keras.Sequential([layers.Dense(6, 'relu', name='hidden')], name='inner')
  return keras.Model(x, layers.Dense(4, name='logits')(functional()(x)) + inner(x)[:, :4],
                     name='outer')


def shared():
  x = keras.Input((8,))
  twice, block = layers.Dense(8, name='twice'), keras.Sequential(
      [keras.Input((8,)), layers.Dense(8, name='in_block')], name='block')
  return keras.Model(x, layers.Dense(4, name='logits')(twice(block(block(twice(x))))),
                     name='shared')


def called(model):
  model(training.data(1)[0])
  return model


def has_weights(model):
  return any(layer.weights for layer in model.layers)


# Each with the number of weights that are pruned.
MODELS = {
    'sequential': (training.dense_model, 2),
    'functional': (functional, 2),
    'nested': (nested, 4),
    'shared': (shared, 3),
    'own_training': (lambda: functional(OwnTraining), 2),
    'subclassed': (lambda: called(Unbuilt(name='own')), 2),
    'subclassed_unbuilt': (lambda: Unbuilt(name='own'), 2),
    'sequential_unbuilt': (lambda: keras.Sequential(
        [layers.Dense(6, 'relu', name='hidden'), layers.Dense(4, name='logits')]), 2),
    'sequential_of_subclassed': (lambda: keras.Sequential(
        [keras.Input((8,)), Unbuilt(name='own'), layers.Dense(4)]), 3),
}


if not backend.IS_KERAS_3:  # That notes the arguments of layers' constructors, not of models'.
  MODELS['auto_config'] = lambda: called(AutoConfig(6)), 2
  MODELS['auto_config_unbuilt'] = lambda: AutoConfig(6), 2


@pytest.mark.sampled(3)
@pytest.mark.parametrize('kind', sorted(MODELS))
def test_models_of_every_kind(kind):
  keras.utils.set_random_seed(3)
  make, number = MODELS[kind]
  plain = make()
  zoo.compiled(plain, run_eagerly=True)
  optimizer, built = plain.optimizer, has_weights(plain)
  before, config = zoo.values(plain) if built else None, plain.get_config()
  model = prune(plain, training.SCHEDULE)
  assert type(model).__name__ in (type(plain).__name__, 'PruneLowMagnitude')
  assert isinstance(model, type(plain)) and model.name == plain.name
  assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
  assert getattr(model, 'optimizer', None) is None
  x, _ = training.data()
  if built:
    np.testing.assert_array_equal(model(x), plain(x))

  zoo.compiled(model, run_eagerly=True)
  training.fit(model)
  assert len(training.records(model)) == number
  assert training.shares(model) == [0.75] * number and training.step_of(model) == {8}
  # The original is as it was.
  assert plain.optimizer is optimizer and plain.get_config() == config
  assert has_weights(plain) == built
  if built:
    training.assert_equal(before, zoo.values(plain))
  assert not pruned_layers(plain)

  stripped = sparsity.strip_pruning(model)
  assert type(stripped) is type(plain) and stripped.name == plain.name
  assert getattr(stripped, 'optimizer', None) is None and not pruned_layers(stripped)
  np.testing.assert_array_equal(stripped(x), model(x))
  if built:
    assert [weight.shape for weight in stripped.weights] == [
        weight.shape for weight in plain.weights]


@pytest.mark.parametrize('kind', ['sequential_unbuilt', 'subclassed_unbuilt'])
def test_models_that_are_built_by_fit_in_a_graph(kind):
  model = prune(MODELS[kind][0](), training.SCHEDULE)
  zoo.compiled(model)
  training.fit(model)
  assert training.shares(model) == [0.75, 0.75]


def test_several_inputs_and_outputs():
  keras.utils.set_random_seed(3)
  inputs = {'a': keras.Input((8,), name='a'), 'b': keras.Input((4,), name='b')}
  both = layers.Concatenate()([layers.Dense(4, name='of_a')(inputs['a']), inputs['b']])
  plain = keras.Model(inputs, {'x': layers.Dense(2, name='x')(both),
                               'y': layers.Dense(3, name='y')(both)})
  model = prune(plain, training.AT_ONCE)
  model.compile('sgd', {'x': 'mse', 'y': 'mse'}, run_eagerly=True)
  values = {'a': np.ones((8, 8), np.float32), 'b': np.ones((8, 4), np.float32)}
  for name, value in plain(values).items():
    np.testing.assert_array_equal(value, model(values)[name])
  model.fit(values, {'x': np.ones((8, 2)), 'y': np.ones((8, 3))}, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  assert training.shares(model) == [0.5, 0.5, 0.5]
  stripped = sparsity.strip_pruning(model)
  for name, value in stripped(values).items():
    np.testing.assert_array_equal(value, model(values)[name])


def test_a_train_step_of_ones_own_is_kept():
  model = prune(functional(OwnTraining), training.AT_ONCE)
  zoo.compiled(model, run_eagerly=True)
  training.fit(model, epochs=1)
  assert model.steps == 4 and type(model) is OwnTraining


# Layers.


@pytest.mark.parametrize('built', [False, True])
def test_a_layer(built):
  plain = layers.Dense(6, activation='relu', name='hidden')
  x, _ = training.data()
  if built:
    plain(x)
  layer = prune(plain, training.SCHEDULE)
  assert isinstance(layer, layers.Dense) and layer.name == 'hidden' and layer.units == 6
  assert layer.built == built and not pruned_layers(plain)
  if built:
    np.testing.assert_array_equal(layer(x), plain(x))
  model = zoo.compiled(keras.Sequential([keras.Input((8,)), layer, layers.Dense(4)]),
                       run_eagerly=True)
  training.fit(model)
  assert training.shares(model) == [0.75]
  stripped = sparsity.strip_pruning(layer)
  assert type(stripped) is layers.Dense
  np.testing.assert_array_equal(stripped(x), layer(x))


class Adds(layers.Layer):
  """A layer that leaves its config to Keras."""

  def __init__(self, units, **kwargs):
    super().__init__(**kwargs)
    self.units, self.inner = units, layers.Dense(units)

  def build(self, input_shape):
    self.inner.build(input_shape)
    super().build(input_shape)

  def call(self, inputs):
    return self.inner(inputs)


def test_a_layer_that_leaves_its_config_to_keras():
  model = keras.Sequential([keras.Input((8,)), Adds(6), layers.Dense(4)])
  model = prune(model, training.SCHEDULE)
  assert_pruned(model, 2)
  with keras.utils.custom_object_scope({'Adds': Adds}):
    copy = keras.models.clone_model(model)
  assert [layer.pruning.settings for layer in pruned_layers(copy)] == [
      layer.pruning.settings for layer in pruned_layers(model)]


def test_keywords_for_the_layer():
  layer = prune(layers.Dense(6), training.SCHEDULE, input_shape=(8,), name='first')
  assert layer.name == 'first'
  model = keras.Sequential([layer, layers.Dense(4)])
  assert model.input_shape == (None, 8)
  zoo.compiled(model, run_eagerly=True)
  training.fit(model)
  assert training.shares(model) == [0.75]


def test_a_list():
  plain = [layers.Dense(6, 'relu'), layers.Dropout(0.1), prune(layers.Dense(4))]
  pruned = prune(plain, training.SCHEDULE)
  assert isinstance(pruned, list) and len(pruned) == 3
  assert [bool(pruned_layers(layer)) for layer in pruned] == [True, False, True]
  model = zoo.compiled(keras.Sequential([keras.Input((8,)), *pruned]), run_eagerly=True)
  training.fit(model)
  assert training.shares(model) == [0.75, 0.5] or training.shares(model)[0] == 0.75


class Holder(keras.Model):
  """A model of one's own with a pruned layer in it."""

  def __init__(self):
    super().__init__()
    self.inner = prune(layers.Dense(6, 'relu', name='hidden'), training.SCHEDULE)
    self.logits = layers.Dense(4)

  def call(self, inputs):
    return self.logits(self.inner(inputs))


@pytest.mark.parametrize('run_eagerly', [True, False])
def test_a_pruned_layer_in_a_model_of_ones_own(run_eagerly):
  model = zoo.compiled(Holder(), run_eagerly=run_eagerly)
  training.fit(model)
  assert training.shares(model) == [0.75] and training.step_of(model) == {8}


@keras.utils.register_keras_serializable('tests')
class Weighted(keras.Model):
  """A functional model whose constructor takes something of its own."""

  def __init__(self, *args, alpha=1.0, **kwargs):
    super().__init__(*args, **kwargs)
    self.alpha = alpha


def test_arguments_of_a_functional_models_own_are_kept():
  inputs = keras.Input((8,))
  model = Weighted(inputs, layers.Dense(4)(inputs), alpha=5.0)
  pruned = prune(model)
  assert type(pruned) is type(model) and pruned.alpha == 5.0
  assert sparsity.strip_pruning(pruned).alpha == 5.0


def double(x):
  return 2 * x


def test_functions_that_nobody_registered_are_taken_along():
  inputs = keras.Input((8,))
  hidden = layers.Dense(6, activation=double)(inputs)
  model = keras.Model(inputs, layers.Lambda(double)(hidden))
  x = np.ones((2, 8), np.float32)
  pruned = prune(model)
  np.testing.assert_array_equal(pruned(x), model(x))
  np.testing.assert_array_equal(sparsity.strip_pruning(pruned)(x), model(x))
  assert pruned.get_config()


def test_a_lambda_as_an_activation_is_refused_with_advice_or_taken_along():
  inputs = keras.Input((8,))
  model = keras.Model(inputs, layers.Dense(6, activation=lambda x: 2 * x)(inputs))
  try:
    pruned = prune(model)
  except errors.CloneError as error:
    assert 'no lambda' in str(error)
  else:
    x = np.ones((2, 8), np.float32)
    np.testing.assert_array_equal(pruned(x), model(x))


def test_pruning_twice_leaves_what_is_pruned():
  once = training.pruned()
  training.fit(once)
  twice = prune(once, training.AT_ONCE)
  assert [layer.pruning.settings for layer in pruned_layers(twice)] == [
      layer.pruning.settings for layer in pruned_layers(once)]
  training.assert_equal(zoo.values(once), zoo.values(twice))
  mixed = keras.Sequential([keras.Input((8,)), prune(layers.Dense(6), training.SCHEDULE),
                            layers.Dense(4)])
  assert [layer.pruning.settings.schedule.final_sparsity_target
          for layer in pruned_layers(prune(mixed, training.AT_ONCE))] == [0.75, 0.5]


def test_stripping_what_is_not_pruned():
  model = training.dense_model()
  stripped = sparsity.strip_pruning(model)
  assert stripped is not model
  training.assert_equal(zoo.values(model), zoo.values(stripped))


@pytest.mark.skipif(not hasattr(keras.layers, 'ReversibleEmbedding'), reason='since Keras 3.13')
@pytest.mark.parametrize('tied', [False, True])
def test_both_matrices_of_a_reversible_embedding_are_pruned(tied):
  model = keras.Sequential([keras.Input((3,), dtype='int32'), keras.layers.ReversibleEmbedding(
      20, 8, tie_weights=tied, name='words')])
  pruned = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
  assert len(pruned.get_layer('words').pruning.weights) == (1 if tied else 2)


def test_a_frozen_layer_stays_frozen():
  plain = training.dense_model()
  plain.layers[0].trainable = False
  model = prune(plain, training.SCHEDULE)
  assert [layer.trainable for layer in model.layers] == [False, True]
  assert [layer.trainable for layer in sparsity.strip_pruning(model).layers] == [False, True]


def test_states_of_preprocessing_are_kept():
  normalization = layers.Normalization()
  normalization.adapt(training.data()[0])
  model = keras.Sequential([keras.Input((8,)), normalization, layers.Dense(4)])
  x, _ = training.data()
  np.testing.assert_array_equal(model(x), prune(model)(x))


# Unknown layers, and the ways out.


def unknown_model(layer_class=Unknown):
  keras.utils.set_random_seed(3)
  return keras.Sequential([keras.Input((8,)), layer_class(name='strange'),
                           layers.Dense(4, name='logits')])


@pytest.mark.parametrize('make', [
    unknown_model, lambda: Unknown(name='strange'), lambda: [Unknown(name='strange')],
    lambda: keras.Sequential([Unknown(name='strange')]),
    lambda: keras.Sequential([keras.Input((8,)), unknown_model()]),
])
def test_an_unknown_layer_is_refused_with_three_ways_out(make):
  with pytest.raises(errors.LayerError) as caught:
    prune(make())
  for part in ('strange', 'Unknown', 'get_prunable_weights', 'register_prunable_layer',
               'skip_unknown'):
    assert part in str(caught.value)


class Multiply(tensorflow.Module):

  def __init__(self):
    super().__init__()
    self.matrix = tensorflow.Variable(np.eye(8, dtype=np.float32))


class HasModule(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.module = Multiply()

  def call(self, inputs):
    return tensorflow.matmul(inputs, self.module.matrix)


class ModelHasModule(keras.Model):

  def __init__(self):
    super().__init__(name='strange')
    self.module, self.end = Multiply(), layers.Dense(4)

  def call(self, inputs):
    return self.end(tensorflow.matmul(inputs, self.module.matrix))


class HasVariable(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.matrix = tensorflow.Variable(np.eye(8, dtype=np.float32), name='matrix')

  def call(self, inputs):
    return tensorflow.matmul(inputs, self.matrix)


@pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 3 does not train them')
@pytest.mark.parametrize('make', [
    lambda: unknown_model(HasModule), ModelHasModule, lambda: unknown_model(HasVariable),
    lambda: keras.Sequential([HasVariable(name='strange'), layers.Dense(4)])])
def test_matrices_that_keras_did_not_make_are_unknown_too(make):
  with pytest.raises(errors.LayerError, match='strange .* has weights, but it is unknown'):
    prune(make())


def test_all_unknown_classes_are_named_at_once():
  class Another(Unknown):
    pass

  class Third(Unknown):
    pass

  model = keras.Sequential([keras.Input((8,)), Unknown(name='strange'), Another(), Third()])
  with pytest.raises(errors.LayerError, match='strange .* layers of: Another, Third'):
    prune(model)


def test_way_out_by_a_method():
  class Own(Unknown, sparsity.PrunableLayer):

    def get_prunable_weights(self):
      return [self.table]

  assert_pruned(prune(unknown_model(Own), training.SCHEDULE), 2)


def test_way_out_by_registration():
  class Own(Unknown):
    pass

  sparsity.register_prunable_layer(Own, ['table'])
  assert_pruned(prune(unknown_model(Own), training.SCHEDULE), 2)


@pytest.mark.parametrize('name,is_what', [
    ('tabel', 'no attribute'), ('call', '<bound method'), ('units', '5')])
@pytest.mark.parametrize('built', [True, False])
def test_a_registration_must_name_variables(name, is_what, built):
  class Own(Unknown):
    units = 5

  sparsity.register_prunable_layer(Own, [name])
  layer = Own(name='strange')
  x, _ = training.data()
  if built:
    layer(x)
  with pytest.raises(errors.LayerError) as caught:
    prune(layer)(x)
  for part in ('[%r]' % name, 'of layer strange is ' + is_what, 'its variables: ', 'table'):
    assert part in str(caught.value)


def test_a_registration_may_name_what_some_layers_lack():
  class Own(Unknown):
    extra = None

  sparsity.register_prunable_layer(Own, ['table', 'extra'])
  assert_pruned(prune(unknown_model(Own), training.SCHEDULE), 2)


def test_way_out_by_a_policy():
  model = prune(unknown_model(), training.SCHEDULE, pruning_policy=sparsity.skip_unknown)
  assert_pruned(model, 1)
  layer = prune(Unknown(), pruning_policy=sparsity.skip_unknown)
  assert type(layer) is Unknown


def assert_pruned(model, number):
  zoo.compiled(model, run_eagerly=True)
  training.fit(model)
  assert training.shares(model) == [0.75] * number
  stripped, (x, _) = sparsity.strip_pruning(model), training.data()
  np.testing.assert_array_equal(stripped(x), model(x))
  assert not pruned_layers(stripped)


def test_a_policy_of_ones_own():
  class NotTheLast(sparsity.PruningPolicy):

    def allow_pruning(self, layer):
      return layer.name != 'logits'

    def ensure_model_supports_pruning(self, model):
      if model.name == 'bad':
        raise ValueError('no %s' % model.name)

  model = prune(training.dense_model(), pruning_policy=NotTheLast())
  assert [layer.name for layer in pruned_layers(model)] == ['hidden']
  with pytest.raises(ValueError, match='no bad'):
    prune(keras.Sequential([layers.Dense(2)], name='bad'), pruning_policy=NotTheLast())


# What is refused.


class Model:  # Not of Keras.
  pass


BAD = {
    'no layer': (lambda: prune(Model()), 'Model'),
    'a class': (lambda: prune(layers.Dense), 'Dense'),
    'a string': (lambda: prune('dense'), "'dense'"),
    'none': (lambda: prune(None), 'None'),
    'a number in a list': (lambda: prune([layers.Dense(2), 3]), '3'),
    'no schedule': (lambda: prune(layers.Dense(2), None), 'None.*ConstantSparsity'),
    'a number for a schedule': (lambda: prune(layers.Dense(2), 0.5), '0.5.*ConstantSparsity'),
    'a schedule class': (lambda: prune(layers.Dense(2), sparsity.PolynomialDecay),
                         'PolynomialDecay.*ConstantSparsity'),
    'an unknown hparam': (lambda: prune(layers.Dense(2), 'target_sparsty=0.5'),
                          'target_sparsty.*target_sparsity'),
    'a target of 1.5': (lambda: prune(layers.Dense(2), 'target_sparsity=1.5'), '1.5'),
    'a block of 0': (lambda: prune(layers.Dense(2), block_size=(0, 1)), '0'),
    'a block of -2': (lambda: prune(layers.Dense(2), block_size=(-2, 1)), '-2'),
    'a block of three': (lambda: prune(layers.Dense(2), block_size=(1, 2, 3)), 'pair'),
    'a block of one number': (lambda: prune(layers.Dense(2), block_size=4), '4.*pair'),
    'a block of halves': (lambda: prune(layers.Dense(2), block_size=(1.5, 2)), '1.5.*pair'),
    'unknown pooling': (lambda: prune(layers.Dense(2), block_pooling_type='MIN'), 'MIN.*MAX'),
    'n:m of two equal': (lambda: prune(layers.Dense(2), sparsity_m_by_n=(4, 4)), '4.*less'),
    'n:m of more': (lambda: prune(layers.Dense(2), sparsity_m_by_n=(5, 4)), '5.*less'),
    'n:m of no zeros': (lambda: prune(layers.Dense(2), sparsity_m_by_n=(0, 4)), '0.*at least 1'),
    'n:m of one': (lambda: prune(layers.Dense(2), sparsity_m_by_n=(2,)), 'pair'),
    'n:m of strings': (lambda: prune(layers.Dense(2), sparsity_m_by_n='24x'), '24x.*pair'),
    'n:m and blocks': (lambda: prune(layers.Dense(2), sparsity_m_by_n=(2, 4), block_size=(2, 2)),
                       'leave out one'),
    'hparams twice': (lambda: prune(layers.Dense(2), 'target_sparsity=0.5', hparams='nbins=9'),
                      'hparams'),
    'two targets': (lambda: prune(layers.Dense(2), sparsity.ConstantSparsity(0.5, 0),
                                  hparams='target_sparsity=0.9'), 'target_sparsity=0.9.*schedule'),
    'two beginnings': (lambda: prune(layers.Dense(2), sparsity.ConstantSparsity(0.5, 0),
                                     hparams='begin_pruning_step=5'), 'begin_pruning_step=5'),
    'two ends': (lambda: prune(layers.Dense(2), sparsity.PolynomialDecay(0.0, 0.5, 0, 9),
                               hparams='sparsity_function_end_step=3'), 'function_end_step=3'),
    'blocks and hparams': (lambda: prune(layers.Dense(2), 'target_sparsity=0.5',
                                         block_size=(2, 2)), 'block_size.*block_height'),
    'hparams of a wrong type': (lambda: prune(layers.Dense(2), hparams=3), '3'),
    'a policy of a wrong type': (lambda: prune(layers.Dense(2), pruning_policy='skip_unknown'),
                                 'skip_unknown'),
    'a policy class': (lambda: prune(training.dense_model(),
                                     pruning_policy=sparsity.SkipUnknown), 'SkipUnknown'),
    'gradients': (lambda: prune(layers.Dense(2), 'prune_option=first_order_gradient'),
                  'first_order_gradient.*weight'),
    'groups': (lambda: prune(layers.Dense(2), 'group_pruning=true'), 'group_pruning.*global'),
    'a map that matches nothing': (
        lambda: prune(training.dense_model(), 'target_sparsity=0.5,weight_sparsity_map=[nope:0.5]'),
        'nope'),
    'a map that matches twice': (
        lambda: prune(training.dense_model(),
                      'target_sparsity=0.5,weight_sparsity_map=[.*hidden.*:0.5,.*kernel.*:0.2]'),
        'hidden'),
    'strip of nothing': (lambda: sparsity.strip_pruning(3), '3'),
    'strip of a list': (lambda: sparsity.strip_pruning([layers.Dense(3)]), 'Dense'),
    'a copy of no config': (lambda: prune(WithoutConfig(3), in_place=False),
                            'WithoutConfig.*config.*in_place=True'),
    'a class with weights of nothing': (
        lambda: sparsity.register_prunable_layer(Unknown, 'table'), "'table'"),
    'registration of no class': (
        lambda: sparsity.register_prunable_layer(Unknown(), ['table']), 'subclass'),
}


@pytest.mark.parametrize('case', sorted(BAD))
def test_bad_arguments(case):
  make, said = BAD[case]
  with pytest.raises(errors.PruningError, match='(?s)' + said):
    make()


@pytest.mark.parametrize('call, said', [
    (lambda: prune(layers.Dense(2), blok_size=(1, 2)), 'blok_size'),
    (lambda: prune(training.dense_model(), input_shape=(3,)), 'input_shape.*single layer'),
    (lambda: prune([layers.Dense(2)], name='x'), 'name.*single layer'),
    (lambda: prune(training.dense_model(), in_place='no'), "in_place='no'; expected True, False"),
    (lambda: sparsity.strip_pruning(training.dense_model(), in_place=0), 'in_place=0; expected'),
])
def test_arguments_that_there_are_not(call, said):
  with pytest.raises(TypeError, match=said):
    call()


def test_weights_that_cannot_be_pruned():
  with pytest.raises(ValueError, match='table.*int32.*floating'):
    prune(zoo.Counts())(np.ones((1, 8), np.float32))


def test_prunable_weights_that_are_no_variables():
  class Wrong(Unknown):

    def get_prunable_weights(self):
      return ['table']

  with pytest.raises(ValueError, match="get_prunable_weights.*'table'"):
    prune(Wrong())(np.ones((1, 8), np.float32))


_OTHER_KERAS = '''
import model_pruning.keras as sparsity
from model_pruning.keras import backend
if backend.IS_KERAS_3:
  import tf_keras as other
else:
  import keras as other
assert other is not backend.keras
try:
  sparsity.prune_low_magnitude(other.Sequential([other.layers.Dense(2)], name='foreign'))
except ValueError as error:
  print(error)
'''


@pytest.mark.skipif(tuple(map(int, tensorflow.__version__.split('.')[:2])) < (2, 16),
                    reason='TensorFlow has one Keras alone')
def test_a_model_of_the_other_keras():
  pytest.importorskip('tf_keras')  # Not in nightly environments.
  done = subprocess.run([sys.executable, '-c', _OTHER_KERAS], text=True, timeout=300,
                        env={**os.environ, 'PYTHONPATH': os.getcwd()},
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  for part in ('foreign', 'Sequential', 'TF_USE_LEGACY_KERAS'):
    assert part in done.stdout, done.stderr[-2000:]


# ---- Code that is not eager. ----


def test_a_model_in_a_graph_is_refused_with_advice():
  with tensorflow.Graph().as_default():
    with pytest.raises(errors.EagerError, match='builds a graph.*masked_scope'):
      sparsity.prune_low_magnitude(keras.layers.Dense(2))


@pytest.mark.parametrize('method', ['on_train_begin', 'on_train_batch_begin', 'on_epoch_end'])
def test_a_callback_in_a_function_is_refused_with_advice(method):
  model = sparsity.prune_low_magnitude(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
  callback = sparsity.UpdatePruningStep()
  callback.set_model(model)
  if method != 'on_train_begin':
    callback.on_train_begin()
  arguments = [] if method == 'on_train_begin' else [-1]

  @tensorflow.function(autograph=False)
  def step():
    getattr(callback, method)(*arguments)

  with pytest.raises(errors.EagerError, match='in a tf.function.*outside of the function'):
    step()
