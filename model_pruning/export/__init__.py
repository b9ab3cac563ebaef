# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Exports trained models without masks, for TensorFlow and TFLite."""

import typing

from model_pruning.util import lazy as _lazy

_LAZY = {
    'graph_def_from_checkpoint': 'freeze',
    'graph_def_from_session': 'freeze',
    'remove_channels': 'channels',
    'shrink': 'channels',
    'shrink_checkpoint': 'channel_checkpoint',
    'strip_checkpoint': 'checkpoint',
    'strip_pruning_vars_fn': 'strip',
    'strip_saved_model': 'saved_model',
    'to_saved_model': 'saved_model',
    'to_tflite': 'tflite',
}

if typing.TYPE_CHECKING:
  from model_pruning.export.channel_checkpoint import shrink_checkpoint as shrink_checkpoint
  from model_pruning.export.channels import remove_channels as remove_channels
  from model_pruning.export.channels import shrink as shrink
  from model_pruning.export.checkpoint import strip_checkpoint as strip_checkpoint
  from model_pruning.export.freeze import graph_def_from_checkpoint as graph_def_from_checkpoint
  from model_pruning.export.freeze import graph_def_from_session as graph_def_from_session
  from model_pruning.export.saved_model import strip_saved_model as strip_saved_model
  from model_pruning.export.saved_model import to_saved_model as to_saved_model
  from model_pruning.export.strip import strip_pruning_vars_fn as strip_pruning_vars_fn
  from model_pruning.export.tflite.convert import to_tflite as to_tflite

__getattr__, __dir__, __all__ = _lazy.attributes(globals(), _LAZY)
