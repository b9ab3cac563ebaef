# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.python.pruning_interface."""

import types

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.python import pruning_interface

HALF = 'initial_sparsity=0.5,target_sparsity=0.5,pruning_frequency=1'


def _hparams(text=HALF):
  return model_pruning.get_pruning_hparams().parse(text)


def _zeros(session):
  masks = session.run(model_pruning.get_masks())
  return [int(mask.size - mask.sum()) for mask in masks]


@pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])
def test_from_object_to_pruned_weight(use_resource):
  with tf.Graph().as_default() as graph, tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    pruning = pruning_interface.get_matrix_compression_object(_hparams())
    assert isinstance(pruning, model_pruning.Pruning)
    with tf.variable_scope('layer', use_resource=use_resource) as scope:
      weight = tf.get_variable('weights', [4, 5])
      masked = pruning_interface.apply_matrix_compression(pruning, weight, scope)
    assert [mask.op.name for mask in model_pruning.get_masks()] == ['layer/mask']
    update = pruning_interface.get_matrix_compression_update_op(pruning)
    assert update is pruning_interface.get_pruning_update(pruning, _hparams())
    session.run(tf.global_variables_initializer())
    graph.finalize()
    step.load(1, session)
    session.run(update)
    assert _zeros(session) == [10] and np.count_nonzero(session.run(masked)) == 10


def test_the_step_and_the_sparsity_are_passed_on():
  with tf.Graph().as_default(), tf.Session() as session:
    pruning = pruning_interface.get_matrix_compression_object(
        _hparams(), tf.constant(7), tf.constant(0.25))
    pruning_interface.apply_matrix_compression(pruning, tf.get_variable('weights', [4, 5]))
    session.run(tf.global_variables_initializer())
    session.run(pruning.conditional_mask_update_op())
    assert _zeros(session) == [5] and session.run(pruning.last_mask_update_step) == 7


@pytest.mark.parametrize('option', ['first_order_gradient', 'second_order_gradient'])
def test_the_prune_option_is_that_of_the_object(option):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    pruning = pruning_interface.get_matrix_compression_object(_hparams('prune_option=' + option))
    pruning_interface.apply_matrix_compression(pruning, tf.get_variable('weights', [4]), 'layer')
    assert [each.op.name for each in model_pruning.get_gradients()] == ['layer/gradient']


def test_compression_is_refused():
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    with pytest.raises(errors.SpecError, match='low-rank compression'):
      pruning_interface.get_matrix_compression_object(_hparams('prune_option=compression'))
    with pytest.raises(errors.SpecError, match='low-rank compression'):
      pruning_interface.get_pruning_update(model_pruning.Pruning(),
                                           _hparams('prune_option=compression'))


class _Cell:
  """As much of a lingvo cell as apply_pruning deals with."""

  def __init__(self, weight):
    self.vars = types.SimpleNamespace(wm=weight)

  def CreateVariable(self, name, params, theta_fn=None, trainable=True):
    assert theta_fn is None and trainable is False
    shape, value, dtype = params
    with tf.variable_scope('cell'):
      setattr(self.vars, name, tf.get_variable(
          name, shape, dtype, tf.constant_initializer(value, dtype), trainable=trainable))


class _Init:

  @staticmethod
  def Constant(value):
    return value


def test_lstm_cells_of_lingvo():
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    pruning, cell = model_pruning.Pruning(HALF), _Cell(tf.get_variable('cell/wm', [4, 8]))
    given = pruning_interface.apply_pruning(
        pruning, _hparams(), lambda shape, init, dtype: (shape, init, dtype), _Init, cell,
        np.zeros([4, 8]), tf.float32)
    assert given is pruning
    assert model_pruning.get_weights() == [cell.vars.wm]
    assert model_pruning.get_masks() == [cell.vars.mask]
    assert model_pruning.get_thresholds() == [cell.vars.threshold]
    product = cell.vars.wm * cell.vars.mask  # As the cell does.
    session.run(tf.global_variables_initializer())
    step.load(1, session)
    session.run(pruning_interface.get_pruning_update(pruning, _hparams()))
    assert np.count_nonzero(session.run(product)) == 16 and session.run(cell.vars.threshold) > 0


def test_a_cell_without_a_weight_has_nothing_to_prune():
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    pruning_interface.apply_pruning(
        model_pruning.Pruning(), _hparams(), lambda shape, init, dtype: (shape, init, dtype), _Init,
        _Cell(None), np.zeros([2, 2]), tf.float32)
    assert model_pruning.get_masks() == []


def test_run_update_step():
  graph = tf.Graph()
  with graph.as_default():
    step = tf.train.get_or_create_global_step()
    pruning = model_pruning.Pruning(HALF)
    pruning_interface.apply_matrix_compression(pruning, tf.get_variable('weights', [4, 5]))
    initialize, masks = tf.global_variables_initializer(), model_pruning.get_masks()
  with tf.Session(graph=graph) as session:
    session.run(initialize)
    pruning_interface.run_update_step(pruning, session)
    assert session.run(masks[0]).sum() == 20  # Not due at step 0.
    step.load(1, session)
    graph.finalize()  # The update was built in the first call.
    pruning_interface.run_update_step(pruning, session, 1)
    assert session.run(masks[0]).sum() == 10


def test_run_update_step_of_other_objects_is_their_own():
  calls = []
  other = types.SimpleNamespace(run_update_step=lambda session, step: calls.append((session, step)))
  pruning_interface.run_update_step(other, 'session', 3)
  assert calls == [('session', 3)]
