# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: tags = manual
"""Over real servers: who updates the masks, and whether all tasks were given the same spec."""

import contextlib
import json

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables
from model_pruning.graph.training import coordination
from tests import clusters

HALF = 'initial_sparsity=0.5,target_sparsity=0.5,pruning_frequency=1'


class _Task:
  """A task's own graph, and its session when it is entered."""

  def __init__(self, cluster, job='chief', index=0, spec=HALF, session_of_chief=None, **options):
    self.graph = tf.Graph()
    self._hook = model_pruning.PruningHook(spec, **options)
    self._target = cluster.target(job, index)
    self._is_chief = job == 'chief' if session_of_chief is None else session_of_chief
    with self.graph.as_default():
      with tf.device(cluster.setter('/job:%s/task:%d' % (job, index))):
        step = tf.train.get_or_create_global_step()
        with tf.variable_scope('layer', partitioner=tf.fixed_size_partitioner(2)) as scope:
          weights = tf.get_variable('weights', [6, 4], initializer=tf.random_uniform_initializer(
              seed=1))
          masked = model_pruning.apply_mask(weights, scope)
        loss = tf.reduce_mean(tf.square(masked - 1))
        self.train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)
        record, = registry.masked_weights()
        self._mask = tf.concat([shard.read_value() for shard in record.mask_shards], 0)

  @contextlib.contextmanager
  def training(self):
    with self.graph.as_default():
      session = tf.train.MonitoredTrainingSession(
          self._target, is_chief=self._is_chief, hooks=[self._hook], save_summaries_steps=None,
          save_summaries_secs=None, log_step_count_steps=None, max_wait_secs=60)
      with session:
        yield session

  def step(self, session):
    session.run(self.train_op)

  def mask(self, session):
    return session.run_step_fn(lambda step_context: step_context.session.run(self._mask))


def test_all_tasks_read_the_masks_that_the_chief_updates():
  cluster = clusters.cluster(2, workers=2)
  chief, first, second = (_Task(cluster), _Task(cluster, 'worker', 0, is_chief=False),
                          _Task(cluster, 'worker', 1))
  with chief.training() as session, first.training() as one, second.training() as two:
    for other, task in ((one, first), (two, second)):
      task.step(other)
      assert task.mask(other).all()
    chief.step(session)
    masks = [task.mask(open_session) for task, open_session in (
        (chief, session), (first, one), (second, two))]
    assert masks[0].sum() == 12
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], masks[2])
  for task in (first, second):
    with task.graph.as_default():
      assert not [v for v in variables.saved_variables() if 'last_mask_update_step' in v.name]


@pytest.fixture
def no_patience(monkeypatch):
  monkeypatch.setattr(coordination, '_PATIENCE_SECONDS', 0.0)


@pytest.mark.parametrize('job,index', [('worker', 0), ('worker', 1), ('chief', 0)])
def test_who_initializes_the_model_is_the_chief_wherever_it_runs(job, index):
  cluster = clusters.cluster(2, workers=2)
  lone = _Task(cluster, job, index, session_of_chief=True)
  with lone.training() as session:
    lone.step(session)
    assert lone.mask(session).sum() == 12


def test_a_job_on_servers_that_another_one_has_used_prunes_from_its_start():
  cluster = clusters.cluster(2)
  for steps, spec, kept in ((20, HALF, 12), (3, HALF.replace('0.5', '0.75'), 6)):
    task = _Task(cluster, spec=spec)
    with task.training() as session:
      for _ in range(steps):  # The second ends long before the last update of the first.
        task.step(session)
      assert task.mask(session).sum() == kept


def test_what_another_job_said_on_the_same_servers_stops_nobody(no_patience):
  cluster = clusters.cluster(2, workers=1)
  before = _Task(cluster, spec=HALF + ',nbins=7')
  with before.training() as session:
    before.step(session)
  chief, worker = _Task(cluster), _Task(cluster, 'worker', 0)
  with worker.training() as other:  # All variables are there, so it does not wait.
    worker.step(other)
    with chief.training() as session:
      chief.step(session)
      worker.step(other)


def test_what_a_dead_job_said_stops_nobody_at_once():
  cluster = clusters.cluster(2, workers=1)
  before = _Task(cluster, spec=HALF + ',nbins=7')
  with pytest.raises(RuntimeError):
    with before.training() as session:
      before.step(session)
      raise RuntimeError('nobody withdraws the claim')
  worker = _Task(cluster, 'worker', 0)
  with worker.training() as other:
    worker.step(other)


