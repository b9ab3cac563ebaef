# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pruned layers: what a layer of any class becomes, and the masks it then has.

A pruned layer is an instance of a class made from that of the layer, with
PruneLowMagnitude before it. It is called, named, frozen and compiled like the layer
it was, has the same attributes, and adds masks, thresholds and a step to its weights.
Nothing happens to them when the layer is called: masks are updated between batches
(see updates.py), and a constraint, which Keras applies after every optimizer step,
keeps what a mask hides at zero.
"""

import functools
import types
from typing import Any, Dict, List, NamedTuple, Optional
import weakref

import numpy as np

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.keras import backend
from model_pruning.keras import prunable
from model_pruning.keras.backend import keras
from model_pruning.keras.settings import NEVER
from model_pruning.keras.settings import Settings
from model_pruning.patterns import Layout


class PrunedWeight(NamedTuple):
  """One weight of a layer, and what hides parts of it.

  Attributes:
    layer: the layer whose own the weight is: the pruned one, or one in it.
    weight: the variable.
    mask: variable of the weight's shape and dtype; ones and zeros.
    threshold: scalar variable of the weight's dtype.
  """
  layer: Any
  weight: Any
  mask: Any
  threshold: Any

  @property
  def name(self) -> str:
    """The weight's name, such as dense/kernel, that maps of regular expressions go by."""
    name = backend.variable_name(self.weight)
    # Keras 2 leaves the layer out where it builds one by its config.
    return name if self.layer.name in name.split('/') else '%s/%s' % (self.layer.name, name)

  @property
  def identity(self) -> Any:
    return id(self.mask)

  @property
  def group(self) -> Optional[str]:
    return None  # Groups are made by scopes of graphs.

  @property
  def layout(self) -> Layout:
    return Layout.whole(self.weight.shape)

  @property
  def trainable(self) -> bool:
    """Whether the layer is trained now; what is frozen is left alone."""
    return bool(self.layer.trainable)


class Pruning:
  """What is pruned of one layer. Keras sees none of it but the variables.

  Attributes:
    settings: how the layer is pruned.
    weights: a PrunedWeight per weight; empty until the layer is built.
    step: int64 scalar variable, the number of training batches seen; None until built.
    last_update_step: int64 scalar variable, the step of the last mask update, NEVER at first.
    optimizer: that of the model while it is trained, or None.
    failed: whether training failed for want of an UpdatePruningStep.
  """

  def __init__(self, layer: Any, settings: Settings) -> None:
    self._layer = weakref.ref(layer)
    self.settings = settings
    self.weights: List[PrunedWeight] = []
    self.step: Any = None
    self.last_update_step: Any = None
    self.optimizer: Any = None
    self.failed = False
    self._attended = False
    self._attended_variable: Any = None

  @property
  def layer(self) -> Any:
    return self._layer()

  @property
  def made(self) -> bool:
    """Whether the masks are made."""
    return self.step is not None

  @property
  def trainable(self) -> bool:
    """Whether any of the weights is trained now."""
    return any(pruned.trainable for pruned in self.weights)

  def make(self) -> None:
    """Makes masks for the weights of the layer, now that it has them."""
    layer = self.layer
    unknown = prunable.unknown_in(layer)
    if unknown:
      raise prunable.unknown_layer(unknown[0], layer)
    nested = {id(pruned.mask) for inner in backend.layers_in(layer)[1:]
              if isinstance(inner, PruneLowMagnitude) for pruned in inner.pruning.weights}
    if nested:
      raise errors.LayerError('Layer %s (%s) has layers in it that are pruned already; prune the '
                              'whole, or its parts' % (layer.name, type(layer).__name__))
    found = prunable.prunable_weights(layer)
    for number, (owner, weight) in enumerate(found):
      prefix = 'pruning_%d_' % number if len(found) > 1 else ''
      dtype = backend.dtype_of(weight)
      if not tf.as_dtype(dtype).is_floating:
        raise errors.WeightError('Weight %s is %s; only floating weights can be pruned' % (
            backend.variable_name(weight), dtype))
      mask = backend.make_weight(layer, prefix + 'mask', weight.shape, dtype, 'ones')
      threshold = backend.make_weight(layer, prefix + 'threshold', (), dtype, 'zeros')
      self.weights.append(PrunedWeight(owner, weight, mask, threshold))
    self.step = backend.make_weight(layer, 'pruning_step', (), 'int64', 'zeros')
    self.last_update_step = backend.make_weight(
        layer, 'last_mask_update_step', (), 'int64', keras.initializers.Constant(NEVER))
    with tf.init_scope():
      self._attended_variable = tf.Variable(self._attended, trainable=False, use_resource=True)
    for index, pruned in enumerate(self.weights):
      constraint = MaskConstraint(self, pruned, asserts=index == 0)
      backend.set_constraint(pruned.weight, constraint)

  def variables(self) -> Dict[str, Any]:
    """Returns what pruning has added to the weights of the layer, by names for files."""
    if not self.made:
      return {}
    found = {'pruning_step': self.step, 'last_mask_update_step': self.last_update_step}
    for number, pruned in enumerate(self.weights):
      found['mask_%d' % number], found['threshold_%d' % number] = pruned.mask, pruned.threshold
    return found

  @property
  def last_update(self) -> int:
    """The value of last_update_step."""
    return int(self.last_update_step.numpy()) if self.made else NEVER

  @last_update.setter
  def last_update(self, step: int) -> None:
    self.last_update_step.assign(step)

  def shortfall(self) -> Optional[str]:
    """Returns how the layer misses its target sparsity; None if it does not, or is frozen."""
    if not self.made or not self.trainable:
      return None
    return self.settings.shortfall(int(self.step.numpy()), self.last_update)

  def attend(self, attended: bool, optimizer: Any = None) -> None:
    """Notes whether an UpdatePruningStep looks after the layer."""
    self._attended = attended
    self.optimizer = optimizer
    if self.made:
      with tf.init_scope():
        self._attended_variable.assign(attended)

  def check_attended(self) -> None:
    """Raises errors.MissingCallbackError unless an UpdatePruningStep is at work."""
    if not self._attended:
      self.failed = True
      raise backend.in_function(errors.MissingCallbackError(_FORGOTTEN % self.layer.name))

  def assert_attended(self) -> None:
    """Has the graph that is being built check the same when it runs.

    A train function is built once, and may run again without the callback.
    """
    tf.debugging.Assert(tf.identity(self._attended_variable), [_FORGOTTEN % self.layer.name])


