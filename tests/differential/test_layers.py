# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Layers and cells against those of the real tf.contrib.model_pruning, in training.

Both libraries build a model of their own layers or cells, start from the same
values, train it and prune it as they go.
"""

import re
import types

import numpy as np
import pytest

contrib = pytest.importorskip(
    'tensorflow.contrib.model_pruning',
    reason='only TensorFlow 1.15 has tf.contrib.model_pruning to compare with')

# pylint: disable=g-import-not-at-top
import model_pruning
from model_pruning.graph.layers import core_layers
from model_pruning.graph.layers import rnn_cells
from model_pruning.graph.layers import slim_layers as layers
from tensorflow.contrib import slim
from tensorflow.contrib.model_pruning.python.layers import core_layers as contrib_core_layers
import tensorflow.compat.v1 as tf

pytestmark = pytest.mark.differential

STEPS = 20
TOLERANCE = 1e-6
SCHEDULE = ('begin_pruning_step=2,pruning_frequency=3,sparsity_function_begin_step=2,'
            'sparsity_function_end_step=17,')
PLAIN = SCHEDULE + 'target_sparsity=0.7'
DECAY = SCHEDULE + 'initial_sparsity=0.3,target_sparsity=0.9,threshold_decay=0.4'
BLOCKS = SCHEDULE + 'target_sparsity=0.6,block_height=2,block_width=4,block_pooling_function=MAX'
COLLECTIONS = ('masks', 'thresholds', 'masked_weights', 'kernel')
KEYS = tf.GraphKeys

_NAMES = ('masked_convolution', 'masked_conv2d', 'masked_fully_connected', 'MaskedConv2D',
          'MaskedFullyConnected', 'MaskedBasicLSTMCell', 'MaskedLSTMCell', 'Pruning',
          'get_pruning_hparams')


def _gathered(*modules):
  return types.SimpleNamespace(**{
      name: next(getattr(module, name) for module in modules if hasattr(module, name))
      for name in _NAMES})


THEIRS = _gathered(contrib, contrib_core_layers)
OURS = _gathered(layers, core_layers, rnn_cells, model_pruning)


def _l2(weights):
  return 1e-3 * tf.nn.l2_loss(weights)


# ---- Models: images [4, 8, 8, 3] in, outputs out. ----


def conv2d(library, images):
  x = library.masked_conv2d(images, 6, [3, 3])
  return library.masked_conv2d(x, 4, 3, activation_fn=tf.nn.tanh)


def convolution_valid_strided(library, images):
  return library.masked_convolution(images, 5, [3, 2], stride=[2, 1], padding='VALID',
                                    activation_fn=None, scope='conv')


def convolution_dilated(library, images):
  return library.masked_convolution(images, 5, [3, 3], rate=2, scope='conv')


def convolution_without_biases(library, images):
  return library.masked_convolution(images, 5, [3, 3], biases_initializer=None, scope='a/conv')


def convolution_batch_norm(library, images):
  return library.masked_convolution(images, 5, [3, 3], normalizer_fn=slim.batch_norm, scope='conv',
                                    normalizer_params={'scale': True, 'decay': .7})


def convolution_reused(library, images):
  x = library.masked_convolution(images, 3, [3, 3], scope='conv', weights_regularizer=_l2)
  return library.masked_convolution(x, 3, [3, 3], scope='conv', weights_regularizer=_l2, reuse=True)


def convolution_in_arg_scope(library, images):
  with slim.arg_scope([library.masked_convolution, library.masked_fully_connected],
                      activation_fn=tf.nn.elu, weights_regularizer=_l2, biases_regularizer=_l2):
    with slim.arg_scope([library.masked_conv2d], stride=2, padding='VALID'):
      x = library.masked_conv2d(images, 6, [3, 3])
      return library.masked_fully_connected(slim.flatten(x), 4)


def convolution_partitioned(library, images):
  with tf.variable_scope('net', partitioner=tf.fixed_size_partitioner(3, axis=-1)):
    return library.masked_convolution(images, 6, [3, 3], weights_regularizer=_l2)


def fully_connected(library, images):
  x = library.masked_fully_connected(tf.reshape(images, [4, 192]), 12)
  return library.masked_fully_connected(x, 4, activation_fn=None)


def fully_connected_rank_3(library, images):
  return library.masked_fully_connected(tf.reshape(images, [4, 8, 24]), 5, scope='fc')


def fully_connected_batch_norm(library, images):
  return library.masked_fully_connected(tf.reshape(images, [4, 192]), 7, scope='fc',
                                        normalizer_fn=slim.batch_norm)


def fully_connected_normalized_by_a_layer(library, images):
  """Whose own bias and kernel get slim's names, as everything in the scope does."""
  return library.masked_fully_connected(
      tf.reshape(images, [4, 192]), 7, scope='fc',
      normalizer_fn=lambda x: tf.layers.dense(x, 3, name='norm'))


