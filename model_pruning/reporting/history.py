# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sparsity and thresholds over a run, read from event files or recorded during training."""

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning import names
from model_pruning.reporting import events

_MOST_RECORDED = 512  # Updates; beyond that, every second one is dropped.
_Row = Dict[str, Tuple[float, float]]  # (sparsity, threshold) by weight name.


def beside(path: str, weights: Sequence[str]) -> Optional[events.History]:
  """Returns the history of the run that produced a model; None if no event files belong to it.

  Looks for event files in the model's folder, two levels deep, and in the parent folder. Other
  runs may have written there, so a history counts only if more than half of its weights belong to
  the model.

  Args:
    path: the file or folder of a model, or the prefix of a checkpoint.
    weights: names of the model's masked weights.
  """
  if os.path.isdir(path):
    folder = path
  elif os.path.exists(path) or os.path.exists(path + '.index'):
    folder = os.path.dirname(path)
  else:
    return None  # The name of a model in memory.
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
  """Returns each weight's history, under the weight's own name if it is known.

  Summaries carry the names of masks: 'conv1' for 'conv1/mask', which masks 'conv1/kernel' or
  'conv1/weights'; 'conv1/depthwise' for 'conv1/depthwise_mask'; in Keras models 'conv1/kernel'.
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
  """Records the sparsity and threshold of each weight at every mask update."""

  def __init__(self) -> None:
    self._rows: Dict[int, _Row] = {}
    self._last: Dict[int, _Row] = {}
    self._number, self._every = 0, 1

  def record(self, step: int, weights: _Row) -> None:
    """Adds an update; it replaces an earlier one at the same step.

    Args:
      step: global step of the update.
      weights: (sparsity, threshold) by weight name.
    """
    if step in self._rows or self._number % self._every == 0:
      self._rows[step] = weights
    self._last = {step: weights}
    self._number += 1
    if len(self._rows) > _MOST_RECORDED:  # From now on, only every second update is kept.
      self._rows = {step: self._rows[step] for step in sorted(self._rows)[::2]}
      self._every *= 2

  def history(self, path: str, earlier: Optional[events.History] = None
              ) -> Optional[events.History]:
    """Returns the earlier history, from event files, continued by the recorded updates.

    Args:
      path: the History's path.
      earlier: history of the same run, by names of weights or of summaries.
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
