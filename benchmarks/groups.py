# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Compares the update of a group of weights with the update of one weight of the same total size.

    python -m benchmarks.groups

All ways run in one process, interleaved; medians are compared, as ratios.
Writes the table as JSON too.
"""

import functools
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tf

FLAGS = flags.FLAGS
flags.DEFINE_integer('members', 50, 'Number of weights of the group.', lower_bound=1)
flags.DEFINE_integer('size', 1 << 18, 'Number of elements of each.', lower_bound=1)
flags.DEFINE_float('sparsity', 0.9, 'Target sparsity.')
flags.DEFINE_integer('rounds', 15, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/groups.json', 'Where to write the numbers.')

ONE, EACH, GROUP, GLOBAL = 'one weight', 'each on its own', 'group_pruning', 'global_pruning'
WAYS = {
    ONE: (False, ''),
    EACH: (True, ''),
    GROUP: (True, ',group_pruning=true'),
    GLOBAL: (True, ',global_pruning=true'),
}


def _update(way, use_resource):
  """Builds one variant in a new graph; returns (session, operation)."""
  split, options = WAYS[way]
  spec = 'initial_sparsity={0},target_sparsity={0}'.format(FLAGS.sparsity) + options
  sizes = [FLAGS.size] * FLAGS.members if split else [FLAGS.size * FLAGS.members]
  with tf.Graph().as_default() as graph:
    tf.set_random_seed(1)
    tf.train.get_or_create_global_step()
    with tf.variable_scope('model', use_resource=use_resource):
      with model_pruning.masked_scope(group_name='g' if way == GROUP else None):
        for index, size in enumerate(sizes):
          tf.get_variable('layer%d/kernel' % index, [size],
                          initializer=tf.random_normal_initializer(seed=index))
    operation = model_pruning.Pruning(spec).mask_update_op()
    kept = tf.add_n([tf.math.count_nonzero(mask.read_value(), dtype=tf.int64)
                     for mask in model_pruning.get_masks()])
    initialize = tf.global_variables_initializer()
  session = tf.Session(graph=graph)
  session.run(initialize)
  session.run(operation)
  return session, operation, int(session.run(kept))


def measure_kind(use_resource):
  """Returns a dict with the medians and ratios, for ref or for resource variables."""
  built = {way: _update(way, use_resource) for way in WAYS}
  times = measure.interleaved({
      way: functools.partial(measure.seconds, session, operation)
      for way, (session, operation, _) in built.items()}, FLAGS.rounds)
  for session, _, _ in built.values():
    session.close()
  median = {way: float(np.median(values)) for way, values in times.items()}
  size = FLAGS.members * FLAGS.size
  return {
      'variable': 'resource' if use_resource else 'ref', 'members': FLAGS.members, 'weights': size,
      'kept': {way: kept for way, (_, _, kept) in built.items()},
      'ns_per_weight': {way: value / size * 1e9 for way, value in median.items()},
      'times_one_weight': {way: median[way] / median[ONE] for way in WAYS},
  }


def main(argv):
  del argv
  rows = [measure_kind(use_resource) for use_resource in (False, True)]
  print('%d weights of %s elements.\n' % (FLAGS.members, '{:,}'.format(FLAGS.size)))
  print(tabulate.tabulate(
      [[way, row['variable'], '{:,}'.format(row['kept'][way]), row['ns_per_weight'][way],
        row['times_one_weight'][way]] for row in rows for way in WAYS],
      headers=['update', 'variable', 'kept', 'ns/weight', 'times\none weight'], floatfmt='.2f'))
  measure.write(FLAGS.output, groups=rows)


if __name__ == '__main__':
  app.run(main)
