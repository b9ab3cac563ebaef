# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Whole Keras programs in the styles that users have: see run.py for what is checked of each."""

import functools

import pytest

from model_pruning.compat import tensorflow
from tests import forks
from tests.programs.keras import run

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

pytestmark = [pytest.mark.legacy_keras, pytest.mark.slow]

# With Keras 2 those about what it does in another way: subclasses and their building, saving, own
# loops and train steps, several fits, layers that are not registered. The others with Keras 3.
_ON_KERAS_2 = (
    'attention_block', 'checkpoints_and_backup', 'gradient_tape', 'pruned_in_constructor',
    'tfmot_comprehensive', 'tutorial_subclass_trained', 'two_towers_shared', 'unregistered_parts')
# With both in `make programs` only: tests of their own have each part of them.
_LEFT_OUT = ('endless_data', 'lambdas_everywhere', 'nested_three_deep', 'own_layers',
             'search_settings', 'sequential_input_shape', 'state_that_is_no_weight',
             'tfmot_on_device', 'tfmot_two_by_four', 'transfer_thawed', 'tutorial_subclass')


def _leg(name):
  return () if name in _LEFT_OUT else ('tf_keras' if name in _ON_KERAS_2 else 'newest',)


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.legs(*_leg(name))) for name in run.names()])
def test_program(name, tmp_path):
  # Each begins by importing this, before it does anything.
  start = functools.partial(forks.run, imports=('model_pruning.keras',))
  skipped = run.run(name, str(tmp_path), start)
  if skipped:
    pytest.skip(skipped)


def test_there_are_enough_of_them():
  assert len(run.names()) >= 28 and {*_ON_KERAS_2, *_LEFT_OUT} <= set(run.names())
