# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Weights without elements: they are pruned to nothing, and change nothing for the others."""

import numpy as np
import pytest

from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.graph.pruning import Pruning
from model_pruning.graph.scope import masked_scope
from model_pruning.graph.trained import at_once
from model_pruning.graph.trained import mask_once
from model_pruning.hparams.spec import PruningSpec
from model_pruning.reading import measure
from tests import legs
from tests.calibration import models

SHAPES = [(0, 4), (4, 0), (0, 0), (0,), (3, 3, 0, 4), (3, 3, 4, 0), (1, 0), (1, 1, 0, 4)]
N_OF_M = 'intra_block_sparsity=true,block_width=4'
PATTERNS = ['', 'block_height=2', 'block_width=-1', 'block_height=-1,block_width=2',
            'block_height=2,block_pooling_function=MAX', 'block_height=2,use_tpu=true', N_OF_M,
            N_OF_M + ',use_tpu=true', 'block_height=2,threshold_method=histogram']
SHARED = ['', 'sparsity_distribution=erk', 'sparsity_distribution=lamp', 'global_pruning=true']
CASES = [(shape, pattern, shared) for shape in SHAPES for pattern in PATTERNS for shared in SHARED
         if not ('lamp' in shared and 'use_tpu' in pattern) and not (
             'intra' in pattern and ('lamp' in shared or 'global' in shared))]


def _spec(*clauses):
  return at_once(PruningSpec.create(','.join(filter(None, ('target_sparsity=0.5',) + clauses))))


@pytest.mark.sampled(3)
@pytest.mark.parametrize('shape, pattern, shared', legs.few(CASES, 16))
def test_a_weight_without_elements_changes_nothing(shape, pattern, shared):
  spec = _spec(pattern, shared)
  full = {'b/kernel': np.random.RandomState(0).randn(8, 8).astype(np.float32),
          'c/kernel': np.random.RandomState(1).randn(8, 4).astype(np.float32)}
  without = mask_once(full, spec)
  found = mask_once({'a/kernel': np.zeros(shape, np.float32), **full}, spec)
  assert found.masks['a/kernel'].shape == shape
  for name in full:
    np.testing.assert_array_equal(found.masks[name], without.masks[name])
  empty = {row.name: row for row in found.rows}['a/kernel']
  assert empty.zeros == 0 and empty.achieved == 0


@pytest.mark.parametrize('shared', SHARED)
@pytest.mark.parametrize('pattern', ['', 'block_height=2', N_OF_M])
def test_nothing_but_weights_without_elements(pattern, shared):
  if 'intra' in pattern and shared not in SHARED[:2]:
    pytest.skip('N of M has no threshold over several weights')
  masks = mask_once({'a/kernel': np.zeros([0, 4], np.float32),
                     'b/kernel': np.zeros([4, 0], np.float32)}, _spec(pattern, shared)).masks
  assert masks['a/kernel'].shape == (0, 4) and masks['b/kernel'].shape == (4, 0)


@pytest.mark.parametrize('hparams', ['block_height=4', 'sparsity_distribution=lamp',
                                     'threshold_decay=0.5', 'prune_option=first_order_gradient'])
def test_updates_reports_and_summaries(hparams):
  with tf.Graph().as_default(), tf.Session() as session:
    with masked_scope(include='.*kernel'):
      full, empty = (tf.get_variable(name, shape) for name, shape in (
          ('fc/kernel', [12, 16]), ('empty/kernel', [0, 4])))
    step = tf.train.get_or_create_global_step()
    loss = tf.reduce_mean(tf.square(full)) + tf.reduce_sum(empty)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    pruning = Pruning('target_sparsity=0.5,sparsity_function_end_step=2,pruning_frequency=1,' +
                      hparams)
    update, summary = pruning.conditional_mask_update_op(), pruning.add_pruning_summaries()
    session.run(tf.global_variables_initializer())
    for _ in range(4):
      session.run(train)
      session.run(update)
    written = tf.Summary.FromString(session.run(summary))
    assert all(np.isfinite(value.simple_value) for value in written.value)
    rows = {row.name: row.achieved for row in pruning.sparsity_report(session)}
    assert rows['empty/kernel'] == 0 and rows['fc/kernel'] > 0.4


@pytest.mark.sampled(1)
@pytest.mark.parametrize('hparams', ['', 'block_height=4', N_OF_M, 'sparsity_distribution=lamp'])
def test_a_trained_graph_is_refitted_and_planned_without_them(hparams):
  def build(x, weight):
    y = tf.matmul(x, weight('fc/kernel', 12, 16))
    y += tf.matmul(y[:, :0], weight('in/kernel', 0, 16))
    y = tf.concat([y, tf.matmul(y, weight('out/kernel', 16, 0))], 1)
    return tf.matmul(tf.nn.relu(y), weight('fc2/kernel', 16, 5))

  dense, x = models.graph_of(build, (None, 12)), models.inputs((64, 12)) / 2
  options = {'examples': x, 'outputs': ['outputs']}
  pruned = one_shot.prune_graph(dense, 'target_sparsity=0.5,' + hparams, **options)
  assert {row.name for row in pruned.rows} == {'fc/kernel', 'fc2/kernel'}
  assert sum(row.zeros for row in pruned.rows) == (12 * 16 + 16 * 5) / 2
  if 'lamp' not in hparams:
    plan = one_shot.plan_graph(dense, hparams=hparams, target_sparsity=0.5, **options)
    assert {weight.name for weight in plan.weights} == {'fc/kernel', 'fc2/kernel'}


@pytest.mark.parametrize('shape', [(0, 4), (4, 0), (3, 3, 0, 4), (3, 3, 4, 0)])
def test_it_has_no_blocks(shape):
  kept = measure.as_matrix(np.zeros(shape, bool))
  assert kept.ndim == 2 and kept.shape[1] == shape[-1] and not kept.size
  for block in ((1, 1), (4, 2), (-1, -1)):
    found = measure.blocks_of(kept, block)
    assert (found.total, found.zero, found.covered, found.sparsity) == (0, 0, 0, 0)
