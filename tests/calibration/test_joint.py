# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The joint refit: all layers together, by gradient steps on unlabeled examples."""

import itertools

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.examples import Input
from model_pruning.calibration.networks import Networks
from model_pruning.calibration.wiring import Wiring
from model_pruning.compat import tf
from tests.calibration import models
from tests.channels import checking


def _residual(images, weight):
  """A block whose shortcut is the identity, with normalizations, and a softmax."""
  def norm(x, name):
    return models.normalized(x, weight, name)
  x = tf.nn.relu(norm(tf.nn.conv2d(images, weight('a', 3, 3, 2, 16), 1, 'SAME'), 'a'))
  y = tf.nn.relu(norm(tf.nn.conv2d(x, weight('b', 1, 1, 16, 16), 1, 'SAME'), 'b'))
  x = tf.nn.relu(x + norm(tf.nn.conv2d(y, weight('c', 1, 1, 16, 16), 1, 'SAME'), 'c'))
  scores = tf.nn.bias_add(tf.matmul(tf.reduce_mean(x, [1, 2]), weight('d', 16, 4)),
                          weight('d/bias', 4))
  return tf.nn.softmax(scores, name='probabilities')


def _scores_apart(graph_def, smaller, images):
  """Returns the squared error in front of the softmax, relative to its variance."""
  expected, found = (models.run(each, images, 'BiasAdd') for each in (
      graph_def, smaller.graph_def))
  return np.sum((found - expected)**2) / np.sum((expected - expected.mean(axis=0))**2)


def _images(number, seed):
  # The factors differ, and the matrix that mixes them is the same.
  mix = np.random.RandomState(9).randn(8, 72)
  return (np.random.RandomState(seed).randn(number, 8) @ mix / 3).reshape(
      number, 6, 6, 2).astype(np.float32)


def test_outputs_without_gradients_are_an_error():
  def classes(images, weight):
    return tf.argmax(_residual(images, weight), axis=1, name='class')

  with pytest.raises(errors.ChannelError, match='no gradient by any weight'):
    one_shot.shrink_graph(models.graph_of(classes), ['outputs'], _images(64, 0), fraction=0.5,
                          joint_steps=5)


def test_examples_that_it_did_not_see_are_closer_than_after_a_refit_of_each_layer():
  graph_def, images, others = models.graph_of(_residual), _images(512, 0), _images(256, 1)
  alone, jointly = (one_shot.shrink_graph(graph_def, ['outputs'], images, fraction=0.75,
                                          joint_steps=steps) for steps in (0, 150))
  assert jointly.removed == alone.removed and jointly.widths == alone.widths
  before, after = (_scores_apart(graph_def, each, others) for each in (alone, jointly))
  assert after < 0.6 * before
  assert jointly.after.error < alone.after.error
  # The layers that read no removed channel, and the means of normalizations, change too.
  values = [checking.values_of(each.graph_def) for each in (alone, jointly)]
  assert all(not np.allclose(*(each[name] for each in values), rtol=1e-3)
             for name in ('a', 'a/mean', 'c', 'd', 'd/bias'))


