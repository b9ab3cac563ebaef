# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The import paths of the predecessors lead to the same objects."""

import pytest

import model_pruning
from model_pruning.python import hparam
from model_pruning.python import pruning
from model_pruning.python import strip_pruning_vars_lib

NAMES = ['apply_mask', 'get_masked_weights', 'get_masks', 'get_pruning_hparams', 'get_thresholds',
         'get_weights', 'get_weight_sparsity', 'Pruning']


@pytest.mark.parametrize('name', NAMES)
def test_python_pruning_has_contribs_names(name):
  assert getattr(pruning, name) is getattr(model_pruning, name)


@pytest.mark.parametrize('module, name', [
    (hparam, 'HParams'), (hparam, 'parse_values'),
    (strip_pruning_vars_lib, 'strip_pruning_vars_fn'),
    (strip_pruning_vars_lib, 'graph_def_from_checkpoint')])
def test_the_other_modules_have_theirs(module, name):
  assert callable(getattr(module, name))


def test_strip_functions_are_at_the_top_too():
  assert callable(model_pruning.strip_pruning_vars_fn)
  assert callable(model_pruning.graph_def_from_checkpoint)
