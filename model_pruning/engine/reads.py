# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""One reading of a weight and of the variables that remember its past."""

from typing import Any, List, NamedTuple, Tuple


class Reads(NamedTuple):
  """One reading of a weight.

  Passes over a weight use the same reading, since training may write to the variable meanwhile.

  Attributes:
    weight: per shard, a float32 tensor.
    history: per variable of Saliency.history, the same; () if the saliency needs none.
  """
  weight: List[Any]
  history: Tuple[List[Any], ...] = ()
