# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Graph-mode MirroredStrategy over two devices: all replicas have the same masks, always."""

import os
import subprocess
import sys

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from tests import legs
from tests.paths import ROOT

HALF = 'initial_sparsity=0.5,target_sparsity=0.5,pruning_frequency=1'
SPECS = {
    'exact': '', 'tpu': ',use_tpu=true', 'decay': ',threshold_decay=0.5',
    'blocks': ',block_height=2,block_width=2', 'estimate': ',threshold_method=histogram',
    'n_of_m': ',intra_block_sparsity=true,block_width=4', 'group': ',global_pruning=true',
    'first_order': ',prune_option=first_order_gradient',
    'second_order': ',prune_option=second_order_gradient',
}


@pytest.fixture
def strategy():
  with tf.Graph().as_default():
    yield tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])


def _config():
  config = tf.ConfigProto(device_count={'CPU': 2})
  config.graph_options.rewrite_options.disable_meta_optimizer = True  # Takes longer than the runs.
  return config


def _weight(way, name, shape):
  initializer = tf.random_uniform_initializer(-1, 1, seed=len(name))
  with tf.variable_scope(name, reuse=tf.AUTO_REUSE) as scope:
    if way == 'apply_mask':
      return model_pruning.apply_mask(tf.get_variable('weights', shape, initializer=initializer),
                                      scope)
    with model_pruning.masked_scope():
      return tf.get_variable('weights', shape, initializer=initializer)


def _train_op(strategy, way='apply_mask', inside=lambda train_op: train_op):
  """Builds a model of two layers on each replica, each with inputs of its own.

  Args:
    strategy: the strategy, whose scope is open.
    way: how to mask.
    inside: called on each replica with its train_op; returns what to run.
  """
  step = tf.train.get_or_create_global_step()

  def on_a_replica():
    which = tf.distribute.get_replica_context().replica_id_in_sync_group
    which = which if isinstance(which, int) else tf.get_static_value(which)
    features = tf.constant(np.random.RandomState(which).uniform(-1, 1, [3, 8]).astype(np.float32))
    hidden = tf.tanh(tf.matmul(features, _weight(way, 'one', [8, 6])))
    loss = tf.reduce_mean(tf.square(tf.matmul(hidden, _weight(way, 'three', [6, 8])) - 1))
    train = tf.train.MomentumOptimizer(0.1, 0.5).minimize(loss, global_step=step)
    with tf.control_dependencies([inside(train)]):
      return tf.identity(loss)

  run = getattr(strategy, 'run', None) or strategy.experimental_run_v2
  return tf.group(*strategy.experimental_local_results(run(on_a_replica)))


def _copies(session, variable):
  assert len(variables.copies_of(variable)) == 2
  return session.run(list(variables.copies_of(variable)))


def _check_alike(session):
  """Checks that copies are equal to the bit; returns (mask, weight) of each masked weight."""
  found = []
  for record in registry.masked_weights():
    for made in (record.weight, record.mask, record.threshold, record.gradient):
      if made is not None:
        first, second = _copies(session, made)
        np.testing.assert_array_equal(first, second)
    found.append(session.run([variables.copies_of(record.mask)[0],
                              variables.copies_of(record.weight)[0]]))
  return found


def _top(weights, k):
  mask = np.zeros(weights.size, np.float32)
  mask[np.argsort(-np.abs(weights).ravel(), kind='stable')[:k]] = 1
  return mask.reshape(weights.shape)


@pytest.mark.sampled(5)
@pytest.mark.parametrize('way', ['apply_mask', 'masked_scope'])
@pytest.mark.parametrize('spec', sorted(SPECS))
def test_masks_are_the_same_on_every_replica_after_every_update(strategy, spec, way):
  with strategy.scope():
    train_op = _train_op(strategy, way)
    pruning = model_pruning.Pruning(HALF + SPECS[spec])
    update = pruning.conditional_mask_update_op()
    with tf.Session(config=_config()) as session:
      session.run(tf.global_variables_initializer())
      for step in range(1, 4):
        session.run(train_op)
        session.run(update)
        found = _check_alike(session)
        assert [int(last) for last in _copies(session, pruning.last_mask_update_step)] == [step] * 2
        if spec == 'exact':
          for mask, weight in found:
            np.testing.assert_array_equal(mask, _top(weight, 24))
        # What a smoothed or an estimated threshold leaves is not exactly half.
        kept = sum(mask.sum() for mask, _ in found)
        assert kept == 48 or spec in ('decay', 'estimate') and 0 < kept < 96


def test_a_model_function_can_make_its_own_pruning_and_group_it_with_its_training(strategy):
  def inside(train_op):
    with tf.control_dependencies([train_op]):
      return model_pruning.Pruning(HALF).conditional_mask_update_op()

  with strategy.scope():
    train_op = _train_op(strategy, inside=inside)
    with tf.Session(config=_config()) as session:
      session.run(tf.global_variables_initializer())
      for _ in range(20):
        session.run(train_op)
        for mask, _ in _check_alike(session):
          assert mask.sum() == 24
  updates = [op for op in tf.get_default_graph().get_operations()
             if op.name.endswith('conditional_mask_update')]
  assert len(updates) == 1


