# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The TensorFlow functions that update masks, kept from one fit() to the next."""

import collections
from typing import Any, Callable, Hashable, List, Sequence

from model_pruning.keras.masks import Pruning
from model_pruning.util.types import Layer

# A model needs three, and others while some of its layers are frozen or come from other schedules.
_MOST = 16


class Functions:
  """Values by keys, made once: tracing a function of many layers takes longer than many updates.

  Attributes:
    prunings: the layers' Pruning objects.
  """

  def __init__(self, prunings: Sequence[Pruning]) -> None:
    self.prunings: List[Pruning] = list(prunings)
    self._kept: 'collections.OrderedDict[Hashable, Any]' = collections.OrderedDict()

  def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
    """Returns the value of a key, which `make` makes the first time.

    `make` is kept too. Keys may contain ids of objects that it refers to: they stay alive, so
    no others get these ids.
    """
    if key not in self._kept:
      self._kept[key] = make(), make
      if len(self._kept) > _MOST:
        self._kept.popitem(last=False)
    return self._kept[key][0]

  def values(self) -> List[Any]:
    """Returns the values, the latest last."""
    return [value for value, _ in self._kept.values()]


def functions_of(layers: Sequence[Layer]) -> Functions:
  """Returns the functions of pruned layers, which are kept with the first of them."""
  prunings = [layer.pruning for layer in layers]
  kept = prunings[0].functions
  if kept is None or kept.prunings != prunings:
    kept = prunings[0].functions = Functions(prunings)
  return kept
