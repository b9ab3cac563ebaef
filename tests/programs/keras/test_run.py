# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The runner finds what a program leaves wrong. Its programs here are of NumPy alone."""

import pytest

from tests.programs.keras import run

_PROGRAM = '''
import json, os, sys
import numpy as np
folder, until = sys.argv[1:]
kernel = np.arange(1.0, 11.0)
kernel[:2 if until == '2' else 5] = 0
outputs = np.ones(3)
stripped = outputs.copy()
said = {'sparsity': {'fc': 0.5}, 'unpruned': [[10], [2]], 'stripped': [[10], [2]]}
%s
np.savez(folder + '/weights.npz', fc=kernel)
np.savez(folder + '/outputs.npz', pruned=outputs, stripped=stripped)
print('some message')
print(json.dumps(said))
'''


def _run(tmp_path, monkeypatch, change=''):
  programs, folder = tmp_path / 'programs', tmp_path / 'folder'
  programs.mkdir()
  folder.mkdir()
  (programs / 'mine.py').write_text(_PROGRAM % change)
  (programs / 'test_mine.py').write_text('')  # No program.
  monkeypatch.setattr(run, 'HERE', str(programs))
  assert run.names() == ['mine']
  return run.run('mine', str(folder))


def test_a_program_that_leaves_all_as_it_should_be(tmp_path, monkeypatch):
  assert _run(tmp_path, monkeypatch) is None


def test_one_that_skips_itself(tmp_path, monkeypatch):
  assert _run(tmp_path, monkeypatch, "said = {'skip': 'no such Keras'}") == 'no such Keras'


@pytest.mark.sampled(5)
@pytest.mark.parametrize('change, message', [
    ("kernel[6:] *= until == '2'", 'fc has 9 zeros of 10 at the end, and not 5'),
    ("kernel[4] = 1", 'fc has 4 zeros of 10 at the end, and not 5'),
    ("kernel[:2] = 1 if until == '2' else 0", 'fc has 0 zeros of 10 halfway'),
    ("kernel = kernel[::-1] if until == '2' else kernel", 'masks were lost'),
    ("stripped[1] += 0.01", 'Not equal to tolerance'),
    ("outputs[:] = stripped[:] = 0", 'pruned'),
    ("said['stripped'].append([10])", r'\[10\], \[2\], \[10\]'),
    ("said['sparsity']['other'] = 0.5", 'other'),
    ("open(folder + '/stripped.bin', 'w').write('x PruneLowMagnitude y')", 'PruneLowMagnitude'),
    ("raise SystemExit('no such layer')", 'no such layer'),
    ("print = lambda text: None", 'ended with 0'),
])
def test_what_is_wrong_is_found(tmp_path, monkeypatch, change, message):
  with pytest.raises(AssertionError, match=message):
    _run(tmp_path, monkeypatch, change)
