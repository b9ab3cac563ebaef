# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
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

from tests.paths import ROOT

pytestmark = pytest.mark.slow

_NETS = ['baseline', 'constant', 'polynomial']
_KERNELS = {'conv1/kernel': 9 * 32, 'conv2/kernel': 9 * 32 * 64, 'dense/kernel': 1600 * 256,
            'softmax/kernel': 2560}
_needs_keras = pytest.mark.skipif(tf.__version__.startswith('1.'),
                                  reason='Keras models are pruned on TensorFlow 2')


def _start(output_dir, *flags):
  environment = dict(os.environ, PYTHONPATH=ROOT)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)  # Set for the tests; the example sees to its own.
  return subprocess.Popen(
      [sys.executable, '-m', 'examples.keras.constant_vs_polynomial',
       '--output_dir=%s' % output_dir, '--dataset=digits'] + list(flags), cwd=ROOT, env=environment,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


@_needs_keras
@pytest.mark.legacy_keras
@pytest.mark.legs()  # CI trains the first one, until Ctrl-C.
def test_three_nets_are_trained_measured_and_drawn(tmp_path):
  running = _start(tmp_path, '--epochs=2', '--seeds=1', '--seed=3', '--batch_size=128',
                   '--sparsity=0.75')
  stdout, stderr = running.communicate(timeout=300)
  assert running.returncode == 0, stderr
  assert stderr == ''  # No log lines of TensorFlow either.
  for net, sparsity in zip(_NETS, (0, 0.75, 0.75)):
    (line,) = [line for line in stdout.splitlines() if line.startswith('%-10s seed 3  loss ' % net)]
    assert line.endswith('sparsity %.3f' % sparsity)

  results = json.loads((tmp_path / 'results.json').read_text())
  steps = 2 * 11  # Of 1,348 images.
  assert (results['steps'], results['sparsity']) == (steps, 0.75)
  assert [results['nets'][net]['schedule'] and results['nets'][net]['schedule']['class_name']
          for net in _NETS] == [None, 'ConstantSparsity', 'PolynomialDecay']
  assert [seed['seed'] for seed in results['seeds']] == [3]
  found = results['seeds'][0]['nets']
  rows = _rows(stdout)
  for net in _NETS:
    assert {kernel['name']: kernel['size'] for kernel in found[net]['kernels']} == _KERNELS
    for kernel in found[net]['kernels']:
      assert kernel['zeros'] == (0 if net == 'baseline' else 0.75 * kernel['size'])
    assert found[net]['bytes'] == 1724968  # As many weights as on MNIST.
    assert len(found[net]['accuracies']) == 2
    assert found[net]['accuracies'][-1] == pytest.approx(found[net]['accuracy'], abs=0.003)
    assert found[net]['accuracy'] > 0.2  # 0.1 is chance.
    assert rows[net][::2] == ['%.4f' % found[net]['accuracy'], '%.4f' % found[net]['loss'],
                              '{:,}'.format(found[net]['gzipped_bytes'])]
    assert found[net]['gzipped_bytes'] < (2e6 if net == 'baseline' else 6e5)
  one_shot = found['one-shot']
  assert sum(kernel['zeros'] for kernel in one_shot['kernels']) == 0.75 * sum(_KERNELS.values())
  assert one_shot['kernels'][0]['zeros'] < 0.5 * 288  # Zeros are where they cost least.
  assert one_shot['negative_zeros'] == 0
  assert one_shot['accuracy'] > found['baseline']['accuracy'] - 0.05
  assert 'one-shot   seed 3  test loss ' in stdout and '\none-shot: the baseline, pruned ' in stdout
  assert found['baseline']['curve'] == [[0, 0], [steps, 0]]
  assert found['constant']['curve'] == [[0, 0], [4, 0.75], [steps, 0.75]]  # At a fifth.
  batches, sparsities = np.transpose(found['polynomial']['curve'])
  assert len(batches) > 10 and list(batches) == sorted(set(batches)) and batches[1] == 5
  assert list(sparsities) == sorted(sparsities) and sparsities[-1] == 0.75
  assert stdout.count(', better with ') == 2

  assert (tmp_path / 'constant_vs_polynomial.png').read_bytes()[:4] == b'\x89PNG'
  from examples.digits import data as data_lib
  from examples.keras import constant_vs_polynomial
  data = constant_vs_polynomial.as_large_as_mnist(data_lib.load('digits'))
  for net in _NETS + ['one-shot']:
    model = tf.keras.models.load_model(str(tmp_path / (net + '.keras')))
    assert type(model.layers[0]) is tf.keras.layers.Conv2D
    right = np.argmax(model.predict(data.test_images, verbose=0), axis=1) == data.test_labels
    assert np.mean(right) == pytest.approx(found[net]['accuracy'], abs=0.003)


def _rows(stdout):
  """The cells of the table, by the name of the net; a mean and its spread are one."""
  lines = stdout.splitlines()
  (first,) = [index for index, line in enumerate(lines) if line.endswith('gzipped  published')]
  assert max(len(line) for line in lines[first:] if not line.startswith('Written')) <= 100
  cells = [line.replace(' +- ', '+-').split() for line in lines[first + 2:first + 5]]
  assert [row[0] for row in cells] == _NETS
  published = [row[2::2] for row in cells]
  assert published == [['-', '-', '1,601,609'], ['0.9886', '0.0317', '388,071'],
                       ['0.9927', '0.0218', '384,305']]
  return {row[0]: row[1:] for row in cells}


@_needs_keras
def test_the_report_has_means_spreads_and_differences_by_seed(tmp_path):
  from examples.keras import report
  losses = {'baseline': (0.1, 0.1, 0.4), 'constant': (0.5, 0.6, 0.7), 'polynomial': (0.3, 0.5, 0.8)}
  results = {seed: {net: report.Result(1 - losses[net][seed], losses[net][seed], 2000, 1000 + seed,
                                       [0.5, 0.9], [(0, 0.0), (9, 0.5), (20, 0.5)], [])
                    for net in _NETS} for seed in range(3)}
  text = report.text(results, 'digits')
  rows = _rows(text)
  assert rows['baseline'][::2] == ['0.8000+-0.1732', '0.2000+-0.1732', '1,001+-1']
  assert rows['polynomial'][2] == '0.5333+-0.2517'
  said = text.splitlines()[-2:]
  assert said[0].split() == (
      'accuracy +0.0667 +- 0.0882 (standard error), from -0.1000 to +0.2000, '
      'better with 2 of 3 seeds').split()
  assert said[1].split()[:2] == ['loss', '-0.0667'] and said[1].endswith('with 2 of 3 seeds')
  found = report.as_json(results, dict.fromkeys(_NETS), epochs=2)
  assert found['epochs'] == 2
  assert found['nets']['constant']['loss'] == pytest.approx(
      {'mean': 0.6, 'standard_deviation': 0.1, 'least': 0.5, 'most': 0.7})
  assert found['polynomial_less_constant']['loss'] == pytest.approx([-0.2, -0.1, 0.1])
  report.draw(results, 20, 'title', str(tmp_path / 'x.png'))
  assert (tmp_path / 'x.png').stat().st_size > 10000


@pytest.mark.sampled(1)
@_needs_keras
@pytest.mark.parametrize('flag, said', [
    ('--sparsity=1.5', 'error: target_sparsity=1.5'),
    ('--data_path=x.npz', 'error: --data_path is for ')])
def test_a_bad_flag_is_one_line(flag, said, tmp_path):
  running = _start(tmp_path / 'out', flag)
  stdout, stderr = running.communicate(timeout=60)
  assert running.returncode == 1 and stdout == ''
  assert stderr.startswith(said) and stderr.count('\n') == 1
  assert not (tmp_path / 'out').exists()


@_needs_keras
def test_ctrl_c_is_one_line(tmp_path):
  running = _start(tmp_path, '--epochs=1', '--batch_size=256')
  assert running.stdout.readline().startswith('Handwritten digits: 1,348 images')
  for _ in range(4):  # Until the first net is trained.
    running.stdout.readline()
  running.send_signal(signal.SIGINT)
  _, stderr = running.communicate(timeout=60)
  assert running.returncode == 130
  assert stderr.split() == 'Stopped. There are no results; the same command starts anew.'.split()
  assert not (tmp_path / 'results.json').exists()


@pytest.mark.skipif(not tf.__version__.startswith('1.'), reason='of TensorFlow 1.15 only')
def test_tensorflow_1_is_refused(tmp_path):
  running = _start(tmp_path / 'out')
  _, stderr = running.communicate(timeout=60)
  assert running.returncode == 1 and stderr.count('\n') == 1
  assert stderr.startswith('error: model_pruning.keras needs TensorFlow 2')
