# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of `model-pruning report`: --html, --hparams and the findings."""

import json
import os

import pytest

pytest.importorskip('jinja2')

import model_pruning
from model_pruning import cli
from model_pruning.compat import tf

HPARAMS = 'initial_sparsity=0.75,target_sparsity=0.75'


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The folder of a run: a checkpoint, and events of pruning."""
  folder = str(tmp_path_factory.mktemp('run'))
  with tf.Graph().as_default(), tf.Session() as session:
    step = tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      tf.get_variable('kernel', [64, 64])
    pruning = model_pruning.Pruning(HPARAMS)
    session.run(tf.global_variables_initializer())
    session.run([pruning.mask_update_op(), tf.assign(step, 7)])
    writer = tf.summary.FileWriter(folder)
    writer.add_summary(session.run(pruning.add_pruning_summaries()), 7)
    writer.close()
    tf.train.Saver().save(session, os.path.join(folder, 'model.ckpt'), global_step=step)
  return folder


def _main(*arguments):
  args = cli.parse_arguments(['model-pruning', 'report'] + [str(each) for each in arguments])
  return cli.guarded(args.run, args)


def test_a_page_beside_the_table(run, tmp_path, capsys):
  path = tmp_path / 'new' / 'report.html'
  assert _main(run, '--html=%s' % path) == 0
  printed = capsys.readouterr()
  assert 'fc/kernel' in printed.out and printed.out.rstrip().endswith('Written to %s' % path)
  text = path.read_text(encoding='utf-8')
  assert 'The weight met its target' in text and 'data-line="sparsity-0"' in text


@pytest.mark.parametrize('form', ['--json', '--csv'])
def test_a_page_beside_what_a_program_reads(run, form, tmp_path, capsys):
  path = tmp_path / 'report.html'
  assert _main(run, '--html=%s' % path, form) == 0
  printed = capsys.readouterr()
  assert path.exists() and str(path) in printed.err and str(path) not in printed.out
  if form == '--json':
    content = json.loads(printed.out)
    assert content['weights'][0]['target'] == 0.75 and isinstance(content['findings'], list)
  else:
    head, row = printed.out.splitlines()
    assert dict(zip(head.split(','), row.split(',')))['met'] == 'True'


@pytest.mark.parametrize('hparams,headline', [
    ('target_sparsity=0.9', '0 of 1 weights met their targets'),
    ('target_sparsity=0.5', 'The weight met its target')])
def test_targets_can_be_given(run, hparams, headline, tmp_path, capsys):
  path = tmp_path / 'report.html'
  assert _main(run, '--html=%s' % path, '--hparams=%s' % hparams) == 0
  assert headline in path.read_text(encoding='utf-8')
  assert ('short of 0.9000' in capsys.readouterr().out) == ('0.9' in hparams)


@pytest.mark.parametrize('arguments,message', [
    (['RUN', '--html=RUN'], 'would overwrite'), (['RUN', '--html='], 'is empty'),
    (['RUN', '--html=.'], 'is a folder'), (['RUN', '--html=RUN/checkpoint'], 'checkpoint'),
     (['RUN', '--html=/dev/full'], 'a device'),
    (['RUN', '--html=x.html', '--history'], 'leave out one'),
    (['RUN', '--hparams=target_sparsity=2'], 'target_sparsity'),
    (['RUN', '--hparams=weight_sparsity_map=[nowhere:0.5]'], 'nowhere'),
    (['RUN/nothing', '--html=x.html'], 'nothing')])
def test_a_mistake_is_one_line_and_leaves_nothing(run, arguments, message, tmp_path, capsys,
                                                  monkeypatch):
  monkeypatch.chdir(tmp_path)
  before = sorted(os.listdir(run))
  code = _main(*[argument.replace('RUN', run) for argument in arguments])
  error = capsys.readouterr().err
  assert code == 1 and message in error and len(error.splitlines()) == 1, error
  assert sorted(os.listdir(run)) == before and os.listdir(str(tmp_path)) == []
