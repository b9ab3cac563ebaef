# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chooses channels to hide: those with the smallest norms, in all weights that have slices of them.

A channel has slices in several weights: the kernel that computes it, the kernels that read it, its
bias, its normalization. Its score is the L2 norm of all of them. The mask of a weight hides the
slices of all hidden channels.
"""

import dataclasses
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.engine.placement import on_device_of
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Array
from model_pruning.util.types import Numeric
from model_pruning.util.types import Tensor


class Slices(NamedTuple):
  """The slices of one weight along one axis that belong to the channels of a group.

  Attributes:
    weight: number of the weight in ChannelPlan.layouts.
    axis: number of the axis.
    indices: int64 [channels, slices per channel].
  """
  weight: int
  axis: int
  indices: Any


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelGroup:
  """Channels that compete with one another.

  Attributes:
    name: the name of the weight that produces them.
    channels: their number.
    own_target: the target sparsity from a map; None if target_sparsity applies.
    slices: their slices.
  """
  name: str
  channels: int
  own_target: Optional[float]
  slices: Tuple[Slices, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelPlan:
  """The channels of a model, and the weights with slices of them.

  Attributes:
    groups: the channels.
    layouts: per weight, how it is cut into shards.
    masked: numbers of the weights that have masks.
  """
  groups: Tuple[ChannelGroup, ...]
  layouts: Tuple[Layout, ...]
  masked: Tuple[int, ...]

  def target_of(self, weight: int, final: Callable[[Optional[float]], float],
                spec: PruningSpec) -> Optional[float]:
    """Returns the fraction of the elements that the mask of a weight hides in the end.

    Args:
      weight: number of the weight.
      final: the final sparsity of channels, by their target in a map.
      spec: the hyperparameters.

    Returns:
      None if the groups share a sparsity, so that the fraction depends on the values.
    """
    kept = [np.ones(size, bool) for size in self.layouts[weight].shape]
    for group in self.groups:
      for slices in group.slices:
        if slices.weight == weight:
          if spec.shares_target and group.own_target is None:
            return None
          # Which ones makes no difference, as each channel has equally many slices.
          stay = stays(group.channels, final(group.own_target), spec)
          kept[slices.axis][slices.indices[stay:].ravel()] = False
    return float(1 - np.prod([axis.mean() for axis in kept]))


class Chosen(NamedTuple):
  """The result of an update.

  Attributes:
    thresholds: per weight with a mask, the smallest norm that is kept, a float32 scalar: of the
      first group that has slices of the weight.
    masks: per weight with a mask and shard, a bool tensor of the shape of the shard.
  """
  thresholds: List[Tensor]
  masks: List[List[Tensor]]


def stays(channels: int, sparsity: float, spec: PruningSpec) -> int:
  """Returns how many channels of a group stay at a sparsity.

      hidden = round_half_to_even(channels * sparsity)

  At least min_channels stay, and their number is rounded up to a multiple of channels_multiple_of;
  a group with fewer channels stays whole.

  Args:
    channels: the number of channels of the group.
    sparsity: in [0, 1).
    spec: the hyperparameters.
  """
  hidden = int(np.rint(np.float32(channels) * np.float32(sparsity)))
  stay = max(channels - hidden, spec.min_channels)
  multiple = spec.channels_multiple_of
  return min(-(-stay // multiple) * multiple, channels)


def choose(plan: ChannelPlan, weights: Sequence[Sequence[Tensor]],
           sparsity_for: Callable[..., Tensor], spec: PruningSpec) -> Chosen:
  """Chooses the channels to hide, and returns the masks.

  A channel whose masked weights are all zero has norm 0, whatever its bias is: it is constant. Of
  channels with equal norms, the first stay.

  Args:
    plan: the channels.
    weights: per weight and shard, a float32 tensor.
    sparsity_for: takes the own target of a group, or None, and the dtype, and returns the sparsity.
    spec: the hyperparameters.
  """
  sums: Dict[Tuple[int, int], Tensor] = {}
  scores = [_scores(plan, group, weights, sums) for group in plan.groups]
  kept: Dict[int, Tensor] = {}
  shared = [number for number, group in enumerate(plan.groups)
            if spec.shares_target and group.own_target is None]
  if shared:
    kept.update(zip(shared, _keep_shared([scores[number] for number in shared], [
        plan.groups[number].channels for number in shared], sparsity_for(None, tf.float32), spec)))
  for number, group in enumerate(plan.groups):
    if number not in kept:
      kept[number] = _ranks(scores[number]) < _stay(
          group.channels, sparsity_for(group.own_target, tf.float32), spec)
  least = [_least(score, kept[number]) for number, score in enumerate(scores)]
  first: Dict[int, Tensor] = {}
  for number, group in enumerate(plan.groups):
    for slices in group.slices:
      first.setdefault(slices.weight, least[number])
  return Chosen([first[weight] for weight in plan.masked],
                [_masks(plan, weight, kept, weights[weight]) for weight in plan.masked])


def _scores(plan: ChannelPlan, group: ChannelGroup, weights: Sequence[Sequence[Tensor]],
            sums: Dict[Tuple[int, int], Tensor]) -> Tensor:
  """Returns the norms of channels, float64 [channels]; `sums` keeps sums that groups share."""
  total, masked = [], []
  for slices in group.slices:
    key = slices.weight, slices.axis
    if key not in sums:
      sums[key] = _sums_of_squares(weights[slices.weight], plan.layouts[slices.weight], slices.axis)
    total.append(tf.reduce_sum(tf.gather(sums[key], slices.indices), axis=1))
    if slices.weight in plan.masked:
      masked.append(total[-1])
  norms = tf.sqrt(tf.add_n(total))
  norms = tf.where(tf.equal(tf.add_n(masked), 0), tf.zeros_like(norms), norms)
  # A diverged model shows NaN in its loss, instead of a silently different mask.
  return tf.where(tf.math.is_finite(norms), norms, tf.fill(norms.shape, np.float64(np.inf)))


def _sums_of_squares(shards: Sequence[Tensor], layout: Layout, axis: int) -> Tensor:
  """Returns the sums of the squares of all slices along an axis, float64 [size of the axis]."""
  parts = []
  for shard in shards:
    with on_device_of(shard):  # Only the sums are sent to another device.
      parts.append(tf.reduce_sum(tf.square(tf.cast(shard, tf.float64)), axis=[
          other for other in range(len(layout.shape)) if other != axis]))
  if len(parts) == 1:
    return parts[0]
  return tf.concat(parts, axis=0) if layout.axis == axis else tf.add_n(parts)


def _stay(channels: int, sparsity: Tensor, spec: PruningSpec) -> Tensor:
  """Returns the result of `stays` for a scalar tensor, int32."""
  hidden = tf.cast(tf.round(channels * tf.cast(sparsity, tf.float32)), tf.int32)
  return _rounded_up(tf.maximum(channels - hidden, spec.min_channels), channels, spec)


def _rounded_up(stay: Tensor, channels: int, spec: PruningSpec) -> Tensor:
  multiple = spec.channels_multiple_of
  return tf.minimum((stay + (multiple - 1)) // multiple * multiple, channels)


def _ranks(scores: Tensor) -> Tensor:
  """Returns the rank of each score, int32: 0 for the largest, and of equal ones for the first."""
  order = tf.nn.top_k(scores, int(scores.shape[0])).indices
  return tf.math.invert_permutation(order)


def _keep_shared(scores: Sequence[Tensor], channels: Sequence[int], sparsity: Tensor,
                 spec: PruningSpec) -> List[Tensor]:
  """Returns which channels of groups to keep that share a sparsity, per group bool [channels].

  One threshold is over the norms of all groups, each divided by the norm of all channels of its
  group, as in Molchanov et al., "Pruning convolutional neural networks for resource efficient
  inference" (2017).
  """
  ranks = [_ranks(score) for score in scores]
  normalized = []
  for score, rank in zip(scores, ranks):
    norm = tf.sqrt(tf.reduce_sum(tf.square(score)))
    value = tf.where(tf.math.is_finite(score), score / tf.maximum(norm, 1e-300), score)
    # The largest ones always stay.
    normalized.append(tf.where(rank < min(spec.min_channels, int(score.shape[0])),
                               tf.fill(score.shape, np.float64(np.inf)), value))
  total = sum(channels)
  hidden = tf.cast(tf.round(total * tf.cast(sparsity, tf.float32)), tf.int32)
  together = _ranks(tf.concat(normalized, axis=0)) < total - hidden
  kept = []
  for rank, number, here in zip(ranks, channels, tf.split(together, list(channels))):
    stay = tf.maximum(tf.reduce_sum(tf.cast(here, tf.int32)), min(spec.min_channels, number))
    kept.append(rank < _rounded_up(stay, number, spec))
  return kept


def _least(scores: Tensor, kept: Tensor) -> Tensor:
  """Returns the smallest score that is kept, float32."""
  return tf.cast(tf.reduce_min(tf.where(kept, scores, tf.fill(scores.shape, np.float64(np.inf)))),
                 tf.float32)


def _masks(plan: ChannelPlan, weight: int, kept: Dict[int, Tensor], shards: Sequence[Tensor]
           ) -> List[Tensor]:
  """Returns the mask of each shard of a weight."""
  layout = plan.layouts[weight]
  stay: Dict[int, Tensor] = {}  # By axis, bool.
  for number, group in enumerate(plan.groups):
    for slices in group.slices:
      if slices.weight == weight:
        here = tf.gather(tf.concat([kept[number], [True]], axis=0),
                         _channel_of(slices, group.channels, layout.shape[slices.axis]))
        known = stay.get(slices.axis)
        stay[slices.axis] = here if known is None else tf.logical_and(known, here)
  masks = []
  for (begin, end), shard in zip(layout.spans, shards):
    with on_device_of(shard):
      mask: Numeric = tf.ones(shard.shape, tf.bool)
      for axis, vector in stay.items():
        if axis == layout.axis:
          vector = vector[begin:end]
        shape = [-1 if place == axis else 1 for place in range(len(layout.shape))]
        mask = tf.logical_and(mask, tf.reshape(vector, shape))
      masks.append(mask)
  return masks


def _channel_of(slices: Slices, channels: int, size: int) -> Array:
  """Returns the channel of each position of an axis, int32; `channels` where there is none."""
  found = np.full(size, channels, np.int32)
  found[slices.indices] = np.arange(channels)[:, np.newaxis]
  return found
