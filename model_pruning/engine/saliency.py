# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The contract of saliencies, which say how much each weight matters, and the ones there are."""

from typing import Any, Dict, List, Tuple, Type

from model_pruning.engine.change import FirstOrder
from model_pruning.engine.change import SecondOrder
from model_pruning.engine.magnitude import Magnitude
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.protocols import Protocol


class Saliency(Protocol):
  """How much each element of a weight matters: the lowest scores are pruned first.

  A saliency is a value: two with the same settings are equal and have the same hash, since equal
  ones share the functions of a graph.
  """

  @property
  def history(self) -> Tuple[str, ...]:
    """The variables of a weight, named as in names.HISTORY, that an update reads beside the weight.

    The first is the running average. () if the past does not matter.
    """

  @property
  def remembers(self) -> Tuple[Tuple[str, str], ...]:
    """(variable, what it holds after an update) for the others, in the order they are written.

    The value is names.WEIGHT or another variable, as it was read.
    """

  @classmethod
  def create(cls, spec: PruningSpec) -> 'Saliency':
    """Returns the saliency with the settings of a spec."""

  def average(self, reads: Reads) -> List[Any]:
    """Returns the new running average, per shard; [] if there is no history."""

  def scores(self, reads: Reads, average: List[Any]) -> List[Any]:
    """Returns the scores, per shard: non-negative float32 tensors of the shape of the shard.

    Args:
      reads: one reading of the weight and its history.
      average: what `average` returned for it.
    """


# By the hyperparameter prune_option; hparams/spec.py lists the names.
SALIENCIES: Dict[str, Type[Saliency]] = {
    'weight': Magnitude,
    'first_order_gradient': FirstOrder,
    'second_order_gradient': SecondOrder,
}


def saliency_for(spec: PruningSpec) -> Saliency:
  """Returns the saliency that the prune_option of a spec names."""
  return SALIENCIES[spec.prune_option].create(spec)


def keeps_history(prune_option: str) -> bool:
  """Whether a saliency reads variables that remember the past of a weight."""
  return bool(saliency_for(PruningSpec(prune_option=prune_option)).history)
