# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Tests of PruningHook in real training sessions, and of the update ops run by hand."""

import functools
import itertools
import logging as python_logging
import os

from absl import logging
import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.training import hooks
from tests import legs

EVERY_STEP = 'begin_pruning_step=0,pruning_frequency=1,sparsity_function_end_step=4'
HALF = 'initial_sparsity=0.5,target_sparsity=0.5,pruning_frequency=1'

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
needs_estimator = pytest.mark.skipif(
    not hasattr(tf, 'estimator'), reason='this TensorFlow has no Estimator any more')


def _start(shape=(6, 4)):
  return np.random.RandomState(0).uniform(-1, 1, shape).astype(np.float32)


def _model(features, use_resource=False, masked=True):
  """Returns outputs [batch, 4] for features [batch, 6]."""
  with tf.variable_scope('layer', use_resource=use_resource):
    weights = tf.get_variable('weights', initializer=tf.constant(_start()))
    if masked:
      weights = model_pruning.apply_mask(weights, tf.get_variable_scope())
    return tf.matmul(features, weights)


def _train_op(use_resource=False, masked=True):
  """Builds a small regression; every step moves every weight that is not masked."""
  features = tf.constant(np.random.RandomState(1).uniform(-1, 1, [3, 6]).astype(np.float32))
  loss = tf.reduce_mean(tf.square(_model(features, use_resource, masked) - 1))
  return tf.train.MomentumOptimizer(0.1, 0.5).minimize(
      loss, global_step=tf.train.get_or_create_global_step())


class _Recorder(tf.train.SessionRunHook):
  """Notes, after every step, what the variables hold; to be listed after the PruningHook."""

  def __init__(self, name='model_pruning'):
    self._name = name
    self.rows = []  # Of dicts.

  def begin(self):
    record, = registry.masked_weights()
    self._tensors = {'step': tf.train.get_global_step().read_value(),
                     'weights': record.weight.read_value(), 'mask': record.mask.read_value(),
                     'threshold': record.threshold.read_value()}
    if self._name:
      last = variables.step_variable(self._name, names.LAST_MASK_UPDATE_STEP, None,
                                     tf.train.get_global_step())
      self._tensors['last'] = last.read_value()

  def after_run(self, run_context, run_values):
    self.rows.append(run_context.session.run(self._tensors))

  def __getitem__(self, key):
    return [row[key] for row in self.rows]

  @property
  def update_steps(self):
    """The steps at which last_mask_update_step changed."""
    lasts = [0] + [int(last) for last in self['last']]
    return [after for before, after in zip(lasts, lasts[1:]) if before != after]


def _session(hooks, optimize=False, **kwargs):
  """A MonitoredTrainingSession; optimizing a graph takes longer than running this one."""
  config = tf.ConfigProto()
  config.graph_options.rewrite_options.disable_meta_optimizer = not optimize
  kwargs.setdefault('config', config)
  kwargs.setdefault('save_summaries_steps', None)
  kwargs.setdefault('save_summaries_secs', None)
  kwargs.setdefault('log_step_count_steps', None)
  return tf.train.MonitoredTrainingSession(hooks=hooks, **kwargs)


def _train(steps, hook, use_resource=False, recorder=None, **kwargs):
  """Trains in a graph of its own for `steps` more steps; returns the _Recorder."""
  recorder = recorder or _Recorder()
  with tf.Graph().as_default():
    train_op = _train_op(use_resource)
    with _session([hook, recorder], **kwargs) as session:
      for _ in range(steps):
        session.run(train_op)
  return recorder


def _top(weights, k):
  """The mask of the k largest magnitudes."""
  mask = np.zeros(weights.size, np.float32)
  mask[np.argsort(-np.abs(weights).ravel())[:k]] = 1
  return mask.reshape(weights.shape)


@pytest.fixture
def log():
  """The lines this library logs, as (level, message)."""
  lines = []

  class Handler(python_logging.Handler):
    def emit(self, record):
      lines.append((record.levelname, record.getMessage()))

  handler, logger, level = Handler(), logging.get_absl_logger(), logging.get_verbosity()
  logging.set_verbosity(logging.INFO)
  logger.addHandler(handler)
  yield lines
  logger.removeHandler(handler)
  logging.set_verbosity(level)


# ---- When it updates. ----


@pytest.mark.sampled(2)
@pytest.mark.parametrize('spec,steps', [
    ('pruning_frequency=3', [3, 6, 9, 12]),
    ('begin_pruning_step=4,pruning_frequency=3', [4, 7, 10]),
    ('begin_pruning_step=2,end_pruning_step=8,pruning_frequency=2', [2, 4, 6, 8]),
    ('pruning_frequency=1,end_pruning_step=3', [1, 2, 3]),
    ('begin_pruning_step=13', []),
])
def test_updates_at_exactly_the_steps_of_the_spec(spec, steps):
  recorder = _train(12, model_pruning.PruningHook(spec + ',sparsity_function_end_step=5'))
  assert recorder['step'] == list(range(1, 13))
  assert recorder.update_steps == steps


