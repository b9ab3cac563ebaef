# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A task of a cluster as tf.estimator.train_and_evaluate runs it: TF_CONFIG says the rest."""

from examples.cluster import task as task_lib  # First, since it quietens TensorFlow.
from absl import app
from absl import flags
from absl import logging
from examples.cluster import cluster as cluster_lib
from examples.cluster import model
from examples.digits import data as data_lib
import model_pruning
from model_pruning.compat import tf
from tests.cluster import probe

_FLAGS = flags.FLAGS


def _model_fn(features, labels, mode):
  logits = model.build(features, parts=2)
  loss = tf.reduce_mean(
      tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
  train_op = tf.train.AdamOptimizer(0.001).minimize(loss, tf.train.get_global_step())
  metrics = {'accuracy': tf.metrics.accuracy(labels, tf.argmax(logits, axis=1))}
  return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def main():
  logging.set_verbosity(logging.INFO)
  tf.logging.set_verbosity(tf.logging.INFO)
  cluster_lib.end_with_stdin()
  data = data_lib.load('digits')

  def batches(images, labels, repeat):
    return lambda: tf.data.Dataset.from_tensor_slices((images, labels)).repeat(repeat).batch(32)

  estimator = tf.estimator.Estimator(_model_fn, config=tf.estimator.RunConfig(
      _FLAGS.output_dir, save_checkpoints_steps=50, keep_checkpoint_max=0))
  tf.estimator.train_and_evaluate(
      estimator,
      tf.estimator.TrainSpec(batches(data.train_images, data.train_labels, None),
                             max_steps=_FLAGS.steps,
                             hooks=[model_pruning.PruningHook(_FLAGS.pruning_hparams),
                                    probe.Pace(_FLAGS.watch_dir, 0)]),
      tf.estimator.EvalSpec(batches(data.test_images, data.test_labels, 1), steps=None,
                            start_delay_secs=0, throttle_secs=1))
  if task_lib.task_from_environment().job == 'evaluator':
    step = estimator.get_variable_value('global_step')
    print('evaluated at step %d' % step, flush=True)


if __name__ == '__main__':
  flags.DEFINE_string('watch_dir', None, 'See tests/cluster/probe.py.')
  app.run(lambda argv: main())
