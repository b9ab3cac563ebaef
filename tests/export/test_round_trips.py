# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""One model, whichever way it goes out: every form of it gives the same outputs."""

import os

import numpy as np
import pytest
import tensorflow

from examples.digits import model as digits_model
from examples.language_model import model as language_model_model
import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.export import saved_model
from model_pruning.export.tflite import convert as tflite

pytestmark = pytest.mark.slow

SPEC = 'initial_sparsity=0.75,target_sparsity=0.75'


def _variable(name, shape):
  with tf.variable_scope(name):
    kernel = tf.get_variable('kernel', shape, initializer=tf.glorot_uniform_initializer(seed=1))
    return kernel, tf.get_variable('bias', shape[-1:], initializer=tf.random_normal_initializer())


def _dense(x, name, units):
  kernel, bias = _variable(name, [int(x.shape[-1]), units])
  return tf.matmul(x, kernel) + bias


def mlp(x):
  return _dense(tf.nn.relu(_dense(x, 'fc1', 32)), 'fc2', 5)


def convolution(x):
  kernel, bias = _variable('conv', [3, 3, 2, 8])
  x = tf.nn.relu(tf.nn.conv2d(tf.reshape(x, [-1, 4, 3, 2]), kernel, [1, 1, 1, 1], 'SAME') + bias)
  return _dense(tf.reshape(x, [-1, 4 * 3 * 8]), 'logits', 5)


def partitioned(x):
  with tf.variable_scope('rows', partitioner=tf.fixed_size_partitioner(3)):
    x = tf.nn.relu(_dense(x, 'fc', 30))
  with tf.variable_scope('columns', partitioner=tf.fixed_size_partitioner(2, axis=1)):
    with tf.variable_scope('fc'):
      return tf.matmul(x, tf.get_variable('kernel', [30, 6]))


def lstm(x):
  try:
    cell = tf.nn.rnn_cell.LSTMCell(6)
  except AttributeError as error:
    pytest.skip('%s (TF_USE_LEGACY_KERAS=1 has it)' % error)
  outputs = tf.nn.static_rnn(cell, tf.unstack(tf.reshape(x, [-1, 4, 6]), axis=1),
                             dtype=tf.float32)[0]
  return _dense(outputs[-1], 'logits', 5)


def dynamic_lstm(x):
  try:
    cell = tf.nn.rnn_cell.LSTMCell(6)
  except AttributeError as error:
    pytest.skip('%s (TF_USE_LEGACY_KERAS=1 has it)' % error)
  outputs, _ = tf.nn.dynamic_rnn(cell, tf.reshape(x, [-1, 4, 6]), dtype=tf.float32)
  return _dense(outputs[:, -1], 'logits', 5)


def digits(x):
  """The net of two of the examples."""
  return digits_model.logits(x)


def language_model(x):
  try:
    net = language_model_model.LanguageModel(20, 8)
  except AttributeError as error:
    pytest.skip('%s (TF_USE_LEGACY_KERAS=1 has it)' % error)
  return net.inputs, net.logits


V1, V2 = 'control_flow_v1', 'control_flow_v2'
MODELS = [(model, V1) for model in (mlp, convolution, partitioned, digits)] + [
    pytest.param(model, kind, marks=pytest.mark.legacy_keras) for model, kind in (
        (lstm, V1), (dynamic_lstm, V1), (dynamic_lstm, V2), (language_model, V1),
        (language_model, V2))]


def _examples(model):
  random = np.random.RandomState(3)
  if model is language_model:
    return random.randint(20, size=[100, 7]).astype(np.int32)
  return random.uniform(-1, 1, [100, 8, 8, 1] if model is digits else [100, 24]).astype(np.float32)


def _build(model):
  """Builds a model; returns its placeholder, 'inputs', and its outputs."""
  if model is language_model:
    return model(None)
  x = tf.placeholder(tf.float32, (None,) + _examples(model).shape[1:], 'inputs')
  return x, model(x)


def _session():
  """A session that runs a graph as it is: optimized ones round differently."""
  config = tf.ConfigProto()
  config.graph_options.rewrite_options.disable_meta_optimizer = True
  return tf.Session(config=config)


