# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reading.ownership: reports and stripping agree on whose mask is whose."""

import os

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import names
from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.reporting import report

VALUES = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
LEFT = np.array([[0, 1, 1, 1], [1, 1, 1, 1]], np.float32)
RIGHT = np.array([[1, 1, 1, 1], [1, 0, 0, 1]], np.float32)
ZERO = np.float32(0.5)


def _save(folder, values):
  checkpoint.write(str(folder / 'in' / 'model.ckpt'), values)
  return str(folder / 'in')


def _check(folder, place, wanted, gone=(), clean=True,
           displayed=None):
  """Reports on a checkpoint, and strips it: both find `wanted`, {weight: mask}."""
  rows = {row.name: row for row in report.of(place).weights}
  found = checkpoint.Checkpoint(place).masked()
  assert {each.weight: each.mask for each in found} == wanted
  masked = {name for name, row in rows.items() if row.masked}
  assert masked == set(displayed or wanted)
  rows = dict(rows, **{name: rows[shown] for shown, name in (displayed or {}).items()})
  target = str(folder / 'out' / 'model.ckpt')
  checkpoint.strip_checkpoint(place, target)
  source, stripped = checkpoint.Checkpoint(place), checkpoint.Checkpoint(target)
  for weight, mask in wanted.items():
    product = source.read(weight) * source.read(mask)
    np.testing.assert_array_equal(stripped.read(weight), product)
    assert rows[weight].zeros == product.size - np.count_nonzero(product)
    assert mask not in stripped.shapes and names.sibling(mask, 'threshold') not in stripped.shapes
  assert not set(gone) & set(stripped.shapes)
  if clean:
    assert not any(row.masked for row in report.of(target).weights)


# ---- By names alone. ----


@pytest.mark.parametrize('scope,weights,others', [
    ('lstm', {'kernel': 'mask', 'recurrent_kernel': 'recurrent_kernel_mask'}, ['bias']),
    ('rnn/gru_cell', {'gates': 'gates_mask', 'candidate': 'candidate_mask'}, ['state']),
    ('sep', {'depthwise_kernel': 'depthwise_kernel_mask', 'kernel': 'mask'}, ['filter']),
    ('attention', {'weights': 'mask', 'query': 'query_mask', 'value': 'value_mask'}, ['key']),
])
def test_weights_of_one_shape_in_one_scope(tmp_path, scope, weights, others):
  values = {'%s/%s' % (scope, name): VALUES + i
            for i, name in enumerate(list(weights) + others)}
  for i, mask in enumerate(weights.values()):
    values['%s/%s' % (scope, mask)] = (LEFT, RIGHT, LEFT * RIGHT)[i]
    values['%s/%s' % (scope, names.sibling(mask, 'threshold'))] = ZERO
  place = _save(tmp_path, values)
  _check(tmp_path, place, {'%s/%s' % (scope, weight): '%s/%s' % (scope, mask)
                           for weight, mask in weights.items()})


@pytest.mark.parametrize('weight,mask', [
    ('w', 'w/mask'), ('block/table', 'block/table/mask'), ('fc/kernel', 'fc/kernel/mask'),
    ('net/filters', 'net/mask'), ('kernel', 'mask'), ('embedding', 'embedding_mask')])
def test_a_scope_that_is_the_name_of_the_weight_and_others(tmp_path, weight, mask):
  values = {weight: VALUES, weight + '/Adam': VALUES, weight + '/Adam_1': VALUES, mask: LEFT,
            names.sibling(mask, 'threshold'): ZERO, names.sibling(mask, 'gradient'): VALUES,
            names.sibling(mask, 'old_weight'): VALUES, 'other/kernel': VALUES,
            'model_pruning/last_mask_update_step': np.int32(3)}
  _check(tmp_path, _save(tmp_path, values), {weight: mask}, [
      names.sibling(mask, 'gradient'), names.sibling(mask, 'old_weight'),
      'model_pruning/last_mask_update_step'])
  assert (weight + '/Adam') in checkpoint.Checkpoint(str(tmp_path / 'out')).shapes


def test_averages_of_what_pruning_adds_are_gone_too(tmp_path):
  average = '/ExponentialMovingAverage'
  values = {name + suffix: value for suffix in ('', average) for name, value in (
      ('fc/kernel', VALUES), ('fc/mask', LEFT), ('fc/threshold', ZERO))}
  _check(tmp_path, _save(tmp_path, values), {'fc/kernel': 'fc/mask'},
         ['fc/mask' + average, 'fc/threshold' + average])
  stripped = checkpoint.Checkpoint(str(tmp_path / 'out'))
  np.testing.assert_array_equal(stripped.read('fc/kernel' + average), VALUES * LEFT)


