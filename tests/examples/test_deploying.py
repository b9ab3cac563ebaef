# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
# bazel: size = large
# bazel: deps = //examples:deploying/train
"""Runs the example that exports to TFLite as a user does, for a few steps."""

import glob
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from model_pruning.export.tflite import convert as tflite
from tests.paths import ROOT

pytestmark = pytest.mark.slow

_TF2 = not tf.version.VERSION.startswith('1.')
_FLAGS = ['--steps=%d' % (300 if _TF2 else 100), '--units=64', '--layers=2', '--rounds=3']
# Of each model: the blocks that its hidden layers are stored in.
_MODELS = {'dense, float': None, 'dense, dynamic': None, 'dense, int8': None,
           '4x1, float': (4, 1), '16x1, dynamic': (16, 1), '16x1, int8': (16, 1)}


def _start(output_dir, *flags):
  environment = dict(os.environ, PYTHONPATH=ROOT)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)  # Set for the tests; the example sees to its own.
  return subprocess.Popen(
      [sys.executable, '-m', 'examples.deploying.train', '--output_dir=%s' % output_dir] +
      list(flags), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      universal_newlines=True)


def _accuracy(path, images, labels):
  """What a user's interpreter makes of a file."""
  interpreter = tf.lite.Interpreter(model_path=str(path))
  interpreter.allocate_tensors()
  right = 0
  for image, label in zip(images, labels):
    interpreter.set_tensor(interpreter.get_input_details()[0]['index'], image[np.newaxis])
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]['index'])
    assert scores.shape == (1, 10)
    right += int(np.argmax(scores) == label)
  return right / len(labels)


def _stop_while_it_trains(output_dir):
  running = _start(output_dir, *_FLAGS)
  model_dir = output_dir / 'seed0' / 'dense'
  deadline = time.time() + 60
  # A checkpoint is written as training starts.
  while not glob.glob(str(model_dir / 'model.ckpt-*.index')) and time.time() < deadline:
    time.sleep(0.02)
  running.send_signal(signal.SIGINT)
  _, stderr = running.communicate(timeout=60)
  assert running.returncode == 130, stderr
  assert stderr.split() == ('Stopped. To go on from the last checkpoint, run the same command '
                            'again.').split()


def test_files_are_sparse_and_as_right_as_reported(tmp_path):
  if _TF2:  # TensorFlow 1.15 converts slowly, and test_examples.py has much the same.
    _stop_while_it_trains(tmp_path)
  running = _start(tmp_path, *_FLAGS)
  stdout, stderr = running.communicate(timeout=120)
  assert running.returncode == 0, stderr
  assert stderr == ''  # No log lines of TensorFlow and TFLite.
  assert ('dense, seed 0: resuming from the checkpoint of step ' in stdout) == _TF2
  table = [line for line in stdout.splitlines() if not line.startswith(('pruning:', 'Written'))]
  assert max(map(len, table)) <= 100
  assert ('TensorFlow 1.15.5 stores pruned weights dense' in stdout) == (not _TF2)

  metrics = json.loads((tmp_path / 'metrics.json').read_text())
  for net, weights in metrics['seeds'][0]['weights'].items():
    assert [(weight['name'], weight['target']) for weight in weights] == [
        ('hidden1/kernel', 0.9), ('hidden2/kernel', 0.9), ('logits/kernel', 0)]
    height = int(net.split('x')[0])  # As many blocks are kept as there are to be.
    assert all(abs(weight['zeros'] - weight['size'] * weight['target']) <= height
               for weight in weights)
  assert [row['model'] for row in metrics['models']] == list(_MODELS)
  assert [file['model'] for file in metrics['seeds'][0]['files']] == list(_MODELS)

  from examples.digits import data as data_lib
  data = data_lib.load('digits')
  for row in metrics['models']:
    path = tmp_path / row['path']
    (line,) = [line for line in table if line.startswith(row['model'] + '  ') and '%' in line]
    assert '%.2f %%' % (100 * row['accuracy']) in line
    assert row['accuracy'] == _accuracy(path, data.test_images, data.test_labels)
    assert row['accuracy'] > 0.2  # 0.1 is chance.
    assert row['bytes'] == os.path.getsize(str(path))
    block = _MODELS[row['model']] if _TF2 else None
    weights = {weight.name.split('/')[0]: weight for weight in tflite.weights_of(str(path))}
    hidden = [weights[layer] for layer in ('hidden1', 'hidden2')]
    assert [weight.block for weight in hidden] == [block] * 2
    assert weights['logits'].block is None and weights['logits'].sparsity < 0.1
    assert all(weight.sparsity >= (0 if row['net'] == 'dense' else 0.89) for weight in hidden)
    assert row['stored'] == ('dense' if not block else
                             'packed' if row['quantization'] == 'int8' else 'sparse')
    assert not any(weight.expanded for weight in hidden) or row['stored'] == 'packed'
    assert row['microseconds'] > 0 and row['times_as_fast'] > 0
  assert (tmp_path / 'masks.png').read_bytes()[:4] == b'\x89PNG'


def test_a_map_of_blocks_is_refused_before_training(tmp_path):
  running = _start(tmp_path / 'out', '--pruning_hparams=block_dims_map=[hidden2:8x1]')
  stdout, stderr = running.communicate(timeout=60)
  assert running.returncode == 1 and stdout == ''
  assert stderr.startswith('error: --pruning_hparams has a block_dims_map; leave it out')
  assert stderr.count('\n') == 1
  assert not (tmp_path / 'out').exists()


def test_the_table_has_means_and_the_worst_over_seeds():
  from examples.deploying import report
  files = []
  for seed, accuracies in ((4, (0.5, 0.75)), (5, (1.0, 0.25))):
    for net, size, accuracy in zip(('dense', '16x1'), (8000, 2000), accuracies):
      written = tflite.TFLiteExport(
          '%s-%d' % (net, seed), 'none', size, size // 2, 10, 0.0, 0.1, 'default', ())
      files.append(report.File(net, seed, written, accuracy))
  rows = report.rows_of(files, {'dense-4': (0.002, 1.0), '16x1-4': (0.0005, 4.0)})
  assert [row['model'] for row in rows] == ['dense, float', '16x1, float']
  assert (rows[0]['accuracy'], rows[0]['worst_accuracy']) == (0.75, 0.5)
  assert (rows[1]['accuracy'], rows[1]['worst_accuracy']) == (0.5, 0.25)
  lines = report.table(rows, seeds=2).splitlines()
  assert max(map(len, lines)) <= 100
  assert lines[-1].split() == '16x1, float dense 50.00 % 25.00 % 2 4.0x 1 500 4.0x'.split()
  assert report.differences(files) == (
      '16x1, float  -25.00 points, from -75.00 to +25.00 by the seed')
