# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.python.pruning_hook, in sessions whose graphs are finalized."""

import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.python import pruning_hook

HPARAMS = 'target_sparsity=0.8,sparsity_function_end_step=12,pruning_frequency=4'


class _Recorder:
  """An object with an update of its own."""

  def __init__(self):
    self.steps = []

  def run_update_step(self, session, global_step):
    assert session.run(tf.train.get_global_step()) == global_step
    self.steps.append(global_step)


def _train_op():
  return tf.assign_add(tf.train.get_or_create_global_step(), 1)


def _hook(recorder, every_steps=3):
  return pruning_hook.ModelPruningHook(every_steps,
                                       [pruning_hook.ModelPruningListener(recorder)])


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
def test_masks_are_updated(use_resource, tmp_path):
  zeros = []
  with tf.Graph().as_default():
    with tf.variable_scope('layer', use_resource=use_resource) as scope:
      weight = tf.get_variable('weights', [10, 10])
      masked = model_pruning.apply_mask(weight, scope)
    loss = tf.reduce_sum(tf.square(masked))
    train_op = tf.train.GradientDescentOptimizer(0.01).minimize(
        loss, tf.train.get_or_create_global_step())
    hook = pruning_hook.ModelPruningHook(
        every_steps=4, listeners=[pruning_hook.ModelPruningListener(
            model_pruning.Pruning(HPARAMS))])
    mask, = model_pruning.get_masks()
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=str(tmp_path), hooks=[hook],
        chief_only_hooks=[tf.train.StopAtStepHook(last_step=12)]) as session:
      assert session.graph.finalized
      while not session.should_stop():
        session.run(train_op)
        if not session.should_stop():
          zeros.append(100 - int(session.run(mask).sum()))
  # By (1 - step / 12) ** 3 short of 0.8; the one of step 12 comes at the end.
  assert zeros[:3] == [0] * 3 and zeros[3:7] == [56] * 4 and zeros[7:] == [77] * 4


def test_a_listener_of_the_saver_updates_before_the_checkpoint(tmp_path):
  with tf.Graph().as_default():
    model_pruning.apply_mask(tf.get_variable('weights', [10, 10]), 'layer')
    train_op = _train_op()
    saver_hook = tf.train.CheckpointSaverHook(
        str(tmp_path), save_steps=4, listeners=[
            pruning_hook.ModelPruningListener(model_pruning.Pruning(HPARAMS))])
    with tf.train.MonitoredTrainingSession(hooks=[saver_hook]) as session:
      for _ in range(8):
        session.run(train_op)
  path = tf.train.latest_checkpoint(str(tmp_path))
  assert tf.train.load_variable(path, 'global_step') == 8
  assert tf.train.load_variable(path, 'layer/mask').sum() == 23
  assert tf.train.load_variable(path, 'model_pruning/last_mask_update_step') == 8


@pytest.mark.parametrize('train_steps, called', [
    (0, [0]), (2, [0, 2]), (3, [0, 3]), (7, [0, 3, 6, 7]), (9, [0, 3, 6, 9])])
def test_when_listeners_are_called(train_steps, called):
  with tf.Graph().as_default():
    recorder, train_op = _Recorder(), _train_op()
    with tf.train.MonitoredSession(hooks=[_hook(recorder)]) as session:
      for _ in range(train_steps):
        session.run(train_op)
  assert recorder.steps == called


def test_steps_may_jump_and_runs_may_leave_them_as_they_are():
  with tf.Graph().as_default():
    recorder = _Recorder()
    jump = tf.assign_add(tf.train.get_or_create_global_step(), 7)
    nothing = tf.no_op()
    with tf.train.MonitoredSession(hooks=[_hook(recorder)]) as session:
      for op in (nothing, jump, nothing, nothing, jump, nothing):
        session.run(op)
  assert recorder.steps == [0, 7, 14]


def test_a_run_that_is_resumed_counts_from_where_it_is(tmp_path):
  with tf.Graph().as_default():
    train_op = _train_op()
    for called in ([0, 3, 5], [5, 8, 10]):
      recorder = _Recorder()
      with tf.train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path),
                                             hooks=[_hook(recorder)]) as session:
        for _ in range(5):
          session.run(train_op)
      assert recorder.steps == called


class _Listener(tf.train.CheckpointSaverListener):
  """Writes down what it is called for, and may ask to stop."""

  def __init__(self, name, log, stop_at=None):
    self._name, self._log, self._stop_at = name, log, stop_at

  def begin(self):
    self._log.append((self._name, 'begin'))

  def before_save(self, session, global_step_value):
    self._log.append((self._name, 'before', global_step_value))

  def after_save(self, session, global_step_value):
    self._log.append((self._name, 'after', global_step_value))
    return global_step_value == self._stop_at

  def end(self, session, global_step_value):
    self._log.append((self._name, 'end', global_step_value))


def test_the_order_of_calls_and_a_listener_that_stops_the_training():
  log = []
  with tf.Graph().as_default():
    train_op = _train_op()
    hook = pruning_hook.ModelPruningHook(2, [_Listener('a', log), _Listener('b', log, stop_at=4)])
    with tf.train.MonitoredSession(hooks=[hook]) as session:
      runs = 0
      while not session.should_stop():
        session.run(train_op)
        runs += 1
  assert runs == 4
  assert log == [('a', 'begin'), ('b', 'begin')] + [
      (name, when, step) for step in (0, 2, 4) for when in ('before', 'after') for name in 'ab'
  ] + [('a', 'end', 4), ('b', 'end', 4)]


def test_a_stop_asked_for_at_the_start_comes_after_one_step():
  with tf.Graph().as_default():
    train_op, log = _train_op(), []
    hook = pruning_hook.ModelPruningHook(9, [_Listener('a', log, stop_at=0)])
    with tf.train.MonitoredSession(hooks=[hook]) as session:
      session.run(train_op)
      assert session.should_stop()


@pytest.mark.parametrize('arguments, message', [
    (dict(listeners=['x']), 'every_steps=None: give the number of steps'),
    (dict(every_steps=0, listeners=['x']), 'every_steps=0: give'),
    (dict(every_steps=5), 'listeners=None: give a list'),
    (dict(every_steps=5, listeners=[]), r'listeners=\[\]: give a list')])
def test_arguments_that_would_do_nothing_are_refused(arguments, message):
  with pytest.raises(errors.SpecError, match=message):
    pruning_hook.ModelPruningHook(**arguments)


def test_a_graph_without_masks_is_refused_before_there_is_a_session():
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    with pytest.raises(errors.NoMaskedWeightsError):
      tf.train.MonitoredSession(hooks=[_hook(model_pruning.Pruning())])


@pytest.mark.skipif(not hasattr(tf, 'estimator'), reason='this TensorFlow has no Estimator')
def test_estimator(tmp_path):
  def model_fn(features, labels, mode):
    with model_pruning.masked_scope():
      kernel = tf.get_variable('kernel', [10, 10])
    loss = tf.reduce_mean(tf.square(tf.matmul(features, kernel) - labels))
    hook = _hook(model_pruning.Pruning(HPARAMS), 4)
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(
        loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, training_hooks=[hook])

  estimator = tf.estimator.Estimator(model_fn, str(tmp_path))
  estimator.train(lambda: (tf.ones([4, 10]), tf.ones([4, 10])), max_steps=9)
  assert 100 - estimator.get_variable_value('mask').sum() == 77  # Of step 8.
