# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of the TensorBoard summaries and of the table of sparsities."""

import numpy as np
import pytest

import model_pruning
from model_pruning.compat import tf
from model_pruning.graph import registry
from model_pruning.util.sparsity_table import WeightSparsity

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


def _weights(name, values, use_resource=False, parts=0):
  partitioner = tf.fixed_size_partitioner(parts) if parts else None
  values = np.asarray(values, np.float32)

  def initializer(shape, dtype=None, partition_info=None):
    begin = partition_info.var_offset[0] if partition_info else 0
    return tf.constant(values[begin:begin + shape[0]], dtype)

  with tf.variable_scope(name, use_resource=use_resource, partitioner=partitioner):
    weights = tf.get_variable('weights', values.shape, initializer=initializer)
    model_pruning.apply_mask(weights, tf.get_variable_scope())


def _scalars(session, merged):
  return {value.tag: value.simple_value
          for value in tf.Summary.FromString(session.run(merged)).value}


@both_kinds
def test_scalars_have_contribs_tags_and_the_values_of_the_step(use_resource):
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    _weights('first', [4, -3, 2, 1], use_resource)
    _weights('second', np.arange(1, 11), use_resource, parts=2)
    pruning = model_pruning.Pruning(
        'name=mine,target_sparsity=0.5,sparsity_function_exponent=1,'
        'sparsity_function_end_step=10,weight_sparsity_map=[second:0.8]')
    merged, update = pruning.add_pruning_summaries(), pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    assert _scalars(session, merged) == {
        'mine_summaries/sparsity': 0, 'mine_summaries/last_mask_update_step': 0,
        'mine_summaries/first/mask/sparsity': 0,
        'mine_summaries/first/threshold/threshold': 0,
        'mine_summaries/second/mask/sparsity': 0,
        'mine_summaries/second/threshold/threshold': 0,
    }
    session.run(tf.assign(step, 10))
    session.run(update)
    session.run(tf.assign(step, 5))
    assert _scalars(session, merged) == pytest.approx({
        'mine_summaries/sparsity': 0.25, 'mine_summaries/last_mask_update_step': 10,
        'mine_summaries/first/mask/sparsity': 0.5,
        'mine_summaries/first/threshold/threshold': 3,
        'mine_summaries/second/mask/sparsity': 0.8,
        'mine_summaries/second/threshold/threshold': 9,
    })


def test_the_sparsity_is_that_of_an_external_one():
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    _weights('layer', [1, 2])
    merged = model_pruning.Pruning(sparsity=0.375).add_pruning_summaries()
    session.run(tf.global_variables_initializer())
    assert _scalars(session, merged)['model_pruning_summaries/sparsity'] == 0.375


def test_the_parts_are_in_the_summaries_collection_once():
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    _weights('layer', [1, 2])
    pruning = model_pruning.Pruning()
    merged = pruning.add_pruning_summaries()
    assert pruning.add_pruning_summaries() is merged
    assert len(tf.get_collection(tf.GraphKeys.SUMMARIES)) == 4
    session.run(tf.global_variables_initializer())
    assert _scalars(session, tf.summary.merge_all()) == _scalars(session, merged)


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16', 'float64'])
def test_thresholds_of_any_dtype_are_summarized(dtype):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    with tf.variable_scope('layer'):
      weights = tf.get_variable('weights', [2], tf.as_dtype(dtype),
                                initializer=tf.constant_initializer(1.5))
      model_pruning.apply_mask(weights, tf.get_variable_scope())
    pruning = model_pruning.Pruning()
    merged, update = pruning.add_pruning_summaries(), pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    assert _scalars(session, merged)['model_pruning_summaries/layer/threshold/threshold'] == 1.5


# ---- The table. ----


def test_table():
  rows = [
      WeightSparsity('conv/weights', (3, 3, 8, 16), 0.9, 1037, short=False),
      WeightSparsity('a_longer_name/kernel', (1200,), 0.5, 0, short=True),
      WeightSparsity('gain', (), 0.5, 0, short=False),
  ]
  assert model_pruning.sparsity_table(rows, width=100) == '''\
weight                shape     target  achieved  zeros     of
conv/weights          3x3x8x16  0.9000    0.9002  1,037  1,152
a_longer_name/kernel  1200      0.5000    0.0000      0  1,200  short of its target
gain                  scalar    0.5000    0.0000      0      1
total                                     0.4407  1,037  2,353'''


