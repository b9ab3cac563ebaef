# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The private names of contrib that public code uses, under model_pruning.python alone."""

import re

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.python import pruning


@pytest.fixture(autouse=True)
def graph():
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    for scope in ('conv1', 'conv2'):
      with tf.variable_scope(scope) as opened:
        pruning.apply_mask(tf.get_variable('weights', [10, 10]), opened)
    yield


def _run(made, *fetches):
  update = made.mask_update_op()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run(update)
    return [1 - float(np.mean(mask)) for mask in session.run(pruning.get_masks())], session.run(
        list(fetches))


def test_what_is_set_in_spec_counts_until_the_operations_are_built():
  made = pruning.Pruning('target_sparsity=0.5,initial_sparsity=0.5')
  made._spec.weight_sparsity_map = ['conv1/weights:0.1']
  made._spec.target_sparsity = 0.7
  made._spec.initial_sparsity = 0.7
  assert made.spec.target_sparsity == 0.7
  zeros, _ = _run(made)
  np.testing.assert_allclose(zeros, [0.7, 0.7], atol=1e-6)  # At step 0 both are at the initial one.
  assert made._get_weight_sparsity_map() == {re.compile('conv1/weights'): 0.1}


def test_the_map_can_be_set_as_contrib_kept_it():
  made = pruning.Pruning('target_sparsity=0.5,sparsity_function_end_step=1',
                         global_step=tf.constant(1))
  made._weight_sparsity_map = {'conv1': 0.2}
  made._block_dims_map = {'conv2': [2, 5]}
  assert made._weight_sparsity_map == {re.compile('conv1'): 0.2}
  assert [key.search('conv1/weights') is not None for key in made._weight_sparsity_map] == [True]
  made._weight_sparsity_map = made._weight_sparsity_map
  assert made._block_dims_map == made._get_block_dims_map() == {re.compile('conv2'): (2, 5)}
  zeros, _ = _run(made)
  np.testing.assert_allclose(zeros, [0.2, 0.5], atol=1e-6)


def test_the_sparsity_has_contribs_name():
  with tf.Graph().as_default() as graph:
    step = tf.train.get_or_create_global_step()
    model_pruning.Pruning('target_sparsity=0.8,sparsity_function_end_step=4,'
                          'sparsity_function_exponent=1')
    model_pruning.Pruning('target_sparsity=0.8,name=other', sparsity=0.5)
    assert 'other/sparsity' not in {each.name for each in graph.get_operations()}
    with tf.Session() as session:
      session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
      session.run(tf.assign(step, 2))
      assert session.run('model_pruning/sparsity:0') == pytest.approx(0.4)


def test_what_is_set_in_spec_is_validated():
  made = pruning.Pruning()
  made._spec.target_sparsity = 1.5
  with pytest.raises(errors.SpecError, match='target_sparsity'):
    made.mask_update_op()


def test_the_callers_hparams_stay_as_they_are():
  hparams = pruning.get_pruning_hparams()
  made = pruning.Pruning(hparams)
  made._spec.target_sparsity = 0.9
  assert hparams.target_sparsity == 0.5


def test_sparsity_is_a_tensor_and_can_be_replaced():
  made = pruning.Pruning('target_sparsity=0.5,initial_sparsity=0.5')
  zeros, (sparsity,) = _run(made, made._sparsity)
  assert sparsity == 0.5 and zeros == [0.5, 0.5]
  other = pruning.Pruning('target_sparsity=0.5')
  other._sparsity = 0.3
  zeros, (sparsity,) = _run(other, other._sparsity)
  assert round(float(sparsity), 6) == 0.3
  np.testing.assert_allclose(zeros, [0.3, 0.3], atol=1e-6)


@pytest.mark.parametrize('name', [name for name in dir(names) if name.endswith('_COLLECTION')])
def test_collections_have_contribs_names(name):
  assert getattr(pruning, '_' + name) == getattr(names, name)


def test_the_aliases_are_nowhere_else():
  assert not hasattr(model_pruning.Pruning(), '_spec')
  assert not hasattr(model_pruning, '_MASK_COLLECTION')


def test_it_is_a_pruning_for_the_hook():
  hook = pruning.PruningHook(pruning.Pruning('target_sparsity=0.5'))
  step = tf.train.get_global_step()
  train = step.assign_add(1)
  with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
    session.run(train)
