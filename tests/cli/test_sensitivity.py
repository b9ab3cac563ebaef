# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`model-pruning sensitivity`: each kind of model, what it prints and draws, and its mistakes."""

import json
import os

import pytest

from model_pruning.calibration import sensitivity
from tests.cli import trained
from tests.cli.trained import run

SHORT = '--sparsities=0.5,0.875'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return trained.write(str(tmp_path_factory.mktemp('models')))


@pytest.mark.sampled(2)
@pytest.mark.parametrize('kind', trained.KINDS)
def test_every_kind_of_model(folder, capsys, kind):
  model, *options = trained.MODELS[kind]
  before = sorted(os.listdir(folder))
  assert not run(folder, 'sensitivity', model, '--examples=FOLDER/images.npy', *options, SHORT,
                 '--json')
  found = json.loads(capsys.readouterr().out)
  assert found['examples'] == 64 and found['accuracy'] is None
  assert [row['name'].split('/')[0] for row in found['weights']] == ['fc1', 'fc2']
  for row in found['weights']:
    low, high = row['points']
    assert (low['sparsity'], round(high['sparsity'], 1)) == (0.5, 0.9) and row['reason'] == ''
    assert low['accuracy'] is None and 0 <= low['error'] < high['error']
  assert sorted(os.listdir(folder)) == before


def test_the_table_with_labels_and_the_picture(folder, tmp_path, capsys):
  output = tmp_path / 'curves.png'
  assert not run(folder, 'sensitivity', 'FOLDER/frozen.pb', '--output_node_names=scores', SHORT,
                 '--examples=FOLDER/images.npy', '--labels=FOLDER/labels.npy',
                 '--output=%s' % output)
  table, written = capsys.readouterr().out.split('\nWritten to ')
  assert written == '%s\n' % output and output.read_bytes().startswith(b'\x89PNG')
  assert table.split()[:4] == ['weight', 'shape', '0.5', '0.875']
  assert 'fc1/kernel' in table and 'the dense model has an accuracy of 1.0000' in ' '.join(
      table.split())
  assert max(map(len, table.splitlines())) <= 80


def test_without_labels_it_counts_the_answers_that_change(folder, capsys):
  assert not run(folder, 'sensitivity', 'FOLDER/saved', '--examples=FOLDER/x.npz', SHORT,
                 '--include=fc1.*')
  table = capsys.readouterr().out
  assert 'answers' in table and 'fc1/kernel' in table and 'fc2/kernel' not in table


@pytest.mark.sampled(8)
@pytest.mark.parametrize('words, message', [
    ('frozen.pb --examples=FOLDER/images.npy', '--output_node_names is missing'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/nothing.npy', 'nothing.npy'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/text', 'text'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/few.npy', 'There are 3 examples'),
    ('saved --examples=FOLDER/images.npy --labels=FOLDER/nothing.npy', 'nothing.npy'),
    ('saved --examples=FOLDER/images.npy --labels=FOLDER/short_labels.npy', '5'),
    ('saved --examples=FOLDER/images.npy --labels=FOLDER/images.npy', 'labels'),
    ('saved --examples=FOLDER/images.npy --labels=FOLDER/x.npz', 'labels'),
    ('saved --examples=FOLDER/images.npy --sparsities=1.5', 'Illegal sparsity 1.5'),
    ('saved --examples=FOLDER/images.npy --sparsities=0.5,nan', 'Illegal sparsity nan'),
    ('saved --examples=FOLDER/images.npy --sparsities=', '--sparsities'),
    ('saved --examples=FOLDER/images.npy --hparams=target_sparsty=0.5', 'target_sparsity'),
])
def test_a_mistake_is_one_line_and_leaves_nothing(folder, tmp_path, capsys, words, message):
  output = str(tmp_path / 'new' / 'x.png')
  model, *options = words.split()
  trained.check_mistake(folder, output, capsys, [
      'sensitivity', 'FOLDER/' + model, *options, '--output=' + output], message)


def test_a_sparsity_that_is_no_number(folder, capsys):
  with pytest.raises(SystemExit) as caught:
    run(folder, 'sensitivity', 'FOLDER/saved', '--examples=FOLDER/images.npy', '--sparsities=half')
  assert caught.value.code == 2
  assert "expected numbers like 0.5,0.9, not 'half'" in capsys.readouterr().err


def test_ctrl_c_leaves_nothing(folder, tmp_path, capsys, monkeypatch):
  def interrupted(*unused, **unused_too):
    raise KeyboardInterrupt

  monkeypatch.setattr(sensitivity, 'curves_of', interrupted)
  assert run(folder, 'sensitivity', 'FOLDER/saved', '--examples=FOLDER/images.npy',
             '--output=%s' % (tmp_path / 'new' / 'x.png')) == 130
  assert capsys.readouterr().err == 'model-pruning: interrupted; nothing was written\n'
  assert not os.listdir(str(tmp_path))
