# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Shows the progress of pruning in a training run: as a bar on a terminal, or as lines in a log."""

import sys
import time
from typing import Any, Callable, Optional, TextIO

from absl import logging

from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.schedules.base import PruningSchedule

_LONG = 10.0  # Seconds; shorter runs show nothing.
_BETWEEN_LINES = 60.0


class Progress:
  """Shows the step, the sparsity and the next update of a run.

  A terminal gets a bar, which disappears when the run ends; otherwise the log gets a line a
  minute. Short runs show nothing.
  """

  def __init__(self, name: str, end: Optional[int], stream: Optional[TextIO] = None,
               long: float = _LONG,
               between_lines: float = _BETWEEN_LINES) -> None:
    """Starts the clock.

    Args:
      name: name of the pruning.
      end: the step of the last update that changes the sparsity; None if unknown.
      stream: the stream for the bar, by default stderr.
      long: seconds before anything is shown.
      between_lines: seconds between two lines of a log.
    """
    self._name, self._end = name, end
    self._stream = sys.stderr if stream is None else stream
    self._on_terminal = bool(getattr(self._stream, 'isatty', lambda: False)())
    self._bar: Any = None
    self._between = 0.2 if self._on_terminal else between_lines
    self._due = time.monotonic() + (long if self._on_terminal else max(long, between_lines))

  def at(self, step: int, text: Callable[[], str]) -> None:
    """Shows the run's progress, if enough time has passed.

    Args:
      step: global step.
      text: returns the text to show, see Plan.describe; called only if it is shown.
    """
    now = time.monotonic()
    if now < self._due:
      return
    self._due = now + self._between
    if not self._on_terminal:
      logging.info('%s: %s', self._name, text())
      return
    if self._bar is None:
      import tqdm  # Not with the package, as few programs show progress.
      self._bar = tqdm.tqdm(
          total=self._end or None, leave=False, file=self._stream, dynamic_ncols=True,
          bar_format=self._name + (' {percentage:3.0f}%|{bar:20}| {desc}' if self._end else
                                   ': {desc}'))
    self._bar.n = min(step, self._end) if self._end else step
    self._bar.set_description_str(text(), refresh=False)
    self._bar.refresh()

  def close(self) -> None:
    """Removes the bar from the terminal."""
    if self._bar is not None:
      self._bar.close()
      self._bar = None


class Plan:
  """The intended sparsity of a run at each step, and its last update, as far as they are known."""

  def __init__(self, spec: PruningSpec, schedule: Optional[PruningSchedule],
               follows_spec: bool) -> None:
    """Takes the sources of the run's sparsity; see Pruning.

    Args:
      spec: the spec.
      schedule: the schedule object that replaces the spec's schedule; None if none does.
      follows_spec: whether the schedule of the spec is used.
    """
    self._spec = spec if follows_spec else None
    # Another schedule may work only with tensors.
    self._schedule = None if schedule is None or schedule.needs_exact_steps else schedule

  @property
  def end(self) -> Optional[int]:
    """The step of the last update that changes the sparsity; None if unknown."""
    if self._spec is not None:
      return gradual.reach(self._spec).step
    end = getattr(self._schedule, 'end_step', -1)
    return end if end > 0 else None

  def describe(self, step: int, last_update: int, next_update: Optional[int]) -> str:
    """Returns a sentence on the run's progress.

    >>> plan = Plan(PruningSpec(target_sparsity=0.9), None, True)
    >>> plan.describe(54, 50, 60)
    'step 54, sparsity 0.7875 of 0.9000, next update at step 60'

    Args:
      step: global step.
      last_update: the step of the last update; 0 if there was none.
      next_update: the step of the next update; None if there is none.
    """
    parts = ['step {:,}'.format(step)]
    sparsity = target = None
    if self._spec is not None:
      sparsity = gradual.gradual_sparsity(last_update, self._spec)
      target = gradual.reach(self._spec).sparsity
    elif self._schedule is not None:
      sparsity = self._schedule.sparsity_at(last_update)
      target = self._schedule.final_sparsity_target
    if sparsity is not None:
      parts.append('sparsity %.4f' % (sparsity if last_update else 0) +
                   ('' if target is None else ' of %.4f' % target))
    parts.append('no more updates' if next_update is None else
                 'next update at step {:,}'.format(next_update))
    return ', '.join(parts)
