# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masked weights are found in the collections, whoever filled them, and whatever became of them."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.python import pruning as legacy

_COLLECTIONS = (names.WEIGHT_COLLECTION, names.MASK_COLLECTION, names.THRESHOLD_COLLECTION,
                names.MASKED_WEIGHT_COLLECTION)


@pytest.fixture(autouse=True)
def graph():
  with tf.Graph().as_default() as made:
    tf.train.get_or_create_global_step()
    yield made


def _update(sparsity=0.9, spec=''):
  """Returns the sparsities of the masks after one update, by the name of the mask."""
  update = model_pruning.Pruning('target_sparsity=%s' % sparsity + spec,
                                 sparsity=sparsity).mask_update_op()
  with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    session.run(update)
    return {variable.op.name: round(1 - float(np.mean(session.run(variable))), 6)
            for variable in tf.global_variables() if variable.op.name.split('/')[-1] in (
                'mask', 'mask_1')}


def _towers(number, layers=3):
  for tower in range(number):
    for layer in range(layers):
      with tf.variable_scope('layer%d' % layer, reuse=tower > 0) as scope:
        model_pruning.apply_mask(tf.get_variable('weights', [20, 20]), scope)


def _keep(part):
  for key in _COLLECTIONS:
    found = tf.get_collection_ref(key)
    found[:] = part(found)


@pytest.mark.sampled(8)
@pytest.mark.parametrize('towers', [2, 3])
@pytest.mark.parametrize('part', [
    lambda found: found[:len(found) // 2], lambda found: found[len(found) // 2:],
    lambda found: found[:len(found) // 3], lambda found: found[:1], lambda found: []],
                         ids=['first half', 'second half', 'a third', 'one', 'none'])
def test_weights_of_reused_layers_stay_when_the_collections_are_cut_by_hand(towers, part):
  _towers(towers)
  _keep(part)
  assert _update() == {'layer%d/mask' % layer: 0.9 for layer in range(3)}
  assert len(model_pruning.get_masks()) == 3


@pytest.mark.parametrize('scoped', [False, True])
def test_reuse_in_a_masked_scope_also_counts(scoped):
  for reuse in (False, True):
    with model_pruning.masked_scope(), tf.variable_scope('fc', reuse=reuse):
      tf.get_variable('kernel', [10, 10])
  if scoped:
    _keep(lambda found: [])
  assert _update(0.5) == {'fc/mask': 0.5}


def test_a_weight_taken_out_by_hand_without_reuse_is_not_pruned_and_that_is_said(caplog):
  _towers(1)
  _keep(lambda found: found[:2])
  assert _update() == {'layer0/mask': 0.9, 'layer1/mask': 0.9, 'layer2/mask': 0.0}
  assert 'layer2/weights' in caplog.text


def test_weights_that_contrib_registered_twice_are_pruned_once():
  _towers(1)
  _keep(lambda found: found * 2)
  update = model_pruning.Pruning('target_sparsity=0.9', sparsity=0.9).mask_update_op()
  assert len(model_pruning.get_weight_sparsity()) == 3
  assert update is not None


def _by_hand(index, name, registered=True):
  weight = tf.get_variable('%s%d' % (name, index), [10, 10])
  mask = tf.get_variable('mask' + ('_1' if index else ''), [10, 10],
                         initializer=tf.ones_initializer(), trainable=False)
  threshold = tf.get_variable('threshold%d' % index, [], initializer=tf.zeros_initializer(),
                              trainable=False)
  for key, variable in zip(_COLLECTIONS, (weight, mask, threshold)):
    tf.add_to_collection(key, variable)
  return weight, mask


@pytest.mark.parametrize('name', ['wm', 'weights', 'rec/w'])
@pytest.mark.parametrize('number', [1, 2])
def test_collections_filled_by_hand_without_products(name, number):
  for index in range(number):
    _by_hand(index, name)
  masks = ['mask', 'mask_1'][:number]
  assert _update(0.6) == {mask: 0.6 for mask in masks}


def test_by_hand_beside_apply_mask():
  _by_hand(0, 'wm')
  with tf.variable_scope('fc') as scope:
    masked = model_pruning.apply_mask(tf.get_variable('weights', [10, 10]), scope)
  assert _update(0.6) == {'mask': 0.6, 'fc/mask': 0.6}
  assert legacy.get_masked_weights() == [masked]


def test_collections_that_do_not_belong_together_are_an_error():
  _by_hand(0, 'wm')
  tf.add_to_collection(names.MASK_COLLECTION, tf.get_variable('other/mask', [2]))
  with pytest.raises(errors.GraphMismatchError, match=r'masks \(2\), thresholds \(1\)'):
    _update()


@pytest.mark.parametrize('resource', [False, True])
@pytest.mark.parametrize('parts', [None, 2])
def test_after_a_meta_graph_the_getters_give_what_can_be_run(tmp_path, resource, parts):
  partitioner = parts and tf.fixed_size_partitioner(parts)
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope(
        'fc', use_resource=resource, partitioner=partitioner):
      tf.get_variable('kernel', [10, 10])
    update = model_pruning.Pruning('target_sparsity=0.5', sparsity=0.5).mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    path = tf.train.Saver().save(session, str(tmp_path / 'm'))
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.import_meta_graph(path + '.meta').restore(session, path)
    mask, = model_pruning.get_masks()
    values = session.run(list(mask) if parts else [mask])
    assert np.mean(np.concatenate(values)) == 0.5
    for getter in (model_pruning.get_thresholds, model_pruning.get_masked_weights):
      session.run(getter())
    weight, = model_pruning.get_weights()
    session.run(list(weight) if parts else [weight])
    assert session.run(model_pruning.get_weight_sparsity()) == [0.5]
