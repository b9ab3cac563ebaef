# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Policies: what PruneForLatencyOnXNNPack and skip_unknown prune, and what they refuse."""

import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras import policies
from model_pruning.keras import prunable
from model_pruning.keras import prune
from model_pruning.keras import topology
from model_pruning.keras.backend import keras
from model_pruning.keras.callbacks import UpdatePruningStep
from model_pruning.keras.pruned import pruned_layers
from model_pruning.schedules import ConstantSparsity

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
XNNPACK = policies.PruneForLatencyOnXNNPack()


def stem(x, border=1, size=3, strides=2, padding='valid', name='stem'):
  x = layers.ZeroPadding2D(border, name=name + '_pad')(x) if border else x
  return layers.Conv2D(8, size, strides=strides, padding=padding, name=name)(x)


def model_of(*body, channels=3, keepdims=False, start=stem, end=True, head=()):
  """Input -> start -> body -> global pooling -> head."""
  inputs = keras.Input((16, 16, channels), name='image')
  x = start(inputs)
  for layer in body:
    x = layer(x)
  if end:
    x = layers.GlobalAveragePooling2D(keepdims=keepdims, name='pool')(x)
  for layer in head:
    x = layer(x)
  return keras.Model(inputs, x, name='net')


def refusal(model):
  with pytest.raises(ValueError) as caught:
    XNNPACK.ensure_model_supports_pruning(model)
  assert isinstance(caught.value, errors.PolicyError)
  assert model.name in str(caught.value)
  return str(caught.value)


def pointwise(**kwargs):
  return layers.Conv2D(8, 1, **kwargs)


class OwnActivation(layers.Layer):

  def call(self, inputs):
    return inputs * 2.0


# Which layers.


@pytest.mark.parametrize('make, allowed', [
    (lambda: layers.Conv2D(4, 1), True),
    (lambda: layers.Conv2D(4, (1, 1), strides=2), True),
    (lambda: layers.Conv2D(4, 3), False),
    (lambda: layers.Conv2D(4, (1, 3)), False),
    (lambda: layers.Conv1D(4, 1), False),
    (lambda: layers.DepthwiseConv2D(1), False),
    (lambda: layers.Conv2DTranspose(4, 1), False),
    (lambda: layers.SeparableConv2D(4, 1), False),
    (lambda: layers.Dense(4), False),
    (lambda: layers.ReLU(), False),
])
def test_prunes_pointwise_convolutions_alone(make, allowed):
  assert XNNPACK.allow_pruning(make()) is allowed


def test_prunes_a_subclass():
  class Pointwise(layers.Conv2D):
    pass
  assert XNNPACK.allow_pruning(Pointwise(4, 1))


# Which models.


FINE = {
    'pointwise': lambda: [pointwise()],
    'depthwise 3x3 same': lambda: [layers.DepthwiseConv2D(3, padding='same')],
    'depthwise 5x5 same': lambda: [layers.DepthwiseConv2D(5, padding='same')],
    'depthwise 3x3 valid': lambda: [layers.ZeroPadding2D(1), layers.DepthwiseConv2D(3)],
    'depthwise 3x3 valid, strides': lambda: [layers.ZeroPadding2D(1),
                                             layers.DepthwiseConv2D(3, strides=2)],
    'depthwise 5x5 valid, strides': lambda: [layers.ZeroPadding2D(2),
                                             layers.DepthwiseConv2D(5, strides=2)],
    'batch norm': lambda: [layers.BatchNormalization()],
    'batch norm of axis 3': lambda: [layers.BatchNormalization(axis=3)],
    'bilinear': lambda: [layers.UpSampling2D(interpolation='bilinear')],
    'pooling with dimensions': lambda: [layers.GlobalAveragePooling2D(keepdims=True)],
    'relu': lambda: [layers.ReLU(6.0)],
    'leaky relu': lambda: [layers.LeakyReLU()],
    'elu': lambda: [layers.ELU()],
    'activation': lambda: [layers.Activation('relu')],
    'relu6': lambda: [layers.Activation(tensorflow.nn.relu6)],
    'sigmoid': lambda: [layers.Activation('sigmoid')],
    'dropout': lambda: [layers.Dropout(0.1)],
    'padding': lambda: [layers.ZeroPadding2D(3)],
    'sum': lambda: [lambda x: layers.Add()([pointwise()(x), x])],
    'product': lambda: [lambda x: layers.Multiply()([pointwise()(x), x])],
    'difference': lambda: [lambda x: layers.Subtract()([pointwise()(x), x])],
    'operators': lambda: [lambda x: x * 2.0, lambda x: x + 1.0, lambda x: x - 1.0],
}


