# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The command line, `model-pruning`, with a file for each command.

Each file imports what its command needs inside the function that runs it. Arguments are therefore
parsed, and mistakes in them reported, before TensorFlow is loaded.
"""

from model_pruning.cli.main import guarded as guarded
from model_pruning.cli.main import parse_arguments as parse_arguments
from model_pruning.cli.main import run as run
