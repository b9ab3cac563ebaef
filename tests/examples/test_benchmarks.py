# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
# bazel: deps = //benchmarks:accuracy //benchmarks:architectures //benchmarks:build_time
# bazel: deps = //benchmarks:groups
# bazel: deps = //benchmarks:by_number //benchmarks:mask_update //benchmarks:small_layers
# bazel: deps = //benchmarks:channel_training //benchmarks:channels
# bazel: deps = //benchmarks:inference //benchmarks:keras_update //benchmarks:patterns
# bazel: deps = //benchmarks:one_shot //benchmarks:scaling //benchmarks:small_weights
# bazel: deps = //benchmarks:idle //benchmarks:startup //benchmarks:traffic
"""Every benchmark runs, at tiny sizes, and prints and writes a table of positive numbers."""

import json
import os
import sys

import pytest

from model_pruning.compat import tensorflow
from tests import forks
from tests.paths import ROOT

pytestmark = pytest.mark.slow


BENCHMARKS = {
    'accuracy': ['--nets=convnet', '--epochs=1', '--seeds=1', '--sparsities=0.9',
                 '--methods=dense,global,after-uniform,refit-lamp'],
    'by_number': ['--nopeer', '--total=1024', '--weights=1,4', '--repeats=1'],
    'architectures': ['--names=MobileNet'],
    'build_time': ['--weights=3', '--portion=2', '--portions=1', '--group_size=2'],
    'channel_training': ['--filters=4,6', '--image=8', '--batch=2', '--rounds=1', '--updates=1'],
    'channels': ['--nets=digits', '--fractions=0.5', '--seeds=1', '--epochs=1', '--joint_steps=2',
                 '--models=MobileNet', '--size=32', '--rounds=1', '--quantizations=none',
                 '--nodes=200'],
    'groups': ['--members=3', '--size=1000', '--rounds=1'],
    'idle': ['--layers=2,convolutions', '--rounds=3', '--seconds=0', '--batches=2'],
    'inference': ['--size=32', '--layers=1', '--rounds=1', '--calls=1',
                  '--quantizations=none,dynamic'],
    'keras_update': ['--nopeer', '--models=mlp', '--mlp=8,16,4', '--rounds=1', '--step_rounds=1'],
    'mask_update': ['--sizes=1000', '--rounds=1', '--sort_rounds=1', '--idle_rounds=2'],
    'one_shot': ['--cases=digits-95', '--seeds=1'],
    'patterns': ['--shape=32,24', '--runs=4,8', '--blocks=4x4,16x1', '--rounds=1',
                 '--sort_rounds=1'],
    'scaling': ['--sizes=1e3,1e4', '--rounds=1', '--parts=2,3', '--memory=one',
                '--memory_scale=1e-4'],
    'small_layers': ['--nopeer', '--numbers=2', '--units=8', '--rounds=1', '--batches=2'],
    'small_weights': ['--numbers=1,3', '--sizes=64,4096', '--rounds=3', '--seconds=0'],
    'startup': ['--processes=1', '--layers=2'],
    'traffic': ['--sizes=1000,2000'],
}


# They take longest: a process for each number, or whole architectures. test_accuracy runs that one.
_LONG = ('accuracy', 'architectures', 'scaling', 'startup')


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.legs()) if name in _LONG else name
    for name in sorted(BENCHMARKS)])
def test_runs_and_writes_its_table(name, tmp_path):
  of_keras = name in ('accuracy', 'architectures', 'channel_training', 'channels', 'keras_update',
                      'one_shot', 'small_layers')
  if of_keras and tensorflow.__version__.startswith('1.'):
    pytest.skip('model_pruning.keras needs TensorFlow 2')
  output = tmp_path / 'numbers.json'
  result = forks.run(
      os.path.join(ROOT, 'benchmarks', name + '.py'), ['--output=%s' % output] + BENCHMARKS[name],
      cwd=ROOT, environment={'PYTHONPATH': os.pathsep.join([ROOT] + sys.path)})
  assert result.returncode == 0, result.stdout + result.stderr
  assert '-------' in result.stdout
  written = json.loads(output.read_text())
  rows = [table for table in written.values() if isinstance(table, list)]
  assert rows and all(rows)
  for row in rows[0]:
    assert all(value > 0 for value in row.get('ns_per_weight', {}).values())
