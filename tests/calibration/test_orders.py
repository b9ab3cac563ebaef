# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The damage of removing channels, compared with least squares by NumPy."""

import numpy as np
import pytest

from model_pruning.calibration import orders
from model_pruning.calibration import solve
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.networks import Networks
from model_pruning.channels import analysis
from model_pruning.compat import tf
from tests.calibration import models
from tests.channels import checking


def _net(images, weight):
  x = tf.nn.relu(tf.nn.bias_add(tf.matmul(images, weight('a', 12, 10)), weight('a/bias', 10)))
  return tf.nn.bias_add(tf.matmul(x, weight('b', 10, 4)), weight('b/bias', 4))


def test_damage_is_the_least_error_that_remains():
  graph_def, images = models.graph_of(_net, (None, 12)), models.inputs((200, 12))
  with Networks(graph_def, ['a', 'b'], ['images'], ['outputs']) as networks:
    found = orders.by_examples(analysis.analyse(graph_def, ['outputs']), networks,
                               Examples(images, networks.inputs))['a']
  values = checking.values_of(graph_def)
  x = np.maximum(images @ values['a'] + values['a/bias'], 0).astype(np.float64)
  x -= x.mean(axis=0)
  system = x.T @ x + solve.ridge_of(x.T @ x, len(x)) * np.eye(10)
  variance = np.sum(np.square(x @ values['b']))

  def damage(removed):
    kept = np.setdiff1d(np.arange(10), removed)
    change = np.zeros((10, 4))
    change[removed] = -values['b'][removed]
    change[kept] = -np.linalg.solve(system[np.ix_(kept, kept)], system[kept] @ change)
    return np.sum(change * (system @ change)) / variance

  assert sorted(found.numbers) == list(range(10)) and found.costs[0] == 0
  for count in range(1, 6):
    assert found.costs[count] == pytest.approx(damage(found.numbers[:count]), rel=1e-3)
    left = found.numbers[count - 1:]
    best = min(left, key=lambda number: damage([*found.numbers[:count - 1], number]))
    assert found.numbers[count - 1] == best
