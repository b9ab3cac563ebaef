# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Removes channels in the middle of training: the optimizer keeps its state for those that stay."""

import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.channels.choice import Target
from model_pruning.compat import tensorflow
from model_pruning.export.smaller import Width
from model_pruning.keras import attributes
from model_pruning.keras import backend
from model_pruning.keras import removal
from model_pruning.keras import variables
from model_pruning.keras.backend import keras
from model_pruning.keras.copying import plain_weights
from model_pruning.keras.prune import strip
from model_pruning.keras.pruned import pruned_layers
from model_pruning.util.types import Array
from model_pruning.util.types import Model
from model_pruning.util.types import Optimizer
from model_pruning.util.types import Variable

_ADVICE = ('without its optimizer the model can be made smaller: '
           'remove_channels(strip_pruning(model, in_place=True))')
# Lists of an optimizer that are not slots.
_NO_SLOTS = ('_variables', '_trainable_variables', '_tracked_variables', '_optimizers')
# Adafactor's slots, and the axes of the weights over which they are means.
_FACTORED = {'_r': -1, '_c': -2}


def remove_channels_in_training(model: Model, fraction: float = 0.0, keep: Optional[str] = None,
                                multiple_of: int = 1,
                                remove: Optional[Mapping[str, Sequence[int]]] = None) -> Model:
  """Returns a smaller model without some channels, which continues the training of this one.

      model.fit(x, y, callbacks=[sparsity.UpdatePruningStep()])
      model = sparsity.remove_channels_in_training(model)
      model.fit(x, y)

  It is compiled like the model, with a new optimizer that has the same state: the number of steps,
  and of momentum and other slots the elements that belong to channels that stay. So it trains on as
  the masked model would, in less time.

  Args:
    model: a built and compiled model, as in remove_channels, or one with masks: then its hidden
      channels are removed, unless the other arguments say otherwise. It does not change.
    fraction, keep, multiple_of, remove: see remove_channels.

  Raises:
    errors.LayerError: the model has no optimizer; or see remove_channels.
    errors.PruningError: see remove_channels.
  """
  if not isinstance(model, keras.Model) or getattr(model, 'optimizer', None) is None:
    raise errors.LayerError(
        'remove_channels_in_training() continues the training of a compiled model, and %s is not '
        'compiled; use remove_channels()' % getattr(model, 'name', model))
  with variables.scope_of(model):  # The smaller model trains on the same devices.
    plain = strip(model, in_place=False, advice=_ADVICE) if pruned_layers(model) else model
    removed = removal.removed(plain, Target(fraction, keep=keep, multiple_of=multiple_of), remove,
                              absorb=False)  # Constants may still change.
    _compile_like(model, removed.model)
    pairs = _Pairs([_Pair(old, new, removed.widths.get(id(same))) for old, same, new in zip(
        plain_weights(model), plain.weights, removed.model.weights)])
    optimizer = removed.model.optimizer
    for old, new in zip(_unwrapped(model.optimizer), _unwrapped(optimizer)):
      _exclude_from_weight_decay(old, new, pairs)
    _build(optimizer, removed.model.trainable_variables)
    for old, new in zip(_unwrapped(model.optimizer), _unwrapped(optimizer)):
      _copy_state(old, new, pairs, model.trainable_variables)
    return removed.model


class _Pair(NamedTuple):
  """A weight and its copy, and which slices of it stay; None if it is as large as before."""
  old: Variable
  new: Variable
  width: Optional[Width]

  def cut(self, value: Array, axis: Optional[int] = None) -> Array:
    """Returns the part of a slot that the copy has, or the slot if it has another shape.

    Args:
      value: an array of the shape of the weight.
      axis: the axis that the array lacks; None if it lacks none.
    """
    shape, indices = list(self.old.shape), list(self.width.indices if self.width else ())
    if axis is not None and len(shape) > 1:
      del shape[axis]
      del indices[axis:axis + 1 or None]
    if self.width is None or list(value.shape) != shape:
      return value
    return dataclasses.replace(self.width, indices=tuple(indices)).cut(value)


class _Pairs:
  """Finds pairs by the weight before."""

  def __init__(self, pairs: Sequence[_Pair]) -> None:
    self._by_id = {id(pair.old): pair for pair in pairs}

  def __iter__(self) -> Iterator[_Pair]:
    return iter(self._by_id.values())

  def of(self, weight: Variable) -> Optional[_Pair]:
    return self._by_id.get(id(weight))


