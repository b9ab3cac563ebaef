# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Updates the masks of a whole model between batches."""

import contextlib
import dataclasses
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.choose import choose_masks
from model_pruning.engine.plan import PrunedTogether
from model_pruning.keras import variables
from model_pruning.keras.masks import masked
from model_pruning.keras.plans import check_maps
from model_pruning.keras.plans import Planned
from model_pruning.keras.plans import plans_of
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.settings import NEVER
from model_pruning.keras.settings import Settings
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


class MaskUpdater:
  """Updates the masks of all pruned layers of a model.

  Frozen layers (trainable=False) are not updated while they are frozen.

  Attributes:
    layers: the pruned layers.
    on_update: called with the step after each update of masks, if not None.
  """

  def __init__(self, model: Model) -> None:
    """Finds the pruned layers of a model or layer.

    Raises:
      errors.LayerError: there are none.
      errors.MapError, errors.BlockError: the settings do not fit the weights.
    """
    self.layers = pruned_layers(model)
    if not self.layers:
      raise errors.LayerError('Model %s has no pruned layers; make it by prune_low_magnitude()' %
                              getattr(model, 'name', model))
    check_maps(self.layers)  # Layers that are built later are checked at their first update.
    self._functions: Dict[Any, Callable[..., None]] = {}
    self.on_update: Optional[Callable[[int], None]] = None
    self.reload()

  def reload(self) -> None:
    """Reads the steps from the layers' variables, and continues from them."""
    # Each layer counts its own batches: a new one may stand beside others, or they may be trained
    # in turns. The counts are also kept here, as reading variables is slow.
    self._steps = {layer: int(layer.pruning.step.numpy()) for layer in self._made()}
    self._last_updates = {layer: layer.pruning.last_update for layer in self._made()}
    self._counts = {layer: len(layer.pruning.weights) for layer in self.layers}

  def _made(self) -> List[Layer]:
    """Returns the layers that have masks, as they are built."""
    return [layer for layer in self.layers if layer.pruning.made]

  def step_of(self, layer: Layer) -> int:
    """Returns the number of batches on which a layer was trained."""
    return self._steps.get(layer, 0)

  def write_steps(self, ahead: int = 0) -> None:
    """Writes the layers' steps to their variables.

    Args:
      ahead: number of batches in progress, which count as done in anything that is saved.
    """
    made = self._made()
    key = ('steps', *map(id, made))
    if key not in self._functions:
      variables = [layer.pruning.step for layer in made]

      def write(steps: Any) -> None:
        for variable, step in zip(variables, tf.unstack(steps, num=len(variables))):
          variable.assign(step)

      self._functions[key] = _traced(write, tf.TensorSpec([len(made)], tf.int64))
    with self._scope():
      self._functions[key](tf.constant([self.step_of(layer) + ahead for layer in made], tf.int64))

  def advance(self, batches: int) -> None:
    """Counts batches that are done, and updates the masks that are now due."""
    for layer in self._made():
      self._steps[layer] = self.step_of(layer) + batches
    self.write_steps()
    self.update_if_due(batches)

  def update_if_due(self, batches: int = 1) -> None:
    """Updates the masks of the layers that are due at their steps.

    Args:
      batches: number of batches since the previous call.
    """
    answers: Dict[Tuple[Settings, int, int], bool] = {}  # Most layers share one answer.
    due = []
    for layer in self._made():
      if self._counts[layer] != len(layer.pruning.weights):  # A call may build more of them.
        self._counts[layer] = len(layer.pruning.weights)
        self._last_updates[layer] = NEVER
      question = (layer.pruning.settings, self.step_of(layer),
                  self._last_updates.get(layer, NEVER))
      if question not in answers:
        answers[question] = question[0].is_due(*question[1:], batches)
      # A frozen layer stays due, and is updated once it is trained again.
      if answers[question] and layer.pruning.trainable:
        due.append(layer)
    self._update({layer: self.step_of(layer) for layer in due})

  def update(self, step: int) -> None:
    """Updates the masks of all layers to the sparsity of `step`, due or not."""
    self._update({layer: step for layer in self._made()})

  def apply_masks(self) -> None:
    """Sets the masked elements of all weights to zero."""
    with self._scope():
      for layer in self.layers:
        for record in layer.pruning.weights:
          record.weight.assign(masked(record.weight, record.mask))

  def _update(self, steps: Dict[Layer, int]) -> None:
    """Updates the masks of layers, each to the sparsity of its step."""
    if not steps:
      return
    due = {record.identity: step for layer, step in steps.items()
           for record in layer.pruning.weights if record.trainable}
    plans, sparsities = [], []
    for settings, together in plans_of(self._made()):  # Of all layers, as maps refer to all.
      members = tuple(member for member in together.members if member.record.identity in due)
      if members:
        together = dataclasses.replace(together, members=members)
        plans.append((settings, together))
        sparsities.append(settings.sparsity(max(due[record.identity] for record, _ in members),
                                            together.own_target,
                                            selection.sparsity_dtype(together.units)))
    averages = _averages(list(steps))
    key = (tuple(record.identity for _, together in plans for record, _ in together.members),
           tuple(id(average) for average in averages.values()))
    if key not in self._functions:
      def update(*requested: Any) -> None:
        for (settings, together), sparsity in zip(plans, requested):
          _update_masks(settings, together, sparsity, averages)

      self._functions[key] = _traced(
          update, *(tf.TensorSpec(sparsity.shape, sparsity.dtype) for sparsity in sparsities))
    with self._scope():
      self._functions[key](*sparsities)
      for layer, step in steps.items():  # Last, so that an interrupted update is made again.
        layer.pruning.last_update = self._last_updates[layer] = step
    if self.on_update is not None:
      self.on_update(max(steps.values()))

  @contextlib.contextmanager
  def _scope(self) -> Iterator[None]:
    made = self._made()
    strategy = variables.strategy_of(made[0].pruning.step) if made else None
    if strategy is None or strategy.num_replicas_in_sync == 1:
      yield  # Entering the default strategy takes time without any effect.
      return
    with strategy.scope():
      yield


