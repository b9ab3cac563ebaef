# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A regularizer counts once, on the weight, with a masked_scope as without one."""

import contextlib

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf


def _has_layers():
  try:
    return bool(tf.layers.dense)
  except (AttributeError, ImportError):
    return False


pytestmark = pytest.mark.skipif(not _has_layers(), reason='tf.layers is gone with Keras 3')


def _penalty(weight):
  return 0.1 * tf.reduce_sum(weight * weight)


def _dense(reuse):
  tf.layers.dense(tf.ones([2, 8]), 8, kernel_regularizer=_penalty, name='fc', reuse=reuse)


def _conv(reuse):
  tf.layers.conv2d(tf.ones([2, 8, 8, 3]), 4, 3, kernel_regularizer=_penalty,
                   bias_regularizer=_penalty, name='conv', reuse=reuse)


def _separable(reuse):
  tf.layers.separable_conv2d(tf.ones([2, 8, 8, 3]), 4, 3, pointwise_regularizer=_penalty,
                             depthwise_regularizer=_penalty, name='conv', reuse=reuse)


def _get_variable(reuse):
  with tf.variable_scope('own', reuse=reuse):
    tf.get_variable('kernel', [4, 4], regularizer=_penalty)


def _scope_default(reuse):
  with tf.variable_scope('own', reuse=reuse, regularizer=_penalty):
    tf.layers.dense(tf.ones([2, 8]), 8, name='fc')


def _slim(reuse):
  slim = pytest.importorskip('tf_slim')
  slim.fully_connected(tf.ones([2, 8]), 8, weights_regularizer=_penalty, scope='fc', reuse=reuse)


def _partitioned(reuse):
  with tf.variable_scope('cut', reuse=reuse, partitioner=tf.fixed_size_partitioner(2)):
    tf.layers.dense(tf.ones([2, 8]), 8, kernel_regularizer=_penalty, name='fc')


_made = []


def _layer_object(reuse):
  if not reuse:
    _made[:] = [tf.layers.Dense(8, kernel_regularizer=_penalty, name='fc')]
  _made[0](tf.ones([2, 8]))


def _penalties(model, towers, scope):
  """Returns the values of the penalties of so many towers."""
  with tf.Graph().as_default(), tf.Session() as session:
    with scope():
      for tower in range(towers):
        model(tower > 0)
    session.run([tf.assign(variable, tf.ones_like(variable) * 2)
                 for variable in tf.trainable_variables()])
    for variable in tf.global_variables():
      if 'mask' in variable.op.name:
        session.run(tf.assign(variable, tf.zeros_like(variable)))
      elif 'threshold' in variable.op.name:
        session.run(variable.initializer)
    return sorted(session.run(tf.losses.get_regularization_losses()))


@pytest.mark.sampled(6)
@pytest.mark.parametrize('model', [
    _dense, _conv, _separable, _get_variable, _scope_default, _slim, _partitioned, _layer_object])
@pytest.mark.parametrize('towers', [1, 3])
def test_penalties_are_those_of_the_model_without_masks(model, towers):
  """The masks are zeros, so a penalty on a product would be zero too."""
  dense = _penalties(model, towers, contextlib.nullcontext)
  masked = _penalties(model, towers, model_pruning.masked_scope)
  assert dense
  np.testing.assert_allclose(masked, dense, rtol=1e-6)


def test_layers_outside_any_masked_scope_do_not_change():
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      _dense(False)
    _conv(False)
    assert len(tf.losses.get_regularization_losses()) == 3