def _compile_like(model: Model, other: Model) -> None:
  """Compiles another model with copies of the optimizer and the metrics."""
  if not backend.is_compiled(model):  # The program trains in its own loop.
    other.optimizer = _new_optimizer(model.optimizer)
    return
  stored = getattr(getattr(model, '_compile_config', None), 'config', None)
  if not hasattr(other, 'compile_from_config'):  # Before TensorFlow 2.12.
    stored = model._get_compile_args()
  if not isinstance(stored, Mapping):
    with keras.utils.custom_object_scope({
        **backend.functions_of(model), **_classes_of(model.optimizer)}):
      other.compile_from_config(model.get_compile_config())
    return
  arguments: Dict[str, Any] = dict(stored)
  for name in ('metrics', 'weighted_metrics'):
    if arguments.get(name) is not None:
      arguments[name] = tensorflow.nest.map_structure(
          lambda metric: _new_metric(metric, model), arguments[name])
  arguments['optimizer'] = _new_optimizer(model.optimizer)
  other.compile(**arguments)


def _new_optimizer(optimizer: Optimizer) -> Optimizer:
  """Returns an optimizer with the same settings, and with attributes that the user added.

  Raises:
    errors.LayerError: its config does not say how to make it.
  """
  try:
    with keras.utils.custom_object_scope(_classes_of(optimizer)):
      try:
        new = type(optimizer).from_config(optimizer.get_config())
      except (NotImplementedError, TypeError, ValueError):
        new = _with_same_schedule(optimizer)
        if new is None:
          raise
  except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
    raise errors.LayerError('Optimizer %s cannot be recreated from its config (%s); correct its '
                            'get_config, or %s' % (type(optimizer).__name__,
                                                   backend.reason(error), _ADVICE)) from error
  for ours, theirs in zip(_unwrapped(optimizer), _unwrapped(new)):
    attributes.carry_over(ours, theirs)
  return new


def _with_same_schedule(optimizer: Optimizer) -> Optional[Optimizer]:
  """Returns an optimizer with the same settings and the same schedule; None if it has none.

  A user's schedule or function need not have a config. It has no state.
  """
  inner = getattr(optimizer, 'inner_optimizer', None)
  last = optimizer if inner is None else inner
  # keras.optimizers.legacy has it among its hyperparameters.
  holder: Dict[str, Any] = last.__dict__ if '_learning_rate' in vars(last) else last._hyper
  key = '_learning_rate' if holder is last.__dict__ else 'learning_rate'
  schedule = holder[key]
  if not callable(schedule):
    return None
  holder[key] = 0.001
  try:
    config = optimizer.get_config()
    if inner is None:
      return type(optimizer).from_config({**config, 'learning_rate': schedule})
  finally:
    holder[key] = schedule
  del config['inner_optimizer']
  return type(optimizer)(_with_same_schedule(inner), **config)


def _classes_of(optimizer: Optimizer) -> Dict[str, Any]:
  """Returns the classes of an optimizer and of its schedules, by name.

  Keras finds classes of users only by these names, unless they are registered.
  """
  found = {}
  for each in _unwrapped(optimizer):
    for value in (each, *vars(each).values(), *(getattr(each, '_hyper', None) or {}).values()):
      if hasattr(value, 'get_config'):
        found[type(value).__name__] = type(value)
  return found


def _new_metric(metric: Any, model: Model) -> Any:
  """Returns a metric without the counts of another one; functions and names have none."""
  if not isinstance(metric, keras.metrics.Metric):
    return metric
  config = metric.get_config()
  if not backend.IS_KERAS_3 and len(model.output_names) > 1 and getattr(
      getattr(model, 'compiled_metrics', None), 'built', False):
    # Keras 2 has put the name of the output in front, and will do so again.
    config['name'] = next((config['name'][len(output) + 1:] for output in model.output_names
                           if config['name'].startswith(output + '_')), config['name'])
  return type(metric).from_config(config)


def _exclude_from_weight_decay(old: Optimizer, new: Optimizer, pairs: _Pairs) -> None:
  """Excludes the same weights from weight decay, before slots are made; no config says which."""
  if getattr(old, 'weight_decay', None) and hasattr(old, '_use_weight_decay'):
    excluded = [pair.new for pair in pairs if not old._use_weight_decay(pair.old)]
    if excluded:
      new.exclude_from_weight_decay(var_list=excluded)


