# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Refits the weights that masks keep to examples, layer after layer, without training.

Each layer is given its inputs in the network as pruned so far, and its outputs in the dense
network. The kept weights are those of the least squares between the two (solve.py), so a layer
also repairs the errors of the layers before it. The bias takes the mean of what remains, or, if a
batch normalization follows, its moving mean does.
"""

import dataclasses
from typing import Any, Container, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from model_pruning.calibration import progress
from model_pruning.calibration import solve
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.moments import Moments
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.wiring import Layer
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef


@dataclasses.dataclass(frozen=True)
class Fit:
  """What became of one weight.

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
    fits: a Fit for each weight, in the order of the data.
  """
  values: Dict[str, Array]
  fits: Tuple[Fit, ...]


def reconstruct(graph_def: GraphDef, masks: Mapping[str, Array], examples: Any,
                inputs: Sequence[str], outputs: Sequence[str],
                variables: Optional[Container[str]] = None) -> Reconstruction:
  """Returns the values of a model that is pruned by masks and refitted to examples.

  Args:
    graph_def: the dense model, a GraphDef of constants. It is not changed.
    masks: a mask of zeros and ones for each weight to prune, by the names of their constants.
    examples: see examples.Examples.
    inputs: names of the placeholders for the examples; [] for all.
    outputs: names of the outputs.
    variables: names of the constants that may change besides weights, such as biases; None for all.

  Raises:
    errors.ExamplesError: the examples do not fit the model, or are too few.
    errors.OutputNodeError: an input or output is not in the graph.
    errors.ModelFileError: TensorFlow cannot use the graph.
  """
  with Networks(graph_def, list(masks), inputs, outputs, variables) as networks:
    return refit_all(networks, masks, Examples(examples, networks.inputs))


def refit_all(networks: Networks, masks: Mapping[str, Array], examples: Examples,
              show: bool = True) -> Reconstruction:
  """Prunes and refits the pruned one of two networks; see reconstruct.

  Args:
    networks: the networks; the pruned one has the returned values afterwards.
    masks, examples: see reconstruct.
    show: whether to show progress.
  """
  networks.reset()
  layers = [layer for layer in networks.layers if layer.weight in masks]
  values: Dict[str, Array] = {}
  fits: List[Fit] = []
  for layer in layers:
    if layer.shape:
      values[layer.weight] = networks.dense(layer.weight) * _mask(masks, layer)
  networks.set({layer.weight: values[layer.weight] for layer in layers
                if layer.reason and layer.shape})
  with progress.shown(sum(not layer.reason for layer in layers), show) as advance:
    for layer in layers:
      if layer.reason:
        fits.append(Fit(layer.weight, reason=layer.reason))
        continue
      fit, changed = _refit(networks, layer, _mask(masks, layer),
                            networks.moments(layer, examples), values)
      values.update(changed)
      networks.set(changed)
      fits.append(fit)
      advance('%s: error %s' % (layer.weight, ' -> '.join(
          '%.4f' % error for error in (fit.masked, fit.refitted) if error is not None)))
  return Reconstruction(values, tuple(fits))


def _mask(masks: Mapping[str, Array], layer: Layer) -> Array:
  return np.asarray(masks[layer.weight], np.float32).reshape(layer.shape) != 0


def _refit(networks: Networks, layer: Layer, mask: Array, moments: Moments,
           values: Mapping[str, Array]) -> Tuple[Fit, Dict[str, Array]]:
  """Returns the fit of a layer, and the values that change."""
  design, shift = networks.design_of(layer), networks.shift_of(layer)
  dense = networks.dense(layer.weight)
  wide, kept = design.matrices(dense.astype(np.float64)), design.matrices(mask)
  # With a bias to absorb their mean, outputs need to agree up to a constant only.
  centered = moments.centered() if shift is not None else moments
  fitted = np.stack([
      solve.refit(gram, cross, start, keep)
      for gram, cross, start, keep in zip(centered.gram, centered.cross, wide, kept)])
  error = _errors(moments, centered, wide * kept, fitted)
  if not np.all(np.isfinite(fitted)):
    return Fit(layer.weight, error[0], reason='its inputs are too large to compute with'), {
        layer.weight: values[layer.weight]}
  changed = {layer.weight: design.kernel(fitted, layer.shape).astype(dense.dtype)}
  if shift is not None:
    before = networks.dense(shift.constant)
    offset = moments.offset(fitted).reshape(before.shape)
    changed[shift.constant] = (before + shift.sign * offset).astype(before.dtype)
  return Fit(layer.weight, *error), changed


def _errors(moments: Moments, centered: Moments, masked: Array,
            fitted: Array) -> Tuple[float, float]:
  """Returns the errors before and after the refit, both relative to the centered outputs.

  Before it, the means of the outputs differ too.
  """
  scale = np.sum(centered.square) / max(np.sum(moments.square), 1e-300)
  before = moments.error(masked) / scale if scale else 0.0
  return before, centered.error(fitted)
