# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: size = large
# bazel: deps = //examples:keras/constant_vs_polynomial
"""Runs the example that compares two schedules in Keras as a user does, for a few epochs."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NETS = ['baseline', 'constant', 'polynomial']
_KERNELS = {'conv1/kernel': 9 * 32, 'conv2/kernel': 9 * 32 * 64, 'dense/kernel': 1600 * 256,
            'softmax/kernel': 2560}
_needs_keras = pytest.mark.skipif(tf.__version__.startswith('1.'),
                                  reason='Keras models are pruned on TensorFlow 2')


def _start(output_dir, *flags):
  environment = dict(os.environ, PYTHONPATH=_ROOT)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)  # Set for the tests; the example sees to its own.
  return subprocess.Popen(
      [sys.executable, '-m', 'examples.keras.constant_vs_polynomial',
       '--output_dir=%s' % output_dir] + list(flags), cwd=_ROOT, env=environment,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


@_needs_keras
@pytest.mark.legacy_keras
def test_three_nets_are_trained_measured_and_drawn(tmp_path):
  running = _start(tmp_path, '--epochs=2', '--seeds=2', '--seed=3', '--batch_size=128',
                   '--sparsity=0.75')
  stdout, stderr = running.communicate(timeout=300)
  assert running.returncode == 0, stderr
  assert stderr == ''  # Least of all TensorFlow's remarks.
  for seed in (3, 4):
    for net, sparsity in zip(_NETS, (0, 0.75, 0.75)):
      (line,) = [line for line in stdout.splitlines()
                 if line.startswith('%-10s seed %d  loss ' % (net, seed))]
      assert line.endswith('sparsity %.3f' % sparsity)

  results = json.loads((tmp_path / 'results.json').read_text())
  steps = 2 * 11  # Of 1,348 images.
  assert (results['steps'], results['sparsity']) == (steps, 0.75)
  assert [results['nets'][net]['schedule'] and results['nets'][net]['schedule']['class_name']
          for net in _NETS] == [None, 'ConstantSparsity', 'PolynomialDecay']
  assert [seed['seed'] for seed in results['seeds']] == [3, 4]
  for seed in results['seeds']:
    for net in _NETS:
      found = seed['nets'][net]
      assert {kernel['name']: kernel['size'] for kernel in found['kernels']} == _KERNELS
      for kernel in found['kernels']:
        assert kernel['zeros'] == (0 if net == 'baseline' else 0.75 * kernel['size'])
      assert len(found['accuracies']) == 2 and found['accuracies'][-1] == found['accuracy'] > 0.2
    curves = [seed['nets'][net]['curve'] for net in _NETS]
    assert curves[0] == [[0, 0], [steps, 0]]
    assert curves[1] == [[0, 0], [4, 0.75], [steps, 0.75]]  # At a fifth.
    batches, sparsities = np.transpose(curves[2])
    assert len(batches) > 10 and list(batches) == sorted(set(batches)) and batches[1] == 5
    assert list(sparsities) == sorted(sparsities) and sparsities[-1] == 0.75

  (header, _, *rows), = [stdout.splitlines()[index:index + 5]
                         for index, line in enumerate(stdout.splitlines())
                         if line.split()[:2] == ['accuracy', 'published']]
  assert header.split()[2:] == ['loss', 'published', 'gzipped', 'published']
  for row, net in zip(rows, _NETS):
    for measure, number in (('accuracy', '%.4f'), ('loss', '%.4f')):
      values = [seed['nets'][net][measure] for seed in results['seeds']]
      mean, deviation = np.mean(values), np.std(values, ddof=1)
      assert results['nets'][net][measure]['mean'] == pytest.approx(mean)
      assert '%s +- %s' % (number % mean, number % deviation) in row
  assert '0.9927' in rows[2] and '388,071' in rows[1] and '1,601,609' in rows[0]
  assert max(map(len, [header] + rows)) <= 100
  gzipped = [results['nets'][net]['gzipped_bytes']['mean'] for net in _NETS]
  assert gzipped[1] < gzipped[0] / 2 and gzipped[2] < gzipped[0] / 2
  assert results['polynomial_less_constant']['loss'] == [
      seed['nets']['polynomial']['loss'] - seed['nets']['constant']['loss']
      for seed in results['seeds']]
  assert stdout.count(', better with ') == 2

  assert (tmp_path / 'constant_vs_polynomial.png').read_bytes()[:4] == b'\x89PNG'
  from examples.digits import data as data_lib
  from examples.keras import constant_vs_polynomial
  data = constant_vs_polynomial.as_large_as_mnist(data_lib.load('digits'))
  for net in _NETS:
    model = tf.keras.models.load_model(str(tmp_path / (net + '.keras')))
    assert type(model.layers[0]) is tf.keras.layers.Conv2D
    _, accuracy = model.evaluate(data.test_images, data.test_labels, verbose=0)
    assert accuracy == pytest.approx(results['seeds'][0]['nets'][net]['accuracy'], abs=0.003)


@_needs_keras
@pytest.mark.parametrize('flag, said', [
    ('--sparsity=1.5', 'error: '), ('--data_path=x.npz', 'error: --data_path is for '),
    ('--epochs=0', 'FATAL Flags parsing error')])
def test_a_bad_flag_is_one_line(flag, said, tmp_path):
  running = _start(tmp_path / 'out', flag)
  stdout, stderr = running.communicate(timeout=60)
  assert running.returncode == 1 and stdout == ''
  assert stderr.startswith(said) and flag[2:].split('=')[0] in stderr
  if said.startswith('error'):
    assert stderr.count('\n') == 1
  assert not (tmp_path / 'out').exists()


@_needs_keras
def test_ctrl_c_is_one_line(tmp_path):
  running = _start(tmp_path)
  assert running.stdout.readline().startswith('Handwritten digits: 1,348 images')
  for _ in range(4):  # Until the first net is trained.
    running.stdout.readline()
  running.send_signal(signal.SIGINT)
  _, stderr = running.communicate(timeout=60)
  assert running.returncode == 130
  assert stderr.split() == 'Stopped. Nothing was written; the same command starts anew.'.split()


@pytest.mark.skipif(not tf.__version__.startswith('1.'), reason='of TensorFlow 1.15 only')
def test_tensorflow_1_is_refused(tmp_path):
  running = _start(tmp_path / 'out')
  _, stderr = running.communicate(timeout=60)
  assert running.returncode == 1 and stderr.count('\n') == 1
  assert stderr.startswith('error: model_pruning.keras needs TensorFlow 2')
