# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tests need the compiler for TPUs, and so run under `make test-tpu` alone."""

import pytest


def pytest_collection_modifyitems(config, items):
  if config.getoption('markexpr') == 'tpu':
    return
  for item in items:
    if item.get_closest_marker('tpu'):
      item.add_marker(pytest.mark.skip(reason='make test-tpu runs it, with libtpu'))
