# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""How much each weight of a model matters: the loss of the model when it alone is pruned."""

import dataclasses
import json
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.calibration import progress
from model_pruning.calibration import reconstruct
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.losses import Judge
from model_pruning.calibration.losses import Loss
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.selector import Selector
from model_pruning.calibration.subject import Subject
from model_pruning.calibration.wiring import Layer
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import measure as measure_lib
from model_pruning.util import figures
from model_pruning.util import tables
from model_pruning.util.types import Array
from model_pruning.util.types import Figure

SPARSITIES = (0.5, 0.8, 0.9, 0.95, 0.98)


@dataclasses.dataclass(frozen=True)
class Point:
  """One weight, pruned to one sparsity.

  Attributes:
    target: the requested sparsity.
    sparsity: fraction of its elements that are zero.
    loss: loss of the model.
    bytes: number of bytes of the weight if it is stored sparse or dense, whichever is less.
  """
  target: float
  sparsity: float
  loss: Loss
  bytes: int


@dataclasses.dataclass(frozen=True)
class Curve:
  """The loss of the model against the sparsity of one weight.

  Attributes:
    name: name of the weight.
    constant: name of its constant.
    shape: its shape.
    points: by rising sparsity.
    reason: why the weight was only masked; '' if it was refitted.
  """
  name: str
  constant: str
  shape: Tuple[int, ...]
  points: Tuple[Point, ...]
  reason: str = ''

  @property
  def size(self) -> int:
    return int(np.prod(self.shape, dtype=np.int64))


