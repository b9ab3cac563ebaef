# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels are removed from graphs, and the weights that stay are refitted to examples."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.calibration import solve
from model_pruning.compat import tf
from tests.calibration import models
from tests.channels import checking


def error(graph_def, smaller, images):
  """Returns the squared error of the outputs, relative to their variance."""
  expected = models.run(graph_def, images)
  wrong = models.run(smaller.graph_def, images) - expected
  return np.sum(wrong**2) / np.sum((expected - expected.mean(axis=0))**2)


def _dense(images, weight):
  x = tf.nn.relu(tf.nn.bias_add(tf.matmul(images, weight('a', 12, 16)), weight('a/bias', 16)))
  return tf.nn.bias_add(tf.matmul(x, weight('b', 16, 4)), weight('b/bias', 4))


def _dense_inputs(number=200, seed=0):
  return models.inputs((number, 12), seed)


def test_readers_are_the_least_squares_of_numpy():
  graph_def, images = models.graph_of(_dense, (None, 12)), _dense_inputs()
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], images, fraction=0.5, classes=False)
  values, after = checking.values_of(graph_def), checking.values_of(smaller.graph_def)
  kept = [number for number in range(16) if number not in smaller.removed['a']]
  np.testing.assert_array_equal(after['a'], values['a'][:, kept])
  np.testing.assert_array_equal(after['a/bias'], values['a/bias'][kept])
  hidden = np.maximum(images @ values['a'] + values['a/bias'], 0).astype(np.float64)
  x, y = hidden[:, kept], hidden @ values['b']
  mean = x.mean(axis=0)
  gram = (x - mean).T @ (x - mean)
  ridge = solve.ridge_of(gram, len(x))
  matrix = np.linalg.solve(gram + ridge * np.eye(8), (x - mean).T @ (y - y.mean(axis=0)) +
                           ridge * values['b'][kept])
  np.testing.assert_allclose(after['b'], matrix, rtol=1e-3, atol=1e-4)
  np.testing.assert_allclose(after['b/bias'], values['b/bias'] + (y - x @ matrix).mean(axis=0),
                             rtol=1e-3, atol=1e-3)
  assert smaller.after.error == pytest.approx(error(graph_def, smaller, images), rel=1e-2)
  assert smaller.after.error < 0.5 * smaller.before.error
  assert [fit.weight for fit in smaller.fits] == ['b'] and smaller.fits[0].refitted < 0.2


def _with_copies(graph_def, kernel, reader, axis):
  """Returns the graph whose second half of channels, times 3, equals the first half."""
  values = checking.values_of(graph_def)
  for name in kernel:
    value = values[name]
    half = value.shape[-1] // 2
    value[..., half:] = 3 * value[..., :half]
  np.moveaxis(values[reader], axis, 0)[0] += 0.5
  return checking.with_values(graph_def, values)


def test_channels_go_whose_work_others_can_do_and_not_the_small_ones():
  graph_def = models.graph_of(_dense, (None, 12))
  graph_def = _with_copies(graph_def, ['a', 'a/bias'], 'b', 0)
  images = _dense_inputs()
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], images, fraction=0.5)
  assert sorted(number % 8 for number in smaller.removed['a']) == list(range(8))
  assert error(graph_def, smaller, _dense_inputs(seed=1)) < 1e-3
  unfitted = one_shot.shrink_graph(graph_def, ['outputs'], fraction=0.5)
  assert error(graph_def, unfitted, _dense_inputs(seed=1)) > 0.01


def test_a_constant_channel_costs_nothing_as_the_bias_takes_it():
  graph_def = models.graph_of(_dense, (None, 12))
  values = checking.values_of(graph_def)
  values['a'][:, 5], values['a/bias'][5] = 0, 2.5
  values['b'][5] = 10  # By its norm it would stay.
  graph_def = checking.with_values(graph_def, values)
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], _dense_inputs(), fraction=1 / 16)
  assert smaller.removed == {'a': [5]}
  assert error(graph_def, smaller, _dense_inputs(seed=1)) < 1e-8


def _convolutions(images, weight):
  """A residual net with normalizations, a depthwise convolution and a flattening."""
  def norm(x, name):
    return models.normalized(x, weight, name)
  x = tf.nn.relu(norm(tf.nn.conv2d(images, weight('a', 3, 3, 2, 16), 1, 'SAME'), 'a'))
  y = tf.nn.relu6(norm(tf.nn.depthwise_conv2d(x, weight('w', 3, 3, 16, 1), [1] * 4, 'SAME'), 'w'))
  x = tf.nn.relu(x + norm(tf.nn.conv2d(y, weight('b', 1, 1, 16, 16), 1, 'SAME'), 'b'))
  x = tf.nn.relu(norm(tf.nn.conv2d(x, weight('c', 3, 3, 16, 12), 2, 'SAME'), 'c'))
  return tf.matmul(tf.reshape(x, [-1, 3 * 3 * 12]), weight('d', 3 * 3 * 12, 4))


