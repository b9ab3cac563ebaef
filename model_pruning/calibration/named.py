# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Examples for the inputs of a SavedModel, which have names of their own."""

from typing import Any, Mapping, NamedTuple


class Named(NamedTuple):
  """Examples of inputs that have names, but no order.

  Attributes:
    examples: see examples.Examples.
    names: the inputs' placeholders by their names.
  """
  examples: Any
  names: Mapping[str, str]
