# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.timeline: a run before it is started."""

import csv
import io
import json

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reporting import timeline


def test_it_tells_what_a_run_then_does():
  hparams = ('target_sparsity=0.8,begin_pruning_step=15,pruning_frequency=10,end_pruning_step=70,'
             'sparsity_function_begin_step=15,sparsity_function_end_step=60,'
             'weight_sparsity_map=[second:0.5]')
  expected = timeline.of(hparams, 100)
  seen = []
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    advance = tf.assign_add(step, 1)
    for name in ('first', 'second'):
      model_pruning.apply_mask(tf.get_variable(name, [100, 10]), name)
    pruning = model_pruning.Pruning(hparams)
    update, last = pruning.conditional_mask_update_op(), pruning.last_mask_update_step
    session.run(tf.global_variables_initializer())
    for _ in range(100):
      now = session.run(advance)
      session.run(update)
      if session.run(last) == now:
        masks = session.run(model_pruning.get_masks())
        seen.append([now] + [1 - mask.mean() for mask in masks])
  seen = np.array(seen)
  assert expected.steps.tolist() == seen[:, 0].tolist() == [15, 25, 35, 45, 55, 65]
  assert [course.name for course in expected.courses] == [timeline.OTHER, 'second']
  for column, course in enumerate(expected.courses, 1):
    np.testing.assert_allclose(course.sparsity, seen[:, column], 0, 0.0006)  # k is rounded.
    assert course.reached == course.target and not course.falls_short
  assert expected.shortfall() is None


@pytest.mark.parametrize('hparams,num_steps,last,reached,text', [
    ('end_pruning_step=95', None, 90, 0.4995, 'end_pruning_step (95)'),
    ('end_pruning_step=95', 1000, 90, 0.4995, 'end_pruning_step (95)'),
    ('', 57, 50, 0.4375, 'the end of training (57)'),
    ('', None, 100, 0.5, None),
    ('', 1000, 1000, 0.5, None),
    ('pruning_frequency=30', None, 120, 0.5, None),
])
def test_where_it_ends(hparams, num_steps, last, reached, text):
  found = timeline.of(hparams, num_steps)
  assert found.steps[-1] == last
  assert found.courses[0].reached == pytest.approx(reached)
  assert found.courses[0].falls_short == (text is not None)
  if text:
    for part in ('step %d' % last, '%.4f' % reached, text):
      assert part in found.shortfall()
    assert found.shortfall() in ' '.join(found.table().split())  # In lines.
  else:
    assert found.shortfall() is None and 'Falls short' not in found.table()


def test_no_update_at_all():
  found = timeline.of('begin_pruning_step=50', 20)
  assert len(found.steps) == 0 and found.courses[0].reached == 0
  assert 'nothing will be pruned' in found.shortfall() and 'Updates: none' in found.table()
  assert json.loads(found.to_json())['courses'][0]['falls_short']
  assert found.to_csv() == 'step,(all weights)\n'


def test_table_json_and_csv_say_the_same():
  found = timeline.of('target_sparsity=0.9,weight_sparsity_map=[conv:0.6]')
  content = json.loads(found.to_json())
  rows = list(csv.reader(io.StringIO(found.to_csv())))
  assert rows[0] == ['step', '(all others)', 'conv']
  assert [int(row[0]) for row in rows[1:]] == content['steps'] == list(range(10, 101, 10))
  for column, course in enumerate(content['courses'], 1):
    assert [float(row[column]) for row in rows[1:]] == course['sparsity']
  cells = [line.split() for line in found.table().splitlines()]
  assert cells[2] == ['1', '10', '%.4f' % content['courses'][0]['sparsity'][0],
                      '%.4f' % content['courses'][1]['sparsity'][0]]
  assert ['target', '0.9000', '0.6000'] in cells
  assert content['hparams']['target_sparsity'] == 0.9


@pytest.mark.parametrize('distribution', ['uniform', 'global'])
def test_sparsities_of_channels_are_named_so(distribution):
  text = timeline.of('channel_pruning=true,target_sparsity=0.5,pruning_frequency=10,'
                     'sparsity_distribution=' + distribution, 200).table()
  assert '(all channels)' in text and '--model' not in text
  assert ('one threshold' in text) == (distribution == 'global')


def test_long_runs_are_shown_in_part():
  lines = timeline.of('pruning_frequency=1', 5000).table(rows=5).splitlines()
  assert [line.split()[1] for line in lines[2:7]] == ['1', '1251', '2501', '3750', '5000']
  assert '5 of 5000 updates are shown.' in lines


@pytest.mark.parametrize('number', [1, 5, 60])
def test_tables_fit_a_terminal(number):
  keys = ['encoder/block_%d/attention/%s/kernel' % (index, 'query' * 9) for index in range(number)]
  for targets in ([0.8] * number, [0.6 + index / 1000 for index in range(number)]):
    found = timeline.of('weight_sparsity_map=[%s]' % ','.join(
        '%s:%.3f' % pair for pair in zip(keys, targets)))
    for width in (80, 120):
      lines = found.table(width=width).splitlines()
      assert all(len(line) <= width for line in lines)
      if 'map key' in found.table(width=width):  # Each has a row, and its name is no other's.
        rows = [line.split()[0] for line in lines if 'kernel' in line and '0.' in line]
        assert len(set(rows)) == len(rows) == number


def test_keys_of_one_target_share_a_column():
  found = timeline.of('weight_sparsity_map=[a:0.8,b:0.8,c:0.7,d:0.5],target_sparsity=0.5')
  lines = found.table().splitlines()
  assert lines[0].split() == ['update', 'step', '(all', 'others)', '+1', 'a', '+1', 'c']
  assert '(all others) +1: (all others), d.' in lines and 'a +1: a, b.' in lines
  assert len(json.loads(found.to_json())['courses']) == 5


@pytest.mark.parametrize('num_steps', [0, -3, 1.5, True])
def test_no_such_number_of_steps(num_steps):
  with pytest.raises(errors.SpecError, match='num_steps=.*1 or more'):
    timeline.of('', num_steps)


def test_what_is_wrong_with_hparams_is_said():
  with pytest.raises(errors.UnknownHParamError, match='did you mean target_sparsity'):
    timeline.of('target_sparsty=0.5')
