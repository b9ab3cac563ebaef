# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Lists the distributions, and chooses units by them."""

import dataclasses
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Type

from model_pruning.compat import tf
from model_pruning.engine import batches
from model_pruning.engine import selection
from model_pruning.engine.distribution import Distribution
from model_pruning.engine.distribution import Part
from model_pruning.engine.distribution import Share
from model_pruning.engine.erk import Erk
from model_pruning.engine.lamp import Lamp
from model_pruning.engine.pattern import Member
from model_pruning.engine.placement import in_place
from model_pruning.engine.placement import outlined
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.requests import Request
from model_pruning.engine.selection import Selection
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import DType
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class OverAll:
  """One threshold over the units of all weights: the highest scores are kept, wherever they are.

  With sparsity_distribution=uniform only the members of a group are pruned together.
  """

  @classmethod
  def create(cls, spec: PruningSpec) -> 'OverAll':
    """Returns the distribution."""
    del spec
    return cls()

  def split(self, parts: Sequence[Part], keep: Tensor) -> None:
    """Returns None: one threshold."""
    del parts, keep

  def shares(self, members: Sequence[Member], sparsity: float) -> None:
    """Returns None: the values of the weights decide."""
    del members, sparsity


# By the hyperparameter sparsity_distribution, whose values hparams/choices.py lists.
DISTRIBUTIONS: Dict[str, Type[Distribution]] = {
    'uniform': OverAll,
    'erk': Erk,
    'lamp': Lamp,
    'global': OverAll,
}


def distribution_for(spec: PruningSpec) -> Distribution:
  """Returns the distribution that a spec names."""
  return DISTRIBUTIONS[spec.distribution].create(spec)


class Together(NamedTuple):
  """Weights that are pruned together, at an update.

  Attributes:
    parts: the weights.
    sparsity: scalar tensor of selection.sparsity_dtype(number of units).
    previous_thresholds: per weight, a float32 scalar; threshold_decay needs them.
  """
  parts: Sequence[Part]
  sparsity: Tensor
  previous_thresholds: Sequence[Tensor]


class Chosen(NamedTuple):
  """The units to keep of weights that are pruned together.

  Attributes:
    thresholds: per weight, a float32 scalar.
    masks: per weight and shard, the mask over its units.
  """
  thresholds: List[Tensor]
  masks: List[List[Tensor]]


def select_each(groups: Sequence[Together], spec: PruningSpec, dtype: DType = tf.bool
                ) -> List[Chosen]:
  """Chooses the units to keep of all weights.

  Weights without elements have masks without elements, and alone thresholds of 0.

  Args:
    groups: the weights; the scores of small weights with one shard are on one device.
    spec: the hyperparameters.
    dtype: see batches.select_each.
  """
  requests = [_requests(group, spec) for group in groups]
  selected = iter(batches.select_each([request for some in requests for request in some], spec,
                                      dtype))
  return [_chosen(group.parts, [next(selected) for _ in some])
          for group, some in zip(groups, requests)]


def _requests(group: Together, spec: PruningSpec) -> List[Request]:
  """Returns one request for all weights with elements, or one for each of them."""
  filled = [(part, previous) for part, previous in zip(group.parts, group.previous_thresholds)
            if part.units]
  parts = [part for part, _ in filled]
  split = _split(parts, group.sparsity, spec) if filled else []
  if split is None:
    first, previous = filled[0]
    return [Request(first.layout, first.pattern, [part.pooled for part in parts], group.sparsity,
                    previous)]
  return [Request(part.layout, part.pattern, [part.pooled], sparsity, previous)
          for (part, previous), sparsity in zip(filled, split)]


def _chosen(parts: Sequence[Part], selections: Sequence[Selection]) -> Chosen:
  """Returns the choice for each weight, from the selections of its group's requests."""
  masks = iter([mask for one in selections for mask in one.masks])
  if len(selections) == 1:
    thresholds = [selections[0].threshold] * len(parts)
  else:
    remaining = iter(selections)
    thresholds = [next(remaining).threshold if part.units else tf.constant(0.0) for part in parts]
  return Chosen(thresholds, [
      next(masks) if part.units else [tf.zeros(shard.shape, tf.bool) for shard in part.pooled]
      for part in parts])


def _split(parts: Sequence[Part], sparsity: Tensor, spec: PruningSpec) -> Optional[List[Tensor]]:
  """Returns the sparsity of each weight; None if there is one threshold."""
  if len(parts) < 2:
    return None
  keep = selection.keep_count(sum(part.units for part in parts), sparsity,
                              in_place if spec.use_tpu else outlined)
  return distribution_for(spec).split(parts, keep)


def by_weight(together: PrunedTogether, target: float, spec: Optional[PruningSpec]
              ) -> List[Tuple[PrunedTogether, float]]:
  """Returns the weights of a group one by one, each with its own target, if these are known.

  Args:
    together: weights that are pruned together.
    target: their target sparsity.
    spec: the hyperparameters; None if unknown.

  Returns:
    Pairs of weights that are pruned together and their target: the single weights if the
    distribution gives each a target by its shape, and otherwise the group itself.
  """
  filled = [member for member in together.members if member.pattern.units(member.record.layout)]
  shares = distribution_for(spec).shares(filled, target) if spec and len(filled) > 1 else None
  if shares is None:
    return [(together, target)]
  found = {member.record.identity: share for member, share in zip(filled, shares)}
  result = []
  for member in together.members:
    share = found.get(member.record.identity, Share(target, 0))
    result.append((PrunedTogether(member.record.name, None, (member,), share.kept),
                   share.sparsity))
  return result
