# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays that files declare: what is wrong with them, and whether memory is taken for them.

A few bytes of a TensorProto can declare any shape: one value stands for all elements.
Such an array stays that one value, repeated by strides of zero, as long as it is not
asked to be more; and none is made that takes more than LARGEST for values that nothing
in the file holds.
"""

from typing import Any, Callable, Iterable, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf

LARGEST = 2**30  # Bytes.
_MOST_DIMENSIONS = 32  # NumPy's, before 2.0.
_COMPLEX = ('scomplex_val', 'dcomplex_val')  # Two numbers for each value.
_FIELDS = ('half_val', 'float_val', 'double_val', 'int_val', 'string_val', 'int64_val', 'bool_val',
           'uint32_val', 'uint64_val') + _COMPLEX


def to_array(proto: Any, name: str) -> np.ndarray:
  """Returns what a TensorProto holds; where one value stands for all, a view that repeats it.

  Args:
    proto: the TensorProto.
    name: what to call it in errors.

  Returns:
    An array; of strings, of bytes objects. It may be read only.

  Raises:
    errors.ModelFileError: see check; or its values are of a kind that NumPy has not.
  """
  shape, _, present = check(proto, name)
  size = elements(shape)
  source = proto
  if present < size and present <= 1:
    source = type(proto)()
    source.CopyFrom(proto)
    del source.tensor_shape.dim[:]
  if not present and size:  # Zeros are left out.
    dtype = tf.as_dtype(proto.dtype)
    value = np.array(b'' if dtype == tf.string else 0,
                     object if dtype == tf.string else dtype.as_numpy_dtype)
  else:
    try:
      value = np.asarray(tf.make_ndarray(source))
    except Exception as error:  # Of many classes, by version and dtype.
      raise errors.ModelFileError('The array %s cannot be read (%s); the file is damaged: make it '
                                  'again' % (name, errors.first_line(error))) from error
  return np.broadcast_to(value, shape) if value.shape != shape else value


def check(proto: Any, name: str) -> Tuple[Tuple[int, ...], Any, int]:
  """Returns (shape, dtype, number of values that are present) of a TensorProto.

  Raises:
    errors.ModelFileError: its dtype or shape is none, it holds more values than elements
      or another number of bytes than they take, or declares too many.
  """
  try:
    dtype = tf.as_dtype(proto.dtype)
    itemsize = 1 if dtype == tf.string else np.dtype(dtype.as_numpy_dtype).itemsize
  except TypeError as error:
    raise errors.ModelFileError('The array %s has the dtype %d, which is none that arrays have; '
                                'the file is damaged: make it again' % (
                                    name, proto.dtype)) from error
  dims = tuple(dim.size for dim in proto.tensor_shape.dim)
  if proto.tensor_shape.unknown_rank or any(dim < 0 for dim in dims) or \
      len(dims) > _MOST_DIMENSIONS:
    raise errors.ModelFileError('The array %s has no shape that can be (%s); the file is damaged: '
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
  """Raises errors.ModelFileError if an array is too large for what is present of it.

  Args:
    shape, itemsize: of the array.
    name: what to call it in the error.
    present: number of bytes that it is made of.
  """
  declared = elements(shape) * itemsize
  if declared > max(LARGEST, present):
    raise errors.ModelFileError(
        'The array %s of shape %s would take %s bytes of memory, made of %s bytes in the file; at '
        'most %s are. Store its values, or leave it out' % (
            name, _text(shape), '{:,}'.format(declared), '{:,}'.format(present),
            '{:,}'.format(LARGEST)))


def elements(shape: Iterable[Any]) -> int:
  """Returns the number of elements of a shape, however many."""
  size = 1
  for dim in shape:
    size *= int(dim)
  return size


def is_repeated(values: np.ndarray) -> bool:
  """Whether an array is one value, repeated without taking memory."""
  return values.size > 1 and not any(values.strides)


def distinct(values: np.ndarray) -> np.ndarray:
  """Returns an array with every value that `values` has: itself, or the one that it repeats."""
  return values[(slice(0, 1),) * values.ndim] if is_repeated(values) else values


def elementwise(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
  """Returns function(*arrays), computed once where all of them repeat one value.

  Args:
    function: of each element by itself.
    *arrays: of one shape.
  """
  if arrays[0].size > 1 and all(map(is_repeated, arrays)):
    return np.broadcast_to(function(*map(distinct, arrays)), arrays[0].shape)
  return np.asarray(function(*arrays))


def to_proto(values: np.ndarray) -> Any:
  """Returns the TensorProto of an array, which is small where one value is repeated."""
  if not is_repeated(values):
    return tf.make_tensor_proto(values)
  proto = tf.make_tensor_proto(distinct(values))
  proto.tensor_shape.CopyFrom(tf.TensorShape(values.shape).as_proto())
  if proto.tensor_content:  # Its bytes would have to be as many as the elements.
    single = tf.make_tensor_proto(distinct(values).reshape(()))
    single.tensor_shape.CopyFrom(proto.tensor_shape)
    return single
  return proto


def _text(shape: Sequence[int]) -> str:
  return 'x'.join(map(str, shape))