@both_kinds
def test_an_update_keeps_the_largest_weights_of_the_step_just_trained(use_resource, control_flow):
  del control_flow
  spec = 'target_sparsity=0.75,pruning_frequency=2,sparsity_function_end_step=8,' \
         'sparsity_function_exponent=1'
  recorder = _train(9, model_pruning.PruningHook(spec), use_resource, optimize=True)
  for row in recorder.rows:
    if row['step'] % 2 == 0:
      kept = int(round(24 * (1 - 0.75 * min(row['step'] / 8, 1))))
      np.testing.assert_array_equal(row['mask'], _top(row['weights'], kept))
      assert row['threshold'] == np.sort(np.abs(row['weights']).ravel())[-kept]
      updated = row
    elif row['step'] > 1:
      np.testing.assert_array_equal(row['mask'], updated['mask'])
      assert row['threshold'] == updated['threshold']
  assert np.mean(recorder.rows[-1]['mask']) == 0.25


@pytest.mark.parametrize('make', [
    lambda: HALF,
    lambda: model_pruning.get_pruning_hparams().parse(HALF),
    lambda: model_pruning.PruningSpec.create(HALF),
    lambda: model_pruning.Pruning(HALF),
], ids=['string', 'HParams', 'PruningSpec', 'Pruning'])
def test_takes_any_form_of_the_spec(make):
  recorder = _Recorder()
  with tf.Graph().as_default():
    train_op = _train_op()
    with _session([model_pruning.PruningHook(make()), recorder]) as session:
      session.run(train_op)
  assert np.mean(recorder['mask']) == 0.5


SCHEDULES = [
    (model_pruning.ConstantSparsity(0.5, begin_step=2, frequency=4), [2, 6, 10]),
    (model_pruning.PolynomialDecay(0.0, 0.5, 3, 9, frequency=4), [3, 7, 9]),
    (model_pruning.PolynomialDecaySchedule(2, 5, update_frequency=2), [2, 4, 6, 7]),
]


@pytest.mark.parametrize('schedule,steps', SCHEDULES, ids=str)
@pytest.mark.parametrize('as_object', [False, True])
def test_updates_at_exactly_the_steps_of_a_schedule_object(schedule, steps, as_object):
  recorder = _Recorder()
  with tf.Graph().as_default():
    train_op = _train_op()
    hook = (model_pruning.PruningHook(model_pruning.Pruning(sparsity=schedule)) if as_object else
            model_pruning.PruningHook(sparsity=schedule))
    with _session([hook, recorder]) as session:
      for _ in range(12):
        session.run(train_op)
  assert recorder.update_steps == steps
  assert np.mean(recorder['mask'][-1]) == 0.5


@pytest.mark.parametrize('schedule,steps', SCHEDULES, ids=str)
def test_asks_about_updates_only_where_the_schedule_object_may_have_one(schedule, steps,
                                                                        monkeypatch):
  asked = []
  run = tf.Session.run

  def counting(self, fetches, *args, **kwargs):
    if getattr(fetches, 'name', '').endswith('conditional_mask_update'):
      asked.append(fetches)
    return run(self, fetches, *args, **kwargs)

  monkeypatch.setattr(tf.Session, 'run', counting)
  _train(40, model_pruning.PruningHook(sparsity=schedule))
  updates = 10 if schedule.next_update(30) else len(steps)
  # A run fetches its step or the one before, so the stride may seem to be 2, and three steps to be
  # near enough to an update; and there are those at the start and the end.
  assert updates <= len(asked) <= 3 * updates + 4


def test_warns_of_a_run_that_ends_before_its_schedule_object(log):
  schedule = model_pruning.PolynomialDecay(0.0, 0.75, 2, 8, power=1, frequency=3)
  _train(7, model_pruning.PruningHook(sparsity=schedule))
  warning, = [text for level, text in log if level == 'WARNING']
  for part in ('layer/weights', 'sparsity 0.3750', 'target of 0.7500', 'step 5', repr(schedule)):
    assert part in warning


def test_warns_of_a_run_that_ends_before_any_update(log):
  _train(3, model_pruning.PruningHook(sparsity=model_pruning.ConstantSparsity(0.5, 9)))
  warning, = [text for level, text in log if level == 'WARNING']
  assert 'without a mask update' in warning and 'begin_step=9' in warning


def test_a_sparsity_beside_a_pruning_object_is_refused():
  with tf.Graph().as_default():
    _train_op()
    with pytest.raises(errors.ScheduleError, match='Pruning object'):
      model_pruning.PruningHook(model_pruning.Pruning(HALF), sparsity=0.5)


def test_without_a_spec_it_takes_the_defaults():
  recorder = _train(11, model_pruning.PruningHook())
  assert recorder.update_steps == [10]


def test_a_pruning_object_of_the_users_is_used_as_it_is():
  recorder = _Recorder('mine')
  with tf.Graph().as_default() as graph:
    train_op = _train_op()
    pruning = model_pruning.Pruning('name=mine,pruning_frequency=1', sparsity=0.25)
    with _session([model_pruning.PruningHook(pruning), recorder]) as session:
      session.run(train_op)
    assert [op.name for op in graph.get_operations()
            if op.name.endswith('conditional_mask_update')] == ['mine/conditional_mask_update']
  assert np.mean(recorder['mask']) == 0.75


def test_one_hook_serves_one_graph_after_the_other():
  hook = model_pruning.PruningHook(EVERY_STEP)
  first, second = _train(3, hook), _train(5, hook, use_resource=True)
  assert first.update_steps == [1, 2, 3] and second.update_steps == [1, 2, 3, 4, 5]


