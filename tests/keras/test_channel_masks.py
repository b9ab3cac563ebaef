# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Masks by channel in Keras models, on schedule; remove_channels() then removes these channels."""

from absl import logging
import numpy as np
import pytest

from model_pruning.compat import tensorflow

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

from model_pruning import errors
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import pruned_layers

pytestmark = pytest.mark.legacy_keras

layers = keras.layers
CLOCK = 'channel_pruning=true,target_sparsity=0.6,pruning_frequency=1,sparsity_function_end_step=4'


def _residual():
  inputs = keras.Input((6, 6, 3))
  x = layers.Conv2D(8, 3, padding='same', use_bias=False, name='stem')(inputs)
  x = layers.ReLU()(layers.BatchNormalization(name='norm')(x))
  y = layers.Conv2D(6, 3, padding='same', activation='elu', name='a')(x)
  y = layers.Dropout(0.2)(y)
  x = layers.Add()([x, layers.Conv2D(8, 1, name='b')(y)])
  x = layers.Dense(12, activation='tanh', name='fc')(layers.Flatten()(x))
  return keras.Model(inputs, layers.Dense(5, name='scores')(x))


def _nested():
  inner_inputs = keras.Input((10,))
  inner = keras.Model(inner_inputs, layers.Dense(12, activation='sigmoid', name='deep')(
      layers.Dense(16, activation='relu', name='wide')(inner_inputs)), name='inner')
  inputs = keras.Input((10,))
  return keras.Model(inputs, layers.Dense(3, name='scores')(
      layers.Add()([inner(inputs), layers.Dense(12, name='beside')(inputs)])))


def _random(model, seed=0):
  random = np.random.RandomState(seed)
  for weight in model.weights:
    low = 0.5 if 'variance' in getattr(weight, 'path', weight.name) else -1.0
    value = random.uniform(low, 1.5, tuple(weight.shape)) / np.sqrt(np.prod(weight.shape[:-1]))
    weight.assign(value.astype(np.float32))
  return model


def _inputs(model):
  return np.random.RandomState(9).normal(size=(8, *model.inputs[0].shape[1:])).astype(np.float32)


class Hidden(keras.callbacks.Callback):
  """Notes after each batch which channels are hidden, in each group."""

  def __init__(self, model, groups):
    super().__init__()
    self.masks, self.groups, self.found = masks_of(model), groups, []

  def on_train_batch_begin(self, batch, logs=None):
    self.found.append(hidden_by(self.masks, self.groups))


def masks_of(model):
  """Returns the masks of a model, by the names that groups use for the weights."""
  return {record.name: record.mask
          for layer in pruned_layers(model) for record in layer.pruning.weights}


def hidden_in(model, groups):
  return hidden_by(masks_of(model), groups)


def hidden_by(masks, groups):
  """Returns the hidden channels of each group, by its name; all its masks agree."""
  found, masks = {}, {name: np.asarray(mask) for name, mask in masks.items()}
  for group in groups:
    for member in group.members:
      if member.weight in masks:
        mask = np.moveaxis(masks[member.weight], member.axis, 0)
        visible = mask.reshape(len(mask), -1).any(axis=1)[member.indices]
        assert (visible == visible[:, :1]).all()
        assert found.setdefault(group.name, visible[:, 0].tolist()) == visible[:, 0].tolist()
  return {name: np.flatnonzero(~np.array(visible)).tolist() for name, visible in found.items()}


def _numbers(found):
  return {name: len(numbers) for name, numbers in found.items()}


def _train(model, x, epochs=6, callbacks=(), optimizer='sgd'):
  model.compile(optimizer, 'mse')
  y = np.random.RandomState(3).normal(size=(len(x), *model.output_shape[1:]))
  model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=[
      sparsity.UpdatePruningStep(), *callbacks])


def _distributed():
  inputs = keras.Input((3, 6, 6, 2))
  x = layers.TimeDistributed(layers.Conv2D(6, 3, activation='relu', name='a'), name='a')(inputs)
  x = layers.TimeDistributed(layers.BatchNormalization(), name='norm')(x)
  x = layers.TimeDistributed(layers.Flatten(), name='flat')(x)
  x = layers.TimeDistributed(layers.Dense(8, activation='tanh', name='fc'), name='fc')(x)
  return keras.Model(inputs, layers.Dense(3, name='scores')(layers.GlobalAveragePooling1D()(x)))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('make', [_residual, _nested, _distributed])
