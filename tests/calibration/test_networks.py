# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models side by side: which inputs they need, and errors by the names of the model's own graph."""

import numpy as np
import pytest

from model_pruning import errors
from model_pruning import one_shot
from model_pruning.compat import tf
from tests.calibration import models

X = models.inputs((64, 12)) / 2
HALF = 'target_sparsity=0.5'


def _with_dropout(x, weight):
  keep_prob = tf.placeholder(tf.float32, [], 'keep_prob')
  y = tf.nn.relu(tf.matmul(x, weight('fc1/kernel', 12, 16))) * keep_prob
  return tf.matmul(y, weight('fc2/kernel', 16, 5))


@pytest.mark.parametrize('function, options', [
    (one_shot.prune_graph, {'hparams': HALF}), (one_shot.plan_graph, {'target_sparsity': 0.5}),
    (one_shot.sensitivity_of_graph, {})])
def test_a_placeholder_that_is_not_fed_is_named_as_in_the_model(function, options):
  dense = models.graph_of(_with_dropout, (None, 12))
  with pytest.raises(errors.ExamplesError, match='need the input keep_prob, which is not among the '
                     r'named inputs \(images\)'):
    function(dense, examples=X, inputs=['images'], outputs=['outputs'], **options)
  function(dense, examples={'images': X, 'keep_prob': 1.0}, outputs=['outputs'], **options)


def test_layers_before_an_input_are_only_masked():
  def build(x, weight):
    y = tf.identity(tf.matmul(x, weight('fc1/kernel', 12, 16)), 'features')
    return tf.matmul(tf.nn.relu(y), weight('fc2/kernel', 16, 5))

  pruned = one_shot.prune_graph(models.graph_of(build, (None, 12)), HALF, models.inputs((64, 16)),
                                inputs=['features'], outputs=['outputs'])
  reasons = {row.name: row.reason for row in pruned.rows}
  assert reasons == {'fc1/kernel': 'it comes before the inputs', 'fc2/kernel': ''}


@pytest.mark.parametrize('scope', ['', 'dense/', 'pruned/'])
def test_errors_of_tensorflow_have_the_names_of_the_model(scope):
  def build(x, weight):
    with tf.control_dependencies([tf.debugging.Assert(
        tf.reduce_all(x < 0), ['of', scope + 'fc1/kernel'], name=scope + 'check')]):
      return tf.matmul(tf.identity(x), weight(scope + 'fc1/kernel', 12, 5))

  with pytest.raises(errors.ModelFileError, match='cannot compute the model on the examples') as (
      caught):
    one_shot.prune_graph(models.graph_of(build, (None, 12)), HALF, np.abs(X) + 1,
                         outputs=['outputs'])
  assert len(str(caught.value).splitlines()) == 1
  if scope:
    assert scope * 2 not in str(caught.value)
  else:
    assert 'dense/' not in str(caught.value) and 'pruned/' not in str(caught.value)
