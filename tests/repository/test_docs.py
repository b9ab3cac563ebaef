# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""The documentation names what there is, and leads to files that exist."""

import argparse
import ast
import doctest
import importlib
import os
import re
import textwrap

import pytest

from model_pruning.hparams import spec
from model_pruning.schedules import gradual
from tests.paths import ROOT
from tools import py_imports

PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs/guide.md', 'docs/keras.md',
         'docs/migrating.md', 'docs/channels.md', 'docs/deploying.md', 'docs/scaling.md',
         'docs/tpu.md', 'docs/README.md', 'docs/benchmarks.md', 'docs/extending.md',
         'docs/support.md', 'docs/releasing.md', 'examples/README.md', 'SECURITY.md',
         'CODE_OF_CONDUCT.md']


def text(page):
  with open(os.path.join(ROOT, page), encoding='utf-8') as handle:
    return handle.read()


def blocks(page):
  """The Python code of a page, which knows the lines that it stands at."""
  content = text(page)
  for found in re.finditer(r'```python\n(.*?)```', content, re.DOTALL):
    above = '\n' * content[:found.start(1)].count('\n')
    yield compile(above + found.group(1), os.path.join(ROOT, page), 'exec')


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_to_files(page):
  for target, anchor in re.findall(r'\]\(([^)#]*)#?([^)]*)\)', text(page)):
    if '://' not in target and not target.startswith('reference/'):  # Made by `make docs`.
      path = os.path.join(os.path.dirname(page), target) if target else page
      assert os.path.exists(os.path.join(ROOT, path)), target
      assert not anchor or anchor in anchors(path), anchor


def anchors(page):
  return [re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')
          for heading in re.findall(r'^#+ (.*)', text(page), re.MULTILINE)]


def test_the_guide_names_every_hyperparameter():
  guide = text('docs/guide.md')
  later = {'gradient_decay_rate', 'group_sparsity_map', 'group_block_dims_map'}
  for name in spec.get_pruning_hparams().values():
    short = name.replace('sparsity_function_end_step', '..._end_step')
    assert name in later or '`%s`' % short in guide, name


def test_the_code_in_the_readme_is_python_on_public_names():
  _, graph_door = re.findall(r'```python\n(.*?)```', text('README.md'), re.DOTALL)
  tree = ast.parse(graph_door)
  import model_pruning
  used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
          and isinstance(node.value, ast.Name) and node.value.id == 'model_pruning'}
  assert used and all(hasattr(model_pruning, name) for name in used)


def test_the_code_of_the_guide_runs():
  import model_pruning
  from model_pruning.compat import tf
  with tf.Graph().as_default():
    tf.train.get_or_create_global_step()
    names = {'model_pruning': model_pruning}
    for block in blocks('docs/guide.md'):
      exec(block, names)
  assert names['should_prune'] and names['sparsity'] == pytest.approx(0.7)


def _needs_keras():
  from model_pruning.compat import tf
  if tf.version.VERSION.startswith('1.'):
    pytest.skip('Keras models are pruned on TensorFlow 2')


@pytest.mark.legacy_keras
@pytest.mark.legs('newest', 'tf_keras')
def test_the_keras_code_in_the_readme_runs(tmp_path, monkeypatch):
  _needs_keras()
  import numpy as np
  import tensorflow as tf
  monkeypatch.chdir(tmp_path)
  model = tf.keras.Sequential([tf.keras.Input((20,)), tf.keras.layers.Dense(8, name='hidden')])
  names = {'model': model,  # And for 1000 steps:
           'x': np.ones([3200, 20], np.float32), 'y': np.ones([3200, 8], np.float32)}
  exec(next(blocks('README.md')), names)
  saved = tf.keras.models.load_model('small.keras')
  assert np.mean(saved.get_layer('hidden').get_weights()[0] == 0) == 0.9


@pytest.mark.legs('newest')
def test_the_code_for_users_of_keras_runs(tmp_path, monkeypatch):
  _needs_keras()
  monkeypatch.chdir(tmp_path)
  names = {'__name__': 'docs_keras'}
  for block in blocks('docs/keras.md'):
    exec(block, names)  # Some say themselves what comes of it.
  path, np, sparsity = names['path'], names['np'], names['sparsity']
  stripped = names['keras'].models.load_model(path)
  assert np.mean(stripped.get_layer('hidden').get_weights()[0] == 0) == 0.5
  masks = {layer.name: len(layer.weights) for layer in names['pruned'].layers}
  assert list(masks.values()) == [6]  # matrix and scale; the mask, threshold and steps of one.
  assert sparsity.strip_pruning(names['pruned']).layers[0].get_config()['name'] in masks


@pytest.mark.legs('newest')
def test_the_code_that_prunes_channels_in_training_runs():
  _needs_keras()
  section = text('docs/channels.md').split('## Pruning channels in training')[1]
  names = {}
  found = re.findall(r'```python\n(.*?)```', section, re.DOTALL)
  assert len(found) == 3
  for block in found[:2]:
    exec(block, names)
  assert names['model'].get_layer('first').filters == 12


def test_the_code_that_prunes_channels_of_a_graph_runs():
  section = text('docs/channels.md').split('## Pruning channels in training')[1]
  block, = [block for block in re.findall(r'```python\n(.*?)```', section, re.DOTALL)
            if 'tf.Graph' in block]
  exec(block, {})


