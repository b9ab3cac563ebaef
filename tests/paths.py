# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Where the checkout is."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
