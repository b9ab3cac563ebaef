# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays that files declare: checks them, and avoids allocating memory for repeated values.

A TensorProto of a few bytes can declare any shape, as one value may stand for all elements.
Such an array stays a view of that value, with strides of zero, until a caller copies it.
An array larger than LARGEST is refused if the file does not hold its values.
"""

from typing import Any, Callable, Iterable, Mapping, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.util.types import Array
from model_pruning.util.types import GraphDef
from model_pruning.util.types import TensorProto

LARGEST = 2**30  # Bytes.
_MOST_DIMENSIONS = 32  # NumPy's, before 2.0.
_COMPLEX = ('scomplex_val', 'dcomplex_val')  # Two numbers per value.
_FIELDS = ('half_val', 'float_val', 'double_val', 'int_val', 'string_val', 'int64_val', 'bool_val',
           'uint32_val', 'uint64_val') + _COMPLEX


def to_array(proto: TensorProto, name: str) -> np.ndarray:
  """Returns the array in a TensorProto; if one value stands for all, a view that repeats it.

  Args:
    proto: the TensorProto.
    name: name of the array in errors.

  Returns:
    An array, which may be read-only; strings are bytes objects.

  Raises:
    errors.ModelFileError: see check; or NumPy has no type for its values.
  """
  shape, _, present = check(proto, name)
  size = elements(shape)
  source = proto
  if present < size and present <= 1:
    source = type(proto)()
    source.CopyFrom(proto)
    del source.tensor_shape.dim[:]
  if not present and size:  # Zeros are not stored.
    dtype = tf.as_dtype(proto.dtype)
    value = np.array(b'' if dtype == tf.string else 0,
                     object if dtype == tf.string else dtype.as_numpy_dtype)
  else:
    try:
      value = np.asarray(tf.make_ndarray(source))
    except Exception as error:  # The class depends on the version and the dtype.
      raise errors.ModelFileError('The array %s cannot be read (%s); the file is damaged: make it '
                                  'again' % (name, errors.first_line(error))) from error
  return np.broadcast_to(value, shape) if value.shape != shape else value


def check(proto: TensorProto, name: str) -> Tuple[Tuple[int, ...], Any, int]:
  """Returns (shape, dtype, number of values that are present) of a TensorProto.

  Raises:
    errors.ModelFileError: its dtype or shape is invalid, its number of values or bytes does not
      fit the shape, or it declares too many elements.
  """
  try:
    dtype = tf.as_dtype(proto.dtype)
    itemsize = 1 if dtype == tf.string else np.dtype(dtype.as_numpy_dtype).itemsize
  except TypeError as error:
    raise errors.ModelFileError('The array %s has the dtype %d, which does not exist; '
                                'the file is damaged: make it again' % (
                                    name, proto.dtype)) from error
  dims = tuple(dim.size for dim in proto.tensor_shape.dim)
  if proto.tensor_shape.unknown_rank or any(dim < 0 for dim in dims) or \
      len(dims) > _MOST_DIMENSIONS:
    raise errors.ModelFileError('The array %s has an invalid shape (%s); the file is damaged: '
                                'make it again' % (name, _text(dims) or 'unknown'))
  size = elements(dims)
  present = max(len(getattr(proto, field)) // (2 if field in _COMPLEX else 1)
                for field in _FIELDS if hasattr(proto, field))
  if proto.tensor_content:
    present = size
    if dtype != tf.string and len(proto.tensor_content) != size * itemsize:
      raise errors.ModelFileError(
          'The array %s of shape %s takes %s bytes, and the file has %d of them; it is damaged: '
          'make it again' % (name, _text(dims), '{:,}'.format(size * itemsize),
                             len(proto.tensor_content)))
  elif present > size:
    raise errors.ModelFileError(
        'The array %s of shape %s has %d elements, and the file has %d values for it; it is '
        'damaged: make it again' % (name, _text(dims), size, present))
  if present < size:
    check_size(dims, itemsize, name, proto.ByteSize())
  return dims, dtype, present


def check_size(shape: Sequence[int], itemsize: int, name: str, present: int) -> None:
  """Raises errors.ModelFileError if a file declares far more elements than it holds.

  Args:
    shape, itemsize: shape and element size of the array.
    name: name of the array in the error.
    present: number of bytes that the file holds for it.
  """
  declared = elements(shape) * itemsize
  if declared > max(LARGEST, present):
    raise errors.ModelFileError(
        'The array %s of shape %s would take %s bytes of memory, but the file holds %s bytes for '
        'it; the limit is %s. Store its values, or leave it out' % (
            name, _text(shape), '{:,}'.format(declared), '{:,}'.format(present),
            '{:,}'.format(LARGEST)))


def elements(shape: Iterable[Any]) -> int:
  """Returns the number of elements of a shape, as an unbounded Python integer."""
  size = 1
  for dim in shape:
    size *= int(dim)
  return size


def is_repeated(values: np.ndarray) -> bool:
  """Whether an array repeats one value without taking memory for each element."""
  return values.size > 1 and not any(values.strides)


def distinct(values: np.ndarray) -> np.ndarray:
  """Returns all distinct values at least once: the array itself, or the value it repeats."""
  return values[(slice(0, 1),) * values.ndim] if is_repeated(values) else values


def elementwise(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
  """Returns function(*arrays), computed only once if each array repeats one value.

  Args:
    function: computes each element from the elements at the same position.
    *arrays: arrays of one shape.
  """
  if arrays[0].size > 1 and all(map(is_repeated, arrays)):
    return np.broadcast_to(function(*map(distinct, arrays)), arrays[0].shape)
  return np.asarray(function(*arrays))


def to_proto(values: np.ndarray) -> TensorProto:
  """Returns the TensorProto of an array, which is small if one value is repeated."""
  if not is_repeated(values):
    return tf.make_tensor_proto(values)
  proto = tf.make_tensor_proto(distinct(values))
  proto.tensor_shape.CopyFrom(tf.TensorShape(values.shape).as_proto())
  if proto.tensor_content:  # Its length would have to match the number of elements.
    single = tf.make_tensor_proto(distinct(values).reshape(()))
    single.tensor_shape.CopyFrom(proto.tensor_shape)
    return single
  return proto


def _text(shape: Sequence[int]) -> str:
  return 'x'.join(map(str, shape))


def with_constants(graph_def: GraphDef, values: Mapping[str, Array]) -> GraphDef:
  """Returns a graph with other values of some constants."""
  result = tf.GraphDef()
  result.CopyFrom(graph_def)
  for node in result.node:
    if node.name in values:
      node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(values[node.name]))
  return result