@pytest.mark.parametrize('name', sorted(FINE))
def test_takes(name):
  XNNPACK.ensure_model_supports_pruning(model_of(*FINE[name]()))


FAULTS = {
    'conv 3x3': (lambda: [layers.Conv2D(8, 3, name='bad')], '1x1, but this one is 3x3'),
    'strides': (lambda: [pointwise(strides=2, name='bad')], 'strides 1'),
    'groups': (lambda: [pointwise(groups=2, name='bad')], 'one group'),
    'depthwise 7x7': (lambda: [layers.DepthwiseConv2D(7, name='bad')], '3x3 or 5x5'),
    'depthwise strides same': (
        lambda: [layers.DepthwiseConv2D(3, strides=2, padding='same', name='bad')],
        r'ZeroPadding2D\(1\) before it'),
    'depthwise valid': (lambda: [layers.DepthwiseConv2D(3, name='bad')],
                        r'right after a ZeroPadding2D\(1\)'),
    'depthwise 5x5 with little padding': (
        lambda: [layers.ZeroPadding2D(1), layers.DepthwiseConv2D(5, name='bad')],
        r'right after a ZeroPadding2D\(2\)'),
    'uneven padding': (
        lambda: [layers.ZeroPadding2D(((0, 1), (0, 1))), layers.DepthwiseConv2D(3, name='bad')],
        r'right after a ZeroPadding2D\(1\)'),
    'multiplier': (
        lambda: [layers.DepthwiseConv2D(3, padding='same', depth_multiplier=2, name='bad')],
        'depth_multiplier 1'),
    'dilation': (
        lambda: [layers.DepthwiseConv2D(3, padding='same', dilation_rate=2, name='bad')],
        'dilation 1'),
    'axis': (lambda: [layers.BatchNormalization(axis=1, name='bad')], 'last axis'),
    'nearest': (lambda: [layers.UpSampling2D(name='bad')], 'bilinear'),
    'activation': (lambda: [layers.Activation('tanh', name='bad')], 'tanh'),
    'max pooling': (lambda: [layers.MaxPooling2D(name='bad')], 'MaxPooling2D'),
    'softmax': (lambda: [layers.Softmax(name='bad')], 'Softmax'),
    'transposed': (lambda: [layers.Conv2DTranspose(8, 1, name='bad')], 'Conv2DTranspose'),
    'custom': (lambda: [OwnActivation(name='bad')], 'OwnActivation'),
}


@pytest.mark.parametrize('name', sorted(FAULTS))
def test_names_the_layer_in_the_way_and_the_rule(name):
  body, rule = FAULTS[name]
  message = refusal(model_of(*body()))
  assert 'layer bad (' in message
  pytest.raises(errors.PolicyError, XNNPACK.ensure_model_supports_pruning,
                model_of(*body())).match(rule)


def test_names_all_layers_in_the_way():
  message = refusal(model_of(layers.MaxPooling2D(name='first'), layers.Softmax(name='second')))
  assert 'layer first (MaxPooling2D)' in message and 'layer second (Softmax)' in message


def test_function_without_a_sparse_form():
  function = keras.ops.tanh if backend.IS_KERAS_3 else tensorflow.tanh
  assert 'tanh' in refusal(model_of(function)).lower()


@pytest.mark.parametrize('start, rule', [
    (lambda x: stem(x, strides=1), r'stem is not: its strides are (1, 1)'),
    (lambda x: stem(x, border=0, padding='same'), "stem is not: its padding is 'same'"),
    (lambda x: stem(x, border=0), 'ZeroPadding2D(1) alone'),
    (lambda x: stem(x, border=2), 'ZeroPadding2D(1) alone'),
    (lambda x: stem(x, border=((0, 1), (0, 1))), 'ZeroPadding2D(1) alone'),
    (lambda x: stem(x, size=5), 'kernel is 5x5 of 3 channels'),
    (lambda x: layers.ReLU()(x), 'is not: its kernel is 1x1 of 3 channels'),
])
def test_first_convolution(start, rule):
  assert rule in refusal(model_of(pointwise(), start=start))


