# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The target sparsity of each weight of a model, and whether its mask meets it.

Whether it does is decided as PruningHook decides it at the end of training: by the number of
elements that the mask of a weight, or the masks of a group, hide.
"""

import dataclasses
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from model_pruning import errors
from model_pruning import names
from model_pruning.engine.layout import Layout
from model_pruning.engine.plan import plan
from model_pruning.engine.plan import PrunedTogether
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading.stored import without_part
from model_pruning.reading.stored_spec import among
from model_pruning.reading.stored_spec import StoredSpec


@dataclasses.dataclass(frozen=True)
class Goal:
  """The target of the mask of a weight.

  Attributes:
    target: the target sparsity, a fraction of the units (elements or blocks).
    group: names one threshold of several weights; None for a weight with its own.
    fewest_zeros: the least number of elements that the masks of the group (or weight) hide
      once the target is met.
    unit: the elements that are pruned together: '' for single elements, 'blocks of 16x1',
      'runs of 4 inputs'.
    units: number of units of the group (or weight).
    end_step: the first step from which on the schedule asks for the target; None if unknown.
    by_columns: whether a unit is at least a whole output.
    height: number of inputs in a block, or in a run of N of M.
    spec: the hyperparameters that the weight is pruned by; None if unknown.
    pool: the group that the maps of the spec know it by, even where it has no other member; None
      for a weight that they know by its own name.
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
  """A weight with a mask, as the plans of updates take it."""
  name: str
  shape: Tuple[int, ...]
  group: Optional[str] = None
  identity: Any = None

  @property
  def layout(self) -> Layout:
    return Layout.whole(self.shape)


@dataclasses.dataclass(frozen=True)
class StoredGoals:
  """The targets that a model says its weights have.

  Attributes:
    stored: how its graph was pruned; None if it does not say.
    groups: the group of each mask that is in one, by the name of the weight.
    known: goals of weights by their names, of models that say them weight by weight.
  """
  stored: Optional[StoredSpec] = None
  groups: Dict[str, str] = dataclasses.field(default_factory=dict)
  known: Dict[str, Goal] = dataclasses.field(default_factory=dict)


def stored_goals(meta: Any) -> StoredGoals:
  """Returns the targets in a MetaGraphDef."""
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
  """Returns the name of the variable that a collection lists."""
  name = node.split(':')[0]
  for ending in ('/Read/ReadVariableOp', '/read'):
    if name.endswith(ending):
      name = name[:-len(ending)]
  return without_part(name)


def goals_of(weights: Sequence[Masked], stored: StoredSpec) -> List[Optional[Goal]]:
  """Returns the goal of each weight.

  Args:
    weights: all masked weights of the model.
    stored: how they were pruned.

  Raises:
    errors.MapError, errors.GroupError, errors.BlockError: the spec does not fit the weights.
  """
  records = [weight._replace(identity=index) for index, weight in enumerate(weights)]
  goals: List[Optional[Goal]] = [None] * len(records)
  for together in plan(records, stored.spec) if records else ():
    target = (stored.spec.target_sparsity if together.own_target is None
              else together.own_target)
    for record, _ in together.members:
      goals[record.identity] = goal_of(together, target, stored.end_step, stored.spec)
  return goals


def goal_of(together: PrunedTogether, target: float, end_step: Optional[int],
            spec: Optional[PruningSpec] = None) -> Goal:
  """Returns the goal of the weights that are pruned together; see Goal for the arguments."""
  record, pattern = together.members[0]
  unit = pattern.describe(record.layout)
  return Goal(target, together.name if len(together.members) > 1 else None,
              together.fewest_zeros(target), unit.name, together.units, end_step,
              unit.by_columns, unit.height, spec, spec.group_for(record.group) if spec else None)


def find(weights: Sequence[Masked], stored: StoredGoals,
         hparams: Union[PruningSpec, HParams, str, None] = None) -> List[Optional[Goal]]:
  """Returns the goal of each masked weight of a file; None for each if it does not say.

  Args:
    weights: all masked weights of the model, by the names that its maps go by.
    stored: the targets in the file.
    hparams: how the model was pruned, in the place of the file's word.

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
    pass  # A part of a model, say, without the weights that its maps name.
  return [stored.known.get(weight.name) for weight in weights]


def met(goals: Sequence[Optional[Goal]], zeros: Sequence[int]) -> List[Optional[bool]]:
  """Returns whether each goal is met; None where there is none.

  Args:
    goals: of the weights.
    zeros: the number of elements that the mask of each hides.
  """
  hidden: Dict[str, int] = {}
  for goal, number in zip(goals, zeros):
    if goal is not None and goal.group is not None:
      hidden[goal.group] = hidden.get(goal.group, 0) + number
  return [None if goal is None else
          (number if goal.group is None else hidden[goal.group]) >= goal.fewest_zeros
          for goal, number in zip(goals, zeros)]
