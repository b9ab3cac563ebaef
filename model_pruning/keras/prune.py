# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_low_magnitude and strip_pruning: turn a model into a pruned one, and back.

Both work on a copy if the copy is shown to be the same model, and otherwise in place.
"""

import functools
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning.compat import tf
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras import backend
from model_pruning.keras import channel_masks
from model_pruning.keras import exactness
from model_pruning.keras import frozen
from model_pruning.keras import masks
from model_pruning.keras import prunable
from model_pruning.keras.backend import keras
from model_pruning.keras.copying import Copy
from model_pruning.keras.plans import check_maps
from model_pruning.keras.plans import note_given_together
from model_pruning.keras.policies import PruningPolicy
from model_pruning.keras.policies import refused_in
from model_pruning.keras.pruned import prune_here
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.pruned import PruneLowMagnitude
from model_pruning.keras.pruned import strip_here
from model_pruning.keras.pruned import take_off
from model_pruning.keras.settings import Settings
from model_pruning.keras.shortfalls import decayed
from model_pruning.keras.shortfalls import open_averaged
from model_pruning.schedules import ConstantSparsity
from model_pruning.schedules import PruningSchedule
from model_pruning.util.types import Layer
from model_pruning.util.types import Model

_IN_PLACE = 'use in_place=True to work on it directly'
_HALF = ConstantSparsity(0.5, begin_step=0)  # tfmot's default.

# Arguments that Keras 2 and tfmot's wrapper accept for the first layer of a Sequential model.
_LAYER_ARGUMENTS = ('batch_input_shape', 'dtype', 'input_shape', 'name', 'trainable')


def prune_low_magnitude(
    to_prune: Any,
    pruning_schedule: Union[PruningSchedule, HParams, PruningSpec, str] = _HALF,
    block_size: Sequence[int] = (1, 1), block_pooling_type: str = 'AVG',
    pruning_policy: Optional[PruningPolicy] = None,
    sparsity_m_by_n: Optional[Tuple[int, int]] = None, in_place: Optional[bool] = None,
    **kwargs: Any) -> Any:
  """Returns a model or layer that is pruned during training.

      model = prune_low_magnitude(model, PolynomialDecay(0.0, 0.9, begin_step=0, end_step=1000))
      model.compile(...)
      model.fit(..., callbacks=[UpdatePruningStep()])
      model = strip_pruning(model)

  The result is a copy, if one can be made that is shown to be the same model. The copy has
  the weights and names of the original, which does not change, and is not compiled. A model
  that Keras cannot copy exactly from its config is pruned in place and returned; a line in
  the log says so. A model without weights to prune is returned unchanged, with a warning.

  Args:
    to_prune: a layer, a list of layers, or a model: Sequential, functional, subclassed, or
      nested. It may be built or not.
    pruning_schedule: when the masks are updated, and to which sparsity; or an HParams string
      or object with all settings, as in the graph API.
    block_size: (height, width) of the blocks that are pruned together, in elements of a
      weight that squeezes to a matrix; -1 for a whole dimension. Other weights, for example
      kernels of larger convolutions, are pruned element by element.
    block_pooling_type: 'AVG' or 'MAX' of the magnitudes in a block.
    pruning_policy: decides which layers may be pruned; skip_unknown skips layers whose
      weights to prune are unknown.
    sparsity_m_by_n: (m, n): of every n consecutive input channels m are zero once the
      schedule reaches its target; before that, as many as the current sparsity allows.
    in_place: True prunes to_prune itself; False copies it, or raises; None copies it if the
      copy is shown to be exact, and otherwise works in place.
    **kwargs: `hparams`, an HParams string or object with settings that a schedule lacks
      (target_sparsity, weight_sparsity_map, block_dims_map, ...). For a single layer also
      arguments of its constructor: input_shape, name, trainable, dtype.

  Raises:
    errors.LayerError: to_prune cannot be pruned, or has a layer whose weights to prune are
      unknown.
    errors.EagerError: a graph is being built, as eager execution is disabled.
    errors.CloneError: in_place=False, and a copy made from the config would be another model.
    errors.PolicyError: the policy refuses the model.
    errors.MapError, errors.BlockError, errors.SpecError, errors.ChannelError: the settings are
      invalid, or do not fit the weights.
    TypeError: an unknown argument.
  """
  backend.check_eager('prune_low_magnitude()')
  hparams = kwargs.pop('hparams', None)
  several = isinstance(to_prune, (list, tuple))
  _check_arguments(to_prune, pruning_policy, in_place, kwargs)
  settings = Settings.create(pruning_schedule, block_size, block_pooling_type, sparsity_m_by_n,
                             hparams)
  layers = list(to_prune) if several else [to_prune]
  for layer in layers:
    _check_type(layer)
    if settings.spec.channel_pruning:
      channel_masks.check_model(layer)
  if pruning_policy is not None and isinstance(to_prune, keras.Model):
    pruning_policy.ensure_model_supports_pruning(to_prune)
  refuses = prunable.refuse_none if pruning_policy is None else functools.partial(
      refused_in, pruning_policy)
  unknown = [(each, unit) for layer in layers for unit in _units(layer)
             for each in prunable.unknown_in(unit, refuses(unit))]
  if unknown:
    raise prunable.unknown_layer([each for each, _ in unknown], unknown[0][1])
  if several or kwargs or pruned_layers(to_prune) or any(
      masks.may_be_masked(unit, refuses(unit)) for unit in _units(to_prune)):
    layers = [_copy_or_same(layer, 'pruned', in_place, kwargs) for layer in layers]
  _prune_here(layers, settings, refuses)
  if several:
    return layers
  return layers[0] if pruned_layers(layers[0]) or kwargs else to_prune


def _check_arguments(to_prune: Any, pruning_policy: Optional[PruningPolicy],
                     in_place: Optional[bool], kwargs: Mapping[str, Any]) -> None:
  """Raises the errors of prune_low_magnitude about arguments that contradict one another."""
  unknown = sorted(set(kwargs) - set(_LAYER_ARGUMENTS))
  if unknown:
    raise TypeError('prune_low_magnitude() got an unexpected keyword argument %r%s; it accepts '
                    'hparams and, for a layer, %s' % (
                        unknown[0], errors.nearest(unknown[0], ('hparams', *_LAYER_ARGUMENTS)),
                        ', '.join(_LAYER_ARGUMENTS)))
  if pruning_policy is not None and (
      isinstance(pruning_policy, type) or
      not callable(getattr(pruning_policy, 'allow_pruning', None))):
    raise errors.PolicyError('pruning_policy is %r; it must be a PruningPolicy, for example '
                             'skip_unknown' % (pruning_policy,))
  if kwargs and isinstance(to_prune, (list, tuple, keras.Model)):
    raise TypeError('%s is for a single layer, but %s was passed' % (
        ', '.join(sorted(kwargs)), type(to_prune).__name__))
  _check_in_place(in_place)
  if kwargs and in_place:
    raise TypeError('%s changes the layer, but in_place=True prunes the layer that was passed as '
                    'it is; leave out one of them' % ', '.join(sorted(kwargs)))


def _check_in_place(in_place: Any) -> None:
  """Raises TypeError if it is anything but True, False or None: 'no' would count as True."""
  if in_place is not None and not isinstance(in_place, bool):
    raise TypeError('in_place=%r; expected True, False or None' % (in_place,))


def strip_pruning(model: Model, in_place: Optional[bool] = None) -> Layer:
  """Returns a pruned model or layer without masks, with zeros where its masks have them.

  The result consists only of Keras's and your own classes, under the same names. It is a
  copy, not compiled, if one can be made that is shown to be the same model; the pruned model
  then does not change. A model that Keras cannot copy exactly from its config is stripped in
  place and returned; a line in the log says so.

  Warns if the model is short of its target sparsity, because training ended early or
  restored weights of an earlier epoch.

  Args:
    model: the model or layer.
    in_place: True strips the model itself; False copies it, or raises; None copies it if the
      copy is shown to be exact, and otherwise works in place.

  Raises:
    errors.LayerError: it is not a layer or model.
    errors.CloneError: in_place=False, and a copy made from the config would be another model.
  """
  return strip(model, in_place)


def strip(model: Any, in_place: Optional[bool] = None, advice: str = _IN_PLACE) -> Any:
  """Does the same as strip_pruning; `advice` ends the error about a model that cannot be copied."""
  _check_type(model)
  _check_in_place(in_place)
  for layer in pruned_layers(model):
    layer.pruning.check_lora()
  _warn_of_shortfalls(model)
  stripped = _copy_or_same(model, 'stripped', in_place, advice=advice)
  open_averaged(stripped)
  for layer in pruned_layers(stripped):
    strip_here(layer)
  backend.forget_functions(stripped)
  return stripped


def prune_scope() -> Any:
  """Returns a scope in which Keras can read pruned models.

  Importing model_pruning.keras has the same effect everywhere; this function exists for
  programs written for tfmot.
  """
  return keras.utils.custom_object_scope({'PruneLowMagnitude': PruneLowMagnitude})


def _check_type(layer: Layer) -> None:
  if backend.is_layer(layer):
    return
  kind = type(layer)
  if kind.__name__ == 'KerasTensor' or tf.is_tensor(layer):
    raise errors.LayerError(
        'prune_low_magnitude and strip_pruning take layers and models, but %s is a tensor, the '
        'output of a layer, or a weight; pass the layer, and call the result: '
        'prune_low_magnitude(Dense(10), ...)(x)' % _shown(layer))
  if any(base.__name__ == 'Layer' and base.__module__.split('.')[0] in ('keras', 'tf_keras')
         for base in kind.__mro__):
    raise errors.LayerError(
        '%s is a %s of another Keras than tensorflow.keras, which is Keras %d here; use '
        'tensorflow.keras to make it, or set TF_USE_LEGACY_KERAS=%d before importing TensorFlow' % (
            getattr(layer, 'name', layer), kind.__name__, 3 if backend.IS_KERAS_3 else 2,
            1 if backend.IS_KERAS_3 else 0))
  raise errors.LayerError('prune_low_magnitude and strip_pruning take Keras models, layers and (to '
                          'prune) lists of layers, not %s of type %s' % (
                              _shown(layer), kind.__name__))


def _shown(value: Any) -> str:
  """Returns a value as text for a message, shortened, as it may be an array."""
  return errors.shortened(' '.join(repr(value).split()), 80)


def _copy_or_same(layer: Layer, done: str, in_place: Optional[bool],
                  arguments: Optional[Dict[str, Any]] = None, advice: str = _IN_PLACE) -> Any:
  """Returns an exact copy of a layer or model, or the original if there is none.

  Args:
    layer: the layer or model to copy.
    done: a participle that says what will be done to it: 'pruned' or 'stripped'.
    in_place: see prune_low_magnitude.
    arguments: see Copy.
    advice: the end of the error, for a user who cannot have a copy.
  """
  if in_place:
    return layer
  try:
    copy = Copy(layer, arguments)
    if arguments:
      return copy.layer
    found = exactness.difference(layer, copy)
    if found is None:
      return copy.layer
    reason = found.reason
    if in_place is False and not found.shown:
      logging.warning('%s is copied, as in_place=False requires; %s', layer.name, reason)
      return copy.layer
  except errors.CloneError as error:
    if arguments:
      raise
    reason = str(error)
  except Exception as error:  # Raised by Keras or by layers; in place, none of that code runs.
    if arguments or isinstance(error, errors.PruningError):
      raise
    reason = 'a copy of it cannot be made (%s)' % backend.reason(error)
  if in_place is False:
    raise errors.CloneError('%s (%s) cannot be copied: %s; %s' % (
        layer.name, backend.plain_class(layer).__name__, reason, advice))
  logging.warning('%s is %s in place, not copied: %s', layer.name, done, reason)
  return layer


def _prune_here(layers: Sequence[Layer], settings: Settings,
                refuses: Callable[[Layer], prunable.Refused]) -> None:
  """Prunes layers and models in place; on an error they are restored."""
  before = [pruned for layer in layers for pruned in pruned_layers(layer)]
  # Inner layers come first, so that a layer around them does not take their weights.
  units = sorted((unit for layer in layers for unit in _units(layer)),
                 key=lambda unit: len(backend.layers_in(unit)))
  made: List[Layer] = []
  try:
    for unit in units:
      if not isinstance(unit, PruneLowMagnitude) and masks.may_be_masked(unit, refuses(unit)):
        made.append(prune_here(unit, settings, refuses))
    note_given_together(made)
    check_maps(before + made)
    if settings.spec.channel_pruning:
      for layer in layers:
        channel_masks.find(layer)
  except Exception:
    for layer in made:
      take_off(layer)
    raise
  for layer in layers:
    backend.forget_functions(layer)
  if before and not made:
    logging.warning('%s is pruned already, and keeps its schedule; strip_pruning() it first to '
                    'prune it by another one', layers[0].name)
  elif not made and any(isinstance(layer, keras.Model) for layer in layers):
    logging.warning('Nothing in model %s can be pruned%s; it is returned unchanged', layers[0].name,
                    '' if refuses is prunable.refuse_none else ' under the policy')
  _warn_of_frozen(made)


def _units(layer: Layer) -> Iterator[Layer]:
  """Yields the units of pruning: each layer of models made of layers, otherwise the whole.

  A functional model with a config of its own is a unit, too: it does not record its layers.
  """
  seen = set()

  def units(layer: Layer) -> Iterator[Layer]:
    if id(layer) in seen:
      return
    seen.add(id(layer))
    if not backend.is_functional(layer) or not _records_layers(layer):
      yield layer
      return
    for each in backend.layers_of(layer):
      yield from units(each)

  return units(layer)


def _records_layers(model: Model) -> bool:
  """Whether the config of a functional model contains the configs of its layers."""
  get_config = backend.plain_class(model).get_config  # type: ignore[attr-defined]
  # Keras 2 makes no model of a user's class anew unless the class has a config of its own.
  if backend.is_keras_own(get_config if not backend.IS_KERAS_3 else backend.plain_class(model)):
    return True
  try:
    return 'layers' in get_config(model)
  except Exception:  # By the user's code; such a model cannot be saved.
    return True


def _warn_of_frozen(layers: Sequence[Layer]) -> None:
  parts = frozen.parts_of(layers)
  found = [part.name for part in parts if not part.trainable]
  if found:
    logging.warning(
        '%s frozen (trainable=False) and will not be pruned until that changes: %s',
        'All layers that could be pruned are' if len(found) == len(parts) else
        '%d of %d layers that could be pruned are' % (len(found), len(parts)),
        ', '.join(found[:3]) + ', ...' * (len(found) > 3))


def _warn_of_shortfalls(model: Model) -> None:
  layers = pruned_layers(model)
  shortfalls = [layer.pruning.shortfall() for layer in layers]
  for shortfall in sorted({each for each in shortfalls if each}) + decayed(model):
    logging.warning('%s: %s', model.name, shortfall)
  parts = frozen.parts_of(layers)
  dense = [part for part in parts if not part.trainable and part.is_dense]
  if dense:
    logging.warning('%s: %d of %d pruned layers were frozen (trainable=False) and are dense',
                    model.name, len(dense), len(parts))
