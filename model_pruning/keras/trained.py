# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""prune_trained: prunes a trained model at once, and refits it to examples."""

import contextlib
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from absl import logging
import numpy as np

from model_pruning import errors
from model_pruning.calibration import at_once as at_once_lib
from model_pruning.calibration.endless import repeatable
from model_pruning.calibration.examples import Examples
from model_pruning.calibration.examples import first_batch
from model_pruning.calibration.reconstruct import Fit
from model_pruning.calibration.reconstruct import reconstruct
from model_pruning.calibration.result import fitted_rows
from model_pruning.calibration.result import FittedWeight
from model_pruning.calibration.result import not_refitted
from model_pruning.calibration.subject import Subject
from model_pruning.hparams.hparam import HParams
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras import backend
from model_pruning.keras import exporting
from model_pruning.keras import variables
from model_pruning.keras.masks import PrunedWeight
from model_pruning.keras.plans import plans_of
from model_pruning.keras.policies import PruningPolicy
from model_pruning.keras.prune import prune_low_magnitude
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.pruned import strip_here
from model_pruning.keras.updates import MaskUpdater
from model_pruning.util.sparsity_table import WeightSparsity
from model_pruning.util.types import Model


def prune_trained(model: Model, hparams: Union[HParams, PruningSpec, str], x: Any = None,
                  pruning_policy: Optional[PruningPolicy] = None,
                  in_place: Optional[bool] = None) -> Any:
  """Returns a trained model, pruned to its target sparsities without training.

      pruned = prune_trained(model, 'target_sparsity=0.9,sparsity_distribution=lamp', images[:256])
      pruned.evaluate(...)
      model = strip_pruning(pruned)

  With examples, the kept weights and the biases are refitted, layer after layer, so that the
  pruned model reproduces the outputs of the trained one; see model_pruning.calibration. No labels
  are needed. The result has masks: it can be trained on, with UpdatePruningStep, at its targets.
  Layers that cannot be refitted are only masked; a warning in the log names them.

  Args:
    model: a built Keras model without masks.
    hparams: an HParams object or string, as in prune_low_magnitude. Steps in it have no effect.
    x: examples of inputs, one per row: an array, a list or dict of arrays, a tf.data.Dataset or
      other batches. 256 are usually enough. None only masks the weights.
    pruning_policy, in_place: see prune_low_magnitude.

  Raises:
    errors.LayerError: the model is not built, is pruned already, or has a layer whose weights to
      prune are unknown.
    errors.ExamplesError: the examples do not fit the model, or are too few.
    errors.SpecError, errors.MapError, errors.BlockError: the hyperparameters are invalid, or do not
      fit the weights.
    errors.CloneError, errors.ConversionError, errors.PolicyError: see prune_low_magnitude and
      to_saved_model.
  """
  return prune_trained_with_rows(model, hparams, x, pruning_policy, in_place).model


class PrunedModel(NamedTuple):
  """A pruned model.

  Attributes:
    model: the Keras model.
    rows: one FittedWeight for each weight.
  """
  model: Any
  rows: List[FittedWeight]


def prune_trained_with_rows(
    model: Model, hparams: Union[HParams, PruningSpec, str], x: Any = None,
    pruning_policy: Optional[PruningPolicy] = None,
    in_place: Optional[bool] = None) -> PrunedModel:
  """Prunes a model as prune_trained does, and returns the fit of each weight, too."""
  _check(model)
  spec = at_once(PruningSpec.create(hparams))
  x = repeatable(x)
  pruned = prune_low_magnitude(model, spec, pruning_policy=pruning_policy, in_place=in_place)
  if not pruned_layers(pruned):
    return PrunedModel(pruned, [])  # A warning has said so.
  found: Dict[str, Fit] = {}
  with _undone_on_error(model, pruned):
    with backend.quietly():
      frozen = None if x is None else exporting.freeze_like(pruned, first_batch(x))
    _mask(pruned, spec)
    if frozen is not None:
      found = _refit(pruned, frozen, spec, x)
  _warn(pruned, found)
  return PrunedModel(pruned, fitted_rows(_rows(pruned), found))


def _check(model: Model) -> None:
  if not isinstance(model, backend.keras.Model) or not model.built:
    raise errors.LayerError('%r is not a built Keras model; call it on data, or give it inputs, '
                            'first' % (model,))
  if pruned_layers(model):
    raise errors.LayerError('Model %s is pruned already; strip_pruning() it first, or train it on' %
                            model.name)


