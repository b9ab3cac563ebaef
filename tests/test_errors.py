# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The line of an error of TensorFlow or Keras that states the problem."""

import pytest

from model_pruning import errors


@pytest.mark.parametrize('text, line', [
    ('the problem\n\nTraceback:\n  a.py', 'the problem'),
    ("\x1b[1mException encountered when calling Dense.call().\x1b[0m\n\n\x1b[1mthe problem\x1b[0m",
     'the problem'),
    ('Graph execution error:\n\nNode: a\nNode: b\nthe problem\nmore', 'the problem'),
    ('Restoring from checkpoint failed. Please ensure that you have not altered the graph. '
     'Original error:\n\nKey fc/mask not found in checkpoint\n\t [[node save/RestoreV2]]',
     'Key fc/mask not found in checkpoint'),
    ('Original error:', 'Original error:'), ('', 'ValueError')])
def test_the_first_line(text, line):
  assert errors.first_line(ValueError(text)) == line
