# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Conditional updates in a function whose body finds the variables by name."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf

SPEC = ('pruning_frequency=1,sparsity_function_end_step=4,initial_sparsity=0.75,'
        'target_sparsity=0.75,weight_sparsity_map=[layer1:0.5]')


def _weights(number, **options):
  for index in range(number):
    with tf.variable_scope('layer%d' % index, **options):
      weight = tf.get_variable('weights', [8, 16],
                               initializer=tf.random_normal_initializer(seed=index))
      model_pruning.apply_mask(weight, 'masked')


def _calls(graph):
  return [op for op in graph.get_operations() if op.type.startswith('pruning_body')]


@pytest.mark.sampled(1)
@pytest.mark.parametrize('resource', [False, True])
@pytest.mark.parametrize('spec', [SPEC, SPEC + ',threshold_decay=0.5',
                                  SPEC + ',prune_option=first_order_gradient'])
@pytest.mark.parametrize('parts', [1, 2])
def test_an_update_in_a_function_gives_the_masks_of_one_in_place(resource, spec, parts):
  with tf.Graph().as_default() as graph:
    step = tf.train.get_or_create_global_step()
    _weights(2, use_resource=resource,
             partitioner=tf.fixed_size_partitioner(parts) if parts > 1 else None)
    pruning = model_pruning.Pruning(spec)
    conditional = pruning.conditional_mask_update_op()
    assert len(_calls(graph)) == 1
    in_place = pruning.mask_update_op()
    state = [model_pruning.get_masks(), model_pruning.get_thresholds(),
             pruning.last_mask_update_step]
    state[0] = [tf.convert_to_tensor(mask) for mask in state[0]]
    found = []
    for update in (conditional, in_place):
      with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(conditional)  # Not due at step 0.
        assert all(np.all(mask == 1) for mask in session.run(state[0]))
        session.run(tf.assign(step, 5))
        session.run(update)
        found.append(session.run(state))
  (masks, thresholds, last), expected = found
  assert last == 5
  np.testing.assert_array_equal(masks, expected[0])
  np.testing.assert_array_equal(thresholds, expected[1])
  if 'decay' not in spec:
    assert [mask.mean() for mask in masks] == [0.25, 0.5]


@pytest.mark.parametrize('resource', [False, True])
def test_an_untaken_update_is_as_many_nodes_for_many_weights_as_for_few(resource):
  def nodes(weights):
    with tf.Graph().as_default() as graph:
      tf.train.get_or_create_global_step()
      _weights(weights, use_resource=resource)
      pruning = model_pruning.Pruning('')
      before = len(graph.get_operations())
      pruning.conditional_mask_update_op()
      return len(graph.get_operations()) - before
  assert nodes(9) == nodes(1)


def test_variables_of_a_container_are_found():
  with tf.Graph().as_default() as graph:
    step = tf.train.get_or_create_global_step()
    with tf.container('other'):
      _weights(2)
    update = model_pruning.Pruning(SPEC).conditional_mask_update_op()
    assert len(_calls(graph)) == 1
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      session.run(tf.assign(step, 5))
      session.run(update)
      assert [mask.mean() for mask in session.run(model_pruning.get_masks())] == [0.25, 0.5]


def test_variables_on_several_devices_are_taken_as_inputs():
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    for device in ('/cpu:0', '/cpu:1'):
      with tf.device(device), tf.variable_scope(device[-1]):
        model_pruning.apply_mask(tf.get_variable('weights', [8, 16]), 'masked')
    model_pruning.Pruning('').conditional_mask_update_op()
    assert not [call for call in _calls(graph) if not call.inputs[0].shape.rank]


def test_the_call_is_placed_with_all_variables():
  with tf.Graph().as_default() as graph:
    tf.train.get_or_create_global_step()
    _weights(2)
    model_pruning.Pruning('').conditional_mask_update_op()
    call, = _calls(graph)
    assert {b'loc:@layer0/weights', b'loc:@layer1/masked/mask'} <= set(call.colocation_groups())
