# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes one net at once, little by little, and without training: a published case on MNIST.

  python -m examples.keras.constant_vs_polynomial
  python -m examples.keras.constant_vs_polynomial --data=digits --seeds=3
  python -m examples.keras.constant_vs_polynomial --peer

The net and the schedules are the ones of the article "TensorFlow pruning schedules:
ConstantSparsity and PolynomialDecay": a ConvNet whose kernels lose 87.5 % of their
weights from 20 % of its training on, all of them there and then (constant), or along
a polynomial that starts at 0 and ends with the training. Beside them stands the trained
baseline, pruned afterwards with a few unlabeled images (one-shot), and with --peer the same
trainings by tfmot. Works on Keras 3 and Keras 2. The code of pruning is in `train_and_eval`
and `prune_and_eval` below, and in `schedules_of` of net.py.
"""

import contextlib
import os
import sys
import time
from typing import Any, Dict, Optional, Tuple

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from absl import flags

from examples.digits import terminal  # Before TensorFlow, since it quietens it.
from examples.digits import data as data_lib
from examples.digits import runs
from examples.keras import net
from examples.keras import peer
from examples.keras import report
from examples.keras.watching import Watch
import numpy as np
import tensorflow as tf

_FLAGS = flags.FLAGS
_DEFAULTS = {'mnist': {'epochs': 10, 'batch_size': 128},
             'mnist5k': {'epochs': 12, 'batch_size': 64},
             'digits': {'epochs': 12, 'batch_size': 32}}
_UNLABELED = 256  # Training images that pruning without training looks at.
_ONE_SHOT = 'one-shot'


def train_and_eval(data: data_lib.Data, schedule: Optional[Any] = None, epochs: int = 12,
                   batch_size: int = 32, seed: int = 0, label: str = 'training',
                   path: Optional[str] = None, interrupt: Optional[terminal.Interrupt] = None,
                   ) -> Tuple[Any, report.Result]:
  """Trains a net, pruned by a schedule, and measures the stripped net; returns both.

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
  model = net.build(data.image_shape, seed)
  callbacks = []
  if schedule is not None:
    model = model_pruning.keras.prune_low_magnitude(model, schedule)
    callbacks.append(model_pruning.keras.UpdatePruningStep())
  net.compiled(model)
  tf.keras.utils.set_random_seed(seed)  # The same batches, however many numbers were drawn so far.
  watch = Watch(label, epochs * steps_per_epoch(data, batch_size),
                interrupt or terminal.Interrupt())
  history = model.fit(
      data.train_images, data.train_labels, batch_size=batch_size, epochs=epochs, verbose=0,
      validation_data=(data.test_images, data.test_labels), callbacks=callbacks + [watch])
  model = model_pruning.keras.strip_pruning(model)
  if path is not None:
    model.save(path)  # Without slots of an optimizer: the copy has none yet.
  return model, _measured(model, data, history.history['val_accuracy'], watch.curve)


def prune_and_eval(model: Any, data: data_lib.Data, sparsity: float,
                   path: Optional[str] = None) -> report.Result:
  """Prunes a trained net without training it, and measures it.

  It gets as many zeros as the other nets, where they cost least, and what is left is fitted to
  a few training images. Their labels are not used.
  """
  import model_pruning.keras
  model = model_pruning.keras.prune_trained(
      model, 'target_sparsity=%r,sparsity_distribution=lamp' % sparsity,
      data.train_images[:_UNLABELED])
  model = model_pruning.keras.strip_pruning(model)
  if path is not None:
    model.save(path)
  return _measured(model, data)


def _peers(process: peer.Peer, name: str, seed: int, data: data_lib.Data) -> report.Result:
  """Returns the Result of a net that tfmot has trained; measured here, as the others."""
  try:
    weights, accuracies = process.train(name, seed)
  except RuntimeError as error:
    raise terminal.UserError('%s; without --peer only model_pruning is compared' % error) from error
  model = net.build(data.image_shape, seed)
  model.set_weights(weights)
  return _measured(model, data, accuracies)