@pytest.mark.parametrize('weights', [['a', 'b'], ['kernel', 'weights'], []])
def test_who_cannot_be_told_is_said(tmp_path, weights):
  values = {'fc/' + name: VALUES for name in weights}
  values.update({'fc/mask': LEFT, 'fc/threshold': ZERO, 'out/kernel': VALUES})
  place = _save(tmp_path, values)
  said = ('that may belong to several weights: fc/' if weights else
          'without a weight of its shape beside it')
  with pytest.raises(errors.CheckpointError, match='has a mask fc/mask %s.*keep its .meta' % said):
    checkpoint.strip_checkpoint(place, str(tmp_path / 'out' / 'model.ckpt'))
  found = report.of(place)
  assert sorted(row.name for row in found.weights if not row.masked) == sorted(
      ['fc/' + name for name in weights] + ['out/kernel'])
  assert any('fc/mask' in note for note in found.notes)


def test_what_the_model_calls_a_mask_is_none_of_ours(tmp_path):
  values = {'attention/scores': VALUES, 'attention/mask': LEFT,  # No threshold, no kernel.
            'fc/kernel': VALUES, 'fc/bitmask': LEFT, 'fc/mask_of_inputs': LEFT,
            'shade/kernel': VALUES, 'shade/mask': LEFT / 2}
  place = _save(tmp_path, values)
  assert checkpoint.Checkpoint(place).masked() == []
  assert not any(row.masked for row in report.of(place).weights)


# ---- Checkpoints that were pruned at once. ----


@pytest.mark.sampled(3)
@pytest.mark.parametrize('weights', [
    {'lstm/kernel': [8, 32], 'lstm/recurrent_kernel': [8, 32]},
    {'a/kernel': [4, 4], 'a/b/kernel': [4, 4], 'c/weights': [4, 4], 'c/filter_kernel': [4, 4]},
    {'kernel': [6, 6], 'recurrent_kernel': [6, 6], 'gates/input_kernel': [6, 6]}])
@pytest.mark.parametrize('partitions', [1, 2])
def test_pruned_and_stripped(tmp_path, weights, partitions):
  with tf.Graph().as_default(), tf.Session() as session:
    partitioner = tf.fixed_size_partitioner(partitions) if partitions > 1 else None
    for name, shape in weights.items():
      tf.get_variable(name, shape, partitioner=partitioner)
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'dense' / 'model.ckpt'))
  pruned = str(tmp_path / 'pruned' / 'model.ckpt')
  rows = one_shot.prune_checkpoint(str(tmp_path / 'dense'), pruned, 'target_sparsity=0.75')
  assert {row.name for row in rows} == set(weights)
  found = checkpoint.Checkpoint(pruned).masked()
  assert {each.weight for each in found} == set(weights)
  _check(tmp_path, pruned, {each.weight: each.mask for each in found})
  for row in report.of(str(tmp_path / 'out')).weights:
    assert row.sparsity == 0.75


