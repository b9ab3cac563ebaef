# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tests of model_pruning.reading.updated: masks that no update ever touched are reported."""

import json
import os

import numpy as np
import pytest

import model_pruning
from model_pruning import cli
from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.reading import updated
from model_pruning.reading.updated import MaskState
from model_pruning.reporting import report

SAID = 'masked but never updated'


def _train(folder, update=None, values=None):
  """Saves a masked model as a checkpoint, a SavedModel and a frozen graph."""
  with tf.Graph().as_default(), tf.Session() as session:
    x = tf.placeholder(tf.float32, [None, 6], 'inputs')
    step = tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope('fc'):
      initializer = None if values is None else tf.constant_initializer(values)
      y = tf.matmul(x, tf.get_variable('kernel', [6, 4], initializer=initializer))
    y = tf.identity(y, 'scores')
    run = [step.assign_add(20)]
    session.run(tf.global_variables_initializer())
    if update:
      pruning = model_pruning.Pruning(update)
      op = pruning.conditional_mask_update_op()
      session.run(tf.global_variables_initializer())
      session.run(run)
      session.run(op)
    tf.train.Saver().save(session, str(folder / 'run' / 'model.ckpt'))
    tf.saved_model.simple_save(session, str(folder / 'saved'), {'x': x}, {'y': y})
  frozen = model_pruning.graph_def_from_checkpoint(str(folder / 'run'), ['scores'])
  with open(str(folder / 'frozen.pb'), 'wb') as f:
    f.write(frozen.SerializeToString())


def _main(*arguments):
  args = cli.parse_arguments(['model-pruning'] + list(arguments))
  return cli.guarded(args.run, args)


def _arguments(folder, name):
  return [str(folder / name)] + ([] if name == 'saved' else ['--output_node_names=scores'])


@pytest.mark.sampled(2)
@pytest.mark.parametrize('name', ['run', 'saved', 'frozen.pb'])
@pytest.mark.parametrize('update', [None, 'begin_pruning_step=100'], ids=['no hook', 'not yet'])
def test_every_command_says_so(tmp_path, capsys, name, update):
  _train(tmp_path, update)
  note, = [note for note in report.of(str(tmp_path / name)).notes if 'never updated' in note]
  assert note.startswith('Masked but never updated: every mask of %s' % (tmp_path / name))
  assert _main('report', str(tmp_path / name)) == 0
  assert 'never updated' in capsys.readouterr().out
  for command, output in (('strip', 'out'), ('export', 'out.tflite')):
    assert _main(command, *_arguments(tmp_path, name), '--json',
                 '--output=%s' % (tmp_path / output)) == 0
    printed = capsys.readouterr()
    line, = [line for line in printed.err.splitlines() if SAID in line]
    assert line.startswith('model-pruning: warning: ') and 'PruningHook' in line
    warning, = json.loads(printed.out)['warnings']
    assert SAID in warning


@pytest.mark.sampled(3)
@pytest.mark.parametrize('name', ['run', 'saved', 'frozen.pb'])
@pytest.mark.parametrize('update', [
    'initial_sparsity=0.5', 'initial_sparsity=0.04,target_sparsity=0.9',
    'initial_sparsity=0.5,threshold_decay=0.5'])
def test_what_was_updated_is_left_alone(tmp_path, capsys, name, update):
  _train(tmp_path, update)
  assert not any('never' in note for note in report.of(str(tmp_path / name)).notes)
  assert _main('strip', *_arguments(tmp_path, name), '--json',
               '--output=%s' % (tmp_path / 'out')) == 0
  printed = capsys.readouterr()
  assert 'never' not in printed.err and 'warnings' not in json.loads(printed.out)


@pytest.mark.parametrize('values', [np.zeros([6, 4]), np.ones([6, 4])], ids=['zeros', 'ones'])
def test_an_update_that_hides_nothing_is_an_update(tmp_path, values):
  _train(tmp_path, 'initial_sparsity=0.0,sparsity_function_begin_step=50', values)
  assert not any('never' in note for note in report.of(str(tmp_path / 'run')).notes)


def test_a_checkpoint_of_names_alone(tmp_path, capsys):
  ones = np.ones([4, 2], np.float32)
  for name, mask in (('never', ones), ('once', np.eye(4, 2, dtype=np.float32))):
    folder = tmp_path / name
    checkpoint.write(str(folder / 'model.ckpt'), {
        'a/weights': ones, 'a/mask': ones, 'a/threshold': np.float32(0), 'b/weights': ones,
        'b/mask': mask, 'b/threshold': np.float32(0), 'bias': ones[0]})
    assert _main('strip', str(folder), '--to=checkpoint', '--output=%s' % (
        folder / 'stripped' / 'model.ckpt')) == 0
    assert (SAID in capsys.readouterr().err) == (name == 'never')


@pytest.mark.parametrize('masks,last_update,wanted', [
    ([], None, False), ([None, None], 0, False), ([MaskState(False, None)], None, True),
    ([MaskState(False, 0.0), None], 0, True), ([MaskState(False, 0.0)], -1, True),
    ([MaskState(False, 0.0)], 7, False), ([MaskState(False, 0.1)], 0, False),
    ([MaskState(False, 0.0), MaskState(True, 0.0)], 0, False)])
def test_the_rule(masks, last_update, wanted):
  assert updated.never_updated(masks, last_update) is wanted


def test_no_mask_no_warning(tmp_path):
  checkpoint.write(str(tmp_path / 'model.ckpt'), {'a/weights': np.ones([4, 2], np.float32)})
  assert not any('never' in note for note in report.of(str(tmp_path)).notes)
  assert os.path.exists(str(tmp_path / 'model.ckpt.index'))