def test_hidden_weights_get_no_gradient_on_any_replica(strategy):
  with strategy.scope():
    train_op = _train_op(strategy)
    update = model_pruning.Pruning(HALF + ',end_pruning_step=1').conditional_mask_update_op()
    with tf.Session(config=_config()) as session:
      session.run(tf.global_variables_initializer())
      session.run(train_op)
      session.run(update)
      record = registry.masked_weights()[0]
      slot, = [v for v in tf.global_variables() if v.name.startswith('one/weights/Momentum')]
      session.run([copy.initializer for copy in variables.copies_of(slot)])
      before, mask = session.run([variables.copies_of(record.weight)[0],
                                  variables.copies_of(record.mask)[0]])
      session.run(train_op)
      after, = [weight for mask_, weight in _check_alike(session)[:1]]
      np.testing.assert_array_equal((before != after), mask == 1)


@pytest.mark.parametrize('hook_in_scope', [True, False])
def test_the_hook_prunes_and_resumes(hook_in_scope, tmp_path):
  def train(steps):
    with tf.Graph().as_default():
      strategy = tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])
      with strategy.scope():
        train_op = _train_op(strategy)
        if hook_in_scope:
          return _run(train_op, steps)
      return _run(train_op, steps)

  def _run(train_op, steps):
    hook = model_pruning.PruningHook(
        'target_sparsity=0.75,pruning_frequency=1,sparsity_function_end_step=6')
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path / 'model'), hooks=[hook], config=_config(),
        save_checkpoint_steps=2, log_step_count_steps=None) as session:
      for _ in range(steps):
        session.run(train_op)
      return session.run_step_fn(lambda step_context: _check_alike(step_context.session))

  assert [mask.sum() for mask, _ in train(3)] == [48 - round(36 * (1 - 0.5**3))] * 2
  assert [mask.sum() for mask, _ in train(3)] == [12] * 2
  reader = tf.train.load_checkpoint(str(tmp_path / 'model'))
  assert reader.get_tensor('model_pruning/last_mask_update_step') == 6
  assert reader.get_tensor('one/mask').sum() == 12


def test_summaries_and_the_report_see_one_of_the_copies(strategy):
  with strategy.scope():
    train_op = _train_op(strategy)
    pruning = model_pruning.Pruning(HALF)
    update, summary = pruning.mask_update_op(), pruning.add_pruning_summaries()
    pruning.prepare_report()
    with tf.Session(config=_config()) as session:
      session.run(tf.global_variables_initializer())
      session.run(train_op)
      session.run(update)
      values = {value.tag: value.simple_value
                for value in tf.Summary.FromString(session.run(summary)).value}
      assert values['model_pruning_summaries/one/mask/sparsity'] == 0.5
      assert [(row.zeros, row.short) for row in pruning.sparsity_report(session)] == [
          (24, False)] * 2


def train_estimator(folder, as_training_hook):
  """Trains on two replicas; run in a process of its own, as eager execution has its devices."""
  def model_fn(features, labels, mode):
    hidden = tf.tanh(tf.matmul(features, _weight('apply_mask', 'one', [8, 6])))
    loss = tf.reduce_mean(tf.square(tf.matmul(
        hidden, _weight('masked_scope', 'three', [6, 8])) - labels))
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(
        loss, global_step=tf.train.get_or_create_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op,
                                      training_hooks=[hook] if as_training_hook else [])

  def input_fn():
    data = np.random.RandomState(0).uniform(-1, 1, [4, 8]).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((data, data)).repeat().batch(2, drop_remainder=True)

  if hasattr(tensorflow.config, 'set_logical_device_configuration'):
    cpu, = tensorflow.config.list_physical_devices('CPU')
    tensorflow.config.set_logical_device_configuration(
        cpu, [tensorflow.config.LogicalDeviceConfiguration()] * 2)
  hook = model_pruning.PruningHook(HALF)
  strategy = tf.distribute.MirroredStrategy(['/cpu:0', '/cpu:1'])
  config = tf.estimator.RunConfig(model_dir=folder, train_distribute=strategy,
                                  session_config=_config(), log_step_count_steps=None)
  estimator = tf.estimator.Estimator(model_fn, config=config)
  estimator.train(input_fn, hooks=[] if as_training_hook else [hook], steps=3)
  for layer in ('one', 'three'):
    assert estimator.get_variable_value(layer + '/mask').sum() == 24
  assert estimator.get_variable_value('model_pruning/last_mask_update_step') == 3


@pytest.mark.legs('oldest')
@pytest.mark.sampled(1)
@pytest.mark.skipif(not hasattr(tf, 'estimator'),
                    reason='this TensorFlow has no Estimator any more')
@pytest.mark.parametrize('as_training_hook', legs.few([True, False], 1, 'oldest'))
def test_an_estimator_prunes_on_two_replicas(as_training_hook, tmp_path):
  subprocess.run([sys.executable, '-c', 'from tests.graph import test_replicas as tests; '
                  'tests.train_estimator(%r, %r)' % (str(tmp_path), as_training_hook)],
                 check=True, cwd=ROOT, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
