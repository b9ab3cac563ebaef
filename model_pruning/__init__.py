# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes TensorFlow models while they train. See README.md for where to begin."""

from model_pruning.export.strip import graph_def_from_checkpoint as graph_def_from_checkpoint
from model_pruning.export.strip import strip_pruning_vars_fn as strip_pruning_vars_fn
from model_pruning.flags import DEFINE_pruning_hparams as DEFINE_pruning_hparams
from model_pruning.hooks import PruningHook as PruningHook
from model_pruning.hparam import HParams as HParams
from model_pruning.pruning import Pruning as Pruning
from model_pruning.registry import apply_mask as apply_mask
from model_pruning.registry import apply_mask_and_return as apply_mask_and_return
from model_pruning.registry import get_masked_weights as get_masked_weights
from model_pruning.registry import get_masks as get_masks
from model_pruning.registry import get_thresholds as get_thresholds
from model_pruning.registry import get_weight_sparsity as get_weight_sparsity
from model_pruning.registry import get_weights as get_weights
from model_pruning.registry import masked_scope as masked_scope
from model_pruning.spec import get_pruning_hparams as get_pruning_hparams
from model_pruning.spec import PruningSpec as PruningSpec
from model_pruning.summaries import sparsity_table as sparsity_table
from model_pruning.warm_start import init_from_dense_checkpoint as init_from_dense_checkpoint
from model_pruning.version import __version__ as __version__