def fully_connected_not_trained(library, images):
  x = library.masked_fully_connected(tf.reshape(images, [4, 192]), 8, trainable=False, scope='a')
  return library.masked_fully_connected(x, 5, scope='b')


def fully_connected_partitioned(library, images):
  with tf.variable_scope('net', partitioner=tf.fixed_size_partitioner(2), use_resource=True):
    return library.masked_fully_connected(tf.reshape(images, [4, 192]), 6, scope='fc')


def core_conv2d(library, images):
  layer = library.MaskedConv2D(3, 3, padding='same', activation=tf.nn.relu,
                               kernel_regularizer=_l2, activity_regularizer=_l2)
  return layer(layer(images))


def core_conv2d_default_names(library, images):
  x = library.MaskedConv2D(4, [3, 3], strides=2)(images)
  with tf.variable_scope('inner'):
    x = library.MaskedConv2D(4, [2, 2], use_bias=False).apply(x)
  return library.MaskedConv2D(4, [2, 2])(x)


def core_fully_connected(library, images):
  x = library.MaskedFullyConnected(6, activation=tf.nn.tanh, name='fc')(
      tf.reshape(images, [4, 192]))
  return library.MaskedFullyConnected(6, name='fc')(x)


LAYERS = [conv2d, convolution_valid_strided, convolution_dilated, convolution_without_biases,
          convolution_batch_norm, convolution_reused, convolution_in_arg_scope,
          convolution_partitioned, fully_connected, fully_connected_rank_3,
          fully_connected_batch_norm, fully_connected_normalized_by_a_layer,
          fully_connected_not_trained, fully_connected_partitioned, core_conv2d,
          core_conv2d_default_names, core_fully_connected]


# contrib's LSTM takes a projection of the size of its state, and fails on any other.


def _dynamic_rnn(cell, images, length=4):
  sequence = tf.reshape(images, [4, length, -1])
  outputs, state = tf.nn.dynamic_rnn(cell, sequence, dtype=tf.float32, sequence_length=[
      length, 3, length, 1])
  return tf.concat([tf.reshape(t, [4, -1]) for t in [outputs] + tf.nest.flatten(state)], 1)


def basic_lstm(library, images):
  return _dynamic_rnn(library.MaskedBasicLSTMCell(6), images)


def basic_lstm_arguments(library, images):
  return _dynamic_rnn(library.MaskedBasicLSTMCell(
      6, forget_bias=.3, state_is_tuple=False, activation=tf.nn.softsign, name='cell'), images)


def lstm(library, images):
  return _dynamic_rnn(library.MaskedLSTMCell(6), images)


def lstm_with_everything(library, images):
  return _dynamic_rnn(library.MaskedLSTMCell(
      6, use_peepholes=True, cell_clip=.4, num_proj=6, proj_clip=.15, forget_bias=.5,
      initializer=tf.random_uniform_initializer(-.5, .5), activation=tf.nn.elu), images)


def lstm_state_in_one(library, images):
  return _dynamic_rnn(library.MaskedLSTMCell(6, num_proj=6, state_is_tuple=False), images)


def lstm_shards(library, images):
  return _dynamic_rnn(library.MaskedLSTMCell(6, num_proj=6, num_unit_shards=3, num_proj_shards=2),
                      images)


def lstm_unrolled(library, images):
  steps = tf.unstack(tf.reshape(images, [4, 3, 64]), axis=1)
  outputs, _ = tf.nn.static_rnn(library.MaskedLSTMCell(5), steps, dtype=tf.float32)
  return outputs[-1]


def lstm_stacked(library, images):
  cells = [tf.nn.rnn_cell.DropoutWrapper(library.MaskedLSTMCell(5), 1., .99999, seed=1),
           library.MaskedBasicLSTMCell(4)]
  return _dynamic_rnn(tf.nn.rnn_cell.MultiRNNCell(cells), images)


CELLS = [basic_lstm, basic_lstm_arguments, lstm, lstm_with_everything, lstm_state_in_one,
         lstm_unrolled, lstm_stacked]

CASES = [(model, PLAIN) for model in LAYERS + CELLS] + [
    (conv2d, BLOCKS), (fully_connected, DECAY), (basic_lstm, DECAY), (lstm, BLOCKS),
    (lstm_with_everything, DECAY)]