def test_a_hook_with_the_pruning_object_of_another_graph_is_refused():
  with tf.Graph().as_default():
    _train_op()
    hook = model_pruning.PruningHook(model_pruning.Pruning(HALF))
  with tf.Graph().as_default():
    _train_op()
    with pytest.raises(errors.GraphMismatchError, match='another graph'):
      _session([hook])


# ---- Who updates. ----


def test_who_is_not_the_chief_adds_nothing():
  with tf.Graph().as_default() as graph:
    train_op = _train_op()
    hook, recorder = model_pruning.PruningHook(HALF, is_chief=False), _Recorder(name=None)
    before = {variable.name for variable in tf.global_variables()}
    with _session([hook, recorder]) as session:
      session.run(train_op)
    assert {variable.name for variable in tf.global_variables()} == before
    assert not [op for op in graph.get_operations() if 'mask_update' in op.name]
  assert np.all(recorder['mask'][0] == 1)


CLUSTER = '"cluster": {"%s": ["a:1"], "ps": ["b:1"], "worker": ["c:1", "d:1"]}'
WITHOUT_CHIEF = '"cluster": {"ps": ["b:1"], "worker": ["c:1", "d:1"]}'


@pytest.mark.sampled(5)
@pytest.mark.parametrize('config,is_chief', [
    (None, True),
    ('', True),
    ('{}', True),
    ('{%s, "task": {"type": "chief", "index": 0}}' % CLUSTER % 'chief', True),
    ('{%s, "task": {"type": "master", "index": 0}}' % CLUSTER % 'master', True),
    ('{%s, "task": {"type": "worker", "index": 0}}' % CLUSTER % 'chief', False),
    ('{%s, "task": {"type": "worker", "index": 0}}' % CLUSTER % 'master', False),
    ('{%s, "task": {"type": "worker", "index": 0}}' % WITHOUT_CHIEF, True),
    ('{%s, "task": {"type": "worker", "index": "1"}}' % WITHOUT_CHIEF, False),
    ('{%s, "task": {"type": "evaluator", "index": 0}}' % CLUSTER % 'chief', False),
])
def test_tf_config_says_who_the_chief_is(config, is_chief, monkeypatch):
  monkeypatch.delenv('TF_CONFIG', raising=False)
  if config is not None:
    monkeypatch.setenv('TF_CONFIG', config)
  recorder = _train(1, model_pruning.PruningHook(HALF), recorder=_Recorder(name=None))
  assert np.mean(recorder['mask']) == (0.5 if is_chief else 1)


def test_is_chief_goes_before_tf_config(monkeypatch):
  monkeypatch.setenv('TF_CONFIG', '{"task": {"type": "worker", "index": 3}}')
  assert np.mean(_train(1, model_pruning.PruningHook(HALF, is_chief=True))['mask']) == 0.5


@pytest.mark.parametrize('config', ['{"task": ', '[1]', '{"task": {"type": "worker", "index": []}}',
                                    '{"task": "worker"}'])
def test_a_bad_tf_config_is_refused_when_the_hook_is_made(config, monkeypatch):
  monkeypatch.setenv('TF_CONFIG', config)
  with pytest.raises(errors.SpecError) as caught:
    model_pruning.PruningHook(HALF)
  assert 'TF_CONFIG' in str(caught.value) and config in str(caught.value)
  model_pruning.PruningHook(HALF, is_chief=True)


# ---- What it refuses, before the first step. ----


def test_a_bad_spec_is_refused_when_the_hook_is_made():
  with pytest.raises(errors.UnknownHParamError, match='target_sparsty'):
    model_pruning.PruningHook('target_sparsty=0.5')


def test_a_graph_without_masked_weights_is_refused():
  with tf.Graph().as_default():
    _train_op(masked=False)
    with pytest.raises(errors.NoMaskedWeightsError, match='masked_scope.*apply_mask'):
      _session([model_pruning.PruningHook(HALF)])


def test_a_map_key_that_matches_no_weight_is_refused():
  with tf.Graph().as_default():
    _train_op()
    with pytest.raises(errors.MapError) as caught:
      _session([model_pruning.PruningHook('weight_sparsity_map=[lyaer:0.5]')])
    assert 'lyaer' in str(caught.value) and 'layer/weights' in str(caught.value)


def test_a_graph_without_a_global_step_is_refused():
  with tf.Graph().as_default():
    _model(tf.zeros([1, 6]))
    with pytest.raises(errors.GlobalStepError, match='get_or_create_global_step'):
      _session([model_pruning.PruningHook(HALF)])


# ---- Checkpoints. ----


@pytest.mark.sampled(2)
@pytest.mark.parametrize('first_run,option,use_resource', legs.few(legs.product(
    [7, 6],  # Between updates, and at one.
    ['weight', 'second_order_gradient'], [False, True]), 4, 'oldest'))
def test_a_resumed_run_has_the_masks_of_an_uninterrupted_one(use_resource, first_run, option,
                                                             tmp_path):
  spec = ('target_sparsity=0.8,pruning_frequency=3,sparsity_function_end_step=14,'
          'threshold_decay=0.5,prune_option=' + option)
  whole = _train(16, model_pruning.PruningHook(spec), use_resource)
  parts = [_train(steps, model_pruning.PruningHook(spec), use_resource,
                  checkpoint_dir=str(tmp_path), save_checkpoint_steps=first_run)
           for steps in (first_run, 16 - first_run)]
  for key in ('step', 'last', 'mask', 'threshold', 'weights'):
    np.testing.assert_array_equal(parts[0][key] + parts[1][key], whole[key])


