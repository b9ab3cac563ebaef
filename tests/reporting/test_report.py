# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reporting.report: sparsity, sizes and FLOPs of checkpoints and models."""

import csv
import gzip
import io
import json
import os
import shutil

import numpy as np
import pytest

import model_pruning
from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export.tflite import convert as tflite
from model_pruning.reporting import report

both_kinds = pytest.mark.parametrize('use_resource', [False, True], ids=['ref', 'resource'])


def _net(inputs):
  """Images [batch, 8, 6, 2] -> [batch, 3]; a convolution, a partitioned matrix, a dense one."""
  with model_pruning.masked_scope():
    with tf.variable_scope('conv'):
      kernel = tf.get_variable('kernel', [3, 3, 2, 4])
      hidden = tf.nn.relu(tf.nn.conv2d(inputs, kernel, [1, 2, 2, 1], 'SAME'))  # 4 x 3 x 4.
    hidden = tf.reshape(hidden, [-1, 48])
    with tf.variable_scope('fc', partitioner=tf.fixed_size_partitioner(3)):
      hidden = tf.tanh(tf.matmul(hidden, tf.get_variable('weights', [48, 20])))
  with tf.variable_scope('out'):
    return tf.matmul(hidden, tf.get_variable('kernel', [20, 3])) + tf.get_variable('bias', [3])


FLOPS = {'conv/kernel': 2 * 3 * 3 * 2 * 4 * 4 * 3, 'fc/weights': 2 * 48 * 20,
         'out/kernel': 2 * 20 * 3}
SPEC = 'initial_sparsity=0.75,target_sparsity=0.75,prune_option=first_order_gradient'


def _build(folder, use_resource=False, model=_net, spec=SPEC, shape=(None, 8, 6, 2)):
  """Trains a step, prunes, and saves with slots and averages; returns the masked values by name."""
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    tf.set_random_seed(1)
    inputs = tf.placeholder(tf.float32, shape, 'inputs')
    with tf.variable_scope('', use_resource=use_resource):
      outputs = tf.identity(model(inputs), 'outputs')
      train = tf.train.AdamOptimizer().minimize(tf.reduce_sum(outputs**2), global_step=step)
      average = tf.train.ExponentialMovingAverage(0.9).apply(
          [variable for variable in tf.trainable_variables() if 'part_' not in variable.name])
    update = model_pruning.Pruning(spec).mask_update_op()
    # Averages start from the weights.
    session.run(tf.variables_initializer(tf.trainable_variables()))
    session.run(tf.global_variables_initializer())
    feed = {inputs: np.random.RandomState(0).randn(*[dim or 2 for dim in shape])}
    for op in (train, average, update):
      session.run(op, feed)
    tf.train.Saver().save(session, os.path.join(folder, 'model.ckpt'), global_step=step)
    values = {}
    for weight, mask in zip(model_pruning.get_weights(), model_pruning.get_masks()):
      weight, mask = session.run([tf.convert_to_tensor(weight), tf.convert_to_tensor(mask)])
      values[len(values)] = weight * mask
    return list(values.values())


@pytest.fixture(scope='module', params=[False, True], ids=['ref', 'resource'])
def saved(request, tmp_path_factory):
  """(folder of a checkpoint, masked values) of _net."""
  folder = str(tmp_path_factory.mktemp('saved'))
  return folder, _build(folder, request.param)


@pytest.fixture
def checkpoint(saved, tmp_path):
  """A copy of that checkpoint, to be damaged."""
  folder = str(tmp_path / 'copy')
  shutil.copytree(saved[0], folder)
  return os.path.join(folder, 'model.ckpt-1')


def _by_name(found):
  return {weight.name: weight for weight in found.weights}


# ---- Checkpoints. ----