def test_each_update_hides_the_channels_that_are_due_and_removing_finds_them(make):
  model = _random(make())
  groups, x = sparsity.channel_groups(model), _inputs(model)
  pruned = sparsity.prune_low_magnitude(model, CLOCK)
  noted = Hidden(pruned, groups)
  _train(pruned, x, 3, [noted])
  for step, found in enumerate(noted.found):
    at = 0.6 - 0.6 * (1 - min(step, 4) / 4) ** 3
    assert _numbers(found) == {group.name: int(np.rint(np.float32(group.channels) * np.float32(at)))
                               for group in groups}, step
  hidden = hidden_in(pruned, groups)
  outputs = pruned.predict(x, verbose=0)
  smaller = sparsity.remove_channels(sparsity.strip_pruning(pruned))
  np.testing.assert_allclose(smaller.predict(x, verbose=0), outputs, rtol=1e-4,
                             atol=1e-5 * np.abs(outputs).max())
  assert outputs.std(axis=0).all()
  assert {group.name: group.channels for group in sparsity.channel_groups(smaller)} == {
      group.name: group.channels - len(hidden[group.name]) for group in groups}
  kernel = np.array(pruned.get_layer('scores').kernel)
  np.testing.assert_array_equal(smaller.get_layer('scores').kernel, np.delete(
      kernel, hidden[groups[-1].name], axis=0))


def test_channels_that_can_only_go_together_are_explained(caplog):
  inputs = keras.Input((6, 6, 3))
  x = inputs
  for groups in (1, 2, 3):  # Groups of 2 overlap groups of 3.
    x = layers.Conv2D(6, 3, groups=groups, padding='same', name='in_%d' % groups)(x)
  x = layers.Dense(8, activation='relu', name='fc')(layers.GlobalAveragePooling2D()(x))
  pruned = sparsity.prune_low_magnitude(
      keras.Model(inputs, layers.Dense(2, name='scores')(x)), CLOCK)
  pruned.compile('sgd', 'mse')
  with caplog.at_level('WARNING'):
    pruned.fit(np.zeros((4, 6, 6, 3)), np.zeros((4, 2)), verbose=0,
               callbacks=[sparsity.UpdatePruningStep()])
  assert 'in_2/kernel (its channels can only be removed all together' in caplog.text


def test_hidden_channels_stay_hidden_although_their_biases_are_large():
  model = _random(_residual())
  groups, x = sparsity.channel_groups(model), _inputs(model)
  pruned = sparsity.prune_low_magnitude(model, CLOCK)
  noted = Hidden(pruned, groups)
  _train(pruned, x, 1, [noted])
  before = hidden_in(pruned, groups)
  for layer in ('norm', 'a', 'fc'):
    for weight in pruned.get_layer(layer).weights:
      if len(weight.shape) == 1:
        weight.assign(np.where(np.arange(weight.shape[0]) >= 0, 50.0, 0).astype(np.float32))
  _train(pruned, x, 3)
  after = hidden_in(pruned, groups)
  assert all(set(before[name]) <= set(after[name]) for name in before)
  assert any(set(before[name]) < set(after[name]) for name in before)