class _Training:
  """A model of one library, with what trains and prunes it."""

  def __init__(self, library, model, hparams):
    self.graph = tf.Graph()
    with self.graph.as_default():
      tf.set_random_seed(1)
      random = np.random.RandomState(2)
      step = tf.train.get_or_create_global_step()
      self._outputs = model(library, tf.constant(random.randn(4, 8, 8, 3), tf.float32))
      labels = random.uniform(-1, 1, self._outputs.shape.as_list())
      losses = tf.get_collection(KEYS.REGULARIZATION_LOSSES)
      loss = tf.reduce_mean(tf.square(self._outputs - labels)) + sum(losses, tf.zeros([]))
      self.created = [v.op.name for v in tf.global_variables()]
      self.collections = {key: [item.name for item in tf.get_collection(key)]
                          for key in COLLECTIONS}
      self.model_variables = sorted(v.name for v in tf.model_variables())
      self.trainable = sorted(v.name for v in tf.trainable_variables())
      self.losses = len(losses)
      with tf.control_dependencies(tf.get_collection(KEYS.UPDATE_OPS)):
        self._train = tf.train.MomentumOptimizer(.05, .9).minimize(loss, step)
      self._update = library.Pruning(library.get_pruning_hparams().parse(
          hparams)).conditional_mask_update_op() if hparams else []
      self.saver = tf.train.Saver()
      self._init = tf.global_variables_initializer()
      # Sums in one thread come out the same every time; graphs as they are, round alike.
      config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
      config.graph_options.rewrite_options.disable_meta_optimizer = True
      self.session = tf.Session(config=config)

  def start(self):
    """Sets the variables to values that depend on their names alone."""
    self.session.run(self._init)
    with self.graph.as_default():
      for number, variable in enumerate(sorted(tf.trainable_variables(), key=lambda v: v.name)):
        scale = .5 if 'kernel' in variable.name or 'weights' in variable.name else .1
        variable.load(np.random.RandomState(number).uniform(
            -scale, scale, variable.shape.as_list()).astype(np.float32), self.session)

  def train(self, steps=STEPS):
    """Returns the outputs at each step."""
    outputs = []
    for _ in range(steps):
      outputs.append(self.outputs())
      self.session.run(self._train)
      self.session.run(self._update)
    return outputs + [self.outputs()]

  def outputs(self):
    return self.session.run(self._outputs)

  def values(self):
    with self.graph.as_default():
      return self.session.run({v.op.name: v for v in tf.global_variables()})


@pytest.fixture(scope='module', params=CASES, ids=lambda case: '%s-%s' % (
    case[0].__name__, {PLAIN: 'plain', DECAY: 'decay', BLOCKS: 'blocks'}[case[1]]))