# ---- By collections. ----


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
def test_the_graph_decides_where_names_say_otherwise(tmp_path, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('', use_resource=use_resource):
      tf.get_variable('fc/kernel', [4, 4])  # What the name would say.
      weight = tf.get_variable('elsewhere/matrix', [4, 4])
      model_pruning.apply_mask(weight, 'fc')
      tf.get_variable('attention/kernel', [4, 4])
      tf.get_variable('attention/mask', initializer=tf.ones([4, 4]))
    update = model_pruning.Pruning('initial_sparsity=0.5', tf.train.get_or_create_global_step(
        )).mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    tf.train.Saver().save(session, str(tmp_path / 'in' / 'model.ckpt'))
  _check(tmp_path, str(tmp_path / 'in'), {'elsewhere/matrix': 'fc/mask'}, clean=False)


def test_a_weight_that_is_masked_twice(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    weight = tf.get_variable('fc/kernel', [2, 4], initializer=tf.constant_initializer(VALUES))
    for scope in ('one', 'two'):
      model_pruning.apply_mask(weight, scope)
    session.run(tf.global_variables_initializer())
    for mask, value in zip(model_pruning.get_masks(), (LEFT, RIGHT)):
      session.run(tf.assign(mask, value))
    tf.train.Saver().save(session, str(tmp_path / 'in' / 'model.ckpt'))
  row, = report.of(str(tmp_path / 'in')).weights
  checkpoint.strip_checkpoint(str(tmp_path / 'in'), str(tmp_path / 'out' / 'model.ckpt'))
  stripped = checkpoint.Checkpoint(str(tmp_path / 'out')).read('fc/kernel')
  np.testing.assert_array_equal(stripped, VALUES * LEFT * RIGHT)
  assert (row.masked, row.zeros) == (True, np.count_nonzero(stripped == 0))


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
def test_a_saver_that_renames(tmp_path, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('', use_resource=use_resource):
      with model_pruning.masked_scope(), tf.variable_scope('fc'):
        tf.get_variable('kernel', [4, 4])
    session.run(tf.global_variables_initializer())
    saver = tf.train.Saver({'old/' + variable.op.name + '_1': variable
                            for variable in tf.global_variables()})
    saver.save(session, str(tmp_path / 'in' / 'model.ckpt'))
  _check(tmp_path, str(tmp_path / 'in'), {'old/fc/kernel_1': 'old/fc/mask_1'},
         ['old/fc/threshold_1'], displayed={
             'fc/kernel' if use_resource else 'old/fc/kernel_1': 'old/fc/kernel_1'})


def test_collections_of_different_lengths_say_nothing(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      for name in 'abc':
        tf.get_variable(name + '/kernel', [4, 4])
    del tf.get_collection_ref('masks')[0]
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'in' / 'model.ckpt'))
  _check(tmp_path, str(tmp_path / 'in'), {name + '/kernel': name + '/mask' for name in 'abc'})


def test_a_weight_that_is_cast_is_the_variable(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    weight = tf.get_variable('fc/kernel', [2, 4], tf.float16, tf.constant_initializer(VALUES))
    model_pruning.apply_mask(tf.cast(weight, tf.float32), 'fc')
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(model_pruning.get_masks()[0], LEFT))
    tf.train.Saver().save(session, str(tmp_path / 'in' / 'model.ckpt'))
  _check(tmp_path, str(tmp_path / 'in'), {'fc/kernel': 'fc/mask'})


# ---- Checkpoints of objects. ----


@pytest.mark.skipif(not hasattr(tf, 'Module'), reason='TensorFlow 1')
@pytest.mark.parametrize('attributes', [
    {'kernel': 'kernel', 'mask': 'mask', 'threshold': 'threshold'},
    {'kernel': '_kernel', 'mask': '_added_mask', 'threshold': '_added_threshold'},
    {'kernel': 'table', 'mask': 'mask', 'threshold': 'threshold'}])
def test_checkpoints_of_objects(tmp_path, attributes):
  with tf.Graph().as_default(), tf.Session() as session:
    holder = tf.Module()
    for name, value in (('kernel', VALUES), ('mask', LEFT), ('threshold', ZERO)):
      setattr(holder, attributes[name], tf.Variable(value, use_resource=True))
    saver = tf.train.Checkpoint(model=holder)
    session.run(tf.global_variables_initializer())
    prefix = saver.save(str(tmp_path / 'in' / 'ckpt'), session=session)
  row, = report.of(prefix).weights
  assert (row.name, row.masked, row.zeros, row.threshold) == (
      'model/' + attributes['kernel'], True, 1, 0.5)
  checkpoint.strip_checkpoint(prefix, str(tmp_path / 'out' / 'ckpt-1'))
  restored = tf.Module()
  with tf.Graph().as_default(), tf.Session() as session:
    kernel = tf.Variable(np.zeros([2, 4], np.float32), use_resource=True)
    setattr(restored, attributes['kernel'], kernel)
    status = tf.train.Checkpoint(model=restored).restore(str(tmp_path / 'out' / 'ckpt-1'))
    status.assert_existing_objects_matched().initialize_or_restore(session)
    np.testing.assert_array_equal(session.run(kernel), VALUES * LEFT)
  assert not any(name.endswith(('mask', 'threshold')) for name in (
      row.name for row in report.of(str(tmp_path / 'out')).weights))


def test_names_need_no_list_elsewhere():
  """Each name is spelled in names.py alone."""
  root = os.path.dirname(os.path.abspath(model_pruning.__file__))
  spelled = ["'masks'", "'thresholds'", "'masked_weights'", "'old_old_weights'",
             "'weights/masked_weight'", "= 'last_mask_update_step'", "'gradient', 'old_weight'"]
  for folder, _, files in os.walk(root):
    for name in files:
      if name.endswith('.py') and name != 'names.py':
        with open(os.path.join(folder, name)) as f:
          text = f.read()
        text = text.replace("choices=['sparsity', 'weights', 'masks']", '')  # Kinds of plots.
        assert not [one for one in spelled if one in text], name
