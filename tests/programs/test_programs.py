# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whole programs in the styles that users have: see run.py for what is checked of each."""

import pytest

from tests.programs import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('name', run.names())
def test_program(name, tmp_path):
  skipped = run.run(name, str(tmp_path))
  if skipped:
    pytest.skip(skipped)


def test_there_are_enough_of_them():
  assert len(run.names()) >= 20
