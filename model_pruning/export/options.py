# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The choices of `to_tflite`; apart from it, as the command line lists them without TensorFlow."""

QUANTIZATIONS = ('none', 'dynamic', 'int8')
SPARSE = ('auto', True, False)
LITERT = ('auto', True, False)

# Largest difference from the graph's outputs, as a share of the largest of them.
TOLERANCES = {'none': 1e-3, 'dynamic': 0.1, 'int8': 0.2}
