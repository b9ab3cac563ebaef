# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.events: sparsity and thresholds from the summaries of a run."""

import csv
import glob
import io
import json
import os

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.reporting import events

PREFIX = 'model_pruning_summaries/'


def _write(folder, values, name='events.out.tfevents.0000000001.host'):
  """Writes {tag: {step: value}}, step by step."""
  path = os.path.join(str(folder), name)
  if not os.path.isdir(os.path.dirname(path)):
    os.makedirs(os.path.dirname(path))
  with tf.io.TFRecordWriter(path) as writer:
    for step in sorted({step for by_step in values.values() for step in by_step}):
      summary = tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=by_step[step])
                                  for tag, by_step in values.items() if step in by_step])
      writer.write(tf.Event(step=step, wall_time=step, summary=summary).SerializeToString())
  return path


def _of(weight):
  series = weight.sparsity
  return dict(zip(series.steps.tolist(), series.values.round(5).tolist()))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The folder of a run with three weights, and what its masks and thresholds were by step."""
  folder = str(tmp_path_factory.mktemp('run'))
  wanted = {}
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    advance = tf.assign_add(step, 5)
    with model_pruning.masked_scope():
      with tf.variable_scope('fc1'):
        tf.get_variable('weights', [20, 10])
      with tf.variable_scope('fc2', partitioner=tf.fixed_size_partitioner(2)):
        tf.get_variable('kernel', [20, 10])
    with model_pruning.masked_scope(include='.*depthwise'):
      tf.get_variable('conv/depthwise', [3, 3, 10, 1])
    pruning = model_pruning.Pruning('target_sparsity=0.8,weight_sparsity_map=[fc2:0.4]')
    update, merged = pruning.conditional_mask_update_op(), pruning.add_pruning_summaries()
    session.run(tf.global_variables_initializer())
    writer = tf.summary.FileWriter(folder)
    masks, thresholds = model_pruning.get_masks(), model_pruning.get_thresholds()
    values = [tf.concat([tf.reshape(shard, [-1]) for shard in mask], 0)
              if hasattr(mask, '_get_variable_list') else mask for mask in masks]
    for _ in range(24):
      now = session.run(advance)
      session.run(update)
      writer.add_summary(session.run(merged), now)
      wanted[int(now)] = ([1 - value.mean() for value in session.run(values)],
                          session.run(thresholds))
    writer.close()
  return folder, wanted


def test_the_history_of_a_run_is_what_its_masks_were(run):
  folder, wanted = run
  history = events.read(folder)
  assert [weight.name for weight in history.weights] == ['fc1', 'fc2', 'conv/depthwise']
  for index, weight in enumerate(history.weights):
    for series, column in ((weight.sparsity, 0), (weight.threshold, 1)):
      assert series.steps.tolist() == sorted(wanted)
      np.testing.assert_allclose(series.values, [wanted[step][column][index]
                                                 for step in sorted(wanted)], 1e-5)
  assert history.target[''].last == pytest.approx(0.8)
  assert events.read(glob.glob(folder + '/*tfevents*')[0]).weights[0].sparsity.last == \
      history.weights[0].sparsity.last


def test_table_json_and_csv_say_the_same(run):
  history = events.read(run[0])
  content = json.loads(history.to_json())
  rows = list(csv.DictReader(io.StringIO(history.to_csv())))
  assert len(rows) == 3 * 24
  for weight in content['weights']:
    own = [row for row in rows if row['weight'] == weight['name']]
    assert [int(row['step']) for row in own] == weight['sparsity']['steps']
    assert [float(row['sparsity']) for row in own] == weight['sparsity']['values']
    assert [float(row['threshold']) for row in own] == weight['threshold']['values']
  lines = history.table().splitlines()
  assert lines[0].split()[:4] == ['weight', 'last', 'step', 'sparsity']
  assert lines[3].split()[:4] == ['fc2', '120', '0.4000', '90']
  assert history.table(0.3).splitlines()[3].split()[:4] == ['fc2', '120', '0.4000', '40']
  assert history.table(0.5).splitlines()[3].split()[:4] == ['fc2', '120', '0.4000', '-']


def test_tags_of_contrib(tmp_path):
  """It wrote <name>_summaries/<mask>/sparsity; a scope entered twice gets a number."""
  _write(tmp_path, {
      'model_pruning_summaries_1/sparsity': {1: 0.5},
      'model_pruning_summaries_1/cell_0/basic_lstm_cell/mask/sparsity': {1: 0.25},
      'model_pruning_summaries_1/cell_0/basic_lstm_cell/threshold/threshold': {1: 0.125},
      'bitmask/sparsity': {1: 1.0},
  })
  history = events.read(str(tmp_path))
  weight, = history.weights
  assert (weight.name, weight.sparsity.last, weight.threshold.last) == (
      'cell_0/basic_lstm_cell', 0.25, 0.125)
  assert history.target[''].last == 0.5


def test_summaries_of_tensorflow_2(tmp_path):
  path = str(tmp_path / 'events.out.tfevents.1.host.v2')
  value = tf.Summary.Value(tag=PREFIX + 'fc/mask/sparsity', tensor=tf.make_tensor_proto(0.75))
  with tf.io.TFRecordWriter(path) as writer:
    writer.write(tf.Event(step=3, summary=tf.Summary(value=[value])).SerializeToString())
  assert _of(events.read(str(tmp_path)).weights[0]) == {3: 0.75}


def test_a_restart_goes_on_from_its_checkpoint(tmp_path):
  tag = PREFIX + 'fc/mask/sparsity'
  _write(tmp_path, {tag: {10: .1, 20: .2, 33: .33}}, 'events.out.tfevents.900.host')
  _write(tmp_path, {tag: {25: .25, 35: .35}}, 'events.out.tfevents.1000.host')
  history = events.read(str(tmp_path))
  assert _of(history.weights[0]) == {10: .1, 20: .2, 25: .25, 35: .35}


def test_runs_of_several_folders_are_kept_apart(tmp_path):
  for run_name, sparsity in (('a', .1), ('b', .2)):
    _write(tmp_path / run_name, {PREFIX + 'fc/mask/sparsity': {1: sparsity}})
  _write(tmp_path / 'a' / 'eval', {'loss': {1: 3}})
  history = events.read(str(tmp_path))
  assert [(weight.name, _of(weight)) for weight in history.weights] == [
      ('a: fc', {1: .1}), ('b: fc', {1: .2})]


@pytest.mark.parametrize('cut', [1, 9, 30])
def test_a_run_that_is_being_written(cut, tmp_path):
  path = _write(tmp_path, {PREFIX + 'fc/mask/sparsity': {1: .1, 2: .2, 3: .3}})
  with open(path, 'rb') as f:
    content = f.read()
  with open(path, 'wb') as f:
    f.write(content[:-cut])
  assert _of(events.read(str(tmp_path)).weights[0]) == {1: .1, 2: .2}


def test_when_a_target_is_reached_to_stay():
  series = events.Series(np.array([1, 2, 3, 4]), np.array([.5, .2, .5, .6], np.float64))
  assert series.first_at(.5) == 3 and series.first_at(.1) == 1 and series.first_at(.7) is None


def test_not_a_number_is_kept(tmp_path):
  _write(tmp_path, {PREFIX + 'fc/threshold/threshold': {1: float('nan'), 2: 1.}})
  history = events.read(str(tmp_path))
  assert json.loads(history.to_json())['weights'][0]['threshold']['values'] == ['nan', 1.0]
  assert history.table().splitlines()[2].split() == ['fc', '2', '-', '-', '1', '0']


def test_no_event_files(tmp_path):
  for path in (str(tmp_path), str(tmp_path / 'nowhere')):
    with pytest.raises(errors.ModelFileError) as caught:
      events.read(path)
    assert path in str(caught.value) and 'tfevents' in str(caught.value)


def test_no_summaries_of_pruning(tmp_path):
  _write(tmp_path, {'loss': {1: 1.}, 'accuracy': {1: .5}})
  with pytest.raises(errors.ModelFileError) as caught:
    events.read(str(tmp_path))
  assert 'They have: loss, accuracy' in str(caught.value)
  assert 'add_pruning_summaries' in str(caught.value)
