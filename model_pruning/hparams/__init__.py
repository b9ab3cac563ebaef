# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parses and validates hyperparameter strings. Nothing in this folder imports TensorFlow."""
