# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Decides which weights of a TFLite model to store sparse, and rewrites the model.

The converter's own EXPERIMENTAL_SPARSITY decides for a whole model, stores weights sparse that
then run slower, and in TensorFlow 2.21 makes quantized models that compute garbage under the
default delegate. This module decides for each weight.
"""

import copy
import dataclasses
import importlib
import zlib
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.compat import tflite_schema
from model_pruning.export.tflite import kernels as tflite_kernels
from model_pruning.reading import flatbuffer

# Largest difference between outputs of models that differ only in storage, as a fraction of the
# outputs' scale, that the order of summation and rounding may cause (measured on 1 to 32 layers:
# up to 2e-6 in float; for 'dynamic' and 'int8' up to 0.3 and 1.2 times the error of quantization,
# and for 'int8' at least a step or two of its outputs): see tflite_check.agreement.
AGREEMENT = {'none': 1e-4, 'float16': 1e-4, 'dynamic': 1e-3, 'int8': 0.02}
# Operations whose weights may be made dense at loading, without a cost in latency. This excludes
# quantized weights with float inputs, on which TensorFlow 2.21's default delegate fails. With
# quantized inputs LiteRT fails (ai-edge-litert 2.3.0: "failed to delegate FULLY_CONNECTED"), so
# these need sparse=True.
EXPANDING_OPS = ('FULLY_CONNECTED', 'CONV_2D', 'DEPTHWISE_CONV_2D')
_EXPANDING_DTYPES = (('float32', 'float32'),)
_EXPANDING_DTYPES_ON_REQUEST = _EXPANDING_DTYPES + (('int8', 'int8'),)
# The version of FULLY_CONNECTED with sparse weights. The default delegate leaves nodes of exactly
# this version to the runtime's own kernels; newer converters write other versions.
_SPARSE_VERSION = 8
_FULLY_CONNECTED, _DENSIFY = 9, 124
_WORTH = 0.9  # The largest fraction of its dense bytes that a weight stored sparse may take.
_SIGNATURE_KEY = 'serving_default'  # TensorFlow's default.
_ALIGNMENT = 16  # The schema requires it for buffers, but the flatbuffers package does not know.


@dataclasses.dataclass(frozen=True)
class Choice:
  """How to store one constant, and why.

  Attributes:
    constant: the constant, as the converter stored it.
    block: number of consecutive elements of the last dimension that are stored together;
      None to store it dense.
    fast: whether the runtime's sparse kernels use it.
    why: why they do not; '' if they do.
    wanted_block: number of consecutive inputs per block that the weight lacks; None if it has
      such blocks, or blocks would not help.
    wanted_sparsity: the sparsity that the weight lacks; None if it reaches it, or sparsity
      would not help.
  """
  constant: flatbuffer.Constant
  block: Optional[int]
  fast: bool
  why: str = ''
  wanted_block: Optional[int] = None
  wanted_sparsity: Optional[float] = None

  @property
  def expanded(self) -> bool:
    return self.block is not None and not self.fast


def choose(constants: Sequence[flatbuffer.Constant], sparse: Any,
           can_write: bool = True) -> List[Choice]:
  """Decides for each constant of a dense model how to store it.

  Args:
    constants: the result of flatbuffer.constants_of.
    sparse: False stores all dense; True stores sparse if that takes fewer bytes; 'auto' only if
      it is faster or, in float models, takes fewer bytes after compression as well.
    can_write: whether this TensorFlow can write and run sparse models.
  """
  buffers = [constant.buffer for constant in constants]
  return [_choose(constant, sparse, can_write, buffers.count(constant.buffer) > 1)
          for constant in constants]


def _choose(constant: flatbuffer.Constant, sparse: Any, can_write: bool, shared: bool) -> Choice:
  if constant.sparse:
    return Choice(constant, None, False, 'stored sparse by the converter')
  kind = (constant.values.dtype.name, constant.uses[0][2] or '')
  verdict = tflite_kernels.judge(constant.op, kind, _zeros(constant))
  if verdict.fast:
    why = ('it is stored dense, as requested' if sparse is False else
           'sparse models need TensorFlow 2' if not can_write else
           'the file stores it once, for several tensors' if shared else '')
    return Choice(constant, None if why else verdict.block, not why, why)
  dense = Choice(constant, None, False, verdict.why, verdict.wanted_block, verdict.wanted_sparsity)
  expanding = _EXPANDING_DTYPES_ON_REQUEST if sparse is True else _EXPANDING_DTYPES
  if (not sparse or not can_write or shared or constant.subgraph or kind not in expanding or
      not {op for op, _, _ in constant.uses} <= set(EXPANDING_OPS)):
    return dense
  return dataclasses.replace(dense, block=smallest(constant.values, compressed=sparse == 'auto'))


def _zeros(constant: flatbuffer.Constant) -> Optional[tflite_kernels.Zeros]:
  """Returns the zeros of a matrix used by FULLY_CONNECTED only; None for other constants."""
  only = {(op, index) for op, index, _ in constant.uses} == {(tflite_kernels.FULLY_CONNECTED, 1)}
  if not only or len(constant.shape) != 2:
    return None
  return dataclasses.replace(tflite_kernels.Zeros.of(constant.values != 0),
                             sparsity=constant.sparsity)


def disagreeing(choice: Choice) -> Choice:
  """Returns the choice to store dense, for a weight that computes something else if sparse."""
  why = ('the runtime computes something else with it stored sparse' if choice.fast
         else choice.why)
  return dataclasses.replace(choice, block=None, fast=False, why=why)


def smallest(values: np.ndarray, compressed: bool) -> Optional[int]:
  """Returns the block size that takes the fewest bytes; None if dense is best.

  Args:
    values: the values in TFLite's order, with the inputs last.
    compressed: whether dense also counts as best if it takes fewer bytes after compression.
  """
  sizes = {}
  for block in (1, 4, 16):
    if values.shape[-1] % block == 0:
      kept, segments, indices = _compress(values, block)
      sizes[block] = kept.nbytes + segments.nbytes + indices.nbytes
  block = min(sizes, key=lambda key: sizes[key])
  if sizes[block] > _WORTH * values.nbytes:
    return None
  if compressed:
    parts = b''.join(part.tobytes() for part in _compress(values, block))
    if len(zlib.compress(parts)) > len(zlib.compress(values.tobytes())):
      return None
  return block


def _compress(values: np.ndarray, block: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns the blocks that are not all zero, the start of each row's blocks, and their columns."""
  rows = values.reshape(-1, values.shape[-1] // block, block)
  keep = np.any(rows != 0, axis=2)
  keep[0, 0] |= not keep.any()  # A tensor without data would not be a constant.
  segments = np.concatenate([[0], np.cumsum(np.sum(keep, axis=1))])
  return rows[keep].reshape(-1), _narrow(segments), _narrow(np.nonzero(keep)[1])


def _narrow(numbers: np.ndarray) -> np.ndarray:
  largest = int(numbers.max()) if numbers.size else 0
  for dtype in (np.uint8, np.uint16):
    if largest <= np.iinfo(dtype).max:
      return numbers.astype(dtype)
  return numbers.astype(np.int32)


# ---- Writing, with TensorFlow 2's schema classes. ----


def can_write() -> bool:
  """Whether this TensorFlow can write and run sparse models."""
  return tflite_schema() is not None


def require() -> None:
  """Raises errors.ConversionError unless this TensorFlow can write sparse models."""
  _schema()


def _schema() -> Any:
  schema = tflite_schema()
  if schema is None:
    raise errors.ConversionError(
        'Sparse TFLite models need TensorFlow 2, this is %s; store all weights dense '
        '(sparse=False, --sparse=no), or save the stripped GraphDef and convert it there' %
        tf.__version__)
  return schema


class Signature(NamedTuple):
  """The names by which callers give the inputs of a model and take its outputs.

  Attributes:
    inputs: {name of the input's tensor: name for callers}, in the order of the inputs.
    outputs: names for callers, in the order of the outputs.
  """
  inputs: Mapping[str, str]
  outputs: Sequence[str]


def rewrite(content: bytes, choices: Sequence[Choice], names: Dict[Tuple[int, int], str],
            signature: Signature) -> bytes:
  """Returns a dense model with its weights stored as chosen, under new names, and a signature.

  Args:
    content: the model.
    choices: from choose(), for this model.
    names: {(subgraph, tensor): name}.
    signature: of the first subgraph. Models over 2 GB get none.

  Returns:
    The new model.

  Raises:
    errors.ConversionError: this TensorFlow cannot do it.
  """
  schema = _schema()
  model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
  # Before TensorFlow 2.12 there are no files over 2 GB, and no such field.
  if any((getattr(buffer, 'offset', 0) or 0) > 1 for buffer in model.buffers):
    if not any(choice.block for choice in choices):
      return content
    raise errors.ConversionError('Models over 2 GB cannot be stored sparse; store all weights '
                                 'dense (sparse=False, --sparse=no)')
  for (subgraph, tensor), name in names.items():
    model.subgraphs[subgraph].tensors[tensor].name = name
  model.signatureDefs = _signature_defs(schema, model, signature)
  for choice in choices:
    if choice.block is not None:
      _encode(schema, model, choice)
      _rewire(schema, model, choice)
  builder = _aligned_builder()
  builder.Finish(model.Pack(builder), file_identifier=b'TFL3')
  return bytes(builder.Output())


def _signature_defs(schema: Any, model: Any, signature: Signature) -> Any:
  """Returns the signatures to store in a model: one, or none if the schema is too old."""
  # Before TensorFlow 2.7 there are none, or they need more than names.
  if not hasattr(getattr(schema, 'SignatureDefT', object)(), 'signatureKey'):
    return getattr(model, 'signatureDefs', None)
  main = model.subgraphs[0]
  by_name = {main.tensors[index].name.decode().split(':')[0]: index for index in main.inputs}
  places = ([by_name[name.split(':')[0]] for name in signature.inputs]
            if by_name.keys() == {name.split(':')[0] for name in signature.inputs} else main.inputs)

  def named(names: Iterable[str], indices: Iterable[int]) -> List[Any]:
    found = []
    for name, index in zip(names, indices):
      found.append(schema.TensorMapT())
      found[-1].name, found[-1].tensorIndex = name, index
    return found

  made = schema.SignatureDefT()
  made.signatureKey, made.subgraphIndex = _SIGNATURE_KEY, 0
  made.inputs = named(signature.inputs.values(), places)
  made.outputs = named(signature.outputs, main.outputs)
  return [made]


def _encode(schema: Any, model: Any, choice: Choice) -> None:
  """Keeps only the elements of a constant that are in its nonzero blocks."""
  constant, block = choice.constant, choice.block
  assert block is not None
  kept, segments, indices = _compress(constant.values, block)
  dims = []
  for size in constant.shape[:-1]:
    dims.append(schema.DimensionMetadataT())
    dims[-1].format, dims[-1].denseSize = schema.DimensionType.DENSE, size
  column = schema.DimensionMetadataT()
  column.format = schema.DimensionType.SPARSE_CSR
  column.arraySegmentsType, column.arraySegments = _vector(schema, segments)
  column.arrayIndicesType, column.arrayIndices = _vector(schema, indices)
  dims.append(column)
  block_map = []
  if block > 1:
    dims.append(schema.DimensionMetadataT())
    dims[-1].format, dims[-1].denseSize = schema.DimensionType.DENSE, block
    block_map.append(len(constant.shape) - 1)
  parameters = schema.SparsityParametersT()
  parameters.dimMetadata = dims
  parameters.traversalOrder = np.arange(len(dims), dtype=np.int32)
  parameters.blockMap = np.array(block_map, np.int32)
  model.subgraphs[constant.subgraph].tensors[constant.tensor].sparsity = parameters
  model.buffers[constant.buffer].data = kept.view(np.uint8)


def _vector(schema: Any, numbers: np.ndarray) -> Tuple[int, Any]:
  kind, vector = {
      'uint8': (schema.SparseIndexVector.Uint8Vector, schema.Uint8VectorT),
      'uint16': (schema.SparseIndexVector.Uint16Vector, schema.Uint16VectorT),
      'int32': (schema.SparseIndexVector.Int32Vector, schema.Int32VectorT),
  }[numbers.dtype.name]
  result = vector()
  result.values = numbers
  return kind, result


def _rewire(schema: Any, model: Any, choice: Choice) -> None:
  """Makes the users of a constant take it sparse, or from a DENSIFY operation."""
  constant = choice.constant
  subgraph = model.subgraphs[constant.subgraph]
  users = [operator for operator in subgraph.operators if constant.tensor in operator.inputs]
  if choice.fast:
    for operator in users:
      operator.opcodeIndex = _sparse_code(model, operator.opcodeIndex)
    return
  dense = copy.copy(subgraph.tensors[constant.tensor])
  dense.name = dense.name if isinstance(dense.name, bytes) else dense.name.encode()
  dense.name, dense.buffer, dense.sparsity = dense.name + b'/dense', 0, None
  subgraph.tensors.append(dense)
  made = len(subgraph.tensors) - 1
  for operator in users:
    operator.inputs = np.where(np.asarray(operator.inputs) == constant.tensor, made,
                               operator.inputs).astype(np.int32)
  densify = schema.OperatorT()
  densify.opcodeIndex = _code(model, schema, _DENSIFY)
  densify.inputs = np.array([constant.tensor], np.int32)
  densify.outputs = np.array([made], np.int32)
  subgraph.operators.insert(0, densify)


def _sparse_code(model: Any, index: int) -> int:
  """Returns the index of the operator code for FULLY_CONNECTED with sparse weights."""
  for other, code in enumerate(model.operatorCodes):
    if code.builtinCode == _FULLY_CONNECTED and code.version == _SPARSE_VERSION:
      return other
  code = copy.copy(model.operatorCodes[index])
  code.version = _SPARSE_VERSION
  model.operatorCodes.append(code)
  return len(model.operatorCodes) - 1


def _code(model: Any, schema: Any, builtin: int) -> int:
  for index, code in enumerate(model.operatorCodes):
    if code.builtinCode == builtin:
      return index
  code = schema.OperatorCodeT()
  code.builtinCode = code.deprecatedBuiltinCode = builtin
  code.version = 1
  model.operatorCodes.append(code)
  return len(model.operatorCodes) - 1


def _aligned_builder() -> Any:
  flatbuffers: Any = importlib.import_module('flatbuffers')  # TensorFlow 2 depends on it.

  class Builder(flatbuffers.Builder):
    """Aligns vectors that may be buffers of weights, which kernels read in whole registers."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
      if elemSize * numElems >= _ALIGNMENT:
        alignment = max(alignment, _ALIGNMENT)
      return super().StartVector(elemSize, numElems, alignment)

  return Builder(1 << 16)
