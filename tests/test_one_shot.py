# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.one_shot: pruning a checkpoint without the code of its model."""

import os

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from tests import oracle


def _model():
  with tf.variable_scope('conv'):
    kernel = tf.get_variable('kernel', [3, 3, 2, 4])
  with tf.variable_scope('fc', partitioner=tf.fixed_size_partitioner(2)):
    weights = tf.get_variable('weights', [8, 4])
  with tf.variable_scope('head'):
    half = tf.get_variable('kernel', [4, 6], tf.float16)
    bias = tf.get_variable('bias', [6])
  return tf.reduce_sum(kernel**2) + tf.reduce_sum(
      (tf.matmul(weights, tf.cast(half, tf.float32)) + bias)**2)


def _graph():
  loss = _model()
  return tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, tf.train.get_or_create_global_step())


@pytest.fixture(scope='module')
def dense(tmp_path_factory):
  folder = str(tmp_path_factory.mktemp('dense'))
  with tf.Graph().as_default(), tf.Session() as session:
    train = _graph()
    session.run(tf.global_variables_initializer())
    for _ in range(3):
      session.run(train)
    tf.train.Saver().save(session, os.path.join(folder, 'model.ckpt'), global_step=3)
  return folder


WEIGHTS = ('conv/kernel', 'fc/weights', 'head/kernel')


def test_masks_are_those_of_the_engine_and_all_else_is_copied(dense, tmp_path):
  target = str(tmp_path / 'model.ckpt')
  rows = one_shot.prune_checkpoint(
      dense, target, 'target_sparsity=0.75,weight_sparsity_map=[fc:0.5],initial_sparsity=0.2,'
      'begin_pruning_step=9,sparsity_function_end_step=700')
  before, after = checkpoint.Checkpoint(dense), checkpoint.Checkpoint(target)
  for name, sparsity in zip(WEIGHTS, (0.75, 0.5, 0.75)):
    mask, threshold = oracle.mask(before.read(name), sparsity)
    scope = name.split('/')[0]
    np.testing.assert_array_equal(after.read(scope + '/mask'), mask)
    assert after.read(scope + '/threshold') == threshold
    assert after.dtypes[scope + '/mask'] == before.dtypes[name]
  assert [(row.name, row.target, round(row.achieved, 2)) for row in rows] == [
      ('conv/kernel', 0.75, 0.75), ('fc/weights', 0.5, 0.5), ('head/kernel', 0.75, 0.75)]
  for name in before.shapes:
    np.testing.assert_array_equal(after.read(name), before.read(name))
  assert after.read('model_pruning/last_mask_update_step') == 3


def test_training_code_with_masks_goes_on_from_it(dense, tmp_path):
  target = str(tmp_path / 'model.ckpt')
  one_shot.prune_checkpoint(dense, target, 'target_sparsity=0.75')
  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      train = _graph()
    update = model_pruning.Pruning('target_sparsity=0.75').conditional_mask_update_op()
    tf.train.Saver().restore(session, target)
    np.testing.assert_allclose(session.run(model_pruning.get_weight_sparsity()), 0.75)
    session.run(train)
    session.run(update)


def test_stripped_it_serves_code_without_masks(dense, tmp_path):
  pruned, stripped = str(tmp_path / 'p' / 'model.ckpt'), str(tmp_path / 's' / 'model.ckpt')
  one_shot.prune_checkpoint(dense, pruned, 'target_sparsity=0.75')
  checkpoint.strip_checkpoint(pruned, stripped)
  with tf.Graph().as_default(), tf.Session() as session:
    _graph()
    tf.train.Saver().restore(session, stripped)
    for variable in tf.trainable_variables('(conv|head)/kernel'):
      assert np.mean(session.run(variable) == 0) == 0.75
  # The dense graph, with the pruned weights.
  frozen = model_pruning.graph_def_from_checkpoint(stripped, ['Sum'], os.path.join(
      dense, 'model.ckpt-3.meta'))
  value, = [node for node in frozen.node if node.name == 'conv/kernel']
  assert np.mean(tf.make_ndarray(value.attr['value'].tensor) == 0) == 0.75


