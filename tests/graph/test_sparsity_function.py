# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sparsities that only the run knows: one outside [0, 1) stops the update and changes no mask."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from tests import legs

SPEC = 'target_sparsity=0.5,pruning_frequency=1'


class Own(model_pruning.PruningSchedule):
  """A schedule of a user's: an update at every even step."""

  def __init__(self, formula):
    self.formula = formula

  def __call__(self, step):
    return tf.equal(step % 2, 0), self.formula(tf.cast(step, tf.float32))

  def get_config(self):
    return {'class_name': 'Own', 'config': {'formula': self.formula}}


def _function(formula):
  return lambda step: formula(tf.cast(step, tf.float32))


def _tensor(formula):
  return formula(tf.cast(tf.train.get_global_step(), tf.float32))


def _variable(formula):
  """A variable that the program assigns at every step, as contrib's users did."""
  sparsity = tf.get_variable('sparsity', [], initializer=tf.zeros_initializer(), trainable=False)
  tf.add_to_collection('assign', tf.assign(
      sparsity, formula(tf.cast(tf.train.get_global_step(), tf.float32))))
  return sparsity


WAYS = {'function': _function, 'tensor': _tensor, 'variable': _variable, 'schedule': Own}
FORMULAS = {  # In [0, 1) up to step 10.
    'above': lambda step: step / 11,
    'below': lambda step: 0.45 - step / 24,
    'NaN': lambda step: tf.where(step > 10, np.nan * step, step * 0 + 0.5)}


def _program(sparsity, hook):
  """Builds a model of two weights, and returns its train op."""
  step = tf.train.get_or_create_global_step()
  with model_pruning.masked_scope():
    for name in ('fc', 'conv'):
      with tf.variable_scope(name):
        tf.get_variable('kernel', [8, 8])
  made = sparsity()
  return (hook(made), tf.group(tf.assign_add(step, 1), *tf.get_collection('assign')))


@pytest.mark.sampled(3)
@pytest.mark.parametrize('way, wrong', legs.product(sorted(WAYS), sorted(FORMULAS)))
def test_the_update_fails_and_masks_stay(way, wrong):
  with tf.Graph().as_default():
    hook, train_op = _program(lambda: WAYS[way](FORMULAS[wrong]), lambda sparsity: (
        model_pruning.PruningHook(model_pruning.Pruning(SPEC, sparsity=sparsity))))
    masks = model_pruning.get_masks()
    with pytest.raises(tf.errors.InvalidArgumentError, match=(
        r'(?s)model_pruning: sparsity= gave.*at step.*fraction of zeros in \[0, 1\)')):
      with tf.train.MonitoredSession(hooks=[hook]) as session:
        for _ in range(10):
          session.run(train_op)
        before = session.run(masks)
        for _ in range(2):
          session.run(train_op)
    assert 0 < np.mean(before) < 1


def test_a_target_of_a_map_is_scaled_before_it_is_looked_at():
  with tf.Graph().as_default():
    _, train_op = _program(lambda: None, lambda _: None)
    pruning = model_pruning.Pruning(SPEC + ',weight_sparsity_map=[conv:0.9]', sparsity=_function(
        lambda step: step * 0.1))
    update = pruning.mask_update_op()
    with tf.Session() as session:
      session.run(tf.global_variables_initializer())
      for _ in range(5):
        session.run(train_op)
        session.run(update)  # conv gets 0.9 of it at last.
      session.run(train_op)
      with pytest.raises(tf.errors.InvalidArgumentError, match='1.08.*at step.*6'):
        session.run(update)


def test_a_function_without_a_return_is_an_error():
  with tf.Graph().as_default():
    _program(lambda: None, lambda _: None)
    pruning = model_pruning.Pruning(SPEC, sparsity=lambda step: None)
    with pytest.raises(errors.ScheduleError, match='returned None.*`return`'):
      pruning.mask_update_op()
