# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import strip_pruning_vars`, as in the research branch."""

from model_pruning.strip_pruning_vars import strip_pruning_vars as strip_pruning_vars
