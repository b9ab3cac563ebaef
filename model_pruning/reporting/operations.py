# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which TFLite operation will use a weight, by its graph, or else by its shape and name."""

import dataclasses
import re
from typing import Sequence

from model_pruning.export.tflite.kernels import FULLY_CONNECTED
from model_pruning.reading.flops import Layer
from model_pruning.reporting.weight import WeightReport

_OPS = {'MatMul': FULLY_CONNECTED, 'SparseMatMul': FULLY_CONNECTED, 'Conv2D': 'CONV_2D',
        'DepthwiseConv2dNative': 'DEPTHWISE_CONV_2D', 'Conv2DBackpropInput': 'TRANSPOSE_CONV',
        'Conv3D': 'CONV_3D', 'Conv3DBackpropInputV2': 'CONV_3D_TRANSPOSE',
        'BatchMatMul': 'BATCH_MATMUL', 'BatchMatMulV2': 'BATCH_MATMUL',
        'BatchMatMulV3': 'BATCH_MATMUL', 'Einsum': 'BATCH_MATMUL'}
_BY_RANK = {2: FULLY_CONNECTED, 3: 'CONV_2D', 4: 'CONV_2D', 5: 'CONV_3D'}
_RECURRENT = re.compile(r'recurrent_kernel|(lstm|gru|rnn)(_cell)?(_\d+)?/', re.IGNORECASE)


def with_operation(row: WeightReport, layers: Sequence[Layer] = ()) -> WeightReport:
  """Returns a report's row with the operation that uses the weight filled in.

  Args:
    row: the weight.
    layers: the graph's layers that multiply by it; empty if there is no graph, or if the
      weight is looked up in, as embeddings are.
  """
  if layers:
    op, transposed, in_loop = _OPS.get(layers[0].op, ''), layers[0].transposed, layers[0].in_loop
  else:
    op, transposed = _by_name(row), False
    in_loop = bool(_RECURRENT.search(row.name))
  return dataclasses.replace(row, details=dataclasses.replace(
      row.details, op=op, transposed=transposed, in_loop=in_loop))


def _by_name(row: WeightReport) -> str:
  leaf = row.name.rpartition('/')[2]
  if 'embedding' in row.name.lower():
    return 'GATHER'
  return 'DEPTHWISE_CONV_2D' if 'depthwise' in leaf else _BY_RANK.get(len(row.shape), '')
