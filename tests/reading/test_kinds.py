# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reading.kinds: what a path holds."""

import zipfile

import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reading import kinds
from model_pruning.reporting import report

h5py = pytest.importorskip('h5py')


@pytest.mark.parametrize('name,kind', [
    ('model.tflite', kinds.TFLITE), ('model.pb', kinds.GRAPH), ('model.pbtxt', kinds.GRAPH),
    ('model.keras', kinds.KERAS), ('MODEL.KERAS', kinds.KERAS), ('model.h5', kinds.KERAS),
    ('model.hdf5', kinds.KERAS), ('model.weights.h5', kinds.KERAS_WEIGHTS),
    ('model.ckpt-3', kinds.CHECKPOINT), ('run', kinds.CHECKPOINT),
    ('exported/saved_model.pb', kinds.SAVED_MODEL)])
def test_by_name_where_there_is_nothing(tmp_path, name, kind):
  assert kinds.kind_of(str(tmp_path / name)) == kind


def _zip(path, *names):
  with zipfile.ZipFile(str(path), 'w') as archive:
    for name in names:
      archive.writestr(name, '{}')


def _hdf5(path, **attributes):
  with h5py.File(str(path), 'w') as f:
    f['weights'] = [1.0]
    f.attrs.update(attributes)


@pytest.mark.parametrize('name', ['a.bin', 'a.tflite', 'a.h5', 'a.keras', 'a'])
@pytest.mark.parametrize('make,kind', [
    (lambda path: path.write_bytes(b'\x1c\0\0\0TFL3....'), kinds.TFLITE),
    (lambda path: _zip(path, 'metadata.json', 'config.json', 'model.weights.h5'), kinds.KERAS),
    (lambda path: _hdf5(path, model_config='{}'), kinds.KERAS),
    (_hdf5, kinds.KERAS_WEIGHTS)], ids=['tflite', 'zip', 'hdf5', 'weights'])
def test_by_content_whatever_the_name(tmp_path, name, make, kind):
  make(tmp_path / name)
  assert kinds.kind_of(str(tmp_path / name)) == kind


def test_files_and_folders(tmp_path):
  (tmp_path / 'graph').write_bytes(tf.GraphDef(node=[tf.NodeDef(name='a', op='NoOp')])
                                   .SerializeToString())
  assert kinds.kind_of(str(tmp_path / 'graph')) == kinds.GRAPH
  for name in ('m.ckpt-1.index', 'm.ckpt-1.meta', 'm.ckpt-1.data-00000-of-00001'):
    (tmp_path / name).write_bytes(b'')
    assert kinds.kind_of(str(tmp_path / name)) == kinds.CHECKPOINT
  assert kinds.kind_of(str(tmp_path)) == kinds.CHECKPOINT
  (tmp_path / 'served').mkdir()
  (tmp_path / 'served' / 'saved_model.pb').write_bytes(b'')
  for path in (tmp_path / 'served', tmp_path / 'served' / 'saved_model.pb'):
    assert kinds.kind_of(str(path)) == kinds.SAVED_MODEL
    assert kinds.saved_model_folder(str(path)) == str(tmp_path / 'served')
  _zip(tmp_path / 'other.zip', 'readme.txt')
  assert kinds.kind_of(str(tmp_path / 'other.zip')) == kinds.GRAPH


@pytest.mark.skipif(not tf.__version__.startswith('1.'), reason='TensorFlow 1')
def test_keras_models_need_tensorflow_2(tmp_path):
  _zip(tmp_path / 'model.keras', 'config.json', 'model.weights.h5')
  with pytest.raises(errors.ModelFileError,
                     match='needs TensorFlow 2.13 or newer to read; this is 1.15'):
    report.of(str(tmp_path / 'model.keras'))