_FORGOTTEN = (
    'Layer %s is pruned, and nothing updates its masks: pass '
    'callbacks=[model_pruning.keras.UpdatePruningStep()] to fit(); in a training loop of your own '
    'call its set_model(model), on_train_begin() and, for each batch, on_train_batch_begin(batch)')


class MaskConstraint(keras.constraints.Constraint):
  """Returns a weight with zeros where its mask has them. Keras applies it after each step."""

  def __init__(self, pruning: Pruning, pruned: PrunedWeight, asserts: bool) -> None:
    self._pruning = pruning
    self._pruned = pruned
    self._asserts = asserts
    self._first = backend.constraint_of(pruned.weight)  # The user's, such as a max norm.

  def __call__(self, w: Any) -> Any:
    if self._asserts:
      self._pruning.assert_attended()
    average = backend.average_of(self._pruning.optimizer, self._pruned.weight)
    if average is not None:  # Optimizers write these over the weights when training ends.
      average.assign(masked(average, self._pruned.mask))
    return masked(w if self._first is None else self._first(w), self._pruned.mask)


def masked(weight: Any, mask: Any) -> Any:
  """Returns the weight where the mask is 1, and +0.0 where it is 0, even of NaN."""
  return tf.math.multiply_no_nan(tf.convert_to_tensor(weight), tf.convert_to_tensor(mask))


