# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reading.places: what is said where there is no model."""

import os

import pytest

from model_pruning import errors
from model_pruning.reading import places


def _touch(*parts):
  path = os.path.join(*parts)
  os.makedirs(os.path.dirname(path), exist_ok=True)
  open(path, 'w').close()


def _message(path, cause=errors.CheckpointError):
  with pytest.raises(cause) as caught:
    places.kind_at(path)
  return str(caught.value)


def test_checkpoints_in_folders_below_are_named(tmp_path):
  for run in ('seed0/dense', 'seed0/pruned', 'a/b/c'):
    _touch(str(tmp_path), run, 'model.ckpt-9.index')
  text = _message(str(tmp_path))
  assert 'there are checkpoints in ' in text
  for run in ('seed0/dense', 'seed0/pruned', 'a/b/c'):
    assert os.path.join(str(tmp_path), run) in text


def test_the_latest_checkpoints_beside_a_missing_one_are_named(tmp_path):
  for step in (1, 20, 300, 9, 1000, 40):
    _touch(str(tmp_path), 'model.ckpt-%d.index' % step)
  text = _message(str(tmp_path / 'model.ckpt-601'))
  names = [os.path.basename(word) for word in text.split('there are checkpoints ')[1].split(', ')]
  assert names == ['...', 'model.ckpt-20', 'model.ckpt-40', 'model.ckpt-300', 'model.ckpt-1000']


def test_saved_models_below_are_named(tmp_path):
  _touch(str(tmp_path), '1', 'saved_model.pb')
  _touch(str(tmp_path), '1', 'variables', 'variables.index')
  text = _message(str(tmp_path))
  assert 'there are SavedModels in %s' % (tmp_path / '1') in text and 'checkpoints in' not in text


def test_model_files_in_the_folder_are_named(tmp_path):
  for name in ('a.keras', 'b.tflite', 'notes.txt'):
    _touch(str(tmp_path), name)
  text = _message(str(tmp_path))
  assert text.endswith('; there are model files %s, %s' % (
      tmp_path / 'a.keras', tmp_path / 'b.tflite'))


def test_an_empty_folder_and_nothing_at_all(tmp_path):
  assert 'there are' not in _message(str(tmp_path))
  assert 'there are' not in _message(str(tmp_path / 'nothing'))


@pytest.mark.parametrize('name, expected', [
    ('x.pb', 'a frozen graph'), ('x.keras', 'a Keras model'), ('x.tflite', 'a TFLite model'),
    ('x.weights.h5', 'weights of a Keras model'), ('saved_model.pb', 'a model')])
def test_a_missing_file(tmp_path, name, expected):
  text = _message(str(tmp_path / name), errors.ModelFileError)
  assert text == 'There is no file %s; expected %s' % (tmp_path / name, expected)


def test_event_files_are_found_by_their_folder_and_age(tmp_path):
  for name in ('eval/events.out.tfevents.7', 'events.out.tfevents.20', 'events.out.tfevents.3'):
    _touch(str(tmp_path), name)
  found = places.event_files(str(tmp_path))
  assert {run: [os.path.basename(path) for path in paths] for run, paths in found.items()} == {
      '.': ['events.out.tfevents.3', 'events.out.tfevents.20'], 'eval': ['events.out.tfevents.7']}
  assert list(places.event_files(str(tmp_path), depth=0)) == ['.']
  with pytest.raises(errors.ModelFileError, match='no event files'):
    places.event_files(str(tmp_path / 'eval' / 'none'))
