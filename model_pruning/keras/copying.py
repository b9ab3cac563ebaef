# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Copies models layer by layer, from their configs, with their weights.

A config may lack parts of a layer. exactness.py checks afterwards whether a copy is the same
model.
"""

import inspect
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.keras import attributes
from model_pruning.keras import backend
from model_pruning.keras import states
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import prune_alike
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.pruned import PruneLowMagnitude
from model_pruning.keras.pruned import refused_places
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Variable


class Changes:
  """How a copy differs from the original: not at all."""

  def arguments(self, layer: Layer) -> Dict[str, Any]:
    """Returns the constructor arguments of a layer that override its config."""
    del layer
    return {}

  def value(self, weight: Variable) -> Any:
    """Returns the value of the copy of a weight."""
    return tf.convert_to_tensor(weight)

  def inputs(self, model: Model) -> Any:
    """Returns the inputs of the copy of a functional model; None if Keras makes them."""
    return backend.inputs_like(model)


class Copy:
  """A copy of a layer or model, with the same layers pruned; the original does not change.

  Functional and Sequential models, nested ones included, are copied layer by layer. Any
  other layer or model is recreated from its config. Preprocessing layers and functions (Lambda) are
  shared with the original, as they have nothing to train.

  Attributes:
    layer: the copy.
    pairs: (original, copy) of all layers and models that were copied.
  """

  def __init__(self, layer: Layer, arguments: Optional[Dict[str, Any]] = None,
               changes: Optional[Changes] = None) -> None:
    """Copies a layer or model, with its weights if it is built.

    Args:
      layer: the layer or model to copy.
      arguments: for a single layer, constructor arguments that override its config.
      changes: how the layers of a functional or Sequential model differ from the originals.

    Raises:
      errors.CloneError: it cannot be recreated from its config.
    """
    self._root, self._arguments = layer, arguments or {}
    self._changes = changes or Changes()
    self._made: Dict[int, Tuple[Any, Any]] = {}
    self._by_config: Set[int] = set()  # The functional models whose layers are no pairs.
    self.layer = self._copy(layer)
    if layer.built and not self.layer.built:
      _build_like(layer, self.layer)
    for source, target in self.all_pairs():
      _copy_state(source, target)
    if 'name' in self._arguments:
      backend.rename(self.layer, self._arguments['name'])
    for source, target in self.pairs:
      _copy_frozen(source, target)  # First, as the order of weights depends on it.
      if not self._has_pairs(source):
        _copy_weights(source, target, self._changes)

  def all_pairs(self) -> Iterator[Tuple[Any, Any]]:
    """Yields (original, copy) of each layer, sublayers included and shared layers excluded."""
    for source, target in self.pairs:
      if source is not target and self._has_pairs(source):
        yield source, target
      elif source is not target:
        yield from zip(backend.layers_in(source), backend.layers_in(target))

  def _has_pairs(self, source: Layer) -> bool:
    """Whether the layers of a layer are pairs of their own."""
    return backend.is_functional(source) and id(source) not in self._by_config

  @property
  def pairs(self) -> List[Tuple[Any, Any]]:
    return list(self._made.values())

  def _copy(self, layer: Layer) -> Any:
    if not backend.is_layer(layer):
      return layer  # An operation of Keras 3, for example a slice of a tensor; it has no state.
    if id(layer) not in self._made:
      copy = None
      if backend.is_functional(layer):
        before = dict(self._made)
        copy = self._copy_functional(layer)
        if copy is None:
          self._made = before
          self._by_config.add(id(layer))
      if copy is None:
        copy = self._copy_layer(layer)
      self._made[id(layer)] = (layer, copy)
    return self._made[id(layer)][1]

  def _copy_layer(self, layer: Layer) -> Any:
    if hasattr(layer, 'adapt'):
      return layer  # Its config does not contain all of its state.
    if isinstance(layer, keras.layers.Lambda) and not layer.weights:
      return layer  # It has no state, and a copy of its function would lack the names it uses.
    if not layer.built and any(map(variables.own_trainable_variables, backend.layers_in(layer))):
      raise errors.CloneError('Layer %s (%s) is not built, but layers in it are: a copy would '
                              'start with other weights' % (layer.name, type(layer).__name__))
    is_pruned = isinstance(layer, PruneLowMagnitude)
    plain_class = layer.plain_class if is_pruned else type(layer)
    try:
      with keras.utils.custom_object_scope(backend.functions_of(layer)):
        config = _with_arguments(plain_class.get_config(layer), {
            **(self._arguments if layer is self._root else {}), **self._changes.arguments(layer)})
        if backend.is_distributed_in_time(layer):
          config['layer'] = self._copy(layer.layer)
          copy = plain_class(**config)
        else:
          copy = plain_class.from_config(config)
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
      raise errors.CloneError('Layer %s (%s) cannot be recreated from its config (%s)' % (
          layer.name, plain_class.__name__, backend.reason(error))) from error
    own = set(map(id, backend.layers_in(layer)))
    shared = [each for each in backend.layers_in(copy) if id(each) in own]
    if shared:
      raise errors.CloneError('The config of layer %s (%s) contains layer %s itself, which a copy '
                              'would share' % (layer.name, plain_class.__name__, shared[0].name))
    if getattr(layer, '_input_shape_arg', None) and '_input_shape_arg' not in vars(copy):
      copy._input_shape_arg = layer._input_shape_arg  # Keras 3 does not put it into the config.
    if 'name' not in self._arguments:
      for source, target in zip(backend.layers_in(layer), backend.layers_in(copy)):
        _copy_state(source, target)  # Before building, as the names of weights derive from it.
    if not is_pruned:
      return copy
    return prune_alike(copy, layer.pruning.settings, refused_places(layer))

  def _copy_functional(self, model: Model) -> Any:
    """Returns a copy of a functional model; None if its class must be recreated by its config."""
    try:
      with backend.uncompiled(model):
        copy = keras.models.clone_model(model, input_tensors=self._changes.inputs(model),
                                        clone_function=self._copy)
    except errors.PruningError:
      raise
    except Exception as error:  # The layers' own code is called with symbolic inputs.
      raise errors.CloneError('Model %s cannot be rebuilt from copies of its layers (%s)' % (
          model.name, backend.reason(error))) from error
    own = None if isinstance(model, keras.Sequential) else _own_arguments(model)
    if type(copy) is type(model) and not own:
      return copy
    if own is None:
      return None
    try:  # A functional model of a user's class, for example with its own train_step.
      return type(model)(inputs=copy.input, outputs=copy.output, name=model.name, **own)
    except Exception:  # By its own constructor.
      return None


def _with_arguments(config: Dict[str, Any], arguments: Dict[str, Any]) -> Dict[str, Any]:
  if 'input_shape' in arguments:  # Keras 2 has another key for it, which would take precedence.
    config = {key: value for key, value in config.items()
              if key not in ('batch_input_shape', 'input_length')}
  return {**config, **arguments}


# The arguments that Keras passes to the constructor of a functional model.
_FUNCTIONAL_ARGUMENTS = ('self', 'inputs', 'outputs', 'name', 'trainable', 'dtype')


def _own_arguments(model: Model) -> Optional[Dict[str, Any]]:
  """Returns a model's other constructor arguments, beside inputs and outputs; None if unknown.

  They are taken from its config, or from attributes of the same names.
  """
  if backend.is_keras_own(type(model)):
    return {}
  config, found = model.get_config(), {}
  for name, parameter in inspect.signature(type(model).__init__).parameters.items():
    if name in _FUNCTIONAL_ARGUMENTS or parameter.kind in (
        parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
      continue
    if name in config:
      found[name] = config[name]
    elif name in vars(model):
      found[name] = vars(model)[name]
    elif parameter.default is parameter.empty:
      return None
  return found


def _build_like(layer: Layer, copy: Layer) -> None:
  """Builds a copy with the shapes that the layer was built with."""
  config = backend.build_config(layer)
  if config:
    try:
      backend.build_from_config(copy, config)
    except Exception as error:  # Raised by the layer's own code.
      raise errors.CloneError('%s (%s) cannot be built with the shapes of its inputs alone (%s)' % (
          layer.name, type(layer).__name__, backend.reason(error))) from error
    backend.note_build_config(copy, config)
  if len(plain_weights(copy)) != len(plain_weights(layer)):
    raise errors.CloneError(
        '%s (%s) has %d weights, but a copy built from its config has %d' % (
            layer.name, type(layer).__name__, len(plain_weights(layer)),
            len(plain_weights(copy))))


def plain_weights(layer: Layer) -> List[Variable]:
  """Returns the weights of a layer without those that pruning added, in their order."""
  added = {id(variable) for pruned in pruned_layers(layer)
           for variable in pruned.pruning.variables().values()}
  return [weight for weight in layer.weights if id(weight) not in added]


def _copy_state(source: Any, target: Any) -> None:
  """Copies the name, which some configs lack, and plain attributes."""
  if source is target or backend.plain_class(source) is not backend.plain_class(target):
    return
  if source.name != target.name:
    backend.rename(target, source.name)
  attributes.carry_over(source, target)


def _copy_frozen(source: Any, target: Any) -> None:
  """Copies which layers are frozen."""
  if source is target:
    return
  for each, other in zip(backend.layers_in(source), backend.layers_in(target)):
    if each.trainable != other.trainable:
      other.trainable = each.trainable


def _copy_weights(source: Any, target: Any, changes: Changes) -> None:
  """Copies weights, masks and steps."""
  if source is target or not source.built:
    return
  values = [changes.value(weight) for weight in source.weights]
  shapes = [[tuple(value.shape) for value in values],
            [tuple(weight.shape) for weight in target.weights]]
  if shapes[0] != shapes[1]:
    raise errors.CloneError('Layer %s (%s) has weights of the shapes %s, but a copy made from its '
                            'config has %s' % (source.name, type(source).__name__, *shapes))
  for weight, value, copy in zip(source.weights, values, target.weights):
    copy.assign(value)
    if variables.is_variable(weight):
      variables.rename_like(copy, weight)
  for found in (states.recurrent_states, states.random_states):
    for state, copy in zip(*map(found, (source, target))):
      copy.assign(tf.convert_to_tensor(state))
