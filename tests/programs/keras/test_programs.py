# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: tags = manual
"""Whole Keras programs in the styles that users have: see run.py for what is checked of each."""

import pytest

from model_pruning.compat import tensorflow
from tests.programs.keras import run

if int(tensorflow.__version__.split('.')[0]) < 2:
  pytest.skip('model_pruning.keras needs TensorFlow 2', allow_module_level=True)

pytestmark = [pytest.mark.legacy_keras, pytest.mark.slow]


@pytest.mark.parametrize('name', run.names())
def test_program(name, tmp_path):
  skipped = run.run(name, str(tmp_path))
  if skipped:
    pytest.skip(skipped)


def test_there_are_enough_of_them():
  assert len(run.names()) >= 28
