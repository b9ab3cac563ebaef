# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""Tests of files of Keras models that declare more than they hold."""

import io
import json
import os
import zipfile

import pytest

pytest.importorskip('tensorflow', minversion='2.13')
h5py = pytest.importorskip('h5py')

from model_pruning import errors
from model_pruning.keras import archives
from model_pruning.keras import backend
from model_pruning.keras import files
from model_pruning.keras.backend import keras

CONFIG, WEIGHTS = archives.CONFIG, archives.WEIGHTS
SUFFIXES = ['.keras', '.h5']


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """The folder of model.keras and model.h5, not pruned."""
  folder = tmp_path_factory.mktemp('saved')
  layers = keras.layers
  model = keras.Sequential([
      keras.Input((6, 4)), layers.Conv1D(4, 3, padding='same', name='conv'),
      layers.LSTM(4, name='rnn'), layers.Dense(8, name='fc'),
      layers.BatchNormalization(name='norm')])
  with backend.quietly():
    for suffix in SUFFIXES:
      model.save(str(folder / ('model' + suffix)))
  return folder


def _with_config(saved, suffix, tmp_path, change):
  """Returns the path of a copy with change(config) as its config."""
  path = tmp_path / ('changed' + suffix)
  path.write_bytes((saved / ('model' + suffix)).read_bytes())
  if suffix == '.h5':
    with h5py.File(str(path), 'r+') as f:
      f.attrs['model_config'] = json.dumps(change(json.loads(f.attrs['model_config'])))
  else:
    members = _members(path)
    members[CONFIG] = json.dumps(change(json.loads(members[CONFIG])))
    _write(path, members)
  return str(path)


def _members(path):
  with zipfile.ZipFile(str(path)) as archive:
    return {name: archive.read(name) for name in archive.namelist()}


def _write(path, members, compression=zipfile.ZIP_STORED):
  with zipfile.ZipFile(str(path), 'w', compression) as archive:
    for name, content in members.items():
      archive.writestr(name, content)


def _set(layer, key, value):
  def change(config):
    for each in config['config']['layers']:
      if each['config'].get('name') == layer:
        assert key in each['config']
        each['config'][key] = value
    return config
  return change


def _inputs(shape):
  def change(config):
    first = config['config']['layers'][0]['config']
    first['batch_shape' if 'batch_shape' in first else 'batch_input_shape'] = shape
    return config
  return change


def _many(config):
  layer = json.loads(json.dumps(next(
      each for each in config['config']['layers'] if each['config'].get('name') == 'fc')))
  layer.pop('build_config', None)
  for number in range(40):
    copy = json.loads(json.dumps(layer))
    copy['config'].update(name='fc_%d' % number, units=1000)
    config['config']['layers'].append(copy)
  return config


@pytest.mark.sampled(5)
@pytest.mark.parametrize('suffix', SUFFIXES)
@pytest.mark.parametrize('change', [
    _set('fc', 'units', 10**9), _set('fc', 'units', 10**7), _set('rnn', 'units', 10**5),
    _set('conv', 'filters', 2**31), _set('conv', 'kernel_size', [10**8]),
    _inputs([None, 6, 2**30]), _many])
def test_weights_that_the_file_does_not_hold(saved, suffix, change, tmp_path):
  path = _with_config(saved, suffix, tmp_path, change)
  # Keras 3 builds layers with the shapes that they had, and sees by itself that inputs differ.
  with pytest.raises(errors.ModelFileError,
                     match='weights would take .* but holds|incompatible with the layer'):
    files.load(path)
  assert os.listdir(str(tmp_path)) == ['changed' + suffix]
  # What watches the weights is gone again.
  assert keras.layers.Dense(10**6).compute_output_shape((1, 20)) == (1, 10**6)
  keras.layers.Dense(10**6).build((1, 20))


def test_an_array_that_is_larger_than_the_file(saved, tmp_path):
  path = tmp_path / 'x.keras'
  members = _members(saved / 'model.keras')
  inner = io.BytesIO(members[WEIGHTS])
  with h5py.File(inner, 'r+') as f:
    f.create_dataset('layers/huge', (2**40,), 'f4', chunks=(1,))
  members[WEIGHTS] = inner.getvalue()
  _write(path, members)
  with pytest.raises(errors.ModelFileError, match='Reading layers/huge from .* would take'):
    files.load(str(path))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name,size', [
    (WEIGHTS, 2**28), (CONFIG, 2**25), ('assets/x', 2**28)])
def test_archives_that_unpack_to_more(saved, name, size, tmp_path):
  path = tmp_path / 'x.keras'
  members = _members(saved / 'model.keras')
  members[name] = b'\0' * size
  _write(path, members, zipfile.ZIP_DEFLATED)
  assert os.path.getsize(str(path)) < 10**6
  with pytest.raises(errors.ModelFileError, match='bytes, and unpacks to'):
    files.load(str(path))


@pytest.mark.parametrize('name', [CONFIG, WEIGHTS])
def test_members_that_are_missing(saved, name, tmp_path):
  path = tmp_path / 'x.keras'
  members = _members(saved / 'model.keras')
  del members[name]
  _write(path, members)
  with pytest.raises(errors.ModelFileError, match='zip archive without ' + name):
    files.load(str(path))


def test_compressed_archives_are_read(saved, tmp_path):
  path = tmp_path / 'x.keras'
  _write(path, _members(saved / 'model.keras'), zipfile.ZIP_DEFLATED)
  assert archives.contents(str(path)) == archives.contents(str(saved / 'model.keras'))
  assert [layer.name for layer in files.load(str(path)).layers] == ['conv', 'rnn', 'fc', 'norm']
