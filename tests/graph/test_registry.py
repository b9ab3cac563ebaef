# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of apply_mask and of what it leaves in the graph; masked_scope has its own file."""

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables

# Old checkpoints and graph tools know these names; they are written out on purpose.
COLLECTIONS = ('masks', 'thresholds', 'masked_weights', 'kernel')

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


def _weights(name='layer', shape=(4, 6), dtype=tf.float32, use_resource=False, partitioner=None):
  """Makes <name>/weights, from -1 to 1 in steps, and masks it; returns (weights, masked)."""
  with tf.variable_scope(name, use_resource=use_resource, partitioner=partitioner):
    weights = tf.get_variable('weights', shape, dtype,
                              initializer=tf.random_uniform_initializer(-1, 1, seed=1))
    return weights, model_pruning.apply_mask(weights, tf.get_variable_scope())


def _collections():
  return {key: tf.get_collection(key) for key in COLLECTIONS}


# ---- What it makes. ----


@both_kinds
def test_variables_have_contribs_names_and_the_form_of_the_weight(use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    weights, _ = _weights(use_resource=use_resource)
    by_name = {variable.op.name: variable for variable in tf.global_variables()}
    assert sorted(by_name) == ['layer/mask', 'layer/threshold', 'layer/weights']
    mask, threshold = by_name['layer/mask'], by_name['layer/threshold']
    assert mask.shape.as_list() == [4, 6] and threshold.shape.as_list() == []
    assert mask.dtype.base_dtype == threshold.dtype.base_dtype == tf.float32
    assert [variable.op.name for variable in tf.trainable_variables()] == ['layer/weights']
    session.run(tf.global_variables_initializer())
    np.testing.assert_array_equal(session.run(mask), np.ones([4, 6]))
    assert session.run(threshold) == 0
    assert mask.op.type == threshold.op.type == weights.op.type


def test_variables_have_the_weights_kind_and_not_the_scopes():
  with tf.Graph().as_default():
    for use_resource in (False, True):
      with tf.variable_scope('of_weight', use_resource=use_resource):
        weights = tf.get_variable('weights%d' % use_resource, [2])
      with tf.variable_scope('of_mask%d' % use_resource, use_resource=not use_resource):
        model_pruning.apply_mask(weights, tf.get_variable_scope())
    assert [mask.op.type for mask in model_pruning.get_masks()] == ['VariableV2', 'VarHandleOp']
    assert [threshold.op.type for threshold in model_pruning.get_thresholds()] == [
        'VariableV2', 'VarHandleOp']


def test_names_are_relative_to_the_current_scope():
  with tf.Graph().as_default():
    weights = tf.get_variable('weights', [2])
    model_pruning.apply_mask(weights, 'outermost')
    with tf.variable_scope('outer'):
      model_pruning.apply_mask(weights, 'inner')
      # The two slashes are contrib's, and in its checkpoints.
      model_pruning.apply_mask(weights)
    assert [mask.op.name for mask in model_pruning.get_masks()] == [
        'outermost/mask', 'outer/inner/mask', 'outer//mask']


@both_kinds
def test_the_masked_weight_is_a_product_under_contribs_name(use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    weights, masked = _weights(use_resource=use_resource)
    assert masked.op.name == 'layer/weights/masked_weight'
    mask = model_pruning.get_masks()[0]
    session.run(tf.global_variables_initializer())
    np.testing.assert_array_equal(*session.run([masked, weights]))
    pattern = (np.arange(24).reshape(4, 6) % 3 == 0).astype(np.float32)
    session.run(tf.assign(mask, tf.constant(pattern)))
    product, stored = session.run([masked, weights])
    np.testing.assert_array_equal(product, stored * pattern)
    assert np.all(stored != 0), 'the weight itself keeps its values'


def test_collections_hold_one_entry_per_weight_in_order():
  with tf.Graph().as_default():
    pairs = [_weights('first'), _weights('second', shape=(3,))]
    collections = _collections()
    assert {key: len(value) for key, value in collections.items()} == dict.fromkeys(COLLECTIONS, 2)
    assert [mask.op.name for mask in collections['masks']] == ['first/mask', 'second/mask']
    assert [threshold.op.name for threshold in collections['thresholds']] == [
        'first/threshold', 'second/threshold']
    for (weights, masked), found, found_masked in zip(
        pairs, collections['kernel'], collections['masked_weights']):
      assert found is weights and found_masked is masked


def test_getters_read_the_collections_of_the_default_graph():
  with tf.Graph().as_default():
    _weights()
    collections = _collections()
    assert model_pruning.get_masks() == collections['masks']
    assert model_pruning.get_thresholds() == collections['thresholds']
    assert model_pruning.get_masked_weights() == collections['masked_weights']
    assert model_pruning.get_weights() == collections['kernel']
    with tf.Graph().as_default():
      assert model_pruning.get_masks() == model_pruning.get_weights() == []
      assert model_pruning.get_weight_sparsity() == registry.masked_weights() == []


def test_weight_sparsity_is_the_fraction_of_zeros_in_each_mask():
  with tf.Graph().as_default(), tf.Session() as session:
    _weights('dense')
    _weights('pruned', shape=(2, 4), partitioner=tf.fixed_size_partitioner(2, axis=1))
    session.run(tf.global_variables_initializer())
    first, second = list(model_pruning.get_masks()[1])
    session.run([tf.assign(first, [[0, 1], [1, 1]]), tf.assign(second, [[0, 0], [1, 1]])])
    sparsity = model_pruning.get_weight_sparsity()
    assert [tensor.dtype for tensor in sparsity] == [tf.float32, tf.float32]
    assert session.run(sparsity) == [0, 0.375]


def test_gradients_reach_only_what_is_kept():
  with tf.Graph().as_default(), tf.Session() as session:
    weights, masked = _weights(shape=(3,))
    gradient, = tf.gradients(tf.reduce_sum(5 * masked), weights)
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(model_pruning.get_masks()[0], [1., 0., 1.]))
    np.testing.assert_array_equal(session.run(gradient), [5, 0, 5])


def test_a_tensor_can_be_masked():
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('layer'):
      weights = tf.get_variable('weights', [2], initializer=tf.ones_initializer())
      masked = model_pruning.apply_mask(weights * 3, tf.get_variable_scope())
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(model_pruning.get_masks()[0], [0., 1.]))
    np.testing.assert_array_equal(session.run(masked), [0, 3])


