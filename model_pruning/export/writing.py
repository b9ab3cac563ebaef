# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What TensorFlow raises when it cannot write, as an error of this library."""

import contextlib
from typing import Iterator

from model_pruning import errors
from model_pruning.compat import tf


@contextlib.contextmanager
def by_tensorflow(path: str) -> Iterator[None]:
  """Raises errors.WriteError where TensorFlow cannot write: the disk is full, say."""
  try:
    yield
  except tf.errors.OpError as error:
    raise errors.WriteError('Cannot write %s (%s)' % (path, errors.first_line(error))) from error
