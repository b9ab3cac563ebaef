# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: data = //:docs/one_shot.md
"""`model-pruning prune`: each kind of model with examples, what it prints, and its mistakes."""

import json
import os
import re
import shlex
import shutil

import numpy as np
import pytest

from model_pruning.compat import tf
from model_pruning.export import checkpoint
from model_pruning.graph import trained as graph_trained
from tests.cli import trained
from tests.cli.trained import run
from tests.paths import ROOT

HPARAMS = 'target_sparsity=0.75,weight_sparsity_map=[fc2:0.5]'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return trained.write(str(tmp_path_factory.mktemp('models')))


def _graph(path):
  graph_def = tf.GraphDef()
  with open(path, 'rb') as f:
    graph_def.ParseFromString(f.read())
  return graph_def


def _scores(kind, path, images):
  """Returns the outputs of a written model."""
  if kind == 'graph':
    return trained.outputs(_graph(path), images)
  if kind in ('keras', 'h5'):
    from model_pruning.keras import files
    return np.asarray(files.load(path)(images))
  with tf.Graph().as_default(), tf.Session() as session:
    if kind == 'saved_model':
      signatures = tf.saved_model.load(session, ['serve'], path).signature_def
      assert sorted(key for key in signatures if not key.startswith('__')) == [
          'features', 'serving_default']
      features = signatures['features']
      assert session.run(features.outputs['y'].name,
                         {features.inputs['x'].name: images}).shape == (64, 16)
      signature = signatures['serving_default']
      return session.run(signature.outputs['y'].name, {signature.inputs['x'].name: images})
    read = checkpoint.Checkpoint(path).read
    hidden = np.maximum(images @ read('fc1/kernel') + read('fc1/bias'), 0)
    return hidden @ read('fc2/kernel') + read('fc2/bias')


@pytest.mark.skipif(not trained.HAS_KERAS, reason='Keras models need TensorFlow 2')
@pytest.mark.parametrize('words', [
    'prune FOLDER/model.keras target_sparsity=0.5',
    'plan FOLDER/model.keras --target_sparsity=0.5 --prune',
    'shrink FOLDER/model.keras --fraction=0.5'])
def test_a_name_that_no_keras_model_can_have_is_refused_before_the_work(
    folder, tmp_path, capsys, monkeypatch, words):
  from model_pruning.keras import files as keras_files
  monkeypatch.setattr(keras_files, 'load', None)
  output = str(tmp_path / 'new' / 'x.kers')
  trained.check_mistake(folder, output, capsys, [
      *words.split(), '--examples=FOLDER/images.npy', '--output=' + output],
                        'x.kers is no name for a Keras model; end it in .keras or .h5')


@pytest.mark.sampled(2)
# Its cases differ from leg to leg, so all of them run on each.
@pytest.mark.legs('default', 'oldest')
@pytest.mark.parametrize('kind', trained.KINDS)
def test_every_kind_of_model(folder, tmp_path, capsys, kind):
  model, *options = trained.MODELS[kind]
  images = np.load(os.path.join(folder, 'images.npy'))
  dense = trained.outputs(_graph(os.path.join(folder, 'frozen.pb')), images)
  output = str(tmp_path / trained.OUTPUTS[kind])
  assert not run(folder, 'prune', model, HPARAMS, '--examples=FOLDER/images.npy', *options,
                 '--output=' + output, '--json')
  printed = capsys.readouterr()
  found = json.loads(printed.out)
  assert found['output'] == output
  assert [(row['name'].split('/')[0], row['zeros'], row['achieved'], row['target'], row['shape'])
          for row in found['weights']] == [
              ('fc1', 192, 0.75, 0.75, [16, 16]), ('fc2', 32, 0.5, 0.5, [16, 4])]
  for row in found['weights']:
    assert 0 <= row['error_refitted'] < row['error_masked'] and row['reason'] == ''
  error = np.square(_scores(kind, output, images) - dense).mean()
  assert error < 0.5 * np.square(dense - dense.mean(axis=0)).mean()
  before = sorted(os.listdir(folder))
  assert not run(folder, 'prune', model, HPARAMS, '--examples=FOLDER/images.npy', *options,
                 '--output=%s' % (tmp_path / 'again' / trained.OUTPUTS[kind]))
  table = capsys.readouterr().out
  assert 'masked  refitted' in table and '\nWritten to ' in table
  assert max(map(len, table.split('\nWritten')[0].splitlines())) <= 80
  assert sorted(os.listdir(folder)) == before


def test_without_examples_it_says_what_they_would_give(folder, tmp_path, capsys):
  for kind in trained.KINDS:
    model, *options = trained.MODELS[kind]
    output = str(tmp_path / trained.OUTPUTS[kind])
    assert not run(folder, 'prune', model, HPARAMS, *options, '--output=' + output)
    printed = capsys.readouterr().out
    assert 'With --examples=FILE' in printed and 'refitted' in printed
    assert 'masked' not in printed


def test_examples_by_the_names_of_a_signature(folder, tmp_path):
  assert not run(folder, 'prune', 'FOLDER/saved', HPARAMS, '--examples=FOLDER/x.npz',
                 '--output=%s' % (tmp_path / 'new'))


def test_export_takes_examples_by_the_names_of_a_signature(folder, tmp_path, capsys):
  output = str(tmp_path / 'model.tflite')
  assert not run(folder, 'export', 'FOLDER/saved', '--examples=FOLDER/x.npz', '--output=' + output,
                 '--json')
  assert json.loads(capsys.readouterr().out)['examples'] > 8