def test_a_narrow_table():
  rows = [WeightSparsity('encoder/layer_%d/self_attention/query/kernel' % index,
                                   (1024, 4096), 0.9, 1000, short=True) for index in range(3)]
  for width in (75, 80):
    lines = model_pruning.sparsity_table(rows, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(set(line.split()[0] for line in lines[1:4])) == 3
    assert ' '.join(lines[5:]) == 'short of its target: ' + ', '.join(row.name for row in rows)


def test_table_of_nothing():
  assert model_pruning.sparsity_table([]).splitlines()[1].split() == ['total', '0.0000', '0', '0']


# ---- What goes into it. ----


def _report(spec, updates=True, **weights):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    for name in sorted(weights):
      _weights(name, weights[name])
    pruning = model_pruning.Pruning(spec)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    if updates:
      session.run(update)
    return pruning.sparsity_report(session)


def test_report_has_the_target_and_achieved_sparsity_of_each_weight():
  rows = _report('initial_sparsity=0.75,target_sparsity=0.75,weight_sparsity_map=[b/:0.1],'
                 'block_dims_map=[c/:2x2]', a=np.arange(8), b=np.arange(10).reshape(2, 5) + 1,
                 c=np.arange(16).reshape(4, 4))
  assert [(row.name, row.shape, row.target, row.zeros) for row in rows] == [
      ('a/weights', (8,), 0.75, 6), ('b/weights', (2, 5), 0.1, 8), ('c/weights', (4, 4), 0.75, 12)]
  assert [row.size for row in rows] == [8, 10, 16]
  assert [row.achieved for row in rows] == [0.75, 0.8, 0.75]
  assert not any(row.short for row in rows)


@pytest.mark.parametrize('spec,short', [
    ('initial_sparsity=0.5,target_sparsity=0.5', False),
    ('initial_sparsity=0.49,target_sparsity=0.5', True),
    ('target_sparsity=0.5', True),
    # Of one weight in three nothing can be pruned: one always stays, and k is rounded.
    ('initial_sparsity=0.1,target_sparsity=0.1', False),
])
def test_report_says_who_fell_short(spec, short):
  size = 3 if '0.1' in spec else 100
  row, = _report(spec, layer=np.arange(size))
  assert row.short == short


@pytest.mark.parametrize('sparsity', [0.5, 0.25])
def test_a_fixed_sparsity_is_the_target(sparsity):
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    _weights('a', np.arange(100))
    _weights('b', np.arange(100))
    pruning = model_pruning.Pruning('target_sparsity=0.8,weight_sparsity_map=[b:0.4]',
                                    sparsity=sparsity)
    update = pruning.mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    rows = pruning.sparsity_report(session)
  assert [(row.target, row.achieved, row.short) for row in rows] == [
      (sparsity, sparsity, False),
      (pytest.approx(sparsity / 2), pytest.approx(sparsity / 2, abs=0.01), False)]


def test_report_of_blocks_counts_an_edge_block_as_a_block():
  """Of two blocks one is pruned, and it may be the small one."""
  row, = _report('initial_sparsity=0.5,target_sparsity=0.5,block_height=2,block_width=4',
                 layer=[[5, 5, 5, 5, 1], [5, 5, 5, 5, 1]])
  assert row.zeros == 2 and not row.short


def test_report_counts_what_no_update_has_touched_as_dense():
  row, = _report('target_sparsity=0.5', updates=False, layer=np.arange(6))
  assert row.zeros == 0 and row.short


def test_report_reads_a_partitioned_weight_as_one():
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    _weights('layer', np.arange(10), parts=3)
    pruning = model_pruning.Pruning('initial_sparsity=0.7,target_sparsity=0.7')
    session.run(tf.global_variables_initializer())
    session.run(pruning.mask_update_op())
    row, = pruning.sparsity_report(session)
    assert (row.name, row.shape, row.zeros, row.short) == ('layer/weights', (10,), 7, False)
    assert len(registry.masked_weights()[0].mask_shards) == 3
