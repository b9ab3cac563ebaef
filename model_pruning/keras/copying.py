# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Copies of models, layer by layer, with other layers in the place of some."""

import inspect
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.keras.backend import keras
from model_pruning.keras.pruned import masked
from model_pruning.keras.pruned import pruned_layers


class Copy:
  """A copy of a layer or model; the original is left as it is.

  Models made of inputs and outputs, and Sequential ones, are copied layer by layer,
  models in them too; a layer or model of any other kind is made anew by `convert`.

  Args:
    convert: takes a layer or model, and returns a new one with the same config that
      is not built, with the same weights in the same order but for those of pruning.
  """

  def __init__(self, convert: Callable[[Any], Any]) -> None:
    self._convert = convert
    self._made: Dict[int, Tuple[Any, Any]] = {}

  def of(self, layer: Any) -> Any:
    """Returns the copy of a layer or model, with its weights if it has them already."""
    copy = self._copy(layer)
    if layer.built and not copy.built:
      _build_like(layer, copy)
    for source, target in list(self._made.values()):
      _copy_weights(source, target)
    return copy

  def _copy(self, layer: Any) -> Any:
    if not backend.is_layer(layer):
      return layer  # An operation of Keras 3, such as a slice of a tensor; it has no state.
    if id(layer) not in self._made:
      copy = None
      if backend.is_functional(layer):
        copy = self._copy_functional(layer)
      if copy is None:
        copy = self._copy_layer(layer)
      self._made[id(layer)] = (layer, copy)
    return self._made[id(layer)][1]

  def _copy_layer(self, layer: Any) -> Any:
    if hasattr(layer, 'adapt'):
      return layer  # Preprocessing: its state is not trained, and not all in its config.
    try:
      with keras.utils.custom_object_scope(backend.functions_of(layer)):
        return self._convert(layer)
    except errors.PruningError:
      raise
    except (NotImplementedError, TypeError, ValueError) as error:
      if isinstance(layer, keras.layers.Lambda) and not layer.weights:
        return layer  # It has no state, and functions without a name cannot be copied.
      raise errors.CloneError(
          'Layer %s (%s) cannot be made anew from its config, which pruning and stripping do to '
          'leave your model as it is; give the class a get_config() that returns the arguments of '
          'its constructor, which Keras does not note of every class, and give functions of your '
          'own a name (no lambda) under keras.saving.register_keras_serializable() (%s)' % (
              layer.name, type(layer).__name__, ' '.join(str(error).split()))) from error

  def _copy_functional(self, model: Any) -> Any:
    """Returns the copy of a model made of layers; None if its class has to be made by config."""
    with backend.uncompiled(model):
      copy = keras.models.clone_model(model, input_tensors=backend.inputs_like(model),
                                      clone_function=self._copy)
    own = None if isinstance(model, keras.Sequential) else _own_arguments(model)
    if type(copy) is type(model) and not own:
      return copy
    if own is None:
      return None
    try:  # A class with a train_step of its own, made of inputs and outputs.
      return type(model)(inputs=copy.input, outputs=copy.output, name=model.name, **own)
    except TypeError:
      return None


# What Keras gives the constructor of a model made of inputs and outputs.
_FUNCTIONAL_ARGUMENTS = ('self', 'inputs', 'outputs', 'name', 'trainable', 'dtype')


def _own_arguments(model: Any) -> Optional[Dict[str, Any]]:
  """Returns what a model's constructor takes beside inputs and outputs; None if nobody knows.

  From its config, or from attributes of the same names.
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


def _build_like(layer: Any, copy: Any) -> None:
  """Builds a copy with the shapes that the layer was built with."""
  config = layer.get_build_config()
  if config:
    copy.build_from_config(config)
    backend.note_build_config(copy, config)
  if len(plain_weights(copy)) != len(plain_weights(layer)):
    raise errors.CloneError(
        '%s (%s) has weights, and its copy cannot be built to hold them: prune it before it is '
        'called first, or give the class a build() that makes all its weights' % (
            layer.name, type(layer).__name__))


def plain_weights(layer: Any) -> List[Any]:
  """Returns the weights of a layer less those that pruning has added, in their order."""
  added = {id(variable) for pruned in pruned_layers(layer)
           for variable in pruned.pruning.variables().values()}
  return [weight for weight in layer.weights if id(weight) not in added]


def _copy_weights(source: Any, target: Any) -> None:
  """Copies weights, and what is frozen; those of a pruned source with zeros where its masks are.

  From one pruned layer to another all is copied, masks and steps too.
  """
  if source is target:
    return
  for each, other in zip(backend.layers_in(source), backend.layers_in(target)):
    if each.trainable != other.trainable:
      other.trainable = each.trainable
  if backend.is_functional(source) or not source.built:
    return  # Its layers were copied one by one.
  masks = {id(weight.weight): weight.mask
           for pruned in pruned_layers(source) for weight in pruned.pruning.weights}
  both_pruned = pruned_layers(source) and pruned_layers(target)
  weights = [list(each.weights) if both_pruned else plain_weights(each)
             for each in (source, target)]
  shapes = [[tuple(weight.shape) for weight in each] for each in weights]
  if shapes[0] != shapes[1]:
    raise errors.CloneError('Layer %s (%s) has weights of the shapes %s, and its copy %s; does its '
                            'constructor or build() go by something else than its get_config()?' % (
                                source.name, type(source).__name__, *shapes))
  for weight, copy in zip(*weights):
    mask = masks.get(id(weight))
    value = tf.convert_to_tensor(weight) if mask is None else masked(weight, mask)
    copy.assign(np.asarray(value) if value.dtype != tf.string else value)
