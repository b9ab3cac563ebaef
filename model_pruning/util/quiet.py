# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Keeps TensorFlow's own log lines out of the output of commands.

TensorFlow reads its log level when it is loaded, and TensorFlow 2.21 writes to stderr even before
that, so the package must recognize a command as soon as it is imported.
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
_shown: List[int] = [2]  # File descriptors of stderr; while it is muted, the last one is its copy.


def is_command() -> bool:
  """Whether this process is `model-pruning`, or `python -m` of a module in the package."""
  argv = getattr(sys, 'argv', None) or ['']  # An embedded Python may have none.
  if os.path.splitext(os.path.basename(argv[0]))[0] == COMMAND:
    return True
  # argv[0] is '-m' until Python has found the module. From 3.10 on orig_argv says which module.
  words = getattr(sys, 'orig_argv', None) or _command_line()
  return argv[0] == '-m' and any(
      word == '-m' and following.split('.')[0] == 'model_pruning'
      for word, following in zip(words, words[1:]))


def _command_line() -> List[str]:
  try:
    with open('/proc/self/cmdline', 'rb') as f:
      return [os.fsdecode(word) for word in f.read().split(b'\0')]
  except OSError:  # Not Linux.
    return ['-m', 'model_pruning']


def exit_on_interrupt() -> None:
  """Makes Ctrl-C end the process at once, with one line and exit code 130.

  Used before a command has written anything: an exception in the middle of an import would
  print a traceback, or be taken for another error.
  """
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Keep other handlers.
    with contextlib.suppress(ValueError):  # Raised outside of the main thread.
      signal.signal(signal.SIGINT, _exit)


def _exit(number: int, frame: Any) -> None:
  del number, frame
  os.write(_shown[-1], (_INTERRUPTED + '\n').encode())
  os._exit(130)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
  """Lets Ctrl-C raise KeyboardInterrupt within, so that unfinished output is removed.

  Afterwards Ctrl-C is ignored, as the process is about to end. Does nothing unless
  exit_on_interrupt took effect.
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
  """Mutes stderr within the context if this process is a command and the log level is not 0 or 1.

  TensorFlow 2.21 prints a greeting even at log level 2 and above, hence the muting.
  """
  if not (_COMMAND or is_command()):
    yield
    return
  try:
    with _exiting_on_interrupt(), _muted_by_level():
      yield
  except KeyboardInterrupt:
    print(_INTERRUPTED, file=sys.stderr)
    raise SystemExit(130) from None


@contextlib.contextmanager
def _muted_by_level() -> Iterator[None]:
  if os.environ.get(_LEVEL, '3') in ('0', '1'):
    yield
    return
  os.environ.setdefault(_LEVEL, '3')
  warnings.filterwarnings('ignore', category=FutureWarning)  # TensorFlow 1.15 has many.
  with muted():
    yield


@contextlib.contextmanager
def _exiting_on_interrupt() -> Iterator[None]:
  """Applies exit_on_interrupt within, even if a caller handles KeyboardInterrupt."""
  before = signal.getsignal(signal.SIGINT)
  exit_on_interrupt()
  try:
    yield
  finally:
    if before is signal.default_int_handler and signal.getsignal(signal.SIGINT) is _exit:
      signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def muted() -> Iterator[None]:
  """Drops everything written to stderr within, also by C++ code."""
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


# Done at once, as the package imports this module first; later argv[0] is no longer '-m'.
_COMMAND = is_command()
if _COMMAND:
  exit_on_interrupt()
