# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Turns TensorFlow's errors on writing into errors of this library."""

import contextlib
from typing import Iterator

from model_pruning import errors
from model_pruning.compat import tf


@contextlib.contextmanager
def by_tensorflow(path: str) -> Iterator[None]:
  """Raises errors.WriteError if TensorFlow cannot write, for example to a full disk."""
  try:
    yield
  except tf.errors.OpError as error:
    raise errors.WriteError('Cannot write %s (%s)' % (path, errors.first_line(error))) from error
