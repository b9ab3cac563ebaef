# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes TensorFlow models while they train. See README.md for where to begin."""

from model_pruning.hparam import HParams
from model_pruning.pruning import Pruning
from model_pruning.registry import apply_mask
from model_pruning.registry import apply_mask_and_return
from model_pruning.registry import get_masked_weights
from model_pruning.registry import get_masks
from model_pruning.registry import get_thresholds
from model_pruning.registry import get_weight_sparsity
from model_pruning.registry import get_weights
from model_pruning.registry import masked_scope
from model_pruning.spec import get_pruning_hparams
from model_pruning.spec import PruningSpec
