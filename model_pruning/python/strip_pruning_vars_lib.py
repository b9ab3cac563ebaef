# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import strip_pruning_vars_lib`, for code written for contrib."""

from model_pruning import graph_def_from_checkpoint as graph_def_from_checkpoint
from model_pruning import strip_pruning_vars_fn as strip_pruning_vars_fn
