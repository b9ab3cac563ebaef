# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Updates the masks of a whole model between batches."""

import collections
import contextlib
import dataclasses
import functools
from typing import (Any, Callable, Collection, Dict, Iterator, List, NamedTuple, Optional, Sequence,
                    Tuple)

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.engine import selection
from model_pruning.engine.choose import choose_each
from model_pruning.engine.choose import cuts_of
from model_pruning.engine.choose import Job
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.reads import Reads
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras import variables
from model_pruning.keras.masks import masked
from model_pruning.keras.plans import check_maps
from model_pruning.keras.plans import Planned
from model_pruning.keras.plans import plans_of
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.settings import NEVER
from model_pruning.keras.settings import Settings
from model_pruning.util.types import DType
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
    self._plans: Dict[Any, List[_Plan]] = {}
    self.on_update: Optional[Callable[[int], None]] = None
    self.reload()

  def reload(self) -> None:
    """Reads the steps from the layers' variables, and continues from them."""
    # Each layer counts its own batches: a new one may stand beside others, or they may be trained
    # in turns. The counts are also kept here, as reading variables is slow.
    self._steps = {layer: int(layer.pruning.step.numpy()) for layer in self._made()}
    self._written: Dict[Layer, int] = {}  # The values of the variables, if known.
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
    steps = {layer: self.step_of(layer) + ahead for layer in made}
    key = ('steps', *map(id, made))
    if key not in self._functions:
      counts = [layer.pruning.step for layer in made]
      self._functions[key] = _traced(functools.partial(_assign_each, counts),
                                     tf.TensorSpec([len(made)], tf.int64))
    self._written = {}  # Unknown, if this is interrupted.
    with self._scope():
      self._functions[key](tf.constant(list(steps.values()), tf.int64))
    self._written = steps

  def advance(self, batches: int) -> None:
    """Counts batches that are done, and updates the masks that are now due."""
    for layer in self._made():
      self._steps[layer] = self.step_of(layer) + batches
    if self._written != {layer: self.step_of(layer) for layer in self._made()}:
      self.write_steps()  # A batch that was announced is counted already.
    self.update_if_due(batches)

  def update_if_due(self, batches: int = 1) -> None:
    """Updates the masks of the layers that are due at their steps.

    Args:
      batches: number of batches since the previous call.
    """
    answers: Dict[Tuple[int, int, int], bool] = {}  # Most layers share one answer.
    due = []
    for layer in self._made():
      if self._counts[layer] != len(layer.pruning.weights):  # A call may build more of them.
        self._counts[layer] = len(layer.pruning.weights)
        self._last_updates[layer] = NEVER
      settings = layer.pruning.settings
      question = (id(settings), self.step_of(layer), self._last_updates.get(layer, NEVER))
      if question not in answers:
        answers[question] = settings.is_due(*question[1:], batches)
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
    plans = self._plans_for(steps)
    questions = [(id(plan.settings), max(map(steps.__getitem__, plan.layers)),
                  plan.together.own_target, plan.dtype) for plan in plans]
    sparsities: Dict[Any, Tensor] = {}  # Most weights have the same one.
    for plan, question in zip(plans, questions):
      if question not in sparsities:
        sparsities[question] = plan.settings.sparsity(*question[1:])
    numbers = {question: number for number, question in enumerate(sparsities)}
    which = [numbers[question] for question in questions]
    averages = _averages(steps)
    key = (id(plans), tuple(which), tuple(id(average) for average in averages.values()))
    if key not in self._functions:
      last_updates = [layer.pruning.last_update_step for layer in steps]

      def update(reached: Tensor, *requested: Tensor) -> None:
        _update_masks(plans, [requested[number] for number in which], averages)
        # Last, so that an interrupted update is made again.
        with tf.control_dependencies([op for op in tf.get_default_graph().get_operations()
                                      if op.type == 'AssignVariableOp']):
          _assign_each(last_updates, reached)

      self._functions[key] = _traced(
          update, tf.TensorSpec([len(steps)], tf.int64),
          *(tf.TensorSpec(sparsity.shape, sparsity.dtype) for sparsity in sparsities.values()))
    with self._scope():
      self._functions[key](tf.constant(list(steps.values()), tf.int64), *sparsities.values())
    self._last_updates.update(steps)
    if self.on_update is not None:
      self.on_update(max(steps.values()))

  def _plans_for(self, due: Collection[Layer]) -> 'List[_Plan]':
    """Returns the weights to update of the layers that are due. They change rarely."""
    frozen = tuple(not record.trainable for layer in due for record in layer.pruning.weights)
    key = (tuple(map(id, due)), frozen, sum(self._counts.values()))
    if key not in self._plans:
      self._plans[key] = _plans(self._made(), due)
    return self._plans[key]

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


