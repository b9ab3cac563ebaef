# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The target sparsity of each weight of a model, and whether its mask meets the target.

A target is met by the rule that PruningHook applies at the end of training: by the number of
elements that the mask of a weight, or the masks of a group, hide.
"""

import dataclasses
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning import names
from model_pruning.engine.distributions import by_weight
from model_pruning.engine.layout import Layout
from model_pruning.engine.plan import plan
from model_pruning.engine.plan import PrunedTogether
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading.stored import without_part
from model_pruning.reading.stored_spec import among
from model_pruning.reading.stored_spec import StoredSpec
from model_pruning.util.types import MetaGraphDef


@dataclasses.dataclass(frozen=True)
class Goal:
  """The target of a weight's mask.

  Attributes:
    target: the target sparsity, a fraction of the units (elements or blocks).
    group: name of the group that shares one threshold; None for a weight with its own.
    fewest_zeros: the number of elements that the group's (or weight's) masks must hide to
      meet the target.
    unit: what is pruned as a whole: '' for single elements, 'blocks of 16x1', 'runs of 4 inputs'.
    units: number of units of the group (or weight).
    end_step: the first step at which the schedule requests the target; None if unknown.
    by_columns: whether a unit covers at least a whole output.
    height: number of inputs in a block, or in a run of N of M.
    spec: the hyperparameters with which the weight is pruned; None if unknown.
    pool: the group under which the spec's maps know the weight, even if it has no other
      member; None for a weight that they know by its own name.
  """
  target: float
  group: Optional[str]
  fewest_zeros: int
  unit: str = ''
  units: int = 0
  end_step: Optional[int] = None
  by_columns: bool = False
  height: int = 1
  spec: Optional[PruningSpec] = None
  pool: Optional[str] = None


class Masked(NamedTuple):
  """A weight with a mask, in the form that plans of updates take."""
  name: str
  shape: Tuple[int, ...]
  group: Optional[str] = None
  identity: Any = None

  @property
  def layout(self) -> Layout:
    return Layout.whole(self.shape)


@dataclasses.dataclass(frozen=True)
class StoredGoals:
  """The targets that a model stores for its weights.

  Attributes:
    stored: the spec stored in its graph; None if there is none.
    groups: the names of groups, by the names of the weights whose masks are in one.
    known: goals by the names of weights, for models that store them weight by weight.
  """
  stored: Optional[StoredSpec] = None
  groups: Dict[str, str] = dataclasses.field(default_factory=dict)
  known: Dict[str, Goal] = dataclasses.field(default_factory=dict)


def stored_goals(meta: MetaGraphDef) -> StoredGoals:
  """Returns the targets stored in a MetaGraphDef."""
  collections = meta.collection_def
  texts = (collections[names.COLLECTION_OF_HPARAMS].bytes_list.value
           if names.COLLECTION_OF_HPARAMS in collections else ())
  prefix = names.WEIGHT_COLLECTION + '_'
  groups = {}
  for key in collections:
    if key.startswith(prefix) and names.MASK_COLLECTION + '_' + key[len(prefix):] in collections:
      for node in collections[key].node_list.value:
        groups[_variable(node)] = key[len(prefix):]
  return StoredGoals(among(texts), groups)


def _variable(node: str) -> str:
  """Returns the name of a variable, given the node that a collection lists."""
  name = node.split(':')[0]
  for ending in ('/Read/ReadVariableOp', '/read'):
    if name.endswith(ending):
      name = name[:-len(ending)]
  return without_part(name)


def goals_of(weights: Sequence[Masked], stored: StoredSpec) -> List[Optional[Goal]]:
  """Returns the goal of each weight; None for each if channels were pruned.

  How many elements of a weight are in slices of hidden channels depends on the graph.

  Args:
    weights: all masked weights of the model.
    stored: the spec with which they were pruned.

  Raises:
    errors.MapError, errors.GroupError, errors.BlockError: the spec does not fit the weights.
  """
  if stored.spec.channel_pruning:
    return [None] * len(weights)
  records = [weight._replace(identity=index) for index, weight in enumerate(weights)]
  goals: List[Optional[Goal]] = [None] * len(records)
  for together in plan(records, stored.spec) if records else ():
    target = (stored.spec.target_sparsity if together.own_target is None
              else together.own_target)
    for record, goal in goals_by_weight(together, target, stored.end_step, stored.spec):
      goals[record.identity] = goal
  return goals


def goals_by_weight(together: PrunedTogether, target: float, end_step: Optional[int],
                    spec: PruningSpec) -> List[Tuple[Any, Goal]]:
  """Returns (record, goal) of weights that are pruned together; see Goal for the arguments."""
  return [(record, _goal_of(each, own, end_step, spec))
          for each, own in by_weight(together, target, spec) for record, _ in each.members]


def _goal_of(together: PrunedTogether, target: float, end_step: Optional[int],
             spec: PruningSpec) -> Goal:
  record, pattern = together.members[0]
  unit = pattern.describe(record.layout)
  return Goal(target, together.name if len(together.members) > 1 else None,
              together.fewest_zeros(target), unit.name, together.units, end_step,
              unit.by_columns, unit.height, spec, spec.pool_for(record.group))


def find(weights: Sequence[Masked], stored: StoredGoals,
         hparams: Union[PruningSpec, HParams, str, None] = None) -> List[Optional[Goal]]:
  """Returns the goal of each masked weight of a file; None for each if the file has no targets.

  Args:
    weights: all masked weights of the model, under the names that its maps match.
    stored: the targets in the file.
    hparams: the hyperparameters of the pruning, which replace those in the file.

  Raises:
    errors.PruningError: hparams are invalid, or do not fit the weights.
  """
  weights = [weight._replace(group=stored.groups.get(weight.name)) for weight in weights]
  if hparams is not None:
    spec = PruningSpec.create(hparams)
    return goals_of(weights, StoredSpec(spec, spec.sparsity_function_end_step))
  try:
    if stored.stored is not None:
      return goals_of(weights, stored.stored)
  except errors.PruningError:
    pass  # For example a part of a model, without the weights that its maps name.
  return [stored.known.get(weight.name) for weight in weights]


def met(goals: Sequence[Optional[Goal]], zeros: Sequence[int]) -> List[Optional[bool]]:
  """Returns whether each goal is met; None where there is no goal.

  Args:
    goals: the goals of the weights.
    zeros: the number of elements that each weight's mask hides.
  """
  hidden: Dict[str, int] = {}
  for goal, number in zip(goals, zeros):
    if goal is not None and goal.group is not None:
      hidden[goal.group] = hidden.get(goal.group, 0) + number
  return [None if goal is None else
          (number if goal.group is None else hidden[goal.group]) >= goal.fewest_zeros
          for goal, number in zip(goals, zeros)]
