# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows the progress of work on the layers of a model, if it takes longer than a second."""

import contextlib
import sys
import time
from typing import Any, Callable, Iterator

from absl import logging

_LONG = 1.0  # Seconds before anything is shown.
_BETWEEN_LINES = 5.0


@contextlib.contextmanager
def shown(total: int, show: bool = True, unit: str = 'layer') -> Iterator[Callable[[str], None]]:
  """Yields a function to call after each layer, with a text about it.

  A terminal gets a bar, which disappears at the end; otherwise the log gets a line now and then.

  Args:
    total: number of layers.
    show: whether to show anything.
    unit: the noun for one piece of the work.
  """
  bar: Any = None
  started, done = time.monotonic(), 0

  def advance(text: str) -> None:
    nonlocal bar, done
    done += 1
    if not show or time.monotonic() - started < _LONG:
      return
    if not sys.stderr.isatty():
      logging.log_every_n_seconds(logging.INFO, '%s %d of %d, %s', _BETWEEN_LINES, unit, done,
                                  total, text)
      return
    if bar is None:
      import tqdm  # Not with the package, as few programs show progress.
      bar = tqdm.tqdm(total=total, unit=unit, leave=False, dynamic_ncols=True)
    bar.n = done
    bar.set_postfix_str(text)

  try:
    yield advance
  finally:
    if bar is not None:
      bar.close()
