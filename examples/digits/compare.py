# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The program behind the digits examples: flags, dense and pruned net of each seed, report."""

import functools
import os
import time
from typing import Any, Callable, Dict, Optional

from absl import flags
import tensorflow.compat.v1 as tf

from examples.digits import data as data_lib
from examples.digits import model
from examples.digits import report
from examples.digits import runs
from examples.digits import terminal
from examples.digits.results import Result

# train_and_eval(data, model_dir, pruning_hparams or None, steps, batch_size, learning_rate, seed)
TrainAndEval = Callable[..., Result]

_TARGET = 'target_sparsity=0.9'

_FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # They belong to the program that calls define_flags.


def define_flags(output_dir: str, steps: int = 1200) -> None:
  """Defines the flags that `main` reads."""
  runs.define_flags(output_dir, steps, batch_size=64, learning_rate=0.002, unit='Images',
                    target=_TARGET)
  flags.DEFINE_enum('dataset', 'digits', data_lib.DATASETS, data_lib.DATASETS_HELP)
  flags.DEFINE_string('data_path', None, 'A local mnist.npz, for --dataset=mnist.')


def main(train_and_eval: TrainAndEval, settings: Optional[Dict[str, Any]] = None,
         check: Optional[Callable[[data_lib.Data], None]] = None) -> None:
  """Runs the comparison that the flags ask for.

  Args:
    train_and_eval: trains one net, or finds it trained, and returns its Result.
    settings: further settings of the program, which a resumed run must share.
    check: raises UserError if they do not suit the data.
  """
  started = time.time()
  hparams = runs.chosen_hparams(_TARGET)
  data = data_lib.load(_FLAGS.dataset, _FLAGS.data_path)
  next(data.batches(_FLAGS.batch_size, _FLAGS.seed))  # Is there enough for one?
  if check:
    check(data)
  masked = runs.masked_weights(
      lambda: model.build(tf.placeholder(tf.float32, (None,) + data.image_shape), pruned=True),
      hparams)
  runs.prepare(hparams, dataset=_FLAGS.dataset, **(settings or {}))
  test_images = '{:,}'.format(len(data.test_labels))
  runs.announce('%s: %s images to train on and %s to test on' % (
      data.name[0].upper() + data.name[1:], '{:,}'.format(len(data.train_labels)), test_images),
      hparams, masked)
  pairs = runs.train_pairs(functools.partial(train_and_eval, data), hparams)
  print('\nAccuracy on the %s test images\n' % test_images)
  print(report.accuracy_table(pairs))

  first, out = pairs[_FLAGS.seed], _FLAGS.output_dir
  exported = report.export(first, data.test_images, out)
  print('\nExported graphs, weights included\n')
  print(report.size_table(exported['sizes']))
  same = exported['max_difference'] == 0
  print('\nWith and without its masks the pruned graph gives %s logits for the test images\n'
        '(maximum difference: %g).' % ('the very same' if same else 'different',
                                      exported['max_difference']))
  report.plot(first, 'Pruning a small convolutional net on %s' % data.name,
              os.path.join(out, 'sparsity.png'))
  page = report.page(runs.folder_of(_FLAGS.seed, 'pruned'), out)
  runs.write_metrics(pairs, 'accuracy', hparams, dataset=_FLAGS.dataset,
                     seconds=round(time.time() - started, 1), **exported)
  print('\nWritten to %s in %.0f s: dense.pb, stripped.pb, sparsity.png and metrics.json.\n'
        'For TensorBoard: tensorboard --logdir=%s\n'
        'The pruned net as a page, to open in a browser: %s' % (
            out, time.time() - started, out, page))
  if exported['max_difference'] > 1e-4:
    raise terminal.UserError('the stripped graph computes something else than the pruned net')
