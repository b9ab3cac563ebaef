# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which weights are pruned together, and in which patterns."""

import dataclasses
from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.engine.pattern import Member
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec


@dataclasses.dataclass(frozen=True)
class PrunedTogether:
  """What has one threshold: a weight, or the members of a group.

  Attributes:
    name: that of the weight, or of the group.
    own_target: the target sparsity that a map gives it; None for target_sparsity.
    members: its weights.
  """
  name: str
  own_target: Optional[float]
  members: Tuple[Member, ...]

  @property
  def units(self) -> int:
    return sum(pattern.units(record.layout) for record, pattern in self.members)

  def fewest_zeros(self, sparsity: float) -> int:
    """Returns the smallest number of elements that masks of that sparsity hide."""
    return self.members[0].pattern.fewest_zeros(self.members, sparsity)


def plan(records: Sequence[Any], spec: PruningSpec,
         left: Collection[Any] = ()) -> List[PrunedTogether]:
  """Returns what is pruned together, in order of registration; see Member.record.

  Args:
    records: the weights that the maps of the spec go by.
    spec: how to prune.
    left: identities of the records that are not pruned.

  Raises:
    errors.MapError, errors.GroupError: the maps and groups of the spec do not fit the weights.
    errors.BlockError: N of M cannot serve a weight.
  """
  spec.check_weights([record.name for record in records], [record.group for record in records])
  plans: Dict[Tuple[Optional[str], Any], List[Member]] = {}
  for record in records:
    if record.identity in left:
      continue
    group = spec.group_for(record.group)
    key = (group, None) if group else (None, record.identity)
    plans.setdefault(key, []).append(Member(record, _pattern_for(record, group, spec)))
  return [PrunedTogether(group or members[0].record.name,
                         spec.mapped_sparsity(members[0].record.name, group), tuple(members))
          for (group, _), members in plans.items()]


def _pattern_for(record: Any, group: Optional[str], spec: PruningSpec) -> Pattern:
  try:
    pattern = pattern_for(record.layout.shape, spec.block_dims_for(record.name, group), spec)
    pattern.check_target(spec.target_for(record.name, group))
  except errors.BlockError as error:
    raise errors.BlockError('Weight %s: %s' % (record.name, error)) from error
  return pattern
