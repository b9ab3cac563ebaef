# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The HTML page of a report: findings, pictures of weights, charts, and the page itself."""
