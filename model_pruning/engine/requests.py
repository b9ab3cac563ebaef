# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is selected by one sparsity, and which of it is selected together with others."""

from typing import NamedTuple, Sequence, Tuple

from model_pruning.compat import tf
from model_pruning.engine import gpu_batches
from model_pruning.engine.counting import Shards
from model_pruning.engine.counting import size_of
from model_pruning.engine.elementwise import Elementwise
from model_pruning.engine.layout import Layout
from model_pruning.engine.layout import reshaped
from model_pruning.engine.n_of_m import NofM
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.placement import on_device_of
from model_pruning.engine.placement import on_gpu
from model_pruning.engine.selection import Selection
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor

# On a CPU, weights of more units than this gain nothing from it.
LARGEST = 1 << 16


class Request(NamedTuple):
  """Units to choose by one sparsity.

  Attributes:
    layout: how the first weight is cut into shards.
    pattern: how it is cut into units.
    pooled: per weight, the scores of its units by shard, the result of pattern.pool. The sign of
      scores is ignored where `takes` is true.
    sparsity: scalar tensor of selection.sparsity_dtype(number of units), or of float64.
    previous_threshold: float32 scalar; threshold_decay needs it.
  """
  layout: Layout
  pattern: Pattern
  pooled: Sequence[Shards]
  sparsity: Tensor
  previous_threshold: Tensor


def takes(layout: Layout, pattern: Pattern, spec: PruningSpec, weight: Tensor) -> bool:
  """Whether a weight by its own sparsity is selected together with others.

  Args:
    layout, pattern: how the weight is cut.
    spec: the hyperparameters.
    weight: the weight, or the scores of its units: a tensor on its device.
  """
  return takes_together([(layout, pattern)], spec, weight)


def takes_together(cuts: Sequence[Tuple[Layout, Pattern]], spec: PruningSpec, weight: Tensor
                   ) -> bool:
  """Whether weights on one device that share a sparsity are selected together with others.

  Args:
    cuts: how each weight is cut into shards and into units.
    spec: the hyperparameters.
    weight: the first weight, or the scores of its units.
  """
  if spec.threshold_method != 'exact' or spec.use_tpu:
    return False
  units = 0
  for layout, pattern in cuts:
    if not isinstance(pattern, OneThreshold) or len(layout.sizes) != 1:
      return False
    units += pattern.units(layout)
  return 0 < units <= (gpu_batches.LARGEST if on_gpu(weight) else LARGEST)


def takes_runs(layout: Layout, pattern: Pattern, spec: PruningSpec, weight: Tensor) -> bool:
  """Whether a weight is selected N of M together with others: on a GPU, without shorter runs.

  Args: see takes.
  """
  return (isinstance(pattern, NofM) and not spec.use_tpu and len(layout.sizes) == 1 and
          on_gpu(weight) and 0 < pattern.units(layout) <= gpu_batches.LARGEST and
          layout.shape[-2] % pattern.m == 0)


def joined(request: Request, spec: PruningSpec) -> Request:
  """Returns a request for one vector of all units, if they are few, and else the same request."""
  shards = [shard for pooled in request.pooled for shard in pooled]
  layout, pattern = Layout.whole([sum(size_of(shard) for shard in shards)]), Elementwise()
  if (len(shards) == 1 or any(len(pooled) != 1 for pooled in request.pooled) or
      len({shard.device for shard in shards}) > 1 or
      not isinstance(request.pattern, OneThreshold) or
      not takes(layout, pattern, spec, shards[0])):
    return request
  with on_device_of(shards[0]):
    units = tf.concat([reshaped(shard, [size_of(shard)]) for shard in shards], axis=0)
  return Request(layout, pattern, [[units]], request.sparsity, request.previous_threshold)


def apart(request: Request, chosen: Selection) -> Selection:
  """Returns the masks of the weights of a request, from the mask of the vector of all units."""
  if len(request.pooled) == len(chosen.masks):
    return chosen
  scores = [shard for shard, in request.pooled]
  with on_device_of(scores[0]):
    masks = gpu_batches.cut(chosen.masks[0][0], [size_of(score) for score in scores])
    return Selection(chosen.threshold, [[reshaped(mask, score.shape.as_list())]
                                        for mask, score in zip(masks, scores)])
