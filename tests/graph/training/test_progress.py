# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A bar on terminals, lines in logs, nothing in short runs."""

import io

import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph.training import progress
from model_pruning.schedules.base import PruningSchedule


class _Terminal(io.StringIO):

  def isatty(self):
    return True


class _OnlyTensors(PruningSchedule):

  def __call__(self, step):
    return tf.equal(step, tf.constant(5)), tf.constant(0.5)

  def get_config(self):
    return {}


def _lines(monkeypatch):
  lines = []
  monkeypatch.setattr(progress.logging, 'info', lambda text, *args: lines.append(text % args))
  return lines


def test_a_bar_on_a_terminal_goes_when_the_run_ends(monkeypatch):
  lines, terminal = _lines(monkeypatch), _Terminal()
  shown = progress.Progress('conv', 200, terminal, long=0)
  shown._between = 0
  for step in (1, 100, 900):
    shown.at(step, lambda step=step: 'step %d, sparsity 0.5000' % step)
  text = terminal.getvalue()
  assert 'conv' in text and 'step 100, sparsity 0.5000' in text
  assert ' 50%|' in text and '100%|' in text
  shown.close()
  assert not terminal.getvalue().split('\r')[-1].strip() and not lines


def test_lines_where_there_is_no_terminal(monkeypatch):
  lines, file = _lines(monkeypatch), io.StringIO()
  shown = progress.Progress('conv', None, file, long=0, between_lines=0)
  shown.at(7, lambda: 'step 7')
  shown.at(8, lambda: 'step 8')
  shown.close()
  assert lines == ['conv: step 7', 'conv: step 8'] and not file.getvalue()


@pytest.mark.parametrize('stream', [_Terminal(), io.StringIO()])
def test_short_runs_show_nothing(monkeypatch, stream):
  lines = _lines(monkeypatch)
  shown = progress.Progress('conv', 10, stream)
  for step in range(100):
    shown.at(step, lambda: pytest.fail('it was asked for its text'))
  shown.close()
  assert not lines and not stream.getvalue()


@pytest.mark.parametrize('sparsity, end, text', [
    (None, 100, 'step 1,054, sparsity 0.7875 of 0.9000, next update at step 60'),
    (0.25, None, 'step 1,054, next update at step 60'),
    (model_pruning.PolynomialDecay(0, 0.8, 0, 100, power=1, frequency=10), 100,
     'step 1,054, sparsity 0.4000 of 0.8000, next update at step 60'),
    (_OnlyTensors(), None, 'step 1,054, next update at step 60'),
])
def test_where_a_run_is(sparsity, end, text):
  with tf.Graph().as_default():
    tf.train.create_global_step()
    pruning = model_pruning.Pruning('target_sparsity=0.9', sparsity=sparsity)
    plan = progress.Plan(pruning.spec, pruning.schedule, pruning.follows_spec)
  assert plan.end == end
  assert plan.describe(1054, 50, 60) == text
  assert plan.describe(1054, 50, None) == text.replace('next update at step 60', 'no more updates')


@pytest.mark.parametrize('shows', [True, False])
def test_a_hook_shows_its_progress(monkeypatch, shows):
  lines = _lines(monkeypatch)
  monkeypatch.setattr(progress, '_LONG', 0)
  made = progress.Progress
  monkeypatch.setattr('model_pruning.graph.training.hooks.Progress', lambda name, end: made(
      name, end, io.StringIO(), long=0, between_lines=0))
  with tf.Graph().as_default():
    step = tf.train.get_or_create_global_step()
    weights = tf.get_variable('weights', [4, 4])
    loss = tf.reduce_sum(model_pruning.apply_mask(weights))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    hook = model_pruning.PruningHook('pruning_frequency=2,sparsity_function_end_step=6',
                                     progress=shows)
    with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
      for _ in range(8):
        session.run(train)
  shown = [line for line in lines if line.startswith('model_pruning: step ')]
  assert bool(shown) == shows
  if shows:
    assert shown[-1].startswith('model_pruning: step ') and 'of 0.5000, next update' in shown[-1]
