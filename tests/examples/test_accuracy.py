# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Cells, table and picture of benchmarks/accuracy.py; tests/examples/test_benchmarks.py runs it."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import accuracy_cells
from benchmarks import accuracy_picture
from benchmarks.accuracy_cells import Cell
from tests.paths import ROOT


def _results(seeds=3):
  """Made up: every method loses more with more zeros, and seeds differ by a thousandth."""
  return {cell: {'value': 1 - cell.sparsity / 10 - accuracy_cells.METHODS.index(cell.method) / 100 +
                 cell.seed / 1000, 'zeros': cell.sparsity, 'seconds': 1.0}
          for cell in accuracy_cells.cells(accuracy_cells.NETS, accuracy_cells.METHODS,
                                           (0.8, 0.9), range(seeds))}


def test_every_seed_is_complete_before_the_next():
  cells = accuracy_cells.cells(['convnet', 'residual'], ['dense', 'tfmot', 'uniform'],
                               [0.8, 0.9], [4, 5])
  assert [cell.seed for cell in cells] == [4] * 10 + [5] * 10
  assert cells[:5] == [Cell('convnet', 'dense', 0.0, 4), Cell('convnet', 'tfmot', 0.8, 4),
                       Cell('convnet', 'uniform', 0.8, 4), Cell('convnet', 'tfmot', 0.9, 4),
                       Cell('convnet', 'uniform', 0.9, 4)]
  assert len(set(cells)) == 20


def test_a_library_measures_only_nets_it_can_prune():
  found = {(cell.net, accuracy_cells.library_of(cell)) for cell in accuracy_cells.cells(
      accuracy_cells.NETS, accuracy_cells.METHODS, [0.9], [0])}
  assert found == {
      ('convnet', 'tfmot'), ('residual', 'tfmot'), ('convnet', 'contrib'),
      ('convnet', 'model_pruning'), ('residual', 'model_pruning'),
      ('language_model', 'model_pruning')}


def test_pruning_takes_the_same_part_of_every_training():
  assert accuracy_cells.schedule(400) == (80, 280, 10)
  assert accuracy_cells.schedule(20) == (4, 14, 1)


def test_means_and_spreads_are_over_the_seeds():
  means = accuracy_picture.means('convnet', _results())
  assert list(means['uniform']) == [0.8, 0.9] and list(means['dense']) == [0.0]
  index = accuracy_cells.METHODS.index('uniform')
  assert means['uniform'][0.9] == pytest.approx(
      (1 - 0.09 - index / 100 + 0.001, 0.001, 0.91 - index / 100, 0.912 - index / 100, 3))


def test_the_caption_says_how_many_seeds_there_are():
  assert accuracy_picture.caption('convnet', _results(1)) == '1 seed, area: all'
  assert accuracy_picture.caption('convnet', _results(3)) == '3 seeds, area: all'
  some = {cell: result for cell, result in _results(3).items()
          if cell.seed == 0 or cell.method in accuracy_cells.PRUNED_AFTER}
  assert accuracy_picture.caption('convnet', some) == (
      'while training: 1 seed, trained before: 3 seeds; area: all')
  some = {cell: result for cell, result in _results(3).items()
          if cell.seed == 0 or cell.method == 'uniform'}
  assert accuracy_picture.caption('convnet', some) == (
      'while training: 1 to 3 seeds, trained before: 1 seed; area: all')


@pytest.mark.parametrize('nets', [('convnet',), accuracy_cells.NETS])
def test_the_picture_is_a_png(nets, tmp_path):
  results = {cell: result for cell, result in _results().items() if cell.net in nets}
  accuracy_picture.draw(results, str(tmp_path / 'x.png'))
  assert (tmp_path / 'x.png').read_bytes()[:4] == b'\x89PNG'
  assert (tmp_path / 'x.png').stat().st_size > 10000


def _run(*flags):
  return subprocess.run(
      [sys.executable, '-m', 'benchmarks.accuracy'] + list(flags), cwd=ROOT,
      env=dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + sys.path)), stdout=subprocess.PIPE,
      stderr=subprocess.PIPE, universal_newlines=True, timeout=60)


@pytest.mark.legs()
def test_results_are_drawn_and_added_to(tmp_path):
  output = tmp_path / 'accuracy.json'
  rows = [dict(cell=list(cell), **result) for cell, result in _results().items()]
  output.write_text(json.dumps({'epochs': 0, 'steps': 0, 'results': rows}))
  before = output.read_text()
  # Nothing is left to measure, so that this only draws.
  done = _run('--output=%s' % output, '--sparsities=0.8,0.9', '--seeds=3')
  assert done.returncode == 0, done.stderr
  assert output.read_text() == before and (tmp_path / 'accuracy.png').exists()
  lines = done.stdout.splitlines()
  dense = [line.split() for line in lines if line.startswith('dense ')]
  assert dense == 2 * ['dense 100.1 +- 0.1 (3) -'.split()] + ['dense 1.001 +- 0.001 (3) -'.split()]
  uniform = [line for line in lines if line.startswith('uniform ')]
  assert uniform[0].split()[1:] == '89.1 +- 0.1 (3) 88.1 +- 0.1 (3)'.split()
  assert len(uniform) == 3 and '0.891 +- 0.001 (3)' in uniform[2]  # Bits per character.


@pytest.mark.parametrize('flag, said', [
    ('--epochs=3', 'has results of --epochs=0 --steps=0; use these, or another --output'),
    ('--methods=lampe', "'lampe' is not one of dense, tfmot"),
    ('--nets=resnet', "'resnet' is not one of convnet")])
def test_flags_that_do_not_fit_are_refused(flag, said, tmp_path):
  output = tmp_path / 'accuracy.json'
  output.write_text(json.dumps({'epochs': 0, 'steps': 0, 'results': []}))
  done = _run('--output=%s' % output, flag)
  assert done.returncode == 1 and said in done.stderr