@pytest.mark.sampled(3)
@pytest.mark.parametrize('hparams,check', [
    ('target_sparsity=0.75,block_height=2,block_width=2',
     lambda m: m['head'].reshape(2, 2, 3, 2).min(axis=(1, 3)).sum() ==
     m['head'].reshape(2, 2, 3, 2).max(axis=(1, 3)).sum()),
    ('target_sparsity=0.5,intra_block_sparsity=true,block_width=2',
     lambda m: (m['head'].reshape(2, 2, 6).sum(axis=1) == 1).all()),
    ('target_sparsity=0.75,global_pruning=true',
     lambda m: sum(x.sum() for x in m.values()) == round(0.25 * sum(x.size for x in m.values()))),
    ('target_sparsity=0.75,sparsity_distribution=erk',
     lambda m: sum(x.sum() for x in m.values()) == round(0.25 * sum(x.size for x in m.values()))),
    ('target_sparsity=0.75,sparsity_distribution=lamp,weight_sparsity_map=[head:0.5]',
     lambda m: m['head'].mean() == 0.5 and m['conv'].sum() + m['fc'].sum() == round(
         0.25 * (m['conv'].size + m['fc'].size)) and m['conv'].mean() != 0.25),
])
def test_every_pattern(dense, tmp_path, hparams, check):
  target = str(tmp_path / 'model.ckpt')
  one_shot.prune_checkpoint(dense, target, hparams)
  after = checkpoint.Checkpoint(target)
  assert check({scope: after.read(scope + '/mask').astype(np.float32)
                for scope in ('conv', 'fc', 'head')})


def test_which_weights(dense, tmp_path):
  rows = one_shot.prune_checkpoint(dense, str(tmp_path / 'a' / 'm'), '', include='.*',
                                   exclude='conv|.*bias')
  assert [row.name for row in rows] == ['fc/weights', 'head/kernel']  # And no slot of Momentum.


# ---- Bad input. ----


@pytest.mark.parametrize('hparams,options,error,message', [
    ('target_sparsty=0.9', {}, errors.UnknownHParamError, 'did you mean target_sparsity'),
    ('weight_sparsity_map=[cnov:0.8]', {}, errors.MapError, 'cnov'),
    ('threshold_decay=0.9', {}, errors.SpecError, 'threshold_decay=0.9 smooths'),
    ('prune_option=first_order_gradient', {}, errors.SpecError, 'needs the history of weights'),
    ('', {'include': 'zzz'}, errors.CheckpointError, 'there are: conv/kernel'),
    ('', {'include': '('}, errors.MapError, 'not a regular expression'),
])
def test_bad_input_writes_nothing(dense, tmp_path, hparams, options, error, message):
  with pytest.raises(error, match=message) as caught:
    one_shot.prune_checkpoint(dense, str(tmp_path / 'out' / 'm'), hparams, **options)
  assert len(str(caught.value).splitlines()) == 1
  assert not (tmp_path / 'out').exists()


def test_a_checkpoint_with_masks_is_refused(dense, tmp_path):
  one_shot.prune_checkpoint(dense, str(tmp_path / 'a' / 'm'), '')
  with pytest.raises(errors.CheckpointError, match='has masks already'):
    one_shot.prune_checkpoint(str(tmp_path / 'a' / 'm'), str(tmp_path / 'b' / 'm'), '')


@pytest.mark.parametrize('with_examples', [False, True])
def test_weights_that_are_constants_of_a_function(with_examples):
  """Freezing with TensorFlow 2.4 leaves them there."""
  rng = np.random.RandomState(0)
  weight, examples = rng.normal(size=(8, 4)).astype(np.float32), rng.normal(
      size=(64, 8)).astype(np.float32)
  with tf.Graph().as_default() as graph:
    call = tf.function(lambda x: tf.matmul(x, tf.constant(weight, name='kernel')))
    tf.identity(call(tf.placeholder(tf.float32, [None, 8], 'x')), 'y')
  graph_def = graph.as_graph_def()
  assert len(graph_def.library.function) == 1
  pruned = one_shot.prune_graph(graph_def, 'target_sparsity=0.5',
                                examples if with_examples else None, outputs=['y'])
  with tf.Graph().as_default(), tf.Session() as session:
    y, = tf.import_graph_def(pruned.graph_def, return_elements=['y:0'])
    units = session.run(y, {'import/x:0': np.eye(8, dtype=np.float32)})
  assert np.count_nonzero(units == 0) == 16
  if not with_examples:
    np.testing.assert_array_equal(units, weight * (units != 0))
    assert np.abs(weight[units == 0]).max() < np.abs(weight[units != 0]).min()


@pytest.mark.parametrize('argument, names', [('outputs', ('scores', ['x'])),
                                             ('inputs', (['scores'], 'x'))])
@pytest.mark.parametrize('function, arguments', [
    (one_shot.shrink_graph, {'fraction': 0.5}),
    (one_shot.prune_graph, {'hparams': 'target_sparsity=0.5'}),
    (one_shot.sensitivity_of_graph, {})])
def test_a_string_in_place_of_a_list_of_names(function, arguments, argument, names):
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [None, 4], 'x')
    tf.matmul(x, tf.constant(np.ones([4, 3], np.float32)), name='scores')
  outputs, inputs = names
  with pytest.raises(errors.OutputNodeError, match=r"%s is '\w+'; expected a list" % argument):
    function(graph.as_graph_def(), examples=np.ones([64, 4], np.float32), outputs=outputs,
             inputs=inputs, **arguments)