def test_apply_mask_and_return_gives_the_mask_as_well():
  with tf.Graph().as_default():
    with tf.variable_scope('layer'):
      weights = tf.get_variable('weights', [2])
      masked, mask = model_pruning.apply_mask_and_return(weights, tf.get_variable_scope())
    assert masked is model_pruning.get_masked_weights()[0]
    assert mask is model_pruning.get_masks()[0]


# ---- Masking twice. ----


@both_kinds
@pytest.mark.parametrize('parts', [0, 2])
def test_reuse_registers_once_and_shares_the_mask(use_resource, parts):
  partitioner = tf.fixed_size_partitioner(parts) if parts else None
  with tf.Graph().as_default(), tf.Session() as session:
    _, first = _weights(use_resource=use_resource, partitioner=partitioner)
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
      _, second = _weights(use_resource=use_resource, partitioner=partitioner)
    assert {len(value) for value in _collections().values()} == {1}
    assert len(tf.global_variables()) == 2 * max(parts, 1) + 1
    session.run(tf.global_variables_initializer())
    for mask in registry.masked_weights()[0].mask_shards:
      session.run(tf.assign(mask, tf.zeros_like(mask)))
    assert not np.any(session.run([first, second]))


def test_masking_one_weight_twice_in_an_auto_reuse_scope_registers_once():
  with tf.Graph().as_default():
    with tf.variable_scope('layer', reuse=tf.AUTO_REUSE):
      weights = tf.get_variable('weights', [2])
      model_pruning.apply_mask(weights, tf.get_variable_scope())
      model_pruning.apply_mask(weights, tf.get_variable_scope())
    assert {len(value) for value in _collections().values()} == {1}


def test_collections_of_users_are_no_groups():
  with tf.Graph().as_default():
    model_pruning.apply_mask(tf.get_variable('weights', [3, 4]), 'a')
    tf.add_to_collection('masks_shown', {'not': 'a mask'})
    tf.add_to_collection(('masks', 'too'), 1)
    assert [record.group for record in registry.masked_weights()] == [None]


@pytest.mark.skipif(not hasattr(tf, 'enable_v2_behavior') or tf.__version__.startswith('1.'),
                    reason='TensorFlow 1 has graphs from the start')
@pytest.mark.parametrize('build', [
    lambda: model_pruning.apply_mask(tf.Variable([[1.0]])),
    lambda: model_pruning.apply_mask_with_group(tf.Variable([[1.0]]), group_name='g'),
    lambda: model_pruning.masked_scope().__enter__(),
    lambda: model_pruning.Pruning(''),
    lambda: model_pruning.PruningHook('').begin(),
    lambda: model_pruning.masked_fully_connected(tf.ones([2, 3]), 4)],
                         ids=['apply_mask', 'apply_mask_with_group', 'masked_scope', 'Pruning',
                              'PruningHook', 'masked_fully_connected'])