def test_schedules_with_functions_in_them_are_not_told_apart_by_where_they_lie(no_patience):
  class Mine(model_pruning.ConstantSparsity):
    def get_config(self):
      return {'class_name': 'Mine', 'config': {'sparsity': 0.5, 'of': lambda step: step}}

  cluster = clusters.cluster(2, workers=1)
  chief, worker = (_Task(cluster, sparsity=Mine(0.5, 0, frequency=1)),
                   _Task(cluster, 'worker', 0, sparsity=Mine(0.5, 0, frequency=1)))
  with chief.training() as session:
    chief.step(session)
    with worker.training() as other:
      worker.step(other)


@pytest.mark.parametrize('index', [0, 1])
def test_a_worker_with_another_spec_stops_and_names_the_difference(index, no_patience):
  cluster = clusters.cluster(2, workers=2)
  chief = _Task(cluster)
  other = _Task(cluster, 'worker', index, is_chief=False,
                spec='initial_sparsity=0.5,target_sparsity=0.75,pruning_frequency=1,nbins=7')
  with chief.training() as session:
    chief.step(session)
    with pytest.raises(errors.SpecMismatchError) as caught:
      with other.training() as another:
        other.step(another)
    chief.step(session)  # Goes on.
    assert chief.mask(session).sum() == 12
  for part in ('target_sparsity is 0.75 here and 0.5 there', 'nbins is 7 here and 256 there',
               '/job:worker/task:%d' % index, '/job:chief/task:0'):
    assert part in str(caught.value)
  assert 'initial_sparsity' not in str(caught.value)


def test_a_worker_with_another_schedule_stops_and_names_it(no_patience):
  cluster = clusters.cluster(2, workers=1)
  chief = _Task(cluster, sparsity=model_pruning.ConstantSparsity(0.5, 0))
  other = _Task(cluster, 'worker', 0, is_chief=False)
  with chief.training() as session:
    chief.step(session)
    with pytest.raises(errors.SpecMismatchError, match='sparsity is not given here and .*Constant'):
      with other.training() as another:
        other.step(another)


def test_a_worker_that_comes_before_the_chief_has_updated_compares_later():
  cluster = clusters.cluster(2, workers=1)
  with tf.Graph().as_default():
    with tf.device(cluster.setter()):
      step = tf.train.get_or_create_global_step()
    claims = [coordination.Claim(step, settings) for settings in ({'a': 1}, {'a': 1})]
    assert [claim.current.dtype for claim in claims] == [tf.string] * 2
    with cluster.session() as session:
      first = claims[0]
      assert not first.check_same(session.run(first.current))
      first.make(session)
      assert first.check_same(session.run(first.current))
      assert session.run(claims[1].current) == b'', 'each hook of a graph has one of its own'
      assert json.loads(session.run(first.current).decode())['settings'] == {'a': 1}


def test_two_tasks_that_update_are_told_of_each_other():
  cluster = clusters.cluster(2, workers=1)
  chief, second = _Task(cluster), _Task(cluster, 'worker', 0, is_chief=True)
  with pytest.raises(errors.ChiefError) as caught:
    with chief.training() as session:
      chief.step(session)
      with second.training() as another:
        second.step(another)
        chief.step(session)
  assert '/job:chief/task:0' in str(caught.value) and '/job:worker/task:0' in str(caught.value)
  assert 'is_chief=False' in str(caught.value)


@pytest.mark.parametrize('worker_device,expected', [
    ('/job:worker/task:1', coordination.Task('worker', 1)),
    ('/job:chief/task:0', coordination.Task('chief', 0)),
    ('', None),
])
def test_a_graph_says_which_task_it_was_built_for(worker_device, expected):
  with tf.Graph().as_default():
    with tf.device(tf.train.replica_device_setter(ps_tasks=2, worker_device=worker_device)):
      tf.square(tf.get_variable('weights', [4, 4]))
    assert coordination.own_task() == expected


def test_a_graph_of_one_process_was_built_for_no_task():
  with tf.Graph().as_default():
    tf.square(tf.get_variable('weights', [4, 4]))
    assert coordination.own_task() is None
