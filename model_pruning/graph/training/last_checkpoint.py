# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that hold the masks of their step, although others save them."""

import os
import re
from typing import Any, Callable

from absl import logging

from model_pruning.compat import tf
from model_pruning.graph import records
from model_pruning.graph import variables

# A checkpoint's path: prefix, step, and what the oldest format adds for its shards.
_PATH = re.compile(r'(.*)-(\d+)(-\?{5}-of-\d{5})?$', re.DOTALL)


class UpdateBeforeSaving(tf.train.CheckpointSaverListener):
  """Has the masks updated, if that is due, before TensorFlow's hook saves a checkpoint."""

  def __init__(self, update: Callable[[Any], None]) -> None:
    """Takes what to call with the session."""
    self._update = update

  def before_save(self, session: Any, global_step_value: int) -> None:
    del global_step_value
    self._update(session)


def warn_of_savers_without_masks(session_creator: Any) -> None:
  """Warns if a Saver of the graph was made before the model was masked: masks would be lost.

  Args:
    session_creator: of the MonitoredSession that is being made, for its Scaffold; None for none.
  """
  scaffold = getattr(session_creator, '_scaffold', None)
  savers = tf.get_collection(tf.GraphKeys.SAVERS) + [getattr(scaffold, '_saver', None)]
  masks = {variables.op_name(shard) for record in records.masked_weights()
           for shard in record.mask_shards}
  for saver in savers:
    # Nothing public says what a Saver saves. One that is not yet built saves all there will be.
    saved = getattr(saver, '_var_list', None)
    if not saved:
      continue
    listed = saved.values() if isinstance(saved, dict) else saved
    names = {variables.op_name(shard) for item in listed for shard in (
        variables.shards_of(item) if hasattr(item, 'name') else ())}
    missing = sorted(masks - names)
    if missing and len(missing) == len(masks):
      logging.warning(
          'A Saver saves no masks (%s), so pruning would be lost with its checkpoints: it was made '
          'before the model was masked, or its list of variables leaves them out. Make the Saver '
          'after the model', ', '.join(missing[:3] + ['...'] * (len(missing) > 3)))


def save_last_update(session: Any, last_mask_update_step: Any, global_step: Any) -> None:
  """Saves once more where the last checkpoint is from before the last mask update.

  As <prefix>-pruned-<step>, beside the one that is there: somebody may be reading that.

  Args:
    session: the session, of a graph with savers in its collection.
    last_mask_update_step, global_step: the variables.
  """
  last = variables.copies_of(last_mask_update_step)[0]
  update, step = session.run([last, variables.copies_of(global_step)[0]])
  for saver in session.graph.get_collection(tf.GraphKeys.SAVERS):
    path = (saver.last_checkpoints or [''])[-1]
    found = _PATH.match(path)
    if not found:
      continue
    reader = tf.train.load_checkpoint(path)
    # A saver made before the hook began does not save the step; then there is no telling.
    name = variables.op_name(last)
    if reader.has_tensor(name) and reader.get_tensor(name) != update:
      folder, name = os.path.split(found.group(1))
      name = re.sub('-pruned$', '', name)
      saver.save(session, os.path.join(folder, name + '-pruned'), global_step=step)
