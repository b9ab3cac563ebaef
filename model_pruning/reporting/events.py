# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sparsity and thresholds of a run by global step, read from the summaries that it wrote."""

import dataclasses
import json
import os
import re
import struct
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import numpy as np

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.reading import inputs
from model_pruning.reading import places
from model_pruning.reading import tensors
from model_pruning.reading.nodes import VARIABLE_OPS
from model_pruning.reading.stored import without_part
from model_pruning.util import tables
from model_pruning.util.files import AnyPath
from model_pruning.util.types import Event

# The tags of graph/summaries.py and contrib: <name>_summaries/<mask>/sparsity, and
# .../<threshold>/threshold. keras/summaries.py writes the same without <name>_summaries.
_TAG = re.compile(r'(?P<spec>.*?_summaries(?:_\d+)?/)?(?P<variable>(?:.*[/_])?)'
                  r'(?P<kind>mask(?:_\d+)?/sparsity|threshold(?:_\d+)?/threshold)')
_TARGET = re.compile(r'(.*_summaries(_\d+)?/)?sparsity')


@dataclasses.dataclass(frozen=True)
class Series:
  """Values by global step: `steps` (int64, increasing) and `values` (float64), of equal length."""
  steps: np.ndarray
  values: np.ndarray

  @property
  def last(self) -> Optional[float]:
    """The last value; None if there are none."""
    return float(self.values[-1]) if len(self.values) else None

  def first_at(self, target: float) -> Optional[int]:
    """Returns the first step from which the values stay at or above the target, or None."""
    below = np.flatnonzero(~(self.values >= target - 1e-6))  # Summaries are rounded to float32.
    after = below[-1] + 1 if len(below) else 0
    return int(self.steps[after]) if after < len(self.steps) else None


@dataclasses.dataclass(frozen=True)
class WeightHistory:
  """The summaries of one weight.

  Attributes:
    name: the scope of its mask ('conv1' for 'conv1/mask'), or the weight's own name if it is
      known; with the run's folder in front if there are several runs.
    sparsity: fraction of elements that the mask hides.
    threshold: threshold of the last mask update; empty if none was written.
  """
  name: str
  sparsity: Series
  threshold: Series


@dataclasses.dataclass(frozen=True)
class History:
  """Sparsity and thresholds of the weights of a run.

  Attributes:
    path: the file or folder that was read.
    weights: the weights that have summaries, in the order of their first summaries.
    target: the sparsity that the schedule requested, by folder of the run ('' if there is
      only one run).
  """
  path: str
  weights: Tuple[WeightHistory, ...]
  target: Dict[str, Series] = dataclasses.field(default_factory=dict)

  def table(self, target: Optional[float] = None, width: int = tables.WIDTH) -> str:
    """Returns a table for a terminal, with a row for each weight.

    Args:
      target: the table shows from which step on the weight stays at this sparsity. None
        takes each weight's last sparsity.
      width: names lose their middle if the table would be wider.

    Raises:
      errors.MissingPackageError: tabulate is not installed.
    """
    reached = 'reached at step' if target is None else '%g from step' % target
    headers = ['weight', 'last step', 'sparsity', reached, 'threshold', 'summaries']
    rows = []
    for weight in self.weights:
      last = weight.sparsity.last
      wanted = last if target is None else target
      step = None if wanted is None or last is None else weight.sparsity.first_at(wanted)
      threshold = weight.threshold.last
      rows.append([weight.name, _text(max(_steps(weight), default=None)), tables.fraction(last),
                   _text(step), '-' if threshold is None else '%.3g' % threshold,
                   '%d' % len(weight.sparsity.steps)])
    return tables.fitted(headers, rows, width)

  def to_json(self) -> str:
    """Returns all values as a JSON object."""
    def columns(series: Series) -> Dict[str, List[Any]]:
      return {'steps': series.steps.tolist(), 'values': [
          value if np.isfinite(value) else str(value) for value in series.values.tolist()]}

    return json.dumps({
        'path': self.path,
        'weights': [{'name': weight.name, 'sparsity': columns(weight.sparsity),
                     'threshold': columns(weight.threshold)} for weight in self.weights],
        'target': {run: columns(series) for run, series in self.target.items()}}, indent=2)

  def to_csv(self) -> str:
    """Returns a line per weight and step; sparsity or threshold is empty if not written."""
    rows: List[List[Any]] = []
    for weight in self.weights:
      by_step: Dict[int, List[Any]] = {step: [weight.name, step, None, None]
                                       for step in sorted(set(_steps(weight)))}
      for column, series in ((2, weight.sparsity), (3, weight.threshold)):
        for step, value in zip(series.steps.tolist(), series.values.tolist()):
          by_step[step][column] = value
      rows += by_step.values()
    return tables.as_csv(['weight', 'step', 'sparsity', 'threshold'], rows)


def _steps(weight: WeightHistory) -> List[int]:
  return weight.sparsity.steps.tolist() + weight.threshold.steps.tolist()


def _text(step: Optional[int]) -> str:
  return '-' if step is None else '%d' % step


