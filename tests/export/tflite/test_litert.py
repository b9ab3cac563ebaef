# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Tests of exported TFLite files under LiteRT, the runtime that replaces tf.lite."""

import importlib
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.export.tflite import check as tflite_check
from model_pruning.export.tflite import convert as tflite
from tests.paths import ROOT

TF2 = int(tf.__version__.split('.')[0]) >= 2
# Before, TensorFlow's own interpreter made quantized weights of dense layers dense at loading.
IS_LITERT = tuple(map(int, tf.__version__.split('.')[:2])) >= (2, 22)
pytestmark = pytest.mark.skipif(not TF2, reason='TensorFlow 1 stores no weight sparse')

PATTERNS = {'none': None, '4x1': (4, 0.9), '16x1': (16, 0.9), '16x1, sparser': (16, 0.97),
            'unstructured': (1, 0.9)}


def _kernel(rows, columns, pattern, seed):
  random = np.random.RandomState(seed)
  kernel = random.randn(rows, columns).astype(np.float32)
  if pattern:
    block, sparsity = pattern
    keep = np.zeros(rows // block * columns, np.float32)
    keep[:int(round(keep.size * (1 - sparsity)))] = 1
    random.shuffle(keep)
    kernel *= np.repeat(keep.reshape(rows // block, columns), block, 0)
  return kernel


def _dense(pattern):
  with tf.Graph().as_default() as graph:
    y = tf.placeholder(tf.float32, [1, 256], 'x')
    for i, shape in enumerate(((256, 128), (128, 64))):
      kernel = tf.constant(_kernel(*shape, pattern=pattern, seed=i), name='fc%d/kernel' % i)
      y = tf.nn.relu(tf.matmul(y, kernel) + 0.1)
    tf.identity(y, 'y')
    return graph.as_graph_def(), [1, 256]


def _convolutions(pattern):
  with tf.Graph().as_default() as graph:
    y = tf.placeholder(tf.float32, [1, 8, 8, 8], 'x')
    for i, size in enumerate((3, 1)):
      kernel = _kernel(size * size * 8, 8, pattern and (1, pattern[1]), i)
      kernel = tf.constant(kernel.reshape(size, size, 8, 8), name='conv%d/kernel' % i)
      y = tf.nn.relu(tf.nn.conv2d(y, kernel, [1, 1, 1, 1], 'SAME') + 0.1)
    depthwise = _kernel(9 * 8, 2, pattern and (1, pattern[1]), 7).reshape(3, 3, 8, 2)
    tf.nn.depthwise_conv2d(y, tf.constant(depthwise), [1, 1, 1, 1], 'SAME', name='y')
    return graph.as_graph_def(), [1, 8, 8, 8]


def _examples(shape, number=20):
  return np.random.RandomState(3).randn(number, *shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.legs('newest')
@pytest.mark.sampled(1)
@pytest.mark.parametrize('build', [_dense, _convolutions])
def test_every_file_runs_in_litert(build, tmp_path):
  """All quantizations, patterns and kinds of storage, in the environment `litert`."""
  expected = {}
  for pattern in PATTERNS:
    graph_def, shape = build(PATTERNS[pattern])
    examples = _examples(shape)
    for quantization in tflite.QUANTIZATIONS:
      for sparse in ('auto', False, True):
        name = '%s %s %s' % (pattern, quantization, sparse)
        path = str(tmp_path / (name + '.tflite'))
        try:
          written = tflite.to_tflite(graph_def, path, 'x', 'y', quantization, sparse, examples)
        except errors.ConversionError as error:
          assert sparse is True and 'none of them smaller or faster' in str(error)
          continue
        model = tflite.interpreter(open(path, 'rb').read())
        outputs = []
        for example in examples:
          model.set_tensor(model.get_input_details()[0]['index'], example)
          model.invoke()
          outputs.append(model.get_tensor(model.get_output_details()[0]['index']).copy())
        np.savez(path[:-len('.tflite')] + '.npz', x=examples, y=np.stack(outputs))
        expected[name] = written
  done = subprocess.run(
      [os.path.join(ROOT, 'tools', 'with_env.sh'), 'litert', 'tools/litert_run.py', str(tmp_path)],
      cwd=ROOT, stdout=subprocess.PIPE, check=True, universal_newlines=True)
  if not done.stdout.strip():
    pytest.skip('no Python for LiteRT')
  found = json.loads(done.stdout)
  with open(os.path.join(ROOT, 'docs', 'deploying.md')) as f:
    assert 'ai-edge-litert %s' % found['version'] in f.read()
  assert set(found['results']) == set(expected)
  for name, difference in found['results'].items():
    if expected[name].warnings:  # Asked for, and said.
      assert name.endswith(' int8 True') and 'fails to load dense layers' in (
          ' '.join(expected[name].table().split()))
      assert isinstance(difference, float) or 'failed to' in difference
    else:
      assert isinstance(difference, float) and difference < 0.02, (name, difference)
  assert len([name for name in expected if name.endswith('auto')]) == (
      len(tflite.QUANTIZATIONS) * len(PATTERNS))
  if build is _dense:
    assert any(isinstance(difference, str) for difference in found['results'].values())


@pytest.mark.parametrize('pattern', [name for name in PATTERNS if PATTERNS[name]])
@pytest.mark.parametrize('build', [_dense, _convolutions])
def test_int8_is_sparse_in_the_file_only_if_asked(tmp_path, pattern, build):
  graph_def, shape = build(PATTERNS[pattern])
  examples = _examples(shape)
  path = str(tmp_path / 'model.tflite')
  auto = tflite.to_tflite(graph_def, path, 'x', 'y', 'int8', examples=examples)
  assert not any(weight.stored.expanded for weight in auto.weights) and not auto.warnings
  if IS_LITERT and build is _dense and pattern != '16x1, sparser':
    with pytest.raises(errors.ConversionError, match='none of them smaller or faster'):
      tflite.to_tflite(graph_def, path, 'x', 'y', 'int8', True, examples, litert=False)
    return
  asked = tflite.to_tflite(graph_def, path, 'x', 'y', 'int8', True, examples, litert=False)
  assert sum(weight.stored.stored_bytes for weight in asked.weights) <= sum(
      weight.stored.stored_bytes for weight in auto.weights)
  if any(weight.stored.expanded for weight in asked.weights):
    warning, = asked.warnings
    assert 'Int8 weights that are sparse in the file only are read by' in asked.table()
    assert json.loads(asked.to_json())['warnings'] == [warning]


# ---- The comparison under LiteRT, with one that stands in for it. ----


class _LiteRT:
  """TensorFlow's interpreter, which fails on a DENSIFY, or computes something else."""
  fails = staticmethod(lambda content: False)
  off_by = 0.0

  def __init__(self, model_content, num_threads):
    assert num_threads == 1
    if self.fails(model_content):
      raise RuntimeError('failed to delegate FULLY_CONNECTED node #2\nmore')
    self._model = tf.lite.Interpreter(model_content=model_content)

  def __getattr__(self, name):
    return getattr(self._model, name)

  def get_tensor(self, index):
    return self._model.get_tensor(index) + np.float32(self.off_by)


@pytest.fixture
def litert(monkeypatch):
  """The stand-in for LiteRT, as if it were installed."""
  stand_in = type('Interpreter', (_LiteRT,), {})
  module = types.ModuleType('ai_edge_litert.interpreter')
  module.Interpreter = stand_in
  package = types.ModuleType('ai_edge_litert')
  package.interpreter = module
  monkeypatch.setitem(sys.modules, 'ai_edge_litert', package)
  monkeypatch.setitem(sys.modules, 'ai_edge_litert.interpreter', module)
  monkeypatch.setattr(tflite_check, 'litert_version', lambda: 'ai-edge-litert 9.9')
  return stand_in


def _has_densify(content):
  return bool(any(weight.expanded for weight in tflite.weights_of(content)))


def test_litert_is_asked_where_it_is_installed(tmp_path, litert):
  graph_def, _ = _dense(PATTERNS['4x1'])
  written = tflite.to_tflite(graph_def, str(tmp_path / 'a.tflite'), 'x', 'y')
  assert written.litert == 'ai-edge-litert 9.9'
  assert written.table().endswith('interpreter: default and ai-edge-litert 9.9')
  litert.off_by = 100
  with pytest.raises(errors.ConversionError, match=r"not in LiteRT \(ai-edge-litert 9.9\): its "
                     'outputs differ by .*Nothing was written.*--litert=no'):
    tflite.to_tflite(graph_def, str(tmp_path / 'b.tflite'), 'x', 'y')
  assert os.listdir(str(tmp_path)) == ['a.tflite']
  written = tflite.to_tflite(graph_def, str(tmp_path / 'b.tflite'), 'x', 'y', litert=False)
  assert written.litert == ''


@pytest.mark.parametrize('quantization,sparse,stored', [
    ('none', 'auto', True), ('none', True, False), ('int8', True, False)])
def test_what_litert_cannot_load_is_stored_dense_or_refused(
    tmp_path, litert, quantization, sparse, stored):
  litert.fails = staticmethod(_has_densify)
  graph_def, shape = _convolutions(PATTERNS['unstructured'])
  path = str(tmp_path / 'model.tflite')
  arguments = (graph_def, path, 'x', 'y', quantization, sparse, _examples(shape))
  if stored:
    assert not tflite.to_tflite(*arguments).sparse
  else:
    with pytest.raises(errors.ConversionError, match='cannot be run .failed to delegate FULLY'):
      tflite.to_tflite(*arguments)
    assert not os.path.exists(path)
  assert tflite.to_tflite(*arguments, litert=False).sparse


def test_without_litert(tmp_path, monkeypatch):
  monkeypatch.setattr(tflite_check, 'litert', lambda: None)
  graph_def, _ = _dense(None)
  path = str(tmp_path / 'model.tflite')
  assert tflite.to_tflite(graph_def, path, 'x', 'y').litert == ''
  with pytest.raises(errors.MissingPackageError, match='pip install ai-edge-litert'):
    tflite.to_tflite(graph_def, path, 'x', 'y', litert=True)
  with pytest.raises(errors.ConversionError, match="litert is 'yes'; expected one of 'auto', True"):
    tflite.to_tflite(graph_def, path, 'x', 'y', litert='yes')


def test_a_litert_for_another_python_is_none(monkeypatch, tmp_path):
  (tmp_path / 'ai_edge_litert').mkdir()
  (tmp_path / 'ai_edge_litert' / '__init__.py').write_text('')
  (tmp_path / 'ai_edge_litert' / 'interpreter.py').write_text('raise SystemError("a Python of 3")')
  for name in ('ai_edge_litert', 'ai_edge_litert.interpreter'):
    monkeypatch.delitem(sys.modules, name, raising=False)
  monkeypatch.syspath_prepend(str(tmp_path))
  importlib.invalidate_caches()
  assert tflite_check.litert() is None
  sys.modules.pop('ai_edge_litert', None)
