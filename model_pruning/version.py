# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The version of this library. setup.py reads this file without importing it."""

__version__ = '0.1.0'
