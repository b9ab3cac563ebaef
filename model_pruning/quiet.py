# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Commands that say what they have to say, and nothing of TensorFlow's own remarks.

TensorFlow reads its log level while it is loaded, and 2.21 writes to stderr before
that, so a command has to be known for one when the package is imported.
"""

import contextlib
import os
import sys
from typing import Iterator
import warnings

COMMAND = 'model-pruning'
_LEVEL = 'TF_CPP_MIN_LOG_LEVEL'


def is_command() -> bool:
  """Says whether this process is `model-pruning`, or `python -m` of something in the package."""
  argv = getattr(sys, 'argv', None) or ['']  # An embedded Python may have none.
  if os.path.splitext(os.path.basename(argv[0]))[0] == COMMAND:
    return True
  # Python says -m until it has found the module. From 3.10 on it says which as well.
  module = getattr(sys, 'orig_argv', ['-m', 'model_pruning'])
  return argv[0] == '-m' and any(
      word == '-m' and following.split('.')[0] == 'model_pruning'
      for word, following in zip(module, module[1:]))


@contextlib.contextmanager
def loading_tensorflow() -> Iterator[None]:
  """Drops what is written to stderr within, if this is a command and nobody set a log level."""
  if _LEVEL in os.environ or not is_command():
    yield
    return
  os.environ[_LEVEL] = '3'
  warnings.filterwarnings('ignore', category=FutureWarning)  # TensorFlow 1.15 has many.
  try:
    with muted():
      yield
  except KeyboardInterrupt:
    print('%s: interrupted; nothing was written' % COMMAND, file=sys.stderr)
    raise SystemExit(130) from None


@contextlib.contextmanager
def muted() -> Iterator[None]:
  """Drops what any code, C++ included, writes to stderr within."""
  sys.stderr.flush()
  stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 2)
  try:
    yield
  finally:
    sys.stderr.flush()
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(null)