def _measured(model: Any, data: data_lib.Data, accuracies: Any = (),
              curve: Any = ()) -> report.Result:
  loss, accuracy = net.compiled(model).evaluate(data.test_images, data.test_labels, verbose=0)
  return report.Result.of(model, float(accuracy), float(loss), accuracies, curve)


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
                       enlarged(data.test_images), data.test_labels, data.dataset)


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
  flags.DEFINE_enum('dataset', 'mnist', data_lib.DATASETS, data_lib.DATASETS_HELP)
  flags.DEFINE_alias('data', 'dataset')
  flags.DEFINE_string('data_path', None, 'A local mnist.npz, for --data=mnist.')
  flags.DEFINE_bool('peer', False, 'Whether to train the nets with tfmot too, in an environment of '
                    'its own, which is made if need be (a checkout, and minutes).')


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
    import model_pruning.keras
  except ImportError as error:
    raise terminal.UserError(str(error)) from error
  data = as_large_as_mnist(data_lib.load(_FLAGS.dataset, _FLAGS.data_path))
  epochs = _FLAGS.epochs or _DEFAULTS[data.dataset]['epochs']
  batch_size = _FLAGS.batch_size or _DEFAULTS[data.dataset]['batch_size']
  steps = epochs * steps_per_epoch(data, batch_size)
  schedules = net.schedules_of(model_pruning.keras, _FLAGS.sparsity, steps)
  out = _FLAGS.output_dir
  report.prepare(out)
  print('%s: %s images to train on and %s to test on; TensorFlow %s, Keras %s' % (
      data.name[0].upper() + data.name[1:], '{:,}'.format(len(data.train_labels)),
      '{:,}'.format(len(data.test_labels)), tf.version.VERSION, report.keras_version()))
  for name, schedule in schedules.items():
    if schedule is not None:
      print('%-10s  %r' % (name, schedule))
  print()

  seeds = range(_FLAGS.seed, _FLAGS.seed + _FLAGS.seeds)
  with contextlib.ExitStack() as stack:
    process = None
    if _FLAGS.peer:
      process = stack.enter_context(_start_peer(
          data, epochs=epochs, batch_size=batch_size, sparsity=_FLAGS.sparsity, steps=steps))
    interrupt = terminal.Interrupt()
    stack.enter_context(interrupt.listening())
    results = {seed: _results_of(seed, seeds, data, schedules, epochs, batch_size, process,
                                 interrupt) for seed in seeds}

  print('\n' + report.text(results, data.name))
  report.draw(results, steps, 'Pruning at once and little by little: a ConvNet on ' + data.name,
              os.path.join(out, 'constant_vs_polynomial.png'))
  of_all = {name: schedules.get(name.replace(peer.PREFIX, '')) for name in results[seeds[0]]}
  runs.write_json(os.path.join(out, 'results.json'), report.as_json(
      results, of_all, dataset=data.dataset, epochs=epochs, batch_size=batch_size,
      steps=steps, sparsity=_FLAGS.sparsity, seconds=round(time.time() - started, 1)))
  print('\nWritten to %s in %.0f s: results.json, constant_vs_polynomial.png and, of seed %d,\n'
        '%s.' % (out, time.time() - started, _FLAGS.seed,
                 ', '.join(name + '.keras' for name in of_all
                           if not name.startswith(peer.PREFIX))))


def _results_of(seed: int, seeds: range, data: data_lib.Data, schedules: Dict[str, Any],
                epochs: int, batch_size: int, process: Optional[peer.Peer],
                interrupt: terminal.Interrupt) -> Dict[str, report.Result]:
  """Trains and prunes the nets of a seed; saves the ones of the first seed."""
  results: Dict[str, report.Result] = {}
  baseline: Any = None
  label = '%%-10s %%-%ds' % len('seed %d' % seeds[-1])

  def path(name: str) -> Optional[str]:
    return os.path.join(_FLAGS.output_dir, name + '.keras') if seed == seeds[0] else None

  for name, schedule in schedules.items():
    model, results[name] = train_and_eval(
        data, schedule, epochs, batch_size, seed, label % (name, 'seed %d' % seed), path(name),
        interrupt)
    if schedule is None:
      baseline = model
  results[_ONE_SHOT] = prune_and_eval(baseline, data, _FLAGS.sparsity, path(_ONE_SHOT))
  print(results[_ONE_SHOT].line(label % (_ONE_SHOT, 'seed %d' % seed)), flush=True)
  for name in schedules if process is not None else ():
    results[peer.PREFIX + name] = _peers(process, name, seed, data)
    print(results[peer.PREFIX + name].line(peer.PREFIX + name + ' seed %d' % seed), flush=True)
    if interrupt.requested:
      raise KeyboardInterrupt
  return results


def _start_peer(data: data_lib.Data, **settings: Any) -> peer.Peer:
  python = peer.python_of_tfmot()
  if python is None:
    raise terminal.UserError('--peer: the environment of tfmot could not be made, see above; '
                             'without --peer only model_pruning is compared')
  return peer.Peer(python, data, **settings)


if __name__ == '__main__':
  define_flags()
  terminal.run(main)