def _build(optimizer: Optimizer, weights: Sequence[Variable]) -> None:
  """Makes the slots of an optimizer."""
  if hasattr(optimizer, 'build'):
    optimizer.build(weights)
  elif hasattr(optimizer, '_create_all_weights'):  # Of keras.optimizers.legacy.
    optimizer._create_all_weights(weights)


def _unwrapped(optimizer: Optimizer) -> Iterator[Optimizer]:
  """Yields an optimizer, and those in it."""
  if optimizer is not None:
    yield optimizer
    for inner in _inside(optimizer):
      yield from _unwrapped(inner)


def _inside(optimizer: Optimizer) -> List[Optimizer]:
  """Returns the optimizers that a LossScaleOptimizer or a MultiOptimizer contains."""
  inner = getattr(optimizer, 'inner_optimizer', None)
  return list(getattr(optimizer, 'optimizers', ())) if inner is None else [inner]


def _copy_state(old: Optimizer, new: Optimizer, pairs: _Pairs,
                weights: Sequence[Variable]) -> None:
  """Copies counts and slots; slots of another shape than a weight's start anew, with a line."""
  slots = {id(slot): (pair, axis) for slot, pair, axis in _slots(old, pairs, weights)}
  ours, theirs = _own_variables(old), _own_variables(new)
  if len(ours) != len(theirs):
    was_trained = np.any(variables.to_array(getattr(old, 'iterations', 1)))
    if ours and was_trained:
      logging.warning('Optimizer %s starts anew: it has %d variables, and its copy for the smaller '
                      'model has %d', type(old).__name__, len(ours), len(theirs))
    return
  _copy_attributes(old, new)
  # LossScaleOptimizer of Keras 2 has the scale, if it changes, in an object of its own.
  scales = [getattr(each, '_loss_scale', None) for each in (old, new)]
  if all(hasattr(each, '_counter') for each in scales):
    _copy_attributes(*scales)
  anew = []
  for variable, copy in zip(ours, theirs):
    value, (pair, axis) = variables.to_array(variable), slots.get(id(variable), (None, None))
    if pair is not None:
      value = pair.cut(value, axis)
    if value.shape == tuple(copy.shape):
      copy.assign(value)
    else:
      anew.append(str(getattr(variable, 'path', variable.name)))
  if anew:
    logging.warning('These variables of optimizer %s start anew, because no weight has their '
                    'shape: %s', type(old).__name__, ', '.join(
                        '%s%s' % (name, '' if anew.count(name) == 1 else ' (%d)' % anew.count(name))
                        for name in sorted(set(anew))))


def _copy_attributes(old: Any, new: Any) -> None:
  """Copies variables that are attributes: Nadam of Keras 2 lists its product of momenta nowhere."""
  for name, value in vars(old).items():
    copy = vars(new).get(name)
    if (isinstance(value, tensorflow.Variable) and isinstance(copy, tensorflow.Variable) and
        value.shape == copy.shape):
      copy.assign(value)


def _own_variables(optimizer: Optimizer) -> List[Variable]:
  """Returns the variables of an optimizer, without the variables of optimizers inside it."""
  others = {id(variable) for inner in _inside(optimizer) for variable in _variables(inner)}
  return [variable for variable in _variables(optimizer) if id(variable) not in others]


def _variables(optimizer: Optimizer) -> List[Variable]:
  found = optimizer.variables
  return list(found() if callable(found) and not isinstance(found, list) else found)


def _slots(optimizer: Optimizer, pairs: _Pairs, weights: Sequence[Variable]
           ) -> Iterator[Tuple[Variable, Optional[_Pair], Optional[int]]]:
  """Yields the slots of an optimizer, the pairs of their weights, and the axes that they lack."""
  if hasattr(optimizer, 'get_slot_names'):  # Of keras.optimizers.legacy.
    for name in optimizer.get_slot_names():
      for weight in weights:
        yield optimizer.get_slot(weight, name), pairs.of(weight), None
    return
  # Optimizers keep their slots in lists, in the order of the weights. There is no public API.
  ordered = list(getattr(optimizer, '_trainable_variables', None) or weights)
  for name, value in vars(optimizer).items():
    if name not in _NO_SLOTS and isinstance(value, list) and len(value) == len(ordered):
      for slot, weight in zip(value, ordered):
        if hasattr(slot, 'assign'):
          yield slot, pairs.of(weight), _FACTORED.get(name)
