# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A run before it is started: when an HParams string updates the masks, and how sparse it gets."""

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
_LONGEST_NAME = 22  # Of a column.
_MOST_NAMES = 6  # Of those that share one.
_KEYS_WIDTH = 16  # Of the columns 'update' and 'step'.


@dataclasses.dataclass(frozen=True)
class Course:
  """How sparse the weights of one target are to be.

  Attributes:
    name: the key of a map, with its name where that is not weight_sparsity_map; or
      '(all others)', '(all weights)' where there is no map.
    target: the sparsity asked for.
    sparsity: what each update asks for, a float64 array, one for each of the steps.
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
  """The mask updates of a training that visits every step.

  Attributes:
    spec: what it follows.
    num_steps: the last step of the training, or, where none was given, that at which
      the target is reached or pruning ends.
    steps: global steps of the updates, an int64 array.
    courses: one for each target.
  """
  spec: PruningSpec
  num_steps: int
  steps: np.ndarray
  courses: Tuple[Course, ...]

  def shortfall(self) -> Optional[str]:
    """Returns a sentence on the targets that are not reached, None if all are."""
    return gradual.shortfall(self.spec, self.num_steps)

  def table(self, rows: int = 12, width: int = tables.WIDTH) -> str:
    """Returns the updates for a terminal: all of them, or `rows` spread over the run.

    Targets whose sparsity is the same throughout share a column. Columns that would make the table
    wider than `width` are left out; a second table has all targets then.

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
             [tables.share(courses[0].sparsity[index]) for courses in alike[:fitting]]
             for index in shown]
    cells.append(['target', ''] + [tables.share(courses[0].target) for courses in alike[:fitting]])
    lines = [tables.aligned(['update', 'step'] + headers[:fitting], cells, left=0), '']
    if fitting < len(alike):
      lines += ['%d of %d columns are shown; they differ in their targets alone.' % (
          fitting, len(alike)), ''] + [tables.fitted(
          ['map key', 'target', 'reached'],
          [[header, tables.share(courses[0].target), tables.share(courses[0].reached)]
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
    shortfall = self.shortfall()
    if shortfall:
      lines += tables.wrapped('Falls short: %s.' % shortfall, width)
    return '\n'.join(lines)

  def alike(self) -> List[Tuple[Course, ...]]:
    """Returns the courses, those with one target and one sparsity throughout together."""
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
    return json.dumps({
        'hparams': json.loads(self.spec.to_json()), 'num_steps': self.num_steps,
        'steps': self.steps.tolist(), 'shortfall': self.shortfall(),
        'courses': [{'name': course.name, 'target': course.target,
                     'sparsity': course.sparsity.tolist(), 'reached': course.reached,
                     'falls_short': course.falls_short} for course in self.courses]}, indent=2)

  def to_csv(self) -> str:
    """Returns a line per update: its step, and the sparsity of each course."""
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
  """Returns the mask updates that a spec makes in a training.

  >>> of('pruning_frequency=40,target_sparsity=0.8').steps
  array([ 40,  80, 120])

  Args:
    spec: an HParams, a string in its grammar, or None for the defaults.
    num_steps: the last step of the training; None for as long as it takes to reach the
      target, or for pruning to end.

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
        'pruning_frequency=%d makes some %d mask updates in %d steps, too many to list; use a '
        'larger pruning_frequency, or fewer steps' % (
            spec.pruning_frequency, num_steps // spec.pruning_frequency, num_steps))
  steps = np.array(gradual.update_steps(spec, num_steps), np.int64)
  courses = tuple(Course(name, target, gradual.gradual_sparsity(steps, spec, target))
                  for name, target in _targets(spec))
  return Timeline(spec, num_steps, steps, courses)


def _targets(spec: PruningSpec) -> Iterator[Tuple[str, float]]:
  mapped = spec.weight_sparsity_map or spec.group_sparsity_map
  yield OTHER if mapped else '(all weights)', spec.target_sparsity
  yield from spec.weight_sparsity_map
  for key, target in spec.group_sparsity_map:
    yield 'group ' + key, target
