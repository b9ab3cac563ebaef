# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Finds out which of the layers that are pruned are frozen (trainable=False)."""

import dataclasses
from typing import Dict, List, Sequence

from model_pruning.keras import variables
from model_pruning.keras.masks import PrunedWeight
from model_pruning.util.types import Layer


@dataclasses.dataclass(frozen=True)
class Part:
  """Weights of a pruned layer that are either all trained or all frozen.

  Attributes:
    name: the name of the layer, or of a layer in it.
    weights: its weights with masks.
  """
  name: str
  weights: List[PrunedWeight]

  @property
  def trainable(self) -> bool:
    """Whether the weights are trained."""
    return self.weights[0].trainable

  @property
  def is_dense(self) -> bool:
    """Whether no mask hides anything."""
    return all(variables.to_array(weight.mask).all() for weight in self.weights)


def parts_of(layers: Sequence[Layer]) -> List[Part]:
  """Returns the pruned layers that have masks; of one that is frozen in part, the layers in it.

  A model of a class of the user's, for example, is pruned as one layer.
  """
  found = []
  for layer in layers:
    weights = layer.pruning.weights
    if len({weight.trainable for weight in weights}) == 1:
      found.append(Part(layer.name, weights))
      continue
    owners: Dict[int, Part] = {}
    for weight in weights:
      owners.setdefault(id(weight.layer), Part(weight.layer.name, [])).weights.append(weight)
    found += owners.values()
  return found