def _train(model, folder, use_resource, examples):
  """Trains a pruned model, saves it as checkpoint and SavedModel; returns its outputs."""
  with tf.Graph().as_default(), _session() as session:
    tf.set_random_seed(1)
    with tf.variable_scope('', use_resource=use_resource), model_pruning.masked_scope():
      x, y = _build(model)
    y = tf.identity(y, 'outputs')
    train = tf.train.MomentumOptimizer(0.05, 0.9).minimize(
        tf.reduce_mean(tf.square(y - 1)), tf.train.get_or_create_global_step())
    update = model_pruning.Pruning(SPEC).mask_update_op()
    session.run(tf.global_variables_initializer())
    for operation in (train, train, update, train):
      session.run(operation, {x: examples})
    tf.train.Saver().save(session, os.path.join(folder, 'train', 'model.ckpt'))
    tf.saved_model.simple_save(session, os.path.join(folder, 'saved'), {'x': x}, {'y': y})
    return session.run(y, {x: examples})


@pytest.mark.sampled(2)
@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
@pytest.mark.parametrize('model, control_flow', MODELS, indirect=['control_flow'])
def test_every_form_gives_the_outputs_of_the_training_graph(model, use_resource, control_flow,
                                                            tmp_path):
  loops = model in (dynamic_lstm, language_model)
  folder, examples = str(tmp_path), _examples(model)
  wanted = _train(model, folder, use_resource, examples)
  path = os.path.join(folder, 'train')

  stripped = model_pruning.strip_pruning_vars_fn(
      model_pruning.graph_def_from_checkpoint(path, ['outputs']), ['outputs'])
  with tf.Graph().as_default(), _session() as session:
    tf.import_graph_def(stripped, name='')
    np.testing.assert_array_equal(session.run('outputs:0', {'inputs:0': examples}), wanted)

  saved_model.strip_saved_model(os.path.join(folder, 'saved'), os.path.join(folder, 'served'))
  with tf.Graph().as_default(), _session() as session:
    meta = tf.saved_model.load(session, ['serve'], os.path.join(folder, 'served'))
    signature = meta.signature_def['serving_default']
    assert not tf.global_variables()
    np.testing.assert_array_equal(session.run(
        signature.outputs['y'].name, {signature.inputs['x'].name: examples}), wanted)

  checkpoint.strip_checkpoint(path, os.path.join(folder, 'dense', 'model.ckpt'))
  with tf.Graph().as_default(), _session() as session:
    with tf.variable_scope('', use_resource=use_resource):
      x, y = _build(model)
    # What trains on is restored as well: the state of the optimizer, and the step.
    tf.train.MomentumOptimizer(0.05, 0.9).minimize(
        tf.reduce_mean(tf.square(y - 1)), tf.train.get_or_create_global_step())
    tf.train.Saver().restore(session, tf.train.latest_checkpoint(os.path.join(folder, 'dense')))
    np.testing.assert_array_equal(session.run(y, {x: examples}), wanted)
    assert session.run(tf.train.get_global_step()) == 3

  if loops and tensorflow.__version__ < '2':
    return  # Its converter knows no loops.
  path = os.path.join(folder, 'model.tflite')

  def export():
    return tflite.to_tflite(stripped, path, ['inputs'], ['outputs'], examples=list(examples),
                            tolerance=1e-5, input_shapes={'inputs': (1,) + examples.shape[1:]},
                            select_tf_ops=select_tf_ops)

  # TFLite has no kernels for the arrays of TensorFlow 1's loops.
  select_tf_ops = loops and control_flow == V1
  if select_tf_ops and tuple(map(int, tensorflow.__version__.split('.')[:2])) > (2, 15):
    # The interpreter that comes with TensorFlow 2.21 is built without TensorFlow's: what cannot
    # be compared is not written.
    with pytest.raises(errors.ConversionError, match='not supported by this interpreter'):
      export()
    assert not os.path.exists(path)
    return
  result = export()
  assert result.examples == 100 and result.max_error <= 1e-5
