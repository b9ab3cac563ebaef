# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which weights of which layers are pruned.

Kernels and embeddings are pruned. Biases, norms and depthwise kernels are not: they hold few
weights, and pruning them costs much accuracy. Layers that consist of layers (recurrent layers
and their cells, attention, Bidirectional, custom blocks) are pruned through their sublayers. A
subclass is pruned like its base class.
"""

import abc
from typing import AbstractSet, Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from model_pruning import errors
from model_pruning.keras import backend
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.util.types import Layer
from model_pruning.util.types import Variable

# The id()s of layers that a policy refuses, of those in a layer.
Refused = AbstractSet[int]

_KERNEL, _RECURRENT = ('kernel',), ('kernel', 'recurrent_kernel')

# By the names of Keras's classes; which ones exist, and are exported, depends on the version.
_KERAS_LAYERS: Dict[str, Tuple[str, ...]] = {
    'Conv1D': _KERNEL, 'Conv2D': _KERNEL, 'Conv3D': _KERNEL, 'Conv1DTranspose': _KERNEL,
    'Conv2DTranspose': _KERNEL, 'Conv3DTranspose': _KERNEL, 'Dense': _KERNEL,
    'DepthwiseConv1D': (), 'DepthwiseConv2D': (), 'EinsumDense': _KERNEL,
    'Embedding': ('embeddings',), 'GRUCell': _RECURRENT, 'LSTMCell': _RECURRENT,
    'ReversibleEmbedding': ('embeddings', 'reverse_embeddings'),  # The second one if they differ.
    'LocallyConnected1D': _KERNEL, 'LocallyConnected2D': _KERNEL,
    'SeparableConv1D': ('pointwise_kernel',), 'SeparableConv2D': ('pointwise_kernel',),
    'SimpleRNNCell': _RECURRENT, 'ConvLSTMCell': _RECURRENT, 'ConvLSTM2DCell': _RECURRENT}

_registered: Dict[type, Tuple[str, ...]] = {}

# Only their build() creates sublayers; before that, nothing shows that there will be any.
_MAKE_LAYERS_WHEN_BUILT = (keras.Model, *(
    getattr(keras.layers, name) for name in ('GroupQueryAttention', 'MultiHeadAttention')
    if hasattr(keras.layers, name)))


class PrunableLayer(abc.ABC):
  """Mixin for custom layers that declare which of their weights to prune.

      class Scaled(keras.layers.Layer, PrunableLayer):
        def get_prunable_weights(self):
          return [self.kernel]

  A layer with this method counts as one even without the mixin.
  """

  @abc.abstractmethod
  def get_prunable_weights(self) -> List[Variable]:
    """Returns the variables to prune; called once the layer is built."""


def register_prunable_layer(layer_class: type, weight_names: Sequence[str]) -> None:
  """Prunes the layers of a class and of its subclasses.

  Args:
    layer_class: a subclass of keras.layers.Layer.
    weight_names: the attributes that hold the variables to prune; empty for a class
      that stays unpruned.

  Raises:
    errors.LayerError: layer_class is not a class of layers, or weight_names is a string.
  """
  if not (isinstance(layer_class, type) and issubclass(layer_class, keras.layers.Layer)):
    raise errors.LayerError('register_prunable_layer takes a subclass of keras.layers.Layer of '
                            'Keras %d, which TensorFlow uses here, not %r' % (
                                3 if backend.IS_KERAS_3 else 2, layer_class))
  if isinstance(weight_names, str):
    raise errors.LayerError('weight_names is %r; it must be a list of attributes: [%r]' %
                            (weight_names, weight_names))
  _registered[layer_class] = tuple(weight_names)


class Pruned:
  """Base of all pruned layers (see pruned.py). A layer around one does not prune its weights."""


class Found(NamedTuple):
  """A variable to prune, and the layer that owns it directly."""
  layer: Layer
  variable: Variable


def refuse_none(layer: Layer) -> Refused:
  """Returns the empty set: without a policy, no layer is refused."""
  del layer
  return frozenset()


def is_prunable_layer(layer: Layer) -> bool:
  """Whether a layer itself declares which of its weights to prune."""
  return callable(getattr(layer, 'get_prunable_weights', None))


def is_known(layer: Layer) -> bool:
  """Whether the weights to prune of a layer and all its sublayers are known."""
  return not unknown_in(layer)


def unknown_in(layer: Layer, refused: Refused = frozenset()) -> List[Layer]:
  """Returns the layers, among a layer and its sublayers, whose weights to prune are unknown.

  These are custom layers that own weights of rank 2 or more or, before they are built, have a
  build() that may make some. The ones that are refused are left out.
  """
  return [each for each in _deciding(layer, refused)
          if not is_prunable_layer(each) and _names(type(each)) is None
          and not backend.is_keras_own(_foreign(type(each))) and _may_have_matrices(each)]


def unknown_layer(unknown: Sequence[Any], whole: Layer) -> errors.LayerError:
  """Returns the error for layers whose weights to prune are unknown; `whole` contains the first."""
  first = unknown[0]
  others = sorted({type(each).__name__ for each in unknown} - {type(first).__name__})
  return errors.LayerError(
      'Layer %s (%s)%s has weights, but it is unknown which of them to prune. Either give the '
      'class a method get_prunable_weights() that returns them (see PrunableLayer), or register it '
      'by register_prunable_layer(%s, [names of the weights]), or skip it by a policy: '
      'pruning_policy=skip_unknown, or your own PruningPolicy%s' % (
          first.name, type(first).__name__,
          '' if first is whole else ' in %s' % whole.name, type(first).__name__,
          '. The same holds for layers of: ' + ', '.join(others) if others else ''))


def check_lora(layer: Layer, refused: Refused = frozenset()) -> None:
  """Raises errors.LayerError if a layer, or one of its sublayers, that is pruned has LoRA."""
  for each in _deciding(layer, refused):
    if getattr(each, 'lora_enabled', False):
      raise errors.LayerError(
          'Layer %s has LoRA: its kernel is a weight plus a product of two others, which would '
          'fill the zeros of a mask. Train with LoRA before pruning, or after strip_pruning: '
          'save_weights() merges the two; load the file into the same model without LoRA. Or '
          'leave the layer out with a pruning_policy' % each.name)


def may_be_pruned(layer: Layer, refused: Refused = frozenset()) -> bool:
  """Whether a layer has weights to prune, or may have some once it is built."""
  return any(is_prunable_layer(each) or _names(type(each)) or (
      not each.built and isinstance(each, _MAKE_LAYERS_WHEN_BUILT))
             for each in _deciding(layer, refused))


def prunable_weights(layer: Layer, refused: Refused = frozenset()) -> List[Found]:
  """Returns the variables to prune of a layer that is built, including its sublayers.

  Args:
    layer: the layer.
    refused: what is left out.

  Raises:
    errors.LayerError: get_prunable_weights returns something other than variables.
  """
  found: Dict[int, Found] = {}
  for each in _deciding(layer, refused):
    for variable in _of(each):
      found.setdefault(id(variable), Found(each, variable))
  return list(found.values())


def _deciding(layer: Layer, refused: Refused) -> List[Any]:
  """Returns the layers, among a layer and its sublayers, that decide which weights to prune.

  Excludes sublayers of a layer that decides for them, sublayers that are pruned already, and those
  that are refused.
  """
  if is_prunable_layer(layer):
    return [layer] if id(layer) not in refused else []
  answered: Set[int] = set()
  for each in backend.layers_in(layer):
    if isinstance(each, Pruned) and each is not layer:
      answered.update(map(id, backend.layers_in(each)))
    elif is_prunable_layer(each):
      answered.update(map(id, backend.layers_in(each)[1:]))
  return [each for each in backend.layers_in(layer) if id(each) not in answered | refused]


def _of(layer: Layer) -> List[Any]:
  if is_prunable_layer(layer):
    weights = layer.get_prunable_weights()
    for weight in weights:
      if not variables.is_variable(weight):
        raise errors.LayerError(
            'get_prunable_weights() of layer %s (%s) returns %r, which is no variable; it must '
            'return a list of weights of the layer' % (layer.name, type(layer).__name__, weight))
    return list(weights)
  found = []
  for name in _names(type(layer)) or ():
    value = getattr(layer, name, None)
    variables.check_whole(layer.name, name, value)
    variable = value if variables.is_variable(value) else getattr(
        layer, '_' + name, None)  # With LoRA, the name is a property.
    if variables.is_variable(variable):
      found.append(variable)
    elif layer.built and _registered_for(layer) and (value is not None or
                                                     not hasattr(layer, name)):
      raise errors.LayerError(
          'register_prunable_layer(%s, %r) was called, but %s of layer %s is %s; its variables: %s'
          % (type(layer).__name__, list(_names(type(layer)) or ()), name, layer.name,
             'no attribute' if value is None else errors.shortened(repr(value), 60),
             ', '.join(sorted(key for key, value in vars(layer).items()
                              if variables.is_variable(value))) or 'none'))
  return found


def _registered_for(layer: Layer) -> bool:
  """Whether register_prunable_layer was called for the class of a layer, or one of its bases."""
  return any(base in _registered for base in type(layer).__mro__)


def _names(layer_class: type) -> Optional[Tuple[str, ...]]:
  """Returns the names of a class's weights to prune; None for an unknown class."""
  for base in layer_class.__mro__:
    if base in _registered:
      return _registered[base]
    if base.__name__ in _KERAS_LAYERS and backend.is_keras_own(base):
      return _KERAS_LAYERS[base.__name__]
  return None


def _foreign(layer_class: type) -> type:
  """Returns the class as its author wrote it, without the class that pruning derives from it."""
  return next(base for base in layer_class.__mro__
              if not base.__module__.startswith('model_pruning.'))


def _may_have_matrices(layer: Layer) -> bool:
  if any(len(variable.shape) >= 2 for variable in variables.own_trainable_variables(layer)):
    return True
  if layer.built or isinstance(layer, keras.Model):
    return False  # It consists of layers; anything else it makes shows once it is built.
  # If the build() is one of Keras, as in a subclass of MultiHeadAttention, so are the weights.
  builder = next(base for base in type(layer).__mro__ if 'build' in vars(base)
                 and not base.__module__.startswith('model_pruning.'))
  return not backend.is_keras_own(builder) and not backend.layers_in(layer)[1:]