def test_eager_execution_is_named_as_the_reason(build):
  with pytest.raises(errors.EagerError, match='executes eagerly.*tf.Graph'):
    build()


def test_a_regularizer_of_the_scope_is_for_weights_alone():
  with tf.Graph().as_default():
    with tf.variable_scope('layer', regularizer=tf.nn.l2_loss) as scope:
      model_pruning.apply_mask(tf.get_variable('weights', [3, 4]), scope,
                               prune_option='first_order_gradient')
      after = tf.get_variable('biases', [4])
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert [loss.op.inputs[0].op.name.split('/')[:2] for loss in losses] == [
        ['layer', 'weights'], ['layer', after.op.name.split('/')[1]]]


def test_a_weight_of_masked_scope_is_not_masked_again():
  with tf.Graph().as_default():
    with tf.variable_scope('layer'), model_pruning.masked_scope():
      masked = tf.get_variable('weights', [2])
      again, mask = model_pruning.apply_mask_and_return(masked, tf.get_variable_scope())
    assert again is masked and mask is model_pruning.get_masks()[0]
    assert {len(value) for value in _collections().values()} == {1}
    assert sorted(variable.op.name for variable in tf.global_variables()) == [
        'layer/mask', 'layer/threshold', 'layer/weights']


def test_a_second_weight_in_one_scope_is_refused_by_tensorflow():
  """Two weights cannot share one mask: they need different scopes."""
  with tf.Graph().as_default():
    with tf.variable_scope('layer'):
      model_pruning.apply_mask(tf.get_variable('a', [2]), tf.get_variable_scope())
      with pytest.raises(ValueError, match='layer/mask already exists'):
        model_pruning.apply_mask(tf.get_variable('b', [2]), tf.get_variable_scope())


# ---- Partitions, dtypes. ----


@both_kinds
@pytest.mark.parametrize('axis,shapes', [
    (0, [[2, 6], [1, 6], [1, 6]]),
    (1, [[4, 2], [4, 2], [4, 2]]),
])
def test_a_mask_is_cut_as_its_weight_is(use_resource, axis, shapes):
  with tf.Graph().as_default(), tf.Session() as session:
    weights, masked = _weights(use_resource=use_resource,
                               partitioner=tf.fixed_size_partitioner(3, axis))
    record, = registry.masked_weights()
    assert [part.shape.as_list() for part in record.weight_shards] == shapes
    assert [part.shape.as_list() for part in record.mask_shards] == shapes
    assert [part.op.name for part in record.mask_shards] == [
        'layer/mask/part_%d' % part for part in range(3)]
    assert record.threshold.op.name == 'layer/threshold'
    assert record.name == 'layer/weights' and record.size() == 24
    session.run(tf.global_variables_initializer())
    for part in record.mask_shards:
      session.run(tf.assign(part, tf.one_hot([0] * part.shape[0], part.shape[1])))
    whole, product = session.run([tf.convert_to_tensor(weights), masked])
    kept = [0] if axis == 0 else [0, 2, 4]
    dropped = [column for column in range(6) if column not in kept]
    np.testing.assert_array_equal(product[:, kept], whole[:, kept])
    assert not product[:, dropped].any()


def test_a_partitioner_does_not_cut_the_masks_of_whole_weights_or_thresholds():
  with tf.Graph().as_default():
    whole = tf.get_variable('whole', [4, 2])
    with tf.variable_scope('layer', partitioner=tf.fixed_size_partitioner(2)):
      model_pruning.apply_mask(whole, tf.get_variable_scope())
    assert [v.op.name for v in tf.global_variables()] == ['whole', 'layer/mask', 'layer/threshold']


