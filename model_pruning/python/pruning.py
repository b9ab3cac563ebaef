# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""`from model_pruning.python import pruning`, as code written for contrib has it."""

from model_pruning import apply_mask as apply_mask
from model_pruning import apply_mask_and_return as apply_mask_and_return
from model_pruning import DEFINE_pruning_hparams as DEFINE_pruning_hparams
from model_pruning import get_masked_weights as get_masked_weights
from model_pruning import get_masks as get_masks
from model_pruning import get_pruning_hparams as get_pruning_hparams
from model_pruning import get_thresholds as get_thresholds
from model_pruning import get_weight_sparsity as get_weight_sparsity
from model_pruning import get_weights as get_weights
from model_pruning import masked_scope as masked_scope
from model_pruning import Pruning as Pruning
from model_pruning import PruningHook as PruningHook
