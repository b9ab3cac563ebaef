# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""What pruning costs a Keras model, at an update of its masks and between two, against tfmot.

    python -m benchmarks.keras_update

Updates: all masks of a model at once. tfmot is TensorFlow Model Optimization on the
legacy Keras, with the update of all its layers in one tf.function. It needs an
environment of its own (tools/env.sh tfmot), in which model_pruning runs too, so that
both have one TensorFlow; each side is a process, and the sides take turns, round by
round. The first update finds the weights dense, a later one as a step of training after
the one before has left them: in tfmot what was pruned has moved away from zero again by
then, in ours it is zero. Ours also sets to zero what it prunes, which tfmot does in every
step, and is not charged for here.

Steps: between two updates, with the callback that each library asks for, the pruned
model and the same unpruned by turns in one process.

The models are ResNet50, 25.6 million weights in layers of up to 2.4 million, and
MobileNetV2, 3.5 million in small layers. Large layers would favour an update that takes
linear time: the MLP has them. A step of the MLP is the hard case for the other
measurement, as it does little work with each weight. Writes the tables as JSON too.
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
flags.DEFINE_list('models', ['resnet50', 'mobilenet_v2', 'mlp'],
                  'Which models: resnet50, mobilenet_v2, mlp.')
flags.DEFINE_integer('image', 96, 'Height and width of the images.', lower_bound=32)
flags.DEFINE_integer('batch', 16, 'Batch size of the models of images.', lower_bound=1)
flags.DEFINE_list('mlp', ['784', '4096', '4096', '1280', '10'], 'Sizes of the layers of the MLP.')
flags.DEFINE_integer('mlp_batch', 128, 'Batch size of the MLP.', lower_bound=1)
flags.DEFINE_integer('rounds', 5, 'Rounds of updates of each side.', lower_bound=0)
flags.DEFINE_integer('step_rounds', 11, 'Pairs of steps of each side.', lower_bound=0)
flags.DEFINE_float('sparsity', 0.9, 'Target sparsity.', lower_bound=0, upper_bound=0.99)
flags.DEFINE_string('output', 'out/benchmarks/keras_update.json', 'Where to write the numbers.')

PEER = keras_sides.PEER
# Masks are updated at multiples of it: never by accident.
FREQUENCY = 10 ** 6


def _make(keras, name):
  """Returns (model, inputs, labels), the same numbers in each process."""
  random = np.random.RandomState(1)
  networks = {'resnet50': 'ResNet50', 'mobilenet_v2': 'MobileNetV2'}
  if name in networks:
    model = getattr(keras.applications, networks[name])(
        weights=None, input_shape=(FLAGS.image, FLAGS.image, 3), classifier_activation=None)
    shape, classes = (FLAGS.batch, FLAGS.image, FLAGS.image, 3), 1000
  else:
    sizes = [int(size) for size in FLAGS.mlp]
    inputs = x = keras.Input((sizes[0],))
    for size in sizes[1:-1]:
      x = keras.layers.Dense(size, activation='relu')(x)
    model = keras.Model(inputs, keras.layers.Dense(sizes[-1])(x))
    shape, classes = (FLAGS.mlp_batch, sizes[0]), sizes[-1]
  for variable in _kernels(model):
    fan_in = float(np.prod(variable.shape[:-1]))
    values = random.standard_normal(tuple(variable.shape)) * (2 / fan_in) ** 0.5
    variable.assign(values.astype(np.float32))
  return (model, random.standard_normal(shape).astype(np.float32),
          random.randint(0, classes, shape[0]))


def _kernels(model):
  return [variable for variable in model.trainable_variables if len(variable.shape) > 1]


def _zeros(model):
  """Returns [(number of weights, number of zeros)] of the kernels, in order."""
  return [(int(np.prod(kernel.shape)), int(np.sum(kernel.numpy() == 0)))
          for kernel in _kernels(model)]


class _Updates:
  """Updates of one model."""

  def __init__(self, library, name):
    model, _, _ = _make(library.keras, name)
    self._model = library.prune(model, FLAGS.sparsity, FREQUENCY)
    self._dense = [kernel.numpy() for kernel in _kernels(self._model)]
    self._keeps_zeros = library.keeps_zeros
    self._update, self._apply = library.updater(self._model, FREQUENCY)
    for _ in range(2):
      self.round()

  def round(self):
    for kernel, values in zip(_kernels(self._model), self._dense):
      kernel.assign(values)
    first = self._update()
    self._apply()
    for kernel, values in zip(_kernels(self._model), self._dense):
      before = kernel.numpy()
      step = 1e-3 * values.ravel()[::-1].reshape(values.shape)
      kernel.assign(before + (step * (before != 0) if self._keeps_zeros else step))
    later = self._update()
    self._apply()
    return {'first': first, 'later': later}

  def result(self):
    return _zeros(self._model)