def test_no_convolution_at_all():
  assert 'There is no Conv2D on it' in refusal(
      model_of(start=lambda x: layers.ReLU()(x)))


def test_first_convolution_of_other_than_three_channels():
  assert 'of 4 channels' in refusal(model_of(pointwise(), channels=4))


def test_what_precedes_the_first_convolution_does_not_matter():
  XNNPACK.ensure_model_supports_pruning(
      model_of(pointwise(), start=lambda x: stem(layers.MaxPooling2D()(x))))


def test_what_follows_the_pooling_does_not_matter():
  XNNPACK.ensure_model_supports_pruning(
      model_of(pointwise(), head=[layers.Dense(4), layers.Softmax()]))


def test_needs_a_global_pooling():
  assert 'GlobalAveragePooling2D' in refusal(model_of(pointwise(), end=False))


def test_pooling_that_loses_the_dimensions_in_between():
  message = refusal(model_of(layers.GlobalAveragePooling2D(name='bad'),
                             layers.Reshape((1, 1, 8), name='shape')))
  assert 'layer bad' in message and 'keepdims=True' in message and 'layer shape' in message


def test_every_input_needs_a_first_convolution():
  left, right = keras.Input((16, 16, 3)), keras.Input((8, 8, 3), name='bare')
  y = layers.GlobalAveragePooling2D(name='pool')(
      layers.Add()([pointwise()(stem(left, border=1)), pointwise(name='other')(
          right)]))
  message = refusal(keras.Model([left, right], y, name='net'))
  assert 'other is not: its kernel is 1x1' in message


def test_every_output_needs_a_global_pooling():
  inputs = keras.Input((16, 16, 3), name='image')
  x = pointwise()(stem(inputs))
  outputs = [layers.GlobalAveragePooling2D()(x), layers.Flatten(name='flat')(x)]
  assert 'without a global pooling' in refusal(keras.Model(inputs, outputs, name='net'))


def test_two_branches():
  inputs = keras.Input((16, 16, 3), name='image')
  x = stem(inputs)
  y = layers.MaxPooling2D(name='bad')(x)
  outputs = [layers.GlobalAveragePooling2D()(pointwise()(x)), layers.GlobalAveragePooling2D()(y)]
  assert 'layer bad' in refusal(keras.Model(inputs, outputs, name='net'))


def test_other_models_of_the_same_layers_do_not_matter():
  inputs = keras.Input((16, 16, 3))
  x = stem(inputs)
  outputs = layers.GlobalAveragePooling2D()(pointwise()(x))
  keras.Model(inputs, layers.Softmax()(x))
  XNNPACK.ensure_model_supports_pruning(keras.Model(inputs, outputs))


def test_sequential():
  model = keras.Sequential([
      keras.Input((16, 16, 3)), layers.ZeroPadding2D(1), layers.Conv2D(4, 3, strides=2),
      layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(4, 1),
      layers.GlobalAveragePooling2D(), layers.Dense(2)])
  XNNPACK.ensure_model_supports_pruning(model)


def test_looks_into_nested_models():
  start = keras.Sequential([keras.Input((15, 15, 3)), layers.ZeroPadding2D(1),
                            layers.Conv2D(8, 3, strides=2)], name='start')
  inputs = keras.Input((15, 15, 3))
  pool = layers.GlobalAveragePooling2D()
  block = keras.Sequential([keras.Input((8, 8, 8)), pointwise(), layers.ReLU()], name='block')
  XNNPACK.ensure_model_supports_pruning(keras.Model(inputs, pool(block(block(start(inputs))))))

  bad = keras.Sequential([keras.Input((8, 8, 8)), layers.Softmax(name='bad')], name='inner')
  assert 'layer bad' in refusal(keras.Model(inputs, pool(bad(start(inputs))), name='net'))


