# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes a trained checkpoint in one step, without the code of its model."""

import dataclasses
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.saliency import keeps_history
from model_pruning.export import checkpoint
from model_pruning.graph import registry
from model_pruning.graph.pruning import Pruning
from model_pruning.graph.scope import masked_scope
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.maps import expression
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor

INCLUDE = KERNELS
_FLOATING = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


def prune_checkpoint(place: Any, path: Any, hparams: Union[HParams, PruningSpec, str],
                     include: str = INCLUDE, exclude: Optional[str] = None) -> List[WeightSparsity]:
  """Adds masks to a checkpoint that has none, and writes the result as a new checkpoint.

  The masks are the result of a single update at the target sparsity, computed by the same engine
  and stored under the names that masked_scope uses. Training code that masks the same
  weights can therefore continue from the result. strip_checkpoint turns it into a checkpoint
  for code without masks. Weights keep their values, and everything else is copied.

  Args:
    place: a checkpoint without masks, or a directory, whose latest checkpoint is used.
    path: the path of the checkpoint to write, for example 'folder/model.ckpt'.
    hparams: an HParams, a PruningSpec or a string. Steps in it have no effect.
    include: a regular expression that matches the names of the weights from their start.
    exclude: a regular expression for names to leave dense, matched from their start.

  Returns:
    One row per weight, for sparsity_table.

  Raises:
    errors.CheckpointError: there is no checkpoint, it cannot be read, it already has
      masks, or no weight matches.
    errors.SpecError: hparams use threshold_decay, which needs many updates, or gradient
      saliency, which needs the history of weights during training.
    errors.MapError, errors.BlockError, errors.GroupError: see Pruning.mask_update_op.
    errors.WriteError: nothing can be written to `path`.
  """
  spec = _at_once(PruningSpec.create(hparams))
  source = checkpoint.Checkpoint(place)
  path = checkpoint.check_elsewhere(source, path)
  if source.masked():
    raise errors.CheckpointError(
        'Checkpoint %s has masks already (%s, ...); strip it first, or continue training it' %
        (source.path, source.masked()[0].mask))
  names = _chosen(source, include, exclude)
  values = {name: source.read(name) for name in source.shapes}
  with tf.Graph().as_default(), tf.Session() as session:
    pruning, loads = _build(names, source, spec)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    for name, (load, value) in loads.items():
      session.run(load, {value: values[name]})
    session.run(update)
    for record in registry.masked_weights():
      for variable in (record.mask, record.threshold):
        values[variable.op.name] = session.run(variable)
    last = pruning.last_mask_update_step
    values[last.op.name] = np.array(values.get(tf.GraphKeys.GLOBAL_STEP, 0), np.int32)
    rows = pruning.sparsity_report(session)
  checkpoint.write(path, values, [source.path])
  return rows


def _at_once(spec: PruningSpec) -> PruningSpec:
  """Returns the spec changed so that one update at step 1 prunes every weight to its target."""
  if spec.threshold_decay:
    raise errors.SpecError(
        'threshold_decay=%s smooths the threshold over many mask updates, but this makes only one: '
        'leave it out' % spec.threshold_decay)
  if keeps_history(spec.prune_option):
    raise errors.SpecError(
        'prune_option=%s needs the history of weights during training, which a checkpoint does '
        'not contain; use prune_option=weight' % spec.prune_option)
  return dataclasses.replace(spec, begin_pruning_step=0, end_pruning_step=-1,
                             sparsity_function_begin_step=0, sparsity_function_end_step=1)


def _chosen(source: checkpoint.Checkpoint, include: str, exclude: Optional[str]) -> List[str]:
  """Returns the names of the weights to prune."""
  patterns = [expression(option, pattern) if pattern else None
              for option, pattern in (('include', include), ('exclude', exclude))]
  weights = [name for name, shape in sorted(source.shapes.items())
             if shape and source.dtypes[name] in _FLOATING and not _is_slot(name, source)]
  names = [name for name in weights if patterns[0] and patterns[0].match(name)
           and not (patterns[1] and patterns[1].match(name))]
  if not names:
    raise errors.CheckpointError(
        'No weight in %s matches include=%r%s; there are: %s' % (
            source.path, include, ' and not exclude=%r' % exclude if exclude else '',
            ', '.join(weights[:20]) + (', ...' if len(weights) > 20 else '') or 'none'))
  return names


def _is_slot(name: str, source: checkpoint.Checkpoint) -> bool:
  """Whether a variable is an optimizer slot: another variable's name is a prefix of its own."""
  while '/' in name:
    name = name.rpartition('/')[0]
    if name in source.shapes:
      return True
  return False


def _build(names: List[str], source: checkpoint.Checkpoint, spec: PruningSpec
           ) -> Tuple[Pruning, Dict[str, Tuple[Operation, Tensor]]]:
  """Builds masked variables with the weights' names, and the operations that load them."""
  loads: Dict[str, Tuple[Operation, Tensor]] = {}
  with masked_scope(include='.*'):
    for name in names:
      shape, dtype = source.shapes[name], source.dtypes[name]
      tf.get_variable(name, shape, dtype, initializer=tf.zeros_initializer(), use_resource=True)
  for record in registry.masked_weights():
    value = tf.placeholder(record.weight.dtype.base_dtype, record.weight.shape)
    loads[record.name] = (record.weight.assign(value).op, value)
  one = tf.get_variable('one_shot/step', initializer=np.int64(1), trainable=False)
  return Pruning(spec, global_step=one), loads

