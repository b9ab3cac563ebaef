# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Policies: which layers of a model are pruned, and which models at all.

    prune_low_magnitude(model, schedule, pruning_policy=PruneForLatencyOnXNNPack())
"""

import abc
from typing import Any, List, Optional, Tuple

from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras import prunable
from model_pruning.keras import topology
from model_pruning.keras.backend import keras

layers = keras.layers


class PruningPolicy(abc.ABC):
  """Decides for prune_low_magnitude what is pruned of a model.

      class OnlyTheHead(PruningPolicy):
        def allow_pruning(self, layer):
          return layer.name.startswith('head')

        def ensure_model_supports_pruning(self, model):
          pass
  """

  @abc.abstractmethod
  def allow_pruning(self, layer: Any) -> bool:
    """Says whether a layer is to be pruned; the others stay what they are."""

  @abc.abstractmethod
  def ensure_model_supports_pruning(self, model: Any) -> None:
    """Is called with the model before anything is pruned.

    Raises:
      ValueError: the model is not such that the policy serves its purpose there.
    """


class SkipUnknown(PruningPolicy):
  """Prunes the layers of which it is known what to prune, and leaves the others as they are.

  Without it a layer that nobody knows is an error. There is one in this module,
  `skip_unknown`.
  """

  def allow_pruning(self, layer: Any) -> bool:
    """Says whether the layer, and all that is in it, is known."""
    return prunable.is_known(layer)

  def ensure_model_supports_pruning(self, model: Any) -> None:
    """Takes every model."""


skip_unknown = SkipUnknown()

# What XNNPACK runs on sparse inputs as it is, by the names of activations, of operations of
# Keras 3 and of functions of TensorFlow, in lower case and without underscores.
_ELEMENTWISE = frozenset((
    'add', 'elu', 'hardsigmoid', 'hardsilu', 'hardswish', 'identity', 'leakyrelu', 'linear',
    'multiply', 'relu', 'relu6', 'sigmoid', 'subtract'))

# The names under which its layers are in Keras; which of them there are depends on the version.
_PLAIN_LAYERS = tuple(getattr(layers, name) for name in (
    'Add', 'Dropout', 'ELU', 'Identity', 'LeakyReLU', 'Multiply', 'ReLU', 'Subtract',
    'ZeroPadding2D') if hasattr(layers, name))


class PruneForLatencyOnXNNPack(PruningPolicy):
  """Prunes the 1x1 convolutions, in models where that makes XNNPACK, and so TFLite, faster.

  XNNPACK computes with sparse kernels only from a certain first convolution on, up to a
  global pooling, and only if it can run all that lies between in its own layout. A model
  has to be such that on every path

  - from an input: there is a first convolution (Conv2D, 3x3, of 3 channels, strides 2,
    padding 'valid') right after a ZeroPadding2D of 1 on each side;
  - to an output: there is a GlobalAveragePooling2D;
  - between the two: there are only 1x1 convolutions without strides, dilation or groups;
    depthwise ones, 3x3 or 5x5, without dilation or depth multiplier, with padding 'same'
    and strides 1, or 'valid' and strides 1 or 2 after a ZeroPadding2D that keeps the
    borders (1 or 2 on each side); BatchNormalization of the last axis; sums, differences
    and products; ReLU, LeakyReLU, ELU, sigmoid and hard_silu; Dropout; ZeroPadding2D;
    bilinear UpSampling2D; GlobalAveragePooling2D that keeps the dimensions.

  XNNPACK takes a kernel for sparse from two thirds of zeros on.

  References:
    Elsen et al., Fast Sparse ConvNets, https://arxiv.org/abs/1911.09723
    XNNPACK's delegate of TFLite, README, section on sparse inference.
  """

  def allow_pruning(self, layer: Any) -> bool:
    """Says whether the layer is a Conv2D with a kernel of 1x1."""
    return _is_convolution(layer) and tuple(layer.kernel_size) == (1, 1)

  def ensure_model_supports_pruning(self, model: Any) -> None:
    """Checks that XNNPACK can use the zeros that come of it.

    Raises:
      errors.PolicyError: it cannot. Says which layers are in the way, and why.
    """
    name = getattr(model, 'name', model)
    if not backend.is_functional(model):
      raise errors.PolicyError(
          'model %s is a %s, whose layers cannot be followed from its inputs to its outputs; %s '
          'needs a Sequential model, or one made of inputs and outputs' %
          (name, type(model).__name__, type(self).__name__))
    calls = topology.calls_of(model)
    if calls is None:
      raise errors.PolicyError(
          'model %s is not built, so nothing can be said of its layers; give it the shape of its '
          'inputs first: an Input as its first layer, or model.build(shape)' % name)
    starts = _starts(calls, name)
    ends = _ends(calls, name)
    faults = []
    for call in _between(calls, starts, ends):
      fault = _fault(call)
      if fault:
        faults.append('layer %s (%s): %s' % (call.layer.name, type(call.layer).__name__, fault))
    if faults:
      raise errors.PolicyError(
          'XNNPACK has no sparse inference for model %s, because of what lies between its first '
          'convolution, %s, and its global pooling, %s:\n  %s\n'
          'Change these, or prune without %s' % (
              name, ' and '.join(start.layer.name for start in starts),
              ' and '.join(end.layer.name for end in ends), '\n  '.join(dict.fromkeys(faults)),
              type(self).__name__))


def _starts(calls: List[topology.Call], model_name: str) -> List[topology.Call]:
  """Returns the first convolutions; every path from an input must come to one."""
  starts, refused = [], []
  reached = [call for call in calls if not call.producers]
  for call in reached:  # Grows on the way.
    fault = _start_fault(call)
    if fault is None:
      starts.append(call)
      continue
    if fault:
      refused.append('%s is not: %s' % (call.layer.name, fault))
    if call.is_output:
      raise errors.PolicyError(
          'XNNPACK has no sparse inference for model %s: there is a path from its inputs to its '
          'output %s without a first convolution, which must be a 3x3 Conv2D of 3 channels with '
          'strides 2 and padding \'valid\' right after a ZeroPadding2D(1)%s' % (
              model_name, call.layer.name,
              '; ' + '; '.join(refused[:3]) if refused else '. There is no Conv2D on it'))
    reached.extend(each for each in call.consumers if each not in reached)
  return starts


def _ends(calls: List[topology.Call], model_name: str) -> List[topology.Call]:
  """Returns the last global poolings; every path to an output must come from one."""
  ends = []
  reached = [call for call in calls if call.is_output]
  for call in reached:  # Grows on the way.
    if isinstance(call.layer, layers.GlobalAveragePooling2D):
      ends.append(call)
      continue
    if not call.producers:
      raise errors.PolicyError(
          'XNNPACK has no sparse inference for model %s: there is a path from its input %s to an '
          'output without a global pooling; let a GlobalAveragePooling2D come before what ends '
          'it' % (model_name, call.layer.name))
    reached.extend(each for each in call.producers if each not in reached)
  return sorted(ends, key=calls.index)


def _between(calls: List[topology.Call], starts: List[topology.Call],
             ends: List[topology.Call]) -> List[topology.Call]:
  """Returns what comes after the starts and before the ends, in order."""
  reached = [each for start in starts for each in start.consumers if each not in ends]
  for call in reached:  # Grows on the way.
    reached.extend(each for each in call.consumers if each not in reached and each not in ends)
  return sorted(dict.fromkeys(reached), key=calls.index)


def _is_convolution(layer: Any) -> bool:
  # In Keras 2 the transposed and the depthwise ones are, or were, subclasses.
  return isinstance(layer, layers.Conv2D) and not isinstance(
      layer, (layers.Conv2DTranspose, layers.DepthwiseConv2D))


def _start_fault(call: topology.Call) -> Optional[str]:
  """Returns why a call is not that of a first convolution: '' for no convolution, None if it is."""
  layer = call.layer
  if not _is_convolution(layer):
    return ''
  shape = tuple(layer.kernel.shape)[:3]
  if shape != (3, 3, 3):
    return 'its kernel is %dx%d of %d channels' % shape
  if tuple(layer.strides) != (2, 2):
    return 'its strides are %s' % (tuple(layer.strides),)
  if layer.padding.lower() != 'valid':
    return ('its padding is %r; put a ZeroPadding2D(1) before it and make its own \'valid\'' %
            layer.padding)
  if _zeros_before(call) != _around(1):
    return 'what it takes does not come from a ZeroPadding2D(1) alone'
  return None


def _around(border: int) -> Tuple[Tuple[int, int], Tuple[int, int]]:
  return ((border, border), (border, border))


def _zeros_before(call: topology.Call) -> Optional[Tuple[Any, ...]]:
  """Returns ((top, bottom), (left, right)) of the ZeroPadding2D that feeds a call, or None."""
  if len(call.producers) != 1 or not isinstance(call.producers[0].layer, layers.ZeroPadding2D):
    return None
  return tuple(tuple(side) for side in call.producers[0].layer.padding)


def _fault(call: topology.Call) -> str:
  """Returns why XNNPACK cannot run a call on sparse inputs, and the way out; '' if it can."""
  layer = call.layer
  if isinstance(layer, layers.DepthwiseConv2D):
    return _depthwise_fault(call)
  if _is_convolution(layer):
    if tuple(layer.kernel_size) != (1, 1):
      return ('a convolution here must be 1x1, and this one is %dx%d; make it a depthwise one and '
              'a 1x1' % tuple(layer.kernel_size))
    if tuple(layer.strides) != (1, 1) or tuple(layer.dilation_rate) != (1, 1) or layer.groups != 1:
      return ('a 1x1 convolution here must have strides 1, dilation 1 and one group, and this one '
              'has %s, %s and %d' % (tuple(layer.strides), tuple(layer.dilation_rate),
                                     layer.groups))
    return ''
  if isinstance(layer, layers.BatchNormalization):
    axes = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    return '' if axes in ([3], [-1]) else 'it must normalize the last axis, and not %s' % axes
  if isinstance(layer, layers.GlobalAveragePooling2D):
    return '' if layer.keepdims else 'here it must have keepdims=True'
  if isinstance(layer, layers.UpSampling2D):
    return ('' if layer.interpolation == 'bilinear' else
            'its interpolation must be \'bilinear\', and not %r' % layer.interpolation)
  if isinstance(layer, layers.Activation):
    name = getattr(layer.activation, '__name__', type(layer.activation).__name__)
    return '' if _is_elementwise(name) else (
        'the activation %s is none that it has; it has relu, relu6, leaky_relu, elu, sigmoid and '
        'hard_silu' % name)
  if isinstance(layer, _PLAIN_LAYERS):
    return ''
  # What is no layer: a function of TensorFlow that Keras 2 has in a layer of its own, or an
  # operation of Keras 3.
  symbol = getattr(layer, 'symbol', None)
  if type(layer).__name__ == 'TFOpLambda' and isinstance(symbol, str):
    return '' if _is_elementwise(symbol.split('.')[-1]) else (
        'it has no sparse form of tf.%s' % symbol)
  if not isinstance(layer, layers.Layer) and _is_elementwise(type(layer).__name__):
    return ''
  return 'it has no sparse form of %s' % type(layer).__name__


def _depthwise_fault(call: topology.Call) -> str:
  layer = call.layer
  size, strides = tuple(layer.kernel_size), tuple(layer.strides)
  if size not in ((3, 3), (5, 5)):
    return 'a depthwise convolution here must be 3x3 or 5x5, and this one is %dx%d' % size
  if layer.depth_multiplier != 1 or tuple(layer.dilation_rate) != (1, 1):
    return ('a depthwise convolution here must have depth_multiplier 1 and dilation 1, and this '
            'one has %d and %s' % (layer.depth_multiplier, tuple(layer.dilation_rate)))
  border = size[0] // 2
  if layer.padding.lower() == 'same':
    return '' if strides == (1, 1) else (
        'with strides %s its padding must not be \'same\'; put a ZeroPadding2D(%d) before it and '
        'make its own \'valid\'' % (strides, border))
  if strides not in ((1, 1), (2, 2)):
    return 'its strides must be 1 or 2, and not %s' % (strides,)
  return '' if _zeros_before(call) == _around(border) else (
      'with padding \'valid\' it must come right after a ZeroPadding2D(%d)' % border)


def _is_elementwise(name: str) -> bool:
  return name.replace('_', '').lower() in _ELEMENTWISE
