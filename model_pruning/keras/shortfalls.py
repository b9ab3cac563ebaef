# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks that are not as their schedule has them: kept back by threshold_decay, or averaged."""

from typing import Dict, List

from absl import logging
import numpy as np

from model_pruning.compat import tf
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


def open_averaged(model: Model) -> None:
  """Opens masks where they have other values than 0 and 1, with a warning.

  They do if all weights of several pruned models were averaged, and not only the trainable ones.
  """
  found = []
  for layer in pruned_layers(model):
    for record in layer.pruning.weights:
      mask = tf.convert_to_tensor(record.mask)  # It is looked at where it is, maybe on a GPU.
      if not tf.reduce_all(tf.equal(mask * mask, mask)):
        record.mask.assign(tf.cast(tf.not_equal(mask, 0), mask.dtype))
        found.append(record.name)
  if found:
    logging.warning(
        '%s: masks have other values than 0 and 1, as if they had been averaged together with the '
        'weights (%s%s); their elements above 0 count as not pruned. Average trainable_variables '
        'alone, after the last mask update', model.name, found[0],
        ' and %d more' % (len(found) - 1) if len(found) > 1 else '')
