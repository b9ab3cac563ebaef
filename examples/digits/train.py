# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains a small convolutional net on handwritten digits, dense and pruned, and compares them.

  python -m examples.digits.train
  python -m examples.digits.train --seeds=3 --pruning_hparams=target_sparsity=0.95,...

Graph mode, without Estimator: works on every TensorFlow from 1.15.5 on. What has
to do with pruning is in `train` below and in model.build.
"""

import os
import sys
from typing import Any, Optional

if not __package__:  # Started as a file: the packages are in the checkout it lies in.
  sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from examples.digits import terminal  # First, since it quietens TensorFlow.
from examples.digits import compare
from examples.digits import hooks
from examples.digits import model
from examples.digits import results
from examples.digits import runs
from examples.digits.data import Data
import model_pruning
import tensorflow.compat.v1 as tf


def train_and_eval(data: Data, model_dir: str, pruning_hparams: Optional[str] = None,
                   steps: int = 1200, batch_size: int = 64, learning_rate: float = 0.002,
                   seed: int = 0, label: str = 'training') -> results.Result:
  """Trains a net up to `steps` global steps, from the last checkpoint if there is one.

  Args:
    data: images to train and to test on.
    model_dir: folder for checkpoints and summaries.
    pruning_hparams: HParams string; None trains a dense net.
    steps, batch_size, learning_rate: of the training.
    seed: of initial weights and batches.
    label: what the progress bar is called.

  Returns:
    The Result of the last checkpoint.

  Raises:
    KeyboardInterrupt: Ctrl-C was pressed; the last step is in a checkpoint.
  """
  done = runs.trained_steps(model_dir)
  if done < steps:
    with tf.Graph().as_default():
      train(data, model_dir, pruning_hparams, steps, batch_size, learning_rate, seed, label, done)
  return results.evaluate(data, model_dir, pruning_hparams)


def train(data: Data, model_dir: str, pruning_hparams: Optional[str], steps: int, batch_size: int,
          learning_rate: float, seed: int, label: str, done: int) -> None:
  """Trains in the default graph, from global step `done` on."""
  tf.set_random_seed(seed)
  images = tf.placeholder(tf.float32, (None,) + data.image_shape, name='images')
  labels = tf.placeholder(tf.int32, [None], name='labels')
  loss, accuracy = model.loss_and_accuracy(
      model.build(images, pruned=pruning_hparams is not None), labels)
  train_op = model.train_op(loss, learning_rate)
  tf.summary.scalar('loss', loss)
  tf.summary.scalar('train_accuracy', accuracy)

  interrupt = terminal.Interrupt()
  every = max(5, steps // 120)  # By default as often as the masks are updated.
  some: Any = {images: data.test_images[:1000], labels: data.test_labels[:1000]}
  session_hooks = hooks.watching(label, steps, loss, {'loss': loss, 'accuracy': accuracy},
                                 interrupt)
  if pruning_hparams is not None:
    session_hooks.append(model_pruning.PruningHook(pruning_hparams))
  session_hooks.append(hooks.TestAccuracy(model_dir, accuracy, some, every))  # With the new masks.
  with interrupt.listening():
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=model_dir, hooks=session_hooks, save_checkpoint_steps=max(1, steps // 4),
        save_summaries_steps=every) as session:
      for batch_images, batch_labels in data.batches(batch_size, seed, first=done):
        if session.should_stop():
          break
        session.run(train_op, {images: batch_images, labels: batch_labels})


if __name__ == '__main__':
  compare.define_flags(output_dir='out/digits')
  terminal.run(lambda: compare.main(train_and_eval))
