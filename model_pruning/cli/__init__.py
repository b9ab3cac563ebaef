# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The command line, `model-pruning`: a file per command.

A command's file imports what it runs inside of its function: the arguments are read, and mistakes
in them answered, before TensorFlow is loaded.
"""

from model_pruning.cli.main import guarded as guarded
from model_pruning.cli.main import parse_arguments as parse_arguments
from model_pruning.cli.main import run as run
