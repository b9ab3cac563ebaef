# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
"""Tests of masked_scope, on models that know nothing of masks."""

import contextlib

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.graph import variables

HALF = 'initial_sparsity=0.5,target_sparsity=0.5'

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


def _need_legacy_keras():
  """Skips where this TensorFlow has no tf.layers and no RNN cells."""
  try:
    _ = tf.layers.dense, tf.nn.rnn_cell.LSTMCell
  except AttributeError as error:
    pytest.skip('%s (TF_USE_LEGACY_KERAS=1 has it)' % error)


def _contrib_slim():
  return pytest.importorskip('tensorflow.contrib.slim', reason='only TensorFlow 1 has tf.contrib')


def _tf_slim():
  return pytest.importorskip('tf_slim')


# ---- Models, as their owners wrote them: features [2, 6] in, outputs out. ----


def _images(features):
  return tf.reshape(tf.tile(features, [1, 6]), [2, 3, 3, 4])


def _sequence(features):
  return tf.reshape(features, [2, 3, 2])


def layers_dense(features):
  hidden = tf.layers.dense(features, 5, activation=tf.nn.tanh)
  return tf.layers.dense(hidden, 3)


def layers_conv2d(features):
  return tf.layers.conv2d(_images(features), 3, 2)


def layers_separable_conv2d(features):
  return tf.layers.separable_conv2d(_images(features), 3, 2)


def plain(features):
  with tf.variable_scope('layer'):
    weights = tf.get_variable('weights', [6, 4])
    biases = tf.get_variable('biases', [4], initializer=tf.ones_initializer())
  return tf.matmul(features, weights) + biases


def slim_fully_connected(features):
  return _tf_slim().fully_connected(features, 4, scope='fc')


def slim_conv2d(features):
  return _tf_slim().conv2d(_images(features), 3, [2, 2], scope='conv')


def contrib_slim_fully_connected(features):
  return _contrib_slim().fully_connected(features, 4, scope='fc')


def contrib_slim_conv2d(features):
  return _contrib_slim().conv2d(_images(features), 3, [2, 2], scope='conv')


def _dynamic_rnn(cell, features):
  return tf.nn.dynamic_rnn(cell, _sequence(features), dtype=tf.float32)[0]


def lstm(features):
  return _dynamic_rnn(tf.nn.rnn_cell.LSTMCell(4), features)


def lstm_with_projection(features):
  return _dynamic_rnn(tf.nn.rnn_cell.LSTMCell(4, num_proj=3, use_peepholes=True), features)


def basic_lstm(features):
  return _dynamic_rnn(tf.nn.rnn_cell.BasicLSTMCell(4), features)


def gru(features):
  return _dynamic_rnn(tf.nn.rnn_cell.GRUCell(4), features)


# What of each model is masked: weight -> mask. The names of RNN variables end in what
# their cells call them.
DENSE_LAYERS = {'dense/kernel': 'dense/mask', 'dense_1/kernel': 'dense_1/mask'}
SLIM_FC, SLIM_CONV = {'fc/weights': 'fc/mask'}, {'conv/weights': 'conv/mask'}


def _rnn(cell, scopes=('',)):
  return {'rnn/%s%s/kernel' % (cell, scope): 'rnn/%s%s/mask' % (cell, scope) for scope in scopes}


LEGACY = pytest.mark.legacy_keras
MODELS = [
    pytest.param(layers_dense, DENSE_LAYERS, marks=LEGACY),
    pytest.param(layers_conv2d, {'conv2d/kernel': 'conv2d/mask'}, marks=LEGACY),
    pytest.param(layers_separable_conv2d, {
        'separable_conv2d/depthwise_kernel': 'separable_conv2d/depthwise_kernel_mask',
        'separable_conv2d/pointwise_kernel': 'separable_conv2d/pointwise_kernel_mask',
    }, marks=LEGACY),
    pytest.param(plain, {'layer/weights': 'layer/mask'}),
    pytest.param(slim_fully_connected, SLIM_FC, marks=LEGACY),
    pytest.param(slim_conv2d, SLIM_CONV, marks=LEGACY),
    pytest.param(contrib_slim_fully_connected, SLIM_FC),
    pytest.param(contrib_slim_conv2d, SLIM_CONV),
    pytest.param(lstm, _rnn('lstm_cell'), marks=LEGACY),
    pytest.param(lstm_with_projection, _rnn('lstm_cell', ['', '/projection']), marks=LEGACY),
    pytest.param(basic_lstm, _rnn('basic_lstm_cell'), marks=LEGACY),
    pytest.param(gru, _rnn('gru_cell', ['/gates', '/candidate']), marks=LEGACY),
]
RNN_MODELS = [lstm, lstm_with_projection, basic_lstm, gru]


