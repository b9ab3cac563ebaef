# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains a language model that is left as it was written, dense and pruned, and compares them.

  python -m examples.language_model.train
  python -m examples.language_model.train --seeds=3 --pruning_hparams=weight_sparsity_map=[...],...

model.py knows nothing of pruning. What has to do with it is here: the masked_scope in
`build`, the PruningHook in `train`, and a sparsity for each layer in SPARSITIES.
"""

import dataclasses
import functools
import math
import os
import sys
import time
from typing import Any, Optional
import warnings

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from examples.digits import terminal  # First, since it quietens TensorFlow.
from absl import flags
from examples.digits import hooks
from examples.digits import runs
from examples.language_model import data
from examples.language_model import model
import model_pruning
import tensorflow.compat.v1 as tf

# Regular expressions, looked for in the names of the weights: rnn/multi_rnn_cell/cell_0/... The
# larger a weight is here, the more of it is pruned.
SPARSITIES = 'weight_sparsity_map=[cell_0:0.85,cell_1:0.9,softmax:0.7]'

# What TensorFlow has to say of such models, at each layer.
warnings.filterwarnings('ignore', category=UserWarning, message='`tf.* is deprecated')

_FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Result:
  """A trained net.

  Attributes:
    steps: global steps it was trained for.
    bits_per_character: mean cross entropy of the test text, to base 2.
    weights: target and achieved sparsity of each masked weight; [] for a dense net.
  """
  steps: int
  bits_per_character: float
  weights: list


def build(text: data.Text, units: int, pruned: bool) -> model.LanguageModel:
  """Returns the model; if `pruned`, its three kernels are masked."""
  if not pruned:
    return model.LanguageModel(len(text.vocabulary), units)
  with model_pruning.masked_scope():
    return model.LanguageModel(len(text.vocabulary), units)


def train_and_eval(text: data.Text, units: int, unroll: int, model_dir: str,
                   pruning_hparams: Optional[str] = None, steps: int = 1800, batch_size: int = 32,
                   learning_rate: float = 0.01, seed: int = 0, label: str = 'training') -> Result:
  """Trains a net up to `steps` global steps, from the last checkpoint on if there is one.

  Args:
    text: characters to train and to test on.
    units: size of each LSTM layer.
    unroll: length of the texts of a batch, in characters.

  The others are those of runs.train_pairs. Ctrl-C raises KeyboardInterrupt, after the step
  under way is in a checkpoint.
  """
  done = runs.trained_steps(model_dir)
  if done < steps:
    with tf.Graph().as_default():
      tf.set_random_seed(seed)
      train(build(text, units, pruning_hparams is not None),
            text.batches(batch_size, unroll, seed, first=done), model_dir, pruning_hparams, steps,
            learning_rate, label)
  return evaluate(text, units, model_dir, pruning_hparams)


def train(net: model.LanguageModel, batches: Any, model_dir: str, pruning_hparams: Optional[str],
          steps: int, learning_rate: float, label: str) -> None:
  """Trains in the default graph."""
  train_op = net.train_op(learning_rate)
  interrupt = terminal.Interrupt()
  session_hooks = hooks.watching(
      label, steps, net.loss, {'bits per character': net.loss / math.log(2)}, interrupt)
  if pruning_hparams is not None:
    session_hooks.append(model_pruning.PruningHook(pruning_hparams))
  with interrupt.listening():
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=model_dir, hooks=session_hooks, save_checkpoint_steps=max(1, steps // 4),
        save_summaries_steps=max(5, steps // 120)) as session:
      while not session.should_stop():
        inputs, targets = next(batches)
        session.run(train_op, {net.inputs: inputs, net.targets: targets})


def evaluate(text: data.Text, units: int, model_dir: str, pruning_hparams: Optional[str]) -> Result:
  """Reads the last checkpoint in `model_dir`; pruning_hparams is None for a dense net."""
  with tf.Graph().as_default():
    net = build(text, units, pruning_hparams is not None)
    inputs, targets = text.test_windows()
    with runs.restored(model_dir, pruning_hparams) as (session, weights):
      loss = session.run(net.loss, {net.inputs: inputs, net.targets: targets})
  return Result(runs.trained_steps(model_dir), float(loss) / math.log(2), weights)


def check_legacy_keras() -> None:
  """Raises UserError if TensorFlow lacks the cells of the model."""
  try:
    _ = tf.layers.dense, tf.nn.rnn_cell.BasicLSTMCell
  except (AttributeError, ImportError) as error:
    raise terminal.UserError(
        'the model is made of tf.nn.rnn_cell and tf.layers, which TensorFlow %s has only with the '
        'legacy Keras: pip install tf_keras, and set TF_USE_LEGACY_KERAS=1 in the environment' %
        tf.version.VERSION) from error


def main() -> None:
  started = time.time()
  check_legacy_keras()
  hparams = runs.chosen_hparams(SPARSITIES)
  text, units, unroll = data.load(), _FLAGS.units, _FLAGS.unroll
  next(text.batches(_FLAGS.batch_size, unroll, _FLAGS.seed))  # Is there enough for one?
  masked = runs.masked_weights(lambda: build(text, units, pruned=True), hparams)
  runs.prepare(hparams, units=units, unroll=unroll)
  runs.announce("Python's documentation: %s characters to train on and %s to test on, %d different "
                'ones' % ('{:,}'.format(len(text.train)), '{:,}'.format(len(text.test)),
                          len(text.vocabulary)), hparams, masked)
  pairs = runs.train_pairs(functools.partial(train_and_eval, text, units, unroll), hparams)
  print('\nBits per character of the test text; less is better\n')
  print(runs.pair_table({seed: (dense.bits_per_character, pruned.bits_per_character)
                         for seed, (dense, pruned) in pairs.items()}, '%.3f', 'difference'))
  seconds = time.time() - started
  runs.write_metrics(pairs, 'bits_per_character', hparams, seconds=round(seconds, 1))
  print('\nWritten to %s in %.0f s: metrics.json, and checkpoints and summaries.\n'
        'For TensorBoard: tensorboard --logdir=%s' % (_FLAGS.output_dir, seconds,
                                                      _FLAGS.output_dir))


if __name__ == '__main__':
  runs.define_flags('out/language_model', steps=1800, batch_size=32, learning_rate=0.01,
                    unit='Texts', target=SPARSITIES)
  flags.DEFINE_integer('units', 128, 'Size of each of the two LSTM layers.', lower_bound=1)
  flags.DEFINE_integer('unroll', 50, 'Characters of each text.', lower_bound=1)
  terminal.run(main)