class PruneLowMagnitude:
  """Mixin of all pruned layers.

  Attributes:
    pruning: what is pruned of the layer, a Pruning.
    plain_class: the class of the layer before it was pruned.
  """

  pruning: Any = None
  plain_class: type

  def get_config(self) -> Dict[str, Any]:
    """Returns the config of the layer as it was, and how it is pruned."""
    config = self.plain_class.get_config(self)  # type: ignore[attr-defined]
    with keras.utils.custom_object_scope(backend.functions_of(self)):
      plain = self.plain_class.from_config(config)  # type: ignore[attr-defined]
    return {'name': self.name, 'layer': keras.layers.serialize(plain),  # type: ignore[attr-defined]
            **self.pruning.settings.get_config()}

  @classmethod
  def from_config(cls, config: Dict[str, Any], custom_objects: Any = None) -> Any:
    """Returns the pruned layer of a config; it is not built."""
    del cls  # The class is that of the layer in the config.
    plain = keras.layers.deserialize(config['layer'], custom_objects)
    return pruned_like(plain, Settings.from_config(config))

  def save_own_variables(self, store: Any) -> None:
    """Saves the variables of the layer as it was, and beside them those of pruning."""
    added = self.pruning.variables()
    with backend.without(self, list(added.values())):
      super().save_own_variables(store)  # type: ignore[misc]
    for name, variable in added.items():
      store[name] = np.asarray(variable.numpy())

  def load_own_variables(self, store: Any) -> None:
    """Loads what save_own_variables saved, or the file of a layer that was not pruned."""
    added = self.pruning.variables()
    with backend.without(self, list(added.values())):
      super().load_own_variables(  # type: ignore[misc]
          {name: store[name] for name in store.keys() if name not in added})
    for name, variable in added.items():
      if name in store.keys():
        variable.assign(store[name])

  def build_from_config(self, config: Any) -> None:
    if config and 'input_shape' in config:
      # JSON has lists in the place of tuples, which recurrent layers of Keras 2 take for several.
      config = {**config, 'input_shape': _as_shape(config['input_shape'])}
    super().build_from_config(config)  # type: ignore[misc]
    # Keras 3 calls a model without a build(), which makes its weights, and does not note it.
    if self.weights:  # type: ignore[attr-defined]
      self.built = True
    backend.note_build_config(self, config)
    self._make_masks()

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    if self.pruning.trainable and backend.is_trained(self, kwargs.get('training')):
      self.pruning.check_attended()
    outputs = super().__call__(*args, **kwargs)  # type: ignore[misc]
    self._make_masks()  # Of layers that make their weights only when they are called.
    return outputs

  def _make_masks(self) -> None:
    # While a layer is made it may build itself, before anyone can say how it is pruned.
    if self.pruning is not None and not self.pruning.made and self.built and (
        prunable.prunable_weights(self)):
      with tf.init_scope():
        self.pruning.make()


def _as_shape(shape: Any) -> Any:
  if not isinstance(shape, (list, tuple)):
    return shape
  if all(dim is None or isinstance(dim, int) for dim in shape):
    return tuple(shape)
  return [_as_shape(each) for each in shape]


# Configs name the class of any pruned layer so; this is found wherever Keras reads one.
_register = keras.utils.register_keras_serializable('model_pruning', 'PruneLowMagnitude')
_register(PruneLowMagnitude)

_classes: Dict[type, type] = {}


def pruned_class(plain_class: type) -> type:
  """Returns the class of pruned layers that are otherwise of plain_class."""
  if plain_class not in _classes:
    # By the signature of the layer's own method Keras tells which shapes to build it with.
    @functools.wraps(plain_class.build)  # type: ignore[attr-defined]
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
      plain_class.build(self, *args, **kwargs)  # type: ignore[attr-defined]
      self._make_masks()

    # That has no get_config() of its own if Keras says so; it then notes the arguments.
    @functools.wraps(plain_class.get_config)  # type: ignore[attr-defined]
    def get_config(self: Any) -> Dict[str, Any]:
      return PruneLowMagnitude.get_config(self)

    def fill(namespace: Dict[str, Any]) -> None:
      namespace.update(build=build, get_config=get_config, plain_class=plain_class,
                       __module__=__name__, __doc__=plain_class.__doc__)

    # Files of weights go by the names of classes; so those of a dense model can be read.
    made = types.new_class(plain_class.__name__, (PruneLowMagnitude, plain_class), exec_body=fill)
    _classes[plain_class] = made
    _register(made)
    _register(PruneLowMagnitude)  # What is read is made by this one, whatever came last.
  return _classes[plain_class]


def pruned_like(plain: Any, settings: Settings,
                arguments: Optional[Dict[str, Any]] = None) -> Any:
  """Returns a new pruned layer with the config of a plain one; it is not built.

  Args:
    plain: the layer.
    settings: how to prune it.
    arguments: what goes before its config.
  """
  made = pruned_class(type(plain))
  config = {**plain.get_config(), **(arguments or {})}
  layer = super(PruneLowMagnitude, made).from_config(config)  # type: ignore[misc]
  layer.pruning = Pruning(layer, settings)
  return layer


def pruned_layers(layer: Any) -> List[Any]:
  """Returns the pruned layers in a layer or model, itself included."""
  return [each for each in backend.layers_in(layer) if isinstance(each, PruneLowMagnitude)]