def _features():
  return tf.constant(np.random.RandomState(0).uniform(-1, 1, [2, 6]).astype(np.float32))


def _set_all(session, seed=1):
  """Sets trainable variables to random values, the same in any graph with the same names."""
  for variable in sorted(tf.trainable_variables(), key=lambda v: v.name):
    value = np.random.RandomState(seed).uniform(-1, 1, variable.shape.as_list())
    session.run(tf.assign(variable, value.astype(np.float32)))
    seed += 1


def _names(made):
  return sorted(variables.op_name(variable) for variable in made)


def _build(model, *args):
  """Builds a model, or skips where this TensorFlow has not got what it is made of."""
  if model is not plain and 'slim' not in model.__name__:
    _need_legacy_keras()
  return model(*args)


# ---- Every model. ----


@pytest.mark.sampled(5)
@pytest.mark.parametrize('model,masked', MODELS)
def test_kernels_get_masks_and_nothing_else_changes(model, masked):
  with tf.Graph().as_default(), tf.Session() as session:
    plain_outputs = _build(model, _features())
    trainable = _names(tf.trainable_variables())
    gradients = tf.gradients(plain_outputs, sorted(tf.trainable_variables(), key=lambda v: v.name))
    session.run(tf.global_variables_initializer())
    _set_all(session)
    wanted, wanted_gradients = session.run([plain_outputs, gradients])

  with tf.Graph().as_default(), tf.Session() as session:
    with model_pruning.masked_scope():
      outputs = model(_features())
    assert _names(tf.trainable_variables()) == trainable
    assert {record.name: record.mask.op.name for record in registry.masked_weights()} == masked
    assert [threshold.op.name for threshold in model_pruning.get_thresholds()] == [
        mask.op.name[:-len('mask')] + 'threshold' for mask in model_pruning.get_masks()]
    assert set(_names(tf.global_variables())) == (
        set(trainable) | set(masked.values()) | set(_names(model_pruning.get_thresholds())))
    for tensor in model_pruning.get_masked_weights():
      assert tensor.op.name.endswith('weights/masked_weight')
    gradients = tf.gradients(outputs, sorted(tf.trainable_variables(), key=lambda v: v.name))
    session.run(tf.global_variables_initializer())
    _set_all(session)
    np.testing.assert_array_equal(session.run(outputs), wanted)
    for gradient, wanted_gradient in zip(session.run(gradients), wanted_gradients):
      np.testing.assert_allclose(gradient, wanted_gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.sampled(5)
@pytest.mark.parametrize('model,masked', MODELS)
def test_a_pruned_model_is_the_plain_one_with_weights_times_masks(model, masked):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope():
      outputs = _build(model, _features())
    records = registry.masked_weights()
    gradients = tf.gradients(outputs, [record.weight for record in records])
    update = model_pruning.Pruning(HALF).mask_update_op()
    session.run(tf.global_variables_initializer())
    _set_all(session)
    session.run(update)
    masks = dict(zip(masked, session.run(
        [next(r.mask for r in records if r.name == name) for name in masked])))
    pruned, gradients = session.run([outputs, gradients])
    for record, gradient in zip(records, gradients):
      mask = masks[record.name]
      assert abs(int(mask.sum()) - mask.size / 2) <= 0.5
      assert not gradient[mask == 0].any() and gradient[mask == 1].any()

  with tf.Graph().as_default(), tf.Session() as session:
    outputs = model(_features())
    session.run(tf.global_variables_initializer())
    _set_all(session)
    for variable in tf.trainable_variables():
      if variable.op.name in masks:
        session.run(tf.assign(variable, session.run(variable) * masks[variable.op.name]))
    np.testing.assert_array_equal(session.run(outputs), pruned)


@pytest.mark.legacy_keras
@pytest.mark.parametrize('model', RNN_MODELS)
def test_a_cell_in_a_loop_multiplies_once_before_it(model, control_flow):
  del control_flow
  with tf.Graph().as_default() as graph, tf.Session() as session:
    with model_pruning.masked_scope():
      outputs = _build(model, _features())
    products = model_pruning.get_masked_weights()
    # The graph itself can run them: they are in no function, and in no frame of a loop.
    assert products and {product.graph for product in products} == {graph}
    assert [product.op._get_control_flow_context() for product in products] == (
        [None] * len(products))
    session.run(tf.global_variables_initializer())
    before, _ = session.run([outputs, products])
    session.run([tf.assign(mask, tf.zeros_like(mask)) for mask in model_pruning.get_masks()])
    after, zeros = session.run([outputs, products])
    assert not any(np.any(zero) for zero in zeros)
    assert before.any() and not np.allclose(before, after)


# ---- The same as apply_mask. ----


def _summary_of_graph():
  return {
      'collections': {key: [variables.op_name(item) for item in tf.get_collection(key)]
                      for key in ('masks', 'thresholds', 'masked_weights', 'kernel')},
      'variables': [(variable.name, variable.dtype, variable.shape.as_list(), variable.op.type,
                     variable in tf.trainable_variables()) for variable in tf.global_variables()],
  }


@both_kinds
@pytest.mark.parametrize('parts', [0, 3])
def test_registers_what_apply_mask_registers(use_resource, parts):
  options = dict(use_resource=use_resource,
                 partitioner=tf.fixed_size_partitioner(parts) if parts else None)
  with tf.Graph().as_default():
    with tf.variable_scope('layer', **options):
      model_pruning.apply_mask(tf.get_variable('weights', [6, 2]), tf.get_variable_scope())
    by_apply_mask = _summary_of_graph()
  with tf.Graph().as_default():
    with model_pruning.masked_scope(), tf.variable_scope('layer', **options):
      tf.get_variable('weights', [6, 2])
    by_scope = _summary_of_graph()
  assert by_scope == by_apply_mask


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float64'])
def test_masks_have_the_weights_dtype(dtype):
  with tf.Graph().as_default(), model_pruning.masked_scope():
    masked = tf.get_variable('weights', [2], tf.as_dtype(dtype),
                             initializer=tf.zeros_initializer())
    record, = registry.masked_weights()
    assert {value.dtype.base_dtype.name for value in (masked, record.mask, record.threshold)} == {
        dtype}


# ---- Which variables. ----


def _two_layers():
  for name in ('conv', 'logits'):
    with tf.variable_scope(name):
      tf.get_variable('weights', [4, 2])
      tf.get_variable('biases', [2])


@pytest.mark.parametrize('arguments,masked', [
    ({}, ['conv/weights', 'logits/weights']),
    ({'exclude': 'logits.*'}, ['conv/weights']),
    ({'exclude': None}, ['conv/weights', 'logits/weights']),
    ({'include': 'logits'}, ['logits/biases', 'logits/weights']),
    ({'include': '.*biases', 'exclude': 'conv'}, ['logits/biases']),
    ({'include': 'weights'}, []),  # Matched from the start of the full name.
    ({'exclude': '.*'}, []),
])
def test_include_and_exclude_are_matched_from_the_start_of_the_name(arguments, masked):
  with tf.Graph().as_default():
    with model_pruning.masked_scope(**arguments):
      _two_layers()
    assert _names(model_pruning.get_weights()) == masked


def test_weights_of_other_names_have_the_name_in_that_of_the_mask():
  with tf.Graph().as_default():
    with model_pruning.masked_scope('.*'), tf.variable_scope('layer'):
      tf.get_variable('embedding', [4, 2])
    assert _names(model_pruning.get_masks()) == ['layer/embedding_mask']
    assert _names(model_pruning.get_thresholds()) == ['layer/embedding_threshold']


def test_variables_that_are_not_trained_are_left_alone():
  with tf.Graph().as_default():
    with model_pruning.masked_scope('.*'):
      tf.get_variable('moving_mean', [3], trainable=False)
    assert model_pruning.get_masks() == []


@pytest.mark.parametrize('arguments', [{'include': '*kernel'}, {'exclude': 'logits('}])
def test_a_bad_regular_expression_is_refused(arguments):
  (argument, pattern), = arguments.items()
  with tf.Graph().as_default():
    with pytest.raises(errors.MapError) as caught:
      with model_pruning.masked_scope(**arguments):
        raise AssertionError('entered')
    for part in (argument, repr(pattern), 'not a regular expression'):
      assert part in str(caught.value)
    assert tf.get_variable_scope().custom_getter is None


def test_an_included_variable_that_cannot_be_masked_is_an_error():
  with tf.Graph().as_default(), model_pruning.masked_scope('.*'):
    with pytest.raises(errors.WeightError, match='ids has dtype int32'):
      tf.get_variable('ids', [3], tf.int32)


# ---- Among other scopes. ----


def test_it_ends_where_it_ends():
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      tf.get_variable('inside/weights', [2])
    tf.get_variable('outside/weights', [2])
    with pytest.raises(RuntimeError):
      with model_pruning.masked_scope():
        raise RuntimeError
    tf.get_variable('after/weights', [2])
    assert _names(model_pruning.get_weights()) == ['inside/weights']


def test_a_scope_can_be_entered_again_and_be_a_decorator():
  scope = model_pruning.masked_scope()

  @scope
  def build(name):
    return tf.get_variable(name + '/kernel', [2, 2])

  for _ in range(2):
    with tf.Graph().as_default():
      with scope, scope:
        tf.get_variable('a/kernel', [2, 2])
      build('b')
      tf.get_variable('c/kernel', [2, 2])
      assert [variables.op_name(mask) for mask in model_pruning.get_masks()] == ['a/mask', 'b/mask']


def test_nested_scopes_mask_once():
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      with tf.variable_scope('layer'), model_pruning.masked_scope():
        tf.get_variable('weights', [2])
    assert _names(model_pruning.get_weights()) == ['layer/weights']
    assert _names(tf.global_variables()) == ['layer/mask', 'layer/threshold', 'layer/weights']


def test_an_inner_scope_adds_to_the_outer_one():
  with tf.Graph().as_default():
    with model_pruning.masked_scope('.*weights'):
      with model_pruning.masked_scope('.*embedding'):
        tf.get_variable('a/weights', [2])
        tf.get_variable('b/embedding', [2])
      tf.get_variable('c/embedding', [2])
    assert _names(model_pruning.get_weights()) == ['a/weights', 'b/embedding']


def test_a_scope_in_another_may_mask_what_that_one_does_with_a_getter_in_between():
  def passing(getter, name, *args, **kwargs):
    return tf.identity(getter(name, *args, **kwargs))

  with tf.Graph().as_default():
    with model_pruning.masked_scope(), tf.variable_scope('layer', custom_getter=passing):
      with model_pruning.masked_scope():
        tf.get_variable('weights', [2])
    assert _names(model_pruning.get_masks()) == ['layer/mask']


@pytest.mark.parametrize('inside', [False, True])
def test_a_custom_getter_of_the_users_stays_in_force(inside):
  """A getter that doubles its result, outside of ours or in it."""
  def doubling(getter, name, *args, **kwargs):
    variable = getter(name, *args, **kwargs)
    return 2 * variable if name.endswith('weights') and not inside else variable

  seen = []

  def watching(getter, name, *args, **kwargs):
    seen.append(name)
    return doubling(getter, name, *args, **kwargs)

  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('outer', custom_getter=None if inside else watching):
      with model_pruning.masked_scope():
        with tf.variable_scope('layer', custom_getter=watching if inside else None):
          masked = tf.get_variable('weights', [2], initializer=tf.ones_initializer())
    assert 'outer/layer/weights' in seen
    assert _names(model_pruning.get_masks()) == ['outer/layer/mask']
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(model_pruning.get_masks()[0], [0., 1.]))
    np.testing.assert_array_equal(session.run(masked), [0, 1 if inside else 2])


