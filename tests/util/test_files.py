# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.util.files: a file or folder is whole, or it is not there."""

import os
import pathlib
import socket
import subprocess
import sys

import pytest

from model_pruning import errors
from model_pruning.util import files


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


# ---- What may be replaced. ----


def _write(path, inputs=()):
  with files.replacing(path, inputs) as temporary:
    with open(temporary, 'w') as f:
      f.write('new')


def test_a_pipe_a_socket_and_a_device_are_not_replaced(tmp_path):
  os.mkfifo(str(tmp_path / 'pipe'))
  os.symlink(str(tmp_path / 'pipe'), str(tmp_path / 'link'))
  with socket.socket(socket.AF_UNIX) as listener:
    here = os.getcwd()
    os.chdir(str(tmp_path))  # The address of a socket has to be short.
    try:
      listener.bind('socket')
    finally:
      os.chdir(here)
    for name, kind in (('pipe', 'a pipe'), ('link', 'a pipe'), ('socket', 'a socket')):
      before = os.lstat(str(tmp_path / name)).st_mode
      for writer in (files.replacing, files.new_folder):
        with pytest.raises(errors.WriteError, match='is %s, and only regular files' % kind):
          with writer(str(tmp_path / name)):
            pass
      assert os.lstat(str(tmp_path / name)).st_mode == before
  for device in ('/dev/null', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/2', '/dev/zero'):
    with pytest.raises(errors.WriteError, match='only regular files'):
      files.check_output(device)


def test_a_pipe_among_several_files_is_seen_before_any_is_replaced(tmp_path):
  (tmp_path / 'a').write_text('before')
  os.mkfifo(str(tmp_path / 'b'))
  with pytest.raises(errors.WriteError, match='b is a pipe'):
    with files.staging(str(tmp_path)) as temporary:
      for name in 'ab':
        with open(os.path.join(temporary, name), 'w') as f:
          f.write('new')
  assert (tmp_path / 'a').read_text() == 'before'
  assert sorted(os.listdir(str(tmp_path))) == ['a', 'b']


@pytest.mark.parametrize('dangling', [False, True])
def test_a_symbolic_link_is_followed_and_stays(tmp_path, dangling):
  target, link = tmp_path / 'elsewhere' / 'target', tmp_path / 'link'
  target.parent.mkdir()
  if not dangling:
    target.write_text('before')
  link.symlink_to(target)
  _write(str(link))
  assert link.is_symlink() and target.read_text() == 'new'
  folder = tmp_path / 'folder'
  folder.symlink_to(tmp_path / 'elsewhere' / 'folder')
  with files.new_folder(str(folder)) as temporary:
    os.mkdir(temporary)
  assert folder.is_symlink() and (tmp_path / 'elsewhere' / 'folder').is_dir()
  with files.staging(str(tmp_path)) as temporary, open(os.path.join(temporary, 'link'), 'w') as f:
    f.write('staged')
  assert link.is_symlink() and target.read_text() == 'staged'


def test_a_link_to_itself(tmp_path):
  (tmp_path / 'link').symlink_to(tmp_path / 'link')
  with pytest.raises(errors.WriteError, match='leads back to itself'):
    _write(str(tmp_path / 'link'))


@pytest.mark.parametrize('url', ['gs://bucket/model.pb', 's3://b/x', 'hdfs://host/x',
                                 'HTTP://host/x', 'ram://x'])
def test_urls_are_not_local_folders(tmp_path, url, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for writer in (files.replacing, files.new_folder, files.staging):
    with pytest.raises(errors.WriteError, match='is a URL, but only local files'):
      with writer(url):
        pass
  assert not os.listdir(str(tmp_path))


# ---- Outputs that are inputs. ----


@pytest.fixture
def model(tmp_path):
  """A checkpoint and a SavedModel, as far as their names go."""
  for name in ('run/checkpoint', 'run/model.ckpt-5.index', 'run/model.ckpt-5.meta',
               'run/model.ckpt-5.data-00000-of-00001', 'run/picture.png', 'saved/saved_model.pb',
               'saved/variables/variables.index', 'saved/assets/words.txt', 'graph.pb'):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
  return tmp_path


@pytest.mark.parametrize('output, given', [
    ('run/model.ckpt-5.index', 'run'),
    ('run/model.ckpt-5.meta', 'run/model.ckpt-5'),
    ('run/model.ckpt-5.data-00000-of-00001', 'run/model.ckpt-5.index'),
    ('run/checkpoint', 'run/model.ckpt-5'),
    ('run/model.ckpt-5', 'run/model.ckpt-5'),
    ('run/model.ckpt-6.index', 'run'),  # Would be the latest.
    ('saved/saved_model.pb', 'saved'),
    ('saved/variables/variables.index', 'saved'),
    ('saved/assets/more.txt', 'saved'),
    ('graph.pb', 'graph.pb'),
    ('run/../graph.pb', 'graph.pb'),
    ('hard', 'graph.pb'),
    ('soft', 'graph.pb'),
    ('soft_folder/model.ckpt-5.index', 'run'),
    ('run/model.ckpt-5.index', 'soft_folder'),
    ('hard_data', 'run'),
])
def test_an_input_is_not_overwritten(model, output, given):
  os.link(str(model / 'graph.pb'), str(model / 'hard'))
  os.symlink(str(model / 'graph.pb'), str(model / 'soft'))
  os.symlink(str(model / 'run'), str(model / 'soft_folder'))
  os.link(str(model / 'run' / 'model.ckpt-5.data-00000-of-00001'), str(model / 'hard_data'))
  with pytest.raises(errors.WriteError, match='would overwrite the input'):
    _write(str(model / output), [str(model / given)])
  assert (model / 'graph.pb').read_text() == 'graph.pb'
  assert (model / 'run' / 'model.ckpt-5.index').read_text() == 'run/model.ckpt-5.index'


@pytest.mark.parametrize('output, given', [
    ('run/picture.png', 'run'), ('run/stripped.pb', 'run'), ('saved/picture.png', 'saved'),
    ('other.pb', 'graph.pb'), ('run/stripped.pb', 'run/model.ckpt-5'), ('x', None)])
def test_beside_an_input_there_is_room(model, output, given):
  _write(str(model / output), [given and str(model / given)])
  assert (model / output).read_text() == 'new'


# ---- Paths of all types. ----


def test_a_tilde_is_the_home_folder_unless_it_is_the_name_of_a_file(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.chdir(tmp_path)
  assert files.as_path('~/model') == str(tmp_path / 'model')
  (tmp_path / '~').mkdir()
  (tmp_path / '~' / 'model').write_text('')
  assert files.as_path('~/model') == '~/model'


@pytest.mark.parametrize(
    'kind', [str, os.fsencode, pathlib.Path, lambda path: 'file://' + str(path)])
def test_paths_of_all_types(tmp_path, kind):
  path = tmp_path / 'model.pb'
  assert files.as_path(kind(path)) == str(path)
  _write(kind(path))
  assert path.read_text() == 'new'


@pytest.mark.parametrize('path, message', [
    (None, 'is not a path'), (3, 'is not a path'), (['a'], 'is not a path'),
    ('a\0b', 'null character'), (b'\xff', 'not UTF-8')])
def test_no_paths(path, message):
  with pytest.raises(errors.PathError, match=message):
    files.as_path(path)
  with pytest.raises(ValueError):
    files.check_output(path)


def test_a_locale_without_utf_8_is_named():
  program = 'import sys; from model_pruning.util import files; files.as_path(sys.argv[1])'
  locale = {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
  done = subprocess.run([sys.executable, '-c', program, 'prun\xe9d.keras'.encode('utf-8')],
                        env={**os.environ, **locale}, stderr=subprocess.PIPE, check=False)
  last = done.stderr.decode('ascii', 'replace').splitlines()[-1]
  assert 'PathError' in last and last.endswith('another encoding; set PYTHONUTF8=1')
