# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a mask update of many small weights costs, against tf.contrib's.

    python -m benchmarks.small_weights

Builds models of --numbers weights of --sizes elements with both libraries, in a
graph and a session each, and updates all masks by turns. Medians are compared.
tf.contrib comes with TensorFlow 1.15 alone. Elsewhere, and so on most GPUs, an update
that sorts each weight takes its place: the same operations for the threshold and the
mask, without a schedule. Writes the table as JSON too.
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

CONTRIB, SORTING, OURS = 'contrib', 'sorting', 'model_pruning'
SPEC = 'initial_sparsity=0.9,target_sparsity=0.9,threshold_decay=0'


def build_sorting(number, size):
  """Returns a session and the operation that updates all masks by sorting each weight."""
  graph = tf.Graph()
  with graph.as_default():
    written = []
    for index in range(number):
      with tf.variable_scope('layer%d' % index, use_resource=FLAGS.resource):
        weight = tf.get_variable('weights', [size // 16, 16],
                                 initializer=tf.random_normal_initializer(seed=index))
        mask = tf.get_variable('mask', weight.shape, initializer=tf.ones_initializer())
        threshold = tf.get_variable('threshold', [], initializer=tf.zeros_initializer())
      scores = tf.abs(weight)
      descending, _ = tf.nn.top_k(tf.reshape(scores, [-1]), k=size)
      lowest = tf.gather(descending, max(1, round(0.1 * size)) - 1)
      written += [tf.assign(threshold, lowest),
                  tf.assign(mask, tf.cast(scores >= lowest, tf.float32))]
    update = tf.group(*(each.op for each in written))
    initialize = tf.global_variables_initializer()
  session = tf.Session(graph=graph)
  session.run(initialize)
  session.run(update)
  return session, update


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


def measure_model(sides, number, size):
  """Returns a dict with the medians and the ratio of one model.

  Args:
    sides: {name: function of the number of weights and their size}.
    number, size: the model.
  """
  peer, _ = sides
  sides = {name: make(number, size) for name, make in sides.items()}
  once = sum(measure.seconds(*side) for side in sides.values())
  rounds = max(3, min(FLAGS.rounds, int(FLAGS.seconds / once)))
  times = measure.interleaved({name: functools.partial(measure.seconds, *side)
                               for name, side in sides.items()}, rounds)
  for session, _ in sides.values():
    session.close()
  row = {'weights': number, 'elements': size, 'rounds': rounds,
         'ms': {name: 1e3 * float(np.median(values)) for name, values in times.items()}}
  # Of rounds, as the machine drifts by more than the difference.
  row['times_as_fast_as_' + peer] = float(np.median(
      np.asarray(times[peer]) / np.asarray(times[OURS])))
  return row


def main(argv):
  del argv
  contrib = measure.contrib()
  if contrib is None:
    print('TensorFlow %s has no tf.contrib, which needs TensorFlow 1.15. This compares with an '
          'update that sorts each weight.\n' % tf.__version__)
    peer, make = SORTING, build_sorting
  else:
    peer, make = CONTRIB, functools.partial(build, contrib)
  sides = {peer: make, OURS: functools.partial(build, model_pruning)}
  rows = [measure_model(sides, int(number), int(size))
          for number in FLAGS.numbers for size in FLAGS.sizes]
  print(tabulate.tabulate(
      [[row['weights'], '{:,}'.format(row['elements']), row['ms'][peer], row['ms'][OURS],
        row['times_as_fast_as_' + peer]] for row in rows],
      headers=['weights', 'elements\nof each', peer + '\nms', 'ours\nms',
               'times as fast\nas ' + peer],
      floatfmt=('', '', '.3f', '.3f', '.2f')))
  measure.write(FLAGS.output, updates=rows)


if __name__ == '__main__':
  app.run(main)
