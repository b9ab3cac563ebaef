# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Masks by channel in a graph, on schedule; export.remove_channels then removes these channels."""

import os

from absl import logging
import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import export
from model_pruning.channels.analysis import analyse
from model_pruning.channels.analysis import Group
from model_pruning.channels.analysis import Member
from model_pruning.channels.choice import norms
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.reporting import report
from model_pruning.util import sparsity_table

CLOCK = 'channel_pruning=true,target_sparsity=0.6,pruning_frequency=2,sparsity_function_end_step=8,'


def _variable(name, shape, low=-1.0):
  return tf.get_variable(name, shape, initializer=tf.random_uniform_initializer(low, 1.5, seed=3))


def _conv(x, filters, masked=True):
  kernel = _variable('weights', [3, 3, int(x.shape[-1]), filters])
  kernel = model_pruning.apply_mask(kernel, tf.get_variable_scope()) if masked else kernel
  return tf.nn.bias_add(tf.nn.conv2d(x, kernel, [1, 1, 1, 1], 'SAME'),
                        _variable('biases', [filters]))


def _dense(x, units):
  kernel = model_pruning.apply_mask(_variable('weights', [int(x.shape[-1]), units]),
                                    tf.get_variable_scope())
  return tf.matmul(x, kernel) + _variable('biases', [units])


def _normalized(x, training):
  """Returns normalized channels; in training the moving mean and variance are updated."""
  size = [int(x.shape[-1])]
  scale, offset = _variable('gamma', size, 0.5), _variable('beta', size)
  mean = tf.get_variable('mean', size, trainable=False, initializer=tf.zeros_initializer())
  variance = tf.get_variable('variance', size, trainable=False, initializer=tf.ones_initializer())
  if not training:
    return tf.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)[0]
  y, batch_mean, batch_variance = tf.nn.fused_batch_norm(x, scale, offset)
  for average, value in ((mean, batch_mean), (variance, batch_variance)):
    tf.add_to_collection('update', tf.assign_sub(average, (average - value) * 0.1))
  return y


def _net(x, training=True, partitions=None):
  """Returns scores; with a residual, dropout, a normalization, and a flattening."""
  with tf.variable_scope('stem'):
    x = tf.nn.relu(_normalized(_conv(x, 8), training))
  x = tf.nn.dropout(x, rate=0.2) if training else x
  with tf.variable_scope('block'):
    with tf.variable_scope('a'):
      y = tf.nn.elu(_conv(x, 6))
    with tf.variable_scope('b'):
      x = tf.nn.relu(x + _conv(y, 8))
  x = tf.nn.max_pool2d(x, 2, 2, 'SAME')
  x = tf.reshape(x, [tf.shape(x)[0], 3 * 3 * 8])
  with tf.variable_scope('fc', partitioner=partitions and tf.fixed_size_partitioner(partitions)):
    x = tf.nn.tanh(_dense(x, 12))
  with tf.variable_scope('scores'):
    return tf.identity(_dense(x, 5), name='logits')


GROUPS = {'stem/weights': 8, 'block/a/weights': 6, 'fc/weights': 12}


class Run:
  """A net in training, as a program builds it: loss, penalties, summaries, gradients."""

  def __init__(self, spec=CLOCK, use_resource=False, net=_net, partitions=None):
    self.graph = tf.Graph()
    with self.graph.as_default():
      tf.set_random_seed(1)
      images = tf.placeholder(tf.float32, [None, 6, 6, 3], 'images')
      self.labels = tf.placeholder(tf.int32, [None])
      with tf.variable_scope('', use_resource=use_resource):
        logits = net(images, partitions=partitions) if partitions else net(images)
      tf.summary.scalar('zeros', tf.nn.zero_fraction(logits))
      accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), tf.cast(
          self.labels, tf.int64)), tf.float32))
      tf.summary.scalar('accuracy', accuracy)
      loss = tf.losses.sparse_softmax_cross_entropy(self.labels, logits)
      loss += 1e-4 * tf.add_n([tf.nn.l2_loss(variable) for variable in tf.trainable_variables()])
      tf.summary.scalar('loss', loss)
      step = tf.train.get_or_create_global_step()
      with tf.control_dependencies(tf.get_collection('update')):
        self.train = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, step)
      self.pruning = model_pruning.Pruning(spec)
      self.update = self.pruning.conditional_mask_update_op()
      self.saver = tf.train.Saver()
      self.masks = {record.name: tf.concat([tf.identity(part) for part in record.mask_shards], 0)
                    for record in registry.masked_weights()}
      initialize = tf.global_variables_initializer()
    self.session = tf.Session(graph=self.graph)
    self.session.run(initialize)
    self.images = np.random.RandomState(0).standard_normal((8, 6, 6, 3)).astype(np.float32)

  def advance(self, steps):
    for _ in range(steps):
      self.session.run(self.train, {'images:0': self.images, self.labels: np.arange(8) % 5})
      self.session.run(self.update)

  def hidden(self):
    """Returns the numbers of the hidden channels of each group; they are the same everywhere."""
    masks = self.session.run(self.masks)
    stem = masks['stem/weights'].any(axis=(0, 1, 2))
    inner = masks['block/a/weights'].any(axis=(0, 1, 2))
    dense = masks['fc/weights'].any(axis=0)
    flat = np.tile(stem, 9)
    for name, places in (('stem/weights', (np.ones(3), stem)), ('block/a/weights', (stem, inner)),
                         ('block/b/weights', (inner, stem)), ('fc/weights', (flat, dense)),
                         ('scores/weights', (dense, np.ones(5)))):
      expected = np.outer(*places)
      np.testing.assert_array_equal(masks[name], np.broadcast_to(expected, masks[name].shape))
    return {'stem/weights': np.flatnonzero(~stem).tolist(),
            'block/a/weights': np.flatnonzero(~inner).tolist(),
            'fc/weights': np.flatnonzero(~dense).tolist()}