def test_a_run_that_died_resumes_from_its_last_checkpoint_to_the_same_masks(tmp_path):
  """The checkpoint of a step is written before the masks are updated for that step."""
  spec = 'target_sparsity=0.8,pruning_frequency=3,sparsity_function_end_step=14'
  whole = _train(12, model_pruning.PruningHook(spec))
  with tf.Graph().as_default():
    train_op = _train_op()
    with pytest.raises(ZeroDivisionError):
      with _session([model_pruning.PruningHook(spec)], checkpoint_dir=str(tmp_path),
                    save_checkpoint_steps=6) as session:
        for step in range(10):
          session.run(train_op)
          1 / (8 - step)  # pylint: disable=expression-not-assigned
  assert tf.train.latest_checkpoint(str(tmp_path)).endswith('-6'), 'an update was due'
  resumed = _train(6, model_pruning.PruningHook(spec), checkpoint_dir=str(tmp_path))
  for key in ('step', 'last', 'mask', 'weights'):
    np.testing.assert_array_equal(resumed[key], whole[key][6:])


def test_the_checkpoint_has_contribs_names(tmp_path):
  _train(2, model_pruning.PruningHook(HALF), checkpoint_dir=str(tmp_path))
  names = [name for name, _ in tf.train.list_variables(str(tmp_path))]
  assert sorted(names) == ['global_step', 'layer/mask', 'layer/threshold', 'layer/weights',
                           'layer/weights/Momentum', 'model_pruning/last_mask_update_step']
  reader = tf.train.load_checkpoint(str(tmp_path))
  assert reader.get_tensor('model_pruning/last_mask_update_step') == 2


@pytest.mark.parametrize('hook_first', [False, True])
def test_a_checkpoint_goes_from_hook_to_plain_pruning_and_back(hook_first, tmp_path):
  def make(by_hook):
    return model_pruning.PruningHook(EVERY_STEP) if by_hook else model_pruning.PruningHook(
        model_pruning.Pruning(EVERY_STEP))

  lasts = []
  for by_hook in (hook_first, not hook_first):
    recorder = _Recorder()
    with tf.Graph().as_default():
      train_op = _train_op()
      with _session([make(by_hook), recorder], checkpoint_dir=str(tmp_path)) as session:
        session.run(train_op)
    lasts += recorder['last']
  assert lasts == [1, 2]


@pytest.mark.parametrize('chief_only', [False, True])
def test_the_checkpoint_of_the_last_step_holds_the_update_of_that_step(chief_only, tmp_path):
  with tf.Graph().as_default():
    train_op = _train_op()
    hook = model_pruning.PruningHook('pruning_frequency=3')
    with _session(hooks=[] if chief_only else [hook], chief_only_hooks=[hook] * chief_only,
                  checkpoint_dir=str(tmp_path), save_checkpoint_steps=6) as session:
      for _ in range(6):
        session.run(train_op)
  reader = tf.train.load_checkpoint(str(tmp_path))
  assert reader.get_tensor('global_step') == 6
  assert reader.get_tensor('model_pruning/last_mask_update_step') == 6


def test_an_update_missing_from_a_checkpoint_is_made_on_resuming(tmp_path, monkeypatch):
  # Something else than TensorFlow's own hook saves.
  monkeypatch.setattr(hooks, 'session_around', lambda: (None, []))

  def run(steps, folder):
    with tf.Graph().as_default():
      train_op = _train_op()
      hook = model_pruning.PruningHook('pruning_frequency=3')
      session = _session(hooks=[hook], checkpoint_dir=folder, save_checkpoint_steps=6)
      for _ in range(steps):
        session.run(train_op)
      # No end(): as if the process had died, with the checkpoint of step 6 as it was saved.
    return tf.train.load_checkpoint(folder)
  assert run(6, str(tmp_path)).get_tensor('model_pruning/last_mask_update_step') == 3
  with tf.Graph().as_default():
    train_op = _train_op()
    recorder = _Recorder()
    with _session(hooks=[model_pruning.PruningHook('pruning_frequency=3'), recorder],
                  checkpoint_dir=str(tmp_path)) as session:
      session.run(train_op)
  assert recorder['last'] == [6]


def test_an_update_due_by_a_jump_of_the_step_in_the_last_run_is_made_at_the_end():
  class AtEnd(tf.train.SessionRunHook):

    def end(self, session):
      self.last = session.run('model_pruning/last_mask_update_step:0')

  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()  # Which the session wants.
    with tf.variable_scope('', use_resource=True):
      step = tf.get_variable('step', [], tf.int64, tf.zeros_initializer(), trainable=False)
      with model_pruning.masked_scope():
        tf.get_variable('fc/kernel', [4, 4])
    by = tf.placeholder(tf.int64, [])
    # What the hook fetches is read before the step moves.
    with tf.control_dependencies([graph.as_graph_element(step)]):
      move = tf.assign_add(step, by).op
    at_end = AtEnd()
    with tf.variable_scope('', use_resource=False):
      pruning = model_pruning.Pruning('pruning_frequency=50', global_step=step)
    with tf.train.MonitoredTrainingSession(
        hooks=[model_pruning.PruningHook(pruning), at_end]) as session:
      for stride in (1, 1, 1, 100):
        session.run(move, {by: stride})
  assert at_end.last == 103


