# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains, prunes and exports a small convolutional net on handwritten digits."""
