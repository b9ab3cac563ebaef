# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Commands that say what they have to say, and nothing of TensorFlow's own remarks.

TensorFlow reads its log level while it is loaded, and 2.21 writes to stderr before
that, so a command has to be known for one when the package is imported.
"""

import contextlib
import os
import signal
import sys
from typing import Any, Iterator, List
import warnings

COMMAND = 'model-pruning'
_LEVEL = 'TF_CPP_MIN_LOG_LEVEL'
_INTERRUPTED = '%s: interrupted; nothing was written' % COMMAND
_shown: List[int] = [2]  # Where stderr is to be found; the last one, while it is muted.


def is_command() -> bool:
  """Says whether this process is `model-pruning`, or `python -m` of something in the package."""
  argv = getattr(sys, 'argv', None) or ['']  # An embedded Python may have none.
  if os.path.splitext(os.path.basename(argv[0]))[0] == COMMAND:
    return True
  # Python says -m until it has found the module. From 3.10 on it says which as well.
  words = getattr(sys, 'orig_argv', None) or _command_line()
  return argv[0] == '-m' and any(
      word == '-m' and following.split('.')[0] == 'model_pruning'
      for word, following in zip(words, words[1:]))


def _command_line() -> List[str]:
  try:
    with open('/proc/self/cmdline', 'rb') as f:
      return [os.fsdecode(word) for word in f.read().split(b'\0')]
  except OSError:  # It is not Linux.
    return ['-m', 'model_pruning']


def exit_on_interrupt() -> None:
  """From here on Ctrl-C ends the process at once, with one line and 130.

  For the time before a command has written anything: an exception in the middle of an
  import would be shown with all its callers, or be taken for something else.
  """
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Nobody else's.
    with contextlib.suppress(ValueError):  # Only the main thread may.
      signal.signal(signal.SIGINT, _exit)


def _exit(number: int, frame: Any) -> None:
  del number, frame
  os.write(_shown[-1], (_INTERRUPTED + '\n').encode())
  os._exit(130)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
  """Lets Ctrl-C raise KeyboardInterrupt within, so that what is half written is removed.

  After it the process is about to end by itself, and is not disturbed. Does nothing where
  exit_on_interrupt did nothing.
  """
  if signal.getsignal(signal.SIGINT) is not _exit:
    yield
    return
  signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    yield
  finally:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def loading_tensorflow() -> Iterator[None]:
  """Drops what is written to stderr within, if this is a command, unless a log level asks for it.

  A log level of 2 or more asks for less; TensorFlow 2.21 greets all the same.
  """
  if not (_COMMAND or is_command()):
    yield
    return
  try:
    with _exiting_on_interrupt(), _muted_unless_asked():
      yield
  except KeyboardInterrupt:
    print(_INTERRUPTED, file=sys.stderr)
    raise SystemExit(130) from None


@contextlib.contextmanager
def _muted_unless_asked() -> Iterator[None]:
  if os.environ.get(_LEVEL, '3') in ('0', '1'):
    yield
    return
  os.environ.setdefault(_LEVEL, '3')
  warnings.filterwarnings('ignore', category=FutureWarning)  # TensorFlow 1.15 has many.
  with muted():
    yield


@contextlib.contextmanager
def _exiting_on_interrupt() -> Iterator[None]:
  """Within, as exit_on_interrupt, also where Ctrl-C raises KeyboardInterrupt around it."""
  before = signal.getsignal(signal.SIGINT)
  exit_on_interrupt()
  try:
    yield
  finally:
    if before is signal.default_int_handler and signal.getsignal(signal.SIGINT) is _exit:
      signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def muted() -> Iterator[None]:
  """Drops what any code, C++ included, writes to stderr within."""
  sys.stderr.flush()
  stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 2)
  _shown.append(stderr)
  try:
    yield
  finally:
    sys.stderr.flush()
    os.dup2(stderr, 2)
    _shown.remove(stderr)
    os.close(stderr)
    os.close(null)


# As early as can be: the package imports this first. Python does not say -m later on.
_COMMAND = is_command()
if _COMMAND:
  exit_on_interrupt()
