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

The model is ResNet50: 25.6 million weights, in layers of the sizes that are used, the
largest of 2.4 million. Large layers would favour an update that takes linear time: the
MLP has them. A step of the MLP is the hard case for the other measurement, as it does
little work with each weight. Writes the tables as JSON too.
"""

import json
import os
import subprocess
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from absl import app
from absl import flags
import numpy as np
import tabulate

from benchmarks import measure
from model_pruning.compat import tensorflow

FLAGS = flags.FLAGS
flags.DEFINE_list('models', ['resnet50', 'mlp'], 'Which models: resnet50, mlp.')
flags.DEFINE_integer('image', 96, 'Height and width of the images of resnet50.', lower_bound=32)
flags.DEFINE_integer('batch', 16, 'Batch size of resnet50.', lower_bound=1)
flags.DEFINE_list('mlp', ['784', '4096', '4096', '1280', '10'], 'Sizes of the layers of the MLP.')
flags.DEFINE_integer('mlp_batch', 128, 'Batch size of the MLP.', lower_bound=1)
flags.DEFINE_integer('rounds', 5, 'Rounds of updates of each side.', lower_bound=0)
flags.DEFINE_integer('step_rounds', 11, 'Pairs of steps of each side.', lower_bound=0)
flags.DEFINE_float('sparsity', 0.9, 'Target sparsity.', lower_bound=0, upper_bound=0.99)
flags.DEFINE_bool('peer', True, 'Whether to measure tfmot; its environment is made if need be.')
flags.DEFINE_string('output', 'out/benchmarks/keras_update.json', 'Where to write the numbers.')
flags.DEFINE_enum('serve', None, ['model_pruning', 'tfmot'],
                  'Only answer what another process asks about this library.')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEER, OURS = 'tfmot', 'model_pruning'
# Masks are updated at multiples of it: never by accident.
FREQUENCY = 10 ** 6


class _Library:
  """What both libraries call alike; `_sparsity` is the module."""

  def prune(self, model):
    return self._sparsity.prune_low_magnitude(
        model, self._sparsity.ConstantSparsity(FLAGS.sparsity, 0, frequency=FREQUENCY))

  def callback(self):
    return self._sparsity.UpdatePruningStep()


class _Tfmot(_Library):
  """Pruning and mask updates with tfmot."""

  keeps_zeros = False  # From one step to the next.

  def __init__(self):
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper
    from tensorflow_model_optimization.sparsity import keras as sparsity
    self._wrapper = pruning_wrapper
    self._sparsity = sparsity
    self.keras = tensorflow.keras

  def updater(self, model):
    """Returns (a function that updates and returns the seconds, the work of the forward pass)."""
    layers = self._wrapper.collect_prunable_layers(model)

    def at_an_update(function):
      def call():
        for layer in layers:
          layer.pruning_step.assign(FREQUENCY)
        seconds = _seconds(function)
        for layer in layers:
          layer.pruning_step.assign(1)
        return seconds
      return call

    @tensorflow.function
    def update():
      for layer in layers:
        layer.pruning_obj.conditional_mask_update()

    @tensorflow.function
    def apply():
      for layer in layers:
        layer.pruning_obj.weight_mask_op()

    return at_an_update(update), apply


class _Ours(_Library):
  """The same of model_pruning.keras."""

  keeps_zeros = True

  def __init__(self):
    from model_pruning import keras as sparsity
    from model_pruning.keras import updates
    from model_pruning.keras.backend import keras
    self._sparsity = sparsity
    self._updates = updates
    self.keras = keras

  def updater(self, model):
    updater = self._updates.MaskUpdater(model)
    return (lambda: _seconds(lambda: updater.update(FREQUENCY))), lambda: None


def _seconds(function):
  start = time.perf_counter()
  function()
  return time.perf_counter() - start


def _make(keras, name):
  """Returns (model, inputs, labels), the same numbers in each process."""
  random = np.random.RandomState(1)
  if name == 'resnet50':
    model = keras.applications.ResNet50(
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
    self._model = library.prune(model)
    self._dense = [kernel.numpy() for kernel in _kernels(self._model)]
    self._keeps_zeros = library.keeps_zeros
    self._update, self._apply = library.updater(self._model)
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
        model = library.prune(model)
        callback = library.callback()
      model.compile(  # Without XLA, which takes minutes to compile ResNet50, and which Keras 2
          # does not use unless asked.
          optimizer=library.keras.optimizers.SGD(1e-4, momentum=0.9), jit_compile=False,
          loss=library.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
      callback.set_model(model)
      callback.on_train_begin()
      if isinstance(library, _Tfmot) and kind == 'pruned':
        update, _ = library.updater(model)
        update()
      self._models[kind] = (model, callback, inputs, labels)
    for _ in range(3):
      self.round()

  def round(self):
    seconds = {kind: _seconds(lambda kind=kind: self._step(kind)) for kind in self._models}
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


def _serve(library):
  """Answers lines of JSON, each a list of tasks, until the input ends."""
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)  # What else is printed is not an answer.
  library = _Tfmot() if library == PEER else _Ours()
  task = None
  for line in iter(sys.stdin.readline, ''):
    command, *arguments = json.loads(line)
    if command == 'versions':
      answer = {'tensorflow': tensorflow.__version__,
                'keras': getattr(library.keras, '__version__', None) or 'tf_keras'}
    elif command == 'updates':
      task = None  # Before the next takes its memory.
      task = answer = _Updates(library, *arguments)
    elif command == 'steps':
      task = None
      task = answer = _Steps(library, *arguments)
    else:
      answer = getattr(task, command)()
    answers.write(json.dumps(None if answer is task else answer) + '\n')
    answers.flush()


class _Side:
  """A process that measures one library on one Keras."""

  def __init__(self, name, python, library, legacy_keras=None):
    self.name = name
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + (
        [] if python != sys.executable else sys.path)))
    if legacy_keras is not None:
      environment['TF_USE_LEGACY_KERAS'] = str(int(legacy_keras))
    self._process = subprocess.Popen(
        [python, '-m', 'benchmarks.keras_update', '--serve=' + library] + [
            flag.serialize() for flag in FLAGS.get_key_flags_for_module(sys.argv[0])
            if flag.present and flag.name != 'serve'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, cwd=ROOT,
        env=environment)

  def ask(self, *command):
    self._process.stdin.write(json.dumps(command) + '\n')
    self._process.stdin.flush()
    line = self._process.stdout.readline()
    if not line:
      raise SystemExit('%s ended during the request %s: see above' % (self.name, ' '.join(command)))
    return json.loads(line)

  def close(self):
    self._process.stdin.close()
    self._process.wait()


def _peer_python():
  """Returns the Python of tfmot's environment; None where there cannot be one."""
  try:
    return subprocess.run([os.path.join(ROOT, 'tools', 'env.sh'), PEER], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
  except (OSError, subprocess.CalledProcessError) as error:
    print('There is no environment with tfmot (%s). Only model_pruning is measured.\n' % error)
    return None


def _sides():
  python = _peer_python() if FLAGS.peer else None
  if python is None:
    return [_Side(OURS, sys.executable, OURS)]
  return [_Side(PEER, python, PEER, legacy_keras=True),
          _Side(OURS + ', tf_keras', python, OURS, legacy_keras=True),
          _Side(OURS + ', Keras 3', python, OURS, legacy_keras=False)]


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
    _serve(FLAGS.serve)
    return
  sides = _sides()
  versions = {side.name: side.ask('versions') for side in sides}
  for name, version in versions.items():
    print('%s: TensorFlow %s, Keras %s' % (name, version['tensorflow'], version['keras']))
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
