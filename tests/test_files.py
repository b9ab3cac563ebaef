# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.files: a file or folder is whole, or it is not there."""

import os

import pytest

from model_pruning import errors
from model_pruning import files


def test_a_file_appears_when_it_is_whole(tmp_path):
  target = tmp_path / 'new' / 'model.pb'
  with files.replacing(str(target)) as temporary:
    with open(temporary, 'w') as f:
      f.write('half')
      assert not target.exists()
      f.write(' and half')
  assert target.read_text() == 'half and half'
  assert os.listdir(str(target.parent)) == ['model.pb']


@pytest.mark.parametrize('failure', [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_of_a_failure(tmp_path, failure):
  target = tmp_path / 'model.pb'
  target.write_text('before')
  with pytest.raises(failure):
    with files.replacing(str(target)) as temporary:
      with open(temporary, 'w') as f:
        f.write('half')
      raise failure
  assert target.read_text() == 'before'
  assert os.listdir(str(tmp_path)) == ['model.pb']


def test_a_folder_appears_when_it_is_whole(tmp_path):
  target = tmp_path / 'model'
  target.mkdir()  # Empty: nothing is lost.
  with files.new_folder(str(target)) as temporary:
    os.mkdir(temporary)
    with open(os.path.join(temporary, 'a'), 'w') as f:
      f.write('a')
    assert not os.listdir(str(target))
  assert os.listdir(str(target)) == ['a']
  assert os.listdir(str(tmp_path)) == ['model']


@pytest.mark.parametrize('writer, existing, message', [
    (files.replacing, 'folder', 'is a folder; give the path of a file'),
    (files.new_folder, 'folder', 'exists; give a new folder'),
    (files.new_folder, 'file', 'exists; give a new folder'),
])
def test_what_exists_is_kept(tmp_path, writer, existing, message):
  target = tmp_path / 'taken'
  kept = target / 'kept' if existing == 'folder' else target
  kept.parent.mkdir(exist_ok=True)
  kept.write_text('kept')
  with pytest.raises(errors.WriteError, match=message):
    with writer(str(target)):
      pass
  assert kept.read_text() == 'kept'


def test_a_folder_that_cannot_be_made(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.WriteError, match='Cannot write .*file/model.pb'):
    with files.replacing(str(tmp_path / 'file' / 'model.pb')):
      pass
