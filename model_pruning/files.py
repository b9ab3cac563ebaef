# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writing whole files and folders or nothing."""

import contextlib
import os
import shutil
import tempfile
from typing import Iterator

from model_pruning import errors


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
  """Lets the caller write a file beside `path`, which becomes `path` once it is whole.

  Where the body raises, or is interrupted, what it wrote is removed and whatever
  `path` was before stays. Missing folders on the way are made.

  Args:
    path: the file to write.

  Yields:
    The path of a file to write, which does not exist yet.

  Raises:
    errors.WriteError: `path` is a folder, or nothing can be written there.
  """
  if os.path.isdir(path):
    raise errors.WriteError('%s is a folder; give the path of a file to write' % path)
  with _beside(path) as temporary:
    yield temporary
    os.replace(temporary, path)


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[str]:
  """Lets the caller fill a folder beside `path`, which becomes `path` once it is whole.

  Args:
    path: the folder to write. It may exist if it is empty.

  Yields:
    The path of a folder to make and to fill, which does not exist yet.

  Raises:
    errors.WriteError: `path` has something in it, or nothing can be written there.
  """
  if os.path.isdir(path) and os.listdir(path) or os.path.isfile(path):
    raise errors.WriteError('%s exists; give a new folder, or remove it' % path)
  with _beside(path) as temporary:
    yield temporary
    os.replace(temporary, path)  # An empty folder is replaced like a file.


@contextlib.contextmanager
def staging(folder: str) -> Iterator[str]:
  """Lets the caller write several files, which move into `folder` once all are whole.

  Args:
    folder: where they go, made if it is not there. Files of their names are replaced.

  Yields:
    The path of an empty folder to write them to.

  Raises:
    errors.WriteError: nothing can be written there.
  """
  with _beside(os.path.join(folder, 'files'), folder) as temporary:
    os.mkdir(temporary)
    yield temporary
    for name in sorted(os.listdir(temporary)):
      os.replace(os.path.join(temporary, name), os.path.join(folder, name))


@contextlib.contextmanager
def _beside(path: str, shown: str = '') -> Iterator[str]:
  """Yields a name in a temporary folder beside `path`, so that a rename does not copy."""
  shown = shown or path
  if not path:
    raise errors.WriteError('The path to write is empty; give one')
  parent, name = os.path.split(os.path.abspath(path))
  try:
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix='.%s.' % name, dir=parent)
  except OSError as error:
    raise errors.WriteError('Cannot write %s (%s); give a path in a folder you may write to' %
                            (shown, error.strerror or error)) from error
  try:
    yield os.path.join(folder, name)
  except OSError as error:  # A full disk, say.
    raise errors.WriteError('Cannot write %s (%s)' % (shown, error.strerror or error)) from error
  finally:
    shutil.rmtree(folder, ignore_errors=True)
