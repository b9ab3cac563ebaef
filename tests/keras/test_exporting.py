# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.keras.exporting: from a Keras model to TFLite; names and FLOPs on the way.
"""

import os

import numpy as np
import pytest

pytest.importorskip('tensorflow', minversion='2.13')

from model_pruning import cli
from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.export import saved_model
from model_pruning.export.tflite import convert as tflite
from model_pruning.reporting import report
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import exporting
from model_pruning.keras.backend import keras

layers = keras.layers


@keras.utils.register_keras_serializable('test_exporting')
class Subclass(keras.Model):
  """A model without a list of inputs."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.hidden = layers.Dense(32, 'relu', name='hidden')
    self.logits = layers.Dense(4, name='logits')

  def call(self, inputs):
    return self.logits(self.hidden(inputs))

  def get_config(self):
    return {'name': self.name}


def _dense():
  inputs = keras.Input((64,), name='x')
  hidden = layers.Dense(64, 'relu', name='fc')(inputs)
  return keras.Model(inputs, layers.Dense(16, name='logits')(hidden))


def _images():
  image = keras.Input((8, 8, 3), name='image')
  hidden = layers.Conv2D(8, 3, activation='relu', name='conv')(image)
  hidden = layers.Flatten()(layers.BatchNormalization()(hidden))
  return keras.Model(image, layers.Dense(4, name='logits')(hidden))


def _sequence():
  words = keras.Input((None,), dtype='int32', name='words')
  hidden = layers.GRU(8, name='rnn')(layers.Embedding(20, 8, name='table')(words))
  return keras.Model(words, layers.Dense(2, name='logits')(hidden))


def _two(structure):
  left, right = keras.Input((8,), name='left'), keras.Input((6,), name='right')
  hidden = layers.Dense(16, name='fc')(layers.concatenate([left, right]))
  outputs = [layers.Dense(3, name='one')(hidden), layers.Dense(2, name='two')(hidden)]
  if structure is list:
    return keras.Model([left, right], outputs)
  return keras.Model({'right': right, 'left': left}, dict(zip(('one', 'two'), outputs)))


def _pruned(model, sparsity_=0.9, block_size=(1, 1)):
  model = sparsity.prune_low_magnitude(
      model, sparsity.ConstantSparsity(sparsity_, 0, frequency=1), block_size=block_size)
  callback = sparsity.UpdatePruningStep()
  callback.set_model(model)
  callback.on_train_begin()
  callback.on_train_batch_begin(0)
  callback.on_train_batch_begin(1)
  callback.on_train_end()
  return model


def _run(path, **inputs):
  """Runs a TFLite file; inputs by the beginnings of their names."""
  interpreter = tflite.interpreter(open(path, 'rb').read())
  for detail in interpreter.get_input_details():
    value, = [value for name, value in inputs.items()
              if detail['name'].split(':')[0].endswith(name)]
    interpreter.set_tensor(detail['index'], value)
  interpreter.invoke()
  return [interpreter.get_tensor(detail['index']) for detail in interpreter.get_output_details()]


@pytest.mark.sampled(3)
@pytest.mark.parametrize('pruned', [True, False])
@pytest.mark.parametrize('build,name,value', [
    (_dense, 'x', np.linspace(-1, 1, 64, dtype=np.float32)[None]),
    (_images, 'image', np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 8, 8, 3)),
    (_sequence, 'words', np.array([[3, 1, 4, 1, 5]], np.int32))])
def test_one_call(tmp_path, build, name, value, pruned):
  model = _pruned(build()) if pruned else build()
  before = [np.array(weight) for weight in model.weights]
  path = str(tmp_path / 'model.tflite')
  written = sparsity.to_tflite(model, path, input_shapes={name: value.shape},
                               examples=[value] * 2)
  np.testing.assert_allclose(_run(path, **{name: value})[0], model(value), rtol=1e-4, atol=1e-5)
  known = {weight.name for weight in sparsity.report(model).weights}
  assert {weight.stored.name for weight in written.weights} <= known
  for weight, value in zip(model.weights, before):
    np.testing.assert_array_equal(np.asarray(weight), value)
  assert os.listdir(str(tmp_path)) == ['model.tflite']


