# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Orders the channels of each group by the damage that removing them does, measured on examples.

Matrix products and convolutions read a channel. Without it, the weights that stay can do some of
its work. The damage is the squared error that remains in the outputs of its readers, relative to
their variance. For a reader with inputs X and matrix W, whose rows S read the channel, it is

    trace(W_S^T inv(H_SS) W_S),  H = inv(X^T X + ridge),

Optimal Brain Surgeon (Hassibi and Stork, 1993) for a block of rows. After some channels are
removed, H and W W^T are updated for the weights that stay, as in Optimal Brain Compression (Frantar
and Alistarh, 2022), and the damage of the others is computed again.
"""

from typing import Any, Dict, List, Optional

import numpy as np

from model_pruning.calibration import progress
from model_pruning.calibration import solve
from model_pruning.calibration.designs import Design
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.wiring import Layer
from model_pruning.channels.analysis import Channels
from model_pruning.channels.analysis import Group
from model_pruning.channels.choice import by_norm
from model_pruning.channels.choice import Order
from model_pruning.channels.choice import Orders
from model_pruning.channels.units import STAYS
from model_pruning.util.types import Array

_ROUNDS = 32  # In each, a part of the channels of a group is removed, and the others are scored.


def by_examples(channels: Channels, networks: Networks, examples: Examples) -> Orders:
  """Returns the channels of each group, those first whose work others can do.

  A group whose readers cannot be refitted is ordered by norms.

  Args:
    channels: the channels of the graph.
    networks: the graph twice, with the readers among its weights.
    examples: examples of the inputs.
  """
  networks.reset()
  found = by_norm(channels)
  readers: Dict[str, List[_Reader]] = {group.name: [] for group in channels.groups}
  layers = [(layer, places) for layer, places in (
      (layer, _places(channels, networks, layer)) for layer in networks.layers) if places]
  with progress.shown(len(layers)) as advance:
    for layer, places in layers:
      moments = networks.moments(layer, examples)
      centered = moments.centered() if networks.shift_of(layer) is not None else moments
      matrix = networks.design_of(layer).matrices(
          networks.dense(layer.weight).astype(np.float64))[0]
      gram, scale = centered.gram[0], float(np.sum(centered.square))
      ridge = solve.ridge_of(gram, moments.rows)
      if ridge > 0 and scale > 0 and np.isfinite(scale):
        inverse = np.linalg.inv(gram + ridge * np.eye(len(gram))) * scale
        for name, rows in places.items():
          readers[name].append(_Reader(gram / scale, inverse, matrix, rows))
      advance(layer.weight)
  for group in channels.groups:
    if readers[group.name]:
      found[group.name] = _order(group, readers.pop(group.name))
  return found


def _places(channels: Channels, networks: Networks, layer: Layer) -> Dict[str, Any]:
  """Returns the rows of a layer's matrix that read each channel of each group.

  Returns:
    int64 [channels, rows] by the names of groups; nothing for a layer that reads none, or that is
    more than one matrix.
  """
  axes = channels.trace.weights.get(layer.weight)
  if layer.reason or axes is None or networks.design_of(layer).groups > 1:
    return {}
  design = networks.design_of(layer)
  found: Dict[str, Any] = {}
  for place, units in enumerate(axes):
    labels = None if units is None else _along_rows(channels, design, layer, place, units)
    if labels is None:
      continue
    for group in channels.groups:
      own = [channels.label(group.name, number) for number in range(group.channels)]
      rows = [np.flatnonzero(labels == label) for label in own]
      if all(map(len, rows)) and len(set(map(len, rows))) == 1:
        found[group.name] = np.stack(rows)
  return found


def _along_rows(channels: Channels, design: Design, layer: Layer, place: int,
                units: Array) -> Optional[Array]:
  """Returns the channel of each row of a matrix; None if the axis does not count its rows."""
  labels = np.where(units == STAYS, STAYS, channels.channel_of[units])
  shape = [len(units) if axis == place else 1 for axis in range(len(layer.shape))]
  matrix = design.matrices(np.broadcast_to(labels.reshape(shape), layer.shape))[0]
  alike = (matrix == matrix[:, :1]).all() and not (matrix == matrix[:1]).all()
  return matrix[:, 0] if alike else None


class _Reader:
  """A layer that reads the channels of a group.

  It keeps only what its rows of the group need: X^T X, H and W W^T.
  """

  def __init__(self, gram: Array, inverse: Array, matrix: Array, rows: Array) -> None:
    """Takes the rows of a group.

    Args:
      gram: X^T X, [inputs, inputs], divided by the variance of the outputs.
      inverse: H, [inputs, inputs], multiplied by it.
      matrix: W, [inputs, outputs].
      rows: the rows that read each channel, int64 [channels, rows].
    """
    own = rows.ravel()
    block = np.ix_(own, own)
    # In single precision, because the matrices of all layers stay in memory.
    self._gram, self._inverse, self._products = (each.astype(np.float32) for each in (
        gram[block], inverse[block], matrix[own] @ matrix[own].T))
    self._rows = np.arange(rows.size).reshape(rows.shape)

  def begin(self) -> None:
    """Goes on in double precision."""
    self._inverse = self._inverse.astype(np.float64)
    self._products = self._products.astype(np.float64)

  def damage(self, numbers: Array) -> Array:
    """Returns the damage of removing each of some channels alone."""
    rows = self._rows[numbers]
    where = rows[:, :, np.newaxis], rows[:, np.newaxis, :]
    products = self._products[where]
    # Without a refit, a channel that is constant does none; the ridge holds on to its weights.
    alone = np.sum(self._gram[where] * products, axis=(1, 2))
    return np.clip(_traces(self._inverse[where], products), 0, np.maximum(alone, 0))

  def remove(self, numbers: Array) -> float:
    """Removes channels, and returns the damage of removing them together."""
    rows = self._rows[numbers].ravel()
    block = np.ix_(rows, rows)
    inverse, products = self._inverse, self._products
    factors = np.linalg.solve(inverse[block], inverse[rows]).T  # [all rows, removed rows]
    damage = min(float(np.trace(np.linalg.solve(inverse[block], products[block]))),
                 float(np.sum(self._gram[block] * products[block])))
    mixed = factors @ products[rows]
    products += factors @ products[block] @ factors.T - mixed - mixed.T
    inverse -= factors @ inverse[rows]
    return max(damage, 0.0)


def _traces(systems: Array, right: Array) -> Array:
  """Returns the traces of inv(A) B for many small matrices, A positive definite.

  Gauss-Jordan elimination of all at once: NumPy calls LAPACK for each, which takes much longer.

  Args:
    systems, right: A and B, [number, size, size].
  """
  both = np.concatenate([systems, right], axis=2)
  for pivot in range(systems.shape[1]):
    row = both[:, pivot] / both[:, pivot, pivot, np.newaxis]
    both -= both[:, :, pivot, np.newaxis] * row[:, np.newaxis]
    both[:, pivot] = row
  return np.trace(both[:, :, systems.shape[1]:], axis1=1, axis2=2)


def _order(group: Group, readers: List[_Reader]) -> Order:
  for reader in readers:
    reader.begin()
  left = np.arange(group.channels)
  numbers: List[int] = []
  costs = [0.0]
  at_once = -(-group.channels // _ROUNDS)
  while len(left):
    damage = sum((reader.damage(left) for reader in readers), np.zeros(len(left)))
    chosen = np.sort(np.argsort(damage, kind='stable')[:at_once])
    chosen = chosen[np.argsort(damage[chosen], kind='stable')]
    numbers += [int(number) for number in left[chosen]]
    together = sum(reader.remove(left[chosen]) for reader in readers)
    parts = np.cumsum(damage[chosen])
    # Within a round, in proportion to the damage of each alone.
    costs += list(costs[-1] + together * (
        parts / parts[-1] if parts[-1] > 0 else np.arange(1, len(chosen) + 1) / len(chosen)))
    left = np.delete(left, chosen)
  return Order(numbers, np.array(costs))
