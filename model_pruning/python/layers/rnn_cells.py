# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python.layers import rnn_cells`, for code written for contrib."""

from model_pruning.graph.layers.rnn_cells import MaskedBasicLSTMCell as MaskedBasicLSTMCell
from model_pruning.graph.layers.rnn_cells import MaskedLSTMCell as MaskedLSTMCell
