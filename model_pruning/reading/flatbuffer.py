# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads TFLite files: their constants, and how each is stored.

The format is defined by tensorflow/lite/schema/schema.fbs. This module parses the necessary parts
itself, as TensorFlow 1.15 has no reader, and reports on a file should not need TensorFlow.
"""

import dataclasses
import struct
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np

from model_pruning import errors
from model_pruning.reading import inputs
from model_pruning.reading import tensors as tensors_lib
from model_pruning.util.types import DType

_IDENTIFIER = b'TFL3'
_DTYPES = {0: np.float32, 1: np.float16, 3: np.uint8, 7: np.int16, 9: np.int8, 10: np.float64}
# Names of the BuiltinOperators whose constants are reported.
_OPS = {3: 'CONV_2D', 4: 'DEPTHWISE_CONV_2D', 6: 'DEQUANTIZE', 7: 'EMBEDDING_LOOKUP',
        9: 'FULLY_CONNECTED', 16: 'LSTM', 24: 'RNN', 36: 'GATHER',
        44: 'UNIDIRECTIONAL_SEQUENCE_LSTM', 67: 'TRANSPOSE_CONV', 114: 'QUANTIZE',
        124: 'DENSIFY', 126: 'BATCH_MATMUL', 141: 'CONV_3D'}
# Those whose second input is a kernel.
_PRODUCTS = ('CONV_2D', 'DEPTHWISE_CONV_2D', 'FULLY_CONNECTED', 'TRANSPOSE_CONV', 'CONV_3D')
_SMALLEST = 64  # Elements of a weight that is no such kernel, for example of a table of embeddings.
# Operations that return a stored constant in another form.
_FORMS = ('DEQUANTIZE', 'DENSIFY')
_MOST_FORMS = 16  # The most such operations in a row.
_INDEX_DTYPES = {1: np.int32, 2: np.uint16, 3: np.uint8}


@dataclasses.dataclass(frozen=True)
class StoredWeight:
  """How one weight is stored in a TFLite file.

  Attributes:
    name: the tensor's name in the file.
    shape: the shape of a TensorFlow kernel: [inputs, outputs] for a dense layer, [height,
      width, inputs, outputs] for a convolution.
    op: the kind of operation that uses it, for example 'FULLY_CONNECTED'.
    dtype: name of its NumPy dtype.
    sparsity: fraction of its elements that are zero.
    block: (height, width) of the blocks it is stored in, in the order of `shape`; (1, 1) if
      single elements are stored with their indices; None if it is stored dense.
    expanded: whether the runtime makes it dense when it loads the model.
    dense_bytes: bytes of all elements.
    stored_bytes: bytes of the elements and indices in the file.
  """
  name: str
  shape: Tuple[int, ...]
  op: str
  dtype: str
  sparsity: float
  block: Optional[Tuple[int, int]]
  expanded: bool
  dense_bytes: int
  stored_bytes: int

  @property
  def size(self) -> int:
    return int(np.prod(self.shape, dtype=np.int64))


@dataclasses.dataclass(frozen=True)
class Constant:
  """A constant tensor of a TFLite file.

  Attributes:
    subgraph, tensor, buffer: its indices in the file.
    name: its name.
    shape: its shape in the file; [outputs, inputs] if FULLY_CONNECTED uses it.
    values: its elements, of `shape`; if it is stored sparse, the stored ones, of rank 1.
    uses: (op, index among its inputs, dtype of its first input) for every op that takes it,
      directly or through DENSIFY and DEQUANTIZE.
    sparse: whether it is stored sparse.
    block: sizes of the blocks it is stored in, by dimension of `shape`.
    index_bytes: bytes of its indices.
    expanded: whether it passes through DENSIFY.
    zero: its zero point; 0 if it is not quantized.
  """
  subgraph: int
  tensor: int
  buffer: int
  name: str
  shape: Tuple[int, ...]
  values: np.ndarray
  uses: Tuple[Tuple[str, int, Optional[str]], ...]
  sparse: bool
  block: Dict[int, int]
  index_bytes: int
  expanded: bool
  zero: int = 0

  @property
  def op(self) -> str:
    return self.uses[0][0]

  @property
  def size(self) -> int:
    return int(np.prod(self.shape, dtype=np.int64))

  @property
  def smallest(self) -> int:
    """The least number of elements with which such a constant is a weight."""
    return 1 if any(op in _PRODUCTS and index == 1 for op, index, _ in self.uses) else _SMALLEST

  @property
  def sparsity(self) -> float:
    with np.errstate(invalid='ignore'):  # A diverged model may have NaN, which is not zero.
      return float(1 - np.count_nonzero(self.values != self.zero) / self.size)

  def stored(self) -> StoredWeight:
    block = None
    if self.sparse:
      # The dimension of the outputs is first in the file, and last in a kernel.
      block = (self.block.get(len(self.shape) - 1, 1), self.block.get(0, 1))
    return StoredWeight(
        self.name, kernel_shape(self.op, self.shape), self.op, str(self.values.dtype),
        self.sparsity, block, self.expanded, self.size * self.values.itemsize,
        self.values.nbytes + self.index_bytes)


def kernel_shape(op: str, shape: Tuple[int, ...]) -> Tuple[int, ...]:
  """Returns the shape of the TensorFlow kernel for a constant with this shape in TFLite."""
  return tuple(shape[axis] for axis in _kernel_axes(op, len(shape)))


def as_kernel(op: str, values: np.ndarray) -> np.ndarray:
  """Returns the elements of a constant, of its shape in TFLite, as the TensorFlow kernel has them.
  """
  return values.transpose(_kernel_axes(op, values.ndim))


def _kernel_axes(op: str, rank: int) -> Tuple[int, ...]:
  """Returns the axes of a constant in TFLite in the order of the TensorFlow kernel."""
  orders: Dict[Tuple[str, int], Tuple[int, ...]] = {
      ('FULLY_CONNECTED', 2): (1, 0), ('CONV_2D', 4): (1, 2, 3, 0),
      ('DEPTHWISE_CONV_2D', 4): (1, 2, 3, 0), ('TRANSPOSE_CONV', 4): (1, 2, 0, 3)}
  return orders.get((op, rank), tuple(range(rank)))


def weights_of(model: Union[str, bytes], min_size: Optional[int] = None) -> List[StoredWeight]:
  """Returns how the weights of a TFLite model are stored.

  Args:
    model: the path of a .tflite file, or its content.
    min_size: the least number of elements with which a constant of rank 2 or more counts as
      a weight; None for all kernels of products, and 64 for others.

  Raises:
    errors.ModelFileError: there is no such file, or it is not a TFLite model.
  """
  return [constant.stored() for constant in constants_of(model, min_size)]


def constants_of(model: Union[str, bytes], min_size: Optional[int] = None) -> List[Constant]:
  """Returns the constants that weights_of describes, with their values."""
  if isinstance(model, (bytes, bytearray)):
    content, source = bytes(model), 'The given bytes'
  else:
    source = inputs.check(model)
    try:
      with open(source, 'rb') as handle:
        content = handle.read()
    except OSError as error:
      raise errors.ModelFileError('Cannot read %s (%s); give the path of a .tflite file' %
                                  (source, error.strerror or error)) from error
  if content[4:8] != _IDENTIFIER:
    raise errors.ModelFileError(
        '%s: not a TFLite model: bytes 4 to 7 must be %r, but are %r; give a file written by '
        'to_tflite or tf.lite.TFLiteConverter' % (source, _IDENTIFIER, content[4:8]))
  try:
    return [constant for constant in _constants(content)
            if len(constant.shape) >= 2 and constant.size >= (
                constant.smallest if min_size is None else min_size)]
  except (struct.error, IndexError, KeyError, ValueError, OverflowError, TypeError) as error:
    raise errors.ModelFileError('%s: the TFLite model is damaged or truncated (%s); write it '
                                'again' % (source, error)) from error


class _Table:
  """A table of a FlatBuffer: numbered fields, at offsets that its vtable lists."""

  def __init__(self, content: bytes, position: int):
    self._content, self._position = content, position
    self._vtable = position - self._unpack('<i', position)
    self._fields = self._unpack('<H', self._vtable) // 2 - 2

  def scalar(self, field: int, form: str, default: Any = 0) -> Any:
    place = self._place(field)
    return self._unpack('<' + form, place) if place else default

  def table(self, field: int) -> Optional['_Table']:
    place = self._place(field)
    return _Table(self._content, self._follow(place)) if place else None

  def tables(self, field: int) -> List['_Table']:
    return [_Table(self._content, self._follow(place)) for place in self._items(field, 4)]

  def array(self, field: int, dtype: DType) -> np.ndarray:
    """Returns a vector of numbers; an empty one if the field is missing."""
    itemsize = np.dtype(dtype).itemsize
    items = self._items(field, itemsize)
    if not items:
      return np.zeros([0], dtype)
    return np.frombuffer(self._content, np.dtype(dtype).newbyteorder('<'), len(items), items[0])

  def string(self, field: int) -> str:
    return self.array(field, np.uint8).tobytes().decode('utf-8', 'replace')

  def _place(self, field: int) -> int:
    offset = self._unpack('<H', self._vtable + 4 + 2 * field) if field < self._fields else 0
    return self._position + offset if offset else 0

  def _items(self, field: int, itemsize: int) -> range:
    place = self._place(field)
    if not place:
      return range(0)
    start = self._follow(place)
    length = self._unpack('<I', start)
    end = start + 4 + length * itemsize
    if end > len(self._content):
      raise ValueError('a vector ends at byte %d of %d' % (end, len(self._content)))
    return range(start + 4, end, itemsize)

  def _follow(self, place: int) -> int:
    return place + self._unpack('<I', place)

  def _unpack(self, form: str, place: int) -> int:
    if place < 0:
      raise ValueError('an offset leads to byte %d' % place)
    return struct.unpack_from(form, self._content, place)[0]


def _constants(content: bytes) -> Iterator[Constant]:
  model = _Table(content, struct.unpack_from('<I', content)[0])
  # Codes over 126 do not fit into the first field; old files have only that field.
  codes = [max(code.scalar(0, 'b'), code.scalar(3, 'i')) for code in model.tables(1)]
  buffers = model.tables(4)
  budget = _Budget(len(content))
  for subgraph_index, subgraph in enumerate(model.tables(2)):
    tensors = subgraph.tables(0)
    uses: Dict[int, List[Tuple[str, int, Optional[str]]]] = {}
    forms: Dict[int, int] = {}
    densified = set()
    for operator in subgraph.tables(3):
      code = codes[operator.scalar(0, 'I')]
      op = _OPS.get(code, 'builtin operator %d' % code)
      inputs = operator.array(1, np.int32).tolist()
      budget.spend(len(inputs), 0)
      if op in _FORMS and inputs:
        forms[int(operator.array(2, np.int32)[0])] = inputs[0]
        if op == 'DENSIFY':
          densified.add(inputs[0])
      else:
        for index, tensor in enumerate(inputs):
          if tensor >= 0:
            dtype = _DTYPES.get(tensors[inputs[0]].scalar(1, 'b')) if inputs[0] >= 0 else None
            uses.setdefault(tensor, []).append((op, index, np.dtype(dtype).name if dtype else None))
    for made, source in forms.items():
      for _ in range(_MOST_FORMS):  # Follow several in a row, but not a circle.
        source = forms.get(source, source)
      uses.setdefault(source, []).extend(uses.pop(made, []))
    for index, tensor in enumerate(tensors):
      dtype = _DTYPES.get(tensor.scalar(1, 'b'))
      data = _data(content, buffers[tensor.scalar(2, 'I')])
      if dtype is None or not data.size or not uses.get(index):
        continue
      shape = tuple(tensor.array(0, np.int32).tolist())
      if any(dim < 0 for dim in shape) or len(shape) > 16:
        raise ValueError('a shape is %s' % (shape[:20],))
      values, parameters = data.view(dtype), tensor.table(6)
      budget.spend(1, tensors_lib.elements(shape) * values.itemsize if parameters is None else
                   _sparse_bytes(shape, values))
      if parameters is None:
        values = values.reshape(shape)
      sizes, index_bytes = _sparsity(parameters) if parameters is not None else ({}, 0)
      quantization = tensor.table(4)
      zeros = (quantization.array(3, np.int64) if quantization is not None
               else np.zeros([0], np.int64))
      zero = int(zeros[0]) if len(zeros) else 0
      if abs(zero) > 255:
        raise ValueError('a zero point is %d' % zero)
      yield Constant(subgraph_index, index, tensor.scalar(2, 'I'), tensor.string(3), shape, values,
                     tuple(uses[index]), parameters is not None, sizes, index_bytes,
                     index in densified, zero)


class _Budget:
  """Limits the arrays made from a file, as its parts may refer to one another repeatedly."""

  _MOST_ITEMS = 10**7

  def __init__(self, present: int) -> None:
    self._items, self._bytes, self._most = 0, 0, tensors_lib.LARGEST + 4 * present

  def spend(self, items: int, size: int) -> None:
    self._items += items
    self._bytes += size
    if self._items > self._MOST_ITEMS or self._bytes > self._most:
      raise ValueError('it declares more than it can hold: %s bytes of constants, %s inputs' % (
          '{:,}'.format(self._bytes), '{:,}'.format(self._items)))


def _sparse_bytes(shape: Tuple[int, ...], values: np.ndarray) -> int:
  """Returns the bytes of the stored elements; raises ValueError for impossible shapes."""
  if tensors_lib.elements(shape) * values.itemsize > max(2**31, 4096 * values.nbytes):
    raise ValueError('a tensor of shape %s has %d elements stored' % (shape, values.size))
  return values.nbytes


def _data(content: bytes, buffer: _Table) -> np.ndarray:
  """Returns the bytes of a buffer, which large models store after the tables."""
  offset, size = buffer.scalar(1, 'Q'), buffer.scalar(2, 'Q')
  if offset > 1:
    return np.frombuffer(content, np.uint8, size, offset)
  return buffer.array(0, np.uint8)


def _sparsity(parameters: _Table) -> Tuple[Dict[int, int], int]:
  """Returns the sizes of the blocks, by dimension, and the bytes of all indices."""
  block_map = parameters.array(1, np.int32).tolist()
  dims = parameters.tables(2)
  sizes = [dim.scalar(1, 'i') for dim in dims]
  index_bytes = 0
  for dim in dims:
    for field in (2, 4):  # Each of the two fields holds the type of the vector after it.
      vector = dim.table(field + 1)
      if vector is not None:
        index_bytes += vector.array(0, _INDEX_DTYPES[dim.scalar(field, 'B')]).nbytes
  return dict(zip(block_map, sizes[len(sizes) - len(block_map):])), index_bytes