@pytest.mark.sampled(1)
def test_report_of_a_checkpoint(saved):
  folder, masked = saved
  found = report.of(folder)
  assert found.kind == 'checkpoint' and found.path == os.path.join(folder, 'model.ckpt-1')
  assert [weight.name for weight in found.weights] == ['conv/kernel', 'fc/weights', 'out/kernel']
  assert found.notes == ()
  rows = _by_name(found)
  assert [rows[name].shape for name in FLOPS] == [(3, 3, 2, 4), (48, 20), (20, 3)]
  for name, values in zip(FLOPS, masked):
    zeros = int(np.sum(values == 0))
    assert zeros == round(values.size * 0.75)
    row = rows[name]
    assert (row.masked, row.zeros, row.size, row.sparsity) == (
        True, zeros, values.size, zeros / values.size)
    assert row.bytes_dense == values.size * 4
    # Zeros are +0.0, whatever the sign of what the mask hides.
    assert row.bytes_gzipped == len(gzip.compress((values + 0.0).tobytes(), 6))
    assert row.flops == FLOPS[name]
    assert row.flops_effective == round(FLOPS[name] * (1 - zeros / values.size))
  assert rows['conv/kernel'].threshold is not None and rows['conv/kernel'].threshold > 0
  out = rows['out/kernel']
  assert (out.masked, out.zeros, out.threshold, out.flops, out.flops_effective) == (
      False, 0, None, 120, 120)
  # 18 of 72 kept: values, 18 rows, 4 + 1 begins. Nothing pruned: it is stored as it is.
  assert rows['conv/kernel'].bytes_sparse == 18 * 4 + 18 + 5
  assert out.bytes_sparse == out.bytes_dense == 240


def test_without_its_graph_a_checkpoint_has_the_same_weights(checkpoint):
  whole = report.of(checkpoint)
  os.remove(checkpoint + '.meta')
  bare = report.of(checkpoint)
  assert 'no .meta' in bare.notes[0]
  for with_graph, without in zip(whole.weights, bare.weights):
    # The graph also says which targets there were.
    values = dict(with_graph.values(), flops=None, flops_effective=None, target=None, met=None)
    assert without.values() == values
  assert 'FLOP ' not in bare.table() and 'no .meta' in bare.table()


@pytest.mark.parametrize('suffix', ['', '.index', '.meta', '.data-00000-of-00001'])
def test_which_checkpoint(suffix, checkpoint):
  assert report.of(checkpoint + suffix).path == checkpoint
  os.remove(os.path.join(os.path.dirname(checkpoint), 'checkpoint'))
  assert report.of(os.path.dirname(checkpoint)).path == checkpoint


@pytest.mark.parametrize('suffix', ['.index', '.data-00000-of-00001'])
@pytest.mark.parametrize('share', [0, 0.5])
def test_a_truncated_checkpoint(suffix, share, checkpoint):
  path = checkpoint + suffix
  with open(path, 'rb') as f:
    content = f.read()
  with open(path, 'wb') as f:
    f.write(content[:int(len(content) * share)])
  with pytest.raises(errors.CheckpointError) as caught:
    report.of(checkpoint)
  assert checkpoint in str(caught.value) and 'truncated' in str(caught.value)
  assert len(str(caught.value).splitlines()) == 1


