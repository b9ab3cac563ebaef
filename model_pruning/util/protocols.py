# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""typing.Protocol, on every Python: 3.7 has none, and there a contract is for the reader alone."""

import sys

if sys.version_info >= (3, 8):
  from typing import Protocol as Protocol
else:
  class Protocol:
    """Stands in for typing.Protocol."""
