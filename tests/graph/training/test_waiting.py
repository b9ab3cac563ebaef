# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Who waits for a cluster is told which of its tasks do not answer."""

import contextlib
import gc
import json
import socket
import threading
import time

from absl import logging
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph.training import waiting


@pytest.fixture
def warnings(monkeypatch):
  """Texts of warnings, as they come; also from other threads."""
  texts = []
  monkeypatch.setattr(logging, 'warning', lambda text, *values: texts.append(text % values))
  return texts


@contextlib.contextmanager
def _cluster():
  """A cluster of which one of two servers takes connections; (cluster, the address that does not).
  """
  with contextlib.closing(socket.socket()) as there, contextlib.closing(socket.socket()) as gone:
    for each in (there, gone):
      each.bind(('127.0.0.1', 0))
    there.listen(5)
    addresses = ['127.0.0.1:%d' % each.getsockname()[1] for each in (there, gone)]
    yield {'ps': addresses}, addresses[1]  # Bound, but nobody listens.


def _wait_until(condition, seconds=20):
  end = time.monotonic() + seconds
  while not condition() and time.monotonic() < end:
    time.sleep(0.05)
  assert condition()


def test_tasks_that_do_not_answer_are_named_with_their_address():
  with _cluster() as (cluster, address):
    (task, found, why), = waiting.missing_tasks(tf.train.ClusterSpec(cluster), ['ps'])
    assert (task, found) == ('/job:ps/task:1', address) and 'refused' in why


def test_an_address_that_is_none_is_named_too():
  missing = waiting.missing_tasks(tf.train.ClusterSpec({'ps': ['nowhere']}), ['ps'])
  assert missing == [('/job:ps/task:0', 'nowhere', 'no host:port')]


def test_a_wait_is_explained_and_again_until_it_is_over(warnings):
  with _cluster() as (cluster, address):
    watch = waiting.Watch(cluster, first_seconds=0.2, again_seconds=0.2)
    watch.waiting('the session')
    _wait_until(lambda: len(warnings) >= 2)
    watch.done()
    time.sleep(1.2)
    told = len(warnings)
    time.sleep(2.2)
    watch.close()
    assert len(warnings) == told
    for part in ('the session', '/job:ps/task:1 at ' + address, '1 do not answer', 'of 2 tasks'):
      assert part in warnings[0]
    assert '/job:ps/task:0' not in warnings[0]


def test_tasks_that_are_not_needed_are_not_missed(warnings):
  with _cluster() as (cluster, _):
    watch = waiting.Watch({'worker': cluster['ps']}, first_seconds=0.2)
    watch.waiting('a training step', ['ps'])
    time.sleep(2.2)
    watch.close()
  assert not warnings


def test_it_stops_to_warn_of_what_nobody_mends(warnings, monkeypatch):
  monkeypatch.setattr(waiting, '_MOST_WARNINGS', 1)
  with _cluster() as (cluster, _):
    watch = waiting.Watch(cluster, first_seconds=0.1, again_seconds=0.1)
    watch.waiting('a training step')
    time.sleep(3.3)
    watch.close()
  assert len(warnings) == 1


def test_who_does_not_wait_long_is_told_nothing(warnings):
  with _cluster() as (cluster, _):
    watch = waiting.Watch(cluster, first_seconds=30)
    watch.waiting('a training step')
    time.sleep(2.2)
    watch.close()
  assert not warnings


def test_the_thread_ends_with_the_watch():
  before = set(threading.enumerate())
  with _cluster() as (cluster, _):
    closed, dropped = waiting.Watch(cluster), waiting.Watch(cluster)
    started = set(threading.enumerate()) - before
    assert len(started) == 2
    closed.close()
    del dropped
    gc.collect()
    _wait_until(lambda: not started & set(threading.enumerate()))


@pytest.mark.parametrize('by_tf_config', [False, True])
def test_a_hook_names_the_server_that_its_session_waits_for(by_tf_config, warnings, monkeypatch):
  monkeypatch.setattr(waiting, '_FIRST_SECONDS', 0.2)
  with _cluster() as (cluster, address):
    if by_tf_config:
      monkeypatch.setenv('TF_CONFIG', json.dumps(
          {'cluster': cluster, 'task': {'type': 'chief', 'index': 0}}))
    hook = model_pruning.PruningHook('', cluster=None if by_tf_config else cluster)
    with tf.Graph().as_default():
      tf.train.get_or_create_global_step()
      with tf.variable_scope('layer') as scope:
        model_pruning.apply_mask(tf.get_variable('weights', [4, 4]), scope)
      hook.begin()  # As a session does, before it connects.
      _wait_until(lambda: warnings)
      assert address in warnings[0] and 'waiting for the session' in warnings[0]
      del hook
