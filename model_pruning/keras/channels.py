# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The input channels of kernels, along which m of n forms its runs.

Their axis depends on the layer. Kernels of dense layers and of convolutions end in
[inputs, outputs], kernels of transposed convolutions in [outputs, inputs]. For EinsumDense, and
attention layers, which consist of it, an equation determines the axes.
"""

import dataclasses
from typing import Dict, Optional, Sequence, Tuple

import numpy as np

from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.keras import backend
from model_pruning.util.types import Layer
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


@dataclasses.dataclass(frozen=True)
class View:
  """A weight seen as [1, before, inputs, outputs], which the engine prunes like a 2D kernel.

  Attributes:
    order: the axes of the weight in the order of the view.
    shape: the shape of the weight with its axes in that order.
    viewed: (1, before, inputs, outputs), with as many elements as `shape`.
  """
  order: Tuple[int, ...]
  shape: Tuple[int, ...]
  viewed: Tuple[int, ...]

  @classmethod
  def of(cls, shape: Sequence[int], inputs: Sequence[int], outputs: Sequence[int]) -> 'View':
    """Returns the view of a weight.

    Args:
      shape: static shape of the weight.
      inputs, outputs: the weight's axes that together form the inputs, and the outputs.
    """
    inputs, outputs = tuple(inputs), tuple(outputs)
    before = tuple(axis for axis in range(len(shape)) if axis not in inputs + outputs)
    sizes = [int(np.prod([shape[axis] for axis in axes], dtype=np.int64))
             for axes in (before, inputs, outputs)]
    order = before + inputs + outputs
    return cls(order, tuple(int(shape[axis]) for axis in order), (1, *sizes))

  @property
  def inputs(self) -> int:
    """The number of input channels."""
    return self.viewed[2]

  @property
  def layout(self) -> Layout:
    """The layout of the viewed weight."""
    return dataclasses.replace(Layout.whole(self.viewed), viewed=self.shape)

  def see(self, weight: Variable) -> Tensor:
    """Returns a tensor of the weight's shape, reshaped to `viewed`."""
    if self.order != tuple(range(len(self.order))):
      weight = tf.transpose(weight, self.order)
    return tf.reshape(weight, self.viewed)

  def restore(self, mask: Variable) -> Tensor:
    """Returns a tensor of shape `viewed` in the weight's shape; inverts see()."""
    return tf.transpose(tf.reshape(mask, self.shape), np.argsort(self.order))


def view_of(layer: Layer, weight: Variable) -> Optional[View]:
  """Returns the view of a weight by its input channels; None if these are unknown.

  For layers that are not Keras's own, weights of rank 2 and 4 count as kernels of dense
  layers and of convolutions.

  Args:
    layer: the layer that owns the weight directly.
    weight: the variable; built.
  """
  shape = tuple(int(dim) for dim in weight.shape)
  rank = len(shape)
  kind = _kind(layer) if any(getattr(layer, name, None) is weight for name in _KERNELS) else None
  if kind == 'EinsumDense':
    return _of_equation(layer, shape)
  if kind is not None and kind.endswith('Transpose') and rank > 2:
    return View.of(shape, [rank - 1], [rank - 2])
  if kind is not None and kind.startswith('LocallyConnected') and rank in (4, 6):
    # The kernel covers every input position and channel, and every output position and channel.
    channels = 0 if layer.data_format == 'channels_first' else rank // 2 - 1
    return View.of(shape, [channels], range(rank // 2, rank))
  if rank in (2, 4) or (kind is not None and rank > 2):
    return View.of(shape, [rank - 2], [rank - 1])
  return None


# The attributes in which Keras's layers keep their kernels; with LoRA, `kernel` is a property and
# `_kernel` holds the variable.
_KERNELS = ('kernel', '_kernel', 'pointwise_kernel', 'recurrent_kernel')

_LAYERS = frozenset((
    'Conv1D', 'Conv2D', 'Conv3D', 'Conv1DTranspose', 'Conv2DTranspose', 'Conv3DTranspose',
    'ConvLSTMCell', 'EinsumDense', 'LocallyConnected1D', 'LocallyConnected2D', 'SeparableConv1D',
    'SeparableConv2D'))


def _kind(layer: Layer) -> Optional[str]:
  """Returns the name of the Keras class in _LAYERS from which a layer is derived; or None."""
  return next((base.__name__ for base in type(layer).__mro__
               if base.__name__ in _LAYERS and backend.is_keras_own(base)), None)


def _of_equation(layer: Layer, shape: Tuple[int, ...]) -> Optional[View]:
  """Returns the view of an EinsumDense kernel, for an equation like 'abc,cde->abde'.

  Letters of the kernel that the result lacks are summed over: they are the inputs. Letters that
  only the kernel and the result have are the outputs. A letter in all three is a batch axis.
  """
  left, _, result = layer.equation.partition('->')
  data, _, kernel = left.partition(',')
  axes: Dict[str, int] = {letter: axis for axis, letter in enumerate(kernel)}
  if len(axes) != len(shape):
    return None
  inputs = [axis for letter, axis in axes.items() if letter not in result]
  outputs = [axis for letter, axis in axes.items() if letter in result and letter not in data]
  return View.of(shape, inputs, outputs) if inputs else None
