# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""A report as a page: findings, small pictures of weights, charts, and the HTML around them."""
