# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Predicts a run from its HParams string: when masks are updated, and to which sparsity."""

import dataclasses
import itertools
import json
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from model_pruning import errors
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import gradual
from model_pruning.util import tables

OTHER = '(all others)'

_MOST_UPDATES = 1000000
_LONGEST_NAME = 22  # Characters of a column's heading.
_MOST_NAMES = 6  # Names listed for columns that several targets share.
_MEANINGS = {
    'uniform': 'every weight gets its own target',
    'erk': 'which keeps small weights denser, by their shapes',
    'lamp': 'by magnitudes relative to the larger ones in the same weight',
    'global': 'by magnitudes, with one threshold over all weights'}
_KEYS_WIDTH = 16  # Width of the columns 'update' and 'step'.


@dataclasses.dataclass(frozen=True)
class Course:
  """The sparsity of the weights with one target, update by update.

  Attributes:
    name: the key of a map, with the map's name in front unless it is weight_sparsity_map; or
      '(all others)', or '(all weights)' or '(all channels)' if there is no map.
    target: the target sparsity.
    sparsity: float64 array, the sparsity that the schedule requests at each update.
  """
  name: str
  target: float
  sparsity: np.ndarray

  @property
  def reached(self) -> float:
    """Sparsity after the last update; 0 if there is none."""
    return float(self.sparsity[-1]) if len(self.sparsity) else 0.0

  @property
  def falls_short(self) -> bool:
    """Whether the last update reaches less than the target."""
    return self.target - self.reached > 1e-9


@dataclasses.dataclass(frozen=True)
class Timeline:
  """The mask updates of a training run that visits every step.

  Attributes:
    spec: the spec of the run.
    num_steps: the last step of training; if none was given, the step at which the target is
      reached or pruning ends.
    steps: int64 array, the global steps of the updates.
    courses: one for each target.
    allotment: what each weight of a model gets, an Allotment of allotment.py; None without a model.
  """
  spec: PruningSpec
  num_steps: int
  steps: np.ndarray
  courses: Tuple[Course, ...]
  allotment: Any = None

  def shortfall(self) -> Optional[str]:
    """Returns a sentence about the targets that are not reached; None if all are."""
    return gradual.shortfall(self.spec, self.num_steps) or next(
        iter(self.allotment.shortfalls if self.allotment is not None else ()), None)

  def table(self, rows: int = 12, width: int = tables.WIDTH) -> str:
    """Returns the updates for a terminal: all of them, or `rows` spread over the run.

    Targets with the same sparsity at every update share a column. If the columns do not fit into
    `width`, the last ones are left out and a second table lists all targets.

    Raises:
      errors.MissingPackageError: tabulate is not installed.
    """
    number = len(self.steps)
    shown = (range(number) if number <= rows else
             sorted(set(np.linspace(0, number - 1, rows).round().astype(int).tolist())))
    alike = self.alike()
    headers = _headers(alike)
    fitting = max(1, sum(accumulated <= width - _KEYS_WIDTH for accumulated in itertools.accumulate(
        max(len(header), 6) + 2 for header in headers)))
    cells = [['%d' % (index + 1), '%d' % self.steps[index]] +
             [tables.fraction(courses[0].sparsity[index]) for courses in alike[:fitting]]
             for index in shown]
    cells.append(['target', ''] + [tables.fraction(courses[0].target)
                                   for courses in alike[:fitting]])
    lines = [tables.aligned(['update', 'step'] + headers[:fitting], cells, left=0), '']
    if fitting < len(alike):
      lines += ['%d of %d columns are shown; they differ in their targets alone.' % (
          fitting, len(alike)), ''] + [tables.fitted(
          ['map key', 'target', 'reached'],
          [[header, tables.fraction(courses[0].target), tables.fraction(courses[0].reached)]
           for header, courses in zip(_headers(alike, width - 20), alike)], width), '']
    for header, courses in zip(headers, alike):
      if len(courses) > 1:
        names = [course.name for course in courses]
        lines += tables.wrapped('%s: %s%s.' % (
            header, ', '.join(names[:_MOST_NAMES]), ' and %d more' % (len(names) - _MOST_NAMES)
            if len(names) > _MOST_NAMES else ''), width) + ['']
    if len(shown) < number:
      lines.append('%d of %d updates are shown.' % (len(shown), number))
    lines.append('Updates: %s.' % self.when())
    shortfall = gradual.shortfall(self.spec, self.num_steps)
    if shortfall:  # The allotment says which weights fall short.
      lines += tables.wrapped('Falls short: %s.' % shortfall, width)
    if self.spec.threshold_decay:
      lines += tables.wrapped(
          'The masks lag behind this schedule: %s.' % gradual.lag(self.spec), width)
    lines += tables.wrapped(self.distribution(), width)
    if self.allotment is not None:
      lines += ['', self.allotment.table(width)]
    return '\n'.join(lines)

  def distribution(self) -> str:
    """Returns a sentence about how the zeros are shared out among the weights."""
    if self.spec.channel_pruning:  # Which channels a model has is not read from its files.
      return 'Sparsity is of the channels of each group%s; weights between two groups get more.' % (
          ', with one threshold over all' if self.spec.shares_target else '')
    return 'Distribution: %s, %s%s.' % (
        self.spec.distribution, _MEANINGS[self.spec.distribution],
        '' if self.allotment is not None else '; --model=MODEL shows each weight of a model')

  def alike(self) -> List[Tuple[Course, ...]]:
    """Groups the courses that have one target and the same sparsity at every update."""
    groups: Dict[Tuple[float, bytes], List[Course]] = {}
    for course in self.courses:
      groups.setdefault((course.target, course.sparsity.tobytes()), []).append(course)
    return [tuple(courses) for courses in groups.values()]

  def when(self) -> str:
    """Returns in a few words how many updates there are, and when."""
    if not len(self.steps):
      return 'none'
    if len(self.steps) == 1:
      return 'one, at step %d' % self.steps[0]
    return '%d, every %d steps from %d to %d' % (
        len(self.steps), self.spec.pruning_frequency, self.steps[0], self.steps[-1])

  def to_json(self) -> str:
    """Returns the updates as a JSON object."""
    more = {} if self.allotment is None else {'allotment': self.allotment.values()}
    return json.dumps({
        'hparams': json.loads(self.spec.to_json()), 'num_steps': self.num_steps,
        'steps': self.steps.tolist(), 'shortfall': self.shortfall(),
        'courses': [{'name': course.name, 'target': course.target,
                     'sparsity': course.sparsity.tolist(), 'reached': course.reached,
                     'falls_short': course.falls_short} for course in self.courses], **more},
                      indent=2)

  def to_csv(self) -> str:
    """Returns one line per update: its step, and the sparsity of each course.

    With a model it returns one line per weight instead.
    """
    if self.allotment is not None:
      return str(self.allotment.to_csv())
    rows: List[List[Any]] = [
        [step] + [float(course.sparsity[index]) for course in self.courses]
        for index, step in enumerate(self.steps.tolist())]
    return tables.as_csv(['step'] + [course.name for course in self.courses], rows)