@pytest.mark.sampled(3)
@pytest.mark.parametrize('goal', [{'fraction': 0.25}, {'fraction': 0.5, 'multiple_of': 4},
                                  {'max_flops': 60e3}, {'max_bytes': 6e3}])
def test_convolutions_with_normalizations(goal):
  graph_def = models.graph_of(_convolutions)
  images, others = models.inputs((64, 6, 6, 2)), models.inputs((64, 6, 6, 2), 0)
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], images, **goal)
  assert sorted(fit.weight for fit in smaller.fits) == ['b', 'c', 'd']
  assert not any(fit.reason for fit in smaller.fits)
  assert error(graph_def, smaller, others) == pytest.approx(smaller.after.error, rel=1e-2)
  assert smaller.after.error < 0.5 * smaller.before.error
  if 'max_flops' in goal:
    assert checking.flops_of(smaller.graph_def) == smaller.flops[1] <= goal['max_flops']
  if 'max_bytes' in goal:
    assert smaller.bytes[1] <= goal['max_bytes']
  assert 'changed answers on the examples: ' in smaller.table()


def test_as_many_channels_go_as_the_loss_allows():
  graph_def, images = models.graph_of(_convolutions), models.inputs((64, 6, 6, 2))
  removed = []
  for loss in (0.02, 0.3):
    smaller = one_shot.shrink_graph(graph_def, ['outputs'], images, max_loss=loss, classes=False)
    assert smaller.after.loss == smaller.after.error <= loss
    removed.append(sum(map(len, smaller.removed.values())))
  assert 0 < removed[0] < removed[1]


def test_a_loss_that_cannot_be_met_is_refused():
  def smooth(images, weight):
    return tf.matmul(tf.tanh(tf.matmul(images, weight('a', 12, 6))), weight('b', 6, 4))
  graph_def, images = models.graph_of(smooth, (None, 12)), _dense_inputs()
  with pytest.raises(errors.ChannelError, match='max_loss=1e-12 cannot be met: the least loss'):
    one_shot.shrink_graph(graph_def, ['outputs'], images, max_loss=1e-12, classes=False)
  with pytest.raises(errors.ChannelError, match='max_loss=0.1 is measured on examples'):
    one_shot.shrink_graph(graph_def, ['outputs'], max_loss=0.1)


def test_products_of_two_activations():
  def attention(images, weight):
    def heads(name):
      x = tf.reshape(tf.nn.bias_add(tf.matmul(images, weight(name, 12, 8)),
                                    1 + weight(name + '/bias', 8)), [-1, 2, 4])
      return x
    scores = tf.matmul(heads('q'), heads('k'), transpose_b=True)
    x = tf.reshape(tf.matmul(tf.nn.softmax(scores), heads('v')), [-1, 8])
    return tf.matmul(x, weight('out', 8, 3))
  graph_def = models.graph_of(attention, (None, 12))
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], _dense_inputs(), fraction=0.5)
  # A channel of queries and keys adds nothing to the scores, whatever their biases are.
  assert smaller.removed and smaller.after.error < smaller.before.error
  assert error(graph_def, smaller, _dense_inputs()) == pytest.approx(smaller.after.error, rel=1e-2)


def test_layers_that_cannot_be_refitted_are_named():
  def repeated(images, weight):
    kernel, reader = weight('a', 12, 8), weight('b', 8, 4)
    x = tf.matmul(tf.nn.relu(tf.matmul(images, kernel)), reader)
    return tf.matmul(tf.nn.relu(tf.matmul(x, weight('again', 4, 8))), reader)
  graph_def = models.graph_of(repeated, (None, 12))
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], _dense_inputs(), fraction=0.5)
  assert len(smaller.removed['a']) == 4
  assert [fit.reason for fit in smaller.fits if fit.weight == 'b'] == ['it is used 2 times']
  assert 'Not refitted: ' in smaller.table() and 'b (it is used 2 times)' in smaller.table()


