# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The program behind the examples: flags, dense and pruned net of each seed, report."""

import json
import os
import tempfile
import time
from typing import Any, Callable, Dict, Optional

from absl import flags
from absl import logging
import tensorflow.compat.v1 as tf

from examples.digits import data as data_lib
from examples.digits import model
from examples.digits import report
from examples.digits import results
from examples.digits import terminal
from examples.digits.results import Result
import model_pruning

# train_and_eval(data, model_dir, pruning_hparams or None, steps, batch_size, learning_rate, seed)
TrainAndEval = Callable[..., Result]

_FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # They belong to the program that calls define_flags.


def define_flags(output_dir: str, steps: int = 1200) -> None:
  """Defines the flags that `main` reads."""
  model_pruning.DEFINE_pruning_hparams(
      default=None,
      help='HParams string for the pruned net. Default, with --steps=%d: %s; with other --steps '
      'in proportion.' % (steps, default_hparams(steps)))
  flags.DEFINE_integer('steps', steps, 'Training steps, of each net.', lower_bound=1)
  flags.DEFINE_integer('batch_size', 64, 'Images per step.', lower_bound=1)
  flags.DEFINE_float('learning_rate', 0.002, 'Of Adam.', lower_bound=0.0)
  flags.DEFINE_integer('seed', 0, 'The (first) seed, of initial weights and batches.',
                       lower_bound=0, upper_bound=2**31 - 1)
  flags.DEFINE_integer('seeds', 1, 'Number of seeds to compare dense and pruned net over.',
                       lower_bound=1)
  flags.DEFINE_enum('dataset', 'digits', ['digits', 'mnist'],
                    "scikit-learn's digits, or MNIST, which is downloaded unless cached.")
  flags.DEFINE_string('data_path', None, 'A local mnist.npz, for --dataset=mnist.')
  flags.DEFINE_string('output_dir', output_dir,
                      'Folder for checkpoints, summaries and what is exported. A run that was '
                      'stopped goes on from what it finds there.')