def _headers(alike: Sequence[Sequence[Course]], width: int = _LONGEST_NAME) -> List[str]:
  names = tables.elided([courses[0].name for courses in alike], width)
  return [name + ' +%d' % (len(courses) - 1) if len(courses) > 1 else name
          for name, courses in zip(names, alike)]


def of(spec: Union[PruningSpec, HParams, str, None] = None,
       num_steps: Optional[int] = None) -> Timeline:
  """Returns the mask updates of a training run with this spec.

  >>> of('pruning_frequency=40,target_sparsity=0.8').steps
  array([ 40,  80, 120])

  Args:
    spec: an HParams, a string in its grammar, or None for the defaults.
    num_steps: the last step of training; None means the step at which the target is
      reached or pruning ends.

  Raises:
    errors.PruningError: the spec is invalid.
    errors.SpecError: num_steps is not positive.
  """
  spec = PruningSpec.create(spec)
  if num_steps is None:
    num_steps = spec.end_pruning_step
    if num_steps < 0:
      num_steps = gradual.reach(spec).step or 1
  elif isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 1:
    raise errors.SpecError('num_steps=%r: expected the number of training steps, 1 or more' %
                           (num_steps,))
  if num_steps // spec.pruning_frequency > _MOST_UPDATES:
    raise errors.SpecError(
        'pruning_frequency=%d makes about %d mask updates in %d steps, too many to list; use a '
        'larger pruning_frequency, or fewer steps' % (
            spec.pruning_frequency, num_steps // spec.pruning_frequency, num_steps))
  steps = np.array(gradual.update_steps(spec, num_steps), np.int64)
  courses = tuple(Course(name, target, gradual.gradual_sparsity(steps, spec, target))
                  for name, target in _targets(spec))
  return Timeline(spec, num_steps, steps, courses)


def _targets(spec: PruningSpec) -> Iterator[Tuple[str, float]]:
  mapped = spec.weight_sparsity_map or spec.group_sparsity_map
  everything = '(all channels)' if spec.channel_pruning else '(all weights)'
  yield OTHER if mapped else everything, spec.target_sparsity
  yield from spec.weight_sparsity_map
  for key, target in spec.group_sparsity_map:
    yield 'group ' + key, target
