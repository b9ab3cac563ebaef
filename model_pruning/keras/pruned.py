# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruned layers: turns any layer into a pruned one in place, and back.

Pruning replaces a layer's class with a class derived from it and PruneLowMagnitude. The layer is
called, named, frozen and compiled as before, has the same attributes and weights, and the weights
of pruning after its own. Nothing else changes, so a layer can be pruned wherever it is: in a
list, in a cell, or shared by two models.
"""

import contextlib
import functools
import types
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.keras import prunable
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.masks import masked
from model_pruning.keras.masks import Pruning
from model_pruning.keras.plans import note_copied
from model_pruning.keras.settings import Settings
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Variable


class PruneLowMagnitude(prunable.Pruned):
  """Mixin of all pruned layers.

  Attributes:
    pruning: the layer's pruning state, a Pruning.
    plain_class: the class of the layer before it was pruned.
  """

  pruning: Any = None
  plain_class: type

  def get_config(self) -> Dict[str, Any]:
    """Returns the config of the unpruned layer, and how it is pruned."""
    plain = keras.layers.serialize(_as_plain(self))
    plain.pop('build_config', None)  # The pruned layer has its own.
    config = {'name': self.name, 'layer': plain,  # type: ignore[attr-defined]
              **self.pruning.settings.get_config()}
    dense = refused_places(self)
    return {**config, 'dense_sublayers': dense} if dense else config

  @classmethod
  def from_config(cls, config: Dict[str, Any], custom_objects: Any = None) -> Any:
    """Returns the pruned layer of a config; it is not built."""
    del cls  # The config of the inner layer determines the class.
    plain = keras.layers.deserialize(config['layer'], custom_objects)
    return prune_alike(plain, Settings.from_config(config, custom_objects),
                       config.get('dense_sublayers', ()))

  @property
  def weights(self) -> List[Variable]:
    """The weights of the unpruned layer, then the weights that pruning added."""
    return self._plain_first(super().weights)  # type: ignore[misc]

  @property
  def variables(self) -> List[Variable]:
    return self._plain_first(super().variables)  # type: ignore[misc]

  @property
  def non_trainable_weights(self) -> List[Variable]:
    return self._plain_first(super().non_trainable_weights)  # type: ignore[misc]

  @property
  def non_trainable_variables(self) -> List[Variable]:
    return self._plain_first(super().non_trainable_variables)  # type: ignore[misc]

  def _assert_weights_created(self) -> None:
    # Keras 2 refuses an unbuilt model if its class has a build(), as all classes made here do.
    if 'build' in vars(self.plain_class):
      super()._assert_weights_created()  # type: ignore[misc]

  def _plain_first(self, variables: List[Variable]) -> List[Any]:
    if self.pruning is None or not self.pruning.made:
      return variables
    added = {id(variable) for variable in self.pruning.variables().values()}
    return sorted(variables, key=lambda variable: id(variable) in added)

  def save_own_variables(self, store: Any) -> None:
    """Saves the variables of the unpruned layer and the variables that pruning added."""
    added = self.pruning.variables()
    with variables.without(self, list(added.values())):
      super().save_own_variables(store)  # type: ignore[misc]
    for name, variable in added.items():
      store[name] = np.asarray(variable.numpy())

  def load_own_variables(self, store: Any) -> None:
    """Loads the output of save_own_variables, or the file of a layer that was not pruned."""
    added = self.pruning.variables()
    with variables.without(self, list(added.values())):
      super().load_own_variables(  # type: ignore[misc]
          {name: store[name] for name in store.keys() if name not in added})
    for name, variable in added.items():
      if name in store.keys():
        variable.assign(store[name])

  def __reduce__(self) -> Any:
    """Makes Keras 3 pickle the saved file, as the classes made here cannot be imported by name."""
    reduced = super().__reduce__()
    if backend.IS_KERAS_3:
      return (self.plain_class._unpickle_model, *reduced[1:])  # type: ignore[attr-defined]
    return reduced

  def build_from_config(self, config: Any) -> None:
    if config and 'input_shape' in config:
      # JSON has lists instead of tuples; Keras 2's recurrent layers take a list for several shapes.
      config = {**config, 'input_shape': _as_shape(config['input_shape'])}
    # Keras 2 names the weights of a layer that is called by the layer, and here by nothing.
    with self.pruning.busy(), variables.named_by(self):
      if hasattr(self.plain_class, 'build_from_config'):
        super().build_from_config(config)  # type: ignore[misc]
      else:  # Before TensorFlow 2.12.
        self.build(config['input_shape'])  # type: ignore[attr-defined]
    # Keras 3 calls a model without build(), which makes its weights, but does not mark it as built.
    if backend.IS_KERAS_3 and self.weights:
      self.built = True
    backend.note_build_config(self, config)
    self._make_masks()

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    if self.pruning.trainable and backend.is_trained(self, kwargs.get('training')):
      self.pruning.check_attended()
    with self.pruning.busy():
      outputs = super().__call__(*args, **kwargs)  # type: ignore[misc]
    self._make_masks()  # Some layers make weights only when they are called.
    return outputs

  def _make_masks(self) -> None:
    # A layer may build itself while it is constructed, before its settings are known. A model may
    # be trained without ever being called, by a train_step() that calls its sublayers.
    if self.pruning is None or self.pruning.is_busy or not (
        self.built or isinstance(self, keras.Model)):
      return
    if self.pruning.made:  # Sublayers may be built later, when they are called.
      missing = self.pruning.is_late()
    else:
      missing = bool(prunable.prunable_weights(self, self.pruning.refuses(self)))
    if missing:
      with tf.init_scope():
        self.pruning.make()


def _as_shape(shape: Any) -> Any:
  if not isinstance(shape, (list, tuple)):
    return shape
  if all(dim is None or isinstance(dim, int) for dim in shape):
    return tuple(shape)
  return [_as_shape(each) for each in shape]


def _as_plain(layer: Layer) -> Any:
  """Returns an object of the layer's unpruned class, with the same attributes.

  It lives as long as the layer. While Keras 3 writes a file, it takes objects with one id() for
  one object, and the id() of a temporary object would soon be reused.
  """
  if layer.pruning.plain is None:
    layer.pruning.plain = object.__new__(layer.plain_class)
  object.__setattr__(layer.pruning.plain, '__dict__', layer.__dict__)
  return layer.pruning.plain


# Configs use this name for the class of any pruned layer; Keras finds it wherever it reads one.
_register = backend.register_as('model_pruning', 'PruneLowMagnitude')
_register(PruneLowMagnitude)

_classes: Dict[type, type] = {}


def pruned_class(plain_class: type) -> type:
  """Returns the class of pruned layers derived from plain_class."""
  if plain_class not in _classes:
    # The signature of this method tells Keras which shapes to build the layer with.
    @functools.wraps(plain_class.build)  # type: ignore[attr-defined]
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
      with self.pruning.busy() if self.pruning is not None else contextlib.nullcontext():
        plain_class.build(self, *args, **kwargs)  # type: ignore[attr-defined]
      self._make_masks()

    if issubclass(plain_class, keras.Model):
      # With this mark of Keras 2, the loader of SavedModels looks for masks before it builds it.
      vars(build).pop('_is_default', None)

    # Keras may mark get_config() as not overridden; it then records constructor arguments.
    @functools.wraps(plain_class.get_config)  # type: ignore[attr-defined]
    def get_config(self: Any) -> Dict[str, Any]:
      return PruneLowMagnitude.get_config(self)

    def enable_lora(self: Any, *args: Any, **kwargs: Any) -> None:
      raise errors.LayerError(
          'enable_lora() would add a product to the kernel of layer %s, and so fill the zeros of '
          'its mask; train it with LoRA before pruning, or after strip_pruning' % self.name)

    def fill(namespace: Dict[str, Any]) -> None:
      if hasattr(plain_class, 'enable_lora'):
        namespace['enable_lora'] = enable_lora
      namespace.update(build=build, get_config=get_config, plain_class=plain_class,
                       __module__=__name__, __doc__=plain_class.__doc__)

    # Weight files use the names of classes; equal names let dense files be loaded.
    made = types.new_class(plain_class.__name__, (PruneLowMagnitude, plain_class), exec_body=fill)
    _classes[plain_class] = made
    _register(made)
  return _classes[plain_class]


def _at(places: Sequence[int], layer: Layer) -> prunable.Refused:
  """Returns the id()s of the layers at some places among a layer and its sublayers."""
  layers = backend.layers_in(layer)
  return {id(layers[place]) for place in places if place < len(layers)}


def refused_places(layer: Layer) -> List[int]:
  """Returns the places, among a pruned layer and its sublayers, of those that a policy refuses."""
  refused = layer.pruning.refuses(layer)
  return [place for place, each in enumerate(backend.layers_in(layer)) if id(each) in refused]


def prune_here(layer: Layer, settings: Settings,
               refuses: Callable[[Layer], prunable.Refused] = prunable.refuse_none) -> Layer:
  """Turns a layer into a pruned one in place, and returns it.

  Its masks are made now if it is built, otherwise when it is built. A model is pruned as one layer.

  Args:
    layer: the layer.
    settings: how it is pruned.
    refuses: see Pruning.

  Raises:
    errors.LayerError, errors.WeightError: see Pruning.make; the layer is restored.
  """
  prunable.check_lora(layer, refuses(layer))
  pruning = Pruning(layer, settings, refuses)
  _put_on(layer, pruning)
  try:
    with variables.scope_of(layer), variables.named_by(layer):
      layer._make_masks()
  except Exception:
    take_off(layer)
    raise
  return layer


def prune_alike(layer: Layer, settings: Settings, refused: Sequence[int]) -> Layer:
  """Prunes a layer in place as another layer is pruned, of which it is a copy; see prune_here.

  Args:
    layer, settings: see prune_here.
    refused: see refused_places.
  """
  pruned = prune_here(layer, settings, functools.partial(_at, refused) if refused else
                      prunable.refuse_none)
  note_copied(pruned)
  return pruned


def strip_here(layer: Layer) -> None:
  """Turns a pruned layer back into a plain one, with zeros where its masks have them."""
  for pruned in layer.pruning.weights:
    pruned.weight.assign(masked(pruned.weight, pruned.mask))
  take_off(layer)


def take_off(layer: Layer) -> None:
  """Removes masks and everything else of pruning from a layer; its weights do not change."""
  pruning = layer.pruning
  _unhook_builds(pruning)
  for pruned in pruning.weights:
    variables.set_constraint(pruned.weight, pruning.constraints[id(pruned.weight)].first)
  variables.remove_weights(layer, pruning.added)
  object.__setattr__(layer, '__class__', layer.plain_class)
  object.__delattr__(layer, 'pruning')


def _put_on(layer: Layer, pruning: Pruning) -> None:
  object.__setattr__(layer, 'pruning', pruning)
  object.__setattr__(layer, '__class__', pruned_class(type(layer)))
  _hook_builds(layer)
  variables.add_weights(layer, pruning.added)
  for pruned in pruning.weights:
    variables.set_constraint(pruned.weight, pruning.constraints[id(pruned.weight)])


def _hook_builds(layer: Layer) -> None:
  """Makes a layer create masks when it is built; a model also when any of its sublayers is built.
  """
  # Keras 3 gives each layer its own build(), which refers to the plain class.
  hooked = [layer] if 'build' in vars(layer) else []
  if isinstance(layer, keras.Model):
    hooked += [inner for inner in backend.layers_in(layer)[1:] if not inner.built]
  for each in hooked:
    layer.pruning.hooked.append((each, vars(each).get('build')))
    each.build = _making_masks(each.build, layer)


def _making_masks(plain_build: Callable[..., None], layer: Layer) -> Callable[..., None]:
  @functools.wraps(plain_build)
  def build(*args: Any, **kwargs: Any) -> None:
    with layer.pruning.busy():
      plain_build(*args, **kwargs)
    layer._make_masks()

  return build


def _unhook_builds(pruning: Pruning) -> None:
  for inner, build in pruning.hooked:
    if build is not None:
      inner.build = build
    elif 'build' in vars(inner):
      object.__delattr__(inner, 'build')
  pruning.hooked = []


@contextlib.contextmanager
def stripped(model: Model) -> Iterator[Layer]:
  """Strips a model within, for writing it, and restores its pruning and weights afterwards."""
  taken: List[Tuple[Any, Pruning]] = []
  hidden: List[Tuple[Any, np.ndarray]] = []
  try:
    for layer in pruned_layers(model):
      pruning = layer.pruning
      for pruned in pruning.weights:
        if np.any(variables.to_array(pruned.weight)[variables.to_array(pruned.mask) == 0]):
          hidden.append((pruned.weight, variables.to_array(pruned.weight)))
      strip_here(layer)
      taken.append((layer, pruning))
    yield model
  finally:
    for layer, pruning in taken:
      _put_on(layer, pruning)
    for weight, value in hidden:
      weight.assign(value)


def pruned_layers(layer: Layer) -> List[Layer]:
  """Returns the pruned layers in a layer or model, itself included."""
  return [each for each in backend.layers_in(layer) if isinstance(each, PruneLowMagnitude)]
