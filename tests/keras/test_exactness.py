# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is copied and what is pruned in place: copies that are other models are found out."""

import functools

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers

pytestmark = pytest.mark.legacy_keras

layers, prune, strip = keras.layers, sparsity.prune_low_magnitude, sparsity.strip_pruning
HALF = sparsity.ConstantSparsity(0.5, 0, frequency=2)
register = keras.utils.register_keras_serializable('test_exactness')


def random(*shape):
  return np.random.RandomState(0).rand(*shape).astype('float32')


def with_layer(layer):
  inputs = keras.Input((8,))
  return keras.Model(inputs, layers.Dense(2)(layer(inputs)))


def plain_functional():
  return with_layer(layers.Dense(4))


# State that is neither in weights nor in the config.


@register
class Stateful(layers.Layer):
  """Scales by what is in an attribute."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.factor = 1.0

  def call(self, x):
    return x * np.float32(self.factor)


@register
class InDict(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.table = {'factor': 1.0}

  def call(self, x):
    return x * self.table['factor']


@register
class InArray(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.means = np.zeros(8, np.float32)

  def call(self, x):
    return x - self.means


@register
class InVariable(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.factor = tensorflow.Variable(1.0, trainable=False)

  def call(self, x):
    return x * self.factor


class Thing:

  def __init__(self):
    self.factor = 1.0


@register
class InObject(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.thing = Thing()

  def call(self, x):
    return x * self.thing.factor


@register
class Function(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.function = tensorflow.identity

  def call(self, x):
    return self.function(x)


def scaled(model, factor):
  layer = model.layers[1]
  if isinstance(layer, Stateful):
    layer.factor = factor
  elif isinstance(layer, InDict):
    layer.table['factor'] = factor
  elif isinstance(layer, InArray):
    layer.means += factor
  elif isinstance(layer, InVariable):
    layer.factor.assign(factor)
  elif isinstance(layer, InObject):
    layer.thing.factor = factor
  else:
    layer.function = lambda x: x * factor
  return model


@pytest.mark.parametrize('make', [Stateful, InDict, InArray, InVariable, InObject, Function])
def test_state_that_is_no_weight_is_kept(make):
  model, x = scaled(with_layer(make()), 5.0), random(3, 8)
  outputs = model(x)
  pruned = prune(model, HALF)
  np.testing.assert_allclose(outputs, pruned(x), atol=1e-6)
  np.testing.assert_allclose(outputs, strip(pruned)(x), atol=1e-6)


@pytest.mark.parametrize('make', [
    plain_functional, lambda: keras.Sequential([keras.Input((8,)), layers.Dense(2)])])
def test_what_is_noted_at_a_model_is_kept(make):
  model = make()
  noted = dict(class_names=['cat', 'dog'], threshold=0.3, meta={'run': (1, 2)},
               means=np.arange(3.0), post=np.tanh, thing=Thing())
  for name, value in noted.items():
    setattr(model, name, value)
  model.layers[-1].label = 'last'
  pruned = prune(model, HALF, in_place=False)
  for each in (pruned, strip(pruned, in_place=False)):
    for name, value in noted.items():
      np.testing.assert_equal(getattr(each, name), value)
    assert each.layers[-1].label == 'last' and each.class_names is not model.class_names


def test_the_states_of_recurrent_layers_are_kept():
  inputs = keras.Input((5, 3), batch_size=2)
  model = keras.Model(inputs, layers.Dense(2)(layers.LSTM(4, stateful=True)(inputs)))
  model.predict(random(2, 5, 3), verbose=0)
  pruned = prune(model, HALF, in_place=False)
  np.testing.assert_allclose(model(random(2, 5, 3)), pruned(random(2, 5, 3)), atol=1e-6)


def test_state_that_shows_in_training_alone_is_kept():
  @register
  class Noisy(layers.Layer):

    def __init__(self, **kwargs):
      super().__init__(**kwargs)
      self.scale = 0.0

    def call(self, x, training=False):
      return x + self.scale if training else x

  model = with_layer(Noisy(name='noisy'))
  model.get_layer('noisy').scale = 3.0
  assert prune(model, HALF).get_layer('noisy').scale == 3.0


# Layers that a copy would share with the original.


@register
class Residual(layers.Layer):
  """Returns its layer from get_config(), and not the layer's config."""

  def __init__(self, inner, **kwargs):
    super().__init__(**kwargs)
    self.inner = inner

  def call(self, x):
    return x + self.inner(x)

  def get_config(self):
    return {**super().get_config(), 'inner': self.inner}


