# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sparsity and thresholds over a run: from event files beside a model, or as training goes."""

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning import names
from model_pruning.reporting import events

_MOST_RECORDED = 512  # Updates; of more, every second one is dropped.
_Row = Dict[str, Tuple[float, float]]  # (sparsity, threshold) by the names of the weights.


def beside(path: str, weights: Sequence[str]) -> Optional[events.History]:
  """Returns the history of the run that a model is from; None if no event files tell.

  They are looked for in the folder of the model, two levels deep, and in the one above it. What
  they find counts if it is mostly about weights of this model: other runs may lie there, too.

  Args:
    path: the file or folder of a model, or the prefix of a checkpoint.
    weights: names of its masked weights.
  """
  if os.path.isdir(path):
    folder = path
  elif os.path.exists(path) or os.path.exists(path + '.index'):
    folder = os.path.dirname(path)
  else:
    return None  # A name of something in memory.
  folder = os.path.abspath(folder)
  for place, depth in ((folder, 2), (os.path.dirname(folder), 0)):
    try:
      history = events.read(place, depth)
    except (errors.PruningError, OSError):
      continue
    known = [each for each in by_weight(history, weights) if each.name in weights]
    if 2 * len(known) > len(history.weights):
      return history
  return None


def by_weight(history: events.History, weights: Sequence[str]) -> List[events.WeightHistory]:
  """Returns the history, by the names of the weights where they can be told.

  Summaries are named after masks: 'conv1' of 'conv1/mask', which is over 'conv1/kernel' or
  'conv1/weights'; 'conv1/depthwise' of 'conv1/depthwise_mask'; 'conv1/kernel' of Keras models.
  """
  known: Dict[str, str] = {}
  for weight in weights:
    scope, leaf = names.split(weight)
    if leaf in names.MAIN_WEIGHTS:
      known.setdefault(scope.rstrip('/'), weight)
  known.update({weight: weight for weight in weights})
  return [events.WeightHistory(known.get(each.name, each.name), each.sparsity, each.threshold)
          for each in history.weights]


class Recorder:
  """Remembers sparsity and threshold of each weight, update by update."""

  def __init__(self) -> None:
    self._rows: Dict[int, _Row] = {}
    self._last: Dict[int, _Row] = {}
    self._number, self._every = 0, 1

  def record(self, step: int, weights: _Row) -> None:
    """Adds an update, in the place of an earlier one at the same step.

    Args:
      step: global step of the update.
      weights: (sparsity, threshold) by the names of the weights.
    """
    if step in self._rows or self._number % self._every == 0:
      self._rows[step] = weights
    self._last = {step: weights}
    self._number += 1
    if len(self._rows) > _MOST_RECORDED:  # From here on every second one is kept.
      self._rows = {step: self._rows[step] for step in sorted(self._rows)[::2]}
      self._every *= 2

  def history(self, path: str, earlier: Optional[events.History] = None
              ) -> Optional[events.History]:
    """Returns the recorded updates, after the earlier ones that event files have.

    Args:
      path: the path of the History.
      earlier: of the same run, by names of weights or of summaries.
    """
    rows = {**self._rows, **self._last}
    steps = sorted(rows)
    if not steps:
      return earlier
    order: Dict[str, Any] = {name: None for step in steps for name in rows[step]}
    before = {each.name: each for each in by_weight(earlier, list(order))} if earlier else {}
    weights = []
    for name in order:
      known = [step for step in steps if name in rows[step]]
      series = []
      for index in range(2):
        own = events.Series(np.array(known, np.int64),
                            np.array([rows[step][name][index] for step in known]))
        old = before.get(name)
        series.append(own if old is None else _joined(
            (old.sparsity, old.threshold)[index], own))
      weights.append(events.WeightHistory(name, *series))
    return events.History(path, tuple(weights))


def _joined(earlier: events.Series, later: events.Series) -> events.Series:
  first = later.steps[0] if len(later.steps) else np.inf
  chosen = earlier.steps < first
  return events.Series(np.concatenate([earlier.steps[chosen], later.steps]),
                       np.concatenate([earlier.values[chosen], later.values]))
