# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:python/pruning_hook //model_pruning:python/pruning_interface
"""What `import model_pruning` gives, and what it leaves alone."""

import os
import subprocess
import sys

import pytest

import model_pruning
from model_pruning import errors
from tests import legs

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTRIB = ('masked_convolution', 'masked_conv2d', 'masked_fully_connected', 'MaskedBasicLSTMCell',
           'MaskedLSTMCell', 'train', 'apply_mask', 'get_masked_weights', 'get_masks',
           'get_pruning_hparams', 'get_thresholds', 'get_weights', 'get_weight_sparsity', 'Pruning',
           'strip_pruning_vars_fn', 'graph_def_from_checkpoint')
RESEARCH = ('HParams', 'apply_mask_with_group', 'ModelPruningHook', 'ModelPruningListener',
            'apply_matrix_compression', 'apply_pruning', 'get_matrix_compression_object',
            'get_matrix_compression_update_op', 'get_pruning_update')


@pytest.mark.parametrize('name', CONTRIB + RESEARCH)
def test_the_names_of_the_predecessors_are_at_the_top(name):
  assert callable(getattr(model_pruning, name))
  assert name in dir(model_pruning)


@pytest.mark.sampled(2)
@pytest.mark.parametrize('package,some', [
    ('model_pruning', CONTRIB + RESEARCH + ('PolynomialDecay',)),
    ('model_pruning.schedules', ('PolynomialDecay', 'serialize')),
    ('model_pruning.export', ('to_tflite', 'remove_channels'))])
def test_all_of_them_come_with_an_asterisk_and_nothing_else(package, some):
  code = ('from %s import *; names = {name for name in dir() if name[0] != "_"}; '
          'import %s as package; assert names == set(package.__all__); print(*names)'
          % (package, package))
  done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, cwd=ROOT,
                        universal_newlines=True, check=True)
  names = set(done.stdout.split())
  assert names >= set(some) and not names & {'keras', 'report', 'typing'}


def test_other_names_are_not():
  with pytest.raises(AttributeError, match="'model_pruning' has no attribute 'apply_masks'"):
    _ = model_pruning.apply_masks


def test_importing_it_imports_neither_slim_nor_contrib_nor_keras():
  program = ('import sys, model_pruning; print([name for name in sys.modules if name in ('
             '"tf_slim", "tensorflow.contrib.slim", "model_pruning.graph.layers.slim_layers", '
             '"tf_keras")])')
  found = subprocess.run([sys.executable, '-c', program], stdout=subprocess.PIPE, check=True,
                         universal_newlines=True).stdout
  assert found.split('\n')[-2] == '[]'


def test_importing_it_imports_only_the_names_and_errors():
  program = ('import tensorflow, sys; before = set(sys.modules); import model_pruning; '
             'print(sorted({name.split(".")[0] for name in set(sys.modules) - before}))')
  found = subprocess.run([sys.executable, '-c', program], stdout=subprocess.PIPE, check=True,
                         cwd=ROOT, universal_newlines=True).stdout
  assert found.split('\n')[-2] == "['model_pruning']"


def test_pruning_a_graph_imports_neither_keras_nor_programs_for_reports():
  program = ('import tensorflow, sys; before = set(sys.modules); import model_pruning; '
             'model_pruning.Pruning, model_pruning.apply_mask, model_pruning.PruningHook; '
             'print(sorted({name.split(".")[0] for name in set(sys.modules) - before} & '
             '{"jinja2", "keras", "matplotlib", "tf_keras", "tf_slim", "tqdm"}))')
  found = subprocess.run([sys.executable, '-c', program], stdout=subprocess.PIPE, check=True,
                         cwd=ROOT, universal_newlines=True).stdout
  assert found.split('\n')[-2] == '[]'


def test_every_error_is_a_value_error():
  assert all(issubclass(cause, ValueError) for cause in vars(errors).values()
             if isinstance(cause, type))


@pytest.mark.parametrize('name', legs.few([
    'export', 'events', 'one_shot', 'plots', 'report', 'timeline'], 2))
def test_modules_that_the_guide_names_are_there_after_one_import(name):
  code = ('import model_pruning; print(model_pruning.%s.__name__); '
          'assert %r in dir(model_pruning)' % (name, name))
  done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, cwd=ROOT,
                        universal_newlines=True, check=True)
  assert done.stdout.strip().rpartition('.')[2] == name


@pytest.mark.sampled(1)
@pytest.mark.parametrize('name', ['events', 'plots', 'report', 'timeline'])
def test_modules_in_folders_have_their_public_names_too(name):
  code = ('import model_pruning.%s as module, model_pruning, sys; '
          'assert module is model_pruning.%s is sys.modules["model_pruning.%s"]; '
          'assert module.__spec__.name == module.__name__' % (name, name, name))
  subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)
