# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whole programs in the styles that users have: see run.py for what is checked of each."""

import pytest

from tests import forks
from tests.programs import run

pytestmark = pytest.mark.slow

# What TensorFlow 2 changed most: functions, control flow, the default graph, where shards live.
# `make programs` runs all of them with each TensorFlow.
_ON_NEWEST = ('control_flow_cond', 'function_in_graph', 'meta_graph_resume', 'module_level_graph',
              'partitioned', 'while_loop', 'wrapped_function')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.legs('newest' if name in _ON_NEWEST else 'oldest'))
    for name in run.names()])
def test_program(name, tmp_path):
  skipped = run.run(name, str(tmp_path), forks.run)
  if skipped:
    pytest.skip(skipped)


def test_there_are_enough_of_them():
  assert len(run.names()) >= 20 and set(_ON_NEWEST) <= set(run.names())
