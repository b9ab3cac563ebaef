# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python.layers import core_layers`, for code written for contrib."""

from model_pruning.graph.layers.core_layers import MaskedConv2D as MaskedConv2D
from model_pruning.graph.layers.core_layers import MaskedFullyConnected as MaskedFullyConnected
from model_pruning.names import MASK_COLLECTION as MASK_COLLECTION
from model_pruning.names import MASKED_WEIGHT_COLLECTION as MASKED_WEIGHT_COLLECTION
from model_pruning.names import MASKED_WEIGHT_NAME as MASKED_WEIGHT_NAME
from model_pruning.names import THRESHOLD_COLLECTION as THRESHOLD_COLLECTION
from model_pruning.names import WEIGHT_COLLECTION as WEIGHT_COLLECTION
