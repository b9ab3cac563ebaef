# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning a graph by examples."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from tests.calibration import models

HPARAMS = 'target_sparsity=0.6'


@pytest.fixture(scope='module')
def dense():
  return models.graph_of(models.convnet)


def error(dense, pruned, images):
  wanted, found = models.run(dense, images), models.run(pruned, images)
  return np.sum((wanted - found)**2) / np.sum((wanted - wanted.mean(axis=0))**2)


def prune(graph_def, examples=None, hparams=HPARAMS, **options):
  return one_shot.prune_graph(graph_def, hparams, examples, outputs=['outputs'], **options)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('hparams', [
    HPARAMS, 'target_sparsity=0.6,sparsity_distribution=lamp',
    'target_sparsity=0.6,sparsity_distribution=erk', 'target_sparsity=0.6,global_pruning=true',
    'target_sparsity=0.5,intra_block_sparsity=true,block_width=2',
    'target_sparsity=0.5,block_height=4,weight_sparsity_map=[conv:0.3]'])
def test_refitted_outputs_are_nearer_to_the_dense_ones_with_as_many_zeros(dense, hparams):
  images = models.inputs()
  masked, refitted = prune(dense, None, hparams), prune(dense, images, hparams)
  assert [row.zeros for row in masked.rows] == [row.zeros for row in refitted.rows]
  for row in refitted.rows:
    weight = models.value(refitted.graph_def, row.name)
    assert row.zeros == np.sum(weight == 0) == round(row.achieved * weight.size)
    assert row.error_refitted <= row.error_masked and not row.reason
  unseen = models.inputs(seed=0)[:5] * 0.9
  assert error(dense, refitted.graph_def, images) < 0.5 * error(dense, masked.graph_def, images)
  assert error(dense, refitted.graph_def, unseen) < error(dense, masked.graph_def, unseen)


def test_the_graph_given_does_not_change_and_the_result_is_the_same_again(dense):
  before = dense.SerializeToString(deterministic=True)
  first, second = (prune(dense, models.inputs()).graph_def for _ in range(2))
  assert dense.SerializeToString(deterministic=True) == before
  assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_batches_give_what_all_examples_at_once_give(dense):
  images = models.inputs()
  whole, parts = (prune(dense, examples).graph_def for examples in (
      images, [images[:10], images[10:50], images[50:]]))
  for name in ('conv1/kernel', 'fc2/kernel', 'fc1/bias'):
    np.testing.assert_allclose(models.value(whole, name), models.value(parts, name), atol=1e-4)


def test_the_means_of_outputs_agree_through_bias_or_normalization(dense):
  images = models.inputs()
  pruned = prune(dense, images, exclude='fc').graph_def
  assert not np.array_equal(models.value(pruned, 'norm/mean'), models.value(dense, 'norm/mean'))
  names = [node.name for node in dense.node if node.op == 'BiasAdd'] + [
      node.name for node in dense.node if node.op.startswith('FusedBatchNorm')]
  for name in names:
    means = [models.run(graph_def, images, name).mean(axis=(0, 1, 2))
             for graph_def in (dense, pruned)]
    np.testing.assert_allclose(*means, atol=1e-4)


def test_weights_left_out_keep_their_values(dense):
  pruned = prune(dense, models.inputs(), include='fc1').graph_def
  for name in ('conv1/kernel', 'conv2/kernel', 'fc2/kernel', 'conv1/bias'):
    np.testing.assert_array_equal(models.value(pruned, name), models.value(dense, name))


@pytest.mark.parametrize('include', [None, '.*', 'words'])
def test_a_table_is_pruned_if_its_name_is_included(include, caplog):
  def build(x, weight):
    rows = tf.gather(weight('words', 20, 8), tf.cast(20 * tf.sigmoid(x), tf.int32))
    codes = tf.gather(tf.constant(np.arange(40).reshape(20, 2), name='integers'), [3])
    hidden = tf.nn.relu(tf.matmul(tf.reshape(rows, [-1, 24]), weight('first', 24, 16)))
    return tf.matmul(hidden, weight('last', 16, 3)) + tf.cast(codes[0, 0], tf.float32)
  dense = models.graph_of(build, (None, 3))
  pruned = prune(dense, models.inputs((64, 3)), include=include)
  rows = {row.name: row for row in pruned.rows}
  assert set(rows) == {None: {'first', 'last'}, '.*': {'words', 'first', 'last'},
                       'words': {'words'}}[include]
  assert ('stay dense: words;' in caplog.text) == (include is None)
  zeros = np.mean(models.value(pruned.graph_def, 'words') == 0)
  assert zeros == (rows['words'].target if include else 0)


def test_a_weight_used_twice_is_masked_and_named():
  def build(x, weight):
    kernel = weight('shared', 6, 6)
    x = tf.nn.relu(tf.matmul(x, kernel))
    return tf.matmul(tf.matmul(x, kernel), weight('last', 6, 3))
  dense = models.graph_of(build, (None, 6))
  pruned = prune(dense, models.inputs((64, 6)))
  rows = {row.name: row for row in pruned.rows}
  assert 'used 2 times' in rows['shared'].reason and rows['shared'].error_refitted is None
  before, after = (models.value(graph, 'shared') for graph in (dense, pruned.graph_def))
  np.testing.assert_array_equal(after[after != 0], before[after != 0])
  assert not rows['last'].reason
  assert 'shared (it is used 2 times)' in pruned.table()


def test_a_fixed_batch_size_is_respected():
  dense = models.graph_of(models.convnet, (16, 6, 6, 2))
  pruned = prune(dense, models.inputs((40, 6, 6, 2)))
  assert all(row.error_refitted <= row.error_masked for row in pruned.rows)


@pytest.mark.parametrize('examples,message', [
    (models.inputs((64, 5, 6, 2)), 'shape'), (models.inputs()[:3], 'too few'),
    ({'pixels': models.inputs()}, "'pixels'")])
def test_examples_that_do_not_fit_are_refused(dense, examples, message):
  with pytest.raises(errors.ExamplesError, match=message):
    prune(dense, examples)


def test_outputs_that_do_not_exist_are_refused(dense):
  with pytest.raises(errors.OutputNodeError, match='did you mean outputs'):
    one_shot.prune_graph(dense, HPARAMS, models.inputs(), outputs=['output'])
  with pytest.raises(errors.ModelFileError, match='No weight in the graph matches'):
    prune(dense, models.inputs(), include='nothing')
