# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Initializes a masked model from a checkpoint that was trained without masks."""

from typing import Any, Dict, List

from absl import logging

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.reading import inputs
from model_pruning.util import tables
from model_pruning.util.types import Tensor


def init_from_dense_checkpoint(path: Any) -> None:
  """Initializes the variables of the default graph from a checkpoint without masks.

  Call it after the model is built and before the session is created. The initializers of the
  variables then read the checkpoint. Masks start at ones and thresholds at zero. Variables missing
  from the checkpoint, for example the slots of another optimizer, keep their initializers and are
  logged. A masked weight must not be missing.

      with model_pruning.masked_scope():
        logits = build_model(images)
      model_pruning.init_from_dense_checkpoint('/models/dense')
      with tf.train.MonitoredTrainingSession(hooks=[model_pruning.PruningHook(hparams)]) as session:

  Args:
    path: a checkpoint, or a directory, whose latest checkpoint is read.

  Raises:
    errors.CheckpointError: there is no checkpoint, it cannot be read, it lacks a masked weight, or
      a masked weight has another shape in it.
  """
  path = inputs.check(path)
  try:
    known = tf.train.load_checkpoint(path).get_variable_to_shape_map()
  except (tf.errors.OpError, ValueError, RuntimeError) as error:
    raise errors.CheckpointError(
        'No checkpoint can be read at %s (%s); expected the path of a checkpoint or a directory '
        'with one' % (path, errors.first_line(error))) from error
  records = registry.masked_weights()
  own = {shard.name for record in records for shard in record.mask_shards}
  own.update(record.threshold.name for record in records)
  for record in records:
    shape = list(record.layout.shape)
    if known.get(record.name) != shape:
      raise errors.CheckpointError(
          'The checkpoint %s has %s for the masked weight %s of shape %s%s; build the model with '
          'the same names and shapes as in training' % (
              path, known.get(record.name, 'nothing'), record.name, shape,
              '' if record.name in known else errors.nearest(record.name, known)))
  found: Dict[str, List[Tensor]] = {}
  missing = []
  for variable in tf.global_variables():
    name = variables.saved_name(variable)
    if variable.name in own or name.endswith('/' + names.LAST_MASK_UPDATE_STEP):
      continue
    if name in known:
      found.setdefault(name, []).append(variable)
    else:
      missing.append(name)
  if missing:
    logging.info('Not in %s, and initialized as usual: %s', tables.printable(path),
                 tables.printable(', '.join(missing)))
  tf.train.init_from_checkpoint(path, {
      name: parts[0] if len(parts) == 1 else parts for name, parts in found.items()})
