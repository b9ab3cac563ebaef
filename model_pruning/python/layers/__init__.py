# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The import paths of tf.contrib.model_pruning's layers. Re-exports, and nothing else."""
