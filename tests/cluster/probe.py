# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The task program of the example, with a watch on the masks and a bomb in the chief.

What it is told to do lies in --watch_dir, and so does what it says:

  slow      a file: seconds that every step takes at least, from that step on: "100 0.5"
  strike    a file: the chief kills itself in the middle of its next mask update
  *.watch   a line for each step of a task, see _Watch
"""

import json
import os
import random
import signal
import threading
import time
import zlib

from examples.cluster import task as task_lib  # First, since it quietens TensorFlow.
from absl import app
from absl import flags
import model_pruning
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.graph import variables

_FLAGS = flags.FLAGS


class Pace(tf.train.SessionRunHook):
  """Takes its time over a step, as one on a large net would."""

  def __init__(self, watch_dir, seconds):
    self._watch_dir, self._seconds = watch_dir, seconds

  def before_run(self, run_context):
    return tf.train.SessionRunArgs(tf.train.get_global_step())

  def after_run(self, run_context, run_values):
    seconds = self._seconds
    try:
      with open(os.path.join(self._watch_dir, 'slow')) as f:
        from_step, slow = map(float, f.read().split())
    except (FileNotFoundError, ValueError):
      pass  # ValueError: it is just being written.
    else:
      seconds = slow if run_values.results >= from_step else seconds
    time.sleep(seconds)


class _Strike(tf.train.SessionRunHook):
  """Called right before the PruningHook; sets off a kill -9 that goes off during its update."""

  seconds = 0.02  # That the last update took.

  def after_run(self, run_context, run_values):
    self.since = time.time()
    try:
      os.remove(os.path.join(_FLAGS.watch_dir, 'strike'))
    except FileNotFoundError:
      return
    threading.Timer(random.uniform(0, self.seconds), os.kill,
                    (os.getpid(), signal.SIGKILL)).start()
    print('about to be killed during an update of %.1f ms' % (1000 * self.seconds), flush=True)


class _Watch(tf.train.SessionRunHook):
  """Called after the PruningHook. Writes what masks there are: {"step", "masks", "last"}."""

  def __init__(self, task, strike):
    self._strike = strike
    self._path = os.path.join(_FLAGS.watch_dir, '%s-%d.watch' % (task.job, task.index))
    self._is_chief = task.is_chief

  def begin(self):
    self._tensors = {'step': tf.train.get_global_step(),
                     'masks': [tf.convert_to_tensor(mask) for mask in model_pruning.get_masks()]}
    if self._is_chief:
      last, = [variable for variable in variables.saved_variables()
               if variable.op.name == 'model_pruning/' + names.LAST_MASK_UPDATE_STEP]
      self._tensors['last'] = last.read_value()

  def after_create_session(self, session, coord):
    self._note(session)

  def after_run(self, run_context, run_values):
    if self._strike:
      self._strike.seconds = time.time() - self._strike.since
    self._note(run_context.session)

  def _note(self, session):
    values = session.run(self._tensors)
    crc = 0
    for mask in values['masks']:
      crc = zlib.crc32(mask.tobytes(), crc)
    row = {'step': int(values['step']), 'masks': crc, 'last': int(values.get('last', -1))}
    with open(self._path, 'a') as f:
      f.write(json.dumps(row) + '\n')


def _hooks(task):
  strike = _Strike() if task.is_chief else None
  before = [Pace(_FLAGS.watch_dir, _FLAGS.pace)] + ([strike] if strike else [])
  return before, [_Watch(task, strike)]


if __name__ == '__main__':
  flags.DEFINE_string('watch_dir', None, 'See the head of this file.')
  flags.DEFINE_float('pace', 0, 'Seconds that a step takes at least.')
  app.run(lambda argv: task_lib.main(_hooks))
