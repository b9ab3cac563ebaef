# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:layers //model_pruning:learning //model_pruning:rnn_cells
"""Prunes TensorFlow models while they train. See README.md for where to begin."""

import importlib
import typing

from model_pruning import quiet as _quiet  # First: from here on Ctrl-C is one line.
from model_pruning import lazy as _lazy
from model_pruning.reading import kinds as _kinds
from model_pruning.version import __version__ as __version__

# Public names, and where they are. Imported when asked for, so that `import model_pruning` and the
# command line load TensorFlow only where it is needed.
_LAZY = {
    'apply_mask': 'registry',
    'apply_mask_and_return': 'registry',
    'apply_mask_with_group': 'registry',
    'apply_matrix_compression': 'python.pruning_interface',
    'apply_pruning': 'python.pruning_interface',
    'ConstantSparsity': 'sparsity_schedules',
    'DEFINE_pruning_hparams': 'flags',
    'get_gradients': 'registry',
    'get_masked_weights': 'registry',
    'get_masks': 'registry',
    'get_matrix_compression_object': 'python.pruning_interface',
    'get_matrix_compression_update_op': 'python.pruning_interface',
    'get_old_old_weights': 'registry',
    'get_old_weights': 'registry',
    'get_pruning_hparams': 'spec',
    'get_pruning_update': 'python.pruning_interface',
    'get_thresholds': 'registry',
    'get_weight_sparsity': 'registry',
    'get_weights': 'registry',
    'graph_def_from_checkpoint': 'export.freeze',
    'HParams': 'hparam',
    'init_from_dense_checkpoint': 'warm_start',
    'masked_conv2d': 'layers',
    'masked_convolution': 'layers',
    'masked_fully_connected': 'layers',
    'masked_scope': 'scope',
    'MaskedBasicLSTMCell': 'rnn_cells',
    'MaskedLSTMCell': 'rnn_cells',
    'ModelPruningHook': 'python.pruning_hook',
    'ModelPruningListener': 'python.pruning_hook',
    'PolynomialDecay': 'sparsity_schedules',
    'PolynomialDecaySchedule': 'sparsity_schedules',
    'Pruning': 'pruning',
    'PruningHook': 'hooks',
    'PruningSchedule': 'schedule_base',
    'PruningSpec': 'spec',
    'sparsity_table': 'summaries',
    'strip_pruning_vars_fn': 'export.strip',
    'train': 'learning',
}

# Modules that users reach by attribute: model_pruning.report.of(...).
_MODULES = ('errors', 'events', 'export', 'keras', 'one_shot', 'plots', 'report', 'timeline')

if typing.TYPE_CHECKING:
  from model_pruning.export.freeze import graph_def_from_checkpoint as graph_def_from_checkpoint
  from model_pruning.export.strip import strip_pruning_vars_fn as strip_pruning_vars_fn
  from model_pruning.flags import DEFINE_pruning_hparams as DEFINE_pruning_hparams
  from model_pruning.hooks import PruningHook as PruningHook
  from model_pruning.hparam import HParams as HParams
  from model_pruning.layers import masked_conv2d as masked_conv2d
  from model_pruning.layers import masked_convolution as masked_convolution
  from model_pruning.layers import masked_fully_connected as masked_fully_connected
  from model_pruning.learning import train as train
  from model_pruning.pruning import Pruning as Pruning
  from model_pruning.registry import apply_mask as apply_mask
  from model_pruning.registry import apply_mask_and_return as apply_mask_and_return
  from model_pruning.registry import apply_mask_with_group as apply_mask_with_group
  from model_pruning.registry import get_gradients as get_gradients
  from model_pruning.registry import get_masked_weights as get_masked_weights
  from model_pruning.registry import get_masks as get_masks
  from model_pruning.registry import get_old_old_weights as get_old_old_weights
  from model_pruning.registry import get_old_weights as get_old_weights
  from model_pruning.registry import get_thresholds as get_thresholds
  from model_pruning.registry import get_weight_sparsity as get_weight_sparsity
  from model_pruning.registry import get_weights as get_weights
  from model_pruning.rnn_cells import MaskedBasicLSTMCell as MaskedBasicLSTMCell
  from model_pruning.rnn_cells import MaskedLSTMCell as MaskedLSTMCell
  from model_pruning.schedule_base import PruningSchedule as PruningSchedule
  from model_pruning.scope import masked_scope as masked_scope
  from model_pruning.sparsity_schedules import ConstantSparsity as ConstantSparsity
  from model_pruning.sparsity_schedules import PolynomialDecay as PolynomialDecay
  from model_pruning.sparsity_schedules import PolynomialDecaySchedule as PolynomialDecaySchedule
  from model_pruning.spec import get_pruning_hparams as get_pruning_hparams
  from model_pruning.spec import PruningSpec as PruningSpec
  from model_pruning.summaries import sparsity_table as sparsity_table
  from model_pruning.warm_start import init_from_dense_checkpoint as init_from_dense_checkpoint


def _read_keras(path: str) -> typing.Any:
  return importlib.import_module('model_pruning.keras.files').stored_model(path)


# Reports, plots and warnings read Keras models too, with what is above them.
_kinds.READERS[_kinds.KERAS] = _read_keras


__getattr__ = _lazy.getter(globals(), _LAZY)


def __dir__() -> typing.List[str]:
  return sorted({*globals(), *_LAZY, *_MODULES})
