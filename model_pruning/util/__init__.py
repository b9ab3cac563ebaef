# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files, tables and the terminal: nothing here knows what pruning is."""
