# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sums of products of a layer's inputs and outputs over the examples, as a refit needs them."""

import dataclasses
import numpy as np

from model_pruning.util.types import Array


@dataclasses.dataclass
class Moments:
  """Second moments of the inputs and outputs of a layer, summed over rows in float64.

  Attributes:
    gram: sum of x^T x, [groups, inputs, inputs].
    cross: sum of x^T y, [groups, inputs, outputs].
    inputs: sum of x, [groups, inputs].
    outputs: sum of y, [groups, outputs].
    square: sum of y^2, [groups, outputs].
    rows: number of rows.
  """
  gram: Array
  cross: Array
  inputs: Array
  outputs: Array
  square: Array
  rows: int = 0

  @classmethod
  def zeros(cls, groups: int, inputs: int, outputs: int) -> 'Moments':
    """Returns the moments of no rows."""
    return cls(np.zeros([groups, inputs, inputs]), np.zeros([groups, inputs, outputs]),
               np.zeros([groups, inputs]), np.zeros([groups, outputs]), np.zeros([groups, outputs]))

  @staticmethod
  def bytes(groups: int, inputs: int, outputs: int) -> int:
    """Returns the memory that moments take."""
    return 8 * groups * inputs * (inputs + outputs)

  def add(self, inputs: Array, outputs: Array) -> None:
    """Adds rows.

    Args:
      inputs: [rows, groups, inputs].
      outputs: [rows, groups, outputs].
    """
    for group in range(inputs.shape[1]):
      x = inputs[:, group].astype(np.float64)
      y = outputs[:, group].astype(np.float64)
      self.gram[group] += x.T @ x
      self.cross[group] += x.T @ y
      self.inputs[group] += x.sum(axis=0)
      self.outputs[group] += y.sum(axis=0)
      self.square[group] += (y * y).sum(axis=0)
    self.rows += len(inputs)

  def centered(self) -> 'Moments':
    """Returns the moments about the means, with which a bias is eliminated."""
    rows = max(self.rows, 1)
    means = self.inputs / rows
    return Moments(
        self.gram - means[:, :, np.newaxis] * self.inputs[:, np.newaxis, :],
        self.cross - means[:, :, np.newaxis] * self.outputs[:, np.newaxis, :],
        np.zeros_like(self.inputs), np.zeros_like(self.outputs),
        self.square - self.outputs**2 / rows, self.rows)

  def error(self, matrices: Array) -> float:
    """Returns ||X W - Y||^2 / ||Y||^2, at least 0.

    Args:
      matrices: W, [groups, inputs, outputs].
    """
    wrong = (np.sum(self.square) - 2 * np.sum(matrices * self.cross) +
             np.sum(matrices * (self.gram @ matrices)))
    scale = np.sum(self.square)
    return float(max(wrong, 0.0) / scale) if scale > 0 else 0.0

  def offset(self, matrices: Array) -> Array:
    """Returns the mean of Y - X W, [groups, outputs]: the change of the bias that fits best."""
    predicted = np.einsum('gi,gio->go', self.inputs, matrices)
    return (self.outputs - predicted) / max(self.rows, 1)
