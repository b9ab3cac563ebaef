# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python.layers import layers`, for code written for contrib."""

from model_pruning.graph.layers.slim_layers import masked_conv2d as masked_conv2d
from model_pruning.graph.layers.slim_layers import masked_convolution as masked_convolution
from model_pruning.graph.layers.slim_layers import masked_fully_connected as masked_fully_connected
