# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a mask update of many small weights costs, against tf.contrib's.

    python -m benchmarks.small_weights

Builds models of --numbers weights of --sizes elements with both libraries, in a
graph and a session each, and updates all masks by turns. Medians are compared.
tf.contrib comes with TensorFlow 1.15 alone: elsewhere only model_pruning is measured.
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
flags.DEFINE_list('numbers', ['1', '4', '50'], 'Numbers of weights of a model.')
flags.DEFINE_list('sizes', ['64', '1024', '16384', '262144'], 'Elements of each weight.')
flags.DEFINE_integer('rounds', 300, 'Interleaved updates; fewer where one takes long.',
                     lower_bound=3)
flags.DEFINE_float('seconds', 10, 'About how long to measure each model.', lower_bound=0)
flags.DEFINE_bool('resource', False, 'Whether the weights are resource variables.')
flags.DEFINE_string('output', 'out/benchmarks/small_weights.json', 'Where to write the numbers.')

CONTRIB, OURS = 'contrib', 'model_pruning'
SPEC = 'initial_sparsity=0.9,target_sparsity=0.9,threshold_decay=0'


def build(library, number, size):
  """Returns a session and the operation that updates all masks."""
  graph = tf.Graph()
  with graph.as_default():
    tf.train.get_or_create_global_step()
    for index in range(number):
      scope = 'layer%d' % index
      with tf.variable_scope(scope, use_resource=FLAGS.resource):
        weight = tf.get_variable('weights', [size // 16, 16],
                                 initializer=tf.random_normal_initializer(seed=index))
      library.apply_mask(weight, scope)
    hparams = library.get_pruning_hparams().parse(SPEC)
    update = library.Pruning(hparams).mask_update_op()
    initialize = tf.global_variables_initializer()
  session = tf.Session(graph=graph)
  session.run(initialize)
  session.run(update)
  return session, update


def measure_model(libraries, number, size):
  """Returns a dict with the medians and the ratio of one model."""
  sides = {name: build(library, number, size) for name, library in libraries.items()}
  once = sum(measure.seconds(*side) for side in sides.values())
  rounds = max(3, min(FLAGS.rounds, int(FLAGS.seconds / once)))
  times = measure.interleaved({name: functools.partial(measure.seconds, *side)
                               for name, side in sides.items()}, rounds)
  for session, _ in sides.values():
    session.close()
  row = {'weights': number, 'elements': size, 'rounds': rounds,
         'ms': {name: 1e3 * float(np.median(values)) for name, values in times.items()}}
  if CONTRIB in times:
    # Of rounds, as the machine drifts by more than the difference.
    row['times_as_fast_as_contrib'] = float(np.median(
        np.asarray(times[CONTRIB]) / np.asarray(times[OURS])))
  return row


def main(argv):
  del argv
  contrib = measure.contrib()
  libraries = {OURS: model_pruning} if contrib is None else {
      CONTRIB: contrib, OURS: model_pruning}
  if contrib is None:
    print('TensorFlow %s has no tf.contrib, which this compares with: that needs TensorFlow '
          '1.15. Only model_pruning is measured.\n' % tf.__version__)
  rows = [measure_model(libraries, int(number), int(size))
          for number in FLAGS.numbers for size in FLAGS.sizes]
  print(tabulate.tabulate(
      [[row['weights'], '{:,}'.format(row['elements']), row['ms'].get(CONTRIB), row['ms'][OURS],
        row.get('times_as_fast_as_contrib')] for row in rows],
      headers=['weights', 'elements\nof each', 'contrib\nms', 'ours\nms',
               'times as fast\nas contrib'],
      floatfmt=('', '', '.3f', '.3f', '.2f'), missingval='-'))
  measure.write(FLAGS.output, updates=rows)


if __name__ == '__main__':
  app.run(main)
