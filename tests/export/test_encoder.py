# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A BERT-like encoder: stripping changes nothing, TensorFlow's fusing of constants does.

TensorFlow 2.15 fuses layer normalization, where its scale and offset are constants, into a
oneDNN kernel with another epsilon (0.001). In a graph of variables it does not.
"""

import numpy as np
import pytest

import model_pruning
from model_pruning import export
from model_pruning.compat import tf
from model_pruning.export.tflite import convert as tflite

HIDDEN, LENGTH, HEADS, LAYERS = 128, 64, 2, 2
OFF = 2  # RewriterConfig.OFF.
VALUES = np.random.RandomState(0).randn(3, LENGTH, HIDDEN).astype(np.float32)


def _normalized(x, name):
  """Layer normalization as Keras makes it, with the epsilon of BERT."""
  with tf.variable_scope(name):
    scale = tf.get_variable('gamma', [HIDDEN], initializer=tf.random_normal_initializer(1, 0.1))
    offset = tf.get_variable('beta', [HIDDEN], initializer=tf.random_normal_initializer(0, 0.1))
  shape = [1] * (x.shape.rank - 1) + [HIDDEN]
  mean, variance = tf.nn.moments(x, [x.shape.rank - 1], keepdims=True)
  return tf.nn.batch_normalization(x, mean, variance, tf.reshape(offset, shape),
                                   tf.reshape(scale, shape), 1e-12)


def _dense(x, units, name):
  with tf.variable_scope(name):
    kernel = tf.get_variable('kernel', [x.shape[-1], units],
                             initializer=tf.truncated_normal_initializer(stddev=0.1))
    bias = tf.get_variable('bias', [units], initializer=tf.random_normal_initializer(0, 0.1))
  flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel) + bias
  return tf.reshape(flat, [-1] + x.shape.as_list()[1:-1] + [units])


def _encoder(x):
  for layer in range(LAYERS):
    with tf.variable_scope('layer_%d' % layer):
      query, key, value = [
          tf.transpose(tf.reshape(_dense(x, HIDDEN, name), [-1, LENGTH, HEADS, HIDDEN // HEADS]),
                       [0, 2, 1, 3]) for name in ('query', 'key', 'value')]
      weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / 8)
      context = tf.reshape(tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3]),
                           [-1, LENGTH, HIDDEN])
      x = _normalized(x + _dense(context, HIDDEN, 'output'), 'norm_1')
      hidden = _dense(x, 4 * HIDDEN, 'intermediate')
      hidden = 0.5 * hidden * (1 + tf.erf(hidden / np.float32(np.sqrt(2))))
      x = _normalized(x + _dense(hidden, HIDDEN, 'last'), 'norm_2')
  return x


@pytest.fixture(scope='module')
def encoder(tmp_path_factory):
  """(outputs of the masked graph, the frozen graph, the stripped one)."""
  folder = str(tmp_path_factory.mktemp('run'))
  with tf.Graph().as_default(), tf.Session(config=_config()) as session:
    tf.set_random_seed(1)
    tf.train.get_or_create_global_step()
    x = tf.placeholder(tf.float32, [None, LENGTH, HIDDEN], 'inputs')
    with model_pruning.masked_scope():
      y = tf.identity(_encoder(x), 'outputs')
    update = model_pruning.Pruning('initial_sparsity=0.8,target_sparsity=0.8').mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    tf.train.Saver().save(session, folder + '/model.ckpt')
    masked = session.run(y, {x: VALUES})
  frozen = export.graph_def_from_checkpoint(folder, ['outputs'])
  return masked, frozen, export.strip_pruning_vars_fn(frozen, ['outputs'])


def _config():
  """A session that computes each operation as it stands."""
  config = tf.ConfigProto()
  config.graph_options.rewrite_options.remapping = OFF
  return config


def _run(graph_def, config=None):
  with tf.Graph().as_default(), tf.Session(config=config) as session:
    tf.import_graph_def(graph_def, name='')
    return session.run('outputs:0', {'inputs:0': VALUES})


def _difference(one, other):
  return np.max(np.abs(one - other)) / np.max(np.abs(other))


@pytest.mark.legs('oldest', 'newest')
def test_without_fusing_the_stripped_graph_is_the_masked_one(encoder):
  masked, frozen, stripped = encoder
  assert _difference(_run(stripped, _config()), masked) < 1e-6
  np.testing.assert_array_equal(_run(stripped, _config()), _run(frozen, _config()))


@pytest.mark.legs()
def test_what_fusing_changes_comes_with_constants_and_not_with_stripping(encoder):
  _, frozen, stripped = encoder
  try:
    before = _run(frozen)
  except tf.errors.InvalidArgumentError:  # 'scale must be 1D tensor', on 2.15.
    with pytest.raises(tf.errors.InvalidArgumentError):
      _run(stripped)
  else:
    np.testing.assert_array_equal(_run(stripped), before)


@pytest.mark.slow
@pytest.mark.legs('newest')
@pytest.mark.skipif(tf.__version__.startswith('1.'), reason='TFLite of 1.15 has no erf')
def test_an_export_is_compared_with_what_was_trained(encoder, tmp_path):
  masked, _, stripped = encoder
  path = tmp_path / 'encoder.tflite'
  written = tflite.to_tflite(stripped, str(path), 'inputs', 'outputs',
                             examples=VALUES)
  assert written.max_error < 1e-5
  interpreter = tflite.interpreter(path.read_bytes())
  interpreter.set_tensor(interpreter.get_input_details()[0]['index'], VALUES[:1])
  interpreter.invoke()
  outputs = interpreter.get_tensor(interpreter.get_output_details()[0]['index'])
  assert _difference(outputs, masked[:1]) < 1e-5
