# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Paths to read from: whether they can be read at all, before anything opens them."""

import contextlib
import os
import stat
from typing import Any, ContextManager, Optional

from model_pruning import errors
from model_pruning.util import files
from model_pruning.util import quiet


def check(path: Any) -> str:
  """Returns a path to read from as a string.

  A URL is fine if TensorFlow has a file system for its scheme. A path at which there
  is nothing is fine too: it may be the prefix of a checkpoint.

  Args:
    path: see files.as_path.

  Raises:
    errors.PathError: see files.as_path.
    errors.ModelFileError: no file system serves the URL, or a pipe, a device or a socket
      is there: a model is read more than once.
  """
  path = files.as_path(path)
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
  """Returns the first bytes of a file; none of a file that cannot be read."""
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


def parse(message: Any, content: bytes) -> Any:
  """Parses a protocol buffer into `message`, which is returned; failures raise, and print nothing.

  Raises:
    Exception: the bytes are none; each version of protobuf has its own class.
  """
  with silent_parsing():
    message.ParseFromString(content)
  return message


def silent_parsing() -> ContextManager[None]:
  """Within, protobuf does not print what it raises, as the C++ of older versions does."""
  from model_pruning.compat import api_implementation
  return quiet.muted() if api_implementation.Type() == 'cpp' else contextlib.nullcontext()


def has_file_system(scheme: str) -> bool:
  """Whether TensorFlow has a file system for URLs of a scheme; asks no network."""
  from model_pruning.compat import tf
  known = getattr(getattr(tf.io, 'gfile', None), 'get_registered_schemes', None)
  if known is not None:
    return scheme in known()
  try:  # TensorFlow 1 has no list. Without a host there is nothing to connect to.
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