@dataclasses.dataclass(frozen=True)
class Sensitivity:
  """The sensitivity of a model to the pruning of each weight.

  Attributes:
    curves: one Curve for each weight, in the order of the data.
    examples: number of examples.
    accuracy: of the dense model; None without labels.
  """
  curves: Tuple[Curve, ...]
  examples: int
  accuracy: Optional[float]

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns a table of the losses, with a column for each sparsity."""
    different = sorted({point.sparsity for curve in self.curves for point in curve.points})
    columns = max(len(curve.points) for curve in self.curves)
    headers = ['weight', 'shape'] + ['%g' % round(sparsity, 3) for sparsity in (
        different if len(different) == columns else self._nominal(columns))]
    rows = [[curve.name, tables.shape_text(curve.shape)] +
            ['%.4f' % point.loss.loss for point in curve.points] for curve in self.curves]
    text = [tables.fitted(headers, rows, width, left=2), '']
    first = self.curves[0].points[0].loss
    text += tables.wrapped('%s on %d examples when the weight alone has the sparsity at the head '
                           'of the column and is refitted%s.' % (
                               first.name[:1].upper() + first.name[1:], self.examples,
                               '' if self.accuracy is None else '; the dense model has an accuracy '
                               'of %.4f' % self.accuracy), width)
    masked = ['%s (%s)' % (curve.name, curve.reason) for curve in self.curves if curve.reason]
    if masked:
      text += tables.wrapped('Masked and not refitted: %s.' % '; '.join(masked), width)
    return '\n'.join(text)

  def _nominal(self, columns: int) -> List[float]:
    """Returns the sparsities of the largest weight, as small ones are rounded."""
    curve = max(self.curves, key=lambda curve: (len(curve.points) == columns, curve.size))
    return [point.sparsity for point in curve.points]

  def to_json(self) -> str:
    """Returns all numbers as JSON."""
    return json.dumps({
        'examples': self.examples, 'accuracy': self.accuracy, 'weights': [
            {'name': curve.name, 'shape': list(curve.shape), 'reason': curve.reason, 'points': [
                {'sparsity': point.sparsity, 'error': point.loss.error,
                 'changed': point.loss.changed, 'accuracy': point.loss.accuracy}
                for point in curve.points]} for curve in self.curves]}, indent=2)

  def plot(self) -> Figure:
    """Returns a picture of the curves; needs matplotlib."""
    with figures.style():
      figure, (axis,) = figures.rows(8, 4.5, 1)
      for index, curve in enumerate(self.curves):
        axis.plot([0.0] + [point.sparsity for point in curve.points],
                  [0.0] + [point.loss.loss for point in curve.points], marker='o', markersize=3,
                  label=figures.plain(tables.elided([curve.name], 30)[0]),
                  **figures.line(index, len(self.curves)))
      axis.set_xlabel('sparsity of the weight')
      axis.set_ylabel(self.curves[0].points[0].loss.name)
      figures.legend(axis, 'weight')
      figures.title(figure, 'Loss when one weight alone is pruned', ())
    return figure


def measure(subject: Subject, spec: PruningSpec, examples: Any, labels: Any = None,
            sparsities: Sequence[float] = SPARSITIES, classes: bool = True) -> Sensitivity:
  """Returns the loss of a model against the sparsity of each of its weights.

  Args:
    subject: the model.
    spec: the pattern in which weights are pruned.
    examples: see examples.Examples.
    labels: the right classes of the examples, if they are known.
    sparsities: in (0, 1).
    classes: see losses.Judge.

  Raises:
    errors.SpecError: a sparsity is out of range.
    errors.ExamplesError: the examples or labels do not fit the model.
  """
  if not len(sparsities):
    raise errors.SpecError('There are no sparsities; give some between 0 and 1 (sparsities=, '
                           '--sparsities)')
  for sparsity in sparsities:
    if not 0 < sparsity < 1:
      raise errors.SpecError('Illegal sparsity %r; it must be between 0 and 1' % (sparsity,))
  with subject.networks() as networks, subject.selector(spec) as selector:
    given = Examples(examples, networks.inputs)
    judge = Judge(networks, given, labels, classes=classes)
    return Sensitivity(curves_of(networks, selector, subject, given, judge, sorted(sparsities)),
                       given.count, judge.accuracy)


def curves_of(networks: Networks, selector: Selector, subject: Subject, examples: Examples,
              judge: Judge, sparsities: Sequence[float]) -> Tuple[Curve, ...]:
  """Returns the curve of every weight, in the order of the data."""
  networks.reset()
  curves = []
  with progress.shown(len(networks.layers), unit='weight') as advance:
    for layer in networks.layers:
      record = subject.weights[layer.weight]
      points = _points(networks, selector, layer, examples, judge, sparsities)
      curves.append(Curve(record.name, layer.weight, layer.shape, tuple(points), layer.reason))
      advance('%s: %s %.4f at %.2f' % (record.name, points[-1].loss.name, points[-1].loss.loss,
                                       points[-1].sparsity))
  return tuple(curves)


def _points(networks: Networks, selector: Selector, layer: Layer, examples: Examples, judge: Judge,
            sparsities: Sequence[float]) -> List[Point]:
  moments = None if layer.reason else networks.moments(layer, examples)
  dense = networks.dense(layer.weight)
  points = []
  for sparsity in sparsities:
    mask = selector.choose(layer.weight, dense, sparsity).reshape(layer.shape)
    if moments is None:
      values, final = {layer.weight: dense * mask}, mask
    else:
      found = reconstruct.refit(networks, layer, mask, moments)
      values, final = found.values, found.mask
    networks.set(values)
    points.append(Point(sparsity, 1 - float(np.mean(final)), judge.loss(),
                        stored_bytes(final, dense.dtype.itemsize)))
    networks.set({name: networks.dense(name) for name in values})
  return points


def stored_bytes(mask: Array, itemsize: int) -> int:
  """Returns the bytes of a weight stored sparse, or dense if that is less.

  Args:
    mask: its mask, bool.
    itemsize: size of an element in bytes.
  """
  kept = measure_lib.as_matrix(mask)
  block = measure_lib.find_block(kept)
  sparse = measure_lib.bytes_sparse(measure_lib.blocks_of(kept, block), kept.shape, itemsize)
  return min(sparse, mask.size * itemsize)