def pair(request, tmp_path_factory):
  """Both libraries' training after some steps, with outputs and checkpoints on the way."""
  made = []
  for library in (THEIRS, OURS):
    each = _Training(library, *request.param)
    each.start()
    each.first = each.train(STEPS // 2)
    each.path = each.saver.save(each.session, str(tmp_path_factory.mktemp('run') / 'model'))
    each.second = each.train(STEPS - STEPS // 2)
    each.end = each.values()
    made.append(each)
  yield made
  for each in made:
    each.session.close()


@pytest.mark.sampled(3)
def test_outputs_are_the_same_at_every_step(pair):
  theirs, ours = pair
  for step, (mine, wanted) in enumerate(zip(ours.first + ours.second,
                                            theirs.first + theirs.second)):
    np.testing.assert_allclose(mine, wanted, rtol=0, atol=TOLERANCE, err_msg='output %d' % step)
  assert not np.allclose(theirs.first[0], theirs.second[-1], atol=1e-3)


@pytest.mark.sampled(3)
def test_variables_are_the_same_in_the_end(pair):
  theirs, ours = pair
  assert sorted(ours.end) == sorted(theirs.end)
  for name, wanted in theirs.end.items():
    np.testing.assert_allclose(ours.end[name], wanted, rtol=0, atol=TOLERANCE, err_msg=name)
  masks = [value for name, value in theirs.end.items() if re.search('/mask(/part_|$)', name)]
  assert masks and all(0 < mask.mean() < 1 for mask in masks)


def test_names_and_collections_are_the_same(pair):
  theirs, ours = pair
  assert sorted(ours.created) == sorted(theirs.created)
  assert ours.trainable == theirs.trainable
  assert ours.model_variables == theirs.model_variables
  assert ours.losses == theirs.losses
  for key in ('masks', 'thresholds', 'kernel'):
    assert sorted(ours.collections[key]) == sorted(set(theirs.collections[key]))
  # contrib enters a reused layer once more each time; ours, once.
  assert set(ours.collections['masked_weights']) <= set(theirs.collections['masked_weights'])


@pytest.mark.parametrize('writer, reader', [(0, 1), (1, 0)],
                         ids=['contrib_to_ours', 'ours_to_contrib'])
def test_checkpoints_resume(pair, writer, reader):
  writer, reader = pair[writer], pair[reader]
  reader.saver.restore(reader.session, writer.path)
  resumed = reader.train(STEPS - STEPS // 2)
  for mine, wanted in zip(resumed, writer.second):
    np.testing.assert_allclose(mine, wanted, rtol=0, atol=TOLERANCE)


def test_a_cell_in_shards(tmp_path):
  """contrib cuts up the kernel but not its mask, and so cannot prune it: only trained here."""
  runs, contents, start = [], [], str(tmp_path / 'start')
  for library in (THEIRS, OURS):
    each = _Training(library, lstm_shards, None)
    with each.session:
      if library is THEIRS:
        each.start()
        each.saver.save(each.session, start)
      else:
        each.saver.restore(each.session, start)
      runs.append(each.train())
      path = each.saver.save(each.session, str(tmp_path / 'end'))
      contents.append(tf.train.NewCheckpointReader(path).get_variable_to_shape_map())
  np.testing.assert_allclose(runs[1], runs[0], rtol=0, atol=TOLERANCE)
  assert contents[1] == contents[0]
  assert contents[0]['rnn/masked_lstm_cell/mask'] == [54, 24]


def test_contrib_cannot_project_to_another_size():
  # Ours can; tests/graph/layers/test_rnn_cells.py compares it with TensorFlow's own cell.
  with tf.Graph().as_default(), pytest.raises(ValueError, match='Dimensions must be equal'):
    images = tf.zeros([4, 8, 8, 3])
    _dynamic_rnn(THEIRS.MaskedLSTMCell(6, num_proj=4), images)


@pytest.mark.parametrize('data_format, shape', [('NCHW', [2, 3, 8, 8]), ('NHWC', [2, 8, 8, 3])])
def test_graphs_of_both_data_formats(data_format, shape):
  """Channels first does not run on CPUs: the graphs are compared instead."""
  found = []
  for library in (THEIRS, OURS):
    with tf.Graph().as_default() as graph:
      outputs = library.masked_conv2d(tf.zeros(shape), 4, [3, 3], stride=2, padding='VALID',
                                      data_format=data_format, scope='conv')
      ops = [op for op in graph.get_operations() if op.type in ('Conv2D', 'BiasAdd', 'Relu')]
      found.append((outputs.shape.as_list(), sorted(v.op.name for v in tf.global_variables()),
                    [(op.type, op.get_attr('data_format') if op.type != 'Relu' else None)
                     for op in ops], list(ops[0].get_attr('strides'))))
  assert found[1] == found[0]
  assert found[0][2][0] == ('Conv2D', data_format.encode())


def test_collections_of_variables_and_outputs():
  found = []
  for library in (THEIRS, OURS):
    with tf.Graph().as_default():
      with tf.variable_scope('net'):
        for reuse in (None, True):
          library.masked_conv2d(tf.zeros([2, 8, 8, 3]), 4, [3, 3], scope='conv', reuse=reuse,
                                variables_collections=['all', 'conv'], outputs_collections='ends')
        library.masked_fully_connected(
            tf.zeros([2, 3]), 4, outputs_collections=['ends', 'fc_ends'],
            variables_collections={'weights': ['w'], 'biases': ['b', 'all'], 'other': ['o']})
      found.append({key: [item.name for item in tf.get_collection(key)]
                    for key in ('all', 'conv', 'w', 'b', 'o', 'fc_ends')})
      found[-1]['ends'] = sorted(slim.utils.convert_collection_to_dict('ends'))
  assert found[1] == found[0]
  assert found[0]['ends'] == ['net/conv', 'net/conv_1', 'net/fully_connected']
  assert found[0]['b'] == ['net/fully_connected/biases:0']


@pytest.mark.parametrize('cell', ['MaskedBasicLSTMCell', 'MaskedLSTMCell'])
def test_weights_of_a_cell(cell):
  found = []
  for library in (THEIRS, OURS):
    with tf.Graph().as_default():
      made = getattr(library, cell)(4)
      _dynamic_rnn(made, tf.zeros([4, 8, 8, 3]))
      found.append([[v.op.name for v in variables] for variables in (
          made.trainable_weights, made.non_trainable_weights, made.weights, made.variables)])
  assert found[1] == found[0]
  assert len(found[0][0]) == 2
