# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_checkpoint with examples: what it refits and copies, and training that goes on from it."""

import os

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from tests.calibration import models

# As training goes on with it: at its target from the first step.
HPARAMS = 'initial_sparsity=0.5,target_sparsity=0.5,pruning_frequency=1'
WEIGHTS = ('fc1/kernel', 'fc2/kernel', 'last/kernel')
X = models.inputs((64, 12)) / 2


def _dense(x, name, units, partitions=None):
  partitioner = partitions and tf.fixed_size_partitioner(partitions)
  with tf.variable_scope(name, partitioner=partitioner):
    kernel = tf.get_variable('kernel', [int(x.shape[1]), units])
  with tf.variable_scope(name):
    return tf.matmul(x, kernel) + tf.get_variable(
        'bias', [units], initializer=tf.random_uniform_initializer(0.1, 0.5, seed=3))


def _build(resource):
  """Builds a net, one weight of which is partitioned; returns its training operation."""
  tf.set_random_seed(1)
  x = tf.placeholder(tf.float32, [None, 12], 'x')
  with tf.variable_scope('', use_resource=resource):
    hidden = tf.nn.relu(_dense(x, 'fc1', 16))
    hidden = tf.nn.relu(_dense(hidden, 'fc2', 8, partitions=2))
    scores = tf.identity(_dense(hidden, 'last', 4), 'scores')
    step = tf.train.get_or_create_global_step()
    loss = tf.reduce_mean(tf.square(scores - x[:, :4]))
    return tf.train.AdamOptimizer(0.01).minimize(loss, step)


@pytest.fixture(scope='module', params=[False, True], ids=['ref', 'resource'])
def case(request, tmp_path_factory):
  """(whether variables are resources, the dense checkpoint, the pruned one, its rows)"""
  folder = str(tmp_path_factory.mktemp('run'))
  with tf.Graph().as_default(), tf.Session() as session:
    train = _build(request.param)
    session.run(tf.global_variables_initializer())
    for _ in range(20):
      session.run(train, {'x:0': X})
    tf.train.Saver().save(session, os.path.join(folder, 'dense', 'model.ckpt'), global_step=20)
  target = os.path.join(folder, 'pruned', 'model.ckpt')
  rows = one_shot.prune_checkpoint(os.path.join(folder, 'dense'), target, HPARAMS, examples=X,
                                   inputs=['x'], outputs=['scores'])
  return request.param, os.path.join(folder, 'dense'), target, rows


def _scores(place, resource):
  with tf.Graph().as_default(), tf.Session() as session:
    _build(resource)
    tf.train.Saver().restore(session, checkpoint.Checkpoint(place).path)
    return session.run('scores:0', {'x:0': X})


@pytest.mark.sampled(1)
def test_each_weight_is_refitted_or_says_why_not(case):
  rows = {row.name: row for row in case[3]}
  assert tuple(rows) == WEIGHTS
  for name in ('fc1/kernel', 'last/kernel'):
    assert not rows[name].reason and rows[name].error_refitted < rows[name].error_masked
  assert rows['fc2/kernel'].reason == 'it is not one constant in the graph'
  assert all(row.achieved == 0.5 for row in case[3])


def test_masks_are_where_the_weights_are_zero(case):
  after = checkpoint.Checkpoint(case[2])
  for name in WEIGHTS:
    mask, value = after.read(name.split('/')[0] + '/mask'), after.read(name)
    assert mask.mean() == 0.5
    if name != 'fc2/kernel':  # That one is masked when the model runs.
      np.testing.assert_array_equal(value != 0, mask != 0)


def test_everything_else_is_copied(case):
  _, dense, target, _ = case
  before, after = checkpoint.Checkpoint(dense), checkpoint.Checkpoint(target)
  added = set(after.shapes) - set(before.shapes)
  assert added == {'%s/%s' % (scope, name) for scope in ('fc1', 'fc2', 'last')
                   for name in ('mask', 'threshold')} | {'model_pruning/last_mask_update_step'}
  changed = {name for name in before.shapes
             if not np.array_equal(before.read(name), after.read(name))}
  assert {'fc1/kernel', 'last/kernel'} <= changed <= set(WEIGHTS) | {
      'fc1/bias', 'fc2/bias', 'last/bias'}
  slots = [name for name in before.shapes if 'Adam' in name]
  assert len(slots) >= 12 and after.read('global_step') == 20


@pytest.mark.sampled(1)
def test_it_is_nearer_to_the_dense_model_than_masks_alone(case, tmp_path):
  resource, dense, _, _ = case
  wanted = _scores(dense, resource)
  found = []
  for name, examples in (('free', None), ('refitted', X)):
    place = str(tmp_path / name / 'model.ckpt')
    one_shot.prune_checkpoint(dense, place, HPARAMS, exclude='fc2', examples=examples,
                              outputs=['scores'])
    stripped = str(tmp_path / (name + '_stripped') / 'model.ckpt')
    checkpoint.strip_checkpoint(place, stripped)
    found.append(np.square(_scores(stripped, resource) - wanted).mean())
  assert found[1] < 0.8 * found[0], found


@pytest.mark.sampled(1)
def test_training_goes_on_from_it(case):
  resource, _, target, _ = case
  after = checkpoint.Checkpoint(target)
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      train = _build(resource)
    masked = model_pruning.get_weight_sparsity()
    saver = tf.train.Saver()
    scaffold = tf.train.Scaffold(saver=saver, init_fn=lambda _, session: saver.restore(
        session, target))
    with tf.train.MonitoredSession(tf.train.ChiefSessionCreator(scaffold), hooks=[
        model_pruning.PruningHook(model_pruning.Pruning(HPARAMS))]) as session:
      for _ in range(3):
        session.run(train, {'x:0': X})
      assert session.run(tf.train.get_global_step()) == 23
      np.testing.assert_allclose(session.run(masked), 0.5)
      changed = session.run('fc1/kernel:0') if not resource else session.run(
          [each for each in tf.trainable_variables() if each.op.name == 'fc1/kernel'][0])
      assert not np.array_equal(changed, after.read('fc1/kernel'))


@pytest.mark.sampled(5)
@pytest.mark.parametrize('options, error, message', [
    ({'outputs': ['scors']}, errors.OutputNodeError, 'did you mean scores'),
    ({'outputs': ['scores'], 'inputs': ['y']}, errors.OutputNodeError, 'y'),
    ({'outputs': ['scores'], 'examples': X[:3]}, errors.ExamplesError, 'There are 3 examples'),
    ({'outputs': ['scores'], 'examples': X[:, :3]}, errors.ExamplesError, r'shape \[64, 3\]'),
    ({'outputs': ['scores'], 'examples': {'z': X}}, errors.ExamplesError, "examples for 'z'"),
    ({'outputs': ['scores'], 'meta_graph': 'nothing.meta'}, errors.PruningError, 'nothing.meta'),
    ({'outputs': []}, errors.OutputNodeError, 'expected a list of'),
])
def test_bad_input_writes_nothing(case, tmp_path, options, error, message):
  with pytest.raises(error, match=message) as caught:
    one_shot.prune_checkpoint(case[1], str(tmp_path / 'new' / 'model.ckpt'), HPARAMS,
                              **dict({'examples': X}, **options))
  assert len(str(caught.value).splitlines()) == 1
  assert not os.listdir(str(tmp_path))
