# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""From weights to masks: score, pool, select, expand. Knows neither graph variables nor Keras."""
