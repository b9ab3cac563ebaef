# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes channels, and refits the layers that read the others to examples, without training.

Where a channel is removed, each layer that reads it loses rows of its matrix. From the front to the
back, the rows that are left solve the least squares between the outputs of the layer in the dense
model and its outputs in the smaller model, on the inputs that the layers before it now give it:

    min ||X W - Y||^2 + r ||W - W_dense||^2

as in ThiNet (Luo et al., 2017) and channel pruning (He, Zhang and Sun, 2017). The bias takes the
mean of the remaining error, or the moving mean of a batch normalization does. A channel that is
constant on the examples therefore costs nothing. Then, if wanted, all layers are refitted together.
"""

import dataclasses
from typing import Any, Container, Dict, List, Optional, Sequence, Set, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.calibration import joint
from model_pruning.calibration import orders as orders_lib
from model_pruning.calibration import progress
from model_pruning.calibration import reconstruct
from model_pruning.calibration import solve
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.losses import Judge
from model_pruning.calibration.losses import Loss
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.reconstruct import Fit
from model_pruning.calibration.wiring import Layer
from model_pruning.calibration.wiring import Wiring
from model_pruning.channels.analysis import Channels
from model_pruning.channels.budgets import Path
from model_pruning.channels.choice import Orders
from model_pruning.channels.choice import Target
from model_pruning.channels.units import is_removed
from model_pruning.export import channels as removal
from model_pruning.export.smaller import Smaller
from model_pruning.reading import tensors
from model_pruning.util import tables
from model_pruning.util.types import Array

_FITTED = 0.5  # While searching for a loss, half of the examples is fitted, the rest is judged.
_TRIES = 8  # Of this search.


@dataclasses.dataclass(frozen=True)
class Shrunk(Smaller):
  """A graph without some channels, whose other weights were refitted to examples.

  Attributes:
    values: new values by the names of constants, in the shapes before the removal.
    fits: a Fit for each layer that reads removed channels, or comes after one that does, before all
      are refitted together.
    before, after: the loss on the examples, with zeros in place of the channels, and after the
      refit.
  """
  values: Dict[str, Any]
  fits: Tuple[Fit, ...]
  before: Loss
  after: Loss

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns a table of the weights that got smaller, and lines with the totals and losses."""
    lines = [super().table(width), '%s on the examples: %.4f; with zeros instead, %.4f' % (
        self.after.name, self.after.loss, self.before.loss)]
    reasons = ['%s (%s)' % (fit.weight, fit.reason) for fit in self.fits if fit.reason]
    if reasons:
      lines += tables.wrapped('Not refitted: ' + ', '.join(reasons), width)
    return '\n'.join(lines)


def shrink(channels: Channels, target: Target, examples: Any, outputs: Sequence[str],
           inputs: Sequence[str] = (), labels: Any = None, classes: bool = True,
           variables: Optional[Container[str]] = None, joint_steps: int = 0) -> Shrunk:
  """Removes channels from a graph, and refits it; see one_shot.shrink_graph.

  Args:
    channels: the channels of the graph.
    target: how many go; not only those that do not affect the outputs.
    examples, labels, classes: see one_shot.shrink_graph.
    outputs: names of the outputs to compare.
    inputs: names of the placeholders for examples; () for all that the outputs need.
    variables: names of the constants that may change besides weights; None for all.
    joint_steps: see one_shot.shrink_graph.
  """
  removal.check_frozen(channels)
  target.check_keep(channels)
  graph_def = channels.trace.graph_def
  wiring = Wiring(graph_def)
  with Networks(graph_def, wiring.kernels(), inputs, outputs, variables) as networks:
    found = Examples(examples, networks.inputs)
    refitter = _Refitter(channels, networks, wiring)
    together = joint.Joint(networks, joint_steps) if joint_steps else None
    judge = Judge(networks, found, labels, classes=classes)
    orders = orders_lib.by_examples(channels, networks, found)
    if target.max_loss is None:
      masked, removed = removal.able(channels, orders, target)
    else:
      masked, removed = _within_loss(channels, orders, target, refitter, found, labels, classes)
    masks = refitter.mask(removed)
    before = judge.loss()
    values, fits = refitter.refit(removed, found)
    if together is not None:
      values = together.refit(values, masks, found)
    after = judge.loss()
    some = next(found.batches(8))
  refitted = channels.with_values(tensors.with_constants(masked.trace.graph_def, values))
  smaller = removal.compared(refitted, removed, some)
  return Shrunk(**{field.name: getattr(smaller, field.name)
                   for field in dataclasses.fields(Smaller)},
                values=values, fits=fits, before=before, after=after)


