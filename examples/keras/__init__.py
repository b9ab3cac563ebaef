# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Prunes a Keras model by two schedules, and compares them."""
