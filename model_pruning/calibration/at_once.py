# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters for pruning a trained model in one mask update."""

import dataclasses

from model_pruning import errors
from model_pruning.engine.saliency import keeps_history
from model_pruning.hparams.spec import PruningSpec


def at_once(spec: PruningSpec, step: int, instead: str) -> PruningSpec:
  """Returns the spec changed so that one update prunes every weight to its target.

  Args:
    spec: the hyperparameters.
    step: the step of the update.
    instead: how to remove channels from a trained model, for an error.

  Raises:
    errors.SpecError: the spec needs many updates, or the history of weights; or it prunes channels.
  """
  if spec.channel_pruning:
    raise errors.SpecError('channel_pruning=true hides channels while a model is trained; from a '
                           'trained model, remove them: %s' % instead)
  if spec.threshold_decay:
    raise errors.SpecError(
        'threshold_decay=%s smooths the threshold over many mask updates, but this makes only one: '
        'leave it out' % spec.threshold_decay)
  if keeps_history(spec.prune_option):
    raise errors.SpecError(
        'prune_option=%s needs the history of weights during training, which a trained model does '
        'not contain; use prune_option=weight' % spec.prune_option)
  return dataclasses.replace(spec, begin_pruning_step=0, end_pruning_step=-1, initial_sparsity=0.0,
                             sparsity_function_begin_step=0, sparsity_function_end_step=step)
