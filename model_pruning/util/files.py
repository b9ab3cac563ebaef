# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Paths, and atomic writing: a whole file or folder, or nothing."""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from typing import Any, Iterator, List, Optional, Sequence, Union

from model_pruning import errors

# A path as users pass it: text, bytes as Estimator.export_saved_model returns them, or pathlib's.
AnyPath = Union[str, bytes, 'os.PathLike[str]']

_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
# Open files of a process; a file written beside them and renamed would never reach the stream.
_STREAMS = re.compile(r'/dev/(stdin|stdout|stderr|fd(/.*)?)|/proc/.*')
_OF_CHECKPOINT = re.compile(r'(.*)\.(index|meta|data-\d+-of-\d+)', re.DOTALL)
# Files that training or loading reads in a folder.
_OF_MODEL = re.compile(
    r'checkpoint|saved_model\.pb(txt)?|keras_metadata\.pb|fingerprint\.pb|graph\.pbtxt|'
    r'.*\.(index|meta|data-\d+-of-\d+)|.*tfevents.*', re.DOTALL)
_PARTS_OF_SAVED_MODEL = ('variables', 'assets', 'assets.extra')


def as_path(path: AnyPath) -> str:
  """Returns a path as a string. Every public function that takes a path calls this first.

  Args:
    path: a string, bytes as returned by Estimator.export_saved_model, or an object with
      __fspath__, for example pathlib.Path. A leading 'file://' is dropped, and a leading '~' is
      the home folder, which shells do not put in after '='.

  Raises:
    errors.PathError: it is not a path, or has characters that TensorFlow cannot open
      files by.
  """
  try:
    text = os.fsdecode(path)
  except TypeError as error:
    raise errors.PathError('%r is not a path; give a string, bytes or a pathlib.Path' %
                           (path,)) from error
  if '\0' in text:
    raise errors.PathError('The path %r contains a null character, which no file system '
                           'allows' % text)
  try:
    text.encode('utf-8')
  except UnicodeEncodeError as error:
    try:
      os.fsencode(text).decode('utf-8')
    except UnicodeDecodeError:
      raise errors.PathError('The path %r is not UTF-8, and TensorFlow opens only UTF-8 paths; '
                             'rename the file or its folder' % text) from error
    raise errors.PathError('Python does not read the path %r as UTF-8, because the locale (LANG, '
                           'LC_ALL) has another encoding; set PYTHONUTF8=1' % text) from error
  if text.lower().startswith('file:///'):
    return text[len('file://'):]
  if text.startswith('~') and not os.path.lexists(text):
    return os.path.expanduser(text)
  return text


def scheme(path: str) -> Optional[str]:
  """Returns the scheme of a URL ('gs' for 'gs://bucket/model'); None for a local path."""
  found = _SCHEME.match(path)
  return found.group(1).lower() if found else None


def check_output(path: AnyPath, inputs: Sequence[Optional[AnyPath]] = ()) -> str:
  """Checks that writing to a path overwrites no input and no special file.

  Args:
    path: the file, folder or prefix of a checkpoint to write.
    inputs: the files, folders and prefixes of checkpoints that are read to make it; None
      among them is skipped.

  Returns:
    The path as a string, otherwise unchanged.

  Raises:
    errors.WriteError: it is a URL, a device, a pipe or a socket; or it is an input or part
      of one.
    errors.PathError: see as_path.
  """
  path = as_path(path)
  if not path:
    raise errors.WriteError('The path to write is empty; give one')
  if scheme(path):
    raise errors.WriteError('%s is a URL, but only local files are written; write to a local path '
                            'and copy the result there' % path)
  if _STREAMS.fullmatch(os.path.abspath(path)):
    raise errors.WriteError('%s is an open stream, and only regular files can be written; give '
                            'the path of a file' % path)
  try:
    mode: Optional[int] = os.stat(path).st_mode
  except OSError as error:
    if error.errno == errno.ELOOP:
      raise errors.WriteError('%s is a symbolic link that leads back to itself; give another '
                              'path' % path) from error
    mode = None  # Nothing is there, or it cannot be examined: writing will report the cause.
  if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
    raise errors.WriteError('%s is %s, and only regular files can be replaced; give the path of a '
                            'file' % (path, kind_of(mode)))
  for given in inputs:
    if given is not None:
      _check_not_input(path, as_path(given))
  return path


def kind_of(mode: int) -> str:
  """Returns the kind of a file with this mode, in words."""
  for test, text in ((stat.S_ISREG, 'a regular file'), (stat.S_ISDIR, 'a folder'),
                     (stat.S_ISFIFO, 'a pipe'), (stat.S_ISSOCK, 'a socket')):
    if test(mode):
      return text
  return 'a device'


@contextlib.contextmanager
def replacing(path: AnyPath, inputs: Sequence[Optional[AnyPath]] = ()) -> Iterator[str]:
  """Yields a path beside `path` for the caller to write; renames it to `path` once complete.

  If the body raises or is interrupted, the new file is removed and `path` stays as it was.
  Missing parent folders are created. If `path` is a symbolic link, it stays one and its
  target is replaced.

  Args:
    path: the file to write.
    inputs: see check_output.

  Yields:
    The path of a file to write, which does not exist yet.

  Raises:
    errors.WriteError: `path` is a folder, nothing can be written there, or see check_output.
    errors.PathError: see as_path.
  """
  path = check_output(path, inputs)
  if os.path.isdir(path):
    raise errors.WriteError('%s is a folder; give the path of a file to write' % path)
  if path.endswith(os.sep):
    raise errors.WriteError('%s ends with a path separator, as folders do; give the path of a file '
                            'to write' % path)
  target = os.path.realpath(path)
  with _beside(target, path) as temporary:
    yield temporary
    os.replace(temporary, target)