def _traced(function: Callable[..., None], *specs: Any) -> Callable[..., None]:
  """Returns a TensorFlow function that is traced now, for arguments of these specs.

  TensorFlow counts traces of all functions with the same code as retracing, and warns if many
  models are trained in one process. It does not count functions obtained this way.
  """
  return tensorflow.function(function, autograph=False).get_concrete_function(*specs)


def _update_masks(settings: Settings, together: PrunedTogether, sparsity: Tensor,
                  averages: Dict[int, Any]) -> None:
  planned: List[Planned] = [record for record, _ in together.members]
  weights = [tf.convert_to_tensor(record.pruned.weight) for record in planned]
  previous = [tf.cast(tf.convert_to_tensor(record.pruned.threshold), tf.float32)
              for record in planned]
  thresholds, masks = choose_masks(
      together, [record.see(tf.cast(weight, tf.float32))
                 for record, weight in zip(planned, weights)], sparsity, previous, settings.spec)
  for record, weight, threshold, mask in zip(planned, weights, thresholds, masks):
    pruned, mask = record.pruned, tf.cast(record.restore(mask), weight.dtype)
    pruned.mask.assign(mask)
    pruned.threshold.assign(tf.cast(threshold, weight.dtype))
    pruned.weight.assign(masked(weight, mask))
    average = averages.get(id(pruned.weight))
    if average is not None:
      average.assign(masked(average, tf.cast(mask, average.dtype)))


def _averages(layers: Sequence[Layer]) -> Dict[int, Variable]:
  """Returns the moving averages that optimizers keep of weights, by the id of the weight."""
  found = {}
  for layer in layers:
    for record in layer.pruning.weights:
      average = variables.average_of(layer.pruning.optimizer, record.weight)
      if average is not None:
        found[id(record.weight)] = average
  return found
