# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Computes thresholds and masks from weights.

    weight, history -> saliency -> pattern.pool -> distribution -> pattern.select -> pattern.expand
    -> mask
"""

from typing import List, NamedTuple, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.engine.block_batches import batches_of
from model_pruning.engine.distribution import Part
from model_pruning.engine.distributions import select_each
from model_pruning.engine.distributions import Together
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.layout import Layout
from model_pruning.engine.magnitude import Magnitude
from model_pruning.engine.n_of_m import NofM
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.placement import in_place
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.engine.requests import takes_runs
from model_pruning.engine.requests import takes_together
from model_pruning.engine.saliency import Saliency
from model_pruning.engine.saliency import saliency_for
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor


class Cut(NamedTuple):
  """How a weight is cut into shards and into units."""
  layout: Layout
  pattern: Pattern


class Job(NamedTuple):
  """Weights that are pruned together, as they are at an update.

  Attributes:
    cuts: per weight, how it is cut.
    reads: per weight, one reading of it and its history.
    sparsity: scalar tensor of selection.sparsity_dtype(number of units).
    previous_thresholds: per weight, a float32 scalar tensor.
  """
  cuts: Sequence[Cut]
  reads: Sequence[Reads]
  sparsity: Tensor
  previous_thresholds: Sequence[Tensor]


def is_light(job: Job, spec: PruningSpec) -> bool:
  """Whether the mask of a weight is chosen in operations that work on many weights at once."""
  (_, pattern), *others = job.cuts
  return (not others and isinstance(pattern, (Elementwise, NofM)) and
          isinstance(saliency_for(spec), Magnitude) and is_small(job, spec))


def is_small(job: Job, spec: PruningSpec) -> bool:
  """Whether a few operations select the units of this job together with other such jobs."""
  devices = {shard.device for reads in job.reads for shard in reads.weight}
  (layout, pattern), *others = job.cuts
  weight = job.reads[0].weight[0]
  return len(devices) == 1 and (
      takes_together(job.cuts, spec, weight) or
      not others and takes_runs(layout, pattern, spec, weight))


def overwrites_average(saliency: Saliency, reads: Reads) -> bool:
  """Whether the scores of a weight take the memory of its running average.

  To write the average, compute it again when the masks are chosen. Saliencies need no such method.
  """
  overwrites = getattr(saliency, 'overwrites', None)
  return overwrites is not None and overwrites(reads)


def choose_each(spec: PruningSpec, jobs: Sequence[Job], dtype: DType = tf.bool
                ) -> List[List[Tensor]]:
  """Chooses the masks of many weights.

  Args:
    spec: the hyperparameters.
    jobs: the weights.
    dtype: the masks of small weights are cast to it, all in one operation; others remain bool.

  Returns:
    Per job the threshold of every weight, float32 scalars; then the mask of every shard of every
    weight, bool or `dtype`; then, if the saliency keeps a running average, the average of every
    shard, float32, except of weights whose average the scores overwrite.
  """
  saliency = saliency_for(spec)
  cuts = [cut for job in jobs for cut in job.cuts]
  batched = batches_of([layout for layout, _ in cuts], [pattern for _, pattern in cuts],
                       [reads.weight for job in jobs for reads in job.reads])
  in_batch = {member for batch in batched for member in batch.members}
  takes_magnitudes = isinstance(saliency, Magnitude)
  averages: List[List[Tensor]] = []
  scores: List[List[Tensor]] = []
  for job in jobs:
    averages.append([])
    for reads in job.reads:
      average = saliency.average(reads)
      if not overwrites_average(saliency, reads):
        averages[-1].extend(average)
      # A batch takes the magnitudes of all its weights in one operation.
      raw = is_light(job, spec) or takes_magnitudes and len(scores) in in_batch
      scores.append(reads.weight if raw else saliency.scores(reads, average))
  pooled = [scores[index] if index in in_batch else pattern.pool(scores[index], layout)
            for index, (layout, pattern) in enumerate(cuts)]
  for batch in batched:
    units = in_place(batch.pool, *(scores[member][0] for member in batch.members))
    for member, vector in zip(batch.members, units):
      pooled[member] = [vector]
  parts = iter([Part(layout, pattern, units) for (layout, pattern), units in zip(cuts, pooled)])
  groups = [Together([next(parts) for _ in job.cuts], job.sparsity, job.previous_thresholds)
            for job in jobs]
  selected = select_each(groups, spec, dtype)
  masks = [shards for chosen in selected for shards in chosen.masks]
  expanded = [masks[index] if index in in_batch else pattern.expand(masks[index], layout)
              for index, (layout, pattern) in enumerate(cuts)]
  for batch in batched:
    whole = in_place(batch.expand, *(masks[member][0] for member in batch.members))
    for member, mask in zip(batch.members, whole):
      expanded[member] = [mask]
  remaining = iter(expanded)
  return [[*chosen.thresholds, *(mask for _ in job.cuts for mask in next(remaining)), *history]
          for job, chosen, history in zip(jobs, selected, averages)]


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
  chosen, = choose_each(spec, [Job(cuts_of(together), [Reads([weight]) for weight in weights],
                                   sparsity, previous_thresholds)])
  return chosen[:len(weights)], chosen[len(weights):]


def cuts_of(together: PrunedTogether) -> Tuple[Cut, ...]:
  """Returns how each member is cut."""
  return tuple(Cut(record.layout, pattern) for record, pattern in together.members)
