# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The masks of a layer, and the constraint that keeps masked elements at zero.

Masks, thresholds and a step are weights of the layer. Calling the layer does not change them:
masks are updated between batches (see updates.py). A constraint, which Keras applies after every
optimizer step, keeps the pruned elements at zero.
"""

import contextlib
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set
import weakref

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.engine.layout import Layout
from model_pruning.keras import backend
from model_pruning.keras import prunable
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.settings import NEVER
from model_pruning.keras.settings import Settings
from model_pruning.util.types import DType
from model_pruning.util.types import Layer
from model_pruning.util.types import Optimizer
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


class PrunedWeight(NamedTuple):
  """A weight of a layer, with its mask and threshold.

  Attributes:
    layer: the layer that owns the weight directly: the pruned layer or one of its sublayers.
    weight: the variable.
    mask: variable of the weight's shape and dtype; ones and zeros.
    threshold: scalar variable of the weight's dtype.
  """
  layer: Layer
  weight: Variable
  mask: Variable
  threshold: Variable

  @property
  def name(self) -> str:
    """The weight's name, for example dense/kernel, which the keys of maps match."""
    name = variables.variable_name(self.weight)
    # Keras 2 omits the layer's name if it builds the layer from a config.
    known = '/%s/' % self.layer.name in '/%s' % name
    return name if known else '%s/%s' % (self.layer.name, name)

  @property
  def identity(self) -> Any:
    return id(self.mask)

  @property
  def group(self) -> Optional[str]:
    return None  # Only scopes of graphs make groups.

  @property
  def layout(self) -> Layout:
    return Layout.whole(self.weight.shape)

  @property
  def trainable(self) -> bool:
    """Whether the layer is being trained; frozen layers are not pruned."""
    return bool(self.layer.trainable)

  @property
  def sparsity(self) -> float:
    """The fraction of elements that the mask hides, counted on the device of the mask."""
    mask = tf.convert_to_tensor(self.mask)
    kept = int(tf.math.count_nonzero(mask, dtype=tf.int64))
    return 1 - kept / max(mask.shape.num_elements(), 1)


