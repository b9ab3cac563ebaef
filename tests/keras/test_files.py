# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""Tests of files of Keras models on the command line, and in report.of."""

import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

pytest.importorskip('tensorflow', minversion='2.13')

from model_pruning import cli
from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.export.tflite import convert as tflite
from model_pruning.reporting import report
import model_pruning.keras as sparsity
from model_pruning.keras import backend
from model_pruning.keras import files
from model_pruning.keras.backend import keras
from tests import forks

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _model():
  return keras.Sequential([
      keras.Input((12,), name='measurements'), keras.layers.Dense(16, 'relu', name='fc'),
      # Unrolled: loops take many times as long to trace and convert.
      keras.layers.Reshape((4, 4), name='rows'), keras.layers.SimpleRNN(4, unroll=True, name='rnn'),
      keras.layers.Dense(3, name='logits')])


def _pruned(train=True, seed=0):
  keras.utils.set_random_seed(seed)
  model = sparsity.prune_low_magnitude(_model(), sparsity.ConstantSparsity(0.75, 0, frequency=1))
  model.compile('adam', 'mse')
  if train:
    model.fit(np.random.randn(32, 12), np.random.randn(32, 3), verbose=0,
              callbacks=[sparsity.UpdatePruningStep()])
  return model


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A folder with one model in every kind of file, and the model."""
  folder = tmp_path_factory.mktemp('saved')
  model = _pruned()
  stripped = sparsity.strip_pruning(model)
  with backend.quietly():
    for name in ('model.keras', 'model.h5', 'other_suffix.hdf5'):
      if backend.IS_KERAS_3 and name.endswith('.hdf5'):
        (folder / name).write_bytes((folder / 'model.h5').read_bytes())
      else:
        model.save(str(folder / name))
    model.save_weights(str(folder / 'model.weights.h5'))
    stripped.save(str(folder / 'stripped.keras'))
    _pruned(train=False).save(str(folder / 'never.keras'))
  tensorflow.saved_model.save(tensorflow.Module(), str(folder / 'exported'))
  for name in ('model.keras', 'model.h5'):  # Files are told by their content.
    (folder / (name + '.bin')).write_bytes((folder / name).read_bytes())
  return folder, model


def _main(*arguments):
  args = cli.parse_arguments(['model-pruning'] + [str(each) for each in arguments])
  return cli.guarded(args.run, args)


def _weights(model):
  return [np.asarray(weight) for weight in model.weights]


WHOLE = ['model.keras', 'model.h5', 'other_suffix.hdf5']


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', WHOLE + ['model.keras.bin', 'model.h5.bin'])
def test_report(saved, name, capsys):
  folder, model = saved
  found = report.of(str(folder / name))
  in_memory = sparsity.report(model)
  assert found.kind == 'Keras model' and found.path == str(folder / name)
  assert [(row.shape, row.zeros, row.threshold) for row in found.weights] == [
      (row.shape, row.zeros, row.threshold) for row in in_memory.weights]
  assert all(row.masked and row.sparsity == 0.75 for row in found.weights)
  assert found.weights[0].name.endswith('fc/kernel')  # Keras 3 puts the model's name before it.
  assert _main('report', folder / name, '--json') == 0
  assert json.loads(capsys.readouterr().out)['kind'] == 'Keras model'


@pytest.mark.parametrize('name,output', [
    ('model.keras', 'small.keras'), ('model.h5', 'small.h5'),
    ('other_suffix.hdf5', 'new/small.keras')])
def test_strip(saved, name, output, tmp_path, capsys):
  target = _strip(saved, name, output, tmp_path, capsys)
  with backend.quietly():
    loaded = keras.models.load_model(str(target), compile=False)
  assert not files.weight_names(loaded)
  for one, other in zip(_weights(loaded), _weights(sparsity.strip_pruning(saved[1]))):
    np.testing.assert_array_equal(one, other)


def _strip(saved, name, output, tmp_path, capsys):
  """Strips a file on the command line; returns the path of what is written."""
  target = tmp_path / output
  assert _main('strip', saved[0] / name, '--output=%s' % target, '--json') == 0
  printed = json.loads(capsys.readouterr().out)
  assert printed['to'] == 'keras' and len(printed['folded']) == 4
  assert printed['bytes'] == os.path.getsize(str(target))
  assert os.listdir(str(target.parent)) == [target.name]
  return target


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name,output', [
    ('model.keras', 'small.keras'),
    pytest.param('model.h5', 'small.h5', marks=pytest.mark.slow),
    pytest.param('other_suffix.hdf5', 'new/small.keras', marks=pytest.mark.slow)])
def test_stripped_models_load_without_this_library(saved, name, output, tmp_path, capsys):
  target = _strip(saved, name, output, tmp_path, capsys)
  said = forks.run_code(
      'import sys, json, tensorflow as tf; '
      'model = tf.keras.models.load_model(sys.argv[1]); assert "model_pruning" not in sys.modules; '
      'print(json.dumps([weight.tolist() for weight in model.get_weights()]))', [str(target)])
  for one, other in zip(json.loads(said.splitlines()[-1]),
                        _weights(sparsity.strip_pruning(saved[1]))):
    np.testing.assert_array_equal(np.array(one, np.float32), other)


def test_strip_to_other_kinds(saved, tmp_path, capsys):
  folder, model = saved
  x = np.random.RandomState(1).randn(1, 12).astype(np.float32)
  assert _main('strip', folder / 'model.keras', '--to=saved_model',
               '--output=%s' % (tmp_path / 'served')) == 0
  served = tensorflow.saved_model.load(str(tmp_path / 'served'))
  outputs = served.signatures['serving_default'](tensorflow.constant(x))
  np.testing.assert_allclose(list(outputs.values())[0], model(x), rtol=1e-5, atol=1e-6)
  assert _main('strip', folder / 'model.h5', '--to=graph', '--output=%s' % (
      tmp_path / 'graph.pb')) == 0
  graph_def = tensorflow.compat.v1.GraphDef.FromString((tmp_path / 'graph.pb').read_bytes())
  with tensorflow.Graph().as_default(), tensorflow.compat.v1.Session() as session:
    tensorflow.import_graph_def(graph_def, name='')
    actual = session.run('output_0:0', {'measurements:0': x})
  np.testing.assert_allclose(actual, model(x), rtol=1e-5, atol=1e-6)
  assert not any('mask' in node.name for node in graph_def.node)
  assert [row.sparsity for row in report.of(str(tmp_path / 'graph.pb')).weights
          if row.name.endswith('fc/kernel')] == [0.75]
  capsys.readouterr()


@pytest.mark.parametrize('name', [
    'model.h5', pytest.param('stripped.keras', marks=pytest.mark.slow)])
def test_export(saved, name, tmp_path, capsys):
  folder, model = saved
  path = tmp_path / 'model.tflite'
  assert _main('export', folder / name, '--output=%s' % path, '--json') == 0
  written = json.loads(capsys.readouterr().out)
  assert any(weight['stored']['name'].endswith('fc/kernel') for weight in written['weights'])
  interpreter = tflite.interpreter(path.read_bytes())
  x = np.random.RandomState(1).randn(1, 12).astype(np.float32)
  given, = interpreter.get_input_details()
  interpreter.set_tensor(given['index'], x)
  interpreter.invoke()
  np.testing.assert_allclose(interpreter.get_tensor(interpreter.get_output_details()[0]['index']),
                             model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind,names', [
    ('weights', ['model.weights.h5']), ('masks', ['model.keras']),
    pytest.param('weights', WHOLE, marks=pytest.mark.slow),
    pytest.param('masks', WHOLE + ['model.weights.h5'], marks=pytest.mark.slow)])
def test_plot(saved, kind, names, tmp_path, capsys):
  for name in names:
    assert _main('plot', kind, saved[0] / name, '--output=%s' % (tmp_path / 'a.png')) == 0
  capsys.readouterr()


def test_weights_without_an_architecture(saved, tmp_path, capsys):
  folder, model = saved
  found = report.of(str(folder / 'model.weights.h5'))
  assert found.kind == 'weights of a Keras model'
  assert sorted((row.shape, row.zeros, row.threshold) for row in found.weights) == sorted(
      (row.shape, row.zeros, row.threshold) for row in sparsity.report(model).weights)
  assert all(row.masked for row in found.weights)
  for command in ('strip', 'export'):
    assert _main(command, folder / 'model.weights.h5', '--output=%s' % (tmp_path / 'x.keras')) == 1
    line, = capsys.readouterr().err.splitlines()
    assert 'holds weights and no architecture; build the model' in line
  assert not os.listdir(str(tmp_path))


def test_never_updated(saved, tmp_path, capsys):
  folder, _ = saved
  path = folder / 'never.keras'
  assert any('never updated' in note for note in report.of(str(path)).notes)
  for command, output in (('strip', 'x.keras'), ('export', 'x.tflite')):
    assert _main(command, path, '--output=%s' % (tmp_path / output)) == 0
    assert 'masked but never updated: every mask of %s' % path in capsys.readouterr().err
  assert not any('never' in note for note in report.of(str(folder / 'model.keras')).notes)


# ---- Mistakes. ----


@pytest.mark.parametrize('arguments,said', [
    (['strip', 'SAVED/stripped.keras', '--output=OUT/x.keras'], 'has no pruned layers'),
    (['strip', 'SAVED/model.keras', '--output=OUT/x.pb'], 'end it in .keras or .h5'),
    (['strip', 'SAVED/model.keras', '--output=OUT/x.weights.h5'], 'end it in .keras or .h5'),
    (['strip', 'SAVED/model.keras', '--to=checkpoint', '--output=OUT/x'],
     'only graphs have checkpoints'),
    (['strip', 'SAVED/exported', '--to=keras', '--output=OUT/x.keras'], 'only a Keras model'),
    (['report', 'OUT/missing.keras'], 'There is no file'),
    (['strip', 'OUT/missing.h5', '--output=OUT/x.h5'], 'There is no file'),
    (['export', 'OUT/missing.weights.h5', '--output=OUT/x'], 'holds weights and no architecture'),
    (['export', 'SAVED/model.keras', '--input_shape=nothing=1x2', '--output=OUT/x.tflite'],
     'is no input of the model; its inputs are: measurements'),
])
def test_mistakes_take_a_line(saved, arguments, said, tmp_path, capsys):
  arguments = [each.replace('SAVED', str(saved[0])).replace('OUT', str(tmp_path))
               for each in arguments]
  assert _main(*arguments) == 1
  line, = capsys.readouterr().err.splitlines()
  assert line.startswith('model-pruning: error: ') and said in line
  assert not os.listdir(str(tmp_path))


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
@pytest.mark.parametrize('share', [0.0, 0.3, 0.9])
def test_damaged_files(saved, suffix, share, tmp_path, capsys):
  content = (saved[0] / ('model' + suffix)).read_bytes()
  path = tmp_path / ('damaged' + suffix)
  path.write_bytes(content[:int(len(content) * share)])
  for command in (['report', path], ['strip', path, '--output=%s' % (tmp_path / 'x.keras')],
                  ['export', path, '--output=%s' % (tmp_path / 'x.tflite')]):
    assert _main(*command) == 1
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith('model-pruning: error: ') and str(path) in line
  assert os.listdir(str(tmp_path)) == [path.name]


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_code_in_a_file_is_not_run(tmp_path, suffix, capsys):
  ran = tmp_path / 'ran'
  source = 'lambda x: [x, __import__("pathlib").Path(%r).touch()][0]' % str(ran)
  model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name='fc'),
                            keras.layers.Lambda(eval(source), output_shape=(2,))])
  path = tmp_path / ('model' + suffix)
  with backend.quietly():
    model.save(str(path))
  if ran.exists():
    ran.unlink()
  for command in ('report', 'strip', 'export'):
    output = [] if command == 'report' else ['--output=%s' % (tmp_path / 'x.keras')]
    assert _main(command, path, *output) == 1
    line, = capsys.readouterr().err.splitlines()
    assert 'has a Lambda layer' in line and 'safe_mode=False' in line
  assert not ran.exists()


def test_layers_that_nobody_registered(tmp_path, capsys):
  class Unregistered(keras.layers.Layer):
    def call(self, inputs):
      return inputs + 1

  model = keras.Sequential([keras.Input((4,)), Unregistered(), keras.layers.Dense(2)])
  path = tmp_path / 'model.keras'
  model.save(str(path))
  assert _main('report', path) == 1
  line, = capsys.readouterr().err.splitlines()
  assert 'Unregistered' in line and 'custom_objects' in line


def test_a_zip_archive_of_something_else(tmp_path, capsys):
  path = tmp_path / 'archive.zip'
  with zipfile.ZipFile(str(path), 'w') as archive:
    archive.writestr('readme.txt', 'nothing')
  assert _main('report', path) == 1
  line, = capsys.readouterr().err.splitlines()
  assert 'is not a graph, or is damaged' in line


_OTHER_KERAS = '''
import sys
import numpy as np
import model_pruning.keras as sparsity
from model_pruning.keras.backend import keras

model = keras.Sequential([keras.layers.Conv2D(3, 3, input_shape=(6, 6, 2)), keras.layers.Flatten()])
model = sparsity.prune_low_magnitude(model, sparsity.ConstantSparsity(0.5, 0))
model.save(sys.argv[1] + '/pruned.keras')
model.save(sys.argv[1] + '/pruned.h5')
'''


@pytest.mark.legs('newest', 'tf_keras')
@pytest.mark.legacy_keras
@pytest.mark.skipif(tuple(map(int, tensorflow.__version__.split('.')[:2])) < (2, 16),
                    reason='TensorFlow has one Keras alone')
def test_files_of_the_other_keras_say_how_they_are_read(tmp_path):
  pytest.importorskip('tf_keras')  # Not in nightly environments.
  environment = {**os.environ, 'PYTHONPATH': os.getcwd(), 'TF_USE_LEGACY_KERAS': str(
      int(backend.IS_KERAS_3))}
  subprocess.run([sys.executable, '-c', _OTHER_KERAS, str(tmp_path)], check=True, timeout=300,
                 env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  version = r'written by Keras %d\.' % (2 if backend.IS_KERAS_3 else 3)
  for name in ('pruned.keras', 'pruned.h5'):
    with pytest.raises(errors.ModelFileError, match=version + '.*TF_USE_LEGACY_KERAS'):
      files.load(str(tmp_path / name))


@pytest.mark.legs('default', 'tf_keras')
@pytest.mark.legacy_keras
def test_weights_of_a_loaded_model_have_the_names_of_their_layers(tmp_path):
  model = _pruned(train=False)
  model.save(str(tmp_path / 'pruned.keras'))
  loaded = sparsity.strip_pruning(keras.models.load_model(str(tmp_path / 'pruned.keras')))
  names = [weight.name for weight in loaded.get_layer('fc').weights]
  assert [name.split('/')[-2:] for name in names] == [['fc', 'kernel:0'], ['fc', 'bias:0']]
  assert {group.name for group in sparsity.channel_groups(loaded)} == {
      group.name for group in sparsity.channel_groups(sparsity.strip_pruning(model))}
