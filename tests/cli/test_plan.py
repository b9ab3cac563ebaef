# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning plan`: each kind of model and goal, --prune, and its mistakes."""

import json
import os

import pytest

from model_pruning.calibration import planning
from tests.cli import trained
from tests.cli.trained import run


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return trained.write(str(tmp_path_factory.mktemp('models')))


def _hparams(printed):
  """Returns the line to copy."""
  line, = (line for line in printed.splitlines() if line.startswith('target_sparsity='))
  return line


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind', trained.KINDS)
def test_it_prunes_every_kind_of_model_by_the_plan(folder, tmp_path, capsys, kind):
  model, *options = trained.MODELS[kind]
  words = [model, '--examples=FOLDER/images.npy', *options]
  output = tmp_path / trained.OUTPUTS[kind]
  assert not run(folder, 'plan', *words, '--target_sparsity=0.6', '--prune',
                 '--output=%s' % output)
  printed = capsys.readouterr().out
  hparams = _hparams(printed)
  table = [line for line in printed.splitlines() if not line.startswith(('target_', 'Written'))]
  assert max(map(len, table)) <= 80 and 'Written to %s\n' % output in printed
  assert sum(line.startswith('total') for line in table) == 2
  assert not run(folder, 'prune', model, hparams, *words[1:], '--json',
                 '--output=%s' % (tmp_path / 'again' / output.name))
  rows = json.loads(capsys.readouterr().out)['weights']
  assert abs(sum(row['zeros'] for row in rows) / (16 * 20) - 0.6) < 0.02


@pytest.mark.parametrize('goal', ['--max_loss=0.1', '--max_bytes=800', '--max_flops=300'])
def test_every_goal(folder, capsys, goal):
  assert not run(folder, 'plan', 'FOLDER/frozen.pb', '--output_node_names=scores', goal,
                 '--examples=FOLDER/images.npy', '--labels=FOLDER/labels.npy', '--json')
  found = json.loads(capsys.readouterr().out)
  assert sorted(found) == ['bytes', 'flops', 'hparams', 'judged_examples', 'loss', 'sparsity',
                           'weights']
  name, limit = goal[2:].split('=')
  if name == 'max_loss':
    assert found['loss']['accuracy'] >= 0.9 - 1e-6
  else:
    assert found[name[4:]] <= float(limit)
  assert [row['name'] for row in found['weights']] == ['fc1/kernel', 'fc2/kernel']
  assert 0 < found['sparsity'] < 1 and found['judged_examples'] == 32


def test_json_stays_json_when_it_prunes(folder, tmp_path, capsys):
  output = tmp_path / 'x.pb'
  assert not run(folder, 'plan', 'FOLDER/frozen.pb', '--output_node_names=scores', '--json',
                 '--target_sparsity=0.5', '--examples=FOLDER/images.npy', '--prune',
                 '--output=%s' % output)
  printed = capsys.readouterr()
  assert json.loads(printed.out)['hparams'].startswith('target_sparsity=0.5')
  assert 'Written to %s' % output in printed.err and output.exists()


def test_a_pattern(folder, capsys):
  assert not run(folder, 'plan', 'FOLDER/saved', '--examples=FOLDER/x.npz',
                 '--target_sparsity=0.5', '--hparams=block_height=4')
  assert 'block_height=4' in _hparams(capsys.readouterr().out)


@pytest.mark.parametrize('words, message', [
    ('--examples=FOLDER/images.npy --max_loss=2', 'max_loss'),
    ('--examples=FOLDER/images.npy --max_loss=nan', 'max_loss'),
    ('--examples=FOLDER/images.npy --target_sparsity=0.9999', 'cannot be reached'),
    ('--examples=FOLDER/images.npy --max_bytes=1', 'max_bytes=1 cannot be reached'),
    ('--examples=FOLDER/few.npy --max_loss=0.1', 'There are 3 examples'),
    ('--examples=FOLDER/nothing.npy --max_loss=0.1', 'nothing.npy'),
    ('--examples=FOLDER/images.npy --labels=FOLDER/nothing.npy --max_loss=0.1', 'nothing.npy'),
    ('--examples=FOLDER/images.npy --labels=FOLDER/short_labels.npy --max_loss=0.1', '5'),
    ('--examples=FOLDER/images.npy --max_loss=0.1 --hparams=weight_sparsity_map=[fc1:0.5]',
     'A plan chooses the sparsities itself'),
])
def test_a_mistake_is_one_line_and_leaves_nothing(folder, tmp_path, capsys, words, message):
  output = str(tmp_path / 'new' / 'saved')
  trained.check_mistake(folder, output, capsys, [
      'plan', 'FOLDER/saved', *words.split(), '--prune', '--output=' + output], message)


@pytest.mark.parametrize('words', [['--prune'], ['--output=x']])
def test_prune_and_output_belong_together(folder, tmp_path, capsys, words):
  trained.check_mistake(folder, str(tmp_path / 'new' / 'x'), capsys, [
      'plan', 'FOLDER/saved', '--examples=FOLDER/images.npy', '--max_loss=0.1', *words],
                        'belong together')


def test_ctrl_c_leaves_nothing(folder, tmp_path, capsys, monkeypatch):
  def interrupted(*unused, **unused_too):
    raise KeyboardInterrupt

  monkeypatch.setattr(planning, 'curves_of', interrupted)
  assert run(folder, 'plan', 'FOLDER/saved', '--examples=FOLDER/images.npy', '--max_loss=0.1',
             '--prune', '--output=%s' % (tmp_path / 'new' / 'x')) == 130
  assert capsys.readouterr().err == 'model-pruning: interrupted; nothing was written\n'
  assert not os.listdir(str(tmp_path))