def default_hparams(steps: int) -> str:
  """Returns HParams that reach 90 % after seven tenths of `steps`; the rest is for recovery."""
  frequency = max(1, steps // 120)
  begin = steps // 10 // frequency * frequency
  # A multiple of the frequency later, so that an update falls on the end.
  span = max(1, steps * 3 // 5 // frequency) * frequency
  return ('target_sparsity=0.9,begin_pruning_step=%d,sparsity_function_begin_step=%d,'
          'sparsity_function_end_step=%d,pruning_frequency=%d' %
          (begin, begin, begin + span, frequency))


def main(train_and_eval: TrainAndEval, settings: Optional[Dict[str, Any]] = None,
         check: Optional[Callable[[data_lib.Data], None]] = None) -> None:
  """Runs the comparison that the flags ask for.

  Args:
    train_and_eval: trains one net, or finds it trained, and returns its Result.
    settings: further settings of the program, which a resumed run must share.
    check: raises UserError if they do not suit the data.
  """
  started = time.time()
  if not _FLAGS.learning_rate > 0:
    raise terminal.UserError('--learning_rate=%g is not above 0' % _FLAGS.learning_rate)
  hparams = _FLAGS.pruning_hparams
  if hparams is None:
    hparams = default_hparams(_FLAGS.steps)
  data = data_lib.load(_FLAGS.dataset, _FLAGS.data_path)
  next(data.batches(_FLAGS.batch_size, _FLAGS.seed))  # Is there enough for one?
  if check:
    check(data)
  masked = _check(data, hparams)
  out = _FLAGS.output_dir
  _prepare(out, dict({'dataset': _FLAGS.dataset, 'pruning_hparams': hparams,
                      'batch_size': _FLAGS.batch_size, 'learning_rate': _FLAGS.learning_rate},
                     **(settings or {})))
  print('%s: %s images to train on and %s to test on; TensorFlow %s' % (
      data.name[0].upper() + data.name[1:], '{:,}'.format(len(data.train_labels)),
      '{:,}'.format(len(data.test_labels)), tf.version.VERSION))
  print('pruning: %s' % (hparams or 'defaults'))
  print('masked:  %s' % ', '.join(masked))
  end = model_pruning.PruningSpec.create(hparams).sparsity_function_end_step
  if _FLAGS.steps < end:
    logging.warning('--steps=%d ends before sparsity_function_end_step=%d of the HParams: expect '
                    'weights short of their targets', _FLAGS.steps, end)
  pairs = {}
  for seed in range(_FLAGS.seed, _FLAGS.seed + _FLAGS.seeds):
    pairs[seed] = tuple(
        _train(train_and_eval, data, name, masks, seed)
        for name, masks in (('dense', None), ('pruned', hparams)))
  first = pairs[_FLAGS.seed]
  steps = first[1].steps
  print('\nSparsity of the pruned net%s after %d steps\n' % (
      ', seed %d,' % _FLAGS.seed if len(pairs) > 1 else '', steps))
  print(model_pruning.sparsity_table(first[1].weights))
  print('\nAccuracy on the %s test images\n' % '{:,}'.format(len(data.test_labels)))
  print(report.accuracy_table(pairs))
  exported = report.export(first, data.test_images, out)
  print('\nExported graphs, weights included\n')
  print(report.size_table(exported['sizes']))
  same = exported['max_difference'] == 0
  print('\nWith and without its masks the pruned graph gives %s logits for the test images\n'
        '(maximum difference: %g).' % ('the very same' if same else 'different',
                                      exported['max_difference']))
  report.plot(first, 'Pruning a small convolutional net on %s' % data.name,
              os.path.join(out, 'sparsity.png'))
  _write_json(os.path.join(out, 'metrics.json'), {
      'dataset': _FLAGS.dataset,
      'tensorflow': tf.version.VERSION,
      'pruning_hparams': hparams,
      'steps': steps,
      'seeds': [{'seed': seed, 'steps': pruned.steps, 'dense_accuracy': dense.accuracy,
                 'pruned_accuracy': pruned.accuracy,
                 'weights': report.weights_as_json(pruned.weights)}
                for seed, (dense, pruned) in pairs.items()],
      'mean_dense_accuracy': _mean(dense.accuracy for dense, _ in pairs.values()),
      'mean_pruned_accuracy': _mean(pruned.accuracy for _, pruned in pairs.values()),
      'sizes': exported['sizes'],
      'max_difference': exported['max_difference'],
      'seconds': round(time.time() - started, 1),
  })
  print('\nWritten to %s in %.0f s: dense.pb, stripped.pb, sparsity.png and metrics.json.\n'
        'For TensorBoard: tensorboard --logdir=%s' % (out, time.time() - started, out))
  if exported['max_difference'] > 1e-4:
    raise terminal.UserError('the stripped graph computes something else than the pruned net')


def _check(data: data_lib.Data, hparams: str) -> list:
  """Builds the pruned net once, so that what is wrong with hparams shows before any training.

  Returns:
    The names of the weights that are masked.
  """
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    model.build(tf.placeholder(tf.float32, (None,) + data.image_shape), pruned=True)
    model_pruning.Pruning(hparams).conditional_mask_update_op()
    return [weight.op.name for weight in model_pruning.get_weights()]


def _prepare(out: str, settings: Dict[str, Any]) -> None:
  """Makes the output folder, and sees to it that it holds no run with other settings."""
  path = os.path.join(out, 'settings.json')
  try:
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
      pass
    if not os.path.exists(path):
      _write_json(path, settings)
    with open(path) as f:
      before = json.load(f)
  except (OSError, ValueError) as error:
    raise terminal.UserError('--output_dir=%s cannot be used (%s); name a folder that can be '
                             'written to' % (out, error)) from error
  differing = sorted(name for name in settings if before.get(name) != settings[name])
  if differing:
    raise terminal.UserError(
        '%s holds a run with %s; pass the same to go on with it, or another --output_dir to start '
        'anew' % (out, ' '.join('--%s=%s' % (name, before.get(name)) for name in differing)))


def _train(train_and_eval: TrainAndEval, data: data_lib.Data, name: str, hparams: Optional[str],
           seed: int) -> Result:
  model_dir = os.path.join(_FLAGS.output_dir, 'seed%d' % seed, name)
  done = results.trained_steps(model_dir)
  if done >= _FLAGS.steps:
    print('%s, seed %d: training is already finished (%d steps)' % (name, seed, done))
  elif done:
    print('%s, seed %d: resuming from the checkpoint of step %d' % (name, seed, done))
  return train_and_eval(data, model_dir, pruning_hparams=hparams, steps=_FLAGS.steps,
                        batch_size=_FLAGS.batch_size, learning_rate=_FLAGS.learning_rate,
                        seed=seed, label='%-6s seed %d' % (name, seed))


def _mean(values: Any) -> float:
  values = list(values)
  return sum(values) / len(values)


def _write_json(path: str, content: dict) -> None:
  with open(path, 'w') as f:
    json.dump(content, f, indent=2, sort_keys=True)
    f.write('\n')
