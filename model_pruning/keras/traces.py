# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The TensorFlow code of mask updates, which updates.py traces and runs."""

import collections
import dataclasses
from typing import Any, Callable, Collection, Dict, List, NamedTuple, Sequence, Tuple

from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.engine import channel_groups
from model_pruning.engine import selection
from model_pruning.engine.choose import choose_each
from model_pruning.engine.choose import cuts_of
from model_pruning.engine.choose import Job
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras import variables
from model_pruning.keras.channel_masks import Found
from model_pruning.keras.masks import masked
from model_pruning.keras.masks import PrunedWeight
from model_pruning.keras.masks import Pruning
from model_pruning.keras.plans import Planned
from model_pruning.keras.plans import plans_of
from model_pruning.keras.settings import Settings
from model_pruning.util.types import DType
from model_pruning.util.types import Layer
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


def read(prunings: Sequence[Pruning]) -> Tensor:
  """Returns the layers' steps and last updates, int64 [2, layers]."""
  with variables.on_host():
    return tf.stack([[tf.convert_to_tensor(pruning.step) for pruning in prunings],
                     [tf.convert_to_tensor(pruning.last_update_step) for pruning in prunings]])


def add_to_each(prunings: Sequence[Pruning], batches: Tensor) -> Tensor:
  """Adds to the layers' steps, and returns them, int64 [layers]."""
  with variables.on_host():
    return tf.stack([tf.convert_to_tensor(variables.tf_variable(pruning.step).assign_add(batches))
                     for pruning in prunings])


def add_now(prunings: Sequence[Pruning], batches: Tensor) -> List[int]:
  """Adds to the layers' steps, and returns them: add_to_each without a function."""
  steps = []
  for pruning in prunings:
    handle = variables.tf_variable(pruning.step).handle
    tensorflow.raw_ops.AssignAddVariableOp(resource=handle, value=batches)
    steps.append(int(tensorflow.raw_ops.ReadVariableOp(resource=handle, dtype=tf.int64)))
  return steps


def assign_each(scalars: Sequence[Variable], values: Tensor) -> None:
  """Assigns the elements of a vector to scalar variables."""
  with variables.on_host():
    each = tf.unstack(values, num=len(scalars))
  for variable, value in zip(scalars, each):
    variable.assign(value)


class Due(NamedTuple):
  """Weights that are pruned together, and what is needed to compute their sparsity at a step.

  Attributes:
    settings: the settings of the weights.
    together: the weights.
    layers: the layers that have them.
    dtype: the dtype of their sparsity.
  """
  settings: Settings
  together: PrunedTogether
  layers: List[Layer]
  dtype: DType


def weights_due(made: Sequence[Layer], due: Collection[Layer]) -> List[Due]:
  """Returns the plans of layers, without the weights of layers that are frozen or not due."""
  owners = {record.identity: layer for layer in due for record in layer.pruning.weights
            if record.trainable}
  plans = []
  for settings, together in plans_of(made):  # Of all layers, as maps refer to all.
    members = tuple(member for member in together.members if member.record.identity in owners)
    if members:
      together = dataclasses.replace(together, members=members)
      plans.append(Due(settings, together,
                       [owners[record.identity] for record, _ in members],
                       selection.sparsity_dtype(together.units)))
  return plans


def update_masks(plans: Sequence[Due], sparsities: Sequence[Tensor],
                 averages: Dict[int, Any]) -> None:
  """Builds the update of weights, each plan to its sparsity."""
  jobs: Dict[PruningSpec, List[Tuple[List[Planned], List[Tensor], Job]]] = collections.OrderedDict()
  for (settings, together, _, _), sparsity in zip(plans, sparsities):
    planned: List[Planned] = [record for record, _ in together.members]
    weights = [tf.convert_to_tensor(record.pruned.weight) for record in planned]
    reads = [Reads([record.see(tf.cast(weight, tf.float32))])
             for record, weight in zip(planned, weights)]
    previous = [tf.cast(tf.convert_to_tensor(record.pruned.threshold), tf.float32)
                for record in planned]
    jobs.setdefault(settings.spec, []).append(
        (planned, weights, Job(cuts_of(together), reads, sparsity, previous)))
  # All masks are chosen before any variable is written.
  chosen = [(spec, *each) for spec, same in jobs.items()
            for (planned, weights, _), values in zip(
                same, choose_each(spec, [job for _, _, job in same], _dtype_of(
                    [weight for _, weights, _ in same for weight in weights])))
            for each in zip(planned, weights, values, values[len(planned):])]
  for spec, record, weight, threshold, mask in chosen:
    mask = record.restore(mask)
    if spec.threshold_decay:
      mask = _still_masked(record.pruned, weight, mask)
    _write(record.pruned, weight, threshold, mask, averages)


def _still_masked(pruned: PrunedWeight, weight: Tensor, mask: Tensor) -> Tensor:
  """Returns a mask without the elements that are masked already.

  Here they are zero. Once there are as many as the target requires, the exact threshold is 0, which
  the smoothed one comes down to, until zeros would reach it.
  """
  hidden = tf.logical_and(tf.equal(tf.convert_to_tensor(pruned.mask), 0), tf.equal(weight, 0))
  return tf.where(hidden, tf.zeros_like(mask), mask)


def _dtype_of(weights: Sequence[Tensor]) -> DType:
  """Returns the dtype of all weights, which their masks have too; bool if it differs."""
  dtypes = {weight.dtype for weight in weights}
  return dtypes.pop() if len(dtypes) == 1 else tf.bool


def update_channels(found: Found, sparsity_for: Callable[..., Tensor],
                    averages: Dict[int, Any]) -> None:
  """Builds the update of weights whose channels are pruned.

  Args:
    found: the channels.
    sparsity_for: takes the own target of a group, or None, and the dtype, and returns the sparsity.
    averages: see averages_of.
  """
  values = [tf.convert_to_tensor(weight) for weight in found.weights]
  chosen = channel_groups.choose(found.plan, [[tf.cast(value, tf.float32)] for value in values],
                                 sparsity_for, found.spec)
  for record, number, threshold, (mask,) in zip(
      found.records, found.plan.masked, chosen.thresholds, chosen.masks):
    _write(record, values[number], threshold, mask, averages)


def _write(pruned: PrunedWeight, weight: Tensor, threshold: Tensor, mask: Tensor,
           averages: Dict[int, Any]) -> None:
  """Builds the assignments of a mask, a threshold, and the masked weight."""
  mask = tf.cast(mask, weight.dtype)
  pruned.mask.assign(mask)
  pruned.threshold.assign(tf.cast(threshold, weight.dtype))
  pruned.weight.assign(masked(weight, mask))
  average = averages.get(id(pruned.weight))
  if average is not None:
    average.assign(masked(average, tf.cast(mask, average.dtype)))


def apply_masks(records: Sequence[PrunedWeight]) -> None:
  """Sets the masked elements of weights to zero."""
  for record in records:
    record.weight.assign(masked(record.weight, record.mask))


def averages_of(layers: Collection[Layer]) -> Dict[int, Variable]:
  """Returns the moving averages that optimizers keep of weights, by the id of the weight."""
  found: Dict[int, Variable] = {}
  for layer in layers:
    if not variables.keeps_averages(layer.pruning.optimizer):
      continue
    for record in layer.pruning.weights:
      average = variables.average_of(layer.pruning.optimizer, record.weight)
      if average is not None:
        found[id(record.weight)] = average
  return found
