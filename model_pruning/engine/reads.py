# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""One reading of a weight and of the variables that hold its history."""

from typing import List, NamedTuple, Tuple

from model_pruning.util.types import Tensor


class Reads(NamedTuple):
  """One reading of a weight.

  All passes over a weight use the same reading, because training may write to the variable
  meanwhile.

  Attributes:
    weight: per shard, a float32 tensor.
    history: for each variable of Saliency.history, a float32 tensor per shard; () if there are no
      such variables.
    copied: whether the weight is a copy of the variable, which takes memory of its own.
  """
  weight: List[Tensor]
  history: Tuple[List[Tensor], ...] = ()
  copied: bool = False