def _weight(name):
  """Returns the name of a weight whose mask was folded into it."""
  return name.replace('/masked_weight', '')


def _expected(channels, sparsity):
  return int(np.rint(np.float32(channels) * np.float32(sparsity)))


@pytest.mark.parametrize('use_resource', [False, True])
def test_each_update_hides_the_channels_that_are_due_and_removing_finds_them(use_resource,
                                                                             tmp_path):
  run = Run(use_resource=use_resource)
  assert not any(run.hidden().values())
  for step in range(1, 11):
    run.advance(1)
    at = min(step - step % 2, 8)
    sparsity = 0.6 - 0.6 * (1 - at / 8) ** 3
    assert {name: len(numbers) for name, numbers in run.hidden().items()} == {
        name: _expected(channels, sparsity) for name, channels in GROUPS.items()}, step
  with run.graph.as_default():
    path = run.saver.save(run.session, os.path.join(str(tmp_path), 'model'))
  hidden = run.hidden()

  # The names and shapes of a checkpoint stay as contrib's.
  found = dict(tf.train.list_variables(path))
  assert found['block/a/mask'] == [3, 3, 8, 6] and found['block/a/threshold'] == []
  assert found['model_pruning/last_mask_update_step'] == []
  resumed = Run(use_resource=use_resource)
  with resumed.graph.as_default():
    resumed.saver.restore(resumed.session, path)
  assert resumed.hidden() == hidden
  resumed.advance(2)
  assert {name: len(numbers) for name, numbers in resumed.hidden().items()} == {
      name: len(numbers) for name, numbers in hidden.items()}

  # The model that predicts is another graph.
  with tf.Graph().as_default(), tf.Session() as session:
    images = tf.placeholder(tf.float32, [None, 6, 6, 3], 'images')
    with tf.variable_scope('', use_resource=use_resource):
      _net(images, training=False)
    tf.train.Saver().restore(session, path)
    outputs = session.run('scores/logits:0', {'images:0': run.images})
    frozen = model_pruning.strip_pruning_vars_fn(
        export.graph_def_from_session(session, ['scores/logits']), ['scores/logits'])
  smaller = export.remove_channels(frozen, ['scores/logits'])
  assert {_weight(name): numbers for name, numbers in smaller.removed.items()} == hidden
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(smaller.graph_def, name='')
    np.testing.assert_allclose(session.run('scores/logits:0', {'images:0': run.images}), outputs,
                               rtol=1e-4, atol=1e-5 * np.abs(outputs).max())


def test_the_norms_are_of_all_slices_as_shrink_takes_them():
  run = Run(CLOCK + 'begin_pruning_step=8')
  run.advance(7)
  with run.graph.as_default():
    values = run.session.run({variable.op.name: variable for variable in tf.trainable_variables()})
    run.session.run(run.pruning.mask_update_op())  # At the sparsity of step 7.
  hidden = run.hidden()
  with tf.Graph().as_default(), tf.Session() as session:
    _net(tf.placeholder(tf.float32, [None, 6, 6, 3], 'images'), training=False)
    session.run(tf.global_variables_initializer())
    frozen = model_pruning.strip_pruning_vars_fn(
        export.graph_def_from_session(session, ['scores/logits']), ['scores/logits'])
  for group in analyse(frozen, ['scores/logits', 'images']).groups:
    # The moving mean and variance are in no product of the training graph.
    members = tuple(Member(_weight(member.weight), member.axis, member.indices)
                    for member in group.members if _weight(member.weight) in values)
    found = norms(Group('any', group.channels, members, 0, None), values)
    numbers = hidden[_weight(group.name)]
    assert numbers == sorted(np.argsort(found, kind='stable')[:len(numbers)].tolist())
    assert numbers


