# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
# bazel: size = large
"""Runs the examples as a user does, for a few steps."""
# bazel: deps = //examples:digits/train //examples:estimator/train //examples:language_model/train

import glob
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow.compat.v1 as tf

import model_pruning
from tools import py_imports

from tests.paths import ROOT

pytestmark = pytest.mark.slow

_KERNELS = ['conv1/kernel', 'conv2/kernel', 'dense/kernel', 'logits/kernel']
_needs_estimator = pytest.mark.skipif(not hasattr(tf, 'estimator'),
                                      reason='this TensorFlow has no Estimator')
_both = pytest.mark.parametrize(
    'example', ['digits', pytest.param('estimator', marks=_needs_estimator)])


def _command(example, output_dir, *flags, **kwargs):
  program = (['-m', 'examples.%s.train' % example] if kwargs.get('as_module', True) else
             [os.path.join('examples', example, 'train.py')])
  return [sys.executable] + program + ['--output_dir=%s' % output_dir] + list(flags)


def _environment():
  environment = dict(os.environ, PYTHONPATH=ROOT)
  environment.pop('TF_CPP_MIN_LOG_LEVEL', None)  # Set for the tests; the examples see to theirs.
  return environment


def _run(example, output_dir, *flags, **kwargs):
  return subprocess.run(
      _command(example, output_dir, *flags, **kwargs), cwd=ROOT, env=_environment(), check=False,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


def _metrics(output_dir):
  with open(str(output_dir / 'metrics.json')) as f:
    return json.load(f)


def _checkpoint_step(model_dir):
  path = tf.train.latest_checkpoint(str(model_dir))
  return int(tf.train.load_variable(path, 'global_step')) if path else 0


# Where both run, one is enough: the newest TensorFlow has no Estimator.
@pytest.mark.parametrize('example', [
    pytest.param('digits', marks=pytest.mark.legs('newest')),
    pytest.param('estimator', marks=[_needs_estimator, pytest.mark.legs('oldest')])])
def test_a_run_reports_exports_and_goes_on(example, tmp_path):
  hparams = ('--pruning_hparams=target_sparsity=0.9,sparsity_function_end_step=20,'
             'pruning_frequency=5,weight_sparsity_map=[logits:0.5]')
  done = _run(example, tmp_path, '--steps=40', hparams)
  assert done.returncode == 0, done.stderr
  assert done.stderr == ''  # No log lines of TensorFlow either.
  assert 'trained from step 0 to 40' in done.stdout

  metrics = _metrics(tmp_path)
  assert metrics['steps'] == 40
  weights = metrics['seeds'][0]['weights']
  assert [weight['name'] for weight in weights] == _KERNELS
  for weight in weights:
    assert weight['target'] == (0.5 if weight['name'] == 'logits/kernel' else 0.9)
    assert abs(weight['zeros'] - weight['size'] * weight['target']) <= 1
    assert not weight['short']
    assert weight['name'] in done.stdout  # In the table.
  for name in ('mean_dense_accuracy', 'mean_pruned_accuracy'):
    assert metrics[name] > 0.5  # 0.1 is chance.
    assert '%.2f %%' % (100 * metrics[name]) in done.stdout

  assert metrics['max_difference'] == 0
  for name in ('dense.pb', 'stripped.pb'):
    graph_def = tf.GraphDef()
    graph_def.ParseFromString((tmp_path / name).read_bytes())
    assert not [node.name for node in graph_def.node if 'mask' in node.name and node.op == 'Mul']
    assert metrics['sizes'][name]['raw'] == os.path.getsize(str(tmp_path / name))
  assert metrics['sizes']['stripped.pb']['gzipped'] < metrics['sizes']['dense.pb']['gzipped'] / 2
  assert (tmp_path / 'sparsity.png').read_bytes()[:4] == b'\x89PNG'
  for net in ('dense', 'pruned'):
    assert glob.glob(str(tmp_path / 'seed0' / net / 'events.out.tfevents*'))

  # The same again has nothing to train, and reports the same. As a file this time.
  again = _run(example, tmp_path, '--steps=40', hparams, as_module=False)
  assert again.returncode == 0, again.stderr
  assert again.stdout.count('already finished (40 steps)') == 2
  assert 'trained from' not in again.stdout
  assert _metrics(tmp_path)['seeds'] == metrics['seeds']


@pytest.mark.sampled(1)
@pytest.mark.legs('oldest')
@_both
def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(example, tmp_path):
  flags = ['--steps=200', '--pruning_hparams=target_sparsity=0.9,sparsity_function_end_step=150']
  model_dir = tmp_path / 'seed0' / 'dense'
  running = subprocess.Popen(
      _command(example, tmp_path, *flags), cwd=ROOT, env=_environment(), stdout=subprocess.PIPE,
      stderr=subprocess.PIPE, universal_newlines=True)
  deadline = time.time() + 60
  # A checkpoint is written as training starts.
  while not glob.glob(str(model_dir / 'model.ckpt-*.index')) and time.time() < deadline:
    time.sleep(0.02)
  time.sleep(0.3)
  running.send_signal(signal.SIGINT)
  _, stderr = running.communicate(timeout=60)
  assert running.returncode == 130
  assert stderr.split() == ('Stopped. To go on from the last checkpoint, run the same command '
                            'again.').split()
  stopped = _checkpoint_step(model_dir)
  assert 0 < stopped < 200

  done = _run(example, tmp_path, *flags)
  assert done.returncode == 0, done.stderr
  assert 'resuming from the checkpoint of step %d' % stopped in done.stdout
  assert 'trained from step %d to 200' % stopped in done.stdout
  metrics = _metrics(tmp_path)
  assert metrics['steps'] == metrics['seeds'][0]['steps'] == 200
  assert not any(weight['short'] for weight in metrics['seeds'][0]['weights'])

  if example == 'digits':
    other = _run(example, tmp_path, '--steps=200', '--pruning_hparams=target_sparsity=0.8')
    assert other.returncode == 1
    assert 'holds a run with --pruning_hparams=target_sparsity=0.9,sparsity' in other.stderr


@_needs_estimator
@pytest.mark.legs()  # graph/training/test_hooks does so with an Estimator of its own.
def test_estimator_warm_starts_from_a_dense_checkpoint(tmp_path):
  dense = tmp_path / 'digits'
  assert _run('digits', dense, '--steps=40').returncode == 0
  accuracy = _metrics(dense)['mean_dense_accuracy']
  # One step, and no mask update: what is measured is what training started from.
  out = tmp_path / 'warm'
  done = _run('estimator', out, '--steps=1', '--learning_rate=1e-6',
              '--pruning_hparams=begin_pruning_step=1000,sparsity_function_end_step=2000',
              '--warm_start_from=%s' % (dense / 'seed0' / 'dense'))
  assert done.returncode == 0, done.stderr
  metrics = _metrics(out)
  assert [weight['zeros'] for weight in metrics['seeds'][0]['weights']] == [0] * len(_KERNELS)
  assert metrics['mean_pruned_accuracy'] == pytest.approx(accuracy, abs=0.01)

  bad = _run('estimator', tmp_path / 'bad', '--warm_start_from=%s' % (tmp_path / 'nothing'))
  assert bad.returncode == 1 and bad.stderr.startswith('error: --warm_start_from=')


@pytest.mark.skipif(hasattr(tf, 'estimator'), reason='this TensorFlow has Estimator')
def test_without_estimator_one_line_says_so(tmp_path):
  done = _run('estimator', tmp_path / 'out')
  assert done.returncode == 1 and done.stdout == ''
  assert done.stderr.count('\n') == 1 and 'up to version 2.15' in done.stderr
  assert not (tmp_path / 'out').exists()


@pytest.mark.sampled(2)
@pytest.mark.legs('oldest')
@pytest.mark.parametrize('flag,part', [
    ('--pruning_hparams=target_sparsty=0.9', 'did you mean target_sparsity?'),
    ('--pruning_hparams=weight_sparsity_map=[convx:0.5]', "'convx' matches no masked weight"),
    ('--batch_size=5000', '--batch_size=5000 is more than the 1348 images'),
])
def test_a_bad_flag_is_answered_in_a_line_before_training(flag, part, tmp_path):
  out = tmp_path / 'out'
  done = _run('digits', out, flag)
  assert done.returncode == 1
  lines = [line for line in done.stderr.splitlines() if not line.startswith('Pass --help')]
  assert len([line for line in lines if not line.startswith('WARNING')]) == 1
  assert part in done.stderr
  assert done.stdout == ''
  assert not out.exists()


@pytest.mark.legs('oldest')
def test_an_output_folder_that_cannot_be_is_refused_before_training(tmp_path):
  (tmp_path / 'file').write_text('in the way')
  done = _run('digits', tmp_path / 'file' / 'out')
  assert done.returncode == 1
  assert done.stderr.startswith('error: --output_dir=') and done.stderr.count('\n') == 1


@pytest.mark.legs('oldest')
def test_mnist_comes_from_a_file_or_says_what_is_missing(tmp_path):
  missing = _run('digits', tmp_path / 'out', '--dataset=mnist',
                 '--data_path=%s' % (tmp_path / 'mnist.npz'))
  assert missing.returncode == 1
  assert missing.stderr.count('\n') == 1 and 'x_train, y_train, x_test, y_test' in missing.stderr


def _has_rnn_cells():
  try:
    return bool(tf.layers.dense and tf.nn.rnn_cell.BasicLSTMCell)
  except AttributeError:
    return False


@pytest.mark.legacy_keras
@pytest.mark.skipif(not _has_rnn_cells(), reason='no RNN cells; TF_USE_LEGACY_KERAS=1 has them')
def test_language_model_gives_each_layer_its_own_sparsity(tmp_path):
  done = _run('language_model', tmp_path, '--steps=12', '--units=20', '--batch_size=4',
              '--unroll=10')
  assert done.returncode == 0, done.stderr
  assert done.stderr == ''

  metrics = _metrics(tmp_path)
  weights = metrics['seeds'][0]['weights']
  cells = 'rnn/multi_rnn_cell/cell_%d/basic_lstm_cell/kernel'
  assert [(weight['name'], weight['target']) for weight in weights] == [
      (cells % 0, 0.85), (cells % 1, 0.9), ('softmax/kernel', 0.7)]
  assert [weight['shape'] for weight in weights[:2]] == [[52, 80], [40, 80]]
  for weight in weights:
    assert abs(weight['zeros'] - weight['size'] * weight['target']) <= 0.5
    assert weight['name'] in done.stdout
  for net in ('dense', 'pruned'):  # Untrained, each of some 100 characters would take 6.7 bits.
    bits = metrics['mean_%s_bits_per_character' % net]
    assert 4 < bits < 6.6 and '%.3f' % bits in done.stdout

  bad = _run('language_model', tmp_path, '--pruning_hparams=weight_sparsity_map=[cell_2:0.5]',
             as_module=False)
  assert bad.returncode == 1 and bad.stderr.startswith("error: weight_sparsity_map key 'cell_2' ")


@pytest.mark.skipif(_has_rnn_cells(), reason='this TensorFlow has RNN cells')
def test_without_rnn_cells_one_line_says_how_to_get_them(tmp_path):
  done = _run('language_model', tmp_path / 'out')
  assert done.returncode == 1 and done.stdout == ''
  assert done.stderr.count('\n') == 1 and 'TF_USE_LEGACY_KERAS=1' in done.stderr
  assert not (tmp_path / 'out').exists()


def test_the_language_model_knows_nothing_of_pruning():
  path = os.path.join('examples', 'language_model', 'model.py')
  imported = {found.module for found in py_imports.imports_of(ROOT, path)}
  assert imported == {'tensorflow.compat.v1'}
  with open(os.path.join(ROOT, path)) as f:
    words = f.read().split('"""', 1)[1].lower()  # After the licence.
  assert 'mask' not in words and 'prun' not in words


def test_text_is_held_out_and_batches_of_it_depend_on_the_step_alone():
  from examples.language_model import data as data_lib
  text = data_lib.load()
  assert len(text.train) > 8 * len(text.test) > 100000
  assert max(text.train.max(), text.test.max()) < len(text.vocabulary)
  batches = text.batches(4, 30, seed=3)
  whole = [next(batches) for _ in range(4)]
  inputs, targets = next(text.batches(4, 30, seed=3, first=3))
  assert (inputs == whole[3][0]).all() and (targets == whole[3][1]).all()
  assert inputs.shape == (4, 30) and (inputs[:, 1:] == targets[:, :-1]).all()
  assert (whole[2][0] != whole[3][0]).any()
  inputs, targets = text.test_windows(100)
  assert (inputs.reshape(-1)[1:] == targets.reshape(-1)[:-1]).all()  # Nothing is left out.
  # No longer passage of the test text stands in the training text.
  train = ''.join(text.vocabulary[index] for index in text.train)
  test = ''.join(text.vocabulary[index] for index in text.test)
  assert not [start for start in range(0, len(test) - 300, 100) if test[start:start + 300] in train]


def test_batches_depend_on_the_step_alone():
  from examples.digits import data as data_lib
  data = data_lib.load('digits')
  assert data.image_shape == (8, 8, 1) and 0 <= data.train_images.min() < data.train_images.max()
  batches = data.batches(500, seed=3)
  whole = [next(batches) for _ in range(7)]
  resumed = next(data.batches(500, seed=3, first=5))
  assert (resumed[0] == whole[5][0]).all() and (resumed[1] == whole[5][1]).all()
  # Two batches of 500 make an epoch of 1348 images; no image comes twice in it.
  assert (whole[0][0] != whole[2][0]).any()


def test_all_kernels_are_masked_and_seeds_do_not_depend_on_it():
  from examples.digits import model
  values = []
  for pruned in (False, True):
    with tf.Graph().as_default():
      tf.set_random_seed(7)
      model.build(tf.placeholder(tf.float32, [None, 8, 8, 1]), pruned)
      assert [w.op.name for w in model_pruning.get_weights()] == (_KERNELS if pruned else [])
      with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values.append(session.run(tf.trainable_variables()))
  for dense, pruned in zip(*values):
    assert (dense == pruned).all()
