# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains and prunes a net over parameter servers: real servers, one process for each task."""
