# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sensitivity and plan of a Keras model."""

from typing import Any, Optional, Sequence, Union

from model_pruning.calibration import planning
from model_pruning.calibration import sensitivity as sensitivity_lib
from model_pruning.calibration.endless import repeatable
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras.policies import PruningPolicy
from model_pruning.keras.trained import at_once
from model_pruning.keras.trained import subject_of
from model_pruning.util.types import Model


def sensitivity(model: Model, x: Any, y: Any = None, hparams: Union[HParams, PruningSpec, str] = '',
                sparsities: Sequence[float] = sensitivity_lib.SPARSITIES,
                pruning_policy: Optional[PruningPolicy] = None,
                classes: bool = True) -> sensitivity_lib.Sensitivity:
  """Returns the loss of a model against the sparsity of each weight, pruned and refitted alone.

      found = sensitivity(model, images[:256], labels[:256])
      print(found.table())
      found.plot().savefig('sensitivity.png')

  Args:
    model: a built Keras model without masks. It does not change.
    x: examples of inputs; see prune_trained.
    y: the right classes of the examples, integers; without them, changed answers are counted.
    hparams: the pattern in which weights are pruned; targets and steps in it have no effect.
    sparsities: in (0, 1).
    classes: False if the outputs are other numbers than scores of classes, as in a regression.
    pruning_policy: see prune_low_magnitude.

  Raises:
    errors.LayerError: the model is not built, or is pruned already.
    errors.SpecError: a sparsity or hyperparameter is invalid.
    errors.ExamplesError: the examples or labels do not fit the model, or are too few.
  """
  spec, x = PruningSpec.create(hparams), repeatable(x)
  return sensitivity_lib.measure(subject_of(model, spec, x, pruning_policy), at_once(spec), x, y,
                                 sparsities, classes)


def plan(model: Model, x: Any, y: Any = None, hparams: Union[HParams, PruningSpec, str] = '',
         pruning_policy: Optional[PruningPolicy] = None, classes: bool = True,
         **goal: float) -> planning.Plan:
  """Returns the sparsity of each weight with which a goal costs the outputs the least.

      found = plan(model, images[:256], max_loss=0.01)
      model = prune_trained(model, found.hparams, images[:256])

  Args:
    model: a built Keras model without masks. It does not change.
    x, y, hparams, pruning_policy: see sensitivity.
    classes: see sensitivity.
    **goal: one of max_loss, target_sparsity, max_bytes, max_flops; see calibration.planning.Goal.

  Raises:
    errors.LayerError: the model is not built, or is pruned already.
    errors.SpecError: the goal or a hyperparameter is invalid, or the goal cannot be reached.
    errors.ExamplesError: the examples or labels do not fit the model, or are too few.
  """
  spec, x = PruningSpec.create(hparams), repeatable(x)
  return planning.plan(subject_of(model, spec, x, pruning_policy), at_once(spec), x,
                       planning.Goal(**goal), y, classes)
