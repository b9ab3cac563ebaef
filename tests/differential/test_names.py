# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Import paths, public names and parameters of the real tf.contrib.model_pruning."""

import importlib
import inspect

import pytest

contrib = pytest.importorskip(
    'tensorflow.contrib.model_pruning',
    reason='only TensorFlow 1.15 has tf.contrib.model_pruning to compare with')

# pylint: disable=g-import-not-at-top
import model_pruning

pytestmark = pytest.mark.differential

MODULES = ['pruning', 'pruning_utils', 'strip_pruning_vars_lib', 'learning', 'layers.layers',
           'layers.core_layers', 'layers.rnn_cells']


def _public(module):
  """Returns what a module itself defines for others."""
  return {name: value for name, value in vars(module).items()
          if not name.startswith('_') and getattr(value, '__module__', '') == module.__name__}


def _parameters(function):
  return list(inspect.signature(function).parameters.values())


def _assert_takes(ours, theirs, what):
  """Asserts that all calls of `theirs` are calls of `ours`, and mean the same arguments."""
  ours, theirs = _parameters(ours), _parameters(theirs)
  assert [p.name for p in ours][:len(theirs)] == [p.name for p in theirs], what
  for our, their in zip(ours, theirs):
    assert _same(our.default, their.default) and our.kind == their.kind, (what, our.name)
  assert all(p.default is not p.empty or p.kind == p.VAR_KEYWORD for p in ours[len(theirs):]), what


def _same(ours, theirs):
  """Compares defaults. Of initializers and functions tests of the layers say what they do."""
  return ours == theirs or callable(ours) and callable(theirs)


@pytest.mark.parametrize('name', MODULES)
def test_modules_and_parameters(name):
  theirs = importlib.import_module('tensorflow.contrib.model_pruning.python.' + name)
  ours = importlib.import_module('model_pruning.python.' + name)
  public = _public(theirs)
  assert public
  for function, value in public.items():
    _assert_takes(getattr(ours, function), value, function)
    if inspect.isclass(value) and name == 'pruning':  # Those of layers TensorFlow calls.
      for method, body in vars(value).items():
        if inspect.isfunction(body) and not method.startswith('_'):
          _assert_takes(getattr(getattr(ours, function), method), body, method)


def test_collections_have_the_same_names():
  from model_pruning.python import pruning as ours
  from tensorflow.contrib.model_pruning.python import pruning as theirs
  for name in ('MASK_COLLECTION', 'THRESHOLD_COLLECTION', 'MASKED_WEIGHT_COLLECTION',
               'WEIGHT_COLLECTION', 'MASKED_WEIGHT_NAME'):
    assert getattr(ours, name) == getattr(theirs, '_' + name)


def test_names_at_the_top():
  assert not [name for name in contrib._allowed_symbols if not hasattr(model_pruning, name)]
