# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What an update costs as the same elements are cut into more and more weights.

    python -m benchmarks.by_number

Updates the masks of --total elements in all, in one weight or in hundreds, in a graph
and in a Keras model. tf.contrib is measured on TensorFlow 1.15, in a graph, and tfmot
on TensorFlow 2, so the whole picture needs the tables of both:

    python -m benchmarks.by_number --draw=FIRST.json,SECOND.json --picture=OUT.png
"""

import json
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import keras_sides
from benchmarks import measure
from benchmarks import small_weights
import model_pruning
from model_pruning.compat import tensorflow
from model_pruning.util import figures

FLAGS = flags.FLAGS
flags.DEFINE_integer('total', 1 << 20, 'Elements of all weights; 4 to the power of something.')
flags.DEFINE_list('weights', ['1', '4', '16', '64', '256', '1024'],
                  'Numbers of weights: 4 to the power of something.')
flags.DEFINE_integer('repeats', 9, 'Interleaved updates of each side.', lower_bound=1)
flags.DEFINE_list('draw', [], 'Tables to draw, in place of measuring.')
flags.DEFINE_string('picture', 'out/benchmarks/by_number.png', 'Where to draw them.')
flags.declare_key_flag('output')
FLAGS.set_default('output', 'out/benchmarks/by_number.json')

# Masks are updated at multiples of it: never by accident.
FREQUENCY = 10 ** 6
IN_GRAPHS, IN_KERAS = 'a graph', 'a Keras model'


class _Updates:
  """Updates of the masks of one Keras model."""

  def __init__(self, library, number, units):
    keras = library.keras
    inputs = keras.Input((units,))
    # Side by side, as Keras walks along a chain by recursion.
    outputs = [keras.layers.Dense(units, use_bias=False)(inputs) for _ in range(number)]
    model = library.prune(keras.Model(inputs, outputs), 0.9, FREQUENCY)
    self._update, self._apply = library.updater(model, FREQUENCY)
    for _ in range(2):
      self.round()

  def round(self):
    seconds = self._update()
    self._apply()
    return seconds


def _in_graphs(number):
  contrib = measure.contrib()
  libraries = {keras_sides.OURS: model_pruning}
  if contrib is not None:
    libraries['contrib'] = contrib
  sides = {name: small_weights.build(library, number, FLAGS.total // number)
           for name, library in libraries.items()}
  times = measure.interleaved({name: lambda side=side: measure.seconds(*side)
                               for name, side in sides.items()}, FLAGS.repeats)
  for session, _ in sides.values():
    session.close()
  return times


def _in_keras(sides, number):
  units = int((FLAGS.total // number) ** 0.5)
  for side in sides:  # Each warms up while no other works.
    side.ask('updates', number, units)
  return measure.interleaved({side.name: lambda side=side: side.ask('round') for side in sides},
                             FLAGS.repeats)


def draw(rows, path):
  """Draws the milliseconds of an update against the number of weights, as a PNG."""
  kinds = [kind for kind in (IN_GRAPHS, IN_KERAS) if any(row['in'] == kind for row in rows)]
  with figures.style():
    figure, axes = figures.grid(len(kinds), 4.4, 3.4)
    for axis, kind in zip(axes, kinds):
      names = sorted({row['library'] for row in rows if row['in'] == kind},
                     key=lambda name: (name.startswith(keras_sides.OURS), name))
      for index, name in enumerate(names):
        found = [row for row in rows if row['in'] == kind and row['library'] == name]
        axis.plot([row['weights'] for row in found], [row['ms'] for row in found], marker='o',
                  label=name, **figures.line(index, len(names)))
      axis.set(xscale='log', yscale='log', title='{:,} elements in {}'.format(FLAGS.total, kind),
               xlabel='weights', ylabel='milliseconds of an update')
      numbers = sorted({row['weights'] for row in rows})
      axis.set_xticks(numbers)
      axis.set_xticklabels(map(str, numbers))
      low, high = axis.get_ylim()
      ticks = [base * 10.0**exponent for exponent in range(-4, 6) for base in (1, 2, 5)]
      ticks = [tick for tick in ticks if low <= tick <= high]
      axis.set_yticks(ticks)
      axis.set_yticklabels(['%g' % tick for tick in ticks])
      axis.minorticks_off()
      axis.legend()
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    figure.savefig(path)
  print('Drawn to %s' % path)


def main(argv):
  del argv
  if FLAGS.serve:
    keras_sides.serve(FLAGS.serve, {'updates': _Updates})
    return
  if FLAGS.draw:
    rows = []
    for path in FLAGS.draw:
      with open(path) as handle:
        rows += [row for row in json.load(handle)['updates']
                 # Both tables have our graphs: from contrib's TensorFlow, if it is there.
                 if (row['in'], row['library'], row['weights']) not in {
                     (other['in'], other['library'], other['weights']) for other in rows}]
    draw(rows, FLAGS.picture)
    return
  in_keras = int(tensorflow.__version__.split('.')[0]) > 1
  sides = keras_sides.sides('benchmarks.by_number')[0] if in_keras else []
  rows = []
  for number in map(int, FLAGS.weights):
    measured = {IN_GRAPHS: _in_graphs(number)}
    if sides:
      measured[IN_KERAS] = _in_keras(sides, number)
    rows += [{'in': kind, 'library': name, 'weights': number, 'ms': 1e3 * float(np.median(values))}
             for kind, times in measured.items() for name, values in times.items()]
  for side in sides:
    side.close()
  rows.sort(key=lambda row: (row['in'], row['library'], row['weights']))
  print(tabulate.tabulate(
      [[row['in'], row['library'], row['weights'], row['ms']] for row in rows],
      headers=['{:,} elements in'.format(FLAGS.total), 'library', 'weights', 'ms'],
      floatfmt=('', '', '', '.2f')))
  measure.write(FLAGS.output, updates=rows)


if __name__ == '__main__':
  app.run(main)
