# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The choices of `to_tflite`, in a module of their own that does not import TensorFlow."""

QUANTIZATIONS = ('none', 'float16', 'dynamic', 'int8')
SPARSE = ('auto', True, False)
LITERT = ('auto', True, False)

# Largest difference from the graph's outputs, as a fraction of their largest magnitude.
TOLERANCES = {'none': 1e-3, 'float16': 0.01, 'dynamic': 0.1, 'int8': 0.2}