def test_the_report_has_the_target_of_each_weight():
  run = Run()
  run.advance(9)
  with run.graph.as_default():
    rows = {row.name: row for row in run.pruning.sparsity_report(run.session)}
  assert not any(row.short for row in rows.values())
  assert rows['block/a/weights'].target == pytest.approx(1 - 3 / 8 * 2 / 6)
  assert rows['scores/weights'].achieved == pytest.approx(7 / 12)
  assert 'scores/weights' in sparsity_table.sparsity_table(list(rows.values()))
  short = Run()
  with short.graph.as_default():
    assert all(row.short for row in short.pruning.sparsity_report(short.session))


def test_maps_match_groups_and_a_sparsity_of_0_keeps_one():
  run = Run(CLOCK + 'weight_sparsity_map=[^stem:0,^fc:0.25],min_channels=4')
  run.advance(9)
  assert {name: len(numbers) for name, numbers in run.hidden().items()} == {
      'stem/weights': 0, 'block/a/weights': 2, 'fc/weights': 3}
  with pytest.raises(errors.MapError, match="key '.?block/b.*' matches no group of channels.*the "
                     'groups of channels are: stem/weights, block/a/weights, fc/weights'):
    Run(CLOCK + 'weight_sparsity_map=[block/b:0.5]')


@pytest.mark.parametrize('partitions', [1, 3])
def test_a_partitioned_weight_is_pruned_as_one(partitions):
  run = Run(partitions=partitions)
  run.advance(9)
  assert {name: len(numbers) for name, numbers in run.hidden().items()} == {
      'stem/weights': 5, 'block/a/weights': 4, 'fc/weights': 7}


def test_one_threshold_over_all_groups():
  run = Run(CLOCK + 'sparsity_distribution=global')
  run.advance(9)
  assert sum(map(len, run.hidden().values())) == _expected(26, 0.6)


def _unmasked_reader(x):
  with tf.variable_scope('first'):
    x = tf.nn.relu(_conv(x, 8))
  with tf.variable_scope('second'):
    x = tf.nn.relu(_conv(x, 8, masked=False))
  with tf.variable_scope('third'):
    return tf.reduce_mean(_conv(x, 5), axis=[1, 2])


def test_weights_in_no_group_stay_dense_and_are_named(monkeypatch):
  lines = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: lines.append(text % args))
  run = Run(net=_unmasked_reader)
  run.advance(9)
  masks = run.session.run(run.masks)
  assert masks['first/weights'].all()
  # The reader's rows are masked, so that the channels of the unmasked kernel are hidden too.
  assert masks['third/weights'].any(axis=(0, 1, 3)).sum() == 3
  line, = [line for line in lines if 'stay dense' in line]
  assert 'first/weights (second/Conv2D reads it without a mask' in line
  assert 'third/weights' not in line


def _nothing(x):
  with tf.variable_scope('only'):
    return tf.reduce_mean(_conv(x, 5), axis=[1, 2])


def test_a_graph_without_channels_to_hide_is_refused():
  with pytest.raises(errors.ChannelError, match='masks can hide no channels of this model: '
                     'only/weights .*it is an input of the model'):
    Run(net=_nothing)


def test_outputs_can_be_named():
  def net(x):
    y = _net(x)
    # Something fetched for its own sake is taken for an output.
    tf.identity(tf.get_default_graph().get_tensor_by_name('block/b/Relu:0'), name='features')
    return y

  def hidden(spec):
    run = Run(spec, net=net)
    run.advance(9)
    return {name: len(numbers) for name, numbers in run.hidden().items()}

  assert hidden(CLOCK) == {'stem/weights': 0, 'block/a/weights': 4, 'fc/weights': 7}
  assert hidden(CLOCK + 'channel_outputs=[scores/logits]') == {
      'stem/weights': 5, 'block/a/weights': 4, 'fc/weights': 7}
  with pytest.raises(errors.OutputNodeError, match='score/logits'):
    Run(CLOCK + 'channel_outputs=[score/logits]')



def test_a_hook_prunes_channels_and_a_report_of_its_checkpoint_has_no_targets(tmp_path):
  with tf.Graph().as_default():
    x = tf.constant(np.random.RandomState(0).standard_normal((8, 20)).astype(np.float32))
    x = model_pruning.masked_fully_connected(x, 32, scope='hidden')
    x = model_pruning.masked_fully_connected(x, 10, activation_fn=None, scope='scores')
    loss = tf.losses.sparse_softmax_cross_entropy(tf.range(8), x)
    train = tf.train.AdamOptimizer().minimize(loss, tf.train.get_or_create_global_step())
    hook = model_pruning.PruningHook(CLOCK)
    with tf.train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), hooks=[hook]) as session:
      for _ in range(10):
        session.run(train)
  found = {weight.name: weight for weight in report.of(str(tmp_path)).weights}
  assert found['hidden/weights'].sparsity == pytest.approx(19 / 32)
  assert found['scores/weights'].sparsity == pytest.approx(19 / 32)
  assert all(weight.target is None for weight in found.values())
