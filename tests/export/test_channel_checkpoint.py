# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.export.channel_checkpoint: code with other widths goes on from it."""

import glob

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import export
from model_pruning.compat import tf
from tests.cli.trained import run

INPUTS = np.random.RandomState(0).randn(7, 8).astype(np.float32)
ALL_AT_ONCE = ('target_sparsity=0.25,begin_pruning_step=0,end_pruning_step=1,pruning_frequency=1,'
               'sparsity_function_end_step=1')


def net(widths, masked=False, **options):
  """Builds a net with an optimizer in the default graph; returns (scores, training step)."""
  x = tf.placeholder(tf.float32, [None, 8], 'x')
  step = tf.train.get_or_create_global_step()
  hidden = x
  for number, width in enumerate(widths):
    with tf.variable_scope('layer%d' % number, **options) as scope:
      weights = tf.get_variable('weights', [hidden.shape[-1], width])
      bias = tf.get_variable('bias', [width], initializer=tf.random_normal_initializer())
      product = tf.matmul(hidden, model_pruning.apply_mask(weights, scope) if masked else weights)
      hidden = tf.nn.relu(product + bias)
  scores = tf.identity(hidden, 'scores')
  return scores, tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean(scores**2), step)


def save(folder, widths, masked=False, names=None, **options):
  """Trains a net, and saves it; returns its variables by name."""
  with tf.Graph().as_default(), tf.Session() as session:
    _, train = net(widths, masked, **options)
    update = model_pruning.Pruning(ALL_AT_ONCE).mask_update_op() if masked else tf.no_op()
    session.run(tf.global_variables_initializer())
    for _ in range(3):
      session.run(train, {'x:0': INPUTS})
    session.run(update)
    variables = tf.global_variables()
    saved = variables if names is None else {names(each.op.name): each for each in variables}
    tf.train.Saver(saved).save(session, str(folder / 'model.ckpt'), 3)
    return {each.op.name: session.run(each) for each in variables}


def restored(folder, widths, steps=0, **options):
  """Returns the scores of a restored net, after some more steps of training."""
  with tf.Graph().as_default(), tf.Session() as session:
    scores, train = net(widths, **options)
    tf.train.Saver().restore(session, tf.train.latest_checkpoint(str(folder)))
    for _ in range(steps):
      session.run(train, {'x:0': INPUTS})
    return session.run(scores, {'x:0': INPUTS})


def test_constants_that_may_change_in_training_stay(tmp_path):
  """The bias of a reader takes the constant in the graph alone."""
  with tf.Graph().as_default(), tf.Session() as session:
    net([6, 5, 4])
    session.run(tf.global_variables_initializer())
    weights, bias = tf.global_variables('layer0/weights:0') + tf.global_variables('layer0/bias:0')
    weights.load(session.run(weights) * (np.arange(6) > 1), session)
    bias.load(np.ones(6), session)
    tf.train.Saver().save(session, str(tmp_path / 'a' / 'model.ckpt'), 3)
    graph_def = export.graph_def_from_session(session, ['scores'])
  assert export.remove_channels(graph_def, ['scores']).removed == {'layer0/weights': [0, 1]}
  smaller = export.shrink_checkpoint(
      str(tmp_path / 'a'), str(tmp_path / 'b' / 'model.ckpt'), ['scores'])
  assert not smaller.removed and not smaller.absorbed
  assert not run(str(tmp_path), 'shrink', 'FOLDER/a', '--output_node_names=scores',
                 '--output=FOLDER/c/model.ckpt')
  np.testing.assert_array_equal(restored(tmp_path / 'c', [6, 5, 4]),
                                restored(tmp_path / 'a', [6, 5, 4]))


@pytest.mark.parametrize('use_resource', [False, True])
def test_a_smaller_net_goes_on_from_it(tmp_path, use_resource):
  before = save(tmp_path / 'a', [6, 5, 4], use_resource=use_resource)
  smaller = export.shrink_checkpoint(
      str(tmp_path / 'a'), str(tmp_path / 'b' / 'model.ckpt'), ['scores'], fraction=0.5)
  widths = {width.name: width for width in smaller.widths}
  assert {name: width.after for name, width in widths.items()} == {
      'layer0/weights': (8, 3), 'layer0/bias': (3,), 'layer1/weights': (3, 3),
      'layer1/bias': (3,), 'layer2/weights': (3, 4)}
  reader = tf.train.NewCheckpointReader(str(tmp_path / 'b' / 'model.ckpt'))
  for name, value in before.items():
    root = name.replace('/Adam_1', '').replace('/Adam', '')
    expected = widths[root].cut(value) if root in widths else value
    np.testing.assert_array_equal(reader.get_tensor(name), expected, name)
  # The outputs of the graph, and a step with the slots of the optimizer.
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(smaller.graph_def, name='')
    expected = session.run('scores:0', {'x:0': INPUTS})
  np.testing.assert_allclose(restored(tmp_path / 'b', [3, 3, 4]), expected, rtol=1e-5, atol=1e-6)
  assert np.isfinite(restored(tmp_path / 'b', [3, 3, 4], steps=2)).all()


