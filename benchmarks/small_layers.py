# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What training a Keras model of small layers costs with an update after every batch.

    python -m benchmarks.small_layers

Trains models of --numbers dense layers of --units units with fit(), pruned to 90 % and
dense, with tfmot on the legacy Keras and with model_pruning on both Kerases. The sides
are processes that take turns, round by round; in each, the dense and the pruned model
take turns too. Medians are compared: of a batch, and of what pruning adds to it. Writes
the table as JSON too.
"""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import keras_sides
from benchmarks import measure
from model_pruning.compat import tensorflow

FLAGS = flags.FLAGS
flags.DEFINE_list('numbers', ['4', '50'], 'Numbers of layers of a model.')
flags.DEFINE_list('units', ['8', '32', '77', '128', '274'],
                  'Units of each layer: a kernel has their square as elements.')
flags.DEFINE_integer('rounds', 7, 'Interleaved rounds.', lower_bound=1)
flags.DEFINE_integer('batches', 100, 'Batches of a round.', lower_bound=1)
flags.DEFINE_string('output', 'out/benchmarks/small_layers.json', 'Where to write the numbers.')

BATCH = 16


class _Training:
  """A model of one library, pruned and dense."""

  def __init__(self, library, number, units, batches):
    keras = library.keras
    self._x = np.random.RandomState(1).standard_normal((BATCH * batches, units)).astype(np.float32)
    self._models = {}
    for kind in ('dense', 'pruned'):
      model = keras.Sequential([keras.layers.InputLayer((units,))] + [
          keras.layers.Dense(units) for _ in range(number)])
      callbacks = []
      if kind == 'pruned':
        model = library.prune(model, 0.9, 1)
        callbacks = [library.callback()]
      model.compile('sgd', 'mse')
      self._models[kind] = model, callbacks
    self.round()

  def round(self):
    """Returns the milliseconds of a batch, of each model."""
    milliseconds = {}
    for kind, (model, callbacks) in self._models.items():
      milliseconds[kind] = 1e3 / (len(self._x) // BATCH) * keras_sides.seconds(
          lambda model=model, callbacks=callbacks: model.fit(
              self._x, self._x, batch_size=BATCH, verbose=0, callbacks=callbacks))
    self._models = dict(reversed(list(self._models.items())))
    return milliseconds

  def zeros(self):
    """Returns the share of zeros in the kernels of the pruned model."""
    model, _ = self._models['pruned']
    return float(np.mean([np.mean(variable.numpy() == 0) for variable in model.trainable_variables
                          if len(variable.shape) > 1]))


def measure_model(sides, number, units):
  """Returns one row per side, with medians and ratios."""
  for side in sides:  # Each warms up while no other works.
    side.ask('train', number, units, FLAGS.batches)
  times = measure.interleaved(
      {side.name: lambda side=side: side.ask('round') for side in sides}, FLAGS.rounds)
  rows = []
  for side in sides:
    dense, pruned = (np.array([answer[kind] for answer in times[side.name]])
                     for kind in ('dense', 'pruned'))
    row = {'layers': number, 'elements': units * units, 'library': side.name,
           'dense_ms': float(np.median(dense)), 'pruned_ms': float(np.median(pruned)),
           'added_ms': float(np.median(pruned - dense)), 'zeros': side.ask('zeros')}
    if keras_sides.PEER in times:
      theirs = np.array([answer['pruned'] for answer in times[keras_sides.PEER]])
      # Of rounds, as the machine drifts by more than the difference.
      row['times_as_fast_as_tfmot'] = float(np.median(theirs / pruned))
    rows.append(row)
  return rows


def main(argv):
  del argv
  if int(tensorflow.__version__.split('.')[0]) < 2:
    print('model_pruning.keras needs TensorFlow 2, but this is %s.' % tensorflow.__version__)
    return
  if FLAGS.serve:
    keras_sides.serve(FLAGS.serve, {'train': _Training})
    return
  sides, versions = keras_sides.sides('benchmarks.small_layers')
  rows = [row for number in FLAGS.numbers for units in FLAGS.units
          for row in measure_model(sides, int(number), int(units))]
  for side in sides:
    side.close()
  print('\nA batch of %d, with an update of all masks after it' % BATCH)
  print(tabulate.tabulate(
      [[row['layers'], '{:,}'.format(row['elements']), row['library'], row['dense_ms'],
        row['pruned_ms'], row['added_ms'], row.get('times_as_fast_as_tfmot'), row['zeros']]
       for row in rows],
      headers=['layers', 'elements\nof each', 'library', 'dense\nms', 'pruned\nms', 'added\nms',
               'times as fast\nas tfmot', 'zeros'],
      floatfmt=('', '', '', '.2f', '.2f', '+.2f', '.2f', '.4f'), missingval='-'))
  measure.write(FLAGS.output, training=rows, versions=versions)


if __name__ == '__main__':
  app.run(main)
