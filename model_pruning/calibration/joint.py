# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Refits all layers of a pruned model together, by gradient steps on unlabeled examples.

A refit layer after layer solves a linear problem for each, and cannot change the features that the
layers before it compute. Where many channels are gone, the features that stay have to change. The
joint refit minimizes the distance between the outputs of the pruned and of the dense model,

    sum over outputs of ||pruned - dense||^2 / ||dense - mean||^2,

with respect to all kernels and biases, which is distillation without labels (Ba and Caruana, 2014,
"Do deep nets really need to be deep?"). The distance is measured in front of a softmax. The steps
use Adam (Kingma and Ba, 2015). Their rate is relative to the size of each weight, as in Adafactor
(Shazeer and Stern, 2018), so that one rate fits weights of any scale.
"""

from typing import Dict, Mapping

from absl import logging
import numpy as np

from model_pruning.calibration import progress
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.networks import Networks
from model_pruning.util.types import Array

RATE = 0.05  # The first steps change each element by this fraction of the weight's RMS.
_BATCH = 64  # Examples for each step.
_WARM_UP = 30  # Steps in which the rate grows: the means of squares are not known at first.
_DECAY, _SQUARE_DECAY = 0.9, 0.99


class Joint:
  """The joint refit of the pruned one of two networks."""

  def __init__(self, networks: Networks, steps: int) -> None:
    """Adds the gradients to the graph.

    Args:
      networks: the networks.
      steps: the number of steps.

    Raises:
      errors.ChannelError: TensorFlow cannot differentiate the outputs.
    """
    self._networks, self._steps = networks, steps
    self._gradients = networks.gradients()

  def refit(self, values: Mapping[str, Array], masks: Mapping[str, Array],
            examples: Examples) -> Dict[str, Array]:
    """Changes the pruned network to values with smaller differences of the outputs.

    Args:
      values: the values of the pruned network that differ from the dense ones.
      masks: bool, the elements that may differ from 0, by the names of constants.
      examples: examples of the inputs.

    Returns:
      New values by the names of constants; the given ones if the outputs came no closer.
    """
    networks, gradients = self._networks, self._gradients
    begin = {name: np.asarray(values.get(name, networks.dense(name) * masks[name]))
             for name in gradients.names}
    if not begin or not self._steps:
      return dict(values)
    # A bias changes in proportion to the outputs that it adds to.
    scales = {**{name: _size(value, masks[name]) for name, value in begin.items()},
              **gradients.spreads(next(examples.batches(_BATCH)))}
    gradients.measure(examples.batches(_BATCH))
    before = gradients.loss(examples.batches(_BATCH))
    adam = _Adam(begin, scales)
    with progress.shown(self._steps, unit='step') as advance:
      for step, batch in zip(range(self._steps), examples.shuffled(_BATCH)):
        loss, found = gradients.run(batch)
        rate = RATE * min(1, (step + 1) / _WARM_UP) * (
            0.5 + 0.5 * np.cos(np.pi * step / self._steps))
        adam.step({name: gradient * masks[name] for name, gradient in found.items()}, rate)
        networks.set(adam.values)
        advance('all layers together: error %.4f' % loss)
    if not gradients.loss(examples.batches(_BATCH)) < before:
      networks.set(begin)
      logging.warning(
          'joint_steps=%d: the outputs came no closer to the outputs of the dense model, so the '
          'weights of the refit before stay. Features of very different sizes need to be scaled '
          'first, and few examples do not suffice', self._steps)
      return dict(values)
    return {**values, **{name: value.astype(begin[name].dtype)
                         for name, value in adam.values.items()}}


def _size(value: Array, mask: Array) -> float:
  """Returns the root mean square of the elements that the mask keeps."""
  return float(np.sqrt(np.sum(np.square(value.astype(np.float64))) / max(np.sum(mask), 1)))


class _Adam:
  """Adam on arrays.

  Attributes:
    values: the values, float32, by their names.
  """

  def __init__(self, values: Mapping[str, Array], scales: Mapping[str, float]) -> None:
    self.values = {name: value.astype(np.float32) for name, value in values.items()}
    self._scales = scales
    self._means, self._squares = ({name: np.zeros_like(value) for name, value in (
        self.values.items())} for _ in range(2))
    self._steps = 0

  def step(self, gradients: Mapping[str, Array], rate: float) -> None:
    """Changes the values against their gradients; not at all if one of these is not finite."""
    if not all(np.all(np.isfinite(each)) for each in gradients.values()):
      return
    self._steps += 1
    for name, gradient in gradients.items():
      mean, square = self._means[name], self._squares[name]
      mean += (1 - _DECAY) * (gradient - mean)
      square += (1 - _SQUARE_DECAY) * (np.square(gradient) - square)
      change = mean / (1 - _DECAY**self._steps) / (
          np.sqrt(square / (1 - _SQUARE_DECAY**self._steps)) + 1e-30)
      self.values[name] = self.values[name] - np.float32(rate * self._scales[name]) * change
