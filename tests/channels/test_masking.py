# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which channels masks can hide: those that contribute nothing once slices with masks are zero."""

import pytest

from model_pruning import errors
from model_pruning.channels import masking
from model_pruning.channels.analysis import analyse
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.hparams.spec import PruningSpec

SHAPES = {'a/kernel': (4, 6), 'a/bias': (6,), 'b/kernel': (6, 5), 'b/bias': (5,),
          'c/kernel': (5, 3)}


def _variables(use_resource):
  with tf.variable_scope('', use_resource=use_resource):
    return {name: tf.get_variable(name, shape) for name, shape in SHAPES.items()}


def _hideable(masked, biases=True, use_resource=True):
  """Returns the channels that masks can hide in a net of three layers."""
  with tf.Graph().as_default() as graph:
    x, found = tf.placeholder(tf.float32, [None, 4], 'x'), _variables(use_resource)
    for name in 'ab':
      x = tf.matmul(x, tf.convert_to_tensor(found[name + '/kernel']))
      x = tf.nn.relu(x + tf.convert_to_tensor(found[name + '/bias']) if biases else x)
    tf.matmul(x, tf.convert_to_tensor(found['c/kernel']), name='y')
    channels = analyse(graph.as_graph_def(), ['y'])
    assert [group.name for group in channels.groups] == ['a/kernel', 'b/kernel']
    return masking.hideable(channels, masked, channels.groups)


@pytest.mark.sampled(8)
@pytest.mark.parametrize('use_resource', [True, False])
@pytest.mark.parametrize('masked,groups', [
    (['a/kernel', 'b/kernel', 'c/kernel'], ['a/kernel', 'b/kernel']),
    (['b/kernel', 'c/kernel'], ['a/kernel', 'b/kernel']),  # Their rows are enough.
    (['a/kernel', 'c/kernel'], ['b/kernel']),
    (['a/kernel', 'b/kernel'], ['a/kernel']),
    (['a/kernel'], []),
])
def test_with_biases_each_reader_needs_a_mask(masked, groups, use_resource):
  found = _hideable(masked, use_resource=use_resource)
  assert [group.name for group in found.groups] == groups
  sliced = {member.weight for group in found.groups for member in group.members}
  assert list(found.dense) == [name for name in masked if name not in sliced]


def test_without_biases_the_kernel_is_enough():
  found = _hideable(['a/kernel', 'b/kernel'], biases=False)
  assert [group.name for group in found.groups] == ['a/kernel', 'b/kernel']
  assert not found.dense and not found.log_line


def test_the_reasons_name_the_reader():
  found = _hideable(['a/kernel', 'c/kernel'])
  assert found.log_line == ('a/kernel (MatMul_1 reads it without a mask; x: it is an input of the '
                            'model)')


def test_plans_have_the_weights_with_layouts_and_the_targets_of_maps():
  layouts = {name: Layout.whole(shape) for name, shape in SHAPES.items() if name != 'b/bias'}
  found = _hideable(['a/kernel', 'b/kernel', 'c/kernel'])
  plan, names = found.plan(layouts, ['a/kernel', 'b/kernel', 'c/kernel'], PruningSpec.create(
      'channel_pruning=true,weight_sparsity_map=[^b:0.25]'))
  assert names == ['a/kernel', 'a/bias', 'b/kernel', 'c/kernel']
  assert plan.masked == (0, 2, 3)
  assert [(group.name, group.own_target) for group in plan.groups] == [
      ('a/kernel', None), ('b/kernel', 0.25)]
  assert [[slices.weight for slices in group.slices] for group in plan.groups] == [
      [0, 1, 2], [2, 3]]
  with pytest.raises(errors.MapError, match='Multiple matches .* for group b/kernel'):
    found.plan(layouts, [], PruningSpec.create(
        'channel_pruning=true,weight_sparsity_map=[^b:0.25,kernel:0.5]'))
  with pytest.raises(errors.ChannelError, match='masks can hide no channels of this model: a/k'):
    _hideable(['a/kernel']).plan(layouts, ['a/kernel'], PruningSpec.create('channel_pruning=true'))
