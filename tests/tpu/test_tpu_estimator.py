# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""TPUEstimator, where TensorFlow has it, trains to the target sparsity, without a TPU too."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf

if not hasattr(getattr(getattr(tf, 'estimator', None), 'tpu', None), 'TPUEstimator'):
  pytest.skip('This TensorFlow has no TPUEstimator', allow_module_level=True)

STEPS, INPUTS, UNITS = 20, 12, 10
SPEC = ('use_tpu=true,initial_sparsity=0.1,target_sparsity=0.75,pruning_frequency=4,'
        'begin_pruning_step=4,sparsity_function_begin_step=4,sparsity_function_end_step=16,')


def input_fn(params):
  rng = np.random.RandomState(1)
  x = rng.standard_normal([256, INPUTS]).astype(np.float32)
  y = np.sum(x, axis=1, keepdims=True)
  data = tf.data.Dataset.from_tensor_slices((x, y)).repeat()
  return data.batch(params['batch_size'], drop_remainder=True)


def model_fn(features, labels, mode, params):
  """Masks two weights; with params['grouped'] the train op updates the masks."""
  with model_pruning.masked_scope(exclude='bias'), tf.variable_scope('', use_resource=True):
    with tf.variable_scope('first'):
      hidden = tf.tanh(tf.matmul(features, tf.get_variable('kernel', [INPUTS, UNITS])))
    with tf.variable_scope('second'):
      scores = tf.matmul(hidden, tf.get_variable('kernel', [UNITS, 1]))
      scores += tf.get_variable('bias', [1])
  loss = tf.losses.mean_squared_error(labels, scores)
  step = tf.train.get_or_create_global_step()
  train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)
  if params['grouped']:
    pruning = model_pruning.Pruning(params['spec'])
    with tf.control_dependencies([train_op]):
      train_op = tf.group(pruning.conditional_mask_update_op())
  return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


@pytest.mark.sampled(1)
@pytest.mark.parametrize('grouped', [False, True], ids=['hook', 'grouped'])
@pytest.mark.parametrize('options', ['', 'intra_block_sparsity=true,block_width=4'],
                         ids=['elementwise', 'n_of_m'])
def test_a_run_ends_at_exactly_the_sparsity_asked_for(tmp_path, grouped, options):
  estimator = tf.estimator.tpu.TPUEstimator(
      model_fn, model_dir=str(tmp_path), use_tpu=False, train_batch_size=32,
      config=tf.estimator.tpu.RunConfig(save_checkpoints_steps=10),
      params={'grouped': grouped, 'spec': SPEC + options})
  hooks = [] if grouped else [model_pruning.PruningHook(SPEC + options)]
  estimator.train(input_fn, hooks=hooks, max_steps=STEPS)
  value = estimator.get_variable_value
  assert value('global_step') == STEPS
  assert value('model_pruning/last_mask_update_step') == STEPS
  first, second = (value(name + '/mask') for name in ('first', 'second'))
  if options:
    runs = first.reshape(INPUTS // 4, 4, UNITS).sum(axis=1)
    np.testing.assert_array_equal(runs, np.ones_like(runs))
    # 10 inputs: of two runs of four one is kept, and of a last one of two.
    assert [second[begin:begin + 4].sum() for begin in (0, 4, 8)] == [1, 1, 1]
  else:
    assert first.sum() == 30 and second.sum() == 2  # Half of 0.25 * 10 is rounded to even.
  assert value('first/kernel')[first == 0].all(), 'what is hidden is kept'
