# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""From training to a small and fast TFLite file."""