@pytest.mark.parametrize('structure', [list, dict])
def test_several_inputs_and_outputs(tmp_path, structure):
  model = _pruned(_two(structure))
  left, right = np.ones((1, 8), np.float32), np.zeros((1, 6), np.float32)
  path = str(tmp_path / 'model.tflite')
  sparsity.to_tflite(model, path, examples=[{'left': left, 'right': right}])
  wanted = model({'left': left, 'right': right} if structure is dict else [left, right])
  wanted = sorted((np.asarray(each) for each in tensorflow.nest.flatten(wanted)),
                  key=lambda each: each.shape)
  found = sorted(_run(path, left=left, right=right), key=lambda each: each.shape)
  for one, other in zip(found, wanted):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('quantization', ['none', 'dynamic'])
@pytest.mark.parametrize('structure', [list, dict])
def test_the_signature_has_the_names_of_inputs_and_outputs(tmp_path, structure, quantization):
  left, right = keras.Input((8,), name='left'), keras.Input((6,), name='right')
  x = keras.layers.Concatenate()([right, left])
  outputs = [keras.layers.Dense(4, name='zoom')(x), keras.layers.Dense(5, name='crop')(x)]
  model = keras.Model([left, right], outputs if structure is list else {
      'second': outputs[0], 'first': outputs[1]})
  path = str(tmp_path / 'model.tflite')
  sparsity.to_tflite(model, path, quantization=quantization)
  values = {'left': np.ones((1, 8), np.float32), 'right': np.zeros((1, 6), np.float32)}
  found = tensorflow.lite.Interpreter(path).get_signature_runner()(**values)
  wanted = model([values['left'], values['right']])
  if structure is list:
    wanted = dict(zip(['zoom', 'crop'], wanted))
  assert set(found) == set(wanted)
  for name, value in wanted.items():
    np.testing.assert_allclose(found[name], value, rtol=0.1, atol=0.1 if quantization != 'none' else
                               1e-5)


def test_the_command_writes_the_signature_of_a_saved_model(tmp_path):
  folder, path = str(tmp_path / 'saved'), str(tmp_path / 'model.tflite')
  sparsity.to_saved_model(_dense(), folder)
  args = cli.parse_arguments(['model-pruning', 'export', folder, '--output=' + path])
  assert cli.guarded(args.run, args) == 0
  signature = tensorflow.saved_model.load(folder).signatures['serving_default']
  found = tensorflow.lite.Interpreter(path).get_signature_list()['serving_default']
  assert found == {'inputs': list(signature.structured_input_signature[1]),
                   'outputs': list(signature.structured_outputs)}


def test_options_are_passed_on(tmp_path):
  model = _pruned(_dense(), block_size=(16, 1))
  examples = np.random.RandomState(0).randn(20, 64).astype(np.float32)
  written = sparsity.to_tflite(model, str(tmp_path / 'a.tflite'), quantization='dynamic',
                               examples=examples)
  assert (written.quantization, written.examples) == ('dynamic', 20)
  fc, = [weight for weight in written.weights if weight.stored.name == 'fc/kernel']
  assert fc.fast and fc.stored.block == (16, 1)
  with pytest.raises(TypeError, match='quantisation'):
    sparsity.to_tflite(model, str(tmp_path / 'b.tflite'), quantisation='int8')


def test_a_subclass_is_given_shapes(tmp_path):
  model = Subclass()
  value = np.ones((1, 16), np.float32)
  model(value)
  model = _pruned(model)
  path = str(tmp_path / 'model.tflite')
  sparsity.to_tflite(model, path, input_shapes={'inputs': [1, 16]})
  np.testing.assert_allclose(_run(path, inputs=value)[0], model(value), rtol=1e-4, atol=1e-5)