def test_a_truncated_graph_costs_the_flops_only(checkpoint):
  with open(checkpoint + '.meta', 'r+b') as f:
    f.truncate(os.path.getsize(checkpoint + '.meta') // 2)
  found = report.of(checkpoint)
  assert len(found.weights) == 3 and '.meta is damaged' in found.notes[0]
  assert found.totals()['flops'] is None


def test_no_checkpoint(tmp_path):
  for path in (str(tmp_path), str(tmp_path / 'model.ckpt-7')):
    with pytest.raises(errors.CheckpointError) as caught:
      report.of(path)
    assert 'Could not find a checkpoint at: ' + path in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_names_of_masks_that_only_shapes_tell_apart(tmp_path):
  """<scope>/mask of the one weight in a scope, <scope>/<name>_mask, and variables called mask."""
  ones = np.array([[1, 0], [0, 0]], np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    for name, value in (('a/filter', ones + 1), ('a/mask', ones), ('a/threshold', 0.25),
                        ('b/depthwise', ones + 1), ('b/depthwise_mask', 1 - ones),
                        ('own/kernel', ones + 1), ('own/mask', [1., 0.]),
                        ('shades/kernel', ones + 1), ('shades/mask', ones / 2)):
      tf.get_variable(name, initializer=tf.constant(value, tf.float32))
    session.run(tf.global_variables_initializer())
    tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'), write_meta_graph=False)
  rows = _by_name(report.of(str(tmp_path)))
  assert {name: (row.masked, row.zeros, row.threshold) for name, row in rows.items()} == {
      'a/filter': (True, 3, 0.25), 'b/depthwise': (True, 1, None), 'own/kernel': (False, 0, None),
      'shades/kernel': (False, 0, None), 'shades/mask': (False, 3, None)}


@pytest.mark.skipif(not tf.executing_eagerly and not hasattr(tf, 'Module'), reason='TensorFlow 1')
def test_checkpoints_of_objects(tmp_path):
  with tf.Graph().as_default(), tf.Session() as session:
    holder = tf.Module()
    holder.kernel = tf.Variable(np.eye(4, dtype=np.float32), use_resource=True)
    holder.bias = tf.Variable(np.ones(4, np.float32), use_resource=True)
    saver = tf.train.Checkpoint(model=holder)
    session.run(tf.global_variables_initializer())
    prefix = saver.save(str(tmp_path / 'ckpt'), session=session)
  weight, = report.of(prefix).weights
  assert (weight.name, weight.shape, weight.zeros) == ('model/kernel', (4, 4), 12)


@pytest.mark.parametrize('dtype,itemsize', [('float16', 2), ('bfloat16', 2), ('float64', 8)])
def test_dtypes(dtype, itemsize, tmp_path):
  def model(inputs):
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      kernel = tf.get_variable('kernel', [4, 5], tf.as_dtype(dtype), initializer=(
          tf.constant_initializer(np.arange(20).reshape(4, 5) - 19.)))
    return tf.matmul(inputs, tf.cast(kernel, tf.float32))

  _build(str(tmp_path), model=model, shape=(None, 4),
         spec='initial_sparsity=0.5,target_sparsity=0.5')
  row = _by_name(report.of(str(tmp_path)))['fc/kernel']
  assert (row.dtype, row.zeros, row.bytes_dense) == (dtype, 10, 20 * itemsize)
  assert (row.flops, row.flops_effective) == (40, 20)


# ---- Graphs. ----


def _write(graph_def, path):
  with open(str(path), 'wb') as f:
    f.write(graph_def.SerializeToString())
  return str(path)


def test_frozen_with_masks_and_stripped_have_the_same_sparsity(saved, tmp_path):
  frozen = model_pruning.graph_def_from_checkpoint(saved[0], ['outputs'])
  stripped = model_pruning.strip_pruning_vars_fn(frozen, ['outputs'])
  source = report.of(saved[0])
  masked = report.of(_write(frozen, tmp_path / 'frozen.pb'))
  plain = report.of(_write(stripped, tmp_path / 'stripped.pb'))
  assert masked.kind == plain.kind == 'frozen graph'
  assert [weight.name for weight in masked.weights] == [weight.name for weight in source.weights]
  assert [weight.masked for weight in masked.weights] == [True, True, False]
  assert not any(weight.masked for weight in plain.weights)
  by_shape = {weight.shape: weight for weight in plain.weights}
  for one, two in zip(source.weights, masked.weights):
    three = by_shape[one.shape]
    for name in ('shape', 'zeros', 'sparsity', 'block', 'bytes_dense', 'bytes_sparse', 'flops',
                 'flops_effective'):
      assert getattr(one, name) == getattr(two, name) == getattr(three, name), (one.name, name)


@pytest.mark.sampled(1)
def test_weights_in_loops_and_functions(control_flow, tmp_path):
  del control_flow

  def model(inputs):
    def body(index, state):
      with tf.variable_scope('cell'):
        return index + 1, tf.tanh(tf.matmul(state, tf.get_variable('kernel', [6, 6])))

    with model_pruning.masked_scope():
      return tf.while_loop(lambda index, _: index < 3, body, (tf.constant(0), inputs))[1]

  _build(str(tmp_path), True, model, 'initial_sparsity=0.5,target_sparsity=0.5', (None, 6))
  frozen = model_pruning.graph_def_from_checkpoint(str(tmp_path), ['outputs'])
  for path in (str(tmp_path), _write(frozen, tmp_path / 'frozen.pb')):
    found = report.of(path)
    weight, = found.weights
    assert (weight.masked, weight.zeros, weight.flops) == (True, 18, 72)
    assert any('one iteration' in note for note in found.notes)


@pytest.mark.skipif(not hasattr(tf, 'function') and not hasattr(tf, 'wrap_function'),
                    reason='no functions')
def test_constants_in_functions_are_found(tmp_path):
  values = np.array([[1, 0, 0], [0, 2, 0]], np.float32)
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [None, 2], 'inputs')
    function = model_pruning.compat.Defun(tf.float32, func_name='layer')(
        lambda x: tf.matmul(x, tf.constant(values, name='kernel')))
    tf.identity(function(inputs), 'outputs')
  weight, = report.of(_write(graph.as_graph_def(), tmp_path / 'graph.pb')).weights
  assert weight.name.endswith('/kernel') and weight.zeros == 4
  assert (weight.flops, weight.flops_effective) == (12, 4)


@both_kinds
def test_saved_models(use_resource, tmp_path):
  folder = str(tmp_path / 'model')
  with tf.Graph().as_default(), tf.Session() as session:
    tf.train.get_or_create_global_step()
    inputs = tf.placeholder(tf.float32, [None, 8, 6, 2], 'inputs')
    with tf.variable_scope('', use_resource=use_resource):
      outputs = _net(inputs)
    update = model_pruning.Pruning('initial_sparsity=0.5,target_sparsity=0.5').mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    tf.saved_model.simple_save(session, folder, {'x': inputs}, {'y': outputs})
  found = report.of(folder)
  assert found.kind == 'SavedModel'
  assert {weight.name: (weight.sparsity, weight.flops) for weight in found.weights} == {
      'conv/kernel': (0.5, FLOPS['conv/kernel']), 'fc/weights': (0.5, FLOPS['fc/weights']),
      'out/kernel': (0, FLOPS['out/kernel'])}
  assert report.of(os.path.join(folder, 'saved_model.pb')).weights == found.weights
  shutil.rmtree(os.path.join(folder, 'variables'))
  with pytest.raises(errors.ModelFileError, match='has variables, but no'):
    report.of(folder)
  with open(os.path.join(folder, 'saved_model.pb'), 'r+b') as f:
    f.truncate(5000)
  with pytest.raises(errors.ModelFileError, match='is not a SavedModel, or is damaged'):
    report.of(folder)


@pytest.mark.parametrize('content', [b'', b'This is no model.\n' * 20, b'\x00' * 64,
                                     b'{"a": [1, 2, 3]}'])
@pytest.mark.parametrize('name', ['model.pb', 'notes.txt', 'model.tflite'])
def test_what_is_no_model(content, name, tmp_path):
  path = tmp_path / name
  path.write_bytes(content)
  with pytest.raises(errors.ModelFileError) as caught:
    report.of(str(path))
  assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_no_such_file(tmp_path):
  with pytest.raises(errors.ModelFileError, match='nowhere.pb cannot be read'):
    report.of(str(tmp_path / 'nowhere.pb'))


# ---- Blocks. ----


def _constants(tmp_path, **values):
  with tf.Graph().as_default() as graph:
    for name in sorted(values):
      tf.constant(values[name], tf.float32, name=name)
  return _write(graph.as_graph_def(), tmp_path / 'constants.pb')


def test_blocks_are_found_or_looked_for(tmp_path):
  random = np.random.RandomState(0)
  in_blocks = np.repeat(random.permutation(64 * 4).reshape(16, 16) < 64, 4, 0) * 1.0
  image = np.ones([3, 3, 2, 2])
  path = _constants(tmp_path, a=in_blocks, b=random.rand(64, 16) < 0.25, c=image)
  rows = _by_name(report.of(path))
  assert (rows['a'].block, rows['a'].block_sparsity) == ((4, 1), 0.75)
  assert (rows['b'].block, rows['b'].block_sparsity) == ((1, 1), rows['b'].sparsity)
  # 64 of 256 blocks of 4 floats, the row of each, and where the 16 columns begin.
  assert rows['a'].bytes_sparse == 64 * 16 + 64 + 17
  asked = _by_name(report.of(path, block=(2, -1)))
  alive = in_blocks.reshape(32, 2, 16).any(axis=(1, 2))
  assert (asked['a'].block, asked['a'].block_sparsity) == ((2, 16), 1 - alive.mean())
  assert (asked['c'].block, asked['c'].block_sparsity) == ((1, 1), None)
  with pytest.raises(errors.BlockError):
    report.of(path, block=(0, 4))


# ---- What is shown. ----


def test_table_json_and_csv_say_the_same(saved):
  found = report.of(saved[0])
  content = json.loads(found.to_json())
  rows = list(csv.DictReader(io.StringIO(found.to_csv())))
  assert len(rows) == 3
  assert all(len(line) <= 80 for line in found.table().splitlines()[1:])
  lines = found.table(width=120).splitlines()
  assert all(len(line) <= 120 for line in lines[1:])
  for row, weight, line in zip(rows, content['weights'], lines[4:]):
    assert set(row) == set(weight)
    for name, value in weight.items():
      if isinstance(value, list):
        value = 'x'.join(map(str, value))
      assert row[name] == ('' if value is None else str(value))
    cells = line.split()
    assert cells[:3] == [weight['name'], row['shape'], '%.4f' % weight['sparsity']]
  totals = content['totals']
  for name in ('size', 'zeros', 'bytes_dense', 'bytes_gzipped', 'flops', 'flops_effective'):
    assert totals[name] == sum(weight[name] for weight in content['weights'])
  assert totals['sparsity'] == totals['zeros'] / totals['size']
  assert lines[4].split()[5:7] == ['288', 'B'] and '3.84 kB' in lines[5]
  assert lines[7].split()[:4] == ['total', '%.4f' % totals['sparsity'], '4.37', 'kB']


def _row(name):
  return report.WeightReport(name, (1024, 1024), 'float32', True, 943718, (16, 1), 0.9, 0.123456,
                             4194304, 427524, 400000, 2097152, 209716)


def test_wide_tables_are_cut_in_two_and_names_in_the_middle():
  name = 'encoder/layer_%d/attention/self/projection/kernel'
  table = report.Report('p', 'checkpoint', tuple(
      _row(name % index) for index in (1, 2))).table(width=100)
  assert all(len(line) <= 100 for line in table.splitlines())
  assert table.count(name % 1) == table.count(name % 2) == 2
  assert table.count('total') == 2 and '0.123' in table and '16x1' in table
  long = 'a' * 60 + '%d' + 'b' * 60
  table = report.Report('p', 'checkpoint', tuple(
      _row(long % index) for index in (1, 2))).table(width=100)
  assert all(len(line) <= 100 for line in table.splitlines())
  assert all(len(line) <= 80 for line in report.Report('p', 'checkpoint', tuple(
      _row(long % index) for index in range(9))).table().splitlines())
  assert 'aaa...bbb' in table or '1bb' in table or '...1' in table


def test_a_model_without_weights(tmp_path):
  with tf.Graph().as_default() as graph:
    tf.constant([1., 2.], name='bias')
  found = report.of(_write(graph.as_graph_def(), tmp_path / 'graph.pb'))
  assert found.weights == () and 'no weights' in found.table()
  assert json.loads(found.to_json())['totals']['sparsity'] == 0


# ---- TFLite models. ----


@pytest.mark.skipif(tf.__version__.startswith('1.'), reason='its converter is another program')
def test_values_of_tflite_models_that_are_no_numbers(tmp_path):
  kernel = np.random.RandomState(0).rand(32, 16).astype(np.float32)
  kernel[3, 4] = np.nan
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [1, 32], 'x')
    y = tf.matmul(x, tf.constant(kernel), name='y')
  converter = tf.lite.TFLiteConverter(graph.as_graph_def(), [x], [y])
  (tmp_path / 'model.tflite').write_bytes(converter.convert())
  finding, = report.of(str(tmp_path / 'model.tflite')).findings
  assert finding.kind == 'not_finite' and '1 of 512 values' in finding.text


