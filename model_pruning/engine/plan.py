# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Plans which weights are pruned together, and in which pattern each one is."""

import dataclasses
from typing import Collection, Dict, Hashable, List, Optional, Sequence, Set, Tuple

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.engine.pattern import fewest_elements
from model_pruning.engine.pattern import Member
from model_pruning.engine.pattern import OneThreshold
from model_pruning.engine.pattern import Pattern
from model_pruning.engine.pattern import Record
from model_pruning.engine.patterns import pattern_for
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Tensor


@dataclasses.dataclass(frozen=True)
class PrunedTogether:
  """The weights under one threshold: a single weight, or the members of a group.

  Attributes:
    name: the name of the weight or of the group.
    own_target: the target sparsity from a map; None if target_sparsity applies.
    members: the weights and their patterns.
    kept: how many units a single weight keeps by a distribution; None to follow the sparsity.
  """
  name: str
  own_target: Optional[float]
  members: Tuple[Member, ...]
  kept: Optional[int] = None

  @property
  def units(self) -> int:
    """The number of units of all members."""
    return sum(pattern.units(record.layout) for record, pattern in self.members)

  def fewest_zeros(self, sparsity: float) -> int:
    """Returns the smallest number of elements that masks of a given sparsity may hide."""
    filled = [member for member in self.members if member.pattern.units(member.record.layout)]
    if not filled:
      return 0
    record, pattern = filled[0]
    if self.kept is not None and isinstance(pattern, OneThreshold):
      return fewest_elements(pattern.unit_sizes(record.layout), self.units - self.kept)
    return pattern.fewest_zeros(filled, sparsity)


def plan(records: Sequence[Record], spec: PruningSpec,
         excluded: Collection[Hashable] = (), whole: bool = True) -> List[PrunedTogether]:
  """Returns the weights that are pruned together, in order of registration.

  Args:
    records: all weights to which the maps of the spec apply.
    spec: the hyperparameters.
    excluded: identities of the records that are not pruned.
    whole: whether a key of a map of weights that matches none of the records is an error.

  Raises:
    errors.MapError, errors.GroupError: the maps and groups of the spec do not fit the weights.
    errors.BlockError: N of M does not fit a weight.
  """
  spec.check_weights([record.name for record in records], [record.group for record in records],
                     whole)
  plans: Dict[Tuple[Optional[str], Tensor], List[Member]] = {}
  for record in records:
    if record.identity in excluded:
      continue
    group = spec.group_for(record.group, record.name)
    key = (group, None) if group else (None, record.identity)
    plans.setdefault(key, []).append(Member(record, _pattern_for(record, group, spec)))
  for (group, _), members in plans.items():
    if group:
      _warn_of_unequal_units(members)
  return [PrunedTogether(group or members[0].record.name,
                         spec.mapped_sparsity(members[0].record.name, group), tuple(members))
          for (group, _), members in plans.items()]


def plan_training(records: Sequence[Record], spec: PruningSpec,
                  excluded: Collection[Hashable] = (), whole: bool = True) -> List[PrunedTogether]:
  """Does what plan does, and warns, once, of weights whose blocks are so large that all stay."""
  found = plan(records, spec, excluded, whole)
  for together in found:
    record, pattern = together.members[0]
    target = spec.target_sparsity if together.own_target is None else together.own_target
    unit = pattern.describe(record.layout).name
    if (unit and target and len(together.members) == 1 and not spec.shares_target and
        together.units and not together.fewest_zeros(target) and
        (together.name, unit) not in _warned):
      _warned.add((together.name, unit))
      logging.warning(
          '%s stays dense, and its target is %g: its mask hides whole %s, of which it has %d. Use '
          'smaller blocks, for example block_dims_map=[%s:4x1]', together.name, target, unit,
          together.units, together.name)
  return found


_warned: Set[Tuple[str, ...]] = set()  # The names of weights that a warning was about.


def _warn_of_unequal_units(members: Sequence[Member]) -> None:
  """Warns, once, if the units of weights that share a sparsity differ much in size.

  A sparsity counts units, whatever their size. If a block of 16 elements counts as much as a single
  element of another weight, the fraction of zero elements is not the target.
  """
  sizes = {record.name: int(np.prod(record.layout.shape, dtype=np.int64)) /
                        pattern.units(record.layout) for record, pattern in members
           if pattern.units(record.layout)}
  small, large = (choose(sizes, key=lambda name: sizes[name], default='')
                  for choose in (min, max))
  if not small or sizes[large] < 2 * sizes[small] or tuple(sizes) in _warned:
    return
  _warned.add(tuple(sizes))
  logging.warning(
      'Weights with units of different sizes share one sparsity, which counts units: %s has units '
      'of %.0f elements and %s of %.0f, so the fraction of zero elements differs from the target. '
      'Give one of them its own sparsity in weight_sparsity_map, or both the same block size',
      large, sizes[large], small, sizes[small])


def _pattern_for(record: Record, group: Optional[str], spec: PruningSpec) -> Pattern:
  try:
    pattern = pattern_for(record.layout.shape, spec.block_dims_for(record.name, group), spec)
    if not group or not spec.shares_target:  # By a distribution a weight may also stay dense.
      pattern.check_target(spec.target_for(record.name, group))
  except errors.BlockError as error:
    raise errors.BlockError('Weight %s: %s' % (record.name, error)) from error
  return pattern
