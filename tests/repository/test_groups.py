# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Tests of a group run on one worker: they share what takes long, or too much of the machine."""

import os
import subprocess
import sys

import pytest

pytest.importorskip('xdist')

_TESTS = """
import os
import pytest

@pytest.mark.xdist_group('together')
@pytest.mark.parametrize('number', range(8))
def test_it(number):
  with open(%r, 'a') as file:
    file.write(os.environ['PYTEST_XDIST_WORKER'] + '\\n')
"""


def test_one_worker_runs_a_group(tmp_path):
  log = str(tmp_path / 'log')
  (tmp_path / 'test_them.py').write_text(_TESTS % log)
  environment = {name: value for name, value in os.environ.items()
                 if not name.startswith(('PYTEST_', 'MODEL_PRUNING_'))}
  done = subprocess.run(
      [sys.executable, '-m', 'pytest', '-q', '-n', '2', '--dist', 'loadgroup', 'test_them.py'],
      cwd=str(tmp_path), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
      universal_newlines=True)
  assert done.returncode == 0, done.stdout
  with open(log) as file:
    workers = file.read().split()
  assert len(workers) == 8 and len(set(workers)) == 1, workers