@pytest.mark.parametrize('parts', [0, 2])
def test_masks_are_variables_where_a_getter_of_the_users_gives_tensors(parts):
  def reading(getter, name, *args, **kwargs):
    return tf.identity(getter(name, *args, **kwargs))

  with tf.Graph().as_default(), tf.Session() as session:
    partitioner = tf.fixed_size_partitioner(parts) if parts else None
    with tf.variable_scope('layer', custom_getter=reading), model_pruning.masked_scope():
      masked = tf.get_variable('weights', [4], initializer=tf.ones_initializer(),
                               partitioner=partitioner)
    record, = registry.masked_weights()
    assert variables.op_name(record.mask) == 'layer/mask'
    session.run(tf.global_variables_initializer())
    session.run([tf.assign(shard, tf.zeros_like(shard)) for shard in record.mask_shards])
    np.testing.assert_array_equal(session.run(masked), np.zeros(4))


@both_kinds
@pytest.mark.parametrize('axis,shapes', [(0, [[2, 6], [2, 6]]), (1, [[4, 3], [4, 3]])])
def test_a_partitioner_of_the_scope_cuts_weight_and_mask_alike(axis, shapes, use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('layer', partitioner=tf.fixed_size_partitioner(2, axis),
                           use_resource=use_resource), model_pruning.masked_scope():
      masked = tf.get_variable('weights', [4, 6])
    record, = registry.masked_weights()
    assert [shard.shape.as_list() for shard in record.weight_shards] == shapes
    assert [shard.shape.as_list() for shard in record.mask_shards] == shapes
    session.run(tf.global_variables_initializer())
    session.run(tf.assign(record.mask_shards[0], tf.zeros(shapes[0])))
    product, *parts = session.run([masked] + [tf.convert_to_tensor(part)
                                              for part in record.weight_shards])
    np.testing.assert_array_equal(
        product, np.concatenate([np.zeros(shapes[0]), parts[1]], axis))


_IDS = [0, 1, 2, 3, 4, 5, 1]


def _sums(table):
  ids = tf.SparseTensor(tf.constant([[0, 0], [0, 1], [1, 0]], tf.int64),
                        tf.constant([1, 4, 5], tf.int64), tf.constant([2, 2], tf.int64))
  return tf.nn.embedding_lookup_sparse(table, ids, None, combiner='sum')


_READS = {
    'lookup': lambda table: tf.nn.embedding_lookup(table, _IDS),
    'lookup of blocks': lambda table: tf.nn.embedding_lookup(
        table, _IDS, partition_strategy='div'),
    'lookup of clipped rows': lambda table: tf.nn.embedding_lookup(table, _IDS, max_norm=2.0),
    'sparse lookup': _sums,
    'sampled classes': lambda table: tf.nn.sampled_softmax_loss(
        table, tf.get_variable('bias', [6], initializer=_ascending), tf.constant([[1], [2]]),
        tf.ones([2, 4]), num_sampled=3, num_classes=6, seed=3),
    'gather': lambda table: tf.gather(table, _IDS),
    'product': lambda table: tf.matmul(table, tf.ones([4, 2])),
    'parts': lambda table: tf.add_n([tf.reduce_max(part) for part in table]) / len(table),
}


def _ascending(shape, dtype=None, partition_info=None):
  start = 0 if partition_info is None else partition_info.var_offset[0] * 10
  return tf.cast(start + tf.reshape(tf.range(int(np.prod(shape))), shape), dtype)


@pytest.mark.parametrize('read,parts', [
    (read, parts) for read in _READS for parts in (0, 1, 2, 3) if parts or read != 'parts'])
def test_a_masked_table_is_read_as_the_table(read, parts):
  found = []
  for masks in (False, True):
    with tf.Graph().as_default(), tf.Session() as session:
      tf.set_random_seed(1)
      partitioner = tf.fixed_size_partitioner(parts) if parts else None
      with tf.variable_scope('model', partitioner=partitioner), (
          model_pruning.masked_scope() if masks else contextlib.nullcontext()):
        outputs = _READS[read](tf.get_variable('kernel', [6, 4], initializer=_ascending))
      session.run(tf.global_variables_initializer())
      found.append(session.run(outputs))
      if masks:
        record, = registry.masked_weights()
        session.run([tf.assign(shard, tf.zeros_like(shard)) for shard in record.mask_shards])
        zero = session.run(outputs)
        assert read == 'sampled classes' or not np.any(zero)
  np.testing.assert_array_equal(*found)


@pytest.mark.skipif(not hasattr(tf.feature_column, 'linear_model'), reason='not in this TensorFlow')
def test_a_linear_model_of_feature_columns_has_masks_and_a_bias_without():
  ids = tf.feature_column.categorical_column_with_identity('ids', 37)
  with tf.Graph().as_default(), model_pruning.masked_scope():
    tf.feature_column.linear_model(
        {'ids': tf.constant([[1], [36]], tf.int64), 'number': tf.constant([[1.], [2.]])},
        [ids, tf.feature_column.numeric_column('number')])
    assert [mask.op.name for mask in model_pruning.get_masks()] == [
        'linear_model/ids/mask', 'linear_model/number/mask']
    assert 'linear_model/bias_weights' in [each.op.name for each in tf.trainable_variables()]


def test_a_masked_table_in_parts_takes_the_operators_of_a_tensor():
  with tf.Graph().as_default(), tf.Session() as session, model_pruning.masked_scope():
    table = tf.get_variable('kernel', [6, 4], initializer=_ascending,
                            partitioner=tf.fixed_size_partitioner(2))
    session.run(tf.global_variables_initializer())
    np.testing.assert_array_equal(*session.run([table * 2 - 1, 2 * tf.identity(table) - 1]))
    np.testing.assert_array_equal(*session.run([table[2:, 1], tf.identity(table)[2:, 1]]))
    assert len({table: 1}) == 1  # It is a key of dictionaries, as any variable.


def test_a_masked_table_is_masked_once():
  with tf.Graph().as_default(), model_pruning.masked_scope(), tf.variable_scope(
      'layer', partitioner=tf.fixed_size_partitioner(2)) as scope:
    table = tf.get_variable('weights', [4, 2])
    again = model_pruning.apply_mask(table, scope)
    record, = registry.masked_weights()
    assert again is table and tf.convert_to_tensor(table) is record.masked


# ---- Reuse. ----


@both_kinds
@pytest.mark.parametrize('reuse', ['True', 'AUTO_REUSE', 'reuse_variables'])
@pytest.mark.parametrize('parts', [0, 2])
def test_a_reused_weight_has_one_mask(reuse, use_resource, parts):
  partitioner = tf.fixed_size_partitioner(parts) if parts else None
  with tf.Graph().as_default(), tf.Session() as session:
    with tf.variable_scope('model', use_resource=use_resource, partitioner=partitioner,
                           reuse=tf.AUTO_REUSE if reuse == 'AUTO_REUSE' else None) as scope:
      with model_pruning.masked_scope():
        first = plain(_features())
        if reuse == 'reuse_variables':
          scope.reuse_variables()
          second = plain(_features())
        else:
          with tf.variable_scope(scope, reuse=True if reuse == 'True' else None):
            second = plain(_features())
    record, = registry.masked_weights()
    # Of weights, biases and mask each part, and the threshold.
    assert len(tf.global_variables()) == 3 * max(parts, 1) + 1
    session.run(tf.global_variables_initializer())
    session.run([tf.assign(shard, tf.zeros_like(shard)) for shard in record.mask_shards])
    np.testing.assert_array_equal(session.run([first, second]), np.ones([2, 2, 4]))


def test_every_product_has_contribs_name_also_of_a_reused_weight():
  with tf.Graph().as_default():
    with tf.variable_scope('model', reuse=tf.AUTO_REUSE), model_pruning.masked_scope('.*'):
      products = [tf.get_variable('layer/weights', [2]), tf.get_variable('layer/weights', [2]),
                  tf.get_variable('layer/embedding', [2])]
  assert [product.op.name for product in products] == [
      'model/layer/weights/masked_weight', 'model/layer_1/weights/masked_weight',
      'model/layer/embedding/weights/masked_weight']


def test_a_layer_that_was_created_without_a_mask_cannot_be_reused_with_one():
  with tf.Graph().as_default(), tf.variable_scope('model') as scope:
    plain(_features())
    scope.reuse_variables()
    with model_pruning.masked_scope(), pytest.raises(
        errors.WeightError, match='model/.*weights is reused in a masked_scope, but was created'):
      plain(_features())


def test_reuse_in_a_second_masked_scope_shares_the_mask():
  with tf.Graph().as_default():
    for reuse in (False, True):
      with tf.variable_scope('model', reuse=reuse), model_pruning.masked_scope():
        plain(_features())
    assert _names(model_pruning.get_masks()) == ['model/layer/mask']


@pytest.mark.legacy_keras
def test_layers_reused_by_name_have_one_mask():
  _need_legacy_keras()
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      tf.layers.dense(_features(), 3, name='fc')
      tf.layers.dense(_features(), 3, name='fc', reuse=True)
    assert _names(model_pruning.get_masks()) == ['fc/mask']
    assert len(tf.global_variables()) == 4


@pytest.mark.legacy_keras
def test_a_layer_object_called_twice_has_one_mask():
  _need_legacy_keras()
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      layer = tf.layers.Dense(3)
      layer(_features())
      layer(_features())
    assert _names(model_pruning.get_masks()) == ['dense/mask']


@pytest.mark.legacy_keras
def test_a_cell_of_two_loops_has_one_mask():
  _need_legacy_keras()
  with tf.Graph().as_default():
    with model_pruning.masked_scope():
      cell = tf.nn.rnn_cell.BasicLSTMCell(4)
      _dynamic_rnn(cell, _features())
      with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        _dynamic_rnn(cell, _features())
    assert _names(model_pruning.get_masks()) == ['rnn/basic_lstm_cell/mask']


@pytest.mark.legacy_keras
def test_default_layer_names_go_on_after_the_scope():
  _need_legacy_keras()
  with tf.Graph().as_default():
    tf.layers.dense(_features(), 2)
    with model_pruning.masked_scope():
      tf.layers.dense(_features(), 2)
    tf.layers.dense(_features(), 2)
    assert _names(tf.trainable_variables()) == [
        'dense/bias', 'dense/kernel', 'dense_1/bias', 'dense_1/kernel', 'dense_2/bias',
        'dense_2/kernel']
    assert _names(model_pruning.get_weights()) == ['dense_1/kernel']


def test_default_variable_scope_names_go_on_after_the_scope():
  with tf.Graph().as_default():
    names = []
    for masking in (False, True, False):
      with model_pruning.masked_scope(exclude=None if masking else '.*'):
        with tf.variable_scope(None, 'layer') as scope:
          tf.get_variable('weights', [2])
          names.append(scope.name)
    assert names == ['layer', 'layer_1', 'layer_2']
    assert _names(model_pruning.get_weights()) == ['layer_1/weights']


def test_a_weight_that_a_getter_casts_goes_by_its_own_name():
  def in_float32(getter, name, *args, **kwargs):
    if not kwargs.get('trainable'):
      return getter(name, *args, **kwargs)
    return tf.cast(getter(name, *args, **dict(kwargs, dtype=tf.float32)), kwargs['dtype'])

  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    with tf.variable_scope('net', custom_getter=in_float32), model_pruning.masked_scope():
      with tf.variable_scope('q'):
        tf.get_variable('kernel', [4, 4], tf.float16, trainable=True)
    model_pruning.Pruning('weight_sparsity_map=[q/kernel:0.75]').mask_update_op()
    record, = registry.masked_weights()
    assert record.name.startswith('net/q/kernel')


def _keras_layers():
  tf.keras.Sequential([tf.keras.layers.Dense(10), tf.keras.layers.Dense(3)])(tf.ones((4, 8)))


def _keras_functional():
  x = tf.keras.Input((8,))
  tf.keras.Model(x, tf.keras.layers.Dense(3)(x))


def _plain_variable():
  tf.Variable(tf.ones([3, 3]), name='fc/kernel')


def _plain_variable_in_scope():
  with tf.variable_scope('fc'):
    tf.Variable(tf.ones([3, 3]), name='weights')


@pytest.mark.parametrize('model', [_keras_layers, _keras_functional, _plain_variable,
                                   _plain_variable_in_scope])
def test_weights_that_cannot_be_masked_are_named(model, caplog):
  if model in (_keras_layers, _keras_functional) and not hasattr(tf, 'layers'):
    pytest.skip('Keras 3 has no layers for graphs')
  with tf.Graph().as_default(), model_pruning.masked_scope():
    model()
  assert 'kernel' in caplog.text or 'weights' in caplog.text
  assert 'Keras' in caplog.text and 'apply_mask' in caplog.text


@pytest.mark.parametrize('model', [
    lambda: tf.get_variable('fc/kernel', [3, 3]),
    lambda: tf.Variable(tf.ones([3]), name='fc/bias'),
    lambda: tf.Variable(tf.ones([3, 3]), name='fc/kernel', trainable=False)])
def test_other_variables_are_no_reason_for_a_warning(model, caplog):
  with tf.Graph().as_default(), model_pruning.masked_scope():
    model()
  assert 'does not mask' not in caplog.text


def _in_a_graph_of_its_own():
  with tf.Graph().as_default():
    tf.get_variable('fc/kernel', [3, 3])


@pytest.mark.parametrize('model', [
    _in_a_graph_of_its_own, lambda: tf.get_variable('fc/bias', [3]), lambda: None])
def test_a_scope_that_masks_nothing_is_warned_of(model, caplog):
  with tf.Graph().as_default(), model_pruning.masked_scope():
    model()
  assert 'masked_scope masks nothing' in caplog.text and 'model_fn' in caplog.text


def test_a_scope_in_one_that_masks_its_weights_is_not_warned_of(caplog):
  with tf.Graph().as_default(), model_pruning.masked_scope():
    with model_pruning.masked_scope():
      tf.get_variable('fc/kernel', [3, 3])
  assert not caplog.text and not caplog.records


def test_a_frozen_weight_does_not_get_the_mask_of_another_one():
  with tf.Graph().as_default(), tf.variable_scope('fc', reuse=tf.AUTO_REUSE) as scope:
    model_pruning.apply_mask(tf.get_variable('a', [3, 3]), scope)
    frozen = tf.get_variable('b', [3, 3], trainable=False)
    with pytest.raises(errors.WeightError, match='fc/mask already exists, as the mask of .* fc/a'):
      model_pruning.apply_mask(frozen, scope)


@pytest.mark.parametrize('masking', ['apply_mask', 'masked_scope'])
def test_evaluation_with_moving_averages_has_the_masks_of_the_weights(masking):
  x = np.random.RandomState(0).normal(size=(4, 6)).astype(np.float32)
  averages = tf.train.ExponentialMovingAverage(0.5)

  def averaged(getter, name, *args, **kwargs):
    variable = getter(name, *args, **kwargs)
    average = averages.average(variable)
    return variable if average is None else average

  def net():
    with tf.variable_scope('fc') as scope:
      weight = tf.get_variable('kernel', [6, 5])
      return tf.matmul(x, model_pruning.apply_mask(weight, scope) if masking == 'apply_mask' else
                       weight)

  def masked():
    return (model_pruning.masked_scope if masking == 'masked_scope' else contextlib.nullcontext)()

  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    with tf.variable_scope('net'), masked():
      net()
    weight, = tf.trainable_variables()
    train = averages.apply([weight])
    with tf.variable_scope('net', reuse=True, custom_getter=averaged), masked():
      outputs = net()
    update = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5').mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(weight.assign(np.arange(30.).reshape(6, 5)))
    session.run(train)
    session.run(update)
    mask, average = session.run([model_pruning.get_masks()[0], averages.average(weight)])
    assert [each.name for each in model_pruning.get_weights()] == ['net/fc/kernel:0']
    np.testing.assert_array_equal(mask.ravel(), np.arange(30) >= 15)
    np.testing.assert_allclose(session.run(outputs), x @ (mask * average), rtol=1e-5)


def test_parts_of_a_masked_weight_are_not_reported_as_dense(caplog):
  with tf.Graph().as_default(), model_pruning.masked_scope(include='p/w'):
    with tf.variable_scope('p', partitioner=tf.fixed_size_partitioner(2)):
      tf.get_variable('w', [10, 20])
    assert len(model_pruning.get_masks()) == 1
  assert 'does not mask' not in caplog.text
