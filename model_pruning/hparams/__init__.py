# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The hyperparameter string and its meaning. Nothing in this folder imports TensorFlow."""