def test_variables_of_a_strategy_are_followed():
  with tensorflow.distribute.MirroredStrategy(['CPU:0']).scope():
    model = sparsity.prune_low_magnitude(_random(_nested()), CLOCK)
    model.compile('sgd', 'mse')
  x = _inputs(model)
  model.fit(x, np.zeros((8, 3)), batch_size=1, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  smaller = sparsity.remove_channels(sparsity.strip_pruning(model))
  assert smaller.get_layer('beside').units == 5  # Of 12.


def test_moving_averages_of_a_strategy_are_read_inside_its_scope_and_outside(tmp_path):
  strategy = tensorflow.distribute.MirroredStrategy(['CPU:0'])
  with strategy.scope():
    model = _random(_residual())
    inside = sparsity.channel_groups(model)
    sparsity.to_tflite(model, tmp_path / 'inside.tflite')
  outside = sparsity.channel_groups(model)
  assert outside and [each.name for each in inside] == [each.name for each in outside]
  sparsity.to_tflite(model, tmp_path / 'outside.tflite')
  assert (tmp_path / 'inside.tflite').read_bytes() == (tmp_path / 'outside.tflite').read_bytes()


@pytest.mark.parametrize('frozen', [['stem'], ['stem', 'norm', 'a']])
def test_frozen_layers_lose_the_channels_that_others_do_not_read(frozen):
  model = _random(_residual())
  for name in frozen:
    model.get_layer(name).trainable = False
  model = sparsity.prune_low_magnitude(model, CLOCK)
  before = np.array(model.get_layer('stem').weights[0])
  model.compile('sgd', 'mse')
  x = _inputs(model)
  model.fit(x, np.zeros((8, 5)), batch_size=1, verbose=0, callbacks=[sparsity.UpdatePruningStep()])
  np.testing.assert_array_equal(model.get_layer('stem').weights[0], before)
  expected = model.predict(x, verbose=0)
  smaller = sparsity.remove_channels(sparsity.strip_pruning(model))
  assert smaller.get_layer('fc').units == 5  # Of 12.
  np.testing.assert_allclose(smaller.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_options_limit_what_is_hidden():
  model = _random(_residual())
  groups, x = sparsity.channel_groups(model), _inputs(model)
  pruned = sparsity.prune_low_magnitude(
      model, CLOCK + ',weight_sparsity_map=[stem:0],min_channels=5,channels_multiple_of=2')
  _train(pruned, x)
  assert list(_numbers(hidden_in(pruned, groups)).values()) == [0, 0, 6]
  schedule = sparsity.ConstantSparsity(0.5, begin_step=0)
  pruned = sparsity.prune_low_magnitude(
      model, schedule, hparams='channel_pruning=true,sparsity_distribution=global')
  _train(pruned, x, 1)
  assert sum(_numbers(hidden_in(pruned, groups)).values()) == 13


def test_a_pruned_model_is_saved_with_its_channels_and_trained_on(tmp_path):
  model = _random(_residual())
  groups, x = sparsity.channel_groups(model), _inputs(model)
  # In a file, Keras 2 omits the names of layers from the names of weights, which maps match.
  pruned = sparsity.prune_low_magnitude(model, CLOCK + ',weight_sparsity_map=[^stem/kernel:0.6]')
  _train(pruned, x, 1)
  path = str(tmp_path / 'model.keras')
  pruned.save(path)
  loaded = keras.models.load_model(path)
  assert hidden_in(loaded, groups) == hidden_in(pruned, groups)
  _train(loaded, x, 3)
  assert _numbers(hidden_in(loaded, groups)) == {
      group.name: int(np.rint(0.6 * group.channels)) for group in groups}


def test_layers_that_are_not_pruned_keep_what_they_read(monkeypatch):
  lines = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: lines.append(text % args))
  model = _random(_residual())
  groups, x = sparsity.channel_groups(model), _inputs(model)

  class NotTheSecond(sparsity.PruningPolicy):

    def allow_pruning(self, layer):
      return layer.name != 'b'

    def ensure_model_supports_pruning(self, model):
      pass

  pruned = sparsity.prune_low_magnitude(model, CLOCK, pruning_policy=NotTheSecond())
  _train(pruned, x)
  # Layer b reads the channels of layer a, and adds to the channels of the stem.
  assert list(_numbers(hidden_in(pruned, groups)).values()) == [5, 0, 7]
  assert not [line for line in lines if 'stay dense' in line]
  outputs = pruned.predict(x, verbose=0)
  smaller = sparsity.remove_channels(sparsity.strip_pruning(pruned))
  np.testing.assert_allclose(smaller.predict(x, verbose=0), outputs, rtol=1e-4,
                             atol=1e-5 * np.abs(outputs).max())
  assert smaller.get_layer('stem').filters == 3 and smaller.get_layer('a').filters == 6

  inputs = keras.Input((4,))
  left = layers.Dense(6, activation='relu', name='left')(inputs)
  right = layers.Dense(6, activation='relu', name='right')(inputs)
  outputs = layers.Add()([layers.Dense(3, name='reader')(left), layers.Softmax()(
      layers.Dense(3, name='other')(right))])
  own = keras.Model(inputs, outputs)
  lines.clear()

  class NotTheReader(NotTheSecond):

    def allow_pruning(self, layer):
      return layer.name not in ('other', 'left')

  sparsity.prune_low_magnitude(own, CLOCK, pruning_policy=NotTheReader())
  line, = [line for line in lines if 'stay dense' in line]
  assert 'right/kernel' in line and 'reads it without a mask' in line and 'reader' not in line


class Subclassed(keras.Model):

  def __init__(self):
    super().__init__()
    self.first, self.second = layers.Dense(4), layers.Dense(3)

  def call(self, x):
    return self.second(self.first(x))


@pytest.mark.parametrize('option', ['min_channels=1000', 'channels_multiple_of=32'])
def test_limits_that_keep_all_channels_are_refused(option):
  with pytest.raises(errors.ChannelError, match=option + '.*keep all channels.*at most 12'):
    sparsity.prune_low_magnitude(_residual(), CLOCK + ',' + option)


def test_what_has_no_channels_to_hide_is_refused_and_left_as_it_was():
  model = _random(_residual())
  with pytest.raises(errors.MapError, match='matches no group of channels'):
    sparsity.prune_low_magnitude(model, CLOCK + ',weight_sparsity_map=[scores:0.5]', in_place=True)
  with pytest.raises(errors.SpecError, match='channel_outputs=.*leave it out'):
    sparsity.prune_low_magnitude(model, CLOCK + ',channel_outputs=[a]')
  with pytest.raises(errors.SpecError, match='intra_block_sparsity'):
    sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0), sparsity_m_by_n=(2, 4),
                                 hparams='channel_pruning=true')
  with pytest.raises(errors.BlockError, match='excludes blocks'):
    sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0), block_size=(4, 1),
                                 hparams='channel_pruning=true')
  assert type(model.get_layer('a')) is layers.Conv2D
  with pytest.raises(errors.LayerError, match='needs the layers that read each channel'):
    sparsity.prune_low_magnitude(model.get_layer('a'), CLOCK)
  own, unbuilt = Subclassed(), Subclassed()
  own(np.zeros((1, 4), np.float32))
  for each in (own, unbuilt):
    with pytest.raises(errors.LayerError, match='Subclassed.* neither functional nor Sequential'):
      sparsity.prune_low_magnitude(each, CLOCK)
  with pytest.raises(errors.LayerError, match='is not built; give it a keras.Input'):
    sparsity.prune_low_magnitude(keras.Sequential([layers.Dense(3)]), CLOCK)
  single = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
  with pytest.raises(errors.ChannelError, match='masks can hide no channels'):
    sparsity.prune_low_magnitude(single, CLOCK)
  with pytest.raises(errors.SpecError, match='channel_pruning.*remove_channels'):
    sparsity.prune_trained(model, CLOCK, _inputs(model))


