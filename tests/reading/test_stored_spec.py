# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The spec that a graph keeps, and its files with it."""

import json

import pytest

import model_pruning
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import stored_spec
from model_pruning.reading.stored_spec import StoredSpec

SPECS = [
    '', 'target_sparsity=0.9', 'name=a/b,target_sparsity=0.123456789,sparsity_function_end_step=7',
    'weight_sparsity_map=[conv1:0.8,fc.*:0.95,^a:b/c$:0.1],block_dims_map=[conv(0|1):1x-1,fc:16x1]',
    'group_pruning=true,group_sparsity_map=[g:0.25],group_block_dims_map=[g:2x2]',
    'intra_block_sparsity=true,block_width=4', 'global_pruning=true,threshold_decay=0.5,nbins=7']


@pytest.mark.parametrize('text', SPECS)
def test_a_spec_comes_back_as_it_was(text):
  spec = PruningSpec.create(text)
  found = StoredSpec.from_text(StoredSpec.create(spec).to_text())
  assert found == StoredSpec(spec, spec.sparsity_function_end_step)
  # An import into a scope.
  assert StoredSpec.from_text('tower/a{b/'[:6] + StoredSpec.create(spec).to_text()) == found


class _Own(model_pruning.PruningSchedule):
  """A schedule whose end is unknown."""

  def __call__(self, step):
    return True, 0.5

  def get_config(self):
    return {}


@pytest.mark.parametrize('sparsity,target,own,end', [
    (None, 0.8, 0.4, 100),
    (model_pruning.ConstantSparsity(0.6, begin_step=30, end_step=70), 0.6, 0.3, 70),
    (model_pruning.ConstantSparsity(0.6, begin_step=30), 0.6, 0.3, None),
    (model_pruning.PolynomialDecay(0.1, 0.4, begin_step=5, end_step=95, frequency=7), 0.4, 0.2, 95),
    (model_pruning.PolynomialDecaySchedule(begin_step=10, total_iters=20), 0.8, 0.4, 30),
    (0.4, 0.4, 0.2, 0)])
def test_targets_are_the_ones_that_the_schedule_ends_at(sparsity, target, own, end):
  spec = PruningSpec.create('target_sparsity=0.8,weight_sparsity_map=[fc:0.4]')
  found = StoredSpec.create(spec, sparsity)
  assert found.spec.target_for('conv/kernel') == pytest.approx(target)
  assert found.spec.target_for('fc/kernel') == pytest.approx(own)
  assert found.end_step == end
  assert StoredSpec.from_text(found.to_text()) == found


@pytest.mark.parametrize('sparsity', [_Own(), lambda step: 0.5, 1.0, 3.5, float('nan')])
def test_where_the_end_is_unknown_nothing_is_stored(sparsity):
  assert StoredSpec.create(PruningSpec.create('target_sparsity=0.8'), sparsity) is None


GOOD = StoredSpec.create(PruningSpec.create('target_sparsity=0.9')).to_text()


def _changed(**values):
  content = json.loads(GOOD)
  content['hparams'].update(values)
  return json.dumps(content)


@pytest.mark.parametrize('text', [
    '', 'x', '{', '{}', '[]', 'null', '{"hparams": 3, "end_step": 1}', GOOD[:-20],
    '{"hparams": {}}', _changed(target_sparsity=2), _changed(target_sparsity='much'),
    _changed(weight_sparsity_map=[1]), _changed(weight_sparsity_map=['(a:0.5']),
    _changed(block_height=1.5), _changed(unknown=1), _changed(weight_sparsity_map='a:0.5'),
    '{"a":' * 100000, GOOD + ' ' * 2**20, '\0\xff'])
def test_what_is_damaged_says_nothing(text):
  assert StoredSpec.from_text(text) is None
  assert stored_spec.among([text]) is None
  assert stored_spec.among([text.encode('utf-8'), GOOD]) is None


@pytest.mark.parametrize('end', [-1, 'soon', None, 2**40, 1.5, True])
def test_an_end_that_is_none(end):
  content = dict(json.loads(GOOD), end_step=end)
  found = StoredSpec.from_text(json.dumps(content))
  assert found.spec == PruningSpec.create('target_sparsity=0.9')
  assert found.end_step == (1 if end is True else None)


def test_several_entries():
  other = StoredSpec.create(PruningSpec.create('name=other,target_sparsity=0.9')).to_text()
  third = StoredSpec.create(PruningSpec.create('name=third,target_sparsity=0.5')).to_text()
  assert stored_spec.among([GOOD, other.encode()]).spec.target_sparsity == 0.9
  assert stored_spec.among([GOOD, third]) is None
  assert stored_spec.among([]) is None


def _entries():
  return tf.get_default_graph().get_collection(names.COLLECTION_OF_HPARAMS)


def test_a_graph_keeps_the_latest_of_each_name():
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    model_pruning.Pruning('target_sparsity=0.5')
    model_pruning.Pruning('target_sparsity=0.9')
    model_pruning.Pruning('target_sparsity=0.7,name=other')
    assert [StoredSpec.from_text(entry).spec.target_sparsity for entry in _entries()] == [0.9, 0.7]
    model_pruning.Pruning('target_sparsity=0.9', sparsity=tf.constant(0.5))  # Who knows.
    assert [StoredSpec.from_text(entry).spec.name for entry in _entries()] == ['other']
    model_pruning.Pruning('name=other', sparsity=tf.constant(0.5))
    assert names.COLLECTION_OF_HPARAMS not in tf.get_default_graph().get_all_collection_keys()


@pytest.mark.parametrize('scope', ['', 'tower'])
def test_meta_graphs_keep_it(scope, tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    model_pruning.Pruning('target_sparsity=0.9,weight_sparsity_map=[fc:0.5]')
    session.run(tf.global_variables_initializer())
    prefix = tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  with tf.Graph().as_default():
    tf.train.import_meta_graph(prefix + '.meta', import_scope=scope or None)
    assert stored_spec.among(_entries()).spec.target_for('fc/kernel') == 0.5
    tf.train.get_or_create_global_step()
    if not scope:  # A program that goes on with it.
      model_pruning.Pruning('target_sparsity=0.3')
      assert stored_spec.among(_entries()).spec.target_sparsity == 0.3
