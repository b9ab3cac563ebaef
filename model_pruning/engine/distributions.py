# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Lists the distributions, and chooses units by them."""

import dataclasses
from typing import Dict, List, Optional, Sequence, Tuple, Type

from model_pruning.compat import tf
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
from model_pruning.engine.selection import Selection
from model_pruning.hparams.spec import PruningSpec
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


def select(parts: Sequence[Part], sparsity: Tensor, previous_thresholds: Sequence[Tensor],
           spec: PruningSpec) -> Tuple[List[Tensor], List[List[Tensor]]]:
  """Chooses the units to keep of weights that are pruned together.

  Args:
    parts: the weights.
    sparsity: scalar tensor of selection.sparsity_dtype(number of units).
    previous_thresholds: per weight, a float32 scalar; threshold_decay needs them.
    spec: the hyperparameters.

  Returns:
    Per weight its threshold, a float32 scalar, and per weight and shard the mask over its units, a
    bool tensor. Weights without elements have masks without elements, and thresholds of 0.
  """
  filled = [part for part in parts if part.units]
  split = _split(filled, sparsity, spec) if filled else []
  if split is None:
    first = next(index for index, part in enumerate(parts) if part.units)
    chosen = filled[0].pattern.select([part.pooled for part in filled], sparsity,
                                      previous_thresholds[first], spec)
    masks = iter(chosen.masks)
    return [chosen.threshold] * len(parts), [
        next(masks) if part.units else _nothing(part).masks[0] for part in parts]
  remaining, each = iter(split), []
  for part, previous in zip(parts, previous_thresholds):
    each.append(part.pattern.select([part.pooled], next(remaining), previous, spec)
                if part.units else _nothing(part))
  return [one.threshold for one in each], [one.masks[0] for one in each]


def _split(parts: Sequence[Part], sparsity: Tensor, spec: PruningSpec) -> Optional[List[Tensor]]:
  """Returns the sparsity of each weight; None if there is one threshold."""
  if len(parts) < 2:
    return None
  keep = selection.keep_count(sum(part.units for part in parts), sparsity,
                              in_place if spec.use_tpu else outlined)
  return distribution_for(spec).split(parts, keep)


def _nothing(part: Part) -> Selection:
  """Returns the selection for a weight without elements."""
  return Selection(tf.constant(0.0), [[tf.zeros(shard.shape, tf.bool) for shard in part.pooled]])


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
