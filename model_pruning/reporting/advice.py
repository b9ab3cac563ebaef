# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The hyperparameters that findings recommend, written so that the run's spec accepts them.

How to change a weight's target depends on the rest of the spec: a single weight needs an entry in
weight_sparsity_map, a group an entry in group_sparsity_map, and with global_pruning there is only
one target. The recommended entries are merged with the entries the run's maps already have.
"""

import dataclasses
import math
import re
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.export.tflite.names import map_key
from model_pruning.hparams.maps import lookup
from model_pruning.hparams.maps import lookup_group
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading.goals import goals_of
from model_pruning.reading.goals import Masked
from model_pruning.reading.stored_spec import StoredSpec
from model_pruning.reporting.finding import NAMED
from model_pruning.reporting.weight import WeightReport

_HIGHEST, _STEP = 0.8, 0.2


def lower_than(target: Optional[float]) -> float:
  """Returns a lower target to try when this one removed too much; 0.8 for None."""
  if target is None or target > _HIGHEST + 0.05:
    return _HIGHEST
  return max(0.0, round(target - _STEP, 2))


class Advice:
  """Recommends hyperparameters for the weights of a model; the first advice for a weight stands."""

  def __init__(self, weights: Sequence[WeightReport]) -> None:
    """Takes all weights of the model."""
    self._weights = list(weights)
    self._names = [weight.name for weight in weights]
    self._lowered: Dict[str, float] = {}

  def spec_of(self, weight: WeightReport) -> Optional[PruningSpec]:
    """Returns the hyperparameters with which a weight was pruned; None if unknown."""
    goal = weight.details.goal
    return goal.spec if goal else None

  def is_global(self, weight: WeightReport) -> bool:
    """Whether the whole model has a single target."""
    spec = self.spec_of(weight)
    return bool(spec and spec.global_pruning and spec.sparsity_distribution == 'uniform')

  def is_shared(self, weight: WeightReport) -> bool:
    """Whether a weight shares target_sparsity with others, by a distribution."""
    spec = self.spec_of(weight)
    return bool(spec and spec.shares_target)

  def target_by_shape(self, weight: WeightReport) -> Optional[float]:
    """Returns the target that a weight would have by sparsity_distribution=erk; None if unknown."""
    spec, masked = self.spec_of(weight), [each for each in self._weights if each.masked]
    if spec is None:
      return None
    try:
      found = goals_of([Masked(each.name, each.shape) for each in masked], StoredSpec(
          dataclasses.replace(spec, sparsity_distribution='erk'), None))
    except errors.PruningError:
      return None
    goal = found[[id(each) for each in masked].index(id(weight))]
    return goal.target if goal else None

  def pool_of(self, weight: WeightReport) -> Optional[str]:
    """Returns the group that shares one target with a weight; None if the weight has its own."""
    goal = weight.details.goal
    return (goal.pool if goal.spec else goal.group) if goal else None

  def is_n_of_m(self, weight: WeightReport) -> bool:
    """Whether a weight is pruned N of M."""
    goal = weight.details.goal
    return bool(goal and goal.spec and goal.spec.intra_block_sparsity)

  def lowered(self, weight: WeightReport) -> Optional[float]:
    """Returns the target that an earlier finding recommends; None if none does."""
    return self._lowered.get(weight.name)

  def note(self, weights: Sequence[WeightReport], target: float) -> None:
    """Records that a finding recommends this target for these weights."""
    for weight in weights:
      self._lowered.setdefault(weight.name, target)

  def targets(self, wanted: Sequence[Tuple[WeightReport, float]], n_of_m: bool = True) -> str:
    """Returns the hyperparameters that give these weights these targets; '' for no weights.

    Args:
      wanted: the weights and their targets.
      n_of_m: whether N of M weights stay N of M and get a target that N of M can reach.
    """
    own = [(weight, self._value(weight, target) if n_of_m else '%g' % round(target, 4))
           for weight, target in wanted if self.pool_of(weight) is None]
    pools: Dict[str, float] = {}
    for weight, target in wanted:
      pool = self.pool_of(weight)
      if pool is not None:
        pools[pool] = min(target, pools.get(pool, target))
    clauses = [self._map('weight_sparsity_map', own)]
    if pools and any(self.is_global(weight) for weight, _ in wanted):
      clauses.append('target_sparsity=%g' % round(min(pools.values()), 4))
    elif pools:
      clauses.append(self._group_map(pools, wanted))
    return ','.join(filter(None, clauses))

  def singly(self, wanted: Sequence[Tuple[WeightReport, float]]) -> str:
    """Returns the hyperparameters that give each weight of a global pruning its own threshold."""
    return 'global_pruning=false,' + self._map('weight_sparsity_map', [
        (weight, '%g' % round(target, 4)) for weight, target in wanted])

  def blocks(self, wanted: Sequence[Tuple[WeightReport, str]]) -> str:
    """Returns the hyperparameters that prune weights in blocks HEIGHTxWIDTH; '' for no weights."""
    if not wanted:
      return ''
    if any(self.is_n_of_m(weight) for weight, _ in wanted):
      return 'intra_block_sparsity=false,block_width=1,' + self._map(
          'block_dims_map', wanted, merge=False)
    return self._map('block_dims_map', wanted)

  def _value(self, weight: WeightReport, target: float) -> str:
    goal = weight.details.goal
    if self.is_n_of_m(weight) and goal is not None and goal.unit:
      # The spec refuses a target that drops no input of a run, except 0.
      target = math.ceil(1e4 * math.floor(goal.height * target + 1e-6) / goal.height) / 1e4
    return '%g' % round(target, 4)

  def _map(self, hparam: str, wanted: Sequence[Tuple[WeightReport, str]],
           merge: bool = True) -> str:
    if not wanted:
      return ''
    specs = {id(self.spec_of(weight)): self.spec_of(weight) for weight, _ in wanted}
    spec = next(iter(specs.values())) if len(specs) == 1 and merge else None
    return _entries(
        hparam, getattr(spec, hparam) if spec else (),
        [(weight.name, value) for weight, value in wanted],
        [weight.name for weight in self._weights if weight.masked], lookup,
        lambda name: map_key(name, self._names))

  def _group_map(self, pools: Dict[str, float],
                 wanted: Sequence[Tuple[WeightReport, float]]) -> str:
    specs = [self.spec_of(weight) for weight, _ in wanted if self.pool_of(weight)]
    spec = next(filter(None, specs), None)
    names = list(dict.fromkeys(filter(None, map(self.pool_of, self._weights))))
    return _entries('group_sparsity_map', spec.group_sparsity_map if spec else (),
                    [(pool, '%g' % round(target, 4)) for pool, target in pools.items()],
                    names, lookup_group, lambda name: _group_key(name, names))


def _group_key(name: str, others: Sequence[str]) -> str:
  """Returns a key that matches only this group: its name, unless other groups contain it."""
  key = re.escape(name).replace(r'\-', '-')
  if key == name and not any(name in other for other in others if other != name):
    return name
  return '^' + key + '$'


def _entries(hparam: str, own: Sequence[Tuple[str, Any]], wanted: Sequence[Tuple[str, str]],
             names: Sequence[str], find: Callable[..., Any], key: Callable[[str], str]) -> str:
  """Returns 'hparam=[key:value,...]' with the run's own entries and the wanted ones.

  A name may match only one key. An entry of the run that also matches a wanted name is therefore
  replaced by one entry for each other name it matches. If there are too many names for a
  sentence, the first stands for all: 'hparam=[key:value,...]'.

  Args:
    hparam: name of the map.
    own: its entries in the run.
    wanted: names and their new values.
    names: all names that the map's keys are searched in.
    find: maps.lookup or maps.lookup_group.
    key: returns a key that matches one name alone.
  """
  replaced, texts = {name for name, _ in wanted}, []
  for entry in own:
    matched = [name for name in names if find(hparam, [entry], name) is not None]
    if not replaced.intersection(matched):
      texts.append('%s:%s' % (entry[0], _text(entry[1])))
    else:
      texts += ['%s:%s' % (key(name), _text(entry[1])) for name in matched if name not in replaced]
  shown = wanted if len(wanted) <= NAMED else wanted[:1]
  texts += ['%s:%s' % (key(name), value) for name, value in shown]
  return '%s=[%s]' % (hparam, ','.join(texts + ['...'] * (len(shown) < len(wanted))))


def _text(value: Any) -> str:
  return '%dx%d' % value if isinstance(value, tuple) else '%g' % value
