# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
# bazel: deps = //model_pruning:graph/layers/slim_layers //model_pruning:graph/layers/rnn_cells
# bazel: deps = //model_pruning:graph/training/learning
"""Prunes TensorFlow models while they train. README.md describes the first steps."""

import importlib
import typing

from model_pruning.reading import kinds as _kinds
from model_pruning.util import lazy as _lazy
from model_pruning.util import quiet as _quiet  # First: after this, Ctrl-C prints one line.
from model_pruning.version import __version__ as __version__

# Public names and their modules. They are imported lazily, so that `import model_pruning` and the
# command line load TensorFlow only if they need it.
_LAZY = {
    'apply_mask': 'graph.registry',
    'apply_mask_and_return': 'graph.registry',
    'apply_mask_with_group': 'graph.registry',
    'apply_matrix_compression': 'python.pruning_interface',
    'apply_pruning': 'python.pruning_interface',
    'ConstantSparsity': 'schedules.constant',
    'DEFINE_pruning_hparams': 'hparams.flags',
    'get_gradients': 'graph.registry',
    'get_masked_weights': 'graph.registry',
    'get_masks': 'graph.registry',
    'get_matrix_compression_object': 'python.pruning_interface',
    'get_matrix_compression_update_op': 'python.pruning_interface',
    'get_old_old_weights': 'graph.registry',
    'get_old_weights': 'graph.registry',
    'get_pruning_hparams': 'hparams.defaults',
    'get_pruning_update': 'python.pruning_interface',
    'get_thresholds': 'graph.registry',
    'get_weight_sparsity': 'graph.registry',
    'get_weights': 'graph.registry',
    'graph_def_from_checkpoint': 'export.freeze',
    'HParams': 'hparams.hparam',
    'init_from_dense_checkpoint': 'graph.warm_start',
    'masked_conv2d': 'graph.layers.slim_layers',
    'masked_convolution': 'graph.layers.slim_layers',
    'masked_fully_connected': 'graph.layers.slim_layers',
    'masked_scope': 'graph.scope',
    'MaskedBasicLSTMCell': 'graph.layers.rnn_cells',
    'MaskedLSTMCell': 'graph.layers.rnn_cells',
    'ModelPruningHook': 'python.pruning_hook',
    'ModelPruningListener': 'python.pruning_hook',
    'PolynomialDecay': 'schedules.polynomial',
    'PolynomialDecaySchedule': 'schedules.polynomial',
    'Pruning': 'graph.pruning',
    'PruningHook': 'graph.training.hooks',
    'PruningSchedule': 'schedules.base',
    'PruningSpec': 'hparams.spec',
    'sparsity_table': 'util.sparsity_table',
    'strip_pruning_vars_fn': 'export.strip',
    'train': 'graph.training.learning',
}

# Modules for users, also as attributes, for example model_pruning.report.of(...), and their paths.
_MODULES = {
    'errors': 'errors',
    'events': 'reporting.events',
    'export': 'export',
    'keras': 'keras',
    'one_shot': 'one_shot',
    'plots': 'reporting.plots',
    'report': 'reporting.report',
    'timeline': 'reporting.timeline',
}

if typing.TYPE_CHECKING:
  from model_pruning.export.freeze import graph_def_from_checkpoint as graph_def_from_checkpoint
  from model_pruning.export.strip import strip_pruning_vars_fn as strip_pruning_vars_fn
  from model_pruning.graph.layers.rnn_cells import MaskedBasicLSTMCell as MaskedBasicLSTMCell
  from model_pruning.graph.layers.rnn_cells import MaskedLSTMCell as MaskedLSTMCell
  from model_pruning.graph.layers.slim_layers import masked_conv2d as masked_conv2d
  from model_pruning.graph.layers.slim_layers import masked_convolution as masked_convolution
  from model_pruning.graph.layers.slim_layers import (
      masked_fully_connected as masked_fully_connected)
  from model_pruning.graph.pruning import Pruning as Pruning
  from model_pruning.graph.registry import apply_mask as apply_mask
  from model_pruning.graph.registry import apply_mask_and_return as apply_mask_and_return
  from model_pruning.graph.registry import apply_mask_with_group as apply_mask_with_group
  from model_pruning.graph.registry import get_gradients as get_gradients
  from model_pruning.graph.registry import get_masked_weights as get_masked_weights
  from model_pruning.graph.registry import get_masks as get_masks
  from model_pruning.graph.registry import get_old_old_weights as get_old_old_weights
  from model_pruning.graph.registry import get_old_weights as get_old_weights
  from model_pruning.graph.registry import get_thresholds as get_thresholds
  from model_pruning.graph.registry import get_weight_sparsity as get_weight_sparsity
  from model_pruning.graph.registry import get_weights as get_weights
  from model_pruning.graph.scope import masked_scope as masked_scope
  from model_pruning.graph.training.hooks import PruningHook as PruningHook
  from model_pruning.graph.training.learning import train as train
  from model_pruning.graph.warm_start import (
      init_from_dense_checkpoint as init_from_dense_checkpoint)
  from model_pruning.hparams.defaults import get_pruning_hparams as get_pruning_hparams
  from model_pruning.hparams.flags import DEFINE_pruning_hparams as DEFINE_pruning_hparams
  from model_pruning.hparams.hparam import HParams as HParams
  from model_pruning.hparams.spec import PruningSpec as PruningSpec
  from model_pruning.reporting import events as events
  from model_pruning.reporting import plots as plots
  from model_pruning.reporting import report as report
  from model_pruning.reporting import timeline as timeline
  from model_pruning.schedules.base import PruningSchedule as PruningSchedule
  from model_pruning.schedules.constant import ConstantSparsity as ConstantSparsity
  from model_pruning.schedules.polynomial import PolynomialDecay as PolynomialDecay
  from model_pruning.schedules.polynomial import PolynomialDecaySchedule as PolynomialDecaySchedule
  from model_pruning.util.sparsity_table import sparsity_table as sparsity_table


def _read_keras(path: str) -> typing.Any:
  return importlib.import_module('model_pruning.keras.files').stored_model(path)


# Reports, plots and warnings also read Keras models, with the Keras API, which is a higher layer.
_kinds.READERS[_kinds.KERAS] = _read_keras


__getattr__, __dir__, __all__ = _lazy.attributes(globals(), _LAZY, _MODULES)
