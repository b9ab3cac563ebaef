# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chooses the sparsity of each weight by its effect on the outputs of the model."""

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.calibration import progress
from model_pruning.calibration.allocation import Allocation
from model_pruning.calibration.allocation import Choice
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.losses import Judge
from model_pruning.calibration.losses import Loss
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.plan import Plan as Plan
from model_pruning.calibration.plan import PlannedWeight
from model_pruning.calibration.plan import total_sparsity
from model_pruning.calibration.reconstruct import reconstruct
from model_pruning.calibration.selector import Selector
from model_pruning.calibration.sensitivity import Curve
from model_pruning.calibration.sensitivity import curves_of
from model_pruning.calibration.sensitivity import stored_bytes
from model_pruning.calibration.subject import Subject
from model_pruning.export.tflite.names import map_key
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import flops
from model_pruning.reading.inlining import needed_for
from model_pruning.reading import nodes as graphs
from model_pruning.util.types import Array

_GRID = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
_STEPS = 8  # Of the search for the highest sparsity with an allowed loss.
_FITTED = 0.5  # While searching, the first half of the examples is fitted, the rest is judged.


@dataclasses.dataclass(frozen=True)
class Goal:
  """The target of a plan; exactly one is given.

  Attributes:
    max_loss: the most accuracy that may be lost, or, without labels, the largest fraction of
      answers that may change, or, for a model without classes, the largest relative error.
    target_sparsity: the fraction of zeros over all weights.
    max_bytes: the most bytes of the weights to prune, each stored sparse or dense, whichever is
      less.
    max_flops: the most FLOPs per example by kept elements of these weights, two per multiply-add.
  """
  max_loss: Optional[float] = None
  target_sparsity: Optional[float] = None
  max_bytes: Optional[float] = None
  max_flops: Optional[float] = None

  def __post_init__(self) -> None:
    given = [(name, value) for name, value in dataclasses.asdict(self).items() if value is not None]
    if len(given) != 1:
      raise errors.SpecError('Give exactly one of max_loss, target_sparsity, max_bytes, max_flops; '
                             'got %s' % (', '.join(name for name, _ in given) or 'none'))
    (name, value), = given
    limit = {'max_loss': 1.0, 'target_sparsity': 1.0}.get(name, float('inf'))
    if not 0 <= value < limit:
      raise errors.SpecError('Illegal value for %s: %r; it must be %s' % (
          name, value, 'in [0, 1)' if limit == 1 else '0 or more'))


