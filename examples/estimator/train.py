# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The digits example through tf.estimator, with PruningHook and train_and_evaluate.

  python -m examples.estimator.train
  python -m examples.estimator.train --warm_start_from=out/digits/seed0/dense

Needs a TensorFlow that has Estimator: 1.15 to 2.15.
"""

import os
import sys
from typing import Any, Callable, Optional

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from examples.digits import terminal  # First, since it quietens TensorFlow.
from absl import flags
from examples.digits import compare
from examples.digits import hooks
from examples.digits import model
from examples.digits import results
from examples.digits import runs
from examples.digits.data import Data
import model_pruning
import tensorflow.compat.v1 as tf

_FLAGS = flags.FLAGS


def model_fn(features: Any, labels: Any, mode: str, params: dict) -> Any:
  """Returns the EstimatorSpec; params: pruned, learning_rate, steps, label."""
  scores = model.build(features, pruned=params['pruned'])
  if mode == tf.estimator.ModeKeys.PREDICT:
    return tf.estimator.EstimatorSpec(mode, predictions=scores)
  loss, accuracy = model.loss_and_accuracy(scores, labels)
  if mode == tf.estimator.ModeKeys.EVAL:
    # The tag that the digits example's own hook writes, so that both are plotted alike.
    metrics = {hooks.TEST_ACCURACY: tf.metrics.accuracy(labels, tf.argmax(scores, axis=1))}
    return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
  tf.summary.scalar('train_accuracy', accuracy)
  return tf.estimator.EstimatorSpec(
      mode, loss=loss, train_op=model.train_op(loss, params['learning_rate']),
      training_hooks=[hooks.Progress(params['label'], params['steps'],
                                    {'loss': loss, 'accuracy': accuracy})])


def train_and_eval(data: Data, model_dir: str, pruning_hparams: Optional[str] = None,
                   steps: int = 1200, batch_size: int = 64, learning_rate: float = 0.002,
                   seed: int = 0, label: str = 'training',
                   warm_start_from: Optional[str] = None) -> results.Result:
  """Trains a net up to `steps` global steps, from the last checkpoint if there is one.

  Args:
    data: images to train and to test on.
    model_dir: folder for checkpoints and summaries.
    pruning_hparams: HParams string; None trains a dense net.
    steps, batch_size, learning_rate: of the training.
    seed: of initial weights and batches.
    label: what the progress bar is called.
    warm_start_from: checkpoint of a dense net to start from, or its folder; its
      weights are taken, and masks start at ones.

  Returns:
    The Result of the last checkpoint.

  Raises:
    KeyboardInterrupt: Ctrl-C was pressed; the last step is in a checkpoint.
  """
  done = runs.trained_steps(model_dir)
  if done < steps:
    interrupt = terminal.Interrupt()
    train_hooks = [hooks.StopOnInterrupt(interrupt)]
    if pruning_hparams is not None:
      train_hooks.append(model_pruning.PruningHook(pruning_hparams))
    estimator = tf.estimator.Estimator(
        model_fn,
        config=tf.estimator.RunConfig(
            # Each checkpoint is evaluated; for this, Estimator builds the graph again.
            model_dir, tf_random_seed=seed, save_checkpoints_steps=max(50, steps // 8),
            save_summary_steps=max(5, steps // 120)),
        params={'pruned': pruning_hparams is not None, 'learning_rate': learning_rate,
                'steps': steps, 'label': label},
        # Only trainable variables, because the dense checkpoint has no masks.
        warm_start_from=warm_start_from)
    with interrupt.listening():
      tf.estimator.train_and_evaluate(
          estimator,
          tf.estimator.TrainSpec(_train_input(data, batch_size, seed, done), max_steps=steps,
                                 hooks=train_hooks),
          tf.estimator.EvalSpec(_test_input(data), steps=None, start_delay_secs=0,
                                throttle_secs=0))
  return results.evaluate(data, model_dir, pruning_hparams)


def _train_input(data: Data, batch_size: int, seed: int, first: int) -> Callable[[], Any]:
  return lambda: tf.data.Dataset.from_generator(
      lambda: data.batches(batch_size, seed, first), (tf.float32, tf.int32),
      ((batch_size,) + data.image_shape, (batch_size,)))


def _test_input(data: Data) -> Callable[[], Any]:
  return lambda: tf.data.Dataset.from_tensor_slices(
      (data.test_images, data.test_labels)).batch(500)


def check_warm_start(data: Data, path: str) -> None:
  """Raises UserError unless `path` is a checkpoint of this net."""
  try:
    known = dict(tf.train.list_variables(path))
  except (tf.errors.OpError, ValueError) as error:
    raise terminal.UserError(
        '--warm_start_from=%s is neither a checkpoint nor a folder of checkpoints (%s)' %
        (path, str(error).split('\n')[0])) from error
  with tf.Graph().as_default():
    model.build(tf.placeholder(tf.float32, (None,) + data.image_shape), pruned=False)
    for variable in tf.trainable_variables():
      if known.get(variable.op.name) != variable.shape.as_list():
        raise terminal.UserError(
            '--warm_start_from=%s has %s of shape %s, where this net needs %s; give a checkpoint '
            'of the dense net on the same dataset' %
            (path, variable.op.name, known.get(variable.op.name), variable.shape.as_list()))


def main() -> None:
  if not hasattr(tf, 'estimator'):
    raise terminal.UserError(
        'this example needs tf.estimator, which TensorFlow has up to version 2.15 (this is %s): '
        'use tensorflow 2.15.1 with Python 3.9 to 3.11, or examples/digits/train.py' %
        tf.version.VERSION)
  warm_start = _FLAGS.warm_start_from

  def train_from(data: Data, model_dir: str, **kwargs: Any) -> results.Result:
    return train_and_eval(data, model_dir, warm_start_from=warm_start, **kwargs)

  compare.main(train_from, {'warm_start_from': warm_start},
               (lambda data: check_warm_start(data, warm_start)) if warm_start else None)


if __name__ == '__main__':
  compare.define_flags(output_dir='out/estimator')
  flags.DEFINE_string('warm_start_from', None, 'Checkpoint of a dense net to start from (or its '
                      'folder), such as out/digits/seed0/dense.')
  terminal.run(main)
