# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Refits the weights that masks keep to examples, layer after layer, without training.

Each layer is given its inputs in the network as pruned so far, and its outputs in the dense
network. The kept weights solve the least squares between the two (solve.py), so a layer also
repairs the errors of the layers before it. The bias takes the mean of the remaining error, or, if
a batch normalization follows, its moving mean does.

A layer gets its zeros in a few rounds with a refit after each, since a weight whose work others
have taken over becomes small. It ends with as many zeros as its mask had, maybe at other places.
Layers with few rows of examples for their number of inputs keep their masks.
"""

import dataclasses
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from model_pruning.calibration import progress
from model_pruning.calibration import solve
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.moments import Moments
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.selector import Selector
from model_pruning.calibration.wiring import Layer
from model_pruning.util.types import Array


ROUNDS = 3
# Layers whose refits take more multiplications than this get their zeros in one round.
_MOST_WORK = 1 << 31


@dataclasses.dataclass(frozen=True)
class Fit:
  """The result for one weight.

  Attributes:
    weight: name of the constant.
    masked: error of its layer's outputs with masked dense weights, ||X W - Y||^2 / ||Y||^2 on the
      examples; None if the layer's inputs are unknown.
    refitted: the same after the refit.
    reason: why the weight was only masked; '' if it was refitted.
  """
  weight: str
  masked: Optional[float] = None
  refitted: Optional[float] = None
  reason: str = ''


@dataclasses.dataclass(frozen=True)
class Reconstruction:
  """The values of a pruned model.

  Attributes:
    values: new values by the names of constants: the masked weights, and biases and moving means
      that changed.
    masks: the mask of each weight, bool, by the names of constants.
    fits: a Fit for each weight, in the order of the data.
  """
  values: Dict[str, Array]
  masks: Dict[str, Array]
  fits: Tuple[Fit, ...]


def reconstruct(networks: Networks, masks: Mapping[str, Array], examples: Examples,
                selector: Optional[Selector] = None, show: bool = True) -> Reconstruction:
  """Prunes and refits the pruned one of two networks.

  Args:
    networks: the networks; the pruned one has the returned values afterwards.
    masks: a mask of zeros and ones for each weight to prune, by the names of their constants.
    examples: examples of the inputs.
    selector: chooses the masks of each round; None keeps the masks as they are.
    show: whether to show progress.
  """
  networks.reset()
  layers = [layer for layer in networks.layers if layer.weight in masks]
  values: Dict[str, Array] = {}
  final = {layer.weight: _mask(masks, layer) for layer in layers if layer.shape}
  fits: List[Fit] = []
  alone = {layer.weight: networks.dense(layer.weight) * final[layer.weight]
           for layer in layers if layer.reason and layer.shape}
  values.update(alone)
  networks.set(alone)
  with progress.shown(sum(not layer.reason for layer in layers), show) as advance:
    for layer in layers:
      if layer.reason:
        fits.append(Fit(layer.weight, reason=layer.reason))
        continue
      found = refit(networks, layer, final[layer.weight], networks.moments(layer, examples),
                    selector)
      final[layer.weight] = found.mask
      values.update(found.values)
      networks.set(found.values)
      fits.append(found.fit)
      advance('%s: error %s' % (layer.weight, ' -> '.join(
          '%.4f' % error for error in (found.fit.masked, found.fit.refitted)
          if error is not None)))
  return Reconstruction(values, final, tuple(fits))


def _mask(masks: Mapping[str, Array], layer: Layer) -> Array:
  return np.asarray(masks[layer.weight], np.float32).reshape(layer.shape) != 0


class Refit(NamedTuple):
  """A layer that was refitted.

  Attributes:
    fit: its errors.
    mask: its mask, bool.
    values: the new values of the weight and of the bias, by the names of their constants.
  """
  fit: Fit
  mask: Array
  values: Dict[str, Array]


def refit(networks: Networks, layer: Layer, mask: Array, moments: Moments,
          selector: Optional[Selector] = None) -> Refit:
  """Returns a layer refitted to its moments; the networks do not change.

  Args:
    networks: have the dense values.
    layer: a layer that can be refitted.
    mask: its mask, bool of its shape.
    moments: its inputs as pruned so far, and its dense outputs.
    selector: see reconstruct.
  """
  design, shift = networks.design_of(layer), networks.shift_of(layer)
  dense = networks.dense(layer.weight)
  wide = design.matrices(dense.astype(np.float64))
  # With a bias to absorb their mean, outputs need to agree up to a constant only.
  centered = moments.centered() if shift is not None else moments

  def solved(mask: Array) -> Array:
    kept = design.matrices(mask)
    return np.stack([solve.refit(gram, cross, start, keep, moments.rows)
                     for gram, cross, start, keep in zip(
                         centered.gram, centered.cross, wide, kept)])

  final = mask
  # With few rows, a refit follows their noise, and the magnitudes after it say little.
  enough = 2 * moments.rows >= wide.shape[1] and 2 * wide.size * wide.shape[1] <= _MOST_WORK
  if selector is not None and not mask.all() and enough:
    final = _in_rounds(mask, lambda each: design.kernel(solved(each), layer.shape), dense,
                       selector, layer.weight)
  fitted = solved(final)
  error = errors_of(moments, centered, wide * design.matrices(mask), fitted)
  if not np.all(np.isfinite(fitted)):
    return Refit(Fit(layer.weight, error[0], reason='its inputs are too large to compute with'),
                 mask, {layer.weight: dense * mask})
  changed = {layer.weight: design.kernel(fitted, layer.shape).astype(dense.dtype)}
  if shift is not None:
    before = networks.dense(shift.constant)
    offset = moments.offset(fitted).reshape(before.shape)
    changed[shift.constant] = (before + shift.sign * offset).astype(before.dtype)
  return Refit(Fit(layer.weight, *error), final, changed)


def _in_rounds(mask: Array, solved: Callable[[Array], Array], dense: Array, selector: Selector,
               constant: str) -> Array:
  """Returns a mask with as many zeros as `mask`, chosen with a refit between the rounds."""
  current = dense
  *before, last = selector.sparsities(constant, mask, ROUNDS)
  for sparsity in before:
    current = solved(selector.choose(constant, current, sparsity))
  final = selector.choose(constant, current, last)
  # A pattern may count differently where units differ in size.
  return final if np.sum(final) == np.sum(mask) else mask


def errors_of(moments: Moments, centered: Moments, masked: Array,
            fitted: Array) -> Tuple[float, float]:
  """Returns the errors before and after a refit, both relative to the centered outputs.

  Before it, the means of the outputs differ too.

  Args:
    moments, centered: the moments, and those that were refitted to.
    masked, fitted: the matrices before and after, [groups, inputs, outputs].
  """
  scale = np.sum(centered.square) / max(np.sum(moments.square), 1e-300)
  before = moments.error(masked) / scale if scale else 0.0
  return before, centered.error(fitted)
