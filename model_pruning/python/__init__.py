# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The import paths of tf.contrib.model_pruning, and of the research branch that went on from it.

Re-exports, and adapters of a few lines.
"""
