# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and names against the real tf.contrib.model_pruning.

What one library wrote in the middle of a training run the other resumes, in a new
graph and with a plain Saver, as if nothing had happened.
"""

import contextlib
import os

import numpy as np
import pytest

contrib = pytest.importorskip(
    'tensorflow.contrib.model_pruning',
    reason='only TensorFlow 1.15 has tf.contrib.model_pruning to compare with')

# pylint: disable=g-import-not-at-top
import model_pruning
from tensorflow.contrib import slim
import tensorflow.compat.v1 as tf

pytestmark = pytest.mark.differential

COLLECTIONS = ('masks', 'thresholds', 'masked_weights', 'kernel')

# Updates are at 9, 16, 23, ... and the sparsity moves all the while.
HPARAMS = ('name=%s,begin_pruning_step=9,pruning_frequency=7,target_sparsity=0.8,'
           'sparsity_function_end_step=40,threshold_decay=%s,'
           'weight_sparsity_map=[conv:0.5],block_dims_map=[fc2:3x2],block_pooling_function=MAX')
STOP, END = 18, 26


class _Training:
  """A net with three weights, one of them partitioned, trained and pruned step by step."""

  def __init__(self, library, hparams, use_resource=False):
    self.graph = tf.Graph()
    with self.graph.as_default():
      tf.set_random_seed(1)
      step = tf.train.get_or_create_global_step()
      random = np.random.RandomState(2)
      images = tf.constant(random.randn(16, 6, 6, 2), tf.float32)
      labels = tf.constant(random.randn(16, 6), tf.float32)
      with tf.variable_scope('net', use_resource=use_resource):
        x = tf.nn.relu(tf.nn.conv2d(images, self._kernel(library, 'conv', [3, 3, 2, 5]),
                                    strides=[1, 2, 2, 1], padding='VALID'))
        x = tf.nn.relu(tf.matmul(tf.reshape(x, [16, -1]),
                                 self._kernel(library, 'fc1', [20, 12], parts=3)))
        x = tf.matmul(x, self._kernel(library, 'fc2', [12, 6]))
        x += tf.get_variable('biases', [6], initializer=tf.zeros_initializer())
      loss = tf.reduce_mean(tf.square(x - labels))
      self._train = tf.train.MomentumOptimizer(.05, .9).minimize(loss, step)
      self.pruning = library.Pruning(library.get_pruning_hparams().parse(hparams))
      self._update = self.pruning.conditional_mask_update_op()
      self.saver = tf.train.Saver()
      # Sums in one thread come out the same every time.
      self.session = tf.Session(config=tf.ConfigProto(
          intra_op_parallelism_threads=1, inter_op_parallelism_threads=1))
      self._init = tf.global_variables_initializer()

  @staticmethod
  def _kernel(library, name, shape, parts=None):
    partitioner = tf.fixed_size_partitioner(parts) if parts else None
    with tf.variable_scope(name, partitioner=partitioner) as scope:
      kernel = tf.get_variable('weights', shape, initializer=tf.truncated_normal_initializer())
      return library.apply_mask(kernel, scope)

  def start(self):
    self.session.run(self._init)

  def train(self, until):
    """Returns the state after every step up to `until`."""
    states = []
    while not states or states[-1]['global_step'] < until:
      self.session.run(self._train)
      self.session.run(self._update)
      states.append(self.state())
    return states

  def state(self):
    """Returns the values of all variables by name."""
    with self.graph.as_default():
      return self.session.run({v.op.name: v for v in tf.global_variables()})


@pytest.fixture(name='training')
def fixture_training():
  with contextlib.ExitStack() as stack:
    def make(*args, **kwargs):
      training = _Training(*args, **kwargs)
      stack.callback(training.session.close)
      return training
    yield make


def _assert_same(ours, theirs):
  assert sorted(ours) == sorted(theirs)
  for name in sorted(ours):
    np.testing.assert_array_equal(ours[name], theirs[name],
                                  err_msg='%s at step %d' % (name, theirs['global_step']))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('use_resource', [False, True])
@pytest.mark.parametrize('decay', [0, .4])
@pytest.mark.parametrize('writer, reader', [
    (contrib, model_pruning), (model_pruning, contrib)], ids=['contrib_to_ours', 'ours_to_contrib'])
def test_resume(writer, reader, decay, use_resource, training, tmp_path):
  hparams = HPARAMS % ('spec', decay)
  first = training(writer, hparams, use_resource)
  first.start()
  first.train(STOP)
  path = first.saver.save(first.session, str(tmp_path / 'model'))
  there = first.state()
  assert there['spec/last_mask_update_step'] == 16
  assert 0 < there['net/conv/mask'].mean() < 1 and there['net/conv/threshold'] > 0
  continued = first.train(END)

  second = training(reader, hparams, use_resource)
  second.saver.restore(second.session, path)
  _assert_same(second.state(), there)
  resumed = second.train(END)
  assert [state['spec/last_mask_update_step'] for state in resumed] == [
      16] * 4 + [23] * 4
  for ours, theirs in zip(resumed, continued):
    _assert_same(ours, theirs)
  assert resumed[-1]['net/fc1/mask/part_1'].sum() < there['net/fc1/mask/part_1'].sum()


def _contents(path):
  reader = tf.train.NewCheckpointReader(path)
  dtypes, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
  return {name: (dtypes[name].name, shapes[name]) for name in shapes}


def test_checkpoints_hold_the_same_variables(training, tmp_path):
  contents = []
  for library in (contrib, model_pruning):
    each = training(library, HPARAMS % ('a/spec', 0))
    each.start()
    contents.append(_contents(each.saver.save(each.session,
                                              str(tmp_path / library.__name__ / 'model'))))
  assert contents[1] == contents[0]
  assert contents[1]['net/fc1/mask'] == ('float32', [20, 12])
  assert contents[1]['net/fc1/threshold'] == ('float32', [])
  assert contents[1]['a/spec/last_mask_update_step'] == ('int32', [])


def _names_in_collections():
  return {key: [item.name for item in tf.get_collection(key)] for key in COLLECTIONS}


def test_collections_are_the_same(training):
  names, trainable = [], []
  for library in (contrib, model_pruning):
    with training(library, HPARAMS % ('spec', 0)).graph.as_default():
      names.append(_names_in_collections())
      trainable.append([v.name for v in tf.trainable_variables()])
  assert names[1] == names[0]
  assert trainable[1] == trainable[0]
  assert all(len(items) == 3 for items in names[1].values())
  assert all(name.endswith('weights/masked_weight:0') for name in names[1]['masked_weights'])


@pytest.mark.parametrize('scope', ['', 'inner', None])
@pytest.mark.parametrize('reused', [False, True])
def test_scope_of_apply_mask(scope, reused):
  # Variables and collections for each way of saying where the variables go.
  found = []
  for library in (contrib, model_pruning):
    with tf.Graph().as_default():
      for _ in range(2 if reused else 1):
        with tf.variable_scope('a/b', reuse=tf.AUTO_REUSE) as outer:
          kernel = tf.get_variable('kernel', [3, 4])
          library.apply_mask(kernel, outer if scope is None else scope)
      with tf.variable_scope('c'):
        library.apply_mask(tf.get_variable('kernel', [2], tf.float64), 'd')
      found.append(([(v.name, v.shape.as_list(), v.dtype) for v in tf.global_variables()],
                    _names_in_collections()))
  assert found[1] == found[0]
  assert len(found[1][1]['masks']) == 2


def test_dtype_given_as_text():
  # A partitioned variable keeps it as text.
  masks = []
  for library in (contrib, model_pruning):
    with tf.Graph().as_default():
      with tf.variable_scope('a', partitioner=tf.fixed_size_partitioner(2)) as scope:
        kernel = tf.get_variable('kernel', [4, 3], 'float32', initializer=tf.ones_initializer())
        library.apply_mask(kernel, scope)
      masks.append([(v.name, v.dtype) for v in tf.global_variables()])
  assert masks[1] == masks[0]


def _masked_layers(images):
  x = contrib.masked_conv2d(images, 4, [3, 3], scope='conv')
  return contrib.masked_fully_connected(slim.flatten(x), 5, scope='fc')


def _plain_layers(images):
  with model_pruning.masked_scope():
    x = slim.conv2d(images, 4, [3, 3], scope='conv')
    return slim.fully_connected(slim.flatten(x), 5, scope='fc')


def _masked_cells(images):
  cell = contrib.MaskedLSTMCell(4)
  return tf.nn.dynamic_rnn(cell, tf.reshape(images, [2, 8, 24]), dtype=tf.float32)[0]


def _plain_cells(images):
  with model_pruning.masked_scope():
    cell = tf.nn.rnn_cell.LSTMCell(4, name='masked_lstm_cell')
    return tf.nn.dynamic_rnn(cell, tf.reshape(images, [2, 8, 24]), dtype=tf.float32)[0]


@pytest.mark.parametrize('masked, plain', [(_masked_layers, _plain_layers),
                                           (_masked_cells, _plain_cells)], ids=['layers', 'rnn'])
def test_masked_scope_resumes_masked_layers(masked, plain, tmp_path):
  images = np.random.RandomState(0).randn(2, 8, 8, 3).astype(np.float32)
  path, outputs, masks, contents, names = str(tmp_path / 'model'), [], [], [], []
  for library, build in ((contrib, masked), (model_pruning, plain)):
    with tf.Graph().as_default():
      step = tf.train.get_or_create_global_step()
      y = build(tf.constant(images))
      update = library.Pruning(library.get_pruning_hparams()).conditional_mask_update_op()
      names.append(_names_in_collections())
      saver = tf.train.Saver()
      with tf.Session() as session:
        if library is contrib:
          session.run(tf.global_variables_initializer())
          session.run(step.assign(30))
          session.run(update)
          saver.save(session, path)
        else:
          saver.restore(session, path)
        outputs.append(session.run(y))
        session.run(step.assign(40))
        session.run(update)
        masks.append(session.run(library.get_masks()))
        contents.append(_contents(saver.save(session, os.path.join(
            str(tmp_path), library.__name__, 'model'))))
  np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-5, atol=1e-6)
  assert contents[1] == contents[0]
  for ours, theirs in zip(masks[1], masks[0]):
    np.testing.assert_array_equal(ours, theirs)
  for key in ('masks', 'thresholds', 'kernel'):
    assert names[1][key] == names[0][key]
  assert len(names[1]['masked_weights']) == len(names[0]['masked_weights'])
  assert all(name.endswith('weights/masked_weight:0') for name in names[1]['masked_weights'])


def _client(library, folder, frequency, last_step):
  """A client of contrib that runs its conditional update under the train op, and saves.

  Returns the sparsity that the checkpoint of its last step has.
  """
  with tf.Graph().as_default(), tf.Session() as session:
    tf.set_random_seed(1)
    with tf.variable_scope('fc') as scope:
      weights = tf.get_variable('weights', [40, 25])
      product = library.apply_mask(weights, scope)
    step = tf.train.get_or_create_global_step()
    hparams = library.get_pruning_hparams().parse(
        'end_pruning_step=40,sparsity_function_end_step=40,target_sparsity=0.9,'
        'pruning_frequency=%d' % frequency)
    update = library.Pruning(hparams, global_step=step).conditional_mask_update_op()
    with tf.control_dependencies([update]):
      train = tf.train.GradientDescentOptimizer(0.01).minimize(tf.reduce_sum(product**2), step)
    saver = tf.train.Saver()
    session.run(tf.global_variables_initializer())
    if tf.train.latest_checkpoint(folder):
      saver.restore(session, tf.train.latest_checkpoint(folder))
    while session.run(step) < last_step:
      session.run(train)
    saver.save(session, os.path.join(folder, 'model'), step)
    return 1 - float(np.mean(session.run(library.get_masks()[0])))


@pytest.mark.parametrize('frequency', [40, 20, 13])
def test_a_client_that_saves_before_its_last_update_gets_it_here(frequency, tmp_path):
  whole = _client(contrib, str(tmp_path / 'whole'), frequency, 60)
  saved = _client(contrib, str(tmp_path / 'parts'), frequency, 40)
  resumed = _client(model_pruning, str(tmp_path / 'parts'), frequency, 60)
  if frequency != 13:  # Which divides the span: contrib has not made the last update yet.
    assert saved < 0.89
  assert round(resumed, 6) == round(whole, 6)