def test_layers_that_count_apart_are_updated_together():
  model = _random(_nested())
  groups, x = sparsity.channel_groups(model), _inputs(model)
  pruned = sparsity.prune_low_magnitude(
      model, CLOCK.replace('pruning_frequency=1', 'pruning_frequency=10'))
  _train(pruned, x, 1)
  assert not any(hidden_in(pruned, groups).values())
  pruned.get_layer('beside').pruning.step.assign(9)  # As if another model had trained it.
  _train(pruned, x, 1)
  assert _numbers(hidden_in(pruned, groups)) == {
      group.name: int(np.rint(0.6 * group.channels)) for group in groups}
  assert pruned.get_layer('scores').pruning.last_update == 10


def test_a_frozen_layer_counts_as_one_without_a_mask():
  model = _random(_residual())
  groups, x = sparsity.channel_groups(model), _inputs(model)
  model.get_layer('b').trainable = False
  pruned = sparsity.prune_low_magnitude(model, CLOCK)
  frozen = np.array(pruned.get_layer('b').kernel)
  _train(pruned, x)
  np.testing.assert_array_equal(pruned.get_layer('b').kernel, frozen)
  masks = {name: np.asarray(mask) for name, mask in masks_of(pruned).items()}
  assert masks['b/kernel'].all() and masks['a/kernel'].any(axis=(0, 1, 2)).all()
  assert masks['stem/kernel'].any(axis=(0, 1, 2)).sum() == 3
  outputs = pruned.predict(x, verbose=0)
  smaller = sparsity.remove_channels(sparsity.strip_pruning(pruned))
  np.testing.assert_allclose(smaller.predict(x, verbose=0), outputs, rtol=1e-4,
                             atol=1e-5 * np.abs(outputs).max())
  assert len(groups) == 3 and smaller.get_layer('stem').filters == 3
