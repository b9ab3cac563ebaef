# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.allotment: what each weight of a model gets."""

import re

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reporting import allotment
from tests import oracle

SHAPES = [('conv1/kernel', (3, 3, 1, 32)), ('dense/kernel', (400, 256)),
          ('logits/kernel', (300, 64))]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  path = str(tmp_path_factory.mktemp('trained') / 'model.ckpt')
  rng = np.random.RandomState(0)
  with tf.Graph().as_default(), tf.Session() as session:
    for name, shape in SHAPES:
      value = rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
      tf.get_variable(name, initializer=value.astype(np.float32))
    tf.get_variable('other', [3, 3])
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, path)
  return path


@pytest.mark.sampled(2)
@pytest.mark.parametrize('more', [
    '', ',sparsity_distribution=erk', ',sparsity_distribution=lamp',
    ',sparsity_distribution=global', ',block_height=4,block_width=2,sparsity_distribution=lamp',
    ',weight_sparsity_map=[logits:0.5],sparsity_distribution=lamp',
    ',intra_block_sparsity=true,block_width=10,block_dims_map=[conv1:1x1]'])
def test_it_says_what_pruning_then_does(trained, tmp_path, more):
  spec = 'target_sparsity=0.98' + more
  found = allotment.of(trained, PruningSpec.create(spec))
  rows = one_shot.prune_checkpoint(trained, str(tmp_path / 'model.ckpt'), spec)
  assert [(row.name, row.size, row.size - row.kept) for row in found.rows] == [
      (row.name, row.size, row.zeros) for row in rows]
  after = checkpoint.Checkpoint(str(tmp_path / 'model.ckpt'))
  assert found.rows[0].kept == after.read('conv1/mask').sum()


def test_it_warns_of_next_to_nothing_with_the_numbers(trained):
  found, lamp = [allotment.of(trained, PruningSpec(
      target_sparsity=0.98, sparsity_distribution=name)) for name in ('uniform', 'lamp')]
  assert found.rows[0].kept == 6 == oracle.keep_count(288, 0.98) < lamp.rows[0].kept
  assert found.warnings[0] == (
      'conv1/kernel keeps 6 of its 288 weights; by sparsity_distribution=lamp, at the same total, '
      '%d.' % lamp.rows[0].kept)
  assert '96.2 %' in found.warnings[1] and not lamp.warnings
  assert 'keeps 6 of its 288' in found.table()
  for more in ('target_sparsity=0.6', 'target_sparsity=0.98,weight_sparsity_map=[conv1:0.5]'):
    assert not allotment.of(trained, PruningSpec.create(more)).warnings


@pytest.mark.sampled(3)
@pytest.mark.parametrize('more, said', [
    ('block_dims_map=[dense:999x999]', 'dense/kernel gets a sparsity of 0.0000.*blocks of 400x256'),
    ('intra_block_sparsity=true,block_width=2,block_dims_map=[conv1:1x1]',
     'gets a sparsity of 0.5000, and its target is 0.9.*runs of 2'),
    ('block_height=4,block_width=1', None), ('sparsity_distribution=lamp', None), ('', None)])
def test_targets_that_a_pattern_cannot_reach(trained, more, said):
  found = allotment.of(trained, PruningSpec.create('target_sparsity=0.9,' + more))
  assert bool(found.shortfalls) == bool(said)
  if said:
    assert re.search(said, found.shortfalls[0]) and 'Falls short: ' in found.table()


def test_options_of_a_run_are_set_aside(trained):
  spec = PruningSpec.create('target_sparsity=0.9,use_tpu=true,threshold_decay=0.5,'
                            'prune_option=first_order_gradient')
  found = allotment.of(trained, spec)
  assert found.rows[1].kept == oracle.keep_count(400 * 256, 0.9)
  assert 'prune_option=first_order_gradient' in found.warnings[0]
  assert 'sparsity_distribution=global' in found.warnings[1]


def test_groups_come_from_the_model(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    for name, scale in (('a', 1.0), ('b', 2.0)):
      with tf.variable_scope(name) as scope:
        weight = tf.get_variable('weights', initializer=np.full([4, 4], scale, np.float32))
        model_pruning.apply_mask_with_group(weight, scope, group_name='g')
    session.run(tf.global_variables_initializer())
    path = tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  found = allotment.of(path, PruningSpec.create('target_sparsity=0.5,group_pruning=true'))
  assert [row.kept for row in found.rows] == [0, 16]


def test_a_model_without_kernels(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.get_variable('table', [3, 3])
    session.run(tf.global_variables_initializer())
    path = tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  with pytest.raises(errors.ModelFileError, match='no masked weight.*it has: table'):
    allotment.of(path, PruningSpec())


def test_channels_need_the_graph(trained):
  with pytest.raises(errors.SpecError, match='groups of channels .*model-pruning channels'):
    allotment.of(trained, PruningSpec.create('channel_pruning=true'))