def _mask(model: Model, spec: PruningSpec) -> None:
  """Updates the masks of a pruned model to the targets of a spec made by at_once."""
  step = spec.pruning_frequency
  for layer in pruned_layers(model):
    layer.pruning.step.assign(step)
  MaskUpdater(model).update(step)


@contextlib.contextmanager
def _undone_on_error(model: Model, pruned: Model) -> Iterator[None]:
  """Makes a model that is pruned in place what it was, if an error ends the work on it."""
  before = [variables.to_array(variable) for variable in pruned.variables]
  try:
    yield
  except BaseException:
    if pruned is model:
      for variable, value in zip(pruned.variables, before):
        variable.assign(value)
      _take_off(model)
    raise


def _take_off(model: Model) -> None:
  """Strips a model whose masks are all ones, without strip_pruning's warning about it."""
  for layer in pruned_layers(model):
    strip_here(layer)
  backend.forget_functions(model)


def at_once(spec: PruningSpec) -> PruningSpec:
  """Returns the spec changed so that weights have their targets from the first update on.

  Raises:
    errors.SpecError: the spec needs many updates, or the history of weights; or it prunes channels.
  """
  return at_once_lib.at_once(
      spec, spec.pruning_frequency, 'model_pruning.keras.remove_channels(model, fraction=%g)' %
      spec.target_sparsity)


def _refit(model: Model, frozen: exporting.FrozenModel, spec: PruningSpec,
           x: Any) -> Dict[str, Fit]:
  """Gives a model with masks the values that fit the examples; returns the fits by weight."""
  subject, records = _subject(model, frozen)
  masks = {constant: variables.to_array(record.mask).astype(np.float32)
           for constant, record in records.items()}
  with subject.networks() as networks, subject.selector(spec) as selector:
    found = reconstruct(networks, masks, Examples(x, networks.inputs), selector)
  for constant, value in found.values.items():
    frozen.variables[constant].assign(value)
  for constant, mask in found.masks.items():
    variable = records[constant].mask
    variable.assign(np.asarray(mask, variables.to_array(variable).dtype))
  fits = {records[fit.weight].name: fit for fit in found.fits}
  used = {id(variable) for variable in frozen.variables.values()}
  fits.update({record.name: Fit(record.name, reason='the model does not use it to predict')
               for record in _records(model) if id(record.weight) not in used})
  return fits


def subject_of(model: Model, hparams: Union[HParams, PruningSpec, str], x: Any,
               pruning_policy: Optional[PruningPolicy] = None) -> Subject:
  """Returns a trained model, which does not change, as a Subject; see prune_trained.

  A model that cannot be copied is pruned and stripped again.
  """
  spec = at_once(PruningSpec.create(hparams))
  _check(model)
  pruned = prune_low_magnitude(model, spec, pruning_policy=pruning_policy)
  try:
    if not pruned_layers(pruned):
      raise errors.LayerError('Model %s has no weights to prune' % model.name)
    with backend.quietly():
      return _subject(pruned, exporting.freeze_like(pruned, first_batch(x)))[0]
  finally:
    if pruned is model:
      _take_off(model)


def _subject(model: Model, frozen: exporting.FrozenModel
             ) -> Tuple[Subject, Dict[str, PrunedWeight]]:
  """Returns a pruned model as a Subject, and its weights by the names of their constants."""
  constants = {id(variable): name for name, variable in frozen.variables.items()}
  # Without weights that N of M leaves dense, and those without elements.
  planned = {member.identity: member for _, together in plans_of(pruned_layers(model))
             for member, _ in together.members}
  records = {constants[id(record.weight)]: record for record in _records(model)
             if id(record.weight) in constants and record.identity in planned and
             all(record.weight.shape)}
  weights = {constant: planned[record.identity] for constant, record in records.items()}
  return Subject(frozen.graph_def, frozen.inputs, frozen.outputs, weights,
                 frozen.variables), records


def _warn(model: Model, fits: Mapping[str, Fit]) -> None:
  reasons = [(name, fit.reason) for name, fit in fits.items() if fit.reason]
  if reasons:
    logging.warning('%s: %s', model.name, not_refitted(reasons))


def _rows(model: Model) -> List[WeightSparsity]:
  """Returns the sparsities of the weights."""
  rows = []
  for layer in pruned_layers(model):
    for record in layer.pruning.weights:
      mask = variables.to_array(record.mask).astype(np.float32)
      target = layer.pruning.settings.spec.target_for(record.name)
      rows.append(WeightSparsity(record.name, mask.shape, target, int(np.sum(mask == 0)), False))
  return rows


def _records(model: Model) -> List[PrunedWeight]:
  return [record for layer in pruned_layers(model) for record in layer.pruning.weights]
