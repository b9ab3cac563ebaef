# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""typing.Protocol for every Python. 3.7 lacks it; there, a protocol is only documentation."""

import sys

if sys.version_info >= (3, 8):
  from typing import Protocol as Protocol
else:
  class Protocol:
    """Replaces typing.Protocol."""
