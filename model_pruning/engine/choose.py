# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""From weights to thresholds and masks.

    weight, history -> saliency -> pattern.pool -> pattern.select -> pattern.expand -> mask
"""

from typing import Any, List, NamedTuple, Sequence, Tuple

from model_pruning.engine.layout import Layout
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.engine.saliency import saliency_for
from model_pruning.hparams.spec import PruningSpec


class Cut(NamedTuple):
  """How a weight is cut, into shards and into units."""
  layout: Layout
  pattern: Pattern


def choose(spec: PruningSpec, cuts: Sequence[Cut], reads: Sequence[Reads], sparsity: Any,
           previous_threshold: Any) -> List[Any]:
  """Chooses the masks of the weights that are pruned together.

  Args:
    spec: the hyperparameters.
    cuts: per weight, how it is cut.
    reads: per weight, one reading.
    sparsity: scalar tensor of selection.sparsity_dtype(number of units).
    previous_threshold: float32 scalar tensor.

  Returns:
    The threshold, a float32 scalar; then the masks of every shard of every weight, bool tensors;
    then, where the saliency keeps one, the running average of every shard, float32.
  """
  saliency = saliency_for(spec)
  averages: List[Any] = []
  pooled = []
  for weight, (layout, pattern) in zip(reads, cuts):
    average = saliency.average(weight)
    averages.extend(average)
    pooled.append(pattern.pool(saliency.scores(weight, average), layout))
  chosen = cuts[0].pattern.select(pooled, sparsity, previous_threshold, spec)
  masks = [mask for units, (layout, pattern) in zip(chosen.masks, cuts)
           for mask in pattern.expand(units, layout)]
  return [chosen.threshold, *masks, *averages]


def choose_masks(together: PrunedTogether, weights: Sequence[Any], sparsity: Any,
                 previous_threshold: Any, spec: PruningSpec) -> Tuple[Any, List[Any]]:
  """Chooses the masks of weights that are in one piece and have no history.

  Args:
    together: the weights that are pruned together.
    weights: per member, a float32 tensor of its shape.
    sparsity: scalar tensor of selection.sparsity_dtype(together.units).
    previous_threshold: float32 scalar tensor.
    spec: the hyperparameters.

  Returns:
    The threshold, a float32 scalar, and per member the mask, a bool tensor of its shape.
  """
  threshold, *masks = choose(spec, cuts_of(together), [Reads([weight]) for weight in weights],
                             sparsity, previous_threshold)
  return threshold, masks


def cuts_of(together: PrunedTogether) -> Tuple[Cut, ...]:
  """Returns how each member is cut."""
  return tuple(Cut(record.layout, pattern) for record, pattern in together.members)