def test_a_layer_with_several_inputs_is_refitted_to_all_of_them():
  def towers(images, weight):
    kernel, reader, bias = weight('a', 12, 8), weight('b', 8, 6), weight('c', 6)
    left, right = (tf.nn.bias_add(tf.matmul(tf.nn.relu(tf.matmul(x, kernel)), reader), bias)
                   for x in (images, 1 - images))
    return tf.concat([left, right], 1)
  graph_def = models.graph_of(towers, (None, 12))
  images = _dense_inputs()
  smaller = one_shot.shrink_graph(graph_def, ['outputs'], images, fraction=0.5)
  assert not any(fit.reason for fit in smaller.fits)

  # The least squares of the rows of both towers, by NumPy.
  kept = np.setdiff1d(np.arange(8), smaller.removed['a'])
  kernel, reader, bias = (models.value(graph_def, name).astype(np.float64) for name in 'abc')
  x = np.maximum(np.concatenate([images, 1 - images]) @ kernel, 0)
  y = x @ reader + bias
  solved = np.linalg.lstsq(np.hstack([x[:, kept], np.ones([len(x), 1])]), y, rcond=None)[0]
  least = np.sum((np.hstack([x[:, kept], np.ones([len(x), 1])]) @ solved - y)**2)
  found, offset = smaller.values['b'][kept], smaller.values['c']
  assert np.sum((x[:, kept] @ found + offset - y)**2) < 1.05 * least
  assert error(graph_def, smaller, images) == pytest.approx(smaller.after.error, rel=1e-2)


def test_examples_that_do_not_fit_are_refused():
  graph_def = models.graph_of(_dense, (None, 12))
  with pytest.raises(errors.ExamplesError, match='shape'):
    one_shot.shrink_graph(graph_def, ['outputs'], np.zeros([20, 5], np.float32), fraction=0.5)


def test_the_loss_of_several_outputs_is_the_largest():
  def build(images, weight):
    x = tf.nn.relu(tf.matmul(images, weight('a', 12, 16)))
    # Its answer is the same whatever goes.
    tf.add(tf.matmul(x, weight('sure', 16, 2)), [1000.0, 0.0], name='always_first')
    return tf.matmul(x, weight('b', 16, 4))
  graph_def, images = models.graph_of(build, (None, 12)), _dense_inputs()
  expected = models.run(graph_def, images).argmax(axis=1)
  for outputs in (['always_first', 'outputs'], ['outputs', 'always_first']):
    smaller = one_shot.shrink_graph(graph_def, outputs, images, max_loss=0.1)
    changed = np.mean(models.run(smaller.graph_def, images).argmax(axis=1) != expected)
    assert 0 < changed <= 0.1
    assert smaller.after.changed == pytest.approx(changed)


@pytest.mark.parametrize('dtype', [object, 'S'])
def test_examples_may_be_strings(dtype):
  with tf.Graph().as_default() as graph:
    lines = tf.placeholder(tf.string, [None], 'lines')
    random = np.random.RandomState(0)
    weight = lambda *shape: tf.constant(random.standard_normal(shape).astype(np.float32))
    x = tf.reshape(tf.cast(tf.io.decode_raw(lines, tf.uint8), tf.float32) / 256 - 0.5, [-1, 12])
    x = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, weight(12, 16)), weight(16)))
    tf.identity(tf.nn.bias_add(tf.matmul(x, weight(16, 4)), weight(4)), 'outputs')
  examples = np.array([random.randint(1, 255, 12).astype(np.uint8).tobytes() for _ in range(64)],
                      dtype)
  smaller = one_shot.shrink_graph(graph.as_graph_def(), ['outputs'], {'lines': examples},
                                  fraction=0.5)
  assert smaller.after.error < smaller.before.error


@pytest.mark.parametrize('with_examples', [False, True])
def test_another_signature_looks_strings_up(tmp_path, with_examples):
  graph_def, images = models.graph_of(_dense, (None, 12)), _dense_inputs()
  with tf.Graph().as_default(), tf.Session() as session:
    tf.import_graph_def(graph_def, name='')
    words = tf.placeholder(tf.string, [None], 'words')
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(
        tf.constant(['a', 'b']), tf.constant([1.0, 2.0])), 0.5)
    graph = tf.get_default_graph()
    inputs, outputs = (graph.get_tensor_by_name(name + ':0') for name in ('images', 'outputs'))
    session.run(tf.tables_initializer())
    builder = tf.saved_model.builder.SavedModelBuilder(str(tmp_path / 'model'))
    sign = tf.saved_model.predict_signature_def
    builder.add_meta_graph_and_variables(session, ['serve'], {
        'serving_default': sign({'images': inputs}, {'outputs': outputs}),
        'scaled': sign({'images': inputs, 'words': words},
                       {'outputs': outputs * table.lookup(words)[:, None]})},
                                         main_op=tf.tables_initializer())
    builder.save()
  smaller = one_shot.shrink_saved_model(
      str(tmp_path / 'model'), str(tmp_path / 'smaller'), images if with_examples else None,
      fraction=0.5)
  assert len(smaller.removed['a']) == 8
