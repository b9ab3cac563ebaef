# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Paths to read from: checks, before anything opens them, that they can be read."""

import contextlib
import os
import stat
from typing import Any, ContextManager, Optional, TypeVar

from model_pruning import errors
from model_pruning.util import files
from model_pruning.util import quiet
from model_pruning.util.files import AnyPath

_Message = TypeVar('_Message', bound=Any)  # A class of protocol buffers.


def check(path: AnyPath) -> str:
  """Returns a path to read from as a string.

  A URL is accepted if TensorFlow has a file system for its scheme. A path at which nothing
  exists is accepted too: it may be the prefix of a checkpoint.

  Args:
    path: see files.as_path.

  Raises:
    errors.PathError: see files.as_path.
    errors.ModelFileError: it is empty; no file system serves the URL; or the path is a pipe, a
      device or a socket, none of which can be read more than once.
  """
  path = files.as_path(path)
  if not path:
    raise errors.ModelFileError('The path to read is empty')
  scheme = files.scheme(path)
  if scheme is not None:
    if not has_file_system(scheme):
      raise errors.ModelFileError(
          '%s cannot be read: this TensorFlow has no file system for %s://; copy the files to a '
          'local folder and give that' % (path, scheme))
    return path
  mode = _mode(path)
  if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
    raise errors.ModelFileError('%s is %s, and models are read from files and folders; copy it '
                                'to a file and give that' % (path, files.kind_of(mode)))
  return path


def exists(path: str) -> bool:
  """Whether there is a file or a folder at a local path or a URL."""
  return os.path.exists(path) if files.scheme(path) is None else _gfile().Exists(path)


def is_folder(path: str) -> bool:
  """Whether there is a folder at a local path or a URL."""
  return os.path.isdir(path) if files.scheme(path) is None else _gfile().IsDirectory(path)


def head(path: str, size: int) -> bytes:
  """Returns the first bytes of a file; b'' if it cannot be read."""
  if files.scheme(path) is None:
    try:
      with open(path, 'rb') as f:
        return f.read(size)
    except OSError:
      return b''
  from model_pruning.compat import tf
  try:
    with tf.gfile.GFile(path, 'rb') as f:
      return bytes(f.read(size))
  except (tf.errors.OpError, OSError):
    return b''


def _gfile() -> Any:
  from model_pruning.compat import tf  # Only URLs need it.
  return tf.gfile


def parse(message: _Message, content: bytes) -> _Message:
  """Parses bytes into a protocol buffer, and returns it; failures raise, and print nothing.

  Raises:
    Exception: the bytes are not such a message; each version of protobuf has its own class.
  """
  with silent_parsing():
    message.ParseFromString(content)
  return message


def silent_parsing() -> ContextManager[None]:
  """Keeps the C++ code of older protobuf versions from printing the errors that it raises."""
  from model_pruning.compat import api_implementation
  return quiet.muted() if api_implementation.Type() == 'cpp' else contextlib.nullcontext()


def has_file_system(scheme: str) -> bool:
  """Whether TensorFlow has a file system for URLs of a scheme; uses no network."""
  from model_pruning.compat import tf
  known = getattr(getattr(tf.io, 'gfile', None), 'get_registered_schemes', None)
  if known is not None:
    return scheme in known()
  try:  # TensorFlow 1 lists no schemes. A URL without a host connects to nothing.
    tf.gfile.Exists(scheme + '://')
  except tf.errors.UnimplementedError:
    return False
  except (tf.errors.OpError, OSError, ValueError):
    return True
  return True


def _mode(path: str) -> Optional[int]:
  try:
    return os.stat(path).st_mode
  except OSError:
    return None