class Planner:
  """Chooses sparsities, and tries them; see plan.

  The loss of each weight alone is measured when it is first needed, since it takes most of the
  time: whatever can be refused without it is refused before.
  """

  def __init__(self, subject: Subject, networks: Networks, selector: Selector, examples: Examples,
               labels: Any, classes: bool = True) -> None:
    self.networks, self.selector, self._subject = networks, selector, subject
    self.fitted = examples.part(0, _FITTED)
    self.judge = Judge(networks, examples, labels, (_FITTED, 1), classes)
    self.judged = examples.count - self.fitted.count
    self.flops = _flops(subject)
    self._weights = [layer.weight for layer in networks.layers]
    # N of M has few sparsities; then the plan takes those that were tried.
    self._between = all(map(selector.is_continuous, self._weights))
    self._curves: Optional[Tuple[Curve, ...]] = None

  @property
  def curves(self) -> Tuple[Curve, ...]:
    """The loss of the model against the sparsity of each weight alone."""
    if self._curves is None:
      self._curves = curves_of(self.networks, self.selector, self._subject, self.fitted,
                               Judge(self.networks, self.fitted), _GRID)
    return self._curves

  def allocation(self, resource: str) -> Allocation:
    """Returns the best sparsities by their savings in 'elements', 'bytes' or 'flops'."""
    return Allocation({curve.constant: [
        Choice(point.sparsity if self._between else point.target,
               self._saved(curve.constant, point.sparsity, point.bytes, resource),
               point.loss.error)
        for point in curve.points] for curve in self.curves})

  def _saved(self, constant: str, sparsity: float, stored: int, resource: str) -> float:
    dense = self.networks.dense(constant)
    if resource == 'elements':
      return sparsity * dense.size
    if resource == 'flops':
      return sparsity * (self.flops.get(constant) or 0.0)
    return dense.nbytes - stored

  def _total(self, resource: str) -> float:
    """Returns the amount of a resource that the dense weights need, in its unit."""
    return sum(self._saved(constant, 1.0, 0, resource) for constant in self._weights)

  def _most(self, resource: str) -> float:
    """Returns the most that can be saved; bytes depend on where the zeros are, in the end."""
    if resource == 'bytes':
      return self.allocation(resource).most
    masks = self.masks(dict.fromkeys(self._weights, _GRID[-1]))
    return sum(self._saved(constant, 1 - float(np.mean(mask)), 0, resource)
               for constant, mask in masks.items())

  def masks(self, sparsities: Dict[str, float]) -> Dict[str, Array]:
    """Returns the masks by the magnitudes of the dense weights."""
    return {constant: self.selector.choose(constant, self.networks.dense(constant), sparsity)
            for constant, sparsity in sparsities.items()}

  def loss(self, sparsities: Dict[str, float]) -> Loss:
    """Returns the loss of the model, pruned and refitted to the first part of the examples."""
    reconstruct(self.networks, self.masks(sparsities), self.fitted, self.selector, show=False)
    return self.judge.loss()

  def within_loss(self, most: float) -> Dict[str, float]:
    """Returns the sparsities that save the most elements with an allowed loss.

    They are never worse than one sparsity for all weights.

    Raises:
      errors.ExamplesError: the examples are too few to judge such a loss.
    """
    self._margin(most)  # Before the curves are measured.
    allocation, size = self.allocation('elements'), self._total('elements')
    total, found = self._search(most, lambda sparsity: allocation.sparsities(
        min(sparsity * size, allocation.most), self._between))
    if self._between:
      uniform = self.uniform_within_loss(most)
      if uniform > total:
        return dict.fromkeys(self._weights, uniform)
    return found

  def uniform_within_loss(self, most: float) -> float:
    """Returns the highest sparsity, the same for every weight, with an allowed loss."""
    return self._search(most, lambda sparsity: dict.fromkeys(self._weights, sparsity))[0]

  def _margin(self, most: float) -> float:
    """Returns the loss to add to a measured one before it is compared with the allowed one."""
    # One more of the judged examples might have changed: the best of several tries looks better
    # than it is.
    margin = 1 / self.judged if self.judge.classifies else 0.0
    if margin > most and not most:
      raise errors.ExamplesError(
          'max_loss=0 cannot be judged by %d examples: answers to other inputs may change; allow a '
          'loss of %.3f' % (self.judged, margin + 1e-3))
    if margin > most:
      raise errors.ExamplesError(
          'max_loss=%g needs at least %d examples, half of which judge, but there are %d; give '
          'more, or allow a loss of %.3f' % (
              most, np.ceil(2 / most), self.judged + self.fitted.count, margin + 1e-3))
    return margin

  def _search(self, most: float, sparsities_at: Callable[[float], Dict[str, float]]
              ) -> Tuple[float, Dict[str, float]]:
    """Returns the highest total sparsity with an allowed loss, and the sparsities there."""
    margin = self._margin(most)
    low, high = 0.0, 1.0
    found = dict.fromkeys(self._weights, 0.0)
    with progress.shown(_STEPS, unit='plan') as advance:
      for _ in range(_STEPS):
        # Searched in the logarithm of the density, as high sparsities are the interesting ones.
        middle = float(1 - np.sqrt((1 - low) * max(1 - high, 0.002)))
        sparsities = sparsities_at(middle)
        loss = self.loss(sparsities)
        advance('sparsity %.4f: %s %.4f' % (middle, loss.name, loss.loss))
        if loss.loss + margin <= most:
          low, found = middle, sparsities
        else:
          high = middle
    return low, found

  def saving(self, resource: str, budget: float, name: str) -> Dict[str, float]:
    """Returns the sparsities with which all weights need no more than a budget.

    Raises:
      errors.SpecError: the budget cannot be reached.
    """
    total, most = self._total(resource), self._most(resource)
    if total - budget > most:
      raise errors.SpecError(
          '%s=%g cannot be reached: the weights to prune need %.0f when dense, and %.0f at '
          'sparsities of up to %g; give at least that' % (
              name, budget, total, np.ceil(total - most), _GRID[-1]))
    allocation = self.allocation(resource)
    allowed = budget
    while True:
      sparsities = _rounded(allocation.sparsities(total - allowed, self._between))
      planned = [_planned(self, curve, sparsities[curve.constant]) for curve in self.curves]
      needed = sum(getattr(weight, resource) for weight in planned)
      if needed <= budget or total - allowed > allocation.most:
        return sparsities
      # Between the sparsities that were tried, bytes are not quite a line.
      allowed -= max(needed - budget, 1)

  def to_sparsity(self, target: float) -> Dict[str, float]:
    """Returns the sparsities with a given fraction of zeros over all weights.

    Raises:
      errors.SpecError: the plan does not go up to this sparsity.
    """
    size, most = self._total('elements'), self._most('elements')
    if target * size > most + 0.5:
      raise errors.SpecError(
          'target_sparsity=%g cannot be reached: the plan goes up to %.4f' % (target, most / size))
    return self.allocation('elements').sparsities(target * size, self._between)