def test_refuses_a_subclassed_model():
  class Own(keras.Model):

    def call(self, inputs):
      return inputs

  assert 'cannot be followed' in refusal(Own(name='own'))


def test_refuses_a_model_that_is_not_built():
  message = refusal(keras.Sequential([layers.Conv2D(4, 1)], name='late'))
  assert 'not built' in message and 'model.build(shape)' in message


@pytest.mark.slow
def test_mobile_nets():
  model = keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3))
  # Its convolutions with strides have padding 'same', or uneven borders.
  assert "padding is 'same'" in refusal(model)


# Reading the graph.


def test_calls_of_nested_and_shared_layers():
  inner_input = keras.Input((4,))
  twice = layers.Dense(4, name='twice')
  inner = keras.Model(inner_input, twice(twice(inner_input)), name='inner')
  left, right = keras.Input((4,), name='left'), keras.Input((4,), name='right')
  total = layers.Add(name='total')([inner(left), inner(right)])
  calls = topology.calls_of(keras.Model([left, right], total))

  names = [call.layer.name for call in calls]
  assert sorted(names) == ['left', 'right', 'total', 'twice', 'twice', 'twice', 'twice']
  assert names[-1] == 'total' and [call.is_output for call in calls] == [False] * 6 + [True]
  for call in calls:
    for producer in call.producers:
      assert calls.index(producer) < calls.index(call) and call in producer.consumers
  sources = [call for call in calls if not call.producers]
  assert sorted(call.layer.name for call in sources) == ['left', 'right']
  for source in sources:  # Each through two calls of its own, to the sum.
    path = source
    for name in ('twice', 'twice', 'total'):
      path, = path.consumers
      assert path.layer.name == name


def test_calls_with_several_outputs_and_dictionaries():
  inner_inputs = {'a': keras.Input((4,), name='a'), 'b': keras.Input((4,), name='b')}
  inner = keras.Model(inner_inputs, {
      'x': layers.ReLU(name='of_a')(inner_inputs['a']),
      'y': layers.Softmax(name='of_b')(inner_inputs['b'])})
  left, right = keras.Input((4,), name='left'), keras.Input((4,), name='right')
  outputs = inner({'b': left, 'a': right})
  calls = topology.calls_of(keras.Model([left, right], layers.Dropout(0.5, name='end')(
      outputs['y'])))
  end = calls[-1]
  assert end.layer.name == 'end'
  assert [call.layer.name for call in end.producers] == ['of_b']
  assert [call.layer.name for call in end.producers[0].producers] == ['left']


def test_calls_of_what_has_no_graph():
  assert topology.calls_of(keras.Sequential([layers.Dense(2)])) is None
  assert topology.calls_of(layers.Dense(2)) is None


# skip_unknown.


class Unknown(layers.Layer):

  def build(self, input_shape):
    self.table = self.add_weight(name='table', shape=(int(input_shape[-1]), 2))
    super().build(input_shape)

  def call(self, inputs):
    return tensorflow.matmul(inputs, self.table)


def test_skip_unknown():
  unknown = Unknown()
  unknown.build((None, 3))
  assert not prunable.is_known(unknown)
  assert not policies.skip_unknown.allow_pruning(unknown)
  assert policies.skip_unknown.allow_pruning(layers.Dense(2))
  assert policies.skip_unknown.allow_pruning(layers.ReLU())
  assert isinstance(policies.skip_unknown, policies.PruningPolicy)
  policies.skip_unknown.ensure_model_supports_pruning(keras.Sequential([unknown]))