SCAFFOLD_PARTS = ('init_op', 'saver', 'summary_op', 'local_init_op')


def _scaffold(parts):
  """A Scaffold with these parts made now, as much user code does."""
  tf.summary.scalar('of_the_user', tf.constant(1.))
  makers = {'init_op': tf.global_variables_initializer, 'saver': tf.train.Saver,
            'summary_op': tf.summary.merge_all,
            'local_init_op': lambda: tf.group(tf.local_variables_initializer(),
                                              tf.tables_initializer())}
  return tf.train.Scaffold(**{part: makers[part]() for part in parts})


@pytest.mark.sampled(2)
@pytest.mark.parametrize('use_resource,parts', legs.few([(False, ()), (True, SCAFFOLD_PARTS)] + [
    (True, parts) for n in range(4) for parts in itertools.combinations(SCAFFOLD_PARTS, n)
] + [(False, SCAFFOLD_PARTS)], 10))
def test_a_scaffold_made_before_the_hook_trains_saves_and_resumes(use_resource, parts, tmp_path):
  recorders = []
  for _ in range(2):
    recorder = _Recorder()
    with tf.Graph().as_default():
      train_op = _train_op(use_resource)
      with _session([model_pruning.PruningHook(HALF), recorder], scaffold=_scaffold(parts),
                    checkpoint_dir=str(tmp_path), save_summaries_steps=1) as session:
        session.run(train_op)
        session.run(train_op)
    recorders.append(recorder)
  assert [recorder['step'] for recorder in recorders] == [[1, 2], [3, 4]]
  assert [recorder['last'] for recorder in recorders] == [[1, 2], [3, 4]]
  assert np.mean(recorders[1]['mask']) == 0.5


@pytest.mark.sampled(2)
@pytest.mark.parametrize('parts,use_resource,cut', legs.few(legs.product(
    [('init_op',), SCAFFOLD_PARTS], [False, True], [False, True]), 4, 'oldest'), ids=str)
def test_gradient_saliency_needs_nothing_of_a_scaffold_made_before(use_resource, parts, cut,
                                                                   tmp_path):
  """The hook makes variables that the Scaffold's init_op and saver do not know."""
  saved = []
  for steps in (2, 3):
    with tf.Graph().as_default():
      partitioner = tf.fixed_size_partitioner(2) if cut else None
      with tf.variable_scope('net', partitioner=partitioner), model_pruning.masked_scope():
        with tf.variable_scope('layer', use_resource=use_resource):
          weights = tf.get_variable('kernel', [6, 4])
      loss = tf.reduce_mean(tf.square(weights - 1))
      train_op = tf.train.MomentumOptimizer(0.1, 0.5).minimize(
          loss, global_step=tf.train.get_or_create_global_step())
      hook = model_pruning.PruningHook(HALF + ',prune_option=first_order_gradient')
      with _session([hook], scaffold=_scaffold(parts), checkpoint_dir=str(tmp_path)) as session:
        for _ in range(steps):
          session.run(train_op)
    reader = tf.train.load_checkpoint(str(tmp_path))
    saved.append({name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()})
  assert np.mean(saved[1]['net/layer/mask']) == 0.5
  history = ['net/layer/gradient', 'net/layer/old_old_weight', 'net/layer/old_weight']
  if 'saver' in parts:
    assert not set(history) & set(saved[1])
    return
  assert sorted(name for name in saved[1] if name in history) == history
  assert saved[1]['model_pruning/last_gradient_update_step'] == 5
  # Of the weights as they were at the last update, which is that of the last step.
  np.testing.assert_array_equal(saved[1]['net/layer/old_weight'], saved[1]['net/layer/kernel'])
  assert (saved[1]['net/layer/gradient'] != saved[0]['net/layer/gradient']).any()


def test_a_pruning_object_with_gradients_needs_nothing_of_a_scaffold_made_before():
  with tf.Graph().as_default():
    pruning = model_pruning.Pruning(HALF + ',prune_option=first_order_gradient',
                                    global_step=tf.train.get_or_create_global_step())
    train_op = _train_op()  # Masks a weight of which the object does not know yet.
    recorder = _Recorder()
    with _session([model_pruning.PruningHook(pruning), recorder],
                  scaffold=_scaffold(('init_op',))) as session:
      session.run(train_op)
  assert np.mean(recorder['mask']) == 0.5


def test_the_last_checkpoint_of_a_saver_made_before_has_the_masks_of_the_last_update(tmp_path):
  recorder = _Recorder()
  with tf.Graph().as_default():
    train_op = _train_op()
    with _session([model_pruning.PruningHook(EVERY_STEP), recorder], scaffold=_scaffold(('saver',)),
                  checkpoint_dir=str(tmp_path)) as session:
      for _ in range(3):
        session.run(train_op)
  np.testing.assert_array_equal(tf.train.load_checkpoint(str(tmp_path)).get_tensor('layer/mask'),
                                recorder['mask'][-1])


