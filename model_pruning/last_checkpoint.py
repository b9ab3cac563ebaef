# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The checkpoint of the last step of a run, which is to hold the masks of that step."""

import contextlib
import os
import re
from typing import Any, Iterator

from model_pruning import variables
from model_pruning.compat import tf


def save_last_update(session: Any, last_mask_update_step: Any, global_step: Any) -> None:
  """Saves again where the last checkpoint is from before the last mask update.

  Args:
    session: the session, of a graph with savers in its collection.
    last_mask_update_step, global_step: the variables.
  """
  last = variables.copies_of(last_mask_update_step)[0]
  update, step = session.run([last, variables.copies_of(global_step)[0]])
  for saver in session.graph.get_collection(tf.GraphKeys.SAVERS):
    path = (saver.last_checkpoints or [''])[-1]
    prefix, _, suffix = path.rpartition('-')
    if not suffix.isdigit():
      continue
    reader = tf.train.load_checkpoint(path)
    # A saver made before the hook began does not save the step; then there is no telling.
    if not reader.has_tensor(last.op.name) or reader.get_tensor(last.op.name) == update:
      continue
    if suffix == str(step):
      replace(session, saver, path)
    else:  # Others have trained since.
      saver.save(session, prefix, global_step=step)


def replace(session: Any, saver: Any, path: str) -> None:
  """Saves in place of the last checkpoint.

  Whenever this is interrupted, or the disk is full, the folder's state names a whole
  one: first that which was there, then the new one in a folder of its own, then the copy.
  """
  folder, name = os.path.split(path)
  beside = 'replacing_' + name
  tf.gfile.MakeDirs(os.path.join(folder, beside))
  try:
    saver.save(session, os.path.join(folder, beside, name), write_meta_graph=False,
               write_state=False)
  except BaseException:
    tf.gfile.DeleteRecursively(os.path.join(folder, beside))
    raise
  with _state_naming(folder, name, beside + '/' + name):
    for file in tf.gfile.ListDirectory(os.path.join(folder, beside)):
      tf.gfile.Copy(os.path.join(folder, beside, file), os.path.join(folder, file), overwrite=True)
  tf.gfile.DeleteRecursively(os.path.join(folder, beside))


@contextlib.contextmanager
def _state_naming(folder: str, name: str, other: str) -> Iterator[None]:
  """Has the state of a folder of checkpoints name `other` in place of `name` until all went well.

  As text, in which paths are absolute or relative, as the saver was told to write them.
  """
  path = os.path.join(folder, 'checkpoint')
  if not tf.gfile.Exists(path):
    yield
    return
  with tf.gfile.GFile(path) as handle:
    state = handle.read()
  _write_whole(path, re.sub('(["/])%s"' % re.escape(name), r'\g<1>%s"' % other, state))
  yield
  _write_whole(path, state)


def _write_whole(path: str, content: str) -> None:
  with tf.gfile.GFile(path + '.replacing', 'w') as handle:
    handle.write(content)
  tf.gfile.Rename(path + '.replacing', path, overwrite=True)
