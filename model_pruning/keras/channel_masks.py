# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Masks by channel in a Keras model: finds the channels that its masks can hide."""

import dataclasses
from typing import Any, List, Optional, Sequence

from absl import logging

from model_pruning import errors
from model_pruning.channels import masking
from model_pruning.engine.channel_groups import ChannelPlan
from model_pruning.engine.layout import Layout
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras import backend
from model_pruning.keras.functions import functions_of
from model_pruning.keras.masks import PrunedWeight
from model_pruning.keras.plans import by_settings
from model_pruning.keras.pruned import pruned_layers
from model_pruning.keras.removal import Subject
from model_pruning.keras.settings import Settings
from model_pruning.util.types import Layer
from model_pruning.util.types import Model
from model_pruning.util.types import Variable


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
  """The channels of a model that masks hide, by one schedule.

  Attributes:
    settings: how they are pruned.
    layers: the pruned layers that have these settings.
    plan: the channels.
    weights: per weight of the plan, the variable.
    records: per weight of plan.masked, its mask.
  """
  settings: Settings
  layers: List[Layer]
  plan: ChannelPlan
  weights: List[Variable]
  records: List[PrunedWeight]

  @property
  def spec(self) -> PruningSpec:
    """The hyperparameters."""
    return self.settings.spec

  @property
  def targets(self) -> List[Optional[float]]:
    """The targets of the groups in maps, each once; None for target_sparsity."""
    return list(dict.fromkeys(group.own_target for group in self.plan.groups))


def find(model: Model) -> List[Found]:
  """Returns the channels that the masks of a model hide; nothing if no layer is pruned by channel.

  Frozen layers count as layers without masks. Logs one line, once, with the weights that stay
  dense.

  Args:
    model: a model with pruned layers.

  Raises:
    errors.LayerError: the model is not built, or neither functional nor Sequential.
    errors.ChannelError: masks can hide no channels.
    errors.MapError: a key of weight_sparsity_map matches no group, or several match one.
  """
  layers = pruned_layers(model)
  chosen = {settings: same for settings, same in by_settings(layers).items()
            if settings.spec.channel_pruning}
  if not chosen:
    return []
  check_model(model)
  records = [record for layer in layers for record in layer.pruning.weights]
  key = ('channels', id(model), *((id(record.mask), record.trainable) for record in records))

  def make() -> List[Found]:
    subject = Subject(model)
    return [_find(model, subject, settings, same) for settings, same in chosen.items()]

  found: List[Found] = functions_of(layers).get(key, make)
  return found


def check_model(model: Any) -> None:
  """Raises errors.LayerError if the channels of a layer or model cannot be found."""
  kind = '%s (%s)' % (getattr(model, 'name', model), backend.plain_class(model).__name__)
  needs = 'channel_pruning=true needs the layers that read each channel'
  if not isinstance(model, backend.keras.Model):
    raise errors.LayerError('%s, and %s is a layer; pass the whole model, or prune it without '
                            'channel_pruning' % (needs, kind))
  if not backend.is_functional(model):
    raise errors.LayerError(
        '%s. Model %s is neither functional nor Sequential, so only its code knows them; build it '
        'of layers with keras.Model(inputs, outputs), or prune it without channel_pruning' % (
            needs, kind))
  if not model.built:
    raise errors.LayerError('%s, and model %s is not built; give it a keras.Input, or call it on '
                            'data, first; or prune it without channel_pruning' % (needs, kind))


def _find(model: Model, subject: Subject, settings: Settings, layers: Sequence[Layer]) -> Found:
  records = {id(record.weight): record for layer in layers for record in layer.pruning.weights
             if record.trainable}
  by_name = {name: records[id(variable)] for name, variable in subject.frozen.variables.items()
             if id(variable) in records}
  found = masking.hideable(subject.channels, list(by_name), subject.groups, subject.whole)
  # Keras 2 omits the layer's name if it builds the layer from a config. See PrunedWeight.
  better = {name: record.name for name, record in by_name.items()}
  if len(set(better.values())) == len(better):
    found = found.renamed(better)
    by_name = {better[name]: record for name, record in by_name.items()}
  else:
    better = {}
  known = {better.get(name, name): variable
           for name, variable in subject.frozen.variables.items()}
  layouts = {name: Layout.whole(variable.shape) for name, variable in known.items()}
  plan, names = found.plan(layouts, list(by_name), settings.spec)
  if found.log_line:
    logging.warning('%s: these weights stay dense, as masks cannot hide their channels: %s',
                    model.name, found.log_line)
  return Found(settings, list(layers), plan, [known[name] for name in names],
               [by_name[names[number]] for number in plan.masked])