@pytest.mark.sampled(1)
@both_kinds
@pytest.mark.parametrize('option', ['weight', 'first_order_gradient'])
def test_a_meta_graph_of_a_run_goes_on_where_that_stopped(use_resource, option, tmp_path):
  spec = HALF.replace('pruning_frequency=1', 'pruning_frequency=4') + ',prune_option=' + option
  _train(6, model_pruning.PruningHook(spec), use_resource, checkpoint_dir=str(tmp_path))
  path = tf.train.latest_checkpoint(str(tmp_path))
  with tf.Graph().as_default(), tf.Session() as session:
    saver = tf.train.import_meta_graph(path + '.meta')
    pruning = model_pruning.Pruning(spec)
    update = pruning.conditional_mask_update_op()
    assert pruning.last_mask_update_step.op.name == 'model_pruning/last_mask_update_step'
    saver.restore(session, path)
    session.run(update)
    assert session.run(pruning.last_mask_update_step) == 4
    session.run(tf.assign(tf.train.get_global_step(), 8))
    session.run(update)
    assert session.run(pruning.last_mask_update_step) == 8


# ---- What it says at the end. ----


def test_logs_a_table_of_asked_and_achieved_sparsity(log):
  _train(4, model_pruning.PruningHook('name=mine,' + EVERY_STEP), recorder=_Recorder('mine'))
  table, = [text for level, text in log if 'layer/weights' in text and level == 'INFO']
  assert table.startswith('mine: sparsity at the end of training\n')
  row, = [line.split() for line in table.splitlines() if line.startswith('layer/weights')]
  assert row == ['layer/weights', '6x4', '0.5000', '0.5000', '12', '24']
  assert not [text for level, text in log if level == 'WARNING']


def test_warns_of_a_weight_that_ended_short_of_its_target(log):
  _train(2, model_pruning.PruningHook(EVERY_STEP))
  warning, = [text for level, text in log if level == 'WARNING']
  for part in ('layer/weights', '0.4167', '0.5000', 'sparsity_function_end_step=4'):
    assert part in warning
  assert [text for level, text in log if level == 'INFO' and 'short of its target' in text]


def test_warns_before_training_of_a_resumed_run_whose_updates_are_over(log, tmp_path):
  options = 'pruning_frequency=1,sparsity_function_end_step=4,'
  _train(6, hooks.PruningHook(options + 'target_sparsity=0.5'), checkpoint_dir=str(tmp_path))
  del log[:]

  class Stops(tf.train.SessionRunHook):

    def after_create_session(self, session, coord):
      raise KeyboardInterrupt

  hook = hooks.PruningHook(options + 'target_sparsity=0.9,end_pruning_step=5')
  with tf.Graph().as_default(), pytest.raises(KeyboardInterrupt):
    _train_op()
    _session([hook, Stops()], checkpoint_dir=str(tmp_path))
  warning, = [text for level, text in log if level == 'WARNING' and 'ended short' in text]
  assert 'set a later end_pruning_step than the step from which training goes on' in warning


def test_who_is_not_the_chief_logs_no_table(log):
  _train(1, model_pruning.PruningHook(HALF, is_chief=False), recorder=_Recorder(name=None))
  assert not [text for _, text in log if 'layer/weights' in text]


@pytest.mark.parametrize('summaries', [True, False])
def test_adds_summaries_where_they_are_asked_for(summaries, tmp_path):
  with tf.Graph().as_default():
    train_op = _train_op()
    hook = model_pruning.PruningHook(HALF, summaries=summaries)
    with _session([hook], checkpoint_dir=str(tmp_path), save_summaries_steps=1) as session:
      session.run(train_op)
  tags = set()
  for path in tmp_path.glob('events*'):
    for event in tf.train.summary_iterator(str(path)):
      tags.update(value.tag for value in event.summary.value)
  assert any(tag.endswith('layer/mask/sparsity') for tag in tags) == summaries


# ---- Starting from a dense checkpoint. ----


@pytest.fixture
def dense(tmp_path):
  """(path of a checkpoint of the model without masks, its weights)."""
  with tf.Graph().as_default(), tf.Session() as session:
    train_op = _train_op(masked=False)
    session.run(tf.global_variables_initializer())
    session.run([train_op])
    folder = tmp_path / 'dense'
    folder.mkdir()
    path = tf.train.Saver().save(session, str(folder / 'model.ckpt'), global_step=1)
    weights, = [v for v in tf.trainable_variables() if v.op.name == 'layer/weights']
    return path, session.run(weights)


class _Start(tf.train.SessionRunHook):
  """Notes mask and weights before the first step."""

  def begin(self):
    record, = registry.masked_weights()
    self._tensors = [record.mask.read_value(), record.weight.read_value()]

  def after_create_session(self, session, coord):
    self.mask, self.weights = session.run(self._tensors)


@pytest.mark.sampled(3)
@both_kinds
@pytest.mark.parametrize('way', ['init_fn', 'init_from_checkpoint'])
def test_a_session_starts_from_a_dense_checkpoint_with_masks_at_ones(dense, way, use_resource,
                                                                     tmp_path):
  path, weights = dense
  start, recorder = _Start(), _Recorder()
  with tf.Graph().as_default():
    train_op = _train_op(use_resource)
    scaffold = None
    if way == 'init_fn':
      saver = tf.train.Saver(tf.trainable_variables())
      scaffold = tf.train.Scaffold(init_fn=lambda _, session: saver.restore(session, path))
    else:
      tf.train.init_from_checkpoint(path, {'layer/weights': 'layer/weights'})
    with _session([model_pruning.PruningHook(HALF), start, recorder], scaffold=scaffold,
                  checkpoint_dir=str(tmp_path / 'pruned')) as session:
      session.run(train_op)
  np.testing.assert_array_equal(start.weights, weights)
  assert np.all(start.mask == 1)
  assert recorder['last'] == [1] and np.mean(recorder['mask']) == 0.5


