# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Measures the weights of a model for a report, one at a time."""

import dataclasses
from typing import Iterator, Optional

import numpy as np

from model_pruning.compat import tf
from model_pruning.export.tflite import sparse as tflite_sparse
from model_pruning.export.tflite.kernels import Zeros
from model_pruning.hparams.maps import BlockDims
from model_pruning.reading import flatbuffer
from model_pruning.reading import measure
from model_pruning.reading import tensors
from model_pruning.reading.stored import as_float
from model_pruning.reading.stored import nonzero
from model_pruning.reading.stored import StoredWeight
from model_pruning.reporting.sketch import sketch_of
from model_pruning.reporting.weight import Details
from model_pruning.reporting.weight import WeightReport

# The elements (of whole outputs) by which to decide whether a weight takes less space if stored
# sparse. To decide by all elements, the weight would have to be compressed two more times.
_SAMPLE = 1 << 16


def measured(weight: StoredWeight, block: Optional[BlockDims]) -> WeightReport:
  """Returns the report's row for a weight in memory.

  Args:
    weight: the weight.
    block: blocks to look for; see report.of.
  """
  values = weight.masked
  kept = nonzero(values)
  row = _row(weight.name, kept, values, block)
  return dataclasses.replace(row, masked=weight.kept is not None, threshold=weight.threshold,
                             details=_details(weight, kept))


def _details(weight: StoredWeight, kept: np.ndarray) -> Details:
  if not kept.size:
    return Details()
  outputs = int(kept.shape[-1]) if kept.ndim > 1 else 1
  if tensors.is_repeated(kept):
    alive = bool(kept[(0,) * kept.ndim])
    hidden = 0 if weight.kept is None or weight.kept[(0,) * kept.ndim] else kept.size
    return Details(hidden, outputs, 0 if alive else outputs, sketch_of(weight),
                   not_finite=_not_finite(tensors.distinct(weight.values)) and kept.size)
  hidden = 0 if weight.kept is None else kept.size - int(np.count_nonzero(weight.kept))
  dead = outputs - int(np.count_nonzero(kept.reshape(-1, outputs).any(axis=0)))
  zeros = Zeros.of(np.ascontiguousarray(kept.T)) if kept.ndim == 2 else None
  return Details(hidden, outputs, dead, sketch_of(weight), zeros, _is_smaller_sparse(weight, kept),
                 whole_channels=bool(hidden) and _hides_channels(weight.kept),
                 not_finite=_not_finite(weight.values))


def _not_finite(values: np.ndarray) -> int:
  return values.size - int(np.count_nonzero(np.isfinite(as_float(values))))


def _hides_channels(mask: Optional[np.ndarray]) -> bool:
  """Whether all outputs of a mask that are not hidden keep the same inputs."""
  if mask is None or mask.ndim < 2:
    return False
  columns = mask.reshape(-1, mask.shape[-1])
  alive = columns[:, columns.any(axis=0)]
  return bool(alive.size) and bool((alive == alive[:, :1]).all())


def _is_smaller_sparse(weight: StoredWeight, kept: np.ndarray) -> bool:
  """Whether a float TFLite file would store a weight sparse, judged by a sample of outputs."""
  if kept.ndim < 2 or np.count_nonzero(kept) > 0.9 * kept.size:
    return False
  outputs = kept.shape[-1]
  number = max(1, min(outputs, _SAMPLE // max(1, kept.size // outputs)))
  chosen = np.linspace(0, outputs - 1, number).astype(np.int64)
  with np.errstate(over='ignore'):
    values = as_float(weight.values[..., chosen]).astype(np.float32)
  values = np.moveaxis(np.where(kept[..., chosen], values, np.float32(0)), -1, 0)
  return tflite_sparse.smallest(np.ascontiguousarray(values), compressed=True) is not None


def _row(name: str, kept: np.ndarray, values: np.ndarray,
         block: Optional[BlockDims]) -> WeightReport:
  """Returns the row of a weight, with all that follows from its values.

  Args:
    name: name of the weight.
    kept: bool array of its shape, False for zeros.
    values: the values as stored.
    block: see `measured`.
  """
  shape, is_matrix = kept.shape, measure.is_matrix(kept.shape)
  kept = measure.as_matrix(kept)
  repeated = kept.size and tensors.is_repeated(kept) and tensors.is_repeated(values)
  if repeated:  # Broadcast from one value: it takes no memory, so allocate none here.
    alive = bool(kept[0, 0])
    blocks = measure.uniform_blocks(kept.shape, block if block and is_matrix else (1, 1), alive)
    zeros = 0 if alive else kept.size
  else:
    found = (block or measure.find_block(kept)) if is_matrix else (1, 1)
    blocks = measure.blocks_of(kept, found)
    zeros = int(kept.size - np.count_nonzero(kept))
  return WeightReport(
      name=name, shape=shape, dtype=tf.as_dtype(values.dtype).name, masked=False,
      zeros=zeros, block=(blocks.height, blocks.width),
      block_sparsity=blocks.sparsity if is_matrix or block is None else None, threshold=None,
      bytes_dense=values.nbytes,
      bytes_sparse=min(values.nbytes, measure.bytes_sparse(blocks, kept.shape, values.itemsize)),
      bytes_gzipped=measure.bytes_gzipped_repeated(tensors.distinct(values).tobytes(), values.size)
      if repeated else measure.bytes_gzipped(values.tobytes()))


def tflite_weights(path: str, block: Optional[BlockDims]) -> Iterator[WeightReport]:
  """Yields the weights of a TFLite model; sparse ones are measured as stored."""
  for constant in flatbuffer.constants_of(path):
    stored, kept = constant.stored(), constant.values != constant.zero
    if not constant.sparse:
      kept = flatbuffer.as_kernel(constant.op, kept.reshape(constant.shape))
      row = _row(stored.name, kept, constant.values, block)
    else:
      rows, columns = stored.shape[-2:]
      height, width = stored.block or (1, 1)
      blocks = -(-rows // height) * -(-columns // width) * (
          stored.size // max(rows * columns, 1))
      row = WeightReport(
          stored.name, stored.shape, stored.dtype, False,
          stored.size - int(np.count_nonzero(kept)), (height, width),
          1 - kept.size / (height * width) / max(blocks, 1), None, stored.dense_bytes,
          stored.stored_bytes, measure.bytes_gzipped(constant.values.tobytes()))
    yield dataclasses.replace(row, shape=stored.shape,
                              details=Details(not_finite=_not_finite(constant.values)))