class _Steps:
  """Steps of one model, pruned and not."""

  def __init__(self, library, name):
    self._models = {}
    for kind in ('unpruned', 'pruned'):
      model, inputs, labels = _make(library.keras, name)
      callback = library.keras.callbacks.Callback()
      if kind == 'pruned':
        model = library.prune(model, FLAGS.sparsity, FREQUENCY)
        callback = library.callback()
      model.compile(  # Without XLA, which takes minutes to compile ResNet50, and which Keras 2
          # does not use unless asked.
          optimizer=library.keras.optimizers.SGD(1e-4, momentum=0.9), jit_compile=False,
          loss=library.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
      callback.set_model(model)
      callback.on_train_begin()
      if not library.keeps_zeros and kind == 'pruned':
        update, _ = library.updater(model, FREQUENCY)
        update()
      self._models[kind] = (model, callback, inputs, labels)
    for _ in range(3):
      self.round()

  def round(self):
    seconds = {kind: keras_sides.seconds(lambda kind=kind: self._step(kind))
               for kind in self._models}
    # Who comes first changes: the one before leaves the caches as they are.
    self._models = dict(reversed(list(self._models.items())))
    return seconds

  def _step(self, kind):
    model, callback, inputs, labels = self._models[kind]
    callback.on_train_batch_begin(-1)
    model.train_on_batch(inputs, labels)
    callback.on_train_batch_end(-1)

  def result(self):
    """Of the pruned model; tfmot's weights are no longer sparse after a step."""
    return _zeros(self._models['pruned'][0])


def _rounds(sides, task, model, rounds):
  """Returns {name of a side: [result of each round]} and {name: result}."""
  for side in sides:  # Each warms up while no other works.
    side.ask(task, model)
  times = measure.interleaved({side.name: lambda side=side: side.ask('round') for side in sides},
                              rounds)
  return times, {side.name: side.ask('result') for side in sides}


def measure_updates(sides, model):
  """Returns rows with the medians and ratios of the updates of a model."""
  times, results = _rounds(sides, 'updates', model, FLAGS.rounds)
  rows = []
  for name, answers in times.items():
    weights = sum(size for size, _ in results[name])
    row = {'model': model, 'library': name, 'weights': weights,
           'zeros': sum(zeros for _, zeros in results[name]) / weights,
           'ns_per_weight': {}, 'times_as_fast_as_tfmot': {}}
    for kind in ('first', 'later'):
      ours = np.array([answer[kind] for answer in answers])
      row['ns_per_weight'][kind] = float(np.median(ours)) / weights * 1e9
      if PEER in times:
        # Of rounds, as the machine drifts by more than the difference.
        row['times_as_fast_as_tfmot'][kind] = float(np.median(
            [answer[kind] for answer in times[PEER]] / ours))
    if PEER in times:
      row['most_zeros_off_tfmot'] = max(
          abs(zeros - theirs) for (_, zeros), (_, theirs) in zip(results[name], results[PEER]))
    rows.append(row)
  return rows


def measure_steps(sides, model):
  """Returns rows with the medians of steps between two updates, pruned and not."""
  times, results = _rounds(sides, 'steps', model, FLAGS.step_rounds)
  rows = []
  for name, answers in times.items():
    unpruned = np.array([answer['unpruned'] for answer in answers])
    pruned = np.array([answer['pruned'] for answer in answers])
    rows.append({
        'model': model, 'library': name,
        'zeros': (sum(zeros for _, zeros in results[name]) /
                  sum(size for size, _ in results[name])),
        'unpruned_ms': 1e3 * float(np.median(unpruned)), 'ms': 1e3 * float(np.median(pruned)),
        'percent_more': 100 * float(np.median(pruned / unpruned) - 1)})
  return rows


def main(argv):
  del argv
  if int(tensorflow.__version__.split('.')[0]) < 2:
    print('model_pruning.keras needs TensorFlow 2, but this is %s.' % tensorflow.__version__)
    return
  if FLAGS.serve:
    keras_sides.serve(FLAGS.serve, {'updates': _Updates, 'steps': _Steps})
    return
  sides, versions = keras_sides.sides('benchmarks.keras_update')
  updates = [row for model in FLAGS.models if FLAGS.rounds
             for row in measure_updates(sides, model)]
  print('\nUpdates of all masks of a model')
  print(tabulate.tabulate(
      [[row['model'], '{:,}'.format(row['weights']), row['library'], row['ns_per_weight']['first'],
        row['times_as_fast_as_tfmot'].get('first'), row['ns_per_weight']['later'],
        row['times_as_fast_as_tfmot'].get('later'), row['zeros'], row.get('most_zeros_off_tfmot')]
       for row in updates],
      headers=['model', 'weights', 'library', 'first\nns/weight', 'times as fast\nas tfmot',
               'later\nns/weight', 'times as fast\nas tfmot', 'zeros',
               'a layer\'s zeros,\noff tfmot\'s'],
      floatfmt=('', '', '', '.2f', '.1f', '.2f', '.1f', '.4f', ''), missingval='-'), flush=True)
  steps = [row for model in FLAGS.models if FLAGS.step_rounds
           for row in measure_steps(sides, model)]
  for side in sides:
    side.close()
  print('\nTraining steps between two updates')
  print(tabulate.tabulate(
      [[row['model'], row['library'], row['unpruned_ms'], row['ms'], row['percent_more'],
        row['zeros']] for row in steps],
      headers=['model', 'library', 'unpruned\nms', 'pruned\nms', '% more', 'zeros\nafter steps'],
      floatfmt=('', '', '.1f', '.1f', '+.1f', '.4f')))
  measure.write(FLAGS.output, updates=updates, steps=steps, versions=versions)


if __name__ == '__main__':
  app.run(main)
