# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What it takes to build the graph of masks and their update, against tf.contrib's.

    python -m benchmarks.build_time

Both libraries build the same models in one process, by turns, each time in a
graph of its own; medians are compared. tf.contrib comes with TensorFlow 1.15
alone: elsewhere only model_pruning is measured. Writes the table as JSON too.
"""

import functools
import gc
import os
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
import model_pruning
from model_pruning.compat import tf

FLAGS = flags.FLAGS
flags.DEFINE_integer('weights', 1000, 'Number of weights of a model.', lower_bound=1)
flags.DEFINE_integer('portion', 200, 'Number of weights of the small models.', lower_bound=1)
flags.DEFINE_integer('portions', 5, 'Rounds over the small models.', lower_bound=1)
flags.DEFINE_integer('large_rounds', 1, 'Rounds over the models of --weights.', lower_bound=0)
flags.DEFINE_integer('group_size', 10, 'Members of a group.', lower_bound=1)
flags.DEFINE_bool('resource', False, 'Whether the weights are resource variables.')
flags.DEFINE_string('output', 'out/benchmarks/build_time.json', 'Where to write the numbers.')

CONTRIB, OURS = 'contrib', 'model_pruning'
FEW_SHAPES, ALL_DISTINCT = '7 shapes', 'all distinct'

# Name, spec, whether contrib knows it, whether the weights are in groups.
CASES = (
    ('elementwise', '', True, False),
    ('4x4 blocks', 'block_height=4,block_width=4', True, False),
    ('groups', 'group_pruning=true', False, True),
    ('2 of 4', 'intra_block_sparsity=true,block_width=4', False, False),
    ('first_order_gradient', 'prune_option=first_order_gradient', False, False),
)


def _shape(index, distinct):
  if distinct:
    return [16 + index // 40, 16 + index % 40]
  return [16 + 4 * (index % 7), 32]


def _build(library, spec, grouped, shapes):
  """Builds a model and its update.

  Returns:
    Seconds per weight of (apply_mask, Pruning and its conditional update), and the nodes per
    weight that these two have added to the graph.
  """
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    weights = []
    for index, shape in enumerate(shapes):
      with tf.variable_scope('layer%d' % index, use_resource=FLAGS.resource):
        weights.append(tf.get_variable('weights', shape))
    gc.collect()  # What the graph before this one left is not its to pay for.
    before, start = len(graph.get_operations()), time.perf_counter()
    for index, weight in enumerate(weights):
      scope = 'layer%d' % index
      if grouped:
        library.apply_mask_with_group(weight, scope, group_name='g%d' % (index // FLAGS.group_size))
      else:
        library.apply_mask(weight, scope)
    masked = time.perf_counter()
    # Contrib takes nothing but its own HParams.
    hparams = library.get_pruning_hparams().parse(spec)
    library.Pruning(hparams).conditional_mask_update_op()
    end = time.perf_counter()
    nodes = len(graph.get_operations()) - before
  number = len(shapes)
  return (masked - start) / number, (end - masked) / number, nodes / number


def measure_case(name, spec, libraries, grouped, distinct, weights, rounds):
  """Returns a dict with the medians and ratios of one model."""
  shapes = [_shape(index, distinct) for index in range(weights)]
  results = measure.interleaved({
      library: functools.partial(_build, module, spec, grouped, shapes)
      for library, module in libraries.items()}, rounds)
  row = {'model': name, 'shapes': ALL_DISTINCT if distinct else FEW_SHAPES, 'weights': weights}
  for library, values in results.items():
    apply_mask, update, nodes = np.median(values, axis=0).tolist()
    row[library] = {'apply_mask_ms': 1e3 * apply_mask, 'update_ms': 1e3 * update,
                    'nodes': nodes}
  if CONTRIB in libraries:
    theirs, ours = np.asarray(results[CONTRIB])[:, :2], np.asarray(results[OURS])[:, :2]
    # Of rounds, as the machine drifts by more than the difference.
    row['update_times_contrib'] = float(np.median(ours[:, 1] / theirs[:, 1]))
    row['times_contrib'] = float(np.median(ours.sum(axis=1) / theirs.sum(axis=1)))
  return row


def _columns(row):
  def ms(library, key):
    return row[library][key] if library in row else None

  return [row['model'], row['shapes'], '{:,}'.format(row['weights']),
          ms(CONTRIB, 'apply_mask_ms'), ms(CONTRIB, 'update_ms'), ms(OURS, 'apply_mask_ms'),
          ms(OURS, 'update_ms'), row.get('update_times_contrib'), row.get('times_contrib')]


def main(argv):
  del argv
  contrib = measure.contrib()
  if contrib is None:
    print('TensorFlow %s has no tf.contrib, which this compares with: that needs TensorFlow '
          '1.15. Only model_pruning is measured.\n' % tf.__version__)
  rows = []
  for name, spec, comparable, grouped in CASES:
    libraries = {CONTRIB: contrib, OURS: model_pruning}
    if contrib is None or not comparable:
      del libraries[CONTRIB]
    for distinct in (False, True):
      for weights, rounds in ((FLAGS.portion, FLAGS.portions), (FLAGS.weights, FLAGS.large_rounds)):
        if rounds:
          rows.append(measure_case(name, spec, libraries, grouped, distinct, weights, rounds))
          print('.', end='', file=sys.stderr, flush=True)
  print(file=sys.stderr)
  print(tabulate.tabulate(
      [_columns(row) for row in rows],
      headers=['model', 'shapes', 'weights', 'contrib\napply_mask\nms/weight',
               'contrib\nupdate\nms/weight', 'ours\napply_mask\nms/weight',
               'ours\nupdate\nms/weight', 'update,\ntimes\ncontrib', 'both,\ntimes\ncontrib'],
      floatfmt='.2f', missingval='-'))
  measure.write(FLAGS.output, builds=rows)


if __name__ == '__main__':
  app.run(main)
