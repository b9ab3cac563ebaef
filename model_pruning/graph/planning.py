# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sensitivity and plan of a graph of constants."""

from typing import Any, Optional, Sequence, Union

from model_pruning.calibration import planning
from model_pruning.calibration import sensitivity as sensitivity_lib
from model_pruning.graph.trained import at_once
from model_pruning.graph.trained import subject_of
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.util.types import GraphDef


def sensitivity_of_graph(
    graph_def: GraphDef, examples: Any, labels: Any = None, inputs: Sequence[str] = (),
    outputs: Sequence[str] = (), hparams: Union[HParams, PruningSpec, str] = '',
    sparsities: Sequence[float] = sensitivity_lib.SPARSITIES, include: Optional[str] = None,
    exclude: Optional[str] = None, classes: bool = True) -> sensitivity_lib.Sensitivity:
  """Returns the loss of a model against the sparsity of each weight, pruned and refitted alone.

      found = sensitivity_of_graph(graph_def, images[:256], outputs=['scores'])
      print(found.table())

  Args:
    graph_def: a GraphDef of constants.
    examples, inputs, outputs, include, exclude: see prune_graph.
    labels: the right classes of the examples, integers; without them, changed answers are counted.
    hparams: the pattern in which weights are pruned; targets and steps in it have no effect.
    sparsities: in (0, 1).
    classes: False if the outputs are other numbers than scores of classes, as in a regression.

  Raises:
    errors.SpecError: a sparsity or hyperparameter is invalid.
    errors.ExamplesError: the examples or labels do not fit the model, or are too few.
    errors.ModelFileError, errors.OutputNodeError: see prune_graph.
  """
  return sensitivity_lib.measure(subject_of(graph_def, inputs, outputs, include, exclude),
                                 at_once(PruningSpec.create(hparams)), examples, labels, sparsities,
                                 classes)


def plan_graph(
    graph_def: GraphDef, examples: Any, labels: Any = None, inputs: Sequence[str] = (),
    outputs: Sequence[str] = (), hparams: Union[HParams, PruningSpec, str] = '',
    include: Optional[str] = None, exclude: Optional[str] = None, classes: bool = True,
    **goal: float) -> planning.Plan:
  """Returns the sparsity of each weight with which a goal costs the outputs the least.

      plan = plan_graph(graph_def, images[:256], outputs=['scores'], max_loss=0.01)
      pruned = prune_graph(graph_def, plan.hparams, images[:256], outputs=['scores'])

  Args:
    graph_def: a GraphDef of constants.
    examples, inputs, outputs, include, exclude: see prune_graph.
    labels: see sensitivity_of_graph.
    hparams: the pattern in which weights are pruned; targets and steps in it have no effect.
    classes: see sensitivity_of_graph.
    **goal: one of max_loss, target_sparsity, max_bytes, max_flops; see calibration.planning.Goal.

  Raises:
    errors.SpecError: the goal or a hyperparameter is invalid, or the goal cannot be reached.
    errors.ExamplesError, errors.ModelFileError, errors.OutputNodeError: see sensitivity_of_graph.
  """
  return planning.plan(subject_of(graph_def, inputs, outputs, include, exclude),
                       at_once(PruningSpec.create(hparams)), examples, planning.Goal(**goal),
                       labels, classes)