def test_two_layers_whose_weights_have_one_name(tmp_path):
  words = keras.Input((4, 3), name='x')
  model = keras.Model(words, layers.LSTM(3, name='b')(layers.LSTM(
      3, return_sequences=True, name='a')(words)))
  path = str(tmp_path / 'model.tflite')
  value = np.linspace(-1, 1, 12, dtype=np.float32).reshape(1, 4, 3)
  sparsity.to_tflite(_pruned(model, 0.5), path)
  assert _run(path, x=value)[0].shape == (1, 3)


@pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 3 has no add_metric()')
def test_metrics_of_a_model_are_no_outputs(tmp_path):
  inputs = keras.Input((6,))
  hidden = keras.layers.Dense(8, activation='relu')(inputs)
  model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
  model.add_metric(tensorflow.reduce_mean(hidden), name='mean', aggregation='mean')
  x = np.random.RandomState(0).normal(size=(32, 6)).astype(np.float32)
  model.compile('sgd', 'mse')
  assert sparsity.to_tflite(model, str(tmp_path / 'model.tflite')).bytes
  assert len(sparsity.channel_groups(model)) == 1
  pruned = sparsity.prune_low_magnitude(model, 'channel_pruning=true,target_sparsity=0.5')
  trained = sparsity.prune_trained(model, 'target_sparsity=0.5', x)
  smaller = sparsity.remove_channels_in_training(model, fraction=0.5)
  for each in (model, pruned, trained, smaller):
    each.compile('sgd', 'mse')
    callbacks = [sparsity.UpdatePruningStep()] if each in (pruned, trained) else []
    assert set(each.fit(x, x[:, :3], verbose=0, callbacks=callbacks).history) == {'loss', 'mean'}


def test_a_saved_model(tmp_path):
  model = _pruned(_dense())
  sparsity.to_saved_model(model, tmp_path / 'served')
  found = report.of(str(tmp_path / 'served'))
  assert [(row.name, row.sparsity) for row in found.weights][0][1] > 0.89
  with pytest.raises(errors.WriteError, match='exists'):
    sparsity.to_saved_model(model, str(tmp_path / 'served'))


@pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 3 does not export masks')
def test_masks_that_are_only_variables_of_a_saved_model_are_stripped(tmp_path):
  model, x = _pruned(_dense()), np.random.RandomState(0).rand(3, 64).astype(np.float32)
  saved, stripped = str(tmp_path / 'saved'), str(tmp_path / 'stripped')
  tensorflow.saved_model.save(model, saved)
  assert sorted(saved_model.strip_saved_model(saved, stripped)) == ['fc/kernel', 'logits/kernel']
  serve = tensorflow.saved_model.load(stripped).signatures['serving_default']
  outputs, = serve(x=tensorflow.constant(x)).values()
  np.testing.assert_allclose(outputs.numpy(), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
  with pytest.raises(errors.NoMaskedWeightsError):
    saved_model.strip_saved_model(stripped, str(tmp_path / 'again'))


@pytest.mark.skipif(not hasattr(keras.Model, 'export'), reason='it came with TensorFlow 2.13')
def test_masks_that_keras_exported_are_stripped(tmp_path):
  model, x = _pruned(_dense()), np.random.RandomState(0).rand(3, 64).astype(np.float32)
  saved, stripped = str(tmp_path / 'saved'), str(tmp_path / 'stripped')
  model.export(saved)
  folded = saved_model.strip_saved_model(saved, stripped)
  assert [name.split('/')[-2] for name in folded] == ['fc', 'logits']
  serve = tensorflow.saved_model.load(stripped).signatures['serving_default']
  outputs, = serve(**{name: tensorflow.constant(x) for name in
                      serve.structured_input_signature[1]}).values()
  np.testing.assert_allclose(outputs.numpy(), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
  with pytest.raises(errors.NoMaskedWeightsError):
    saved_model.strip_saved_model(stripped, str(tmp_path / 'again'))
  _dense().export(str(tmp_path / 'dense'))
  with pytest.raises(errors.NoMaskedWeightsError):
    saved_model.strip_saved_model(str(tmp_path / 'dense'), str(tmp_path / 'none'))


@pytest.mark.parametrize('value', [None, 'model', layers.Dense(3)])
def test_what_is_no_model(tmp_path, value):
  for call in (sparsity.to_tflite, sparsity.to_saved_model):
    with pytest.raises(errors.LayerError, match='is not a built Keras model'):
      call(value, str(tmp_path / 'x'))
  assert not os.listdir(str(tmp_path))


class _Private(Subclass):
  """Keras names it after its class, with an underscore in front."""


@pytest.mark.skipif(not backend.IS_KERAS_3, reason='Keras 2 drops the underscore')
def test_names_that_keras_3_cannot_trace(tmp_path):
  model = _Private()
  model(np.zeros((1, 4), np.float32))
  for call in (sparsity.to_tflite, sparsity.to_saved_model):
    with pytest.raises(errors.LayerError, match="cannot trace the model '_.*name='private"):
      call(model, str(tmp_path / 'x'))
  inputs = keras.Input((4,))
  for layer in (layers.Dense(3, name='a b'), keras.Sequential([layers.Dense(3, name='[c]')])):
    with pytest.raises(errors.LayerError, match="with the layer '(a b|.c.)'.*name='(a_b|c_)'"):
      sparsity.to_tflite(keras.Model(inputs, layer(inputs)), str(tmp_path / 'x'))
  # Keras itself would leave its scope open for the names of all later variables.
  assert _dense().get_layer('fc').kernel.path == 'fc/kernel'


# ---- SavedModels that Keras exports: names, and FLOPs once. ----


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('exported') / 'model')
  model = sparsity.strip_pruning(_pruned(_dense()))
  with backend.quietly():
    model.export(folder)
  return folder


def test_flops_are_counted_once(exported):
  rows = {row.name: row for row in report.of(exported).weights}
  assert {name: row.flops for name, row in rows.items()} == {
      'fc/kernel': 2 * 64 * 64, 'logits/kernel': 2 * 64 * 16}


def test_advice_names_what_maps_want(exported, tmp_path, capsys):
  args = cli.parse_arguments(['model-pruning', 'export', exported, '--json',
                              '--output=%s' % (tmp_path / 'a.tflite')])
  assert cli.guarded(args.run, args) == 0
  written = capsys.readouterr().out
  assert '"fc/kernel"' in written and 'kernel_1' not in written
  assert 'block_dims_map=[fc:4x1]' in written


@pytest.mark.parametrize('names,wanted', [
    (['fc/kernel_1', 'fc/bias_1'], {'fc/kernel_1': 'fc/kernel', 'fc/bias_1': 'fc/bias'}),
    (['fc/kernel', 'fc/kernel_1'], {}), (['fc/kernel_1', 'fc/kernel_2'], {}),
    (['a/recurrent_kernel_1', 'fc_1/kernel'], {'a/recurrent_kernel_1': 'a/recurrent_kernel'}),
    (['layer_1', 'w_1', 'block_2/w'], {})])
def test_names_of_copies(names, wanted):
  from model_pruning import names as names_lib
  assert names_lib.of_keras(names) == wanted


class _Picky(layers.Layer):
  """Takes any number of examples but one."""

  def call(self, x):
    if x.shape[0] == 1:
      raise ValueError('one example is not enough')
    return x


def test_the_error_of_a_layer_is_told():
  model = keras.Sequential([keras.Input((4,)), _Picky()])
  with pytest.raises(errors.ConversionError, match=r'\(one example is not enough\)$'):
    exporting.freeze(model, batch_size=1)


@pytest.mark.parametrize('name', ['Placeholder', 'initial_value', 'Const'])
def test_an_input_may_have_any_name(name):
  model = keras.Sequential([keras.Input((4,), name=name), layers.Dense(3), layers.Dense(2)])
  assert exporting.freeze(model).inputs == [name]


# ---- Subclassed models that take a dict. ----


class TakesDict(keras.Model):
  """Looks integers up by the keys of a dict, which nothing but a call shows."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.table = layers.Embedding(20, 8, name='table')
    self.hidden, self.end = layers.Dense(16, activation='relu'), layers.Dense(3)

  def get_config(self):
    return {'name': self.name}

  def call(self, inputs):
    words = self.table(tensorflow.cast(inputs['ids'], tensorflow.int32))
    weights = tensorflow.cast(inputs['mask'], words.dtype)[..., None]
    return {'scores': self.end(self.hidden(tensorflow.reduce_mean(words * weights, axis=1)))}


class Gathers(TakesDict):
  """Does not take floats for indices."""

  def call(self, inputs):
    return super().call({**inputs, 'mask': tensorflow.gather(tensorflow.ones(2), inputs['mask'])})


def _words(number=64):
  rng = np.random.RandomState(3)
  return {'mask': rng.randint(0, 2, (number, 6)).astype(np.int32),
          'ids': rng.randint(0, 20, (number, 6)).astype(np.int32)}


@pytest.mark.parametrize('options', [
    {}, {'input_shapes': {'ids': [1, 6], 'mask': [1, 6]}},
    {'examples': [{name: value[:1] for name, value in _words().items()}]}],
                         ids=['alone', 'shapes', 'examples'])
@pytest.mark.parametrize('model_class', [TakesDict, Gathers])
def test_a_dict_of_a_subclass_keeps_its_keys(tmp_path, model_class, options):
  model, words, path = model_class(), _words(1), str(tmp_path / 'model.tflite')
  wanted = model(words)['scores']
  sparsity.to_tflite(model, path, **options)
  interpreter = tensorflow.lite.Interpreter(path)
  assert interpreter.get_signature_list() == {
      'serving_default': {'inputs': ['ids', 'mask'], 'outputs': ['scores']}}
  kinds = {each['name']: np.dtype(each['dtype']).kind for each in interpreter.get_input_details()}
  # Keras 3 does not note dtypes; only what fails with floats shows that it takes integers.
  if not backend.IS_KERAS_3 or 'examples' in options or model_class is Gathers:
    assert kinds == {'ids': 'i', 'mask': 'i'}
  words = {name: value.astype(kinds[name] + '4') for name, value in words.items()}
  np.testing.assert_allclose(_run(path, **words)[0], wanted, rtol=1e-4, atol=1e-5)


def test_a_subclass_that_takes_integers_becomes_a_saved_model(tmp_path):
  model, words = Gathers(), _words()
  wanted = model(words)['scores']
  sparsity.to_saved_model(model, str(tmp_path / 'saved'))
  serve = tensorflow.saved_model.load(str(tmp_path / 'saved')).signatures['serving_default']
  names = serve.structured_input_signature[1]
  given = dict(zip(sorted(names), (words['ids'], words['mask'])))
  found, = serve(**{name: tensorflow.constant(value) for name, value in given.items()}).values()
  np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_subclass_that_takes_a_dict_is_refitted_to_one():
  keras.utils.set_random_seed(1)
  model, words = TakesDict(), _words(256)
  dense = model(words)['scores']
  free = sparsity.prune_trained(model, 'target_sparsity=0.5', in_place=False)
  dataset = tensorflow.data.Dataset.from_tensor_slices(words).batch(32)
  for examples in (words, dataset):
    fitted = sparsity.prune_trained(model, 'target_sparsity=0.5', examples, in_place=False)
    assert np.abs(fitted(words)['scores'] - dense).mean() < 0.7 * np.abs(
        free(words)['scores'] - dense).mean()


def test_examples_of_a_wrong_number_are_told_the_inputs(tmp_path):
  model, words = TakesDict(), _words(1)
  model(words)
  with pytest.raises(errors.ConversionError, match='there are 2 inputs: ids, mask'):
    sparsity.to_tflite(model, str(tmp_path / 'model.tflite'), examples=[words['ids']])


def test_examples_under_other_names_are_told_the_names():
  model = TakesDict()
  model(_words())
  with pytest.raises(errors.ConversionError, match="there is no 'ids'"):
    sparsity.prune_trained(model, 'target_sparsity=0.5', {
        'inputs_%d' % number: value for number, value in enumerate(_words().values())})
