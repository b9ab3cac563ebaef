# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Predicts, before a model is exported, what TFLite will do with a weight's zeros."""

import dataclasses
from typing import Optional, Tuple

from model_pruning.export.tflite import kernels as tflite_kernels
from model_pruning.export.tflite import sparse as tflite_sparse
from model_pruning.reporting.weight import WeightReport

SMALLEST = 1024  # Elements; 'dynamic' quantization leaves smaller weights as floats.
# Blocks per output; with fewer there is little to choose from.
FEWEST_BLOCKS = 8
_MODES = (('float', tflite_kernels.FLOAT), ('dynamic int8', tflite_kernels.DYNAMIC))


@dataclasses.dataclass(frozen=True)
class Wanted:
  """How to train so that kernels skip a weight's zeros.

  Attributes:
    block: prune in blocks of this HEIGHTxWIDTH; '' if the weight has such blocks.
    sparsity: prune to at least this sparsity; None if the weight reaches it.
  """
  block: str
  sparsity: Optional[float]


@dataclasses.dataclass(frozen=True)
class Prospect:
  """What TFLite will do with a weight.

  Attributes:
    stored: how the exporter would store it in a float model: 'sparse', 'sparse in the file, dense
      in memory' or 'dense'.
    skips: the quantizations for which kernels skip the zeros: 'float', 'dynamic int8'.
    why: why they do not, if they skip none; '' otherwise.
    wanted: how to train so that they do; None if nothing would help, or they already do.
  """
  stored: str
  skips: Tuple[str, ...]
  why: str
  wanted: Optional[Wanted]


def prospect_of(weight: WeightReport, fewest_blocks: int = 1) -> Prospect:
  """Predicts what TFLite will do with a weight, from its mask and its graph.

  Args:
    weight: the weight.
    fewest_blocks: recommend a larger block only if each output has at least this many of them.
  """
  details = weight.details
  verdicts = [(name, tflite_kernels.judge(details.op or 'this operation', kind, details.zeros))
              for name, kind in _MODES]
  if details.transposed and details.zeros is not None:
    verdicts = [(name, tflite_kernels.judge(details.op, kind, details.zeros.transposed()))
                for name, kind in _MODES]
  if weight.size < SMALLEST:
    verdicts[1] = ('dynamic int8', tflite_kernels.Verdict(
        False, 'weights of fewer than %d elements stay floats' % SMALLEST))
  skips = tuple(name for name, verdict in verdicts if verdict.fast)
  expanding = details.op in tflite_sparse.EXPANDING_OPS and details.stored_sparse
  stored = ('sparse' if verdicts[0][1].fast else
            'sparse in the file, dense in memory' if expanding else 'dense')
  if skips:
    return Prospect(stored, skips, '', None)
  zeros = details.zeros
  inputs = 0 if zeros is None else zeros.outputs if details.transposed else zeros.inputs
  # Blocks of 16x1 suit both quantizations, as they consist of 4x1 blocks.
  best = next((verdict for _, verdict in reversed(verdicts)
               if (verdict.wanted_block or verdict.wanted_sparsity) and
               inputs // (verdict.block or 1) >= fewest_blocks), None)
  block = best.wanted_block if best else None
  wanted = Wanted('' if not block else ('1x%d' if details.transposed else '%dx1') % block,
                  best.wanted_sparsity) if best else None
  why = (best or verdicts[0][1]).why
  if details.in_loop:
    why += '; it is used in a loop, which the converter may turn into another operation'
  return Prospect(stored, (), why, wanted)
