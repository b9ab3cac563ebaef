# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Runs the notebooks from top to bottom, in a kernel of their own."""

import glob
import os

import pytest

from tests.paths import ROOT

FOLDER = os.path.join(ROOT, 'examples', 'notebooks')
NAMES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(FOLDER, '*.ipynb')))


def _read(name):
  nbformat = pytest.importorskip('nbformat', reason='only one environment has Jupyter')
  return nbformat.read(os.path.join(FOLDER, name), as_version=4)


def _text(notebook):
  return '\n'.join(output.get('text', '') for cell in notebook.cells
                   for output in cell.get('outputs', []) if output.get('name') == 'stdout')


def _pictures(notebook):
  return sum('image/png' in output.get('data', {}) for cell in notebook.cells
             for output in cell.get('outputs', []))


def test_there_are_two():
  assert NAMES == ['keras_model.ipynb', 'tensorflow_1_job.ipynb']


@pytest.mark.sampled(1)
@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_it_runs_from_top_to_bottom(name, monkeypatch, tmp_path):
  notebook = _read(name)
  from nbclient import NotebookClient
  monkeypatch.setenv('PYTHONPATH', ROOT)
  NotebookClient(notebook, timeout=300, kernel_name='python3',
                 resources={'metadata': {'path': str(tmp_path)}}).execute()
  text = _text(notebook)
  assert 'Findings' in text and '0.9000  0.9000' in text and 'report.html' not in os.listdir(
      str(tmp_path))
  assert _pictures(notebook) == _pictures(_read(name)) > 0


@pytest.mark.parametrize('name', NAMES)
def test_what_is_stored_is_worth_reading(name):
  notebook = _read(name)
  assert _text(notebook) and _pictures(notebook)
  for cell in notebook.cells:
    for output in cell.get('outputs', []):
      assert output.output_type != 'error' and output.get('name') != 'stderr'
    lines = cell.source.split('\n')
    assert cell.cell_type != 'code' or not any(line.startswith(('%', '!')) for line in lines)
    assert all(len(line) <= 100 for line in lines)
