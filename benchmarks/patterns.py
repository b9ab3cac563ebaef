# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Updates of N of M and of blocks, against implementations that sort.

    python -m benchmarks.patterns

All ways run in one process, interleaved, over the same weight, and write its
mask; medians are compared, as ratios. Writes the table as JSON too.
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
flags.DEFINE_list('shape', ['4096', '4096'], 'Shape of the weight.')
flags.DEFINE_list('runs', ['4', '8', '16'], 'Lengths M of the runs of N of M; half are kept.')
flags.DEFINE_list('blocks', ['4x4', '16x1', '1x4'], 'Sizes of blocks; such as divide the shape.')
flags.DEFINE_float('sparsity', 0.9, 'Sparsity of the blocks.')
flags.DEFINE_integer('rounds', 9, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_integer('sort_rounds', 3, 'Rounds of the sorting ways, which are slow.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/patterns.json', 'Where to write the numbers.')

OURS = 'model_pruning'
SCATTER, RANK = 'top_k and scatter', 'argsort twice'
CONTRIB, LEAN = 'as contrib 1.15', 'top_k of the blocks'


def _scatter_of_runs(scores, m, keep):
  """Scatters ones to the indices of top_k of every run, as tfmot does."""
  rows, columns = scores.shape.as_list()
  runs = tf.reshape(tf.transpose(scores), [-1, m])
  _, best = tf.nn.top_k(runs, k=keep, sorted=False)
  where = tf.stack([tf.tile(tf.range(runs.shape[0])[:, None], [1, keep]), best], axis=-1)
  ones = tf.scatter_nd(tf.reshape(where, [-1, 2]), tf.ones([int(runs.shape[0]) * keep]), runs.shape)
  return tf.transpose(tf.reshape(ones, [columns, rows]))


def _rank_of_runs(scores, m, keep):
  """Ranks every run by sorting it, and then by sorting the order, which inverts that."""
  rows, columns = scores.shape.as_list()
  runs = tf.transpose(tf.reshape(scores, [rows // m, m, columns]), [0, 2, 1])
  _, order = tf.nn.top_k(runs, k=m)
  _, rank = tf.nn.top_k(-order, k=m)
  kept = tf.cast(rank < keep, tf.float32)
  return tf.reshape(tf.transpose(kept, [0, 2, 1]), [rows, columns])


def _pooled(scores, height, width):
  pooled = tf.nn.pool(scores[None, :, :, None], [height, width], 'AVG', 'SAME',
                      strides=[height, width])
  return pooled[0, :, :, 0]


def _keep_by_top_k(units, sparsity):
  size = units.shape.num_elements()
  descending, _ = tf.nn.top_k(tf.reshape(units, [-1]), k=size)
  # As a tensor: the sparsity is not known before the step.
  share = 1 - tf.placeholder_with_default(np.float32(sparsity), [])
  keep = tf.cast(tf.round(tf.cast(size, tf.float32) * share), tf.int32)
  return tf.cast(units >= tf.gather(descending, keep - 1), tf.float32)


def _replicate_rows(units, times):
  """Repeats each row by scattering copies of the whole, the way contrib went."""
  rows, columns = units.shape.as_list()
  where = np.arange(times)[:, None] + times * np.arange(rows)[None, :]
  copies = tf.tile(units, [times, 1])
  return tf.scatter_nd(where.reshape([-1, 1]).astype(np.int32), copies, [rows * times, columns])


def _contrib_blocks(scores, height, width, sparsity):
  mask = _keep_by_top_k(_pooled(scores, height, width), sparsity)
  if height > 1:
    mask = _replicate_rows(mask, height)
  if width > 1:
    mask = tf.transpose(_replicate_rows(tf.transpose(mask), width))
  return tf.slice(mask, [0, 0], scores.shape)


def _lean_blocks(scores, height, width, sparsity):
  mask = _keep_by_top_k(_pooled(scores, height, width), sparsity)
  down, across = mask.shape.as_list()
  tiled = tf.tile(tf.reshape(mask, [down, 1, across, 1]), [1, height, 1, width])
  return tf.slice(tf.reshape(tiled, [down * height, across * width]), [0, 0], scores.shape)


def _cases():
  """Returns (name, spec, {name of a sorting way: function of the scores}) of each pattern."""
  cases = []
  for m in map(int, FLAGS.runs):
    cases.append(('%d of %d' % (m // 2, m),
                  'intra_block_sparsity=true,block_width=%d,initial_sparsity=0.5,'
                  'target_sparsity=0.5' % m,
                  {SCATTER: functools.partial(_scatter_of_runs, m=m, keep=m // 2),
                   RANK: functools.partial(_rank_of_runs, m=m, keep=m // 2)}))
  for size in FLAGS.blocks:
    height, width = map(int, size.split('x'))
    arguments = dict(height=height, width=width, sparsity=FLAGS.sparsity)
    cases.append(('%dx%d blocks' % (height, width),
                  'block_height={0},block_width={1},initial_sparsity={2},target_sparsity={2}'
                  .format(height, width, FLAGS.sparsity),
                  {CONTRIB: functools.partial(_contrib_blocks, **arguments),
                   LEAN: functools.partial(_lean_blocks, **arguments)}))
  return cases


def measure_case(name, spec, ways, use_resource):
  """Returns a dict with the medians and ratios of one pattern."""
  shape = [int(dim) for dim in FLAGS.shape]
  size = int(np.prod(shape))
  with tf.Graph().as_default() as graph:
    tf.set_random_seed(1)
    tf.train.get_or_create_global_step()
    with tf.variable_scope('fc', use_resource=use_resource):
      weight = tf.get_variable('weights', shape, initializer=tf.random_normal_initializer(seed=1))
      model_pruning.apply_mask(weight)
    mask, = model_pruning.get_masks()
    operations = {OURS: model_pruning.Pruning(spec).mask_update_op()}
    for way, function in ways.items():
      operations[way] = tf.assign(mask, function(tf.abs(weight.read_value()))).op
    ones = tf.math.count_nonzero(mask.read_value(), dtype=tf.int64)
    initialize = tf.global_variables_initializer()
  with tf.Session(graph=graph) as session:
    session.run(initialize)
    kept = {}
    for way, operation in operations.items():
      session.run(operation)
      kept[way] = int(session.run(ones))
    times = measure.interleaved(
        {way: functools.partial(measure.seconds, session, operation)
         for way, operation in operations.items()}, max(FLAGS.rounds, FLAGS.sort_rounds),
        skip=lambda way, index: index >= (FLAGS.rounds if way == OURS else FLAGS.sort_rounds))
  # The sorting ways keep all blocks that tie at the threshold.
  off = max(kept.values()) - min(kept.values())
  if off > 1e-5 * size:
    raise RuntimeError('%s: the masks differ in their numbers of ones: %s' % (name, kept))
  median = {way: float(np.median(values)) for way, values in times.items()}
  return {
      'pattern': name, 'variable': 'resource' if use_resource else 'ref', 'weights': size,
      'kept': kept, 'ns_per_weight': {way: value / size * 1e9 for way, value in median.items()},
      'times_as_fast_as': {way: median[way] / median[OURS] for way in ways},
  }


def main(argv):
  del argv
  rows = [measure_case(*case, use_resource) for case in _cases() for use_resource in (False, True)]
  table = []
  for row in rows:
    for way, times in row['times_as_fast_as'].items():
      table.append([row['pattern'], row['variable'], '{:,}'.format(row['kept'][OURS]), way,
                    row['ns_per_weight'][way], row['ns_per_weight'][OURS], times])
  print(tabulate.tabulate(
      table, headers=['pattern', 'variable', 'kept', 'sorting', 'sorting\nns/weight',
                      'ours\nns/weight', 'times as fast\nas sorting'], floatfmt='.2f'))
  measure.write(FLAGS.output, patterns=rows)


if __name__ == '__main__':
  app.run(main)
