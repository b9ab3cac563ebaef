# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of tflite_kernels: which zeros kernels skip; and that a report says what an export does."""

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.export.tflite import convert as tflite
from model_pruning.export.tflite import kernels as tflite_kernels
from model_pruning.export.tflite import sparse as tflite_sparse
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting import report
from model_pruning.reporting import tflite as prospects
from tests.reporting import samples


def _zeros(kept):
  return tflite_kernels.Zeros.of(np.asarray(kept, bool).T)


def _blocks(inputs, outputs, height, width, sparsity, seed=0):
  """Returns a mask [inputs, outputs] with that fraction of its blocks hidden."""
  shape = (-(-inputs // height), -(-outputs // width))
  order = np.random.RandomState(seed).permutation(shape[0] * shape[1]).reshape(shape)
  kept = order >= round(sparsity * order.size)
  return np.kron(kept, np.ones([height, width]))[:inputs, :outputs].astype(bool)


@pytest.mark.parametrize('kept', [
    _blocks(64, 48, 1, 1, 0.9), _blocks(64, 48, 4, 1, 0.9), _blocks(48, 64, 1, 16, 0.8),
    _blocks(36, 20, 4, 4, 0.5), np.zeros([16, 16]), np.ones([17, 4]), np.ones([16, 1])])
def test_zeros_are_counted_in_runs(kept):
  kept = np.asarray(kept, bool)
  found, (inputs, outputs) = _zeros(kept), kept.shape
  assert (found.inputs, found.outputs) == (inputs, outputs)
  assert found.sparsity == pytest.approx(1 - kept.mean())
  for length in (4, 16):
    for size, runs, across in ((inputs, found.along_inputs, False),
                               (outputs, found.along_outputs, True)):
      assert (length in runs) == (size % length == 0)
      if length in runs:
        matrix = kept if across else kept.T
        alive = [row[begin:begin + length].any() for row in matrix
                 for begin in range(0, size, length)]
        assert runs[length] == pytest.approx((len(alive) - sum(alive) + 0.5) / len(alive))
  assert found.transposed().transposed().along_inputs == found.along_inputs


@pytest.mark.parametrize('op,kind,why', [
    ('CONV_2D', tflite_kernels.FLOAT, 'no sparse kernel for CONV_2D'),
    ('GATHER', tflite_kernels.DYNAMIC, 'no sparse kernel for GATHER'),
    ('FULLY_CONNECTED', ('float16', 'float32'), 'weights of float16'),
    ('FULLY_CONNECTED', ('float32', ''), 'another dtype')])
def test_where_there_is_no_kernel(op, kind, why):
  found = tflite_kernels.judge(op, kind, _zeros(_blocks(64, 64, 16, 1, 0.9)))
  assert not found.fast and why in found.why and found.wanted_block is None


@pytest.mark.parametrize('kept,kind,fast,why,block,sparsity', [
    (_blocks(64, 64, 4, 1, 0.9), tflite_kernels.FLOAT, True, '', None, None),
    (_blocks(64, 64, 16, 1, 0.9), tflite_kernels.DYNAMIC, True, '', None, None),
    (_blocks(64, 64, 4, 1, 0.9), tflite_kernels.DYNAMIC, False, 'not in blocks of 16x1', 16, None),
    (_blocks(64, 64, 1, 1, 0.9), tflite_kernels.FLOAT, False, 'not in blocks of 4x1', 4, None),
    (_blocks(64, 64, 1, 16, 0.9), tflite_kernels.DYNAMIC, False, 'along the outputs', 16, None),
    (_blocks(64, 64, 4, 1, 0.5), tflite_kernels.FLOAT, False, '50.0 % zeros', None, 0.85),
    (_blocks(64, 64, 1, 1, 0.5), tflite_kernels.FLOAT, False, '50.0 % zeros', 4, 0.85),
    (_blocks(66, 64, 1, 1, 0.9), tflite_kernels.FLOAT, False, 'no multiple of 4', None, None),
    (_blocks(4112, 8, 16, 1, 0.9), tflite_kernels.DYNAMIC, False, 'at most 4096 inputs', None,
     None),
    (np.ones([4096, 2]), tflite_kernels.DYNAMIC, False, 'at most 255 blocks', None, None),
    (_blocks(4096, 2, 16, 1, 0.9), tflite_kernels.DYNAMIC, True, '', None, None)])
def test_what_a_kernel_asks_for(kept, kind, fast, why, block, sparsity):
  found = tflite_kernels.judge('FULLY_CONNECTED', kind, _zeros(kept))
  assert (found.fast, found.wanted_block, found.wanted_sparsity) == (fast, block, sparsity)
  assert why in found.why


# ---- What a report says, and what an export then does. ----


sparse_only = pytest.mark.skipif(not tflite_sparse.can_write(), reason='TensorFlow 1')

MASKS = [(height, width, sparsity) for height, width in ((1, 1), (4, 1), (16, 1), (1, 16), (16, 16))
         for sparsity in (0.5, 0.83, 0.9)]


@sparse_only
@pytest.mark.parametrize('quantization,mode', [('none', 'float'), ('dynamic', 'dynamic int8')])
@pytest.mark.parametrize('transposed', [False, True])
def test_a_report_says_what_an_export_does(quantization, mode, transposed, tmp_path):
  random, kernels = np.random.RandomState(0), {}
  with tf.Graph().as_default() as graph:
    inputs = tf.placeholder(tf.float32, [1, 64], 'inputs')
    outputs = []
    for index, (height, width, sparsity) in enumerate(MASKS):
      kept = _blocks(64, 48, height, width, sparsity, index)
      name = 'fc%d' % index
      kernels[name] = (random.randn(64, 48) * kept).astype(np.float32)
      stored = kernels[name].T if transposed else kernels[name]
      outputs.append(tf.matmul(inputs, tf.constant(stored, name=name), transpose_b=transposed))
    tf.concat(outputs, axis=1, name='outputs')
  path = str(tmp_path / 'model.tflite')
  written = tflite.to_tflite(graph.as_graph_def(), path, 'inputs', 'outputs', quantization)
  fast = {weight.stored.name: weight for weight in written.weights}
  (tmp_path / 'graph.pb').write_bytes(graph.as_graph_def().SerializeToString())
  rows = report.of(str(tmp_path / 'graph.pb')).weights
  assert len(rows) == len(MASKS)
  for row in rows:
    prospect = prospects.prospect_of(row)
    assert row.details.op == 'FULLY_CONNECTED' and row.details.transposed == transposed
    assert (mode in prospect.skips) == fast[row.name].fast, (row.name, fast[row.name].why)
    if quantization == 'none':
      assert (prospect.stored == 'dense') == (fast[row.name].stored.block is None), row.name
    if not prospect.skips and prospect.wanted and prospect.wanted.block:
      assert prospect.wanted.block == ('1x16' if transposed else '16x1')


@sparse_only
def test_of_convolutions_too(tmp_path):
  random = np.random.RandomState(0)
  with tf.Graph().as_default() as graph:
    images = tf.placeholder(tf.float32, [1, 8, 8, 16], 'inputs')
    outputs = []
    for index, sparsity in enumerate((0.3, 0.6, 0.9, 0.99)):
      kernel = random.randn(3, 3, 16, 32) * (random.rand(3, 3, 16, 32) >= sparsity)
      outputs.append(tf.nn.conv2d(images, tf.constant(kernel, tf.float32, name='conv%d' % index),
                                  [1, 1, 1, 1], 'SAME'))
    tf.concat(outputs, axis=3, name='outputs')
  written = tflite.to_tflite(graph.as_graph_def(), str(tmp_path / 'model.tflite'), 'inputs',
                             'outputs')
  stored = {weight.stored.name: weight for weight in written.weights}
  (tmp_path / 'graph.pb').write_bytes(graph.as_graph_def().SerializeToString())
  for row in report.of(str(tmp_path / 'graph.pb')).weights:
    prospect = prospects.prospect_of(row)
    assert prospect.skips == () and not stored[row.name].fast
    assert (prospect.stored == 'dense') == (stored[row.name].stored.block is None), row.name


@pytest.mark.parametrize('name,shape,op', [
    ('fc/kernel', (64, 64), 'FULLY_CONNECTED'), ('conv/kernel', (3, 3, 8, 8), 'CONV_2D'),
    ('bert/word_embeddings', (64, 64), 'GATHER'), ('sep/depthwise_kernel', (3, 3, 8, 1),
                                                   'DEPTHWISE_CONV_2D'),
    ('c3/kernel', (3, 3, 3, 8, 8), 'CONV_3D'), ('odd/kernel', (2, 2, 2, 2, 2, 2), '')])
def test_without_a_graph_names_and_shapes_tell_the_operation(name, shape, op):
  row, = samples.report_of([samples.weight(name, shape, 0.9)]).weights
  assert row.details.op == op
  prospects.prospect_of(row)


def test_weights_of_loops_are_said_to_be():
  row, = report.of_weights('x', 'checkpoint', [StoredWeight(
      'rnn/basic_lstm_cell/kernel', np.ones([64, 64], np.float32),
      _blocks(64, 64, 1, 1, 0.9))]).weights
  assert row.details.in_loop and 'loop' in prospects.prospect_of(row).why
