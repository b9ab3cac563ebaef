# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Updates the masks of a whole model between batches."""

import contextlib
import functools
from typing import (Any, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Sequence,
                    Tuple)
import weakref

from model_pruning import errors
from model_pruning.compat import tensorflow
from model_pruning.compat import tf
from model_pruning.keras import channel_masks
from model_pruning.keras import traces
from model_pruning.keras import variables
from model_pruning.keras.functions import functions_of
from model_pruning.keras.plans import check_maps
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.settings import NEVER
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Optimizer
from model_pruning.util.types import Tensor


# The steps of so many layers are counted faster one by one than by calling a function.
_FEW = 8


class _Announcements:
  """Which MaskUpdater of a model has announced batches that are not done.

  Attributes:
    by: its id; None if none has.
  """
  by: Optional[int] = None


_announcements: 'weakref.WeakKeyDictionary[Model, _Announcements]' = weakref.WeakKeyDictionary()


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
      errors.MapError, errors.BlockError, errors.ChannelError: the settings do not fit the weights.
    """
    self.layers = pruned_layers(model)
    if not self.layers:
      raise errors.LayerError(
          'Model %s has no pruned layers; make it by prune_low_magnitude(), or leave out '
          'UpdatePruningStep if its masks were removed, for example by strip_pruning()' %
          getattr(model, 'name', model))
    self._model = model
    channel_masks.find(model)
    check_maps(self.layers)  # Layers that are built later are checked at their first update.
    self._functions = functions_of(self.layers)
    self._all_made = False
    self._of_all: Dict[str, Callable[..., Any]] = {}
    self._numbers: Dict[int, Tensor] = {}  # Numbers of batches.
    self._announced = 0
    self._announcements = _announcements.setdefault(model, _Announcements())
    self._announcements.by = None  # It may have been interrupted.
    self._weights = {layer: len(layer.pruning.weights) for layer in self.layers}
    self.on_update: Optional[Callable[[int], None]] = None
    self.reload()

  def reload(self) -> None:
    """Reads the steps from the layers' variables, and continues from them."""
    # Each layer counts its own batches: a new one may stand beside others, or they may be trained
    # in turns. What was read is kept, as reading variables one by one is slow.
    made = self._made()
    self._steps: Dict[Layer, int] = {}
    self._last_updates: Dict[Layer, int] = {}
    if made:
      steps, last_updates = self._run('read', made, traces.read, [])
      self._steps = dict(zip(made, steps))
      self._last_updates = {layer: NEVER if layer.pruning.has_thawed else step
                            for layer, step in zip(made, last_updates)}

  def _made(self) -> List[Layer]:
    """Returns the layers that have masks, as they are built."""
    if not self._all_made:
      made = [layer for layer in self.layers if layer.pruning.made]
      self._all_made = len(made) == len(self.layers)
      return made
    return self.layers

  def attend(self, attended: Sequence[bool], optimizer: Optimizer,
             during: Optional[Callable[[], bool]] = None) -> None:
    """Does the same as Pruning.attend for each of the layers, in one call of a function."""
    for layer, each in zip(self.layers, attended):
      layer.pruning.remember_attended(each, optimizer, during)
    made = [(layer.pruning.attended_variable, each)
            for layer, each in zip(self.layers, attended) if layer.pruning.made]
    if made:
      flags = [variable for variable, _ in made]
      function = self._functions.get(('attend', *map(id, flags)), lambda: _traced(
          functools.partial(traces.assign_each, flags), tf.TensorSpec([len(flags)], tf.bool)))
      with tf.init_scope(), self._scope():
        function(tf.constant([each for _, each in made]))

  def step_of(self, layer: Layer) -> int:
    """Returns the number of batches on which a layer was trained."""
    return self._steps.get(layer, 0)

  def progress_of(self, layer: Layer) -> Tuple[int, int]:
    """Returns the step of a layer and the step of its last update, NEVER if it had none."""
    return self.step_of(layer), self._last_updates.get(layer, NEVER)

  def announce(self, batches: int) -> bool:
    """Counts batches that begin now as done, in anything that is saved before they are.

    Args:
      batches: their number; 0 if unknown.

    Returns:
      False, without counting, if another updater of the model has announced batches that are not
      done: then these are the same.
    """
    if self._announcements.by not in (None, id(self)):
      return False
    self._announcements.by = id(self)
    self._count(batches - self._announced)
    self._announced = batches
    return True

  def advance(self, batches: int) -> None:
    """Counts batches that are done, and updates the masks that are now due."""
    known = self._count(batches - self._announced)
    self._announced, self._announcements.by = 0, None
    self.update_if_due(batches, known)

  def retract(self) -> None:
    """Takes batches that were announced, but not trained on, out of the count."""
    self._count(-self._announced)
    self._announced, self._announcements.by = 0, None

  def follow(self) -> None:
    """Notices the update that another updater of the model may have made."""
    before = self._last_updates
    self.reload()
    changed = [step for layer, step in self._last_updates.items() if step != before.get(layer)]
    if changed and self.on_update is not None:
      self.on_update(max(changed))

  def _count(self, batches: int) -> bool:
    """Adds to the steps of all layers. Returns whether it did, so that they are known.

    The variables have the counts, not this object: weights may have been loaded since, or another
    model that shares a layer may have been trained.
    """
    made = self._made()
    if not batches or not made:
      return False
    expected = [self.step_of(layer) + batches for layer in made]
    if batches not in self._numbers:
      with variables.on_host():
        self._numbers[batches] = tf.constant(batches, tf.int64)
    number = self._numbers[batches]
    if len(made) <= _FEW and not any(
        variables.is_distributed(layer.pruning.step) for layer in made):
      steps = traces.add_now([layer.pruning for layer in made], number)
    else:
      steps = self._run('count', made, traces.add_to_each, [number])
    if steps == expected:
      self._steps = dict(zip(made, steps))
    else:
      self.reload()
    return True

  def _run(self, name: str, made: Sequence[Layer], function: Callable[..., Any],
           arguments: Sequence[Tensor]) -> Any:
    """Returns the result of a traced function of layers and int64 scalars, as lists."""
    traced = self._of_all.get(name)
    if traced is None:
      prunings = [layer.pruning for layer in made]
      traced = self._functions.get((name, *map(id, prunings)), lambda: _traced(
          functools.partial(function, prunings), *[tf.TensorSpec([], tf.int64)] * len(arguments)))
      if self._all_made:
        self._of_all[name] = traced  # Making the key takes time with many layers.
    with self._scope():
      return traced(*arguments).numpy().tolist()

  def update_if_due(self, batches: int = 1, known: bool = True) -> None:
    """Updates the masks of the layers that are due at their steps.

    Args:
      batches: number of batches since the previous call.
      known: whether the steps were read just now. If not, they are read before an update, as
        weights may have been loaded.
    """
    due = self._due(batches)
    if due and not known:
      self.reload()
      due = self._due(batches)
    self._update({layer: self.step_of(layer) for layer in due})

  def _due(self, batches: int) -> List[Layer]:
    """Returns the layers that are due. Args: see update_if_due."""
    made = self._made()
    for layer in made:
      if self._weights[layer] != len(layer.pruning.weights):  # A call may build more of them.
        self._weights[layer] = len(layer.pruning.weights)
        self._last_updates[layer] = NEVER
    questions = [(layer.pruning.settings, *self.progress_of(layer)) for layer in made]
    # Most layers share one answer.
    distinct = {(id(question[0]), *question[1:]): question for question in questions}
    answers = {key: settings.is_due(step, last_update, batches)
               for key, (settings, step, last_update) in distinct.items()}
    if not any(answers.values()):
      return []
    # A frozen layer stays due, and is updated once it is trained again.
    return [layer for layer, question in zip(made, questions)
            if answers[(id(question[0]), *question[1:])] and layer.pruning.trainable]

  def update(self, step: int) -> None:
    """Updates the masks of all layers to the sparsity of `step`, due or not."""
    self._update({layer: step for layer in self._made()})

  def apply_masks(self) -> None:
    """Sets the masked elements of all weights to zero."""
    records = [record for layer in self.layers for record in layer.pruning.weights]
    if records:
      function = self._functions.get(
          ('apply', *(id(record.mask) for record in records)),
          lambda: _traced(functools.partial(traces.apply_masks, records)))
      with self._scope():
        function()

  def _update(self, steps: Dict[Layer, int]) -> None:
    """Updates the masks of layers, each to the sparsity of its step."""
    if not steps:
      return
    by_channel = self._channels_for(steps)
    plans = self._plans_for(steps)
    questions = [(plan.settings, max(map(steps.__getitem__, plan.layers)),
                  plan.together.own_target, plan.dtype) for plan in plans]
    questions += [(found.settings, _latest(found.layers, steps), target, tf.float32)
                  for found in by_channel for target in found.targets]
    distinct: Dict[Any, Any] = {}  # Most weights have the same one.
    which = [distinct.setdefault((id(question[0]), *question[1:]), (len(distinct), question))[0]
             for question in questions]
    asked = [question for _, question in distinct.values()]
    known = [settings.known_at(*rest) for settings, *rest in asked]
    averages = traces.averages_of(steps)
    last_updates = [layer.pruning.last_update_step for layer in steps]

    def update(reached: Tensor, *known: Tensor) -> None:
      sparsities = [settings.sparsity_from(each, target, dtype)
                    for each, (settings, _, target, dtype) in zip(known, asked)]
      given = iter([sparsities[number] for number in which])
      traces.update_masks(plans, [next(given) for _ in plans], averages)
      for found in by_channel:
        of_target = {target: next(given) for target in found.targets}
        traces.update_channels(found, lambda target, _, known=of_target: known[target], averages)
      # Last, so that an interrupted update is made again.
      with tf.control_dependencies([op for op in tf.get_default_graph().get_operations()
                                    if op.type == 'AssignVariableOp']):
        traces.assign_each(last_updates, reached)

    function = self._functions.get(
        (id(plans), tuple(map(id, by_channel)), tuple(which),
         tuple(id(average) for average in averages.values())),
        lambda: _traced(update, tf.TensorSpec([len(steps)], tf.int64), *(
            tf.TensorSpec(each.shape, each.dtype) for each in known)))
    with variables.on_host():
      reached = tf.constant(list(steps.values()), tf.int64)
    with self._scope():
      function(reached, *known)
    self._last_updates.update(steps)
    for layer in steps:
      layer.pruning.updated.update(
          record.identity for record in layer.pruning.weights if record.trainable)
    if self.on_update is not None:
      self.on_update(max(steps.values()))

  def _channels_for(self, steps: Dict[Layer, int]) -> List[channel_masks.Found]:
    """Returns the channels of layers that are due, and adds the other layers that have them.

    The slices of a channel are hidden together, so all these layers have the latest step.
    """
    due = [found for found in channel_masks.find(self._model)
           if any(layer in steps for layer in found.layers)]
    for found in due:
      latest = _latest(found.layers, steps)
      steps.update({layer: latest for layer in found.layers if layer.pruning.trainable})
    return due

  def _plans_for(self, due: Collection[Layer]) -> List[traces.Due]:
    """Returns the weights to update of the layers that are due. They change rarely."""
    made = self._made()
    key = (tuple(id(layer.pruning) for layer in due),
           tuple((id(record.mask), record.trainable)
                 for layer in made for record in layer.pruning.weights))
    return self._functions.get(key, lambda: traces.weights_due(made, due))

  @contextlib.contextmanager
  def _scope(self) -> Iterator[None]:
    made = self._made()
    strategy = variables.strategy_of(made[0].pruning.step) if made else None
    if strategy is None or strategy.num_replicas_in_sync == 1:
      yield  # Entering the default strategy takes time without any effect.
      return
    with strategy.scope():
      yield


def _latest(layers: Collection[Layer], steps: Mapping[Layer, int]) -> int:
  """Returns the latest step of those layers that have one; frozen ones have none."""
  return max(steps[layer] for layer in layers if layer in steps)


def _traced(function: Callable[..., Any], *specs: Any) -> Callable[..., Any]:
  """Returns a TensorFlow function that is traced now, for arguments of these specs.

  TensorFlow counts traces of all functions with the same code as retracing, and warns if many
  models are trained in one process. It does not count functions obtained this way.
  """
  return tensorflow.function(function, autograph=False).get_concrete_function(*specs)