@both_kinds
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float32', 'float64'])
def test_masks_and_thresholds_have_the_weights_dtype(dtype, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('layer', use_resource=use_resource):
      weights = tf.get_variable('weights', [3], tf.as_dtype(dtype),
                                initializer=tf.constant_initializer([1, -3, 2]))
      masked = model_pruning.apply_mask(weights, tf.get_variable_scope())
    tf.train.get_or_create_global_step()
    update = model_pruning.Pruning('initial_sparsity=0.67,target_sparsity=0.67').mask_update_op()
    record, = registry.masked_weights()
    assert {value.dtype.base_dtype.name for value in (record.mask, record.threshold, masked)} == {
        dtype}
    session.run(tf.global_variables_initializer())
    session.run(update)
    results = session.run([tf.cast(value, tf.float32)
                           for value in (record.mask, record.threshold, masked)])
    for result, wanted in zip(results, ([0, 1, 0], 3, [0, -3, 0])):
      np.testing.assert_array_equal(result, wanted)


# ---- What is refused. ----


@pytest.mark.parametrize('dtype', [tf.int32, tf.int64, tf.complex64, tf.bool])
def test_a_weight_that_is_not_of_real_floats_is_refused(dtype):
  with tf.Graph().as_default():
    weights = tf.get_variable('weights', dtype=dtype, initializer=tf.zeros([2], dtype))
    with pytest.raises(errors.WeightError) as caught:
      model_pruning.apply_mask(weights, 'layer')
    for part in ('weights', dtype.name, 'float16, bfloat16, float32, float64'):
      assert part in str(caught.value)
    assert _collections() == dict.fromkeys(COLLECTIONS, [])
    assert tf.global_variables() == [weights]


@pytest.mark.parametrize('shape', [None, [None, 3]])
def test_a_weight_of_unknown_shape_is_refused(shape):
  with tf.Graph().as_default():
    weights = tf.placeholder(tf.float32, shape, name='unknown')
    with pytest.raises(errors.WeightError, match='unknown has shape .* must be known'):
      model_pruning.apply_mask(weights, 'layer')
    assert tf.global_variables() == []


@pytest.mark.parametrize('parts', [0, 2])
def test_a_weight_of_another_graph_is_refused(parts):
  partitioner = tf.fixed_size_partitioner(parts) if parts else None
  with tf.Graph().as_default():
    weights = tf.get_variable('weights', [2], partitioner=partitioner)
  with tf.Graph().as_default():
    with pytest.raises(errors.GraphMismatchError, match='Weight weights belongs to another graph'):
      model_pruning.apply_mask(weights, 'layer')
    assert tf.global_variables() == []


def test_collections_that_do_not_belong_together_are_refused():
  with tf.Graph().as_default():
    weights, _ = _weights()
    tf.add_to_collection('kernel', weights)
    with pytest.raises(errors.GraphMismatchError) as caught:
      registry.masked_weights()
    assert 'masks (1)' in str(caught.value) and 'weights (2)' in str(caught.value)


# ---- Records survive a meta graph. ----


def _described(records):
  return [(record.name, variables.op_name(record.mask), record.threshold.op.name,
           record.masked.op.name, record.layout) for record in records]


@both_kinds
def test_an_imported_meta_graph_has_the_same_records_and_can_be_pruned(use_resource):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    _weights('first', use_resource=use_resource)
    _weights('second', shape=(5,), use_resource=use_resource)
    before = _described(registry.masked_weights())
    meta_graph = tf.train.export_meta_graph()
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.import_meta_graph(meta_graph)
    records = registry.masked_weights()
    assert _described(records) == before and len(before) == 2
    update = model_pruning.Pruning('initial_sparsity=0.5').mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert session.run([record.kept() for record in records]) == [12, 2]


@both_kinds
def test_a_meta_graph_with_partitioned_weights_does_too(use_resource):
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    _weights('whole', use_resource=use_resource)
    _weights('cut', (3, 12), use_resource=use_resource,
             partitioner=tf.fixed_size_partitioner(11, axis=1))
    before = _described(registry.masked_weights())
    meta_graph = tf.train.export_meta_graph()
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.import_meta_graph(meta_graph)
    records = registry.masked_weights()
    assert _described(records) == before and len(before) == 2
    update = model_pruning.Pruning('initial_sparsity=0.5').mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert session.run([record.kept() for record in records]) == [12, 18]
    assert session.run(model_pruning.get_weight_sparsity()) == [0.5, 0.5]


@pytest.mark.parametrize('mask', [
    lambda one, other, scope: (model_pruning.apply_mask(one, scope),
                               model_pruning.apply_mask(other, scope)),
    lambda one, other, scope: (model_pruning.apply_mask(one, 'fc'),
                               model_pruning.apply_mask_with_group(other, 'fc', group_name='g')),
    lambda one, other, scope: (model_pruning.apply_mask(one), model_pruning.apply_mask(other))])
def test_two_weights_do_not_share_a_mask(mask):
  with tf.Graph().as_default(), tf.variable_scope('', reuse=tf.AUTO_REUSE):
    with tf.variable_scope('fc') as scope:
      one, other = tf.get_variable('kernel', [4, 4]), tf.get_variable('weights', [4, 4])
    with pytest.raises(errors.WeightError, match='fc/kernel, and weight fc/weights'):
      mask(one, other, scope)


@pytest.mark.parametrize('reuse', [None, tf.AUTO_REUSE])
def test_two_weights_do_not_share_a_mask_in_a_masked_scope(reuse):
  with tf.Graph().as_default(), model_pruning.masked_scope(), tf.variable_scope('fc', reuse=reuse):
    tf.get_variable('kernel', [4, 4])
    with pytest.raises(errors.WeightError, match='fc/kernel, and weight fc/weights'):
      tf.get_variable('weights', [4, 4])
