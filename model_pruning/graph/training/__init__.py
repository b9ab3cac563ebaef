# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training loops: hooks for sessions and Estimators, and the tasks of a cluster."""