class Pruning:
  """The pruning state of one layer. Keras sees only its variables.

  Attributes:
    settings: how the layer is pruned.
    refuses: returns the layers, of those in a layer, that a policy keeps dense.
    weights: one PrunedWeight per weight; empty until the layer is built.
    step: int64 scalar variable, the number of training batches seen; None until built.
    last_update_step: int64 scalar variable, the step of the last mask update, NEVER at first.
    added: the variables that pruning added to the layer, by their names in it.
    constraints: {id of a weight: its MaskConstraint}.
    optimizer: the model's optimizer during training, or None.
    stale: whether Keras may hold functions that were traced before the masks existed, or whose
      tracing an error ended.
    hooked: (layer, its instance's build() or None) of the layers whose build() makes masks.
    plain: an object that represents the unpruned layer while it is saved (see pruned.py).
    functions: the TensorFlow functions of the model whose first pruned layer this is.
    attended_variable: whether a callback updates the masks, for the train function.
    updated: the identities of the weights whose masks were updated in this process.
  """

  def __init__(self, layer: Layer, settings: Settings,
               refuses: Callable[[Layer], prunable.Refused]) -> None:
    self._layer = weakref.ref(layer)
    self.settings = settings
    self.refuses = refuses
    self.weights: List[PrunedWeight] = []
    self.step: Variable = None
    self.last_update_step: Variable = None
    self.added: Dict[str, Any] = {}
    self.constraints: Dict[int, 'MaskConstraint'] = {}
    self._late: List[Layer] = []  # Sublayers that were not built with this layer.
    self.optimizer: Optimizer = None
    self.attended_variable: Any = None
    self.stale = True
    self._busy = 0
    self.hooked: List[Layer] = []
    self.plain: Any = None
    self.functions: Any = None
    self.updated: Set[Any] = set()
    self._attended = False
    self._during: Optional[Callable[[], bool]] = None

  @property
  def layer(self) -> Any:
    return self._layer()

  @property
  def is_busy(self) -> bool:
    """Whether the layer is being built or called, so that more weights may be made."""
    return self._busy > 0

  @contextlib.contextmanager
  def busy(self) -> Iterator[None]:
    """Delays making masks until a build() or call() has made all its weights."""
    self._busy += 1
    try:
      yield
    finally:
      self._busy -= 1

  @property
  def made(self) -> bool:
    """Whether the masks exist."""
    return self.step is not None

  @property
  def trainable(self) -> bool:
    """Whether any of the weights is being trained."""
    return any(pruned.trainable for pruned in self.weights)

  @property
  def has_thawed(self) -> bool:
    """Whether a weight is being trained that was frozen when the others had their updates."""
    return bool(self.updated) and any(
        pruned.trainable and pruned.identity not in self.updated for pruned in self.weights)

  def make(self) -> None:
    """Makes masks for the weights of the layer, which is built now."""
    layer = self.layer
    refused = self.refuses(layer)
    unknown = prunable.unknown_in(layer, refused)
    if unknown:
      raise prunable.unknown_layer(unknown, layer)
    found = _unmasked(layer, refused)
    for each in found:
      if not tf.as_dtype(variables.dtype_of(each.variable)).is_floating:
        raise errors.WeightError('Weight %s is %s; only floating weights can be pruned' % (
            variables.variable_name(each.variable), variables.dtype_of(each.variable)))
    several = len(found) + len(self.weights) > 1
    for number, (owner, weight) in enumerate(found, len(self.weights)):
      prefix = 'pruning_%d_' % number if several else ''
      dtype = variables.dtype_of(weight)
      mask = self._add(prefix + 'mask', weight.shape, dtype, 'ones')
      threshold = self._add(prefix + 'threshold', (), dtype, 'zeros')
      self.weights.append(PrunedWeight(owner, weight, mask, threshold))
    if self.made:
      self.last_update = NEVER  # An earlier update did not cover the new weights.
    else:
      with variables.on_host():
        self.step = self._add('pruning_step', (), 'int64', 'zeros')
        self.last_update_step = self._add(
            'last_mask_update_step', (), 'int64', keras.initializers.Constant(NEVER))
      with tf.init_scope(), variables.on_host():
        self.attended_variable = tf.Variable(self._attended, trainable=False, use_resource=True)
    for pruned in self.weights:
      if id(pruned.weight) not in self.constraints:
        constraint = MaskConstraint(self, pruned, asserts=not self.constraints)
        self.constraints[id(pruned.weight)] = constraint
        variables.set_constraint(pruned.weight, constraint)
    # Files number the masks, so their order must not depend on when sublayers were built.
    order = {id(each.variable): number
             for number, each in enumerate(prunable.prunable_weights(layer))}
    self.weights.sort(key=lambda pruned: order.get(id(pruned.weight), len(order)))
    self._note_late()

  def is_late(self) -> bool:
    """Whether sublayers built after the masks were made have weights to prune."""
    if not any(inner.built for inner in self._late):
      return False
    self._note_late()
    return may_be_masked(self.layer, self.refuses(self.layer))

  def _note_late(self) -> None:
    self._late = [inner for inner in backend.layers_in(self.layer)[1:] if not inner.built]

  def _add(self, name: str, shape: Any, dtype: DType, initializer: Any) -> Any:
    self.added[name] = variables.make_weight(self.layer, name, shape, dtype, initializer)
    return self.added[name]

  def variables(self) -> Dict[str, Any]:
    """Returns the variables that pruning added to the layer, by their names in files."""
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
    if self.last_update == NEVER and not self.step.numpy():
      return 'it was not trained since it was pruned, so all of its masks are open'
    return self.settings.shortfall(int(self.step.numpy()), self.last_update)

  def attend(self, attended: bool, optimizer: Optimizer = None,
             during: Optional[Callable[[], bool]] = None) -> None:
    """Records whether an UpdatePruningStep updates the layer's masks.

    Args:
      attended: whether one does.
      optimizer: the model's optimizer during training, or None.
      during: whether it still does; needed where the end of training may go unnoticed.
    """
    self.remember_attended(attended, optimizer, during)
    if self.made:
      with tf.init_scope():
        self.attended_variable.assign(attended)

  def remember_attended(self, attended: bool, optimizer: Optimizer,
                        during: Optional[Callable[[], bool]]) -> None:
    """Does the same as `attend`, without setting attended_variable."""
    self._attended, self._during = attended, during
    self.optimizer = optimizer

  def check_lora(self) -> None:
    """Raises errors.LayerError if LoRA was enabled inside the layer, which fills the zeros."""
    for pruned in self.weights:
      prunable.check_lora(pruned.layer)

  def check_attended(self) -> None:
    """Raises errors.MissingCallbackError unless an UpdatePruningStep is active."""
    if not self._attended or not (self._during is None or self._during()):
      self.stale = True
      raise backend.in_function(errors.MissingCallbackError(_FORGOTTEN % self.layer.name))

  def assert_attended(self) -> None:
    """Adds the same check to the graph that is being built.

    A train function is built once, and may run again without the callback. XLA leaves assertions
    out, and would need the flag on its device, where other functions would wait for it.
    """
    if backend.compiles_with_xla():
      return
    tf.debugging.Assert(tf.identity(self.attended_variable), [_FORGOTTEN % self.layer.name])


_FORGOTTEN = (
    'Layer %s is pruned, but nothing updates its masks: pass '
    'callbacks=[model_pruning.keras.UpdatePruningStep()] to fit(); in a custom training loop '
    'call its set_model(model), on_train_begin() and, for each batch, on_train_batch_begin(batch)')


class MaskConstraint(keras.constraints.Constraint):
  """Zeros the elements of a weight that its mask hides. Keras applies it after each step."""

  def __init__(self, pruning: Pruning, pruned: PrunedWeight, asserts: bool) -> None:
    self._pruning = pruning
    self._pruned = pruned
    self._asserts = asserts
    self.first = variables.constraint_of(pruned.weight)  # The user's, for example a max norm.

  def __call__(self, w: Any) -> Any:
    if self._asserts:
      self._pruning.assert_attended()
    average = variables.average_of(self._pruning.optimizer, self._pruned.weight)
    if average is not None:  # Optimizers write averages over the weights when training ends.
      average.assign(masked(average, self._pruned.mask))
    return masked(w if self.first is None else self.first(w), self._pruned.mask)


def may_be_masked(layer: Layer, refused: prunable.Refused) -> bool:
  """Whether a layer has weights to prune without a mask, or may have some once it is built."""
  return bool(_unmasked(layer, refused)) if layer.built else prunable.may_be_pruned(layer, refused)


def _unmasked(layer: Layer, refused: prunable.Refused) -> List[prunable.Found]:
  """Returns the weights to prune that have no mask; a weight shared by two layers has one mask."""
  return [each for each in prunable.prunable_weights(layer, refused) if not isinstance(
      variables.constraint_of(each.variable), MaskConstraint)]


def masked(weight: Variable, mask: Variable) -> Tensor:
  """Returns the weight where the mask is 1, and +0.0 where it is 0, even for NaN."""
  return tf.math.multiply_no_nan(tf.convert_to_tensor(weight), tf.convert_to_tensor(mask))
