# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_low_magnitude and strip_pruning: from a model to a pruned one, and back."""

from typing import Any, Dict, Optional, Sequence, Tuple, Union

from absl import logging

from model_pruning import errors
from model_pruning.hparam import HParams
from model_pruning.keras import backend
from model_pruning.keras import prunable
from model_pruning.keras.backend import keras
from model_pruning.keras.copying import Copy
from model_pruning.keras.policies import PruningPolicy
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.pruned import pruned_like
from model_pruning.keras.pruned import PruneLowMagnitude
from model_pruning.keras.settings import Settings
from model_pruning.keras.updates import check_maps
from model_pruning.sparsity_schedules import ConstantSparsity
from model_pruning.sparsity_schedules import PruningSchedule

_HALF = ConstantSparsity(0.5, begin_step=0)  # The default of tfmot.

# What Keras 2 and tfmot's wrapper take for the first layer of a Sequential model.
_LAYER_ARGUMENTS = ('batch_input_shape', 'dtype', 'input_shape', 'name', 'trainable')


def prune_low_magnitude(
    to_prune: Any,
    pruning_schedule: Union[PruningSchedule, HParams, str] = _HALF,
    block_size: Sequence[int] = (1, 1), block_pooling_type: str = 'AVG',
    pruning_policy: Optional[PruningPolicy] = None,
    sparsity_m_by_n: Optional[Tuple[int, int]] = None, **kwargs: Any) -> Any:
  """Returns a copy of a model or layer that is pruned while it is trained.

      model = prune_low_magnitude(model, PolynomialDecay(0.0, 0.9, begin_step=0, end_step=1000))
      model.compile(...)
      model.fit(..., callbacks=[UpdatePruningStep()])
      model = strip_pruning(model)

  The copy has the weights of what is passed, which is left as it is, and the same
  names; it is not compiled. Layers without weights to prune are copied as they are.

  Args:
    to_prune: a layer, a list of layers, or a model: Sequential, functional, subclassed,
      with others in it. Weights may have been made already or not.
    pruning_schedule: when the masks are updated and how sparse they are; or an HParams
      string or object, which says all that, in the words of the graph door.
    block_size: (height, width) of the blocks that are pruned together, in elements of a
      weight that squeezes to a matrix; -1 for a whole dimension. Others, such as the
      kernels of larger convolutions, are pruned element by element.
    block_pooling_type: 'AVG' or 'MAX' of the magnitudes in a block.
    pruning_policy: says which layers may be pruned; skip_unknown leaves alone those
      that nobody knows what to prune of.
    sparsity_m_by_n: (m, n): of every n consecutive input channels m are zero, once the
      schedule reaches its target; on the way as many of them as it has come.
    **kwargs: `hparams`, an HParams string or object with what a schedule leaves open:
      target_sparsity, weight_sparsity_map, block_dims_map and the like. And for a single
      layer what its constructor takes: input_shape, name, trainable, dtype.

  Raises:
    errors.LayerError: to_prune is nothing that can be pruned, or has a layer that nobody
      knows what to prune of.
    errors.CloneError: a layer cannot be made anew from its config.
    errors.PolicyError: the policy refuses the model.
    errors.MapError, errors.BlockError, errors.SpecError: the settings are impossible, or
      do not fit the weights there are.
    TypeError: an argument that there is not.
  """
  hparams = kwargs.pop('hparams', None)
  unknown = sorted(set(kwargs) - set(_LAYER_ARGUMENTS))
  if unknown:
    raise TypeError('prune_low_magnitude() got an unexpected keyword argument %r%s; there are '
                    'hparams and, for a layer, %s' % (
                        unknown[0], errors.nearest(unknown[0], ('hparams', *_LAYER_ARGUMENTS)),
                        ', '.join(_LAYER_ARGUMENTS)))
  settings = Settings.create(pruning_schedule, block_size, block_pooling_type, sparsity_m_by_n,
                             hparams)
  if pruning_policy is not None and (
      isinstance(pruning_policy, type) or
      not callable(getattr(pruning_policy, 'allow_pruning', None))):
    raise errors.PolicyError('pruning_policy is %r; it must be a PruningPolicy, such as '
                             'skip_unknown' % (pruning_policy,))
  layers = list(to_prune) if isinstance(to_prune, (list, tuple)) else [to_prune]
  for layer in layers:
    _check_type(layer)
  if kwargs and (isinstance(to_prune, (list, tuple)) or isinstance(to_prune, keras.Model)):
    raise TypeError('%s is for a single layer, and %s was passed' % (
        ', '.join(sorted(kwargs)), type(to_prune).__name__))
  if pruning_policy is not None and isinstance(to_prune, keras.Model):
    pruning_policy.ensure_model_supports_pruning(to_prune)
  copies = [_pruned_copy(layer, settings, pruning_policy, kwargs) for layer in layers]
  if isinstance(to_prune, keras.Model) and not pruned_layers(copies[0]):
    raise errors.LayerError('Nothing in model %s can be pruned%s' % (
        to_prune.name, ' under the policy' if pruning_policy is not None else ''))
  made = [pruned for copy in copies for pruned in pruned_layers(copy)]
  if made and len(made) == sum(len(pruned_layers(layer)) for layer in layers):
    logging.warning('%s is pruned already, and keeps the schedule that it has; strip_pruning() it '
                    'first to prune it by another one', layers[0].name)
  check_maps(made)
  return copies if isinstance(to_prune, (list, tuple)) else copies[0]


