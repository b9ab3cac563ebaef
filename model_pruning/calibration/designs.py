# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes any layer as matrix products: rows of inputs times a matrix gives rows of outputs.

A convolution has one row for each position of its outputs, the patch of the inputs that it sees
there. Layers whose outputs each see only some of the inputs (depthwise and grouped convolutions,
products in batches) are several products of the same size, here called groups.
"""

import dataclasses
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.util.types import Array
from model_pruning.util.types import Operation
from model_pruning.util.types import Tensor


class UnsupportedLayerError(Exception):
  """A layer cannot be written as matrix products; the message says why."""


@dataclasses.dataclass(frozen=True)
class Design:
  """A layer as matrix products.

  Attributes:
    inputs: tensor of shape [rows, groups, inputs].
    outputs: tensor of shape [rows, groups, outputs], before the bias is added.
    groups: number of groups.
    shape: shape of the kernel that the operation takes.
    order: the axes of `split`, in an order in which it reshapes to [groups, inputs, outputs].
    split: a shape of the kernel in which each axis counts groups, inputs or outputs alone.
    outputs_last: whether groups and outputs are the last dimensions that the operation returns, so
      that a bias adds to them.
  """
  inputs: Tensor
  outputs: Tensor
  groups: int
  shape: Tuple[int, ...]
  order: Tuple[int, ...]
  split: Tuple[int, ...]
  outputs_last: bool = True

  def matrices(self, kernel: Array) -> Array:
    """Returns a kernel, of any shape with as many elements, as [groups, inputs, outputs]."""
    return np.ascontiguousarray(
        np.asarray(kernel).reshape(self.split).transpose(self.order)).reshape(self._matrix)

  def kernel(self, matrices: Array, shape: Sequence[int]) -> Array:
    """Returns the kernel, in a given shape, from its matrices."""
    moved = [self.split[axis] for axis in self.order]
    return matrices.reshape(moved).transpose(np.argsort(self.order)).reshape(shape)

  @property
  def _matrix(self) -> Tuple[int, int, int]:
    return self.groups, int(self.inputs.shape[2]), -1


def design_of(op: Operation, operand: int) -> Design:
  """Returns a layer as matrix products; adds operations to its graph.

  Args:
    op: a product of wiring.KERNELS.
    operand: which of its inputs is the kernel.

  Raises:
    UnsupportedLayerError: it cannot be written as matrix products.
  """
  kernel = op.inputs[operand]
  if not kernel.shape.is_fully_defined():
    raise UnsupportedLayerError('its shape is unknown')
  if (_attr(op, 'data_format', b'NHWC') or b'N').startswith(b'NC'):
    raise UnsupportedLayerError('it has the channels first, which CPUs do not compute')
  return _BY_OP[op.type](op, operand, tuple(kernel.shape.as_list()))


def _attr(op: Operation, name: str, default: Any = None) -> Any:
  return op.get_attr(name) if name in op.node_def.attr else default


def _rows(tensor: Tensor, groups: int, width: int) -> Tensor:
  return tf.reshape(tensor, [-1, groups, width])


def _swap(tensor: Tensor) -> Tensor:
  return tf.linalg.matrix_transpose(tensor)


def _matmul(op: Operation, operand: int, shape: Tuple[int, ...]) -> Design:
  """A product x W, or W x, which is (x^T W^T)^T."""
  if op.type == 'MatMul':
    swapped = [_attr(op, 'transpose_a', False), _attr(op, 'transpose_b', False)]
  else:
    swapped = [_attr(op, 'adj_x', False), _attr(op, 'adj_y', False)]
  data, outputs = op.inputs[1 - operand], op.outputs[0]
  if swapped[1 - operand] != (operand == 0):
    data = _swap(data)
  if operand == 0:
    outputs = _swap(outputs)
  last = (-1, -2) if swapped[operand] != (operand == 0) else (-2, -1)
  inputs, width = (shape[axis] for axis in last)
  if len(shape) == 2:
    order = tuple(axis % 2 for axis in last)
    return Design(_rows(data, 1, inputs), _rows(outputs, 1, width), 1, shape, order, shape,
                  operand == 1)
  if len(shape) != 3 or data.shape.rank != 3 or data.shape.as_list()[0] != shape[0]:
    raise UnsupportedLayerError('its kernel of shape %s serves several matrices' % (shape,))
  data, outputs = (tf.transpose(tensor, [1, 0, 2]) for tensor in (data, outputs))
  return Design(_rows(data, shape[0], inputs), _rows(outputs, shape[0], width), shape[0], shape,
                (0, *(axis % 3 for axis in last)), shape, False)


def _einsum(op: Operation, operand: int, shape: Tuple[int, ...]) -> Design:
  """A product of two tensors in which each label of the kernel has one role."""
  equation = _attr(op, 'equation').decode().replace(' ', '')
  terms, result = equation.split('->')[0].split(','), equation.split('->')[1]
  if len(terms) != 2:
    raise UnsupportedLayerError('its equation %s has %d operands' % (equation, len(terms)))
  data, output = op.inputs[1 - operand], op.outputs[0]
  if data.shape.rank is None or '...' in terms[operand]:
    raise UnsupportedLayerError('the equation %s is not clear' % equation)
  ours, theirs, result = (
      _labels(term, tensor.shape.rank) for term, tensor in
      ((terms[operand], op.inputs[operand]), (terms[1 - operand], data), (result, output)))
  contracted = [label for label in ours if label in theirs and label not in result]
  free = [label for label in ours if label in result and label not in theirs]
  shared = [label for label in ours if label in result and label in theirs]
  rest = [label for label in theirs if label not in ours]
  if (len(contracted) + len(free) + len(shared) < len(ours) or len(set(ours)) < len(ours) or
      sorted(rest + shared + free) != sorted(result)):
    raise UnsupportedLayerError('the equation %s is not one product for each row' % equation)
  size = dict(zip(ours, shape))
  groups, inputs, width = (int(np.prod([size[label] for label in labels], dtype=np.int64))
                           for labels in (shared, contracted, free))
  data = tf.transpose(data, [theirs.index(label) for label in rest + shared + contracted])
  output = tf.transpose(output, [result.index(label) for label in rest + shared + free])
  return Design(_rows(data, groups, inputs), _rows(output, groups, width), groups, shape,
                tuple(ours.index(label) for label in shared + contracted + free), shape,
                result == rest + shared + free)


def _labels(term: str, rank: int) -> List[str]:
  """Returns the labels of a term, with numbers for the dimensions of an ellipsis."""
  head, dots, tail = term.partition('...')
  extra = rank - len(head) - len(tail) if dots else 0
  return list(head) + [str(extra - index) for index in range(extra)] + list(tail)


def _conv2d(op: Operation, operand: int, shape: Tuple[int, ...]) -> Design:
  """A convolution, maybe in groups of channels: the patches times the kernel."""
  del operand
  height, width, channels, outputs = shape
  groups = _channels(op.inputs[0]) // channels
  patches = _patches(op, height, width)
  if groups > 1:
    patches = tf.transpose(tf.reshape(patches, [-1, height * width, groups, channels]),
                           [0, 2, 1, 3])
  inputs = height * width * channels
  return Design(_rows(patches, groups, inputs), _rows(op.outputs[0], groups, outputs // groups),
                groups, shape, (3, 0, 1, 2, 4),
                (height, width, channels, groups, outputs // groups))


def _depthwise(op: Operation, operand: int, shape: Tuple[int, ...]) -> Design:
  """A convolution of each channel by itself: as many groups as channels."""
  del operand
  height, width, channels, multiplier = shape
  patches = tf.reshape(_patches(op, height, width), [-1, height * width, channels])
  return Design(_rows(_swap(patches), channels, height * width),
                _rows(op.outputs[0], channels, multiplier), channels, shape, (2, 0, 1, 3), shape)


def _channels(tensor: Tensor) -> int:
  channels = tensor.shape[-1:].as_list()[0] if tensor.shape.rank else None
  if channels is None:
    raise UnsupportedLayerError('the number of its input channels is unknown')
  return int(channels)


def _patches(op: Operation, height: int, width: int) -> Tensor:
  """Returns the patches that the positions of a convolution see, [..., height * width * channels].
  """
  data, padding = op.inputs[0], _attr(op, 'padding')
  _channels(data)
  if padding == b'EXPLICIT':
    data = tf.pad(data, np.reshape(_attr(op, 'explicit_paddings'), [4, 2]))
    padding = b'VALID'
  return tf.raw_ops.ExtractImagePatches(
      images=data, ksizes=[1, height, width, 1], strides=_attr(op, 'strides'),
      rates=_attr(op, 'dilations', [1, 1, 1, 1]), padding=padding.decode())


def _identity(shape: Sequence[int], dtype: Any) -> Array:
  """Returns a kernel [..., inputs, all] whose outputs are the patches of its inputs."""
  size = int(np.prod(shape, dtype=np.int64))
  return np.eye(size, dtype=dtype.as_numpy_dtype).reshape([*shape, size])


def _conv3d(op: Operation, operand: int, shape: Tuple[int, ...]) -> Design:
  """A convolution of volumes, whose patches another convolution extracts."""
  del operand
  if _channels(op.inputs[0]) != shape[3]:
    raise UnsupportedLayerError('it has groups of channels')
  kernel = tf.constant(_identity(shape[:4], op.inputs[1].dtype))
  patches = tf.raw_ops.Conv3D(
      input=op.inputs[0], filter=kernel, strides=_attr(op, 'strides'),
      padding=_attr(op, 'padding').decode(), dilations=_attr(op, 'dilations', [1] * 5))
  inputs = int(np.prod(shape[:4], dtype=np.int64))
  return Design(_rows(patches, 1, inputs), _rows(op.outputs[0], 1, shape[4]), 1, shape,
                (0, 1, 2, 3, 4), shape)


def _transposed(op: Operation, operand: int, shape: Tuple[int, ...]) -> Design:
  """A transposed convolution: each output sees some inputs, each through one tap of the kernel."""
  del operand
  *taps, outputs, channels = shape
  inputs = int(np.prod(taps, dtype=np.int64)) * channels
  kernel = _identity([*taps, channels], op.inputs[1].dtype)
  order = list(range(len(taps))) + [len(taps) + 1, len(taps)]
  sizes = tf.concat([op.inputs[0][:-1], tf.constant([inputs], op.inputs[0].dtype)], 0)
  attrs: Dict[str, Any] = {'strides': _attr(op, 'strides'),
                           'padding': _attr(op, 'padding').decode(),
                           'dilations': _attr(op, 'dilations', [1] * len(shape))}
  if 'explicit_paddings' in op.node_def.attr:
    attrs['explicit_paddings'] = _attr(op, 'explicit_paddings')
  function: Callable[..., Tensor] = getattr(tf.raw_ops, op.type)
  names = ('input_sizes', 'filter', 'out_backprop')
  patches = function(**dict(zip(names, (sizes, tf.constant(kernel.transpose(order)),
                                        op.inputs[2]))), **attrs)
  return Design(_rows(patches, 1, inputs), _rows(op.outputs[0], 1, outputs), 1, shape,
                tuple(order), shape)


_BY_OP: Dict[str, Callable[[Operation, int, Tuple[int, ...]], Design]] = {
    'MatMul': _matmul, 'BatchMatMul': _matmul, 'BatchMatMulV2': _matmul, 'BatchMatMulV3': _matmul,
    'Einsum': _einsum, 'Conv2D': _conv2d, 'Conv3D': _conv3d, 'DepthwiseConv2dNative': _depthwise,
    'Conv2DBackpropInput': _transposed, 'Conv3DBackpropInputV2': _transposed}


def sampled(tensors: Sequence[Tensor], most: Tensor, offset: Tensor) -> List[Tensor]:
  """Returns the same rows of several tensors: all, or `most` of them, spread evenly.

  The rows are the multiples of the golden ratio, modulo 1, times their number. They are the same
  in every version of TensorFlow, unlike random numbers.

  Args:
    tensors: tensors with the same number of rows.
    most: int64 scalar.
    offset: float64 scalar in [0, 1), where to begin.
  """
  rows = tf.shape(tensors[0], out_type=tf.int64)[0]
  steps = tf.cast(tf.range(most), tf.float64) * 0.6180339887498949 + offset
  some = tf.cast(tf.floor(tf.floormod(steps, tf.constant(1.0, tf.float64)) *
                          tf.cast(rows, tf.float64)), tf.int64)
  chosen = tf.cond(rows <= most, lambda: tf.range(rows), lambda: tf.minimum(some, rows - 1))
  return [tf.gather(tensor, chosen) for tensor in tensors]
