# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:keras/__init__
"""Tests of faults in the configs of Keras models that Keras itself does not refuse."""

import copy
import json

import pytest

pytest.importorskip('tensorflow', minversion='2.13')
h5py = pytest.importorskip('h5py')

from model_pruning import errors
from model_pruning.keras import configs
from model_pruning.keras import backend
from model_pruning.keras import files
from model_pruning.keras.backend import keras


def _layer(name, *nodes, **fields):
  return dict({'name': name, 'class_name': 'Add', 'config': {'name': name},
               'inbound_nodes': [[list(ref) for ref in node] for node in nodes]}, **fields)


X = _layer('x', class_name='InputLayer')


def _ref(name, index=0, **kwargs):
  return name, index, 0, kwargs


@pytest.mark.parametrize('layers', [
    [X, _layer('a', [_ref('x')], [_ref('b')]), _layer('b', [_ref('a')])],  # A shared layer.
    [_layer('b', [_ref('a')]), _layer('a', [_ref('x')]), X],  # Out of order.
    [X, _layer('a', [_ref('x')]), _layer('b', [_ref('a', mask=['x', 0, 0])])],
    [X, _layer('a', [_ref('x')]), _layer('b', [_ref('_CONSTANT_VALUE', -1)])],
    [X, _layer('m', [_ref('x')], config={'layers': []}), _layer('b', [_ref('m', 1)])],
    [X, _layer('a', [_ref('x')]), _layer('b', [_ref('unknown')])],  # Keras says so itself.
])
def test_layers_that_are_reached(layers):
  assert configs.unreachable_layer({'config': {'layers': layers}}) is None


@pytest.mark.parametrize('layers,name', [
    ([X, _layer('a', [_ref('a')])], 'a'),
    ([X, _layer('a', [_ref('b')]), _layer('b', [_ref('a')])], 'a'),
    ([X, _layer('a', [_ref('x'), _ref('c')]), _layer('b', [_ref('a')]), _layer('c', [_ref('b')])],
     'a'),
    ([X, _layer('a', [_ref('x')]), _layer('b', [_ref('a', 1)])], 'b'),
    ([X, _layer('a', [_ref('x')]), _layer('b', [_ref('a', -1)])], 'b'),
    ([X, _layer('a', [_ref('x')]), _layer('b', [_ref('a', None)])], 'b'),
    ([X, _layer('a'), _layer('b', [_ref('a')])], 'b'),
    ([X, _layer('a', [_ref('x')]), _layer('b', [_ref('a', mask=['b', 0, 0])])], 'b'),
    ([X, _layer('a', [_ref('x')]), _layer('b', [_ref('a', deep={'y': [['c', 0, 0]]})]),
      _layer('c', [_ref('b')])], 'b'),
])
def test_layers_that_are_not_reached(layers, name):
  assert configs.unreachable_layer({'config': {'layers': layers}}) == name
  nested = _layer('outer', config={'layers': layers})
  assert configs.unreachable_layer({'config': {'layers': [X, nested]}}) == name


def _model():
  x = keras.Input((4,), name='x')
  shared = keras.layers.Dense(4, name='shared')
  y = keras.layers.Add(name='add')([shared(x), shared(shared(x))])
  inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name='in')], name='inner')
  return keras.Model(x, [inner(y), inner(inner(x))])


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_configs_that_keras_writes_are_fine(suffix, tmp_path):
  path = str(tmp_path / ('x' + suffix))
  with backend.quietly():
    _model().save(path)
  assert len(files.load(path).layers) == len(_model().layers)


@pytest.mark.skipif(backend.IS_KERAS_3, reason='Keras 3 writes, and refuses, them otherwise')
def test_a_circle_does_not_hang(tmp_path):
  path = str(tmp_path / 'x.h5')
  with backend.quietly():
    _model().save(path)
  with h5py.File(path, 'r+') as f:
    config = json.loads(f.attrs['model_config'])
    changed = copy.deepcopy(config)
    for layer in changed['config']['layers']:
      if layer['name'] == 'shared':
        layer['inbound_nodes'][0][0][0] = 'add'
    f.attrs['model_config'] = json.dumps(changed)
  with pytest.raises(errors.ModelFileError, match='a layer .* whose inputs form a circle'):
    files.load(path)


@pytest.mark.parametrize('module', ['antigravity', 'this', 'no.such.module', 'idlelib.idle'])
def test_modules_are_not_imported_because_a_file_names_them(module, tmp_path, capsys):
  import sys
  path = tmp_path / 'x.h5'
  with backend.quietly():
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(str(path))
  with h5py.File(str(path), 'r+') as f:
    config = json.loads(f.attrs['model_config'])
    config['config']['layers'][-1].update(module=module, registered_name=None)
    f.attrs['model_config'] = json.dumps(config)
  with pytest.raises(errors.ModelFileError, match='in the module %s, which is not' % module):
    files.load(str(path))
  assert module not in sys.modules and not capsys.readouterr().out


def test_what_is_registered_is_known_whatever_its_module(tmp_path):
  @keras.utils.register_keras_serializable('tests')
  class Known(keras.layers.Layer):
    def call(self, inputs):
      return inputs + 1

  Known.__module__ = 'not_imported.layers'
  path = str(tmp_path / 'x.keras')
  keras.Sequential([keras.Input((4,)), Known(), keras.layers.Dense(2)]).save(path)
  assert type(files.load(path).layers[0]) is Known