def strip_pruning(model: Any) -> Any:
  """Returns a plain copy of a pruned model or layer, with zeros where its masks have them.

  The copy consists of Keras's and your own classes alone, under the same names, and is
  not compiled. The model is left as it is.

  Warns if the model is short of its target sparsity, as one is whose training ended early
  or went back to weights of an earlier epoch.

  Raises:
    errors.LayerError: it is no layer or model.
    errors.CloneError: a layer cannot be made anew from its config.
  """
  _check_type(model)
  shortfalls = [layer.pruning.shortfall() for layer in pruned_layers(model)]
  for shortfall in sorted({shortfall for shortfall in shortfalls if shortfall}):
    logging.warning('%s: %s', model.name, shortfall)
  return Copy(_plain).of(model)


def prune_scope() -> Any:
  """Returns a scope in which Keras can read pruned models.

  Importing model_pruning.keras has the same effect everywhere; this is for programs
  written for tfmot.
  """
  return keras.utils.custom_object_scope({'PruneLowMagnitude': PruneLowMagnitude})


def _check_type(layer: Any) -> None:
  if backend.is_layer(layer):
    return
  kind = type(layer)
  bases = {base.__module__.split('.')[0] for base in kind.__mro__}
  if bases & {'keras', 'tf_keras'}:
    raise errors.LayerError(
        '%s is a %s of another Keras than tensorflow.keras, which is Keras %d here; use that to '
        'make it, or set TF_USE_LEGACY_KERAS=%d before TensorFlow is imported' % (
            getattr(layer, 'name', layer), kind.__name__, 3 if backend.IS_KERAS_3 else 2,
            1 if backend.IS_KERAS_3 else 0))
  raise errors.LayerError('prune_low_magnitude and strip_pruning take Keras models, layers and (to '
                          'prune) lists of layers, and not %r of type %s' % (layer, kind.__name__))


def _pruned_copy(layer: Any, settings: Settings, policy: Optional[PruningPolicy],
                 arguments: Dict[str, Any]) -> Any:
  def convert(layer: Any) -> Any:
    if isinstance(layer, PruneLowMagnitude) or (
        policy is not None and not policy.allow_pruning(layer)):
      return _same(layer)
    unknown = prunable.unknown_in(layer)
    if unknown:
      raise prunable.unknown_layer(unknown[0], layer)
    if not prunable.may_be_pruned(layer):
      return _same(layer, arguments)
    return pruned_like(layer, settings, arguments)

  return Copy(convert).of(layer)


def _same(layer: Any, arguments: Optional[Dict[str, Any]] = None) -> Any:
  return type(layer).from_config({**layer.get_config(), **(arguments or {})})


def _plain(layer: Any) -> Any:
  if isinstance(layer, PruneLowMagnitude):
    return keras.layers.deserialize(
        layer.get_config()['layer'], {layer.plain_class.__name__: layer.plain_class})
  return _same(layer)