def test_the_page_on_keras_names_all_there_is():
  _needs_keras()
  import model_pruning.keras
  page = text('docs/keras.md')
  # The class of the policy skip_unknown.
  for name in set(model_pruning.keras.__all__) - {'SkipUnknown'}:
    assert name in page, name


def test_the_code_for_those_who_migrate_from_contrib_runs():
  from model_pruning.compat import tf
  block, = re.findall(r'```python\n(.*?)```', text('docs/migrating.md'), re.DOTALL)
  with tf.Graph().as_default(), tf.Session() as session:
    names = {'inputs': tf.ones([2, 32])}
    exec(block, names)
    session.run(tf.global_variables_initializer())
    names['global_step'].load(1000, session)
    session.run(names['mask_update_op'])
    assert session.run(names['pruning'].get_masks()[0]).sum() == 32


def test_the_code_for_deployers_runs(tmp_path):
  import model_pruning
  from model_pruning.compat import tf
  block, = re.findall(r'```python\n(.*?)```', text('docs/deploying.md'), re.DOTALL)
  with tf.Graph().as_default(), tf.Session() as session:
    inputs = tf.placeholder(tf.float32, [None, 256], 'inputs')
    tf.train.get_or_create_global_step()
    with model_pruning.masked_scope(), tf.variable_scope('fc1'):
      kernel = tf.get_variable('kernel', [256, 64])
    tf.identity(tf.matmul(inputs, kernel), 'outputs')
    update = model_pruning.Pruning(
        'initial_sparsity=0.9,target_sparsity=0.9,block_dims_map=[fc1:16x1]').mask_update_op()
    session.run(tf.global_variables_initializer())
    session.run(update)
    tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  names = {'checkpoint_dir': str(tmp_path), 'path': str(tmp_path / 'model.tflite')}
  exec(block, names)
  assert os.path.getsize(names['path']) == names['written'].bytes


@pytest.mark.parametrize('schedule, initial, final', [
    ('PolynomialDecay', 0.5, 0.8), ('ConstantSparsity', 0.5, 0.5)])
def test_schedules_of_tfmot_are_what_the_page_says(schedule, initial, final):
  page = text('docs/migrating.md')
  call = re.search(r'`%s\((.*\d.*?)\)`' % schedule, page)
  begin, end, frequency = (int(re.search(name + r'=(\d+)', call.group(1)).group(1))
                           for name in ('begin_step', 'end_step', 'frequency'))
  hparams = re.search(r'^    (\S+=\S+)$', page[call.end():], re.MULTILINE).group(1)
  given = spec.PruningSpec.create(hparams)
  steps = gradual.update_steps(given, 2 * end)
  assert steps == [step for step in range(begin, end + 1) if (step - begin) % frequency == 0]
  for step in steps:
    expected = final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3
    assert gradual.gradual_sparsity(step, given) == pytest.approx(expected)


def _examples(page):
  """Returns the names that the Python blocks in the lists of a page define."""
  names = {}
  for block in re.findall(r'^   ```python\n(.*?)^   ```', text(page), re.DOTALL | re.MULTILINE):
    code = textwrap.dedent(block)
    exec(compile(code, page, 'exec'), names)
  return names


def test_the_examples_of_additions_keep_their_contracts(tmp_path, capsys):
  import numpy as np
  from model_pruning.compat import tf
  from model_pruning.engine.layout import Layout
  from model_pruning.engine.reads import Reads
  names = _examples('docs/extending.md')
  weight = np.array([[1, -2, 3], [-4, 5, 6]], np.float32)
  with tf.Graph().as_default(), tf.Session() as session:
    saliency = names['Signed'].create(spec.PruningSpec())
    reads = Reads([tf.constant(weight)])
    scores = saliency.scores(reads, saliency.average(reads))
    np.testing.assert_array_equal(session.run(scores[0]), np.maximum(weight, 0))
    columns, layout = names['Columns'](2), Layout.whole(weight.shape)
    pooled = columns.pool(scores, layout)
    chosen = columns.select([pooled], tf.constant(0.4), tf.constant(0.0), spec.PruningSpec())
    mask, = session.run(columns.expand(chosen.masks[0], layout))
    assert mask.tolist() == [[False, True, True]] * 2
    assert columns.unit_sizes(layout) == [(2, 3)]
    for test in doctest.DocTestFinder().find(names['CosineDecay'], 'CosineDecay', globs=names):
      assert not doctest.DocTestRunner().run(test).failed
    schedule, step = names['CosineDecay'](0.8, 0, 1000), tf.constant(250)
    assert session.run(schedule(step)[1]) == pytest.approx(schedule(250)[1])
    tf.get_variable('fc/kernel', [3, 4])
    session.run(tf.global_variables_initializer())
    path = tf.train.Saver().save(session, str(tmp_path / 'model.ckpt'))
  parser = argparse.ArgumentParser()
  names['add_parser'](parser.add_subparsers())
  args = parser.parse_args(['count', path])
  args.run(args)
  assert capsys.readouterr().out == '12\n'


def _modules_with_examples():
  for path in py_imports.python_files(ROOT, 'model_pruning'):
    if '>>> ' in text(path):
      yield py_imports.module_of(path)


@pytest.mark.parametrize('name', _modules_with_examples())
def test_examples_in_docstrings_are_true(name):
  result = doctest.testmod(importlib.import_module(name))
  assert result.attempted and not result.failed