def test_a_checkpoint_has_masks_and_where_it_stood(folder, tmp_path):
  output = str(tmp_path / 'new' / 'model.ckpt')
  assert not run(folder, 'prune', 'FOLDER/dense', HPARAMS, '--examples=FOLDER/images.npy',
                 '--output_node_names=scores', '--output=' + output)
  after = checkpoint.Checkpoint(output)
  assert after.read('global_step') == 700
  for name in ('fc1', 'fc2'):
    np.testing.assert_array_equal(after.read(name + '/kernel') != 0, after.read(name + '/mask'))


def test_only_the_weights_that_are_named(folder, tmp_path, capsys):
  assert not run(folder, 'prune', 'FOLDER/frozen.pb', 'target_sparsity=0.75', '--exclude=fc2',
                 '--examples=FOLDER/images.npy', '--output_node_names=scores', '--json',
                 '--output=%s' % (tmp_path / 'x.pb'))
  row, = json.loads(capsys.readouterr().out)['weights']
  assert row['name'] == 'fc1/kernel'


@pytest.mark.parametrize('words, message', [
    ('frozen.pb --examples=FOLDER/images.npy', '--output_node_names is missing'),
    ('dense --examples=FOLDER/images.npy', '--output_node_names is missing'),
    ('frozen.pb --output_node_names=scors --examples=FOLDER/images.npy', 'did you mean scores?'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/nothing.npy', 'nothing.npy'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/text', 'text'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/few.npy', 'There are 3 examples'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/nan.npy', 'NaN or infinite'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/narrow.npy',
     'have shape [64, 5], but the model takes [any, 16]'),
    ('frozen.pb --output_node_names=scores --examples=FOLDER/x.npz', "examples for 'x'"),
    ('frozen.pb --output_node_names=scores --inputs=inpts --examples=FOLDER/images.npy',
     'did you mean inputs?'),
    ('frozen.pb --output_node_names=scores --include=nothing', 'fc1/kernel'),
    ('saved --examples=FOLDER/narrow.npy', 'have shape [64, 5]'),
    ('dense --output_node_names=scores --examples=FOLDER/images.npy --meta_graph=FOLDER/x.meta',
     'x.meta'),
])
def test_a_mistake_is_one_line_and_leaves_nothing(folder, tmp_path, capsys, words, message):
  output = str(tmp_path / 'new' / 'output')
  model, *options = words.split()
  trained.check_mistake(folder, output, capsys, [
      'prune', 'FOLDER/' + model, 'target_sparsity=0.5', *options, '--output=' + output], message)


@pytest.mark.skipif(not trained.HAS_KERAS, reason='Keras models need TensorFlow 2')
@pytest.mark.parametrize('words, message', [
    ('--include=fc1', 'weight_sparsity_map=[REGEX:0]'),
    ('--examples=FOLDER/narrow.npy', 'have shape [64, 5]'),
    ('--examples=FOLDER/few.npy', 'There are 3 examples'),
])
def test_a_mistake_with_a_keras_model(folder, tmp_path, capsys, words, message):
  output = str(tmp_path / 'new' / 'x.keras')
  trained.check_mistake(folder, output, capsys, [
      'prune', 'FOLDER/model.keras', 'target_sparsity=0.5', words, '--output=' + output], message)


# Its cases differ from leg to leg, so all of them run on each.
@pytest.mark.sampled(2)
@pytest.mark.legs('default', 'oldest')
@pytest.mark.parametrize('kind', trained.KINDS)
def test_ctrl_c_leaves_nothing(folder, tmp_path, capsys, monkeypatch, kind):
  def interrupted(*unused, **unused_too):
    raise KeyboardInterrupt

  monkeypatch.setattr(graph_trained, 'reconstruct', interrupted)
  if trained.HAS_KERAS:
    from model_pruning.keras import trained as keras_trained
    monkeypatch.setattr(keras_trained, 'reconstruct', interrupted)
  model, *options = trained.MODELS[kind]
  assert run(folder, 'prune', model, HPARAMS, '--examples=FOLDER/images.npy', *options,
             '--output=%s' % (tmp_path / trained.OUTPUTS[kind])) == 130
  assert capsys.readouterr().err == 'model-pruning: interrupted; nothing was written\n'
  assert not os.listdir(str(tmp_path))


@pytest.mark.skipif(not trained.HAS_KERAS, reason='Keras models need TensorFlow 2')
def test_the_command_lines_of_the_page(folder, tmp_path, capsys, monkeypatch):
  with open(os.path.join(ROOT, 'docs', 'one_shot.md'), encoding='utf-8') as f:
    blocks = re.findall(r'```sh\n(.*?)```', f.read(), re.DOTALL)
  lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()
           if line.startswith('model-pruning ')]
  assert {line.split()[1] for line in lines} == {'prune', 'sensitivity', 'plan'}
  shutil.copy(os.path.join(folder, 'model.keras'), str(tmp_path))
  for name in ('images.npy', 'labels.npy'):  # As many as the page advises.
    np.save(str(tmp_path / name), np.concatenate([np.load(os.path.join(folder, name))] * 4))
  monkeypatch.chdir(tmp_path)
  for line in lines:
    assert not run(folder, *shlex.split(line)[1:]), line
    printed = capsys.readouterr().out
    assert printed
  assert os.path.exists('pruned.keras')