def test_tflite_models(tmp_path):
  """One matrix that is stored sparse, in blocks, and one that is stored as it is."""
  random = np.random.RandomState(0)
  in_blocks = np.repeat(random.permutation(32 * 64).reshape(32, 64) < 205, 4, 0) * (
      1 + random.rand(128, 64))
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [1, 128], 'inputs')
    hidden = tf.nn.relu(tf.matmul(inputs, tf.constant(in_blocks, tf.float32, name='sparse')))
    dense = tf.constant(1 + random.rand(64, 30) * (random.rand(64, 30) < 0.5), tf.float32)
    tf.matmul(hidden, dense - 0, name='outputs')
  path = str(tmp_path / 'model.tflite')
  tflite.to_tflite(graph.as_graph_def(), path, 'inputs', 'outputs')
  found = report.of(path)
  assert found.kind == 'TFLite model'
  assert found.notes == ('FLOPs of TFLite models are not counted.',)
  rows = {row.shape: row for row in found.weights}
  row = rows[128, 64]
  zeros = int(np.sum(in_blocks == 0))
  assert (row.zeros, row.bytes_dense) == (zeros, in_blocks.size * 4)
  assert (rows[64, 30].zeros, rows[64, 30].bytes_dense) == (0, 64 * 30 * 4)
  assert rows[64, 30].bytes_sparse == 64 * 30 * 4
  # Where nothing writes sparse tensors they are stored dense, and are measured as others.
  assert (row.block, row.block_sparsity) == ((4, 1), zeros / in_blocks.size)
  kept = 205
  assert kept * 16 + kept + 65 <= row.bytes_sparse <= kept * 16 + 2 * (kept + 65)
  assert 'TFLite model' in found.table()


@pytest.mark.sampled(1)
@pytest.mark.parametrize('inputs, outputs', [(32, 32), (32, 48), (48, 32)])
def test_blocks_of_dense_tflite_kernels_lie_as_in_the_kernel(inputs, outputs, tmp_path):
  random = np.random.RandomState(0)
  kernel = np.repeat(random.rand(inputs // 16, outputs) < 0.3, 16, 0) * (
      1 + random.rand(inputs, outputs))
  with tf.Graph().as_default() as graph:
    x = tf.placeholder(tf.float32, [1, inputs], 'x')
    tf.matmul(x, tf.constant(kernel, tf.float32), name='y')
  path = str(tmp_path / 'model.tflite')
  tflite.to_tflite(graph.as_graph_def(), path, 'x', 'y', sparse=False)
  row, = report.of(path).weights
  assert (row.block, row.block_sparsity) == ((16, 1), np.mean(kernel == 0))
