# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
# bazel: deps = //tools:tpu_compile
"""The tool that compiles steps for TPUs: for real ones, where libtpu is; and what it refuses."""

import json
import os
import subprocess
import sys

import pytest

from tools import tpu_backend
from tools import tpu_step

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGETS = ['v4', 'v6e']  # An earlier and a later one; for v5e all patterns are compiled together.


def run(*flags):
  return subprocess.run([sys.executable, '-m', 'tools.tpu_compile'] + list(flags), cwd=ROOT,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)


@pytest.mark.tpu
def test_a_step_compiles_for_tpus_and_takes_less_than_by_sorting(tmp_path):
  output = str(tmp_path / 'numbers.json')
  done = run('--targets=' + ','.join(TARGETS), '--sizes=1024', '--patterns=elementwise',
             '--output=' + output)
  print('\n' + done.stdout)
  assert not done.returncode, done.stderr
  with open(output) as f:
    rows = json.load(f)
  assert not [row for row in rows if 'error' in row]
  found = {(row['target'], row['pattern'], row['selector']): row for row in rows}
  assert len(found) == len(rows) == len(TARGETS) * 2
  for target in TARGETS:
    counting, sorting = (found[target, 'elementwise', selector]
                         for selector in (tpu_step.COUNTING, tpu_step.SORTING))
    # Besides the mask counting makes nothing as large as the weight, of 4 MB; sorting does.
    assert counting['temporaries'] < 1 << 20 < 1 << 22 <= sorting['temporaries']
    assert '1024x1024  counting' in done.stdout.partition('TPU ' + target)[2]


@pytest.mark.tpu
def test_all_patterns_compile_together(tmp_path):
  output = str(tmp_path / 'numbers.json')
  done = run('--targets=v5e', '--sizes=256', '--patterns=mixed', '--output=' + output)
  print('\n' + done.stdout)
  assert not done.returncode, done.stderr
  with open(output) as f:
    assert [row['pattern'] for row in json.load(f) if 'error' not in row] == ['mixed'] * 2


@pytest.mark.sampled(2)
@pytest.mark.legs('default')  # Python reads the flags.
@pytest.mark.parametrize('flag, message', [
    ('--targets=v4,v9', "Unknown target 'v9'; there are: v2, v3, v4, v5e, v5p, v6e, tpu7x"),
    ('--patterns=dense',
     "Unknown pattern 'dense'; there are: elementwise, block, n_of_m, group, mixed"),
    ('--sizes=0', "Size '0': a positive multiple of 4 is expected")])
def test_what_there_is_not_is_an_error_of_one_line(flag, message):
  done = run(flag)
  assert done.returncode == 1
  assert done.stderr.strip().splitlines()[-1] == message
  assert 'Traceback' not in done.stderr


def test_the_module_is_cut_out_of_its_envelope():
  module = b'm' * 300
  assert tpu_backend.module_of(b'\x0a\xac\x02' + module + b'\x12\x01x') == module
  with pytest.raises(ValueError, match='Not a HloProto'):
    tpu_backend.module_of(b'HloModule step')
