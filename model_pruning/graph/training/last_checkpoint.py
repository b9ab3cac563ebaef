# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes checkpoints that other code saves contain the masks of their step."""

import os
import re
from typing import Any, Callable

from absl import logging

from model_pruning.compat import tf
from model_pruning.graph import records
from model_pruning.graph import variables
from model_pruning.util.types import Session
from model_pruning.util.types import Variable

# A checkpoint's path: prefix, step, and the suffix for shards in the oldest format.
_PATH = re.compile(r'(.*)-(\d+)(-\?{5}-of-\d{5})?$', re.DOTALL)


class UpdateBeforeSaving(tf.train.CheckpointSaverListener):
  """Makes a due update of the masks before TensorFlow's hook saves a checkpoint."""

  def __init__(self, update: Callable[[Session], None]) -> None:
    """Stores the function that updates the masks in a session."""
    self._update = update

  def before_save(self, session: Session, global_step_value: int) -> None:
    del global_step_value
    self._update(session)


def warn_of_savers_without_masks(session_creator: Any) -> None:
  """Logs a warning if a Saver of the graph, for example an older one, does not save the masks.

  Args:
    session_creator: the session creator of the MonitoredSession being created, which has the
      Scaffold; None for none.
  """
  scaffold = getattr(session_creator, '_scaffold', None)
  savers = tf.get_collection(tf.GraphKeys.SAVERS) + [getattr(scaffold, '_saver', None)]
  masks = {variables.op_name(shard) for record in records.masked_weights()
           for shard in record.mask_shards}
  for saver in savers:
    # No public API lists the variables of a Saver. A Saver that is not built yet will save all.
    saved = getattr(saver, '_var_list', None)
    if not saved:
      continue
    listed = saved.values() if isinstance(saved, dict) else saved
    names = {variables.op_name(shard) for item in listed for shard in (
        variables.shards_of(item) if hasattr(item, 'name') else ())}
    missing = sorted(masks - names)
    if missing and len(missing) == len(masks):
      logging.warning(
          'A Saver saves no masks (%s), so its checkpoints would lose the pruning: it was created '
          'before the model was masked, or its list of variables lacks the masks. Create the Saver '
          'after the model', ', '.join(missing[:3] + ['...'] * (len(missing) > 3)))


def save_last_update(session: Session, last_mask_update_step: Variable,
                     global_step: Variable) -> None:
  """Saves again if the last checkpoint is from before the last mask update.

  The name of the new checkpoint is <prefix>-pruned-<step>. The old one is not overwritten, because
  another program may be reading it.

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
    # A saver created before the hook began does not save the step of the update; then do nothing.
    name = variables.op_name(last)
    if reader.has_tensor(name) and reader.get_tensor(name) != update:
      folder, name = os.path.split(found.group(1))
      name = re.sub('-pruned$', '', name)
      saver.save(session, os.path.join(folder, name + '-pruned'), global_step=step)
