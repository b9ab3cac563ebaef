# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Policies: which layers of a model are pruned, and which models are accepted.

    prune_low_magnitude(model, schedule, pruning_policy=PruneForLatencyOnXNNPack())
"""

import abc
import collections
from typing import Any, List, Optional, Set, Tuple

from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras import prunable
from model_pruning.keras import topology
from model_pruning.keras.backend import keras
from model_pruning.util.types import Layer
from model_pruning.util.types import Model

layers = keras.layers


class PruningPolicy(abc.ABC):
  """Decides which layers prune_low_magnitude prunes.

      class OnlyTheHead(PruningPolicy):
        def allow_pruning(self, layer):
          return layer.name.startswith('head')

        def ensure_model_supports_pruning(self, model):
          pass
  """

  @abc.abstractmethod
  def allow_pruning(self, layer: Layer) -> bool:
    """Whether a layer is to be pruned; the others, with all layers in them, stay as they are.

    It is called for layers in layers of your own and in subclassed models as well, and for these
    before the layers in them.
    """

  @abc.abstractmethod
  def ensure_model_supports_pruning(self, model: Model) -> None:
    """Checks a model before anything is pruned.

    Raises:
      ValueError: the policy does not support the model.
    """


class SkipUnknown(PruningPolicy):
  """Prunes the layers whose prunable weights are known, and leaves the others as they are.

  Without it, an unknown layer is an error. This module has an instance, `skip_unknown`.
  """

  def allow_pruning(self, layer: Layer) -> bool:
    """Whether the layer and all its sublayers are known."""
    return prunable.is_known(layer)

  def ensure_model_supports_pruning(self, model: Model) -> None:
    """Accepts every model."""


skip_unknown = SkipUnknown()


def refused_in(policy: PruningPolicy, layer: Layer) -> Set[int]:
  """Returns the id()s of the layers that a policy refuses, among a layer and its sublayers.

  Args:
    policy: the policy; one of tfmot will do.
    layer: a layer, or a model that is not made of inputs and outputs.
  """
  if isinstance(policy, SkipUnknown):
    unknown = prunable.unknown_in(layer)
    # The matrices of a subclassed model are its own; its layers are others.
    return {id(each) for found in unknown for each in (
        [found] if isinstance(found, keras.Model) else backend.layers_in(found))}
  refused: Set[int] = set()
  waiting, seen = collections.deque([layer]), set()
  while waiting:
    each = waiting.popleft()
    if id(each) in seen:
      continue
    seen.add(id(each))
    if not backend.is_functional(each) and not isinstance(each, prunable.Pruned) and (
        not policy.allow_pruning(each)):
      refused.update(map(id, backend.layers_in(each)))
    # The sublayers of Keras's own layers, as the cell of an LSTM, are no layers to users.
    elif not all(backend.is_keras_own(backend.plain_class(inner))
                 for inner in backend.layers_in(each)):
      waiting.extend(backend.layers_of(each))
  return refused

# The operations that XNNPACK runs on sparse inputs: names of activations, of operations of Keras 3
# and of functions of TensorFlow, in lower case and without underscores.
_ELEMENTWISE = frozenset((
    'add', 'elu', 'hardsigmoid', 'hardsilu', 'hardswish', 'identity', 'leakyrelu', 'linear',
    'multiply', 'relu', 'relu6', 'sigmoid', 'subtract'))

# The layers that Keras has for them; which ones exist depends on the version.
_PLAIN_LAYERS = tuple(getattr(layers, name) for name in (
    'Add', 'Dropout', 'ELU', 'Identity', 'LeakyReLU', 'Multiply', 'ReLU', 'Subtract',
    'ZeroPadding2D') if hasattr(layers, name))


class PruneForLatencyOnXNNPack(PruningPolicy):
  """Prunes the 1x1 convolutions of models that XNNPACK, and so TFLite, can run faster.

  XNNPACK uses sparse kernels only between a certain first convolution and a global
  pooling, and only if it can run all layers between them in its own layout. On every
  path of the model

  - from an input: there is a first convolution (Conv2D, 3x3, of 3 channels, strides 2,
    padding 'valid') right after a ZeroPadding2D of 1 on each side;
  - to an output: there is a GlobalAveragePooling2D;
  - between the two: there are only 1x1 convolutions without strides, dilation or groups;
    depthwise ones, 3x3 or 5x5, without dilation or depth multiplier, with padding 'same'
    and strides 1, or 'valid' and strides 1 or 2 after a ZeroPadding2D that keeps the
    borders (1 or 2 on each side); BatchNormalization of the last axis; sums, differences
    and products; ReLU, LeakyReLU, ELU, sigmoid and hard_silu; Dropout; ZeroPadding2D;
    bilinear UpSampling2D; GlobalAveragePooling2D that keeps the dimensions.

  XNNPACK treats a kernel as sparse if at least two thirds of it are zeros.

  References:
    Elsen et al., Fast Sparse ConvNets, https://arxiv.org/abs/1911.09723
    README of TFLite's XNNPACK delegate, section on sparse inference.
  """

  def allow_pruning(self, layer: Layer) -> bool:
    """Whether the layer is a Conv2D with a 1x1 kernel."""
    return _is_convolution(layer) and tuple(layer.kernel_size) == (1, 1)

  def ensure_model_supports_pruning(self, model: Model) -> None:
    """Checks that XNNPACK can make use of the zeros.

    Raises:
      errors.PolicyError: it cannot; the message names the layers that prevent it, and why.
    """
    name = str(getattr(model, 'name', model))
    if not backend.is_functional(model):
      raise errors.PolicyError(
          'model %s is a %s, whose layers cannot be followed from its inputs to its outputs; %s '
          'needs a Sequential model, or one made of inputs and outputs' %
          (name, type(model).__name__, type(self).__name__))
    calls = topology.calls_of(model)
    if calls is None:
      raise errors.PolicyError(
          'model %s is not built, so its layers cannot be examined; give it the shape of its '
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
          'XNNPACK has no sparse inference for model %s, because of layers between its first '
          'convolution, %s, and its global pooling, %s:\n  %s\n'
          'Change these, or prune without %s' % (
              name, ' and '.join(start.layer.name for start in starts),
              ' and '.join(end.layer.name for end in ends), '\n  '.join(dict.fromkeys(faults)),
              type(self).__name__))


def _starts(calls: List[topology.Call], model_name: str) -> List[topology.Call]:
  """Returns the first convolutions; every path from an input must reach one."""
  starts, refused = [], []
  reached = [call for call in calls if not call.producers]
  for call in reached:  # The loop extends the list.
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
  for call in reached:  # The loop extends the list.
    if isinstance(call.layer, layers.GlobalAveragePooling2D):
      ends.append(call)
      continue
    if not call.producers:
      raise errors.PolicyError(
          'XNNPACK has no sparse inference for model %s: there is a path from its input %s to an '
          'output without a global pooling; put a GlobalAveragePooling2D before the layers that '
          'end it' % (model_name, call.layer.name))
    reached.extend(each for each in call.producers if each not in reached)
  return sorted(ends, key=calls.index)


def _between(calls: List[topology.Call], starts: List[topology.Call],
             ends: List[topology.Call]) -> List[topology.Call]:
  """Returns the calls after the starts and before the ends, in order."""
  reached = [each for start in starts for each in start.consumers if each not in ends]
  for call in reached:  # The loop extends the list.
    reached.extend(each for each in call.consumers if each not in reached and each not in ends)
  return sorted(dict.fromkeys(reached), key=calls.index)


def _is_convolution(layer: Layer) -> bool:
  # In Keras 2, transposed and depthwise convolutions are, or were, subclasses of Conv2D.
  return isinstance(layer, layers.Conv2D) and not isinstance(
      layer, (layers.Conv2DTranspose, layers.DepthwiseConv2D))


def _start_fault(call: topology.Call) -> Optional[str]:
  """Returns why a call is not a first convolution: '' for no convolution, None if it is one."""
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
    return 'its input does not come from a ZeroPadding2D(1) alone'
  return None


def _around(border: int) -> Tuple[Tuple[int, int], Tuple[int, int]]:
  return ((border, border), (border, border))


def _zeros_before(call: topology.Call) -> Optional[Tuple[Any, ...]]:
  """Returns ((top, bottom), (left, right)) of the ZeroPadding2D that feeds a call, or None."""
  if len(call.producers) != 1 or not isinstance(call.producers[0].layer, layers.ZeroPadding2D):
    return None
  return tuple(tuple(side) for side in call.producers[0].layer.padding)


def _fault(call: topology.Call) -> str:
  """Returns why XNNPACK cannot run a call on sparse inputs, and how to fix it; '' if it can."""
  layer = call.layer
  if isinstance(layer, layers.DepthwiseConv2D):
    return _depthwise_fault(call)
  if _is_convolution(layer):
    if tuple(layer.kernel_size) != (1, 1):
      return ('a convolution here must be 1x1, but this one is %dx%d; make it a depthwise one and '
              'a 1x1' % tuple(layer.kernel_size))
    if tuple(layer.strides) != (1, 1) or tuple(layer.dilation_rate) != (1, 1) or layer.groups != 1:
      return ('a 1x1 convolution here must have strides 1, dilation 1 and one group, but this one '
              'has %s, %s and %d' % (tuple(layer.strides), tuple(layer.dilation_rate),
                                     layer.groups))
    return ''
  if isinstance(layer, layers.BatchNormalization):
    axes = list(layer.axis) if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    return '' if axes in ([3], [-1]) else 'it must normalize the last axis, not %s' % axes
  if isinstance(layer, layers.GlobalAveragePooling2D):
    return '' if layer.keepdims else 'here it must have keepdims=True'
  if isinstance(layer, layers.UpSampling2D):
    return ('' if layer.interpolation == 'bilinear' else
            'its interpolation must be \'bilinear\', not %r' % layer.interpolation)
  if isinstance(layer, layers.Activation):
    name = getattr(layer.activation, '__name__', type(layer.activation).__name__)
    return '' if _is_elementwise(name) else (
        'XNNPACK does not have the activation %s; it has relu, relu6, leaky_relu, elu, sigmoid and '
        'hard_silu' % name)
  if isinstance(layer, _PLAIN_LAYERS):
    return ''
  # The rest are no layers of their own: a function of TensorFlow that Keras 2 wraps in a layer, or
  # an operation of Keras 3.
  symbol = getattr(layer, 'symbol', None)
  if type(layer).__name__ == 'TFOpLambda' and isinstance(symbol, str):
    return '' if _is_elementwise(symbol.split('.')[-1]) else (
        'XNNPACK has no sparse form of tf.%s' % symbol)
  if not isinstance(layer, layers.Layer) and _is_elementwise(type(layer).__name__):
    return ''
  return 'XNNPACK has no sparse form of %s' % type(layer).__name__


def _depthwise_fault(call: topology.Call) -> str:
  layer = call.layer
  size, strides = tuple(layer.kernel_size), tuple(layer.strides)
  if size not in ((3, 3), (5, 5)):
    return 'a depthwise convolution here must be 3x3 or 5x5, but this one is %dx%d' % size
  if layer.depth_multiplier != 1 or tuple(layer.dilation_rate) != (1, 1):
    return ('a depthwise convolution here must have depth_multiplier 1 and dilation 1, but this '
            'one has %d and %s' % (layer.depth_multiplier, tuple(layer.dilation_rate)))
  border = size[0] // 2
  if layer.padding.lower() == 'same':
    return '' if strides == (1, 1) else (
        'with strides %s its padding must not be \'same\'; put a ZeroPadding2D(%d) before it and '
        'make its own \'valid\'' % (strides, border))
  if strides not in ((1, 1), (2, 2)):
    return 'its strides must be 1 or 2, not %s' % (strides,)
  return '' if _zeros_before(call) == _around(border) else (
      'with padding \'valid\' it must come right after a ZeroPadding2D(%d)' % border)


def _is_elementwise(name: str) -> bool:
  return name.replace('_', '').lower() in _ELEMENTWISE