@contextlib.contextmanager
def new_folder(path: AnyPath, inputs: Sequence[Optional[AnyPath]] = ()) -> Iterator[str]:
  """Yields a path beside `path` for a folder to fill; renames it to `path` once complete.

  Args:
    path: the folder to write. It may exist if it is empty.
    inputs: see check_output.

  Yields:
    The path of a folder to create and fill, which does not exist yet.

  Raises:
    errors.WriteError: `path` is a file or a folder with contents, nothing can be written
      there, or see check_output.
    errors.PathError: see as_path.
  """
  path = check_output(path, inputs)
  if os.path.isdir(path) and os.listdir(path) or os.path.isfile(path):
    raise errors.WriteError('%s exists; give a new folder, or remove it' % path)
  target = os.path.realpath(path)
  with _beside(target, path) as temporary:
    yield temporary
    os.replace(temporary, target)  # This replaces an empty folder as well.


@contextlib.contextmanager
def staging(folder: Any, inputs: Sequence[Any] = ()) -> Iterator[str]:
  """Yields a folder for several files, which move into `folder` once all are complete.

  Args:
    folder: their destination, created if missing. Files of the same names are replaced.
    inputs: see check_output.

  Yields:
    The path of an empty folder to write them to.

  Raises:
    errors.WriteError: nothing can be written there; or check_output refuses one of the
      files, and then none is replaced.
    errors.PathError: see as_path.
  """
  folder = check_output(folder)
  with _beside(os.path.join(os.path.realpath(folder), 'files'), folder) as temporary:
    os.mkdir(temporary)
    yield temporary
    names = sorted(os.listdir(temporary))
    for name in names:  # Check all of them before moving the first.
      if os.path.isdir(check_output(os.path.join(folder, name), inputs)):
        raise errors.WriteError('%s is a folder; give another path' % os.path.join(folder, name))
    for name in sorted(names, key=lambda name: name == 'checkpoint'):  # Last: it names the others.
      _move(os.path.join(temporary, name), os.path.realpath(os.path.join(folder, name)))


def _move(source: str, target: str) -> None:
  """Replaces `target`, which may be on another file system if it is a symbolic link."""
  try:
    os.replace(source, target)
  except OSError as error:
    if error.errno != errno.EXDEV:
      raise
    with _beside(target, target) as temporary:
      shutil.copyfile(source, temporary)
      os.replace(temporary, target)


@contextlib.contextmanager
def _beside(path: str, shown: str) -> Iterator[str]:
  """Yields a path in a temporary folder beside `path`, so that renaming does not copy."""
  parent, name = os.path.split(os.path.abspath(path))
  try:
    os.makedirs(parent, exist_ok=True)
    # Do not make a long name longer: file systems allow 255 bytes.
    folder = tempfile.mkdtemp(prefix='.%s.' % name[:40], dir=parent)
  except OSError as error:
    raise errors.WriteError('Cannot write %s (%s); give a path in a folder you may write to' %
                            (shown, error.strerror or error)) from error
  try:
    yield os.path.join(folder, name)
  except OSError as error:  # For example a full disk.
    raise errors.WriteError('Cannot write %s (%s)' % (shown, error.strerror or error)) from error
  finally:
    shutil.rmtree(folder, ignore_errors=True)


# ---- Outputs that would overwrite inputs. ----


def _check_not_input(path: str, given: str) -> None:
  """Raises errors.WriteError if writing `path` would overwrite the input `given` or part of it."""
  target, source = os.path.realpath(path), os.path.realpath(given)
  files = files_of(given)
  own = {(entry.st_dev, entry.st_ino) for entry in map(_stat, files) if entry is not None}
  there = _stat(path)
  is_input = target == source or target in map(os.path.realpath, files) or (
      there is not None and (there.st_dev, there.st_ino) in own)
  folder = source if os.path.isdir(source) else os.path.dirname(source)
  prefix = _prefix(source)
  if os.path.isdir(source):
    inside = os.path.relpath(target, source).split(os.sep)
    is_input |= len(inside) == 1 and bool(_OF_MODEL.fullmatch(inside[0]))
    is_input |= len(inside) > 1 and inside[0] in _PARTS_OF_SAVED_MODEL and os.path.exists(
        os.path.join(source, 'saved_model.pb'))
  elif os.path.exists(prefix + '.index'):  # A checkpoint, by its prefix or one of its files.
    is_input |= _prefix(target) == prefix or target == os.path.join(folder, 'checkpoint')
  if is_input:
    raise errors.WriteError('%s would overwrite the input %s, or a part of it; give another path '
                            'to write to' % (path, given))


def files_of(given: str) -> List[str]:
  """Returns the files that reading an input opens: itself, a checkpoint's, or a folder's."""
  if os.path.isdir(given):
    found = []
    for folder, _, names in os.walk(given):
      part = os.path.relpath(folder, given).split(os.sep)[0]
      found += [os.path.join(folder, name) for name in names
                if _OF_MODEL.fullmatch(name) or part in _PARTS_OF_SAVED_MODEL]
    return found
  prefix = _prefix(given)
  folder, start = os.path.split(prefix)
  found = [given] if os.path.exists(given) else []
  if os.path.exists(prefix + '.index'):
    found += [os.path.join(folder, name) for name in os.listdir(folder or '.')
              if name == 'checkpoint' or name.startswith(start + '.')]
  return found


def _prefix(path: str) -> str:
  """Returns the prefix of the checkpoint that a file belongs to, or the path itself."""
  found = _OF_CHECKPOINT.fullmatch(path)
  return found.group(1) if found else path


def _stat(path: str) -> Optional[os.stat_result]:
  try:
    return os.stat(path)
  except OSError:
    return None
