# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The graph API: masks weights with variables, collections and operations of a graph."""
