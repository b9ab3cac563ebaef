# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import strip_pruning_vars`, as in the research branch.

As there, it is a program too: `python -m model_pruning.python.strip_pruning_vars`.
"""

from model_pruning.strip_pruning_vars import main
from model_pruning.strip_pruning_vars import strip_pruning_vars as strip_pruning_vars

if __name__ == '__main__':
  main()
