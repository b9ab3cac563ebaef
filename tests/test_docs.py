# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""The documentation names what there is, and leads to files that exist."""

import ast
import doctest
import os
import re

import pytest

from model_pruning import grammar
from model_pruning import hparam
from model_pruning import schedules
from model_pruning import spec

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs/guide.md',
         'docs/migrating.md', 'docs/deploying.md', 'examples/README.md']


def text(page):
  with open(os.path.join(ROOT, page), encoding='utf-8') as handle:
    return handle.read()


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_to_files(page):
  for target in re.findall(r'\]\(([^)#]+)', text(page)):
    if '://' not in target:
      assert os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)), target


def test_the_guide_names_every_hyperparameter():
  guide = text('docs/guide.md')
  later = {'gradient_decay_rate', 'group_sparsity_map', 'group_block_dims_map'}
  for name in spec.get_pruning_hparams().values():
    short = name.replace('sparsity_function_end_step', '..._end_step')
    assert name in later or '`%s`' % short in guide, name


def test_the_code_in_the_readme_is_python_on_public_names():
  block, = re.findall(r'```python\n(.*?)```', text('README.md'), re.DOTALL)
  tree = ast.parse(block)
  import model_pruning
  used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
          and isinstance(node.value, ast.Name) and node.value.id == 'model_pruning'}
  assert used and all(hasattr(model_pruning, name) for name in used)


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
  steps = schedules.update_steps(given, 2 * end)
  assert steps == [step for step in range(begin, end + 1) if (step - begin) % frequency == 0]
  for step in steps:
    expected = final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3
    assert schedules.gradual_sparsity(step, given) == pytest.approx(expected)


@pytest.mark.parametrize('module', [grammar, hparam, schedules], ids=lambda m: m.__name__)
def test_examples_in_docstrings_are_true(module):
  result = doctest.testmod(module)
  assert result.attempted and not result.failed