def read(path: AnyPath, depth: Optional[int] = None) -> History:
  """Reads the summaries of a run, which may still be training.

  Args:
    path: an event file, or a folder to search for event files. The files in one folder belong
      to one run and its restarts: summaries of a restart replace earlier ones from its first
      step on.
    depth: number of levels of subfolders to search; None searches all.

  Raises:
    errors.ModelFileError: there are no event files, or no summaries of pruning.
  """
  path = inputs.check(path)
  runs = places.event_files(path, depth)
  tags: List[str] = []
  variables_of: Dict[str, Set[str]] = {}
  found: Dict[str, Dict[str, Dict[int, float]]] = {}
  for run, parts in runs.items():
    values, variables_of[run] = _merged(parts)
    tags += [tag for tag in values if tag not in tags]
    if any(_TAG.fullmatch(tag) for tag in values):
      found[run] = values
  if not found:
    raise errors.ModelFileError(
        'The event files of %s have no summaries of pruning, which end with mask/sparsity and '
        'threshold/threshold; add Pruning.add_pruning_summaries() to the graph. They have: %s' %
        (path, ', '.join(tags[:8] + ['...'] * (len(tags) > 8)) or 'none'))
  weights, requested = [], {}
  for run, values in found.items():
    prefix = run + ': ' if len(found) > 1 else ''
    weights += [dataclasses.replace(weight, name=prefix + weight.name)
                for weight in _weights(values, variables_of[run])]
    for tag in values:
      if _TARGET.fullmatch(tag):
        requested[run if len(found) > 1 else ''] = _series(values[tag])
  return History(path, tuple(weights), requested)


def _weights(values: Dict[str, Dict[int, float]], variables: Set[str]) -> List[WeightHistory]:
  """Returns the weights that have summaries, under their own names where these are known."""
  found: Dict[Tuple[str, str], Dict[str, Dict[int, float]]] = {}
  for tag, by_step in values.items():
    match = _TAG.fullmatch(tag)
    if match:
      series = found.setdefault((match.group('spec') or '', match.group('variable')), {})
      series.setdefault(match.group('kind').rpartition('/')[2], by_step)
  several = len({spec for spec, _ in found}) > 1
  weights = []
  for (spec, variable), series in found.items():
    name = (spec if several else '') + names.weight_of(variable, variables)
    weights.append(WeightHistory(name or 'mask', _series(series.get('sparsity', {})),
                                 _series(series.get('threshold', {}))))
  return weights


def _variables_of(event: Event) -> Set[str]:
  """Returns the names of the variables in an event's graph; empty if it has none."""
  try:
    meta = inputs.parse(tf.MetaGraphDef(), event.meta_graph_def)
    nodes = (inputs.parse(tf.GraphDef(), event.graph_def) if event.graph_def else
             meta.graph_def).node
  except Exception:  # Each version of protobuf has its own class.
    return set()
  return {without_part(node.name) for node in nodes if node.op in VARIABLE_OPS}


def _series(by_step: Dict[int, float]) -> Series:
  steps = sorted(by_step)
  return Series(np.array(steps, np.int64), np.array([by_step[step] for step in steps], np.float64))


def _merged(files: List[str]) -> Tuple[Dict[str, Dict[int, float]], Set[str]]:
  """Returns a run's scalars, by tag and step, and the names of the variables of its graph."""
  merged: Dict[str, Dict[int, float]] = {}
  variables: Set[str] = set()
  for path in files:
    own: Dict[str, Dict[int, float]] = {}
    for event in _events(path):
      if not variables and (event.graph_def or event.meta_graph_def):
        variables = _variables_of(event)
      for value in event.summary.value:
        number = _scalar(value)
        if number is not None:
          own.setdefault(value.tag, {})[event.step] = number
    for tag, by_step in own.items():
      # A restart goes back to a checkpoint: earlier summaries from that step on are void.
      start = min(by_step)
      merged[tag] = {step: number for step, number in merged.get(tag, {}).items() if step < start}
      merged[tag].update(by_step)
  return merged, variables


def _scalar(value: Any) -> Optional[float]:
  kind = value.WhichOneof('value')
  if kind == 'simple_value':
    return float(value.simple_value)
  if kind == 'tensor' and not value.tensor.tensor_shape.dim:  # TensorFlow 2 writes these.
    try:
      _, dtype, present = tensors.check(value.tensor, value.tag)
      if dtype.is_floating and present:
        return float(tensors.to_array(value.tensor, value.tag))
    except errors.ModelFileError:
      return None  # Written by another program, or damaged.
  return None


def _events(path: str) -> Iterator[Event]:
  """Yields the events of a file, up to its end or the first incomplete or damaged one."""
  with open(path, 'rb') as f:
    while True:
      # A record: its length, a checksum of the length, the content, a checksum of the content.
      head = f.read(12)
      if len(head) < 12:
        return
      length, = struct.unpack('<Q', head[:8])
      if length > os.path.getsize(path):
        return
      record = f.read(length + 4)
      if len(record) < length + 4:
        return
      try:
        yield inputs.parse(tf.Event(), record[:length])
      except Exception:  # Each version of protobuf has its own class.
        return