class Block(layers.Layer):
  """A layer of layers: two that are known around one that is not."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.first = layers.Dense(3, name='first')
    self.unknown = Unknown(name='unknown')
    self.last = layers.Dense(3, name='logits')

  def build(self, input_shape):
    self.first.build(input_shape)
    self.unknown.build((None, 3))
    self.last.build((None, 2))
    super().build(input_shape)

  def call(self, inputs):
    return self.last(self.unknown(self.first(inputs)))


backend.register_as('tests', 'Block')(Block)
backend.register_as('tests', 'UnknownToPolicies')(Unknown)


class Subclassed(keras.Model):
  """A model of such a layer, a recurrent one, and a matrix of its own."""

  def __init__(self):
    super().__init__()
    self.block, self.end = Block(name='block'), layers.Dense(2, name='end')
    self.recurrent = layers.LSTM(3, name='lstm')

  def build(self, input_shape):
    self.matrix = self.add_weight(name='matrix', shape=(3, 3))
    super().build(input_shape)

  def call(self, inputs):
    x = tensorflow.matmul(self.block(inputs), self.matrix)
    return self.end(x) + self.recurrent(tensorflow.expand_dims(x, 1))[:, :2]


class Refusing(policies.PruningPolicy):
  """Refuses layers by their names."""

  def __init__(self, *names):
    self.names = names

  def allow_pruning(self, layer):
    return layer.name not in self.names

  def ensure_model_supports_pruning(self, model):
    pass


def _pruned_in(model, policy):
  """Returns the names of the layers whose weights a model prunes under a policy, and the model."""
  model(np.zeros((2, 4), np.float32))
  schedule = ConstantSparsity(0.5, 0, frequency=1)
  model = prune.prune_low_magnitude(model, schedule, pruning_policy=policy)
  return _owners(model), model


def _owners(model):
  return {weight.layer.name for layer in pruned_layers(model) for weight in layer.pruning.weights}


def _sequential():
  return keras.Sequential([keras.Input((4,)), Block(name='block'), layers.Dense(2, name='end')])


def test_skip_unknown_prunes_what_is_around_unknown_layers():
  assert _pruned_in(_sequential(), policies.skip_unknown)[0] == {'first', 'logits', 'end'}


@pytest.mark.legs('default', 'newest')
def test_skip_unknown_prunes_the_layers_of_a_subclassed_model():
  found, _ = _pruned_in(Subclassed(), policies.skip_unknown)
  assert {'first', 'logits', 'end'} < found and len(found) == 4  # And the cell of the LSTM.


@pytest.mark.parametrize('names,left', [
    (('unknown', 'logits'), {'first', 'end'}), (('block',), {'end'}),
    (('unknown', 'end'), {'first', 'logits'})])
def test_a_policy_decides_about_layers_in_layers(names, left):
  assert _pruned_in(_sequential(), Refusing(*names))[0] == left


@pytest.mark.legs('default', 'newest')
def test_a_policy_decides_about_layers_of_a_subclassed_model():
  policies_seen = []

  class Noting(Refusing):

    def allow_pruning(self, layer):
      policies_seen.append(layer.name)
      return super().allow_pruning(layer)

  class Model(Subclassed):

    def build(self, input_shape):
      self.matrix = tensorflow.eye(3)
      keras.Model.build(self, input_shape)

  found, _ = _pruned_in(Model(), Noting('block', 'lstm'))
  assert found == {'end'}
  assert not {'first', 'unknown', 'logits'} & set(policies_seen)  # What is around them is refused.
  assert not any('cell' in name for name in policies_seen)  # A layer of Keras is one layer.


@pytest.mark.legs('default', 'newest')
def test_what_a_policy_refuses_stays_dense_in_copies_and_files(tmp_path):
  _, model = _pruned_in(_sequential(), Refusing('unknown', 'logits'))
  model.compile('sgd', 'mse')
  x = np.random.RandomState(0).rand(16, 4).astype(np.float32)
  model.fit(x, x[:, :2], verbose=0, callbacks=[UpdatePruningStep()])
  model.save(str(tmp_path / 'model.keras'))
  for copy in (keras.models.clone_model(model), keras.models.load_model(
      str(tmp_path / 'model.keras'))):
    assert _owners(copy) == {'first', 'end'}
  np.testing.assert_array_equal(copy(x), model(x))
  stripped = prune.strip_pruning(model)
  block = stripped.get_layer('block')
  assert (np.asarray(block.last.kernel) != 0).all() and (np.asarray(block.first.kernel) == 0).any()


def test_a_model_with_nothing_to_prune_is_not_copied_for_it(caplog):
  model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name='end')])
  assert _pruned_in(model, Refusing('end'))[1] is model
  assert ['Nothing in model' in record.getMessage() for record in caplog.records] == [True]


def test_a_policy_must_say_both():
  class Half(policies.PruningPolicy):

    def allow_pruning(self, layer):
      return True

  with pytest.raises(TypeError):
    Half()
