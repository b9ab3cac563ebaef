# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The forward part of a training graph: its outputs, and what is left out."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph.forward import forward_part


def _dense(x, units, name):
  with tf.variable_scope(name):
    weight = tf.get_variable('weights', [int(x.shape[-1]), units])
    return tf.nn.bias_add(tf.matmul(x, model_pruning.apply_mask(weight, tf.get_variable_scope())),
                          tf.get_variable('biases', [units]))


def _forward(outputs=()):
  return forward_part(tf.get_default_graph(), registry.masked_weights(), outputs)


@pytest.fixture(autouse=True)
def graph():
  with tf.Graph().as_default() as made:
    yield made


def _inputs():
  return tf.placeholder(tf.float32, [None, 6], 'x')


def test_losses_gradients_summaries_and_penalties_are_left_out():
  hidden = tf.nn.relu(_dense(_inputs(), 8, 'a'), name='hidden')
  tf.add_to_collection('shown', tf.argmax(hidden, 1))
  tf.summary.histogram('hidden', hidden)
  tf.summary.scalar('zeros', tf.nn.zero_fraction(hidden))
  average = tf.get_variable('average', [8], trainable=False)
  tf.assign_sub(average, 0.1 * (average - tf.reduce_mean(hidden, axis=0)))
  scores = _dense(hidden, 3, 'b')
  loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=tf.placeholder(tf.int32, [None]), logits=scores, name='losses'))
  loss += tf.add_n([tf.nn.l2_loss(variable) for variable in tf.trainable_variables()])
  tf.summary.scalar('loss', loss)
  tf.train.AdamOptimizer().minimize(loss)
  forward = _forward()
  assert {name.split('/')[0] for name in forward.outputs} == {'losses'}
  nodes = {node.name: node for node in forward.graph_def.node}
  assert not {'a/mask', 'average', 'L2Loss'} & set(nodes)
  assert nodes['a/weights/masked_weight'].op == 'Identity'
  assert not any('grad' in name for name in nodes)


def test_a_loss_that_is_shown_leads_to_the_outputs_before_it_has_gradients():
  scores = _dense(_inputs(), 3, 'a')
  average = tf.get_variable('average', [3], trainable=False)
  tf.assign_sub(average, 0.1 * (average - tf.reduce_mean(scores, axis=0)))
  losses = tf.square(scores - 1, name='losses')
  tf.summary.scalar('loss', tf.reduce_mean(losses))
  assert _forward().outputs == ['losses:0']


def test_without_a_loss_the_last_tensors_are_the_outputs():
  hidden = tf.tanh(_dense(_inputs(), 8, 'a'))
  tf.add(_dense(hidden, 3, 'b'), 1, name='first')
  tf.square(_dense(hidden, 2, 'c'), name='second')
  assert _forward().outputs == ['first:0', 'second:0']
  assert _forward(['b/BiasAdd']).outputs == ['b/BiasAdd']
  with pytest.raises(errors.OutputNodeError, match='secnd'):
    _forward(['secnd:0'])


def test_what_computes_the_data_is_replaced_by_placeholders():
  images = tf.data.Dataset.from_tensors(np.ones([4, 6], np.float32)).repeat()
  x = tf.data.make_one_shot_iterator(images).get_next() * 2
  x = tf.reshape(x, [tf.shape(x)[0], 6])
  with tf.variable_scope('first'):  # Without a mask.
    x = tf.matmul(x, tf.get_variable('weights', [6, 5]))
  y = _dense(tf.nn.dropout(x, rate=0.5), 3, 'a')
  forward = _forward()
  nodes = {node.name: node.op for node in forward.graph_def.node}
  assert forward.outputs == [y.name]
  assert 'Placeholder' in nodes.values()
  assert not any(op.startswith(('Iterator', 'OneShot', 'Random')) for op in nodes.values())
  assert {'first/weights', 'a/weights', 'a/biases'} <= set(nodes)


def test_parts_of_variables_are_joined():
  with tf.variable_scope('', partitioner=tf.fixed_size_partitioner(2)):
    y = _dense(_inputs(), 4, 'a')
  forward = _forward()
  assert forward.outputs == [y.name]
  weight = forward.names['a/mask:0' if 'a/mask:0' in forward.names else 'a/mask']
  by_name = {node.name: node for node in forward.graph_def.node}
  assert by_name[weight].op == 'VariableV2'
  assert [dim.size for dim in by_name[weight].attr['shape'].shape.dim] == [6, 4]
  bias, = [name for name, tensor in forward.stand_ins.items() if tensor is not None]
  assert 'biases' in bias


def test_data_may_be_constants():
  y = _dense(tf.ones([2, 6]), 3, 'a')
  tf.nn.l2_loss(tf.get_default_graph().get_tensor_by_name('a/weights/masked_weight:0'))
  assert _forward().outputs == [y.name]


def test_a_graph_that_does_not_use_its_weights_has_no_outputs():
  model_pruning.apply_mask(tf.get_variable('weights', [3, 4]))
  tf.nn.relu(_inputs())
  with pytest.raises(errors.ChannelError, match='build the whole model before its pruning'):
    forward_part(tf.get_default_graph(), [], [])
