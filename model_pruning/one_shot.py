# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning a trained checkpoint at once, without the code of its model."""

import dataclasses
from typing import Any, Dict, List, Optional

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.saliency import keeps_history
from model_pruning.export import checkpoint
from model_pruning.graph import registry
from model_pruning.graph.pruning import Pruning
from model_pruning.graph.scope import masked_scope
from model_pruning.hparams.maps import expression
from model_pruning.hparams.spec import PruningSpec
from model_pruning.names import KERNELS
from model_pruning.util.sparsity_table import WeightSparsity

INCLUDE = KERNELS
_FLOATING = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


def prune_checkpoint(place: Any, path: Any, hparams: Any, include: str = INCLUDE,
                     exclude: Optional[str] = None) -> List[WeightSparsity]:
  """Writes a checkpoint with masks over the weights of one without.

  The masks are those of one update at the target sparsity, by the same engine
  and under the names that masked_scope gives them, so training code that masks
  these weights goes on from the result; strip_checkpoint makes it one for code
  that masks nothing. Weights keep their values. Everything else is copied.

  Args:
    place: a checkpoint without masks, or a directory, whose latest one is taken.
    path: the path of the checkpoint to write, 'folder/model.ckpt' say.
    hparams: an HParams, a PruningSpec or a string. Its steps mean nothing here.
    include: a regular expression that the names of the weights match from their start.
    exclude: one that they must not match.

  Returns:
    A row per weight, as sparsity_table takes them.

  Raises:
    errors.CheckpointError: there is no checkpoint, it cannot be read, has masks
      already, or no weight that matches.
    errors.SpecError: threshold_decay, which smooths over many updates, or
      gradient saliency, which remembers earlier steps.
    errors.MapError, errors.BlockError, errors.GroupError: see Pruning.mask_update_op.
    errors.WriteError: nothing can be written there.
  """
  spec = _at_once(PruningSpec.create(hparams))
  source = checkpoint.Checkpoint(place)
  path = checkpoint.check_elsewhere(source, path)
  if source.masked():
    raise errors.CheckpointError(
        'Checkpoint %s has masks already (%s, ...); strip it first, or go on training it' %
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
  """Returns the spec whose every weight is at its own target from step 1 on."""
  if spec.threshold_decay:
    raise errors.SpecError(
        'threshold_decay=%s smooths the threshold over many mask updates; here there is one: '
        'leave it out' % spec.threshold_decay)
  if keeps_history(spec.prune_option):
    raise errors.SpecError(
        "prune_option=%s goes by how weights moved while they trained, which a checkpoint does not "
        "say; use prune_option=weight" % spec.prune_option)
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
  """Says whether a variable is what an optimizer keeps of another: its name goes on from there."""
  while '/' in name:
    name = name.rpartition('/')[0]
    if name in source.shapes:
      return True
  return False


def _build(names: List[str], source: checkpoint.Checkpoint, spec: PruningSpec) -> Any:
  """Builds variables of the weights' names, with masks, and what loads them."""
  loads: Dict[str, Any] = {}
  with masked_scope(include='.*'):
    for name in names:
      shape, dtype = source.shapes[name], source.dtypes[name]
      tf.get_variable(name, shape, dtype, initializer=tf.zeros_initializer(), use_resource=True)
  for record in registry.masked_weights():
    value = tf.placeholder(record.weight.dtype.base_dtype, record.weight.shape)
    loads[record.name] = (record.weight.assign(value).op, value)
  one = tf.get_variable('one_shot/step', initializer=np.int64(1), trainable=False)
  return Pruning(spec, global_step=one), loads

