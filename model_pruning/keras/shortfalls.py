# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks that threshold_decay keeps from the target that their schedule has reached."""

from typing import Dict, List

import numpy as np

from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras import variables
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.reporting import goals
from model_pruning.schedules import gradual
from model_pruning.util.sparsity_table import furthest_off
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Model


def decayed(model: Model) -> List[str]:
  """Returns a sentence for the weights of each spec with threshold_decay that are short of targets.

  Frozen layers, and those whose schedule has not reached its target, do not count.

  Args:
    model: a model with pruned layers.
  """
  short: Dict[PruningSpec, List[WeightSparsity]] = {}
  layers = [layer for layer in pruned_layers(model) if layer.pruning.settings.spec.threshold_decay
            and layer.pruning.made and layer.pruning.trainable and not layer.pruning.shortfall()]
  known = goals(model).known if layers else {}
  for layer in layers:
    for record in layer.pruning.weights:
      goal, mask = known.get(record.name), variables.to_array(record.mask)
      zeros = int(np.sum(mask == 0))
      if goal is not None and goal.group is None and zeros < goal.fewest_zeros:
        short.setdefault(layer.pruning.settings.spec, []).append(
            WeightSparsity(record.name, mask.shape, goal.target, zeros, True))
  return ['%s, so the masks need more updates at the target: %s; train on, or lower '
          'threshold_decay' % (gradual.lag(spec), furthest_off(rows))
          for spec, rows in short.items()]