def test_the_result_is_the_same_in_each_run():
  graph_def, images = models.graph_of(_residual), _images(64, 0)
  first, second = (checking.values_of(one_shot.shrink_graph(
      graph_def, ['outputs'], images, fraction=0.5, joint_steps=5).graph_def) for _ in range(2))
  for name, value in first.items():
    np.testing.assert_allclose(second[name], value, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_differences():
  graph_def, images = models.graph_of(_residual), _images(16, 0)
  values = checking.values_of(graph_def)
  with Networks(graph_def, Wiring(graph_def).kernels(), [], ['outputs']) as networks:
    networks.reset()
    examples = Examples(images, networks.inputs)
    gradients = networks.gradients()
    gradients.measure(examples.batches(64))
    batch = next(examples.batches(64))
    begin = {name: 1.1 * values[name] + 0.05 for name in gradients.names}
    networks.set(begin)
    loss, found = gradients.run(batch)
    assert sorted(found) == ['a', 'a/mean', 'b', 'b/mean', 'c', 'c/mean', 'd', 'd/bias']
    assert loss == pytest.approx(gradients.loss([batch]))
    for name, value in begin.items():
      direction = np.random.RandomState(3).randn(*value.shape)
      sides = []
      for sign in (1, -1):
        networks.set({name: value + sign * 1e-3 * direction})
        sides.append(gradients.loss([batch]))
      networks.set({name: value})
      assert (sides[0] - sides[1]) / 2e-3 == pytest.approx(
          np.sum(found[name] * direction), rel=0.05, abs=0.02)


def test_weights_come_back_if_the_outputs_come_no_closer(caplog):
  def exact(images, weight):
    return tf.matmul(tf.matmul(images, weight('a', 12, 16)), weight('b', 16, 4))
  graph_def, images = models.graph_of(exact, (None, 12)), models.inputs((64, 12))
  values = checking.values_of(graph_def)
  values['a'][:, 8:] *= 1e-4  # Next to nothing is lost, and steps of Adam are not that small.
  graph_def = checking.with_values(graph_def, values)
  with caplog.at_level('WARNING', logger='absl'):
    alone, jointly = (checking.values_of(one_shot.shrink_graph(
        graph_def, ['outputs'], images, fraction=0.5, joint_steps=steps).graph_def)
                      for steps in (0, 3))
  assert 'joint_steps=3: the outputs came no closer' in caplog.text
  for name, value in alone.items():
    np.testing.assert_array_equal(jointly[name], value)


def test_steps_that_cannot_be_made_are_refused():
  graph_def, images = models.graph_of(_residual), _images(16, 0)
  for steps in (-1, 0.5, True, 'many'):
    with pytest.raises(errors.ChannelError, match='joint_steps=.*; expected a number of steps'):
      one_shot.shrink_graph(graph_def, ['outputs'], images, fraction=0.5, joint_steps=steps)
  with pytest.raises(errors.ChannelError, match='joint_steps=5 refits .* give examples'):
    one_shot.shrink_graph(graph_def, ['outputs'], fraction=0.5, joint_steps=5)
  with pytest.raises(errors.ChannelError, match='joint_steps=5 refits .* and one of fraction'):
    one_shot.shrink_graph(graph_def, ['outputs'], images, joint_steps=5)


def test_an_operation_without_a_gradient_is_named():
  def build(images, weight):
    x = tf.matmul(tf.nn.relu(tf.matmul(images, weight('a', 12, 8))), weight('b', 8, 3))
    return tf.image.adjust_hue(tf.reshape(x, [-1, 1, 1, 3]), 0.1)
  graph_def, images = models.graph_of(build, (None, 12)), models.inputs((16, 12))
  with pytest.raises(errors.ChannelError, match='cannot differentiate.*AdjustHue'):
    one_shot.shrink_graph(graph_def, ['outputs'], images, fraction=0.5, joint_steps=5)


def _examples(examples, shape=(None, 2)):
  return Examples(examples, [Input('x', tf.float32, tf.TensorShape(shape))])


def test_arrays_are_shuffled_as_a_whole():
  rows = np.arange(3000, dtype=np.float32).reshape(-1, 1).repeat(2, axis=1)
  batches = list(itertools.islice(_examples(rows).shuffled(64), 92))
  assert all(batch['x'].shape == (64, 2) for batch in batches)
  epochs = [np.concatenate([batch['x'][:, 0] for batch in half]) for half in (
      batches[:46], batches[46:])]
  for epoch in epochs:
    assert len(set(epoch)) == 46 * 64  # The rest is shorter than a batch.
  assert np.ptp(batches[0]['x']) > 2000
  assert not np.array_equal(*epochs)
  again = next(_examples(rows).shuffled(64))
  np.testing.assert_array_equal(again['x'], batches[0]['x'])


def test_streams_and_models_of_a_fixed_batch_are_shuffled():
  parts = list(np.arange(80, dtype=np.float32).reshape(8, 5, 2))
  batch = next(_examples(parts).shuffled(64))['x']
  assert batch.shape == (40, 2) and not np.array_equal(batch, np.concatenate(parts))
  assert sorted(batch[:, 0]) == sorted(np.concatenate(parts)[:, 0])
  fixed = _examples(parts, (16, 2))
  assert [len(each['x']) for each in itertools.islice(fixed.shuffled(64), 5)] == [16] * 5
