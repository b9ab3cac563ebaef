# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.history: event files beside a model, and what runs remember."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.reporting import events
from model_pruning.reporting import history

NAMES = ['conv1/kernel', 'fc/weights', 'sep/depthwise']
TAGS = {'conv1/kernel': 'conv1/mask', 'fc/weights': 'fc/mask',
        'sep/depthwise': 'sep/depthwise_mask'}


def _write(folder, tags, steps=(0, 10, 20)):
  with tf.Graph().as_default():
    writer = tf.summary.FileWriter(str(folder))
    for step in steps:
      writer.add_summary(tf.Summary(value=[
          tf.Summary.Value(tag='model_pruning_summaries/%s/sparsity' % tag, simple_value=step / 100)
          for tag in tags]), step)
    writer.close()


@pytest.mark.parametrize('where', ['run', 'run/eval', 'run/logs/metrics'])
@pytest.mark.parametrize('model', ['run/model.ckpt-20', 'run', 'run/model.keras'])
def test_event_files_in_the_folder_of_a_model(where, model, tmp_path):
  _write(tmp_path / where, TAGS.values())
  (tmp_path / 'run' / 'model.keras').write_text('x')
  (tmp_path / 'run' / 'model.ckpt-20.index').write_text('x')
  found = history.beside(str(tmp_path / model), NAMES)
  assert [each.name for each in history.by_weight(found, NAMES)] == NAMES
  assert found.weights[0].sparsity.last == pytest.approx(0.2)


def test_event_files_in_the_folder_above(tmp_path):
  _write(tmp_path / 'run', TAGS.values())
  (tmp_path / 'run' / 'exported').mkdir()
  assert history.beside(str(tmp_path / 'run' / 'exported'), NAMES) is not None
  (tmp_path / 'run' / 'exported' / 'deeper').mkdir()
  assert history.beside(str(tmp_path / 'run' / 'exported' / 'deeper'), NAMES) is None


def test_other_runs_are_not_taken_for_that_of_the_model(tmp_path):
  _write(tmp_path / 'other', ['a/mask', 'b/mask', 'conv1/mask'])
  (tmp_path / 'model.pb').write_text('x')
  assert history.beside(str(tmp_path / 'model.pb'), NAMES) is None
  # Far below, or in the folder beside it.
  _write(tmp_path / 'a' / 'b' / 'c' / 'd', TAGS.values())
  assert history.beside(str(tmp_path / 'model.pb'), NAMES) is None
  (tmp_path / 'mine').mkdir()
  assert history.beside(str(tmp_path / 'mine'), NAMES) is None


@pytest.mark.parametrize('path', ['sequential', '', 'no/such/model.ckpt-1'])
def test_what_is_in_no_folder(path, tmp_path, monkeypatch):
  _write(tmp_path, TAGS.values())
  monkeypatch.chdir(tmp_path)
  assert history.beside(path, NAMES) is None


@pytest.mark.parametrize('depth,found', [(0, 1), (1, 2), (2, 3), (None, 4)])
def test_how_deep_event_files_are_looked_for(depth, found, tmp_path):
  for folder in ('', 'a', 'a/b', 'a/b/c'):
    _write(tmp_path / folder, ['fc/mask'])
  assert len(events.read(str(tmp_path), depth).weights) == found


def test_what_a_run_remembers():
  recorder = history.Recorder()
  assert recorder.history('run') is None
  for step in (10, 20, 30, 20):
    recorder.record(step, {'fc/kernel': (step / 100, step / 1000)})
  found, = recorder.history('run').weights
  assert found.sparsity.steps.tolist() == [10, 20, 30]
  assert found.sparsity.values.tolist() == [0.1, 0.2, 0.3]
  assert found.threshold.last == 0.03


def test_a_long_run_remembers_so_much_and_the_end():
  recorder = history.Recorder()
  for step in range(10000):
    recorder.record(step, {'fc/kernel': (0.5, 0.1)})
  steps = recorder.history('run').weights[0].sparsity.steps
  assert 100 < len(steps) < 600 and steps[0] == 0 and steps[-1] == 9999
  assert np.diff(steps).max() < 200


def test_a_run_that_was_resumed_goes_on_behind_its_event_files(tmp_path):
  _write(tmp_path, ['fc/mask', 'gone/mask'], (0, 10, 20, 30))
  recorder = history.Recorder()
  for step in (25, 35):
    recorder.record(step, {'fc/kernel': (0.9, 0.1), 'new/kernel': (0.8, 0.2)})
  found = {each.name: each for each in recorder.history(
      'run', events.read(str(tmp_path))).weights}
  assert set(found) == {'fc/kernel', 'new/kernel'}
  assert found['fc/kernel'].sparsity.steps.tolist() == [0, 10, 20, 25, 35]
  assert found['fc/kernel'].sparsity.last == 0.9
  assert found['new/kernel'].sparsity.steps.tolist() == [25, 35]
  assert history.Recorder().history('run', events.read(str(tmp_path))) is not None
