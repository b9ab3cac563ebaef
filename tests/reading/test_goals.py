# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reading.goals: the targets that files say, and whether they are met."""

import os

import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import saved_model
from model_pruning.reading import goals
from model_pruning.reading import stored_spec
from model_pruning.reporting import report


def _build(spec, steps=(100,), groups=False, sparsity=None):
  """Creates weights, updates their masks at the given steps, and returns the results."""
  step = tf.train.get_or_create_global_step()
  shapes = {'conv': [3, 3, 4, 8], 'fc1': [64, 32], 'fc2': [32, 10]}
  for name, shape in shapes.items():
    with model_pruning.masked_scope(group_name='dense' if groups and name != 'conv' else None):
      with tf.variable_scope(name, partitioner=tf.fixed_size_partitioner(2)
                             if name == 'fc1' else None):
        tf.get_variable('kernel', shape)
  pruning = model_pruning.Pruning(spec, sparsity=sparsity)
  update, at = pruning.mask_update_op(), tf.placeholder(tf.int64)
  go = tf.assign(step, at)
  session = tf.Session()
  session.run(tf.global_variables_initializer())
  for each in steps:
    session.run(go, {at: each})
    session.run(update)
  return session, pruning.sparsity_report(session)


SPECS = [
    'target_sparsity=0.9', 'target_sparsity=0.5,weight_sparsity_map=[fc:0.8]',
    'target_sparsity=0.75,block_dims_map=[fc.*:16x1]', 'target_sparsity=0.9,global_pruning=true',
    'target_sparsity=0.5,intra_block_sparsity=true,block_width=4',
    'target_sparsity=0.97,block_height=-1,block_width=3']


@pytest.mark.sampled(3)
@pytest.mark.parametrize('steps', [(100,), (10,), (0,)])
@pytest.mark.parametrize('spec', SPECS)
def test_reports_agree_with_what_the_hook_says(spec, steps, tmp_path):
  with tf.Graph().as_default():
    session, rows = _build(spec, steps)
    with session:
      tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  found = {row.name: row for row in report.of(str(tmp_path)).weights}
  assert len(found) == len(rows) == 3
  for row in rows:
    assert found[row.name].target == pytest.approx(row.target)
    # The hook takes what coarse blocks come to; the page does not.
    assert found[row.name].met == (not row.short and not found[row.name].is_coarse), row


@pytest.mark.parametrize('steps', [(100,), (10,)])
def test_groups_are_told_from_the_collections(steps, tmp_path):
  spec = 'target_sparsity=0.5,group_pruning=true,group_sparsity_map=[dense:0.9]'
  with tf.Graph().as_default():
    session, rows = _build(spec, steps, True)
    with session:
      tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  found = {row.name: row for row in report.of(str(tmp_path)).weights}
  assert {name: row.target for name, row in found.items()} == {
      'conv/kernel': 0.5, 'fc1/kernel': 0.9, 'fc2/kernel': 0.9}
  assert found['fc1/kernel'].details.goal.group == 'dense'
  for row in rows:
    assert found[row.name].met == (not row.short), row


@pytest.mark.parametrize('sparsity,target', [
    (model_pruning.PolynomialDecay(0.0, 0.6, 0, 50), 0.6), (0.7, 0.7)])
def test_schedule_objects_say_their_target(sparsity, target, tmp_path):
  with tf.Graph().as_default():
    session, _ = _build('', sparsity=sparsity)
    with session:
      tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  assert [(row.target, row.met) for row in report.of(str(tmp_path)).weights] == [
      (pytest.approx(target), True)] * 3


def test_tensors_say_none(tmp_path):
  with tf.Graph().as_default():
    session, _ = _build('', sparsity=lambda step: tf.constant(0.5))
    with session:
      tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  assert [(row.target, row.met) for row in report.of(str(tmp_path)).weights] == [(None, None)] * 3


def test_saved_models_say_their_targets_and_stripped_ones_none(tmp_path):
  with tf.Graph().as_default():
    session, _ = _build(SPECS[1])
    with session, session.graph.as_default():
      product = tf.identity(sum(tf.reduce_sum(weight)
                                for weight in model_pruning.get_masked_weights()), 'outputs')
      inputs = tf.placeholder(tf.float32, [], 'inputs')
      tf.saved_model.simple_save(session, str(tmp_path / 'masked'), {'inputs': inputs},
                                 {'outputs': product + inputs})
  saved_model.strip_saved_model(str(tmp_path / 'masked'), str(tmp_path / 'stripped'))
  masked = report.of(str(tmp_path / 'masked'))
  assert {row.target for row in masked.weights} == {0.5, 0.8} and all(
      row.met for row in masked.weights)
  stripped = report.of(str(tmp_path / 'stripped'))
  assert {row.target for row in stripped.weights} == {None} and stripped.findings == ()


# ---- Models that do not say. ----


@pytest.fixture(scope='module')
def silent(tmp_path_factory):
  """A checkpoint without its graph."""
  folder = str(tmp_path_factory.mktemp('silent'))
  with tf.Graph().as_default():
    session, _ = _build('target_sparsity=0.9')
    with session:
      tf.train.Saver().save(session, os.path.join(folder, 'model.ckpt'), write_meta_graph=False)
  return folder


@pytest.mark.parametrize('hparams,met', [
    (None, [None] * 3), ('target_sparsity=0.9', [True] * 3), ('target_sparsity=0.95', [False] * 3),
    ('target_sparsity=0.5,weight_sparsity_map=[fc2:0.99]', [True, True, False]),
    (model_pruning.PruningSpec(target_sparsity=0.2), [True] * 3)])
def test_hparams_say_what_a_model_does_not(silent, hparams, met):
  found = report.of(silent, hparams=hparams)
  assert [row.met for row in sorted(found.weights, key=lambda row: row.name)] == met


def test_hparams_go_before_what_a_model_says(tmp_path):
  with tf.Graph().as_default():
    session, _ = _build('target_sparsity=0.9')
    with session:
      tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  found = report.of(str(tmp_path), hparams='target_sparsity=0.99')
  assert {(row.target, row.met) for row in found.weights} == {(0.99, False)}


@pytest.mark.parametrize('hparams,error', [
    ('target_sparsity=2', errors.SpecError), ('weight_sparsity_map=[nowhere:0.5]', errors.MapError),
    ('target=0.5', errors.UnknownHParamError), ('group_pruning=true', errors.GroupError), (3,
     errors.SpecError)])
def test_hparams_that_do_not_fit(silent, hparams, error):
  with pytest.raises(error):
    report.of(silent, hparams=hparams)


def test_a_map_that_names_weights_of_another_part_says_nothing():
  stored = goals.StoredGoals(stored_spec.StoredSpec.create(
      model_pruning.PruningSpec.create('weight_sparsity_map=[decoder:0.5]')))
  assert goals.find([goals.Masked('encoder/kernel', (8, 8))], stored) == [None]
