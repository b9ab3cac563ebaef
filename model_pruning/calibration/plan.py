# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A plan: the sparsity of each weight, and the expected loss."""

import dataclasses
import json
from typing import Optional, Tuple

import numpy as np

from model_pruning.calibration.losses import at_most
from model_pruning.calibration.losses import Loss
from model_pruning.util import tables


@dataclasses.dataclass(frozen=True)
class PlannedWeight:
  """The plan for one weight.

  Attributes:
    name: its name.
    shape: its shape.
    sparsity: its target, which N of M rounds down to whole elements of a run.
    kept: number of elements that it keeps.
    bytes: its bytes then, stored sparse or dense, whichever is less.
    flops: its FLOPs per example then; None if they are unknown.
  """
  name: str
  shape: Tuple[int, ...]
  sparsity: float
  kept: int
  bytes: int
  flops: Optional[float]

  @property
  def size(self) -> int:
    return int(np.prod(self.shape, dtype=np.int64))


@dataclasses.dataclass(frozen=True)
class Plan:
  """The sparsity of each weight, and the expected loss.

  Attributes:
    hparams: the HParams string for a training job or for prune, which take it as it is.
    weights: one PlannedWeight for each weight, in the order of the data.
    loss: the loss after pruning and refitting by the plan, on examples that were not fitted.
    judged: number of these examples.
  """
  hparams: str
  weights: Tuple[PlannedWeight, ...]
  loss: Loss
  judged: int

  @property
  def sparsity(self) -> float:
    """The fraction of zeros over all weights."""
    return total_sparsity(self.weights)

  @property
  def bytes(self) -> int:
    return sum(weight.bytes for weight in self.weights)

  def table(self, width: int = tables.WIDTH) -> str:
    """Returns a table of the weights, and the expected loss."""
    rows = [[weight.name, tables.shape_text(weight.shape), tables.fraction(weight.sparsity),
             '{:,}'.format(weight.kept),
             tables.scaled(weight.bytes, 'B'), tables.scaled(weight.flops)]
            for weight in self.weights]
    rows.append(['total', '', tables.fraction(self.sparsity),
                 '{:,}'.format(sum(weight.kept for weight in self.weights)),
                 tables.scaled(self.bytes, 'B'), tables.scaled(_total_flops(self.weights))])
    text = [tables.fitted(['weight', 'shape', 'sparsity', 'kept', 'bytes', 'FLOP'], rows, width,
                          left=2), '']
    text += tables.wrapped(
        'Expected after pruning and refitting, on %d examples that were not fitted: %s.' % (
            self.judged, ', '.join('%s %.4f' % item for item in {
                self.loss.name: self.loss.loss,
                'relative error of the outputs': self.loss.error}.items())), width)
    if self.loss.changed is not None:
      text += tables.wrapped(
          'With 95 %% confidence, at most %.4f of the answers to other inputs of this kind '
          'change.' % at_most(self.loss.changed, self.judged), width)
    return '\n'.join(text)

  def to_json(self) -> str:
    """Returns all numbers as JSON."""
    return json.dumps({
        'hparams': self.hparams, 'sparsity': self.sparsity, 'bytes': self.bytes,
        'flops': _total_flops(self.weights), 'judged_examples': self.judged,
        'loss': self.loss._asdict(),
        'weights': [dataclasses.asdict(weight) for weight in self.weights]}, indent=2)


def total_sparsity(weights: Tuple[PlannedWeight, ...]) -> float:
  """Returns the fraction of zeros over all weights."""
  size = sum(weight.size for weight in weights)
  return 1 - sum(weight.kept for weight in weights) / max(size, 1)


def _total_flops(weights: Tuple[PlannedWeight, ...]) -> Optional[float]:
  known = [weight.flops for weight in weights if weight.flops is not None]
  return sum(known) if len(known) == len(weights) else None
