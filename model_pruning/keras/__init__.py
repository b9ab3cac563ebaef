# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruning of Keras models, under the names of tfmot.sparsity.keras.

    import model_pruning.keras as sparsity

Works with Keras 3 and with Keras 2, if tf.keras is Keras 2 (TensorFlow up to 2.15, or later with
tf_keras and TF_USE_LEGACY_KERAS=1). Importing this package lets Keras read pruned models.
"""

from model_pruning.keras.callbacks import UpdatePruningStep
from model_pruning.keras.continuing import remove_channels_in_training
from model_pruning.keras.exporting import to_saved_model
from model_pruning.keras.exporting import to_tflite
from model_pruning.keras.planning import plan
from model_pruning.keras.planning import sensitivity
from model_pruning.keras.policies import PruneForLatencyOnXNNPack
from model_pruning.keras.policies import PruningPolicy
from model_pruning.keras.policies import skip_unknown
from model_pruning.keras.policies import SkipUnknown
from model_pruning.keras.prunable import PrunableLayer
from model_pruning.keras.prunable import register_prunable_layer
from model_pruning.keras.prune import prune_low_magnitude
from model_pruning.keras.prune import prune_scope
from model_pruning.keras.prune import strip_pruning
from model_pruning.keras.removal import channel_groups
from model_pruning.keras.removal import remove_channels
from model_pruning.keras.reporting import report
from model_pruning.keras.summaries import PruningSummaries
from model_pruning.keras.trained import prune_trained
from model_pruning.schedules import ConstantSparsity
from model_pruning.schedules import PolynomialDecay
from model_pruning.schedules import PolynomialDecaySchedule
from model_pruning.schedules import PruningSchedule

__all__ = [
    'ConstantSparsity', 'PolynomialDecay', 'PolynomialDecaySchedule', 'PrunableLayer',
    'PruneForLatencyOnXNNPack', 'PruningPolicy', 'PruningSchedule', 'PruningSummaries',
    'SkipUnknown', 'UpdatePruningStep', 'channel_groups', 'plan', 'prune_low_magnitude',
    'prune_scope', 'prune_trained', 'register_prunable_layer', 'remove_channels',
    'remove_channels_in_training', 'report', 'sensitivity', 'skip_unknown', 'strip_pruning',
    'to_saved_model', 'to_tflite']
