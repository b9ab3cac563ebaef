# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computes thresholds and masks from weights.

    weight, history -> saliency -> pattern.pool -> distribution -> pattern.select -> pattern.expand
    -> mask
"""

from typing import List, NamedTuple, Sequence, Tuple

from model_pruning.engine import distributions
from model_pruning.engine.distribution import Part
from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.engine.saliency import saliency_for
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor


class Cut(NamedTuple):
  """How a weight is cut into shards and into units."""
  layout: Layout
  pattern: Pattern


def choose(spec: PruningSpec, cuts: Sequence[Cut], reads: Sequence[Reads], sparsity: Tensor,
           previous_thresholds: Sequence[Tensor]) -> List[Tensor]:
  """Chooses the masks of the weights that are pruned together.

  Args:
    spec: the hyperparameters.
    cuts: per weight, how it is cut.
    reads: per weight, one reading of it and its history.
    sparsity: scalar tensor of selection.sparsity_dtype(number of units).
    previous_thresholds: per weight, a float32 scalar tensor.

  Returns:
    The threshold of every weight, float32 scalars; then the mask of every shard of every weight,
    bool tensors; then, if the saliency keeps a running average, the average of every shard,
    float32.
  """
  saliency = saliency_for(spec)
  averages: List[Tensor] = []
  parts = []
  for weight, (layout, pattern) in zip(reads, cuts):
    average = saliency.average(weight)
    averages.extend(average)
    parts.append(Part(layout, pattern, pattern.pool(saliency.scores(weight, average), layout)))
  thresholds, chosen = distributions.select(parts, sparsity, previous_thresholds, spec)
  masks = [mask for units, (layout, pattern) in zip(chosen, cuts)
           for mask in pattern.expand(units, layout)]
  return [*thresholds, *masks, *averages]


def choose_masks(together: PrunedTogether, weights: Sequence[Tensor], sparsity: Tensor,
                 previous_thresholds: Sequence[Tensor], spec: PruningSpec
                 ) -> Tuple[List[Tensor], List[Tensor]]:
  """Chooses the masks of weights that are not cut into shards and have no history.

  Args:
    together: the weights that are pruned together.
    weights: per member, a float32 tensor of its shape.
    sparsity: scalar tensor of selection.sparsity_dtype(together.units).
    previous_thresholds: per member, a float32 scalar tensor.
    spec: the hyperparameters.

  Returns:
    Per member the threshold, a float32 scalar, and the mask, a bool tensor of its shape.
  """
  chosen = choose(spec, cuts_of(together), [Reads([weight]) for weight in weights], sparsity,
                  previous_thresholds)
  return chosen[:len(weights)], chosen[len(weights):]


def cuts_of(together: PrunedTogether) -> Tuple[Cut, ...]:
  """Returns how each member is cut."""
  return tuple(Cut(record.layout, pattern) for record, pattern in together.members)