def _assign_each(variables: Sequence[Variable], values: Tensor) -> None:
  """Assigns the elements of a vector to scalar variables."""
  for variable, value in zip(variables, tf.unstack(values, num=len(variables))):
    variable.assign(value)


class _Plan(NamedTuple):
  """Weights that are pruned together, and what is needed to compute their sparsity at a step.

  Attributes:
    settings: the settings of the weights.
    together: the weights.
    layers: the layers that have them.
    dtype: the dtype of their sparsity.
  """
  settings: Settings
  together: PrunedTogether
  layers: List[Layer]
  dtype: DType


def _plans(made: Sequence[Layer], due: Collection[Layer]) -> List[_Plan]:
  """Returns the plans of layers, without the weights of layers that are frozen or not due."""
  owners = {record.identity: layer for layer in due for record in layer.pruning.weights
            if record.trainable}
  plans = []
  for settings, together in plans_of(made):  # Of all layers, as maps refer to all.
    members = tuple(member for member in together.members if member.record.identity in owners)
    if members:
      together = dataclasses.replace(together, members=members)
      plans.append(_Plan(settings, together,
                         [owners[record.identity] for record, _ in members],
                         selection.sparsity_dtype(together.units)))
  return plans


def _update_masks(plans: Sequence[_Plan], sparsities: Sequence[Tensor],
                  averages: Dict[int, Any]) -> None:
  """Builds the update of weights, each plan to its sparsity."""
  jobs: Dict[PruningSpec, List[Tuple[List[Planned], List[Tensor], Job]]] = collections.OrderedDict()
  for (settings, together, _, _), sparsity in zip(plans, sparsities):
    planned: List[Planned] = [record for record, _ in together.members]
    weights = [tf.convert_to_tensor(record.pruned.weight) for record in planned]
    reads = [Reads([record.see(tf.cast(weight, tf.float32))])
             for record, weight in zip(planned, weights)]
    previous = [tf.cast(tf.convert_to_tensor(record.pruned.threshold), tf.float32)
                for record in planned]
    jobs.setdefault(settings.spec, []).append(
        (planned, weights, Job(cuts_of(together), reads, sparsity, previous)))
  # All masks are chosen before any variable is written.
  chosen = [each for spec, same in jobs.items()
            for (planned, weights, _), values in zip(
                same, choose_each(spec, [job for _, _, job in same]))
            for each in zip(planned, weights, values, values[len(planned):])]
  for record, weight, threshold, mask in chosen:
    pruned, mask = record.pruned, tf.cast(record.restore(mask), weight.dtype)
    pruned.mask.assign(mask)
    pruned.threshold.assign(tf.cast(threshold, weight.dtype))
    pruned.weight.assign(masked(weight, mask))
    average = averages.get(id(pruned.weight))
    if average is not None:
      average.assign(masked(average, tf.cast(mask, average.dtype)))


def _averages(layers: Collection[Layer]) -> Dict[int, Variable]:
  """Returns the moving averages that optimizers keep of weights, by the id of the weight."""
  found: Dict[int, Variable] = {}
  for layer in layers:
    if not variables.keeps_averages(layer.pruning.optimizer):
      continue
    for record in layer.pruning.weights:
      average = variables.average_of(layer.pruning.optimizer, record.weight)
      if average is not None:
        found[id(record.weight)] = average
  return found
