# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a user sees: no noise from TensorFlow, one line per mistake, a calm Ctrl-C.

Import this before TensorFlow, which reads its log level when it is loaded.
"""

import contextlib
import logging as standard_logging
import os
import signal
import sys
import threading
from typing import Callable, Iterator
import warnings

from absl import app
from absl import flags
from absl import logging


@contextlib.contextmanager
def _stderr_muted() -> Iterator[None]:
  """Discards everything written to stderr, also by C++ code."""
  sys.stderr.flush()
  stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 2)
  try:
    yield
  finally:
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(null)


_VERBOSE = 'TF_CPP_MIN_LOG_LEVEL' in os.environ  # If it is set, show all messages.
if _VERBOSE:
  import tensorflow.compat.v1 as tf
else:
  # Not 2, which shows errors: a build for GPUs logs some on machines without a GPU.
  os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
  warnings.filterwarnings('ignore', category=FutureWarning)  # TensorFlow 1.15 has many.
  with _stderr_muted():  # While it is loaded, TensorFlow 2.21 does not heed its log level.
    import tensorflow.compat.v1 as tf

from model_pruning import errors  # noqa: E402  (it loads TensorFlow)


@contextlib.contextmanager
def tensorflow_muted() -> Iterator[None]:
  """Discards the messages of TFLite and its converter on stderr, at every log level."""
  with contextlib.ExitStack() as stack:
    if not _VERBOSE:
      stack.enter_context(_stderr_muted())
    yield


class UserError(Exception):
  """An error that only the user can fix; the message is one line that describes how."""


class Interrupt:
  """Whether Ctrl-C was pressed. A hook that finds it set ends training after the step."""

  def __init__(self) -> None:
    self.requested = False

  @contextlib.contextmanager
  def listening(self) -> Iterator[None]:
    """Keeps Ctrl-C from tearing a step apart; raises KeyboardInterrupt on leaving instead.

    Only the first Ctrl-C is held back. The second one ends the program at once.
    """
    if threading.current_thread() is not threading.main_thread():
      yield  # Python delivers signals to the main thread only.
      return
    before = signal.getsignal(signal.SIGINT)

    def first(signum: int, frame: object) -> None:
      del signum, frame
      self.requested = True
      # The masks of an unfinished run are short of their targets. Who stopped it knows.
      logging.set_verbosity(logging.ERROR)
      signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, first)
    try:
      yield
    finally:
      signal.signal(signal.SIGINT, before)
    if self.requested:
      raise KeyboardInterrupt


class _Once(standard_logging.Filter):
  """Lets each message pass once: dense and pruned net, and all seeds, give the same ones."""

  def __init__(self) -> None:
    super().__init__()
    self._seen = set()

  def filter(self, record: standard_logging.LogRecord) -> bool:
    message = record.getMessage()
    new = message not in self._seen
    self._seen.add(message)
    return new


def run(main: Callable[[], None]) -> None:
  """Parses the flags and runs `main`; never returns.

  The exit code is 0, 1 after a mistake in flags or files, 130 after Ctrl-C.
  """

  def guarded(argv: list) -> None:
    if len(argv) > 1:
      raise SystemExit('error: %r is not a flag; flags begin with --' % argv[1])
    # Not the time, the process and the line of each warning: this is a terminal.
    handler = logging.get_absl_handler()
    handler.setFormatter(standard_logging.Formatter('%(levelname)s: %(message)s'))
    logging.get_absl_logger().addFilter(_Once())
    if not flags.FLAGS['verbosity'].present:
      logging.set_verbosity(logging.WARNING)
    tf.logging.set_verbosity(tf.logging.ERROR)
    try:
      main()
    except KeyboardInterrupt:
      print('\nStopped. To go on from the last checkpoint, run the same command again.',
            file=sys.stderr)
      sys.exit(130)
    except tf.train.NanLossDuringTrainingError:
      sys.exit('\nerror: the loss is not a number any more; try a lower --learning_rate in another '
               '--output_dir')
    except tf.errors.OpError as error:
      sys.exit('error: TensorFlow says: %s; if a checkpoint is at fault, name another '
               '--output_dir' % error.message.strip().split('\n')[0])
    except (UserError, errors.PruningError) as error:
      sys.exit('error: ' + ' '.join(str(error).split()))

  app.run(guarded)
