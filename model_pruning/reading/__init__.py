# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads and measures the weights in model files, without running a graph or building a model."""