def _within_loss(channels: Channels, orders: Orders, target: Target, refitter: '_Refitter',
                 examples: Examples, labels: Any, classes: bool) -> Tuple[Channels, Array]:
  """Returns the masked graph and the units to remove: the most with which the loss is allowed.

  Raises:
    errors.ChannelError: the smallest step already loses more.
  """
  assert target.max_loss is not None
  judge = Judge(refitter.networks, examples, labels, (_FITTED, 1), classes)
  fitted = examples.part(0, _FITTED)
  resource = 'bytes' if channels.flops(channels.nothing()) is None else 'flops'
  path = Path(channels, orders, target, resource)

  def tried(steps: int) -> Tuple[float, Tuple[Channels, Array]]:
    chosen = removal.able(channels, orders, target, path.removed(steps))
    refitter.refit(chosen[1], fitted)
    return judge.loss().loss, chosen

  low, high = 0, len(path.steps) + 1
  best: Optional[Tuple[Channels, Array]] = None
  least = float('inf')
  for _ in range(_TRIES):
    middle = (low + high) // 2
    if middle in (low, high):
      break
    loss, chosen = tried(middle)
    least = min(least, loss)
    if loss <= target.max_loss:
      low, best = middle, chosen
    else:
      high = middle
  if best is None:
    raise errors.ChannelError(
        'max_loss=%s cannot be met: the least loss that was found, with few channels removed, is '
        '%.3g' % (target.max_loss, least))
  return best


class _Refitter:
  """Refits the pruned one of two networks.

  Attributes:
    networks: the networks.
  """

  def __init__(self, channels: Channels, networks: Networks, wiring: Wiring) -> None:
    self._channels, self.networks, self._wiring = channels, networks, wiring

  def mask(self, removed: Array) -> Dict[str, Array]:
    """Gives the pruned network the dense values with zeros for the removed units.

    Returns:
      The masks of the weights and biases, bool, by the names of their constants.
    """
    constants = [layer.weight for layer in self.networks.layers if layer.shape]
    constants += [layer.shift.constant for layer in self.networks.layers if layer.shift]
    masks = {}
    for name in dict.fromkeys(constants):
      masks[name] = np.ones(np.shape(self.networks.dense(name)), bool)
      for place, axis in enumerate(self._channels.trace.weights.get(name, ())):
        if axis is not None:
          np.moveaxis(masks[name], place, 0)[is_removed(axis, removed)] = False
    self.networks.reset()
    self.networks.set({name: self.networks.dense(name) * mask for name, mask in masks.items()
                       if not mask.all()})
    return masks

  def refit(self, removed: Array, examples: Examples) -> Tuple[Dict[str, Array], Tuple[Fit, ...]]:
    """Refits the layers that read removed units, and those after them.

    Returns:
      New values by the names of constants, and the fit of each layer.
    """
    masks = self.mask(removed)
    values: Dict[str, Array] = {}
    fits: List[Fit] = []
    reading = self._reading(removed)
    changed = reading.union(*map(self._wiring.after, reading))
    layers = [layer for layer in self.networks.layers
              if changed.intersection(layer.ops) and masks[layer.weight].any()]
    with progress.shown(len(layers)) as advance:
      for layer in layers:
        if layer.reason:
          fits.append(Fit(layer.weight, reason=layer.reason))
          continue
        fit, found = self._refit(layer, masks[layer.weight], examples)
        fits.append(fit)
        found = {name: value * masks[name] for name, value in found.items()}
        values.update(found)
        self.networks.set(found)
        advance('%s: error %s' % (layer.weight, fit.refitted))
    return values, tuple(fits)

  def _reading(self, removed: Array) -> Set[str]:
    """Returns the products that sum over removed units."""
    axes = self._channels.trace.axes
    return {record.op for record in self._channels.trace.records.contractions
            if any(units is not None and is_removed(units, removed).any() for units in (
                axes[record.left][record.left_axis], axes[record.right][record.right_axis]))}

  def _refit(self, layer: Layer, mask: Array, examples: Examples
             ) -> Tuple[Fit, Dict[str, Array]]:
    design, shift = self.networks.design_of(layer), self.networks.shift_of(layer)
    if design.groups > 1:
      found = reconstruct.refit(self.networks, layer, mask,
                                self.networks.moments(layer, examples))
      return found.fit, found.values
    # What is removed takes no part, which saves most of the time.
    dense = self.networks.dense(layer.weight)
    matrix, kept = (design.matrices(each)[0] for each in (dense.astype(np.float64), mask))
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    moments = self.networks.moments(layer, examples, kept=(rows, columns))
    centered = moments.centered() if shift is not None else moments
    block = np.ix_(rows, columns)
    fitted = solve.refit(centered.gram[0], centered.cross[0], matrix[block], kept[block],
                         moments.rows)
    error = reconstruct.errors_of(moments, centered, (matrix * kept)[block][np.newaxis],
                                  fitted[np.newaxis])
    if not np.all(np.isfinite(fitted)):
      return Fit(layer.weight, error[0], reason='its inputs are too large to compute with'), {}
    result = np.zeros_like(matrix)
    result[block] = fitted
    values = {layer.weight: design.kernel(result, layer.shape).astype(dense.dtype)}
    if shift is not None:
      before = self.networks.dense(shift.constant)
      offset = np.zeros(matrix.shape[1])
      offset[columns] = moments.offset(fitted[np.newaxis])[0]
      values[shift.constant] = (
          before + shift.sign * offset.reshape(before.shape)).astype(before.dtype)
    return Fit(layer.weight, *error), values
