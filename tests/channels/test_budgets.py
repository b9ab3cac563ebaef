# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Channels chosen over all groups, so that FLOPs or bytes are met."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import export
from model_pruning.channels import analysis
from model_pruning.compat import tf
from tests.calibration import models
from tests.channels import checking


def _net(images, weight):
  x = tf.nn.relu(tf.nn.conv2d(images, weight('a', 3, 3, 2, 12), 1, 'SAME'))
  x = tf.nn.relu(tf.nn.conv2d(x, weight('b', 3, 3, 12, 40), 1, 'SAME'))
  x = tf.nn.relu(tf.nn.conv2d(x, weight('c', 1, 1, 40, 9), 1, 'SAME'))
  return tf.matmul(tf.reshape(x, [-1, 6 * 6 * 9]), weight('d', 6 * 6 * 9, 3))


GRAPH = models.graph_of(_net)
SIZES = {'a': 12, 'b': 40, 'c': 9}


def _bytes_of(graph_def):
  return sum(value.nbytes for value in checking.values_of(graph_def).values() if value.ndim)


def _flops_of(graph_def):
  # Of a copy: reading an attribute that a node lacks adds an empty one.
  return checking.flops_of(checking.with_values(graph_def, {}))


COUNTED = {'max_flops': _flops_of, 'max_bytes': _bytes_of}


@pytest.mark.parametrize('multiple_of', [1, 4])
@pytest.mark.parametrize('fraction', [0.9, 0.5, 0.2])
@pytest.mark.parametrize('goal', list(COUNTED))
def test_the_budget_is_met_and_nearly_used_up(goal, fraction, multiple_of):
  counted = COUNTED[goal]
  limit = fraction * counted(GRAPH)
  smaller = export.shrink(GRAPH, ['outputs'], multiple_of=multiple_of, **{goal: limit})
  left = counted(smaller.graph_def)
  assert left == (smaller.flops if goal == 'max_flops' else smaller.bytes)[1]
  assert (0.75 if multiple_of == 1 else 0.7) * limit < left <= limit
  for name, size in SIZES.items():
    stay = size - len(smaller.removed.get(name, ()))
    assert stay == size or stay % multiple_of == 0


def test_channels_go_where_they_do_the_least_damage():
  values = checking.values_of(GRAPH)
  values['b'][..., 10:] *= 1e-3
  values['c'][:, :, 10:] *= 1e-3
  graph_def = checking.with_values(GRAPH, values)
  found = analysis.analyse(graph_def, ['outputs'])
  limit = found.flops(found.removed({'b': range(10, 40)}))
  smaller = export.shrink(graph_def, ['outputs'], max_flops=limit)
  assert smaller.removed == {'b': list(range(10, 40))}


def _blocks(images, weight):
  """Three residual blocks, whose sum four layers write, and four read."""
  x = tf.nn.conv2d(images, weight('stem', 3, 3, 2, 64), 1, 'SAME')
  for name in 'abc':
    inner = tf.nn.relu(tf.nn.conv2d(x, weight(name + '1', 1, 1, 64, 64), 1, 'SAME'))
    x += tf.nn.conv2d(inner, weight(name + '2', 3, 3, 64, 64), 1, 'SAME')
  return tf.matmul(tf.reduce_mean(x, [1, 2]), weight('last', 64, 3))


@pytest.mark.parametrize('goal, fraction', [('max_flops', 0.5), ('max_bytes', 0.2)])
def test_by_norm_groups_lose_similar_fractions_and_less_if_they_connect_layers(goal, fraction):
  graph_def = models.graph_of(_blocks)
  smaller = export.shrink(graph_def, ['outputs'], **{goal: fraction * COUNTED[goal](graph_def)})
  stay = {name: 64 - len(smaller.removed.get(name, ())) for name in ('stem', 'a1', 'b1', 'c1')}
  inner = np.mean([stay[name] for name in ('a1', 'b1', 'c1')]) / 64
  assert max(abs(stay[name] / 64 - inner) for name in ('a1', 'b1', 'c1')) < 0.06
  assert abs(stay['stem'] / 64 - inner**(1 / 16)) < 0.04 and stay['stem'] < 64


def test_a_budget_that_cannot_be_met_says_which_can():
  with pytest.raises(errors.ChannelError, match='max_flops=10 cannot be met: .* ask for') as e:
    export.shrink(GRAPH, ['outputs'], max_flops=10)
  least = int(str(e.value).split('ask for ')[1].split()[0])
  smaller = export.shrink(GRAPH, ['outputs'], max_flops=least)
  assert smaller.flops[1] == least
  assert {name: len(numbers) for name, numbers in smaller.removed.items()} == {
      name: size - 1 for name, size in SIZES.items()}
  with pytest.raises(errors.ChannelError, match='keep fewer groups whole'):
    export.shrink(GRAPH, ['outputs'], max_flops=least, keep='b')


def test_groups_to_keep_stay_whole():
  smaller = export.shrink(GRAPH, ['outputs'], max_bytes=0.6 * _bytes_of(GRAPH), keep='b')
  assert 'b' not in smaller.removed and smaller.removed


def test_nothing_goes_if_the_model_is_small_enough():
  smaller = export.shrink(GRAPH, ['outputs'], max_bytes=_bytes_of(GRAPH))
  assert not smaller.removed and smaller.bytes[0] == smaller.bytes[1]


def test_unknown_flops_are_refused_and_bytes_are_not():
  graph_def = models.graph_of(lambda x, weight: tf.reduce_mean(tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(
      x, weight('a', 3, 3, 2, 8), 1, 'SAME')), weight('b', 3, 3, 8, 3), 1, 'SAME'), [1, 2]),
                              (None, None, None, 2))
  with pytest.raises(errors.ChannelError, match='FLOPs of the model are unknown.*max_bytes'):
    export.shrink(graph_def, ['outputs'], max_flops=100)
  smaller = export.shrink(graph_def, ['outputs'], max_bytes=800)
  assert smaller.bytes[1] <= 800 and len(smaller.removed['a']) == 4


@pytest.mark.parametrize('options, message', [
    ({'max_flops': -1}, 'max_flops=-1; expected'), ({'max_bytes': np.nan}, 'max_bytes=nan'),
    ({'fraction': 0.5, 'max_bytes': 5}, 'Give one of .*; got fraction, max_bytes'),
    ({'max_flops': 5, 'max_bytes': 5}, 'got max_flops, max_bytes')])
def test_wrong_goals(options, message):
  with pytest.raises(errors.ChannelError, match=message):
    export.shrink(GRAPH, ['outputs'], **options)


def test_what_several_signatures_compute_counts_once():
  def build(x, weight):
    a, b = weight('a', 4, 6), weight('b', 6, 2)
    first = tf.matmul(tf.nn.relu(tf.matmul(x[:, 0, 0], a)), b, name='first')
    tf.matmul(tf.nn.relu(tf.matmul(x[:, 0, 0] * 1.0, a)), b, name='again')
    return first
  graph_def = models.graph_of(build, (None, 8, 8, 4))
  both = analysis.analyse(graph_def, ['first', 'again'])
  once = analysis.analyse(graph_def, ['first', 'again'], ['first'])
  assert both.flops(both.nothing()) == 2 * once.flops(once.nothing()) == 2 * 2 * (4 * 6 + 6 * 2)
  assert [group.flops for group in once.groups] == [2 * (4 + 2)]
