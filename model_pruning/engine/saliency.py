# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The interface of saliencies, and the list of them by prune_option."""

from typing import Dict, List, Tuple, Type

from model_pruning.engine.change import FirstOrder
from model_pruning.engine.change import SecondOrder
from model_pruning.engine.magnitude import Magnitude
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.protocols import Protocol
from model_pruning.util.types import Tensor


class Saliency(Protocol):
  """How much each element of a weight matters: the lowest scores are pruned first.

  A saliency is a value object: saliencies with the same settings are equal and have the same
  hash, because equal saliencies share the functions of a graph.
  """

  @property
  def history(self) -> Tuple[str, ...]:
    """The additional variables of a weight that an update reads, named as in names.HISTORY.

    The first is the running average. () if the saliency needs only the weight.
    """

  @property
  def remembers(self) -> Tuple[Tuple[str, str], ...]:
    """(variable, its value after an update) for the other variables, in the order of the writes.

    The value is names.WEIGHT or another variable, as it was read before the update.
    """

  @classmethod
  def create(cls, spec: PruningSpec) -> 'Saliency':
    """Returns the saliency with the settings of a spec."""

  def average(self, reads: Reads) -> List[Tensor]:
    """Returns the new running average, per shard; [] if the saliency has no history."""

  def scores(self, reads: Reads, average: List[Tensor]) -> List[Tensor]:
    """Returns the scores, per shard: non-negative float32 tensors of the shard's shape.

    Args:
      reads: one reading of the weight and its history.
      average: the result of `average` for this reading.
    """


# By the hyperparameter prune_option, whose values hparams/spec.py lists.
SALIENCIES: Dict[str, Type[Saliency]] = {
    'weight': Magnitude,
    'first_order_gradient': FirstOrder,
    'second_order_gradient': SecondOrder,
}


def saliency_for(spec: PruningSpec) -> Saliency:
  """Returns the saliency that the prune_option of a spec names."""
  return SALIENCIES[spec.prune_option].create(spec)


def keeps_history(prune_option: str) -> bool:
  """Whether the saliency of a prune_option reads variables with the history of a weight."""
  return bool(saliency_for(PruningSpec(prune_option=prune_option)).history)