@register
class Residuals(layers.Layer):
  """The same, with a list."""

  def __init__(self, inner, **kwargs):
    super().__init__(**kwargs)
    self.inner = list(inner)

  def call(self, x):
    return x + self.inner[1](self.inner[0](x))

  def get_config(self):
    return {**super().get_config(), 'inner': list(self.inner)}


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', [
    lambda: Residual(layers.Dense(8)), lambda: Residual(keras.Sequential([layers.Dense(8)])),
    lambda: Residuals([layers.Dense(4), layers.Dense(8)])])
def test_a_copy_shares_no_layer_with_the_model(make):
  inputs = keras.Input((5, 8))
  model = keras.Model(inputs, layers.Dense(2)(make()(inputs)))
  with pytest.raises(errors.CloneError, match='itself'):
    prune(model, HALF, in_place=False)
  assert not pruned_layers(model)
  pruned = prune(model, HALF)
  assert pruned is model
  pruned.compile('sgd', 'mse')
  pruned.fit(random(16, 5, 8), random(16, 5, 2), batch_size=8, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  outputs = np.asarray(pruned(random(4, 5, 8)))
  np.testing.assert_allclose(outputs, strip(pruned)(random(4, 5, 8)), atol=1e-6)


# Copies that would compute with the weights of the original.


def _save(model, folder):
  if hasattr(keras, '__version__') and keras.__version__[0] == '3':
    model.export(folder)
  else:
    model.save(folder, save_format='tf')


def _save_in_module(model, folder):
  module = tensorflow.Module()
  module.net = model
  module.serve = tensorflow.function(
      lambda x: model(x), input_signature=[tensorflow.TensorSpec((None, 8))])
  tensorflow.saved_model.save(module, folder, signatures=module.serve)


def _convert(model, folder):
  del folder
  tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()


@pytest.mark.sampled(1)
@pytest.mark.parametrize('make', [plain_functional, lambda: keras.Sequential([
    keras.Input((8,)), keras.Sequential([layers.Reshape((4, 2)), layers.LSTM(3, unroll=True)]),
    layers.Dense(2)])])
@pytest.mark.parametrize('use', [
    _save, _save_in_module, lambda model, folder: tensorflow.saved_model.save(model, folder),
    _convert])
def test_copies_of_models_that_were_saved_have_weights_of_their_own(make, use, tmp_path):
  """Keras 2 leaves in each layer a method of that layer."""
  def outputs(model):
    return np.asarray(model(random(3, 8)))

  model = make()
  model.compile('sgd', 'mse')
  use(model, str(tmp_path / 'model'))
  pruned, before = prune(model, HALF, in_place=False), outputs(model)
  pruned.compile('sgd', 'mse')
  pruned.fit(random(16, 8), random(16, 2), batch_size=8, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  np.testing.assert_array_equal(outputs(model), before)
  assert not np.array_equal(outputs(pruned), before)
  use(pruned, str(tmp_path / 'pruned'))
  stripped, before = strip(pruned, in_place=False), outputs(pruned)
  np.testing.assert_allclose(outputs(stripped), before, atol=1e-6)
  pruned.set_weights([np.zeros_like(each) for each in pruned.get_weights()])
  np.testing.assert_allclose(outputs(stripped), before, atol=1e-6)


def _call_replaced(model):
  layer = model.layers[1]
  call = layer.call
  layer.call = lambda x, **kwargs: call(x, **kwargs) * 2.0
  return model


def _call_with_default(model):
  layer = model.layers[1]
  layer.call = lambda x, call=layer.call, **kwargs: call(x, **kwargs) * 2.0
  return model


def _call_in_partial(model):
  layer = model.layers[1]
  layer.call = functools.partial(type(layer).call, layer)
  return model


def _call_in_function(model):
  layer = model.layers[1]
  layer.call = tensorflow.function(layer.call)
  return model


@pytest.mark.parametrize('change', [
    _call_replaced, _call_with_default, _call_in_partial, _call_in_function])
def test_a_copy_that_would_compute_with_weights_of_the_model_is_refused(change):
  model = change(plain_functional())
  before = np.asarray(model(random(3, 8)))
  with pytest.raises(errors.CloneError, match='in_place=True'):
    prune(model, HALF, in_place=False)
  assert not pruned_layers(model)
  pruned = prune(model, HALF)
  assert pruned is model
  np.testing.assert_allclose(np.asarray(pruned(random(3, 8))), before, atol=1e-6)


# Models that cannot be built by their shapes.


class BuiltByHand(keras.Model):
  """Says that it is built before its layers are."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.net = keras.Sequential([layers.Dense(6), layers.Dense(2)])

  def build(self, input_shape):
    self.scale = self.add_weight(name='scale', shape=(1,), initializer='ones')
    self.built = True

  def call(self, x):
    return self.net(x) * self.scale

  def get_config(self):
    return {'name': self.name}


class BuiltInCall(BuiltByHand):
  """Makes its layers when it is called."""

  def build(self, input_shape):
    pass

  def call(self, x):
    return self.net(x)


class BuildFails(BuiltByHand):
  """Can be built once."""

  calls = []

  def build(self, input_shape):
    self.calls.append(input_shape)
    if len(self.calls) > 1:
      raise RuntimeError('No.')
    self.built = True

  def call(self, x):
    return self.net(x)


@pytest.mark.parametrize('make', [BuiltByHand, BuiltInCall, BuildFails])
def test_what_cannot_be_built_by_its_shapes_is_pruned_in_place(make):
  model, x = make(), random(16, 8)
  model(x)
  pruned = prune(model, HALF)
  pruned.compile('sgd', 'mse')
  pruned.fit(x, random(16, 2), batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  outputs = np.asarray(pruned(x))
  stripped = strip(pruned)
  np.testing.assert_allclose(outputs, stripped(x), atol=1e-6)
  assert np.mean(np.asarray(stripped.net.layers[0].kernel) == 0) == 0.5


# Names.


@register
class Lazy(layers.Layer):
  """Makes its layers when it is built."""

  def build(self, input_shape):
    self.parts = [layers.Dense(8) for _ in range(2)]
    for part in self.parts:
      part.build(input_shape)
    super().build(input_shape)

  def call(self, x):
    return self.parts[1](self.parts[0](x))


@pytest.mark.parametrize('make', [
    lambda: with_layer(Lazy()), lambda: with_layer(keras.Sequential([layers.Dense(4)])),
    lambda: with_layer(layers.Dense(4))])
def test_weights_keep_their_names(make):
  model = make()
  names = [variables.variable_name(weight) for weight in model.weights]
  pruned = prune(model, HALF)
  assert pruned is not model
  stripped = strip(pruned)
  assert [variables.variable_name(weight) for weight in stripped.weights] == names


def test_maps_go_by_the_names_of_the_model_that_is_passed():
  model = with_layer(Lazy())
  name = variables.variable_name(model.weights[2])
  pruned = prune(model, HALF, hparams='weight_sparsity_map=[%s:0.75]' % name)
  pruned.compile('sgd', 'mse')
  pruned.fit(random(16, 8), random(16, 2), batch_size=8, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  stripped = strip(pruned)
  assert np.mean(np.asarray(stripped.weights[2]) == 0) == 0.75


# What was adapted, in layers of users.


@register
class Normalizes(layers.Layer):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.norm, self.dense = layers.Normalization(), layers.Dense(3)

  def call(self, x):
    return self.dense(self.norm(x))

  def adapt_inside(self):
    self.norm.adapt(random(50, 8) * 9)


@register
class Discretizes(Normalizes):

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.norm = layers.Discretization(num_bins=4)

  def call(self, x):
    return self.dense(tensorflow.cast(self.norm(x), 'float32'))


@register
class Twice(Normalizes):

  def call(self, x):
    return super().call(x) + self.dense(x)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', [Normalizes, Discretizes, Twice])
def test_what_was_adapted_inside_a_layer_is_kept(make):
  layer, x = make(), random(4, 8)
  layer.adapt_inside()
  model = with_layer(layer)
  outputs = model(x)
  pruned = prune(model, HALF)
  np.testing.assert_allclose(outputs, pruned(x), atol=1e-5)
  pruned.compile('sgd', 'mse')
  pruned.fit(random(16, 8), random(16, 2), batch_size=8, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  outputs = pruned(x)
  np.testing.assert_allclose(outputs, strip(pruned)(x), atol=1e-5)


# Parts that nobody registered.


class Penalty(keras.regularizers.Regularizer):

  def __init__(self, factor=0.01):
    self.factor = factor

  def __call__(self, weight):
    return tensorflow.reduce_sum(tensorflow.abs(tensorflow.convert_to_tensor(weight))) * self.factor

  def get_config(self):
    return {}  # Not even all of it.


class Positive(keras.constraints.Constraint):

  def __call__(self, w):
    return tensorflow.maximum(tensorflow.convert_to_tensor(w), 0.0)


class Ones(keras.initializers.Initializer):

  def __call__(self, shape, dtype=None, **kwargs):
    return tensorflow.ones(shape, dtype or 'float32')


class Cell(layers.Layer):
  """A cell as the guide writes it."""

  def __init__(self, units):
    super().__init__()
    self.units, self.state_size, self.output_size = units, units, units
    self.both = layers.Dense(units)

  def build(self, input_shape):
    self.both.build((None, input_shape[-1] + self.units))
    super().build(input_shape)

  def call(self, inputs, states):
    output = self.both(tensorflow.concat([inputs, states[0]], axis=-1))
    return output, [output]


PARTS = {
    'regularizer': lambda: layers.Dense(4, kernel_regularizer=Penalty(0.5)),
    'constraint': lambda: layers.Dense(4, kernel_constraint=Positive()),
    'initializer': lambda: layers.Dense(4, kernel_initializer=Ones()),
    'activity': lambda: layers.Dense(4, activity_regularizer=Penalty()),
    'lambda': lambda: layers.Dense(4, activation=lambda x: 2 * x),
    'partial': lambda: layers.Dense(4, activation=functools.partial(tensorflow.nn.leaky_relu,
                                                                    alpha=0.3)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize('part', sorted(PARTS))
def test_parts_that_are_not_registered_are_no_hindrance(part):
  model, x = with_layer(PARTS[part]()), random(16, 8)
  outputs, losses = model(x), [float(loss) for loss in model.losses]
  pruned = prune(model, HALF)
  np.testing.assert_allclose(outputs, pruned(x), atol=1e-6)
  np.testing.assert_allclose(losses, [float(loss) for loss in pruned.losses], rtol=1e-5)
  pruned.compile('sgd', 'mse')
  pruned.fit(x, random(16, 2), batch_size=8, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  stripped = strip(pruned)
  np.testing.assert_allclose(stripped(x), pruned(x), atol=1e-6)
  assert np.mean(np.asarray(stripped.layers[1].kernel) == 0) >= 0.5
  if part == 'constraint':
    assert np.min(stripped.layers[1].kernel) >= 0


def test_a_cell_that_is_not_registered():
  inputs = keras.Input((5, 3))
  model = keras.Model(inputs, layers.Dense(2)(layers.RNN(Cell(4))(inputs)))
  pruned = prune(model, HALF)
  pruned.compile('sgd', 'mse')
  pruned.fit(random(16, 5, 3), random(16, 2), batch_size=8, verbose=0,
             callbacks=[sparsity.UpdatePruningStep()])
  assert len(strip(pruned).weights) == len(model.weights)


# The Kerases differ in some of its cases, so all of them run on both.
@pytest.mark.legs('default', 'newest')
@pytest.mark.parametrize('name', [each for each in ('MultiHeadAttention', 'GroupQueryAttention')
                                  if hasattr(layers, each)])
def test_attention_pruned_singly_before_it_is_built(name):
  make = getattr(layers, name)
  layer = prune(make(num_heads=2, key_dim=4) if name == 'MultiHeadAttention' else
                make(head_dim=4, num_query_heads=2, num_key_value_heads=1), HALF)
  inputs = keras.Input((5, 8))
  model = keras.Model(inputs, layers.Dense(2)(layer(inputs, inputs)))
  model.compile('sgd', 'mse')
  model.fit(random(16, 5, 8), random(16, 5, 2), batch_size=8, verbose=0,
            callbacks=[sparsity.UpdatePruningStep()])
  assert len(layer.pruning.weights) == 4
  assert all(np.mean(np.asarray(each.weight) == 0) == 0.5 for each in layer.pruning.weights)


# What is chosen, and what is said of it.


class NoConfig(keras.Model):

  def __init__(self, units):
    super().__init__()
    self.hidden = layers.Dense(units)

  def call(self, x):
    return self.hidden(x)

  def get_config(self):
    raise NotImplementedError


def plain():
  return keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(2)])


def test_what_is_copied_exactly_is_copied_without_a_word(caplog):
  model = plain()
  pruned = prune(model, HALF)
  assert pruned is not model and not pruned_layers(model)
  assert strip(pruned) is not pruned and pruned_layers(pruned)
  assert 'in place' not in caplog.text


def test_a_model_that_casts_its_inputs_to_indices_is_copied(caplog):
  model = keras.Sequential([keras.Input((40,)), keras.layers.Embedding(4, 3), keras.layers.LSTM(2)])
  assert sparsity.prune_low_magnitude(model) is not model
  assert not caplog.records


def test_a_trained_model_is_copied_too():
  model, x, y = plain(), random(16, 8), random(16, 2)
  model.compile('sgd', 'mse')
  model.fit(x, y, verbose=0)
  model.predict(x, verbose=0)
  pruned = prune(model, HALF, in_place=False)
  pruned.compile('sgd', 'mse')
  pruned.fit(x, y, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  pruned.evaluate(x, y, verbose=0)
  assert strip(pruned, in_place=False) is not pruned


def test_what_is_pruned_in_place_is_said_in_one_line(caplog):
  model = NoConfig(3)
  model(random(2, 8))
  assert prune(model, HALF) is model
  assert len(caplog.records) == 1
  line = caplog.records[0].getMessage()
  assert 'in place' in line and 'NoConfig' in line and '\n' not in line and len(line) < 300


@pytest.mark.parametrize('make', [plain, lambda: NoConfig(3)])
def test_in_place_is_done_without_a_word(make, caplog):
  model = make()
  model(random(2, 8))
  assert prune(model, HALF, in_place=True) is model
  assert strip(model, in_place=True) is model
  assert 'in place' not in caplog.text


@pytest.mark.parametrize('make', [
    lambda: NoConfig(3),
    lambda: scaled(with_layer(InObject()), 3.0),
    lambda: with_layer(layers.Dense(4, kernel_regularizer=Penalty(0.5)))])
def test_a_copy_that_is_asked_for_and_would_be_another_model_is_an_error(make):
  model = make()
  model(random(2, 8))
  with pytest.raises(errors.CloneError, match='in_place=True') as caught:
    prune(model, HALF, in_place=False)
  assert len(str(caught.value)) < 500 and '\n' not in str(caught.value)
  assert not pruned_layers(model)


def test_comparing_leaves_the_state_of_a_model_as_it_is():
  inputs = keras.Input((5, 3), batch_size=2)
  model = keras.Model(inputs, layers.Dense(2)(layers.GRU(4, stateful=True)(inputs)))
  model.predict(random(2, 5, 3), verbose=0)
  states = [np.array(variables.tf_variable(state)) for state in model.layers[1].states]
  prune(model, HALF)
  for before, state in zip(states, model.layers[1].states):
    np.testing.assert_array_equal(before, variables.tf_variable(state))


class Samples(layers.Layer):

  def call(self, x):
    return x + tensorflow.random.normal(tensorflow.shape(x))


def test_a_model_whose_outputs_are_random_is_pruned_in_place(caplog):
  model = with_layer(Samples())
  with keras.utils.custom_object_scope({'Samples': Samples}):
    assert prune(model, HALF) is model
  assert 'random' in caplog.text


# Nothing, or nothing now, to prune.


@pytest.mark.parametrize('make', [
    lambda: keras.Sequential([keras.Input((4,)), layers.ReLU()]),
    lambda: keras.Sequential([keras.Input((4,)), layers.BatchNormalization()]),
    lambda: keras.Sequential([keras.Input((8, 8, 3)), layers.DepthwiseConv2D(3)])])
def test_a_model_with_nothing_to_prune_passes_through_with_a_warning(make, caplog):
  model = make()
  pruned = prune(model, HALF)
  assert pruned is model and not pruned_layers(pruned)
  assert 'Nothing' in caplog.text and model.name in caplog.text


@pytest.mark.parametrize('frozen, said', [
    ((True, True), 'All layers'), ((True, False), '1 of 2 layers'), ((False, False), None)])
def test_frozen_layers_are_named(frozen, said, caplog):
  model = plain()
  for layer, is_frozen in zip(model.layers, frozen):
    layer.trainable = not is_frozen
  prune(model, HALF)
  if said is None:
    assert not caplog.records
  else:
    assert said in caplog.text and 'trainable=False' in caplog.text
    assert model.layers[0].name in caplog.text


def test_stripping_a_model_that_was_frozen_says_so(caplog):
  model = plain()
  model.trainable = False
  strip(prune(model, HALF))
  assert '2 of 2 pruned layers were frozen' in caplog.text


# Input shapes of first layers.


@pytest.mark.parametrize('make, shape, output', [
    (lambda **k: layers.Dense(4, **k), (6,), (None, 4)),
    (lambda **k: layers.Conv1D(4, 3, **k), (9, 2), (None, 7, 4)),
    (lambda **k: layers.LSTM(4, **k), (5, 3), (None, 4)),
    (lambda **k: layers.Embedding(10, 3, **k), (5,), (None, 5, 3))])
@pytest.mark.parametrize('of_layer', [False, True])
def test_input_shape_of_a_first_layer_pruned_singly(make, shape, output, of_layer):
  if of_layer:
    layer = prune(make(input_shape=shape), HALF)
  else:
    layer = prune(make(), HALF, input_shape=shape)
  model = keras.Sequential([layer])
  assert model.built and model.output_shape == output and len(pruned_layers(model)) == 1


# Tensors and other things in the place of layers.


@pytest.mark.parametrize('make', [
    lambda: layers.Dense(3)(keras.Input((8,))), lambda: keras.Input((8,)),
    lambda: tensorflow.zeros((2, 8))])
def test_pruning_a_tensor_says_to_prune_the_layer(make):
  with pytest.raises(errors.LayerError, match='tensor.*pass the layer'):
    prune(make(), HALF)


@pytest.mark.parametrize('make', [keras.optimizers.Adam, keras.losses.MeanSquaredError])
def test_what_is_of_keras_and_no_layer_is_not_of_another_keras(make):
  with pytest.raises(errors.LayerError) as caught:
    prune(make(), HALF)
  assert 'another Keras' not in str(caught.value)
