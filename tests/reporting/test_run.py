# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of PruningHook(report=...): the page of a run, at its end."""

import json
import re
import sys

from absl import logging
import numpy as np
import pytest

pytest.importorskip('jinja2')

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reporting import page


def _train_with_a_page(path, steps=30, folder=None, spec='target_sparsity=0.9', **options):
  """Trains two weights, one of them masked and in two parts, and writes the page of the run."""
  with tf.Graph().as_default():
    step = tf.train.get_or_create_global_step()
    inputs = tf.constant(np.random.RandomState(0).randn(8, 64).astype(np.float32))
    with model_pruning.masked_scope(exclude='out'):
      with tf.variable_scope('fc', partitioner=tf.fixed_size_partitioner(2)):
        hidden = tf.matmul(inputs, tf.get_variable('kernel', [64, 32]))
      with tf.variable_scope('out'):
        outputs = tf.matmul(hidden, tf.get_variable('kernel', [32, 4]))
    train = tf.train.GradientDescentOptimizer(1e-4).minimize(tf.nn.l2_loss(outputs), step)
    hook = model_pruning.PruningHook(
        spec + ',sparsity_function_end_step=20,pruning_frequency=2', report=path, **options)
    with tf.train.MonitoredTrainingSession(
        is_chief=options.get('is_chief') is not False, checkpoint_dir=folder, hooks=[
            hook, tf.train.StopAtStepHook(last_step=steps)]) as session:
      while not session.should_stop():
        session.run(train)


def _page_data(path):
  text = path.read_text(encoding='utf-8')
  return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>',
                              text).group(1)), text


@pytest.mark.parametrize('steps,met', [(30, True), (6, False)])
def test_the_page_of_a_run_is_written_at_its_end(steps, met, tmp_path):
  path = tmp_path / 'out' / 'report.html'
  _train_with_a_page(path, steps)
  data, text = _page_data(path)
  assert [(row['name'], row['target'], row['met'], row['shape']) for row in data['weights']] == [
      ('fc/kernel', 0.9, met, [64, 32]), ('out/kernel', None, None, [32, 4])]
  assert [row['flops'] for row in data['weights']] == [2 * 64 * 32 * 8, 2 * 32 * 4 * 8]
  assert text.count('data-line=') == 2  # Without event files, of sparsity and thresholds.
  if not met:
    assert data['findings'][0]['kind'] == 'short' and 'step 20' in data['findings'][0]['advice']


def test_the_page_of_a_resumed_run_shows_all_of_it(tmp_path):
  for steps in (10, 30):
    _train_with_a_page(tmp_path / 'report.html', steps, str(tmp_path / 'run'))
  data, text = _page_data(tmp_path / 'report.html')
  assert data['weights'][0]['met'] is True and 'There are no event files' not in text
  assert model_pruning.report.of(str(tmp_path / 'run')).weights[0].target == 0.9


def test_only_the_chief_writes_the_page(tmp_path):
  hook = model_pruning.PruningHook('target_sparsity=0.5', is_chief=False,
                                   report=tmp_path / 'report.html')
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope():
      tf.get_variable('kernel', [8, 8])
    hook.begin()
    with tf.Session() as session:
      hook.end(session)
  assert not (tmp_path / 'report.html').exists()


@pytest.mark.sampled(2)
@pytest.mark.parametrize('failure', [OSError('No space left on device'), ValueError('odd'),
                                     MemoryError()])
def test_a_page_that_cannot_be_written_costs_no_training(failure, tmp_path, monkeypatch):
  def fail(*args):
    raise failure

  warnings = []
  monkeypatch.setattr(page, 'render', fail)
  monkeypatch.setattr(logging, 'warning', lambda text, *args: warnings.append(text % args))
  _train_with_a_page(tmp_path / 'report.html', folder=str(tmp_path / 'run'))
  warning, = [text for text in warnings if 'report.html' in text]
  assert 'was not written (%s' % type(failure).__name__ in warning
  assert 'model-pruning report MODEL --html=report.html' in warning
  assert model_pruning.report.of(str(tmp_path / 'run')).weights[0].met
  assert not (tmp_path / 'report.html').exists()


@pytest.mark.parametrize('path,error', [
    ('', errors.WriteError), (3.5, errors.PathError), ('gs://a/b.html', errors.WriteError),
    ('.', errors.WriteError), ('/dev/null', errors.WriteError)])
def test_a_page_that_could_never_be_written_is_an_error_at_once(path, error):
  with pytest.raises(error):
    model_pruning.PruningHook('target_sparsity=0.5', report=path)


@pytest.mark.parametrize('package', ['jinja2', 'matplotlib'])
def test_a_page_needs_packages_before_training(package, monkeypatch):
  monkeypatch.setitem(sys.modules, package, None)  # Importing it raises ImportError then.
  with pytest.raises(errors.MissingPackageError, match='pip install jinja2 matplotlib'):
    model_pruning.PruningHook('target_sparsity=0.5', report='report.html')
