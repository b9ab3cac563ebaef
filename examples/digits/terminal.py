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

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # No '2': builds for GPUs log errors without one.
warnings.filterwarnings('ignore', category=FutureWarning)  # TensorFlow 1.15 over newer NumPy.

from absl import app  # noqa: E402
from absl import logging  # noqa: E402
import tensorflow.compat.v1 as tf  # noqa: E402


class UserError(Exception):
  """Something only the user can mend; the message is one line that says how."""


class Interrupt:
  """Whether Ctrl-C was pressed. A hook that finds it set ends training after the step."""

  def __init__(self) -> None:
    self.requested = False

  def _handle(self, signum: int, frame: object) -> None:
    self.requested = True
    # The masks of an unfinished run are short of their targets. Who stopped it knows.
    logging.set_verbosity(logging.ERROR)

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
      self._handle(signum, frame)
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
    tf.logging.set_verbosity(tf.logging.ERROR)
    try:
      main()
    except KeyboardInterrupt:
      print('\nStopped. To go on from the last checkpoint, run the same command again.',
            file=sys.stderr)
      sys.exit(130)
    except tf.train.NanLossDuringTrainingError:
      sys.exit('error: the loss is not a number any more; try a lower --learning_rate in another '
               '--output_dir')
    except (UserError, ValueError) as error:  # Those of model_pruning are ValueErrors.
      if os.environ.get('EXAMPLES_TRACEBACK'):
        raise
      sys.exit('error: ' + ' '.join(str(error).split()))

  app.run(guarded)
