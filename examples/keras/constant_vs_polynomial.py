# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes one net at once and the same net little by little, and compares them: a published case.

  python -m examples.keras.constant_vs_polynomial
  python -m examples.keras.constant_vs_polynomial --data=mnist --seeds=3

The net and the schedules are those of the article "TensorFlow pruning schedules:
ConstantSparsity and PolynomialDecay": a ConvNet whose kernels lose 87.5 % of their
weights from 20 % of its training on, all of them there and then (constant), or along
a polynomial that starts at 0 and ends with the training. Works on Keras 3 and Keras 2.
What has to do with pruning is in `schedules_of` and `train_and_eval` below.
"""

import os
import sys
import time
from typing import Any, Dict, Optional

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from absl import flags

from examples.digits import terminal  # Before TensorFlow, since it quietens it.
from examples.digits import data as data_lib
from examples.digits import runs
from examples.keras import report
from examples.keras.watching import Watch
import numpy as np
import tensorflow as tf

_FLAGS = flags.FLAGS
_UPDATES = 40  # Within a whole training; tfmot's default, every 100 steps, makes as many on MNIST.
_DEFAULTS = {'digits': {'epochs': 12, 'batch_size': 32}, 'mnist': {'epochs': 10, 'batch_size': 128}}


def build(image_shape: Any, seed: int) -> Any:
  """Returns the net of the article, written as if there were no pruning."""
  tf.keras.utils.set_random_seed(seed)
  layers = tf.keras.layers
  return tf.keras.Sequential([
      tf.keras.Input(image_shape),
      layers.Conv2D(32, 3, activation='relu', name='conv1'),
      layers.MaxPooling2D(2),
      layers.Dropout(0.25, seed=2 * seed),  # A copy of the layer has it too, and drops the same.
      layers.Conv2D(64, 3, activation='relu', name='conv2'),
      layers.MaxPooling2D(2),
      layers.Dropout(0.25, seed=2 * seed + 1),
      layers.Flatten(),
      layers.Dense(256, activation='relu', name='dense'),
      layers.Dense(10, activation='softmax', name='softmax')])


def schedules_of(sparsity: float, steps: int) -> Dict[str, Any]:
  """Returns the schedules to compare, by name; None for the net that is not pruned.

  Args:
    sparsity: the fraction of zeros to end with.
    steps: batches in a whole training.
  """
  import model_pruning.keras
  begin, frequency = steps // 5, max(1, steps // _UPDATES)
  return {
      'baseline': None,
      'constant': model_pruning.keras.ConstantSparsity(sparsity, begin, steps, frequency),
      'polynomial': model_pruning.keras.PolynomialDecay(
          0.0, sparsity, begin, steps, power=3, frequency=frequency)}


def train_and_eval(data: data_lib.Data, schedule: Optional[Any] = None, epochs: int = 12,
                   batch_size: int = 32, seed: int = 0, label: str = 'training',
                   path: Optional[str] = None,
                   interrupt: Optional[terminal.Interrupt] = None) -> report.Result:
  """Trains a net, pruned by a schedule, and measures the stripped net.

  Args:
    data: images to train and to test on.
    schedule: a PruningSchedule; None trains the net unpruned.
    epochs, batch_size: of the training.
    seed: of initial weights, batches and dropout. Nets of one seed start as the same.
    label: what the progress bar is called.
    path: a file to save the net to, or None.
    interrupt: one that listens for Ctrl-C, or None.

  Raises:
    KeyboardInterrupt: Ctrl-C was pressed.
  """
  import model_pruning.keras
  model = build(data.image_shape, seed)
  callbacks = []
  if schedule is not None:
    model = model_pruning.keras.prune_low_magnitude(model, schedule)
    callbacks.append(model_pruning.keras.UpdatePruningStep())
  _compile(model)
  tf.keras.utils.set_random_seed(seed)  # The same batches, however many numbers were drawn so far.
  watch = Watch(label, epochs * steps_per_epoch(data, batch_size),
                interrupt or terminal.Interrupt())
  history = model.fit(
      data.train_images, data.train_labels, batch_size=batch_size, epochs=epochs, verbose=0,
      validation_data=(data.test_images, data.test_labels), callbacks=callbacks + [watch])
  model = model_pruning.keras.strip_pruning(model)
  if path is not None:
    model.save(path)  # Without slots of an optimizer: the copy has none yet.
  _compile(model)
  loss, accuracy = model.evaluate(data.test_images, data.test_labels, verbose=0)
  return report.Result.of(model, float(accuracy), float(loss), history.history['val_accuracy'],
                          watch.curve)


def _compile(model: Any) -> None:
  model.compile(optimizer='adam', loss='sparse_categorical_crossentropy', metrics=['accuracy'])


def steps_per_epoch(data: data_lib.Data, batch_size: int) -> int:
  """Returns the number of batches in an epoch of fit(), the last one being smaller."""
  return -(-len(data.train_labels) // batch_size)


def as_large_as_mnist(data: data_lib.Data) -> data_lib.Data:
  """Returns 8x8 images as ones of 28x28: each pixel is 3x3, and there is a border of 2.

  So the net has the weights that it has on MNIST, and files can be compared with its files.
  """
  if data.image_shape != (8, 8, 1):
    return data

  def enlarged(images: np.ndarray) -> np.ndarray:
    images = np.repeat(np.repeat(images, 3, axis=1), 3, axis=2)
    return np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))

  return data_lib.Data(data.name, enlarged(data.train_images), data.train_labels,
                       enlarged(data.test_images), data.test_labels)


def define_flags() -> None:
  """Defines the flags that `main` reads."""
  for name, text in (('epochs', 'Epochs of training, of each net.'),
                     ('batch_size', 'Images per step.')):
    flags.DEFINE_integer(name, None, '%s Default: %s.' % (text, ', '.join(
        '%d for %s' % (defaults[name], data) for data, defaults in _DEFAULTS.items())),
                         lower_bound=1)
  flags.DEFINE_integer('seed', 0, 'The first seed, of initial weights, batches and dropout.',
                       lower_bound=0, upper_bound=2**31 - 1)
  flags.DEFINE_integer('seeds', 5, 'Number of seeds to compare the nets over.', lower_bound=1)
  flags.DEFINE_float('sparsity', 0.875, 'Share of zeros that the pruned kernels end with.')
  flags.DEFINE_string('output_dir', 'out/keras', 'Folder for what is written.')
  flags.DEFINE_enum('dataset', 'digits', list(_DEFAULTS),
                    "scikit-learn's digits, or MNIST, which is downloaded unless cached.")
  flags.DEFINE_alias('data', 'dataset')
  flags.DEFINE_string('data_path', None, 'A local mnist.npz, for --data=mnist.')


def main() -> None:
  """Runs the comparison that the flags ask for."""
  try:
    _compare()
  except KeyboardInterrupt:  # There are no checkpoints to go on from, as in the other examples.
    print('\nStopped. There are no results; the same command starts anew.', file=sys.stderr)
    sys.exit(130)


def _compare() -> None:
  started = time.time()
  try:
    import model_pruning.keras as _  # noqa: F401
  except ImportError as error:
    raise terminal.UserError(str(error)) from error
  data = as_large_as_mnist(data_lib.load(_FLAGS.dataset, _FLAGS.data_path))
  epochs = _FLAGS.epochs or _DEFAULTS[_FLAGS.dataset]['epochs']
  batch_size = _FLAGS.batch_size or _DEFAULTS[_FLAGS.dataset]['batch_size']
  steps = epochs * steps_per_epoch(data, batch_size)
  schedules = schedules_of(_FLAGS.sparsity, steps)
  out = _FLAGS.output_dir
  report.prepare(out)
  print('%s: %s images to train on and %s to test on; TensorFlow %s, Keras %s' % (
      data.name[0].upper() + data.name[1:], '{:,}'.format(len(data.train_labels)),
      '{:,}'.format(len(data.test_labels)), tf.version.VERSION, report.keras_version()))
  for name, schedule in schedules.items():
    if schedule is not None:
      print('%-10s  %r' % (name, schedule))
  print()

  results: Dict[int, Dict[str, report.Result]] = {}
  seeds = range(_FLAGS.seed, _FLAGS.seed + _FLAGS.seeds)
  width = len('seed %d' % seeds[-1])
  interrupt = terminal.Interrupt()
  with interrupt.listening():
    for seed in seeds:
      results[seed] = {}
      for name, schedule in schedules.items():
        path = os.path.join(out, name + '.keras') if seed == _FLAGS.seed else None
        results[seed][name] = train_and_eval(
            data, schedule, epochs, batch_size, seed,
            '%-10s %-*s' % (name, width, 'seed %d' % seed), path, interrupt)

  print('\n' + report.text(results, data.name))
  report.draw(results, steps, 'Pruning at once and little by little: a ConvNet on ' + data.name,
              os.path.join(out, 'constant_vs_polynomial.png'))
  runs.write_json(os.path.join(out, 'results.json'), report.as_json(
      results, schedules, dataset=_FLAGS.dataset, epochs=epochs, batch_size=batch_size,
      steps=steps, sparsity=_FLAGS.sparsity, seconds=round(time.time() - started, 1)))
  print('\nWritten to %s in %.0f s: results.json, constant_vs_polynomial.png and, of seed %d,\n'
        '%s.' % (out, time.time() - started, _FLAGS.seed,
                 ', '.join(name + '.keras' for name in schedules)))


if __name__ == '__main__':
  define_flags()
  terminal.run(main)
