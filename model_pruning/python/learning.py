# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import learning`, for code written for contrib."""

from model_pruning.graph.training.learning import train as train
from model_pruning.graph.training.learning import train_step as train_step
