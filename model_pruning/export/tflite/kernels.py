# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which zeros TFLite's kernels skip, determined from a few numbers about a weight.

The exporter applies the rule to the constants of a model that it writes (see sparse.py).
Reports apply it to the masks of a model that is not exported yet.
"""

import dataclasses
from typing import Any, Dict, Optional, Tuple

import numpy as np

# The blocks that the runtime's sparse kernels of FULLY_CONNECTED accept, by dtypes of the weight
# and of the layer's input: number of consecutive inputs in a block, and the fraction of zero blocks
# from which on these kernels are faster than the dense ones (batch 1, one thread, TensorFlow 2.15
# and 2.21, x86 with AVX-512: see docs/deploying.md).
KERNELS: Dict[Tuple[str, str], Tuple[int, float]] = {
    ('float32', 'float32'): (4, 0.85),
    ('int8', 'float32'): (16, 0.8),  # Quantization 'dynamic'.
    ('int8', 'int8'): (16, 0.95),
}
FLOAT, DYNAMIC = ('float32', 'float32'), ('int8', 'float32')
# The kernel of quantization 'dynamic' keeps the number of blocks in a row, and their indices, in
# bytes; with more it computes garbage. The other kernels were correct with 70000 blocks in a row.
_BYTE = 255
FULLY_CONNECTED = 'FULLY_CONNECTED'


@dataclasses.dataclass(frozen=True)
class Zeros:
  """The numbers about a weight's zeros that decide which kernels skip them.

  Attributes:
    inputs, outputs: sizes of the layer.
    sparsity: fraction of the elements that are zero.
    along_inputs: by length, the fraction of runs of that many consecutive inputs of one output
      that are all zero; for lengths that divide the number of inputs.
    along_outputs: the same for runs of outputs of one input.
    most_kept: the largest number of nonzero runs of 16 inputs in any output.
  """
  inputs: int
  outputs: int
  sparsity: float
  along_inputs: Dict[int, float]
  along_outputs: Dict[int, float]
  most_kept: int

  @classmethod
  def of(cls, kept: np.ndarray) -> 'Zeros':
    """Counts the zeros of a bool matrix [outputs, inputs], in which False means zero."""
    outputs, inputs = kept.shape
    lengths = sorted({block for block, _ in KERNELS.values()})
    along_inputs, most_kept = {}, 0
    for length in lengths:
      if inputs % length == 0:
        alive = kept.reshape(outputs, -1, length).any(axis=2)
        along_inputs[length] = _fraction_of_zeros(alive)
        most_kept = int(alive.sum(axis=1).max()) if length == 16 and alive.size else most_kept
    along_outputs = {length: _fraction_of_zeros(kept.reshape(-1, length, inputs).any(axis=1))
                     for length in lengths if outputs % length == 0}
    return cls(inputs, outputs, 1 - np.count_nonzero(kept) / max(kept.size, 1), along_inputs,
               along_outputs, most_kept)

  def transposed(self) -> 'Zeros':
    """Returns the zeros of the same matrix as [inputs, outputs]; most_kept is lost."""
    return Zeros(self.outputs, self.inputs, self.sparsity, self.along_outputs,
                 self.along_inputs, 0)


def _fraction_of_zeros(alive: Any) -> float:
  # Add half a run, because making masks rounds the number of units to keep.
  return (alive.size - np.count_nonzero(alive) + 0.5) / max(alive.size, 1)


@dataclasses.dataclass(frozen=True)
class Verdict:
  """Whether the runtime's kernels skip the zeros of a weight.

  Attributes:
    fast: whether they do.
    why: why they do not; '' if they do.
    block: number of consecutive inputs in a block of the kernel; None if there is no kernel.
    wanted_block: number of consecutive inputs per block that the weight lacks; None if it has
      such blocks, or blocks would not help.
    wanted_sparsity: the sparsity that the weight lacks; None if it reaches it, or sparsity
      would not help.
  """
  fast: bool
  why: str = ''
  block: Optional[int] = None
  wanted_block: Optional[int] = None
  wanted_sparsity: Optional[float] = None


def judge(op: str, kind: Tuple[str, str], zeros: Optional[Zeros]) -> Verdict:
  """Returns whether the runtime skips the zeros of a weight, with the reason if it does not.

  Args:
    op: the TFLite operation that uses it.
    kind: dtypes of the weight and of the layer's input; see KERNELS.
    zeros: the zeros of a matrix used by FULLY_CONNECTED only; None for other weights.
  """
  if op != FULLY_CONNECTED:
    return Verdict(False, 'the runtime has no sparse kernel for %s' % op)
  if zeros is None or kind not in KERNELS:
    return Verdict(False, 'the runtime has no sparse kernel for weights of %s and inputs of %s' % (
        kind[0], kind[1] or 'another dtype'))
  block, least = KERNELS[kind]
  too_much = _too_much(zeros, block) if kind == DYNAMIC else ''
  if too_much:
    return Verdict(False, too_much)
  if zeros.inputs % block:
    return Verdict(False, '%d inputs are no multiple of %d' % (zeros.inputs, block), block)
  found = zeros.along_inputs[block]
  if found >= least:
    return Verdict(True, '', block)
  if zeros.sparsity < least:
    return Verdict(False, '%.1f %% zeros, sparse kernels pay from %g %% on' % (
        100 * zeros.sparsity, 100 * least), block,
                   None if found > 0.9 * zeros.sparsity > 0.1 else block, least)
  if zeros.along_outputs.get(block, 0) >= least:
    return Verdict(False, 'its blocks lie along the outputs', block, block)
  return Verdict(False, 'its zeros are not in blocks of %dx1: %.1f %% of these are all zero, '
                 'sparse kernels pay from %g %% on' % (block, 100 * found, 100 * least), block,
                 block)


def _too_much(zeros: Zeros, block: int) -> str:
  """Returns why a weight exceeds the limits of the 'dynamic' kernel; '' if it does not."""
  name = "the runtime's sparse kernel for int8 weights and float inputs accepts at most "
  if zeros.inputs > block * (_BYTE + 1):
    return name + '%d inputs, but this has %d' % (block * (_BYTE + 1), zeros.inputs)
  if zeros.inputs == block * (_BYTE + 1) and zeros.most_kept > _BYTE:
    return name + '%d blocks of %dx1 per output, but this has one with %d' % (
        _BYTE, block, zeros.most_kept)
  return ''
