# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Graphs that are no longer used are freed, whatever pruning has built in them."""

import gc
import weakref

import pytest

import model_pruning
from model_pruning.compat import tf

SPECS = ['target_sparsity=0.5', 'block_height=4,block_width=4', 'group_pruning=true',
         'prune_option=second_order_gradient', 'intra_block_sparsity=true,block_width=4',
         'threshold_decay=0.5']


def _update(spec):
  """Builds a graph, runs one update, and returns a weak reference to the graph."""
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    for index in range(3):
      with tf.variable_scope('layer%d' % index):
        weight = tf.get_variable('weights', [8, 8 + index])
      if 'group' in spec:
        model_pruning.apply_mask_with_group(weight, 'layer%d' % index, group_name='all')
      else:
        model_pruning.apply_mask(weight, 'layer%d' % index)
    update = model_pruning.Pruning(spec).conditional_mask_update_op()
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      session.run(update)
  return weakref.ref(graph)


@pytest.mark.sampled(3)
@pytest.mark.parametrize('spec', SPECS)
def test_no_graph_outlives_its_last_use(spec):
  graphs = [_update(spec) for _ in range(3)]
  gc.collect()
  assert [graph() for graph in graphs] == [None] * 3


def test_the_number_of_live_objects_does_not_grow_with_the_number_of_graphs():
  def live():
    gc.collect()
    return len(gc.get_objects())

  spec = SPECS[1]
  for _ in range(2):  # TensorFlow and this library fill their caches.
    _update(spec)
  before = live()
  for _ in range(4):
    _update(spec)
  assert live() - before < 200  # A graph has some ten thousand.