# ---- Estimator. ----


def _input_fn():
  features = np.random.RandomState(1).uniform(-1, 1, [3, 6]).astype(np.float32)
  data = tf.data.Dataset.from_tensors((features, np.ones([3, 4], np.float32)))
  return data.repeat()


def _estimator(folder, training_hooks=(), masked=True, save_steps=100, warm_start_from=None):
  def model_fn(features, labels, mode):
    loss = tf.reduce_mean(tf.square(_model(features, masked=masked) - labels))
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(
        loss, global_step=tf.train.get_or_create_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op,
                                      training_hooks=list(training_hooks))

  config = tf.estimator.RunConfig(model_dir=str(folder), save_checkpoints_steps=save_steps,
                                  save_summary_steps=1, log_step_count_steps=None)
  return tf.estimator.Estimator(model_fn, config=config, warm_start_from=warm_start_from)


def _values(estimator):
  return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


@pytest.mark.sampled(1)
@needs_estimator
@pytest.mark.parametrize('as_training_hook', [False, True])
def test_estimator_trains_and_resumes(as_training_hook, tmp_path):
  hook = model_pruning.PruningHook(
      'target_sparsity=0.75,pruning_frequency=2,sparsity_function_end_step=4')
  training_hooks, hooks = ([hook], []) if as_training_hook else ([], [hook])
  estimator = _estimator(tmp_path, training_hooks)
  estimator.train(_input_fn, hooks=hooks, steps=3)
  values = _values(estimator)
  assert values['model_pruning/last_mask_update_step'] == 2
  assert int(values['layer/mask'].sum()) == round(24 * (1 - 0.75 * (1 - 0.5**3)))
  estimator.train(_input_fn, hooks=hooks, steps=2)
  values = _values(estimator)
  assert values['global_step'] == 5 and values['model_pruning/last_mask_update_step'] == 4
  assert int(values['layer/mask'].sum()) == 6


@needs_estimator
def test_estimator_trains_and_evaluates_on_the_pruned_model(tmp_path):
  estimator = _estimator(tmp_path, save_steps=2)
  hook = model_pruning.PruningHook(HALF)
  tf.estimator.train_and_evaluate(
      estimator, tf.estimator.TrainSpec(_input_fn, max_steps=5, hooks=[hook]),
      tf.estimator.EvalSpec(_input_fn, steps=1, start_delay_secs=0, throttle_secs=0))
  values = _values(estimator)
  assert values['global_step'] == values['model_pruning/last_mask_update_step'] == 5
  features, labels = np.random.RandomState(1).uniform(-1, 1, [3, 6]), 1
  pruned = values['layer/weights'] * values['layer/mask']
  assert np.mean(values['layer/mask']) == 0.5
  loss = estimator.evaluate(_input_fn, steps=1)['loss']
  np.testing.assert_allclose(loss, np.mean((features.dot(pruned) - labels)**2), rtol=1e-5)


@pytest.mark.sampled(1)
@needs_estimator
@pytest.mark.parametrize('settings', [False, True])
def test_estimator_warm_starts_from_a_dense_one_with_masks_at_ones(settings, tmp_path):
  dense = _estimator(tmp_path / 'dense', masked=False)
  dense.train(_input_fn, steps=2)
  weights = dense.get_variable_value('layer/weights')
  source = str(tmp_path / 'dense')
  if settings:
    source = tf.estimator.WarmStartSettings(source, vars_to_warm_start='layer/weights')
  start = _Start()
  pruned = _estimator(tmp_path / 'pruned', warm_start_from=source)
  pruned.train(_input_fn, hooks=[model_pruning.PruningHook(HALF), start], steps=2)
  np.testing.assert_array_equal(start.weights, weights)
  assert np.all(start.mask == 1)
  assert pruned.get_variable_value('global_step') == 2


# ---- The update ops, run by hand. ----


@both_kinds
def test_mask_update_op_runs_in_a_plain_session(use_resource, control_flow):
  del control_flow
  with tf.Graph().as_default(), tf.Session() as session:
    train_op = _train_op(use_resource)
    pruning = model_pruning.Pruning(HALF + ',begin_pruning_step=100')
    update, conditional = pruning.mask_update_op(), pruning.conditional_mask_update_op()
    record, = registry.masked_weights()
    session.run(tf.global_variables_initializer())
    session.run(train_op)
    session.run(conditional)
    assert session.run(record.mask).all(), 'it is not yet time'
    session.run(update)
    mask, weights = session.run([record.mask, record.weight])
    np.testing.assert_array_equal(mask, _top(weights, 12))
    assert session.run(pruning.last_mask_update_step) == 1


@pytest.mark.sampled(3)
@both_kinds
@pytest.mark.parametrize('spec,kept', [('', 30000), ('block_height=4,block_width=1', 7500 * 4),
                                       ('use_tpu=true', 30000)])