def plan(subject: Subject, spec: PruningSpec, examples: Any, goal: Goal, labels: Any = None,
         classes: bool = True) -> Plan:
  """Returns the sparsity of each weight with which a goal costs the outputs the least.

  Half of the examples are fitted, and the others judge. Each weight alone is pruned to 13
  sparsities, refitted, and the error of the outputs measured; allocation.py shares out the zeros.
  For max_loss, 8 plans and 8 uniform sparsities are tried on the whole model.

  Args:
    subject: the model.
    spec: the pattern in which weights are pruned; it has no map of sparsities.
    examples: see examples.Examples.
    goal: the target of the plan.
    labels: the right classes of the examples, if they are known.
    classes: see losses.Judge.

  Raises:
    errors.SpecError: the goal cannot be reached, or the spec has sparsities of its own.
    errors.ExamplesError: the examples or labels do not fit the model.
  """
  if spec.weight_sparsity_map or spec.group_sparsity_map:
    raise errors.SpecError('A plan chooses the sparsities itself; leave out weight_sparsity_map '
                           'and group_sparsity_map')
  with subject.networks() as networks, subject.selector(spec) as selector:
    planner = Planner(subject, networks, selector, Examples(examples, networks.inputs), labels,
                      classes)
    if goal.max_loss is not None:
      sparsities = planner.within_loss(goal.max_loss)
    elif goal.target_sparsity is not None:
      sparsities = planner.to_sparsity(goal.target_sparsity)
    elif goal.max_bytes is not None:
      sparsities = planner.saving('bytes', goal.max_bytes, 'max_bytes')
    else:
      assert goal.max_flops is not None
      if not all(map(planner.flops.get, subject.weights)):
        raise errors.SpecError('max_flops needs the FLOPs of all weights, but they are unknown for '
                               'some; plan by max_bytes or target_sparsity')
      sparsities = planner.saving('flops', goal.max_flops, 'max_flops')
    sparsities = _rounded(sparsities)
    loss = planner.loss(sparsities)
    weights = tuple(_planned(planner, curve, sparsities[curve.constant])
                    for curve in planner.curves)
  return Plan(_hparams(spec, weights), weights, loss, planner.judged)


def _rounded(sparsities: Dict[str, float]) -> Dict[str, float]:
  """Returns sparsities as an HParams string has them."""
  return {constant: round(sparsity, 4) for constant, sparsity in sparsities.items()}


def _planned(planner: Planner, curve: Curve, sparsity: float) -> PlannedWeight:
  dense = planner.networks.dense(curve.constant)
  mask = planner.selector.choose(curve.constant, dense, sparsity)
  all_flops = planner.flops.get(curve.constant)
  return PlannedWeight(curve.name, curve.shape, sparsity, int(np.sum(mask)),
                       stored_bytes(mask.reshape(curve.shape), dense.dtype.itemsize),
                       None if all_flops is None else all_flops * float(np.mean(mask)))


def _flops(subject: Subject) -> Dict[str, float]:
  """Returns the FLOPs of each weight per example, as far as they are known."""
  nodes = graphs.flatten(needed_for(subject.graph_def, subject.outputs))
  found: Dict[str, float] = {}
  for layer in flops.layers_of(nodes, list(subject.weights)).layers:
    for constant in layer.sources:
      if layer.flops is not None:
        found[constant] = found.get(constant, 0.0) + layer.flops
  return found


def _hparams(spec: PruningSpec, weights: Tuple[PlannedWeight, ...]) -> str:
  """Returns the HParams string of a plan."""
  names = [weight.name for weight in weights]
  clauses = ['target_sparsity=%g' % round(total_sparsity(weights), 4)]
  default = PruningSpec()
  for name in ('block_height', 'block_width', 'block_pooling_function', 'intra_block_sparsity'):
    if getattr(spec, name) != getattr(default, name):
      value: Any = getattr(spec, name)
      clauses.append('%s=%s' % (name, str(value).lower() if isinstance(value, bool) else value))
  if spec.block_dims_map:
    clauses.append('block_dims_map=[%s]' % ','.join(
        '%s:%dx%d' % (key, *dims) for key, dims in spec.block_dims_map))
  entries: List[str] = ['%s:%g' % (map_key(weight.name, names), weight.sparsity)
                        for weight in weights]
  return ','.join(clauses + ['weight_sparsity_map=[%s]' % ','.join(entries)])
