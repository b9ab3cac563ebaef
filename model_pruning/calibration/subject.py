# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained model as both APIs provide it: a graph of constants, and the weights to prune."""

import contextlib
import dataclasses
from typing import Any, Container, Dict, Iterator, Mapping, Optional, Sequence

from model_pruning.calibration.networks import Networks
from model_pruning.calibration.selector import Selector
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef

Masks = Dict[str, Array]  # By the names of the constants of weights.


@dataclasses.dataclass(frozen=True)
class Subject:
  """A trained model.

  Attributes:
    graph_def: a GraphDef of constants, without masks.
    inputs: names of the placeholders for examples; () for all that the outputs need.
    outputs: names of the outputs.
    weights: the weights to prune, records like selector.Weight, by the names of their constants.
    variables: names of the constants that may change besides weights; None for all.
  """
  graph_def: GraphDef
  inputs: Sequence[str]
  outputs: Sequence[str]
  weights: Mapping[str, Any]
  variables: Optional[Container[str]] = None

  def networks(self) -> Networks:
    """Returns the model twice, dense and to be pruned; close them after use.

    Raises:
      errors.OutputNodeError: an input or output is not in the graph.
      errors.ModelFileError: TensorFlow cannot use the graph.
    """
    return Networks(self.graph_def, list(self.weights), self.inputs, self.outputs, self.variables)

  @contextlib.contextmanager
  def selector(self, spec: PruningSpec) -> Iterator[Selector]:
    """Yields a Selector for the weights."""
    made = Selector(self.weights, spec)
    try:
      yield made
    finally:
      made.close()
