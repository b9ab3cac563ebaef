# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The main program of every py_test: pytest, on the file named by the arguments.

Tests marked slow are left to `make test-slow`. A file in which nothing else is left fails
here: give it the comment `# bazel: tags = manual`.
"""

import os
import sys

import pytest


def main() -> int:
  # Python put the folder this file really lies in at the head of the path, which is
  # the checkout, not the files Bazel declared.
  del sys.path[0]
  scratch = os.environ.get('TEST_TMPDIR', '/tmp')
  # Bazel sets no HOME, and what it lays out for the test is read-only.
  os.environ.setdefault('HOME', scratch)
  os.environ.setdefault('MPLCONFIGDIR', scratch)
  os.environ.setdefault('MPLBACKEND', 'Agg')
  os.environ.setdefault('HYPOTHESIS_STORAGE_DIRECTORY', os.path.join(scratch, 'hypothesis'))
  args = ['-m', 'not slow', '-p', 'no:cacheprovider', '--basetemp', os.path.join(scratch, 'pytest')]
  if 'XML_OUTPUT_FILE' in os.environ:
    args += ['--junitxml', os.environ['XML_OUTPUT_FILE']]
  return int(pytest.main(args + sys.argv[1:]))


if __name__ == '__main__':
  sys.exit(main())
