# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""TFLite models of pruned graphs: converted, stored sparsely, and checked against the original."""

import typing

from model_pruning.util import lazy as _lazy

_LAZY = {
    'ExportedWeight': 'result',
    'StoredWeight': 'convert',
    'TFLiteExport': 'result',
    'to_tflite': 'convert',
}

if typing.TYPE_CHECKING:
  from model_pruning.export.tflite.convert import StoredWeight as StoredWeight
  from model_pruning.export.tflite.convert import to_tflite as to_tflite
  from model_pruning.export.tflite.result import ExportedWeight as ExportedWeight
  from model_pruning.export.tflite.result import TFLiteExport as TFLiteExport

__getattr__, __dir__, __all__ = _lazy.attributes(globals(), _LAZY)