@pytest.mark.sampled(1)
@pytest.mark.parametrize('use_resource', [False, True])
def test_masks_lose_the_same_slices(tmp_path, use_resource):
  before = save(tmp_path / 'a', [6, 5, 4], masked=True, use_resource=use_resource)
  smaller = export.shrink_checkpoint(
      str(tmp_path / 'a'), str(tmp_path / 'b' / 'model.ckpt'), ['scores'], fraction=0.5)
  widths = {width.name: width for width in smaller.widths}
  reader = tf.train.NewCheckpointReader(str(tmp_path / 'b' / 'model.ckpt'))
  for number in range(3):
    weights, mask = 'layer%d/weights' % number, 'layer%d/mask' % number
    assert (before[mask] == 0).any()
    np.testing.assert_array_equal(reader.get_tensor(mask), widths[weights].cut(before[mask]))
    np.testing.assert_array_equal(reader.get_tensor(weights), widths[weights].cut(
        before[weights] * before[mask]))
  # Code with masks and code without them compute the same.
  np.testing.assert_allclose(restored(tmp_path / 'b', [3, 3, 4]),
                             restored(tmp_path / 'b', [3, 3, 4], masked=True), rtol=1e-6)


def test_a_variable_in_the_scope_of_a_weight_keeps_its_shape(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 4], 'x')
    first = tf.get_variable('a', [4, 4])
    second = tf.get_variable('a/b', [4, 4])  # Not a slot of `a`, although its name looks like it.
    tf.identity(tf.matmul(tf.matmul(x, second), first), 'scores')
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'a' / 'model.ckpt'))
    expected = session.run(second)
  smaller = export.shrink_checkpoint(
      str(tmp_path / 'a'), str(tmp_path / 'b' / 'model.ckpt'), ['scores'], fraction=0.5)
  widths = {width.name: width for width in smaller.widths}
  reader = tf.train.NewCheckpointReader(str(tmp_path / 'b' / 'model.ckpt'))
  np.testing.assert_array_equal(reader.get_tensor('a/b'), widths['a/b'].cut(expected))


def _shrink(tmp_path):
  export.shrink_checkpoint(str(tmp_path / 'a'), str(tmp_path / 'b' / 'model.ckpt'), ['scores'], 0.5)


def test_names_of_a_saver_and_partitions_are_refused(tmp_path):
  save(tmp_path / 'a', [6, 4], names=lambda name: 'saved/' + name)
  with pytest.raises(errors.CheckpointError, match='has no variable layer.*under another name'):
    _shrink(tmp_path)
  save(tmp_path / 'c', [6, 4], partitioner=tf.fixed_size_partitioner(2))
  with pytest.raises(errors.CheckpointError, match='or in partitions'):
    export.shrink_checkpoint(str(tmp_path / 'c'), str(tmp_path / 'b' / 'm'), ['scores'], 0.5)
  assert not (tmp_path / 'b').exists()


def test_state_of_an_unknown_shape_is_refused(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    net([6, 4])
    tf.get_variable('layer0/weights/row_factor', [6])
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'a' / 'model.ckpt'))
  with pytest.raises(errors.CheckpointError, match='layer0/weights/row_factor.*without the state'):
    _shrink(tmp_path)


def test_training_must_not_resume_from_it_by_accident(tmp_path):
  save(tmp_path / 'a', [6, 4])
  with pytest.raises(errors.WriteError, match='another folder'):
    export.shrink_checkpoint(str(tmp_path / 'a'), str(tmp_path / 'a' / 'small'), ['scores'], 0.5)


def test_a_graph_with_variables_that_the_checkpoint_lacks_is_refused(tmp_path):
  save(tmp_path / 'a', [6, 4])
  save(tmp_path / 'c', [6, 4], masked=True)
  graph, = glob.glob(str(tmp_path / 'c' / '*.meta'))
  with pytest.raises(errors.CheckpointError,
                     match='has no variable .*(mask|threshold).*stripped of its masks; give the'):
    export.shrink_checkpoint(str(tmp_path / 'a'), str(tmp_path / 'b' / 'm'), ['scores'], 0.5,
                             meta_graph=graph)


def test_a_graph_of_training_with_normalizations_is_refused(tmp_path):
  def build(training):
    x = tf.placeholder(tf.float32, [None, 4, 4, 3], 'x')
    x = tf.nn.conv2d(x, tf.get_variable('kernel', [1, 1, 3, 8]), strides=1, padding='SAME')
    vectors = [tf.get_variable('norm/' + name, [8], initializer=tf.ones_initializer(),
                               trainable=name in ('gamma', 'beta'))
               for name in ('gamma', 'beta', 'moving_mean', 'moving_variance')]
    x = tf.nn.fused_batch_norm(x, *vectors[:2], *([] if training else vectors[2:]),
                               is_training=training)[0]
    x = tf.nn.relu(tf.reduce_mean(x, [1, 2]))
    tf.identity(tf.matmul(x, tf.get_variable('last', [8, 2])), 'scores')
  with tf.Graph().as_default(), tf.Session() as session:
    build(True)
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'a' / 'model.ckpt'))
  with pytest.raises(errors.CheckpointError, match='does not use norm/moving_.*--meta_graph'):
    _shrink(tmp_path)
  assert not (tmp_path / 'b').exists()
  with tf.Graph().as_default():
    build(False)
    tf.train.export_meta_graph(str(tmp_path / 'eval.meta'))
  smaller = export.shrink_checkpoint(
      str(tmp_path / 'a'), str(tmp_path / 'b' / 'model.ckpt'), ['scores'], 0.5,
      meta_graph=str(tmp_path / 'eval.meta'))
  assert {width.name: width.after for width in smaller.widths}['norm/moving_mean'] == (4,)
