# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A program that trains and prunes up to a step, for the tests that interrupt it.

    python -m tests.resumed FOLDER OUTPUT SPEC OPTIONS

Its inputs go by the global step, so a run that is resumed sees what an uninterrupted one sees.
It writes all variables to OUTPUT at the end. OPTIONS is JSON: see train().
"""

import json
import sys

import numpy as np

import model_pruning
from model_pruning.compat import tf

STEPS = 12


def build(use_resource=True, partitions=None):
  """Builds the model; returns its train_op."""
  step = tf.train.get_or_create_global_step()
  partitioner = tf.fixed_size_partitioner(partitions) if partitions else None
  batches = np.random.RandomState(1).uniform(-1, 1, [STEPS + 1, 5, 8]).astype(np.float32)
  features = tf.gather(batches, tf.minimum(step, STEPS))
  with tf.variable_scope('model', use_resource=use_resource, partitioner=partitioner):
    with model_pruning.masked_scope():
      hidden = tf.tanh(tf.matmul(features, tf.get_variable(
          'one/kernel', [8, 12], initializer=tf.random_uniform_initializer(-1, 1, seed=1))))
      outputs = tf.matmul(hidden, tf.get_variable(
          'two/kernel', [12, 8], initializer=tf.random_uniform_initializer(-1, 1, seed=2)))
  outputs = tf.identity(outputs, 'outputs')
  loss = tf.reduce_mean(tf.square(outputs - features))
  return tf.train.AdamOptimizer(0.05).minimize(loss, global_step=step)


class _Interrupt(tf.train.SessionRunHook):
  """Calls something after a step, or after each, behind or ahead of the PruningHook."""

  def __init__(self, step, what):
    self._step, self._what = step, what

  def before_run(self, run_context):
    return tf.train.SessionRunArgs(self._tensor)

  def begin(self):
    self._tensor = tf.train.get_global_step()

  def after_run(self, run_context, run_values):
    # The step is fetched before or after its increment; so it is read again.
    step = int(run_context.session.run(self._tensor))
    if self._step in (None, step):
      self._what(step)


def train(folder, spec, use_resource=True, partitions=None, save_steps=1, hook_first=False,
          at_step=None, ahead=False, what=None, steps=STEPS, relative_paths=False):
  """Trains, from the checkpoint in the folder if there is one, up to `steps` or until stopped.

  Args:
    folder: of the checkpoints.
    spec: an HParams string.
    use_resource, partitions: the kind of the variables, and into how many parts they are cut.
    save_steps: how often to save.
    hook_first: whether the PruningHook comes ahead of TensorFlow's saver.
    at_step, what, ahead: a function of the step, after which step to call it (None: after each),
      and whether ahead of the PruningHook.
    steps: the step to stop at.
    relative_paths: whether the state of the folder names its checkpoints so.

  Returns:
    The values of all variables by name.
  """
  hook = model_pruning.PruningHook(spec)
  others = [_Interrupt(at_step, what)] if what else []
  hooks = [] if hook_first else [hook]
  config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
  config.graph_options.rewrite_options.disable_meta_optimizer = True
  with tf.Graph().as_default():
    train_op, read_step = build(use_resource, partitions), tf.train.get_global_step()
    saver = None
    if relative_paths:
      saver = tf.train.Saver(defer_build=True, save_relative_paths=True)
      tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
    scaffold = tf.train.Scaffold(saver=saver)
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=folder, scaffold=scaffold, chief_only_hooks=[hook] if hook_first else [],
        hooks=(others + hooks if ahead else hooks + others) +
        [tf.train.StopAtStepHook(last_step=steps)],
        save_checkpoint_steps=save_steps, save_summaries_steps=None, save_summaries_secs=None,
        log_step_count_steps=None, config=config) as session:
      step = session.run_step_fn(lambda step_context: step_context.session.run(read_step))
      while not session.should_stop() and step < steps:  # Which a killed run may have reached.
        session.run(train_op)
  return values(folder)


def values(folder):
  """Returns what is in the last checkpoint of a folder, by name."""
  reader = tf.train.load_checkpoint(folder)
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def main():
  folder, output, spec, options = sys.argv[1:]
  np.savez(output, **train(folder, spec, **json.loads(options)))


if __name__ == '__main__':
  main()
