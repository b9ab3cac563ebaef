# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`python -m model_pruning`: the command line."""

from model_pruning import cli

if __name__ == '__main__':
  cli.run()
