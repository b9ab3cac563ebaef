# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The way out of training: models without masks, as TensorFlow and TFLite take them."""

from model_pruning.export.checkpoint import strip_checkpoint as strip_checkpoint
from model_pruning.export.freeze import graph_def_from_checkpoint as graph_def_from_checkpoint
from model_pruning.export.freeze import graph_def_from_session as graph_def_from_session
from model_pruning.export.saved_model import strip_saved_model as strip_saved_model
from model_pruning.export.saved_model import to_saved_model as to_saved_model
from model_pruning.export.strip import strip_pruning_vars_fn as strip_pruning_vars_fn
from model_pruning.export.tflite import to_tflite as to_tflite