def test_an_update_grouped_with_the_train_op_keeps_exactly_k(use_resource, spec, kept):
  """The optimizer writes the weights while the update looks at them."""
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    with tf.variable_scope('layer', use_resource=use_resource):
      weights = tf.get_variable('weights', [300, 400],
                                initializer=tf.random_uniform_initializer(-1, 1))
      model_pruning.apply_mask(weights, tf.get_variable_scope())
    # Every step makes all of them new, of any size.
    loss = tf.reduce_sum(weights * tf.stop_gradient(
        weights + tf.random_uniform([300, 400], -1, 1) * 2**tf.random_uniform([], 0, 8)))
    train_op = tf.train.GradientDescentOptimizer(1.).minimize(loss, global_step=step)
    pruning = model_pruning.Pruning('initial_sparsity=0.75,target_sparsity=0.75,'
                                    'pruning_frequency=1,' + spec)
    both = tf.group(train_op, pruning.conditional_mask_update_op())
    record, = registry.masked_weights()
    count = record.kept()
    session.run(tf.global_variables_initializer())
    session.run(train_op)
    counts = []
    for _ in range(25):
      session.run(both)
      counts.append(session.run(count))
    assert counts == [kept] * 25
    assert session.run(pruning.last_mask_update_step) >= 25


def test_files_are_only_written_where_asked(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  _train(2, model_pruning.PruningHook(HALF))
  assert os.listdir(str(tmp_path)) == []


def _run_with_own_saver(folder, last_step, make_hook, before=True):
  """Trains to a step, resuming from the folder, with a Saver made before the hook began."""
  with tf.Graph().as_default():
    step = tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      weight = tf.get_variable('kernel', [30, 30],
                               initializer=tf.random_normal_initializer(seed=1))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(weight**2), step)
    saver = tf.train.Saver(max_to_keep=2) if before else None
    with _session([tf.train.StopAtStepHook(last_step=last_step), make_hook()],
                  checkpoint_dir=folder, scaffold=tf.train.Scaffold(saver=saver),
                  save_checkpoint_steps=1000) as session:
      while not session.should_stop():
        session.run(train)
  reader = tf.train.load_checkpoint(folder)
  return {name: reader.get_tensor(name) for name in ('fc/mask', 'fc/kernel', 'fc/threshold')}


HOOKS = {
    'spec': lambda: model_pruning.PruningHook(
        'target_sparsity=0.9,end_pruning_step=150,pruning_frequency=50,'
        'sparsity_function_end_step=150'),
    'polynomial': lambda: model_pruning.PruningHook(sparsity=model_pruning.PolynomialDecay(
        0.2, 0.9, begin_step=0, end_step=150, frequency=40)),
    'constant': lambda: model_pruning.PruningHook(sparsity=model_pruning.ConstantSparsity(
        0.9, begin_step=20, frequency=60)),
    'Pruning': lambda: model_pruning.PruningHook(model_pruning.Pruning(
        'target_sparsity=0.9,end_pruning_step=150,pruning_frequency=50,'
        'sparsity_function_end_step=150')),
}


@pytest.fixture(scope='module')
def never_interrupted(tmp_path_factory):
  """What a run to the end leaves, by the name of its hook: trained once."""
  return functools.lru_cache(maxsize=None)(lambda name: _run_with_own_saver(
      str(tmp_path_factory.mktemp('whole')), 200, HOOKS[name]))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name,interrupted_at', legs.few(legs.product(
    sorted(HOOKS), [30, 50, 120, 150]), 8))
def test_a_run_resumed_with_a_saver_of_the_users_ends_as_if_never_interrupted(
    tmp_path, never_interrupted, name, interrupted_at):
  whole, make_hook = never_interrupted(name), HOOKS[name]
  _run_with_own_saver(str(tmp_path / 'parts'), interrupted_at, make_hook)
  resumed = _run_with_own_saver(str(tmp_path / 'parts'), 200, make_hook)
  assert round(1 - float(np.mean(whole['fc/mask'])), 6) == 0.9
  for name, value in whole.items():
    np.testing.assert_array_equal(resumed[name], value, err_msg=name)


def test_a_dense_checkpoint_is_pruned_at_once_where_the_schedule_says_so(tmp_path):
  """Its masks hide nothing, so no update can have been made."""
  saved = str(tmp_path / 'model.ckpt')
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    with tf.variable_scope('fc'):
      tf.get_variable('kernel', [30, 30])
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(step, 5000))
    tf.train.Saver().save(session, saved)
  with tf.Graph().as_default():
    step = tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      weight = tf.get_variable('kernel', [30, 30])
    train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(weight**2), step)
    saver = tf.train.Saver([variable for variable in
                            tf.global_variables() if 'mask' not in variable.op.name
                            and 'threshold' not in variable.op.name])
    scaffold = tf.train.Scaffold(init_op=tf.global_variables_initializer(),
                                 init_fn=lambda _, session: saver.restore(session, saved))
    hook = model_pruning.PruningHook('target_sparsity=0.9,pruning_frequency=1000')
    with tf.train.MonitoredTrainingSession(scaffold=scaffold, hooks=[hook]) as session:
      session.run(train)
      assert round(float(np.mean(session.run(model_pruning.get_masks()[0]))), 6) == 0.1
