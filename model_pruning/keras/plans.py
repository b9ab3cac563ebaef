# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Plans which weights of a model are pruned together, and how the engine views each weight."""

import collections
import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple
import weakref

from absl import logging

from model_pruning.engine.layout import Layout
from model_pruning.engine.plan import plan_training
from model_pruning.engine.plan import PrunedTogether
from model_pruning.engine.runs import dropped
from model_pruning.hparams.spec import PruningSpec
from model_pruning.keras.channels import View
from model_pruning.keras.channels import view_of
from model_pruning.keras.masks import PrunedWeight
from model_pruning.keras.settings import Settings
from model_pruning.util.types import Layer
from model_pruning.util.types import Tensor
from model_pruning.util.types import Variable


@dataclasses.dataclass(frozen=True)
class Planned:
  """A weight as a member of the engine's plans.

  Attributes:
    pruned: the weight, with its mask and threshold.
    view: how the engine views the weight; None for its own shape.
  """
  pruned: PrunedWeight
  view: Optional[View] = None

  @property
  def name(self) -> str:
    return self.pruned.name

  @property
  def identity(self) -> Any:
    return self.pruned.identity

  @property
  def group(self) -> Optional[str]:
    return self.pruned.group

  @property
  def layout(self) -> Layout:
    return self.pruned.layout if self.view is None else self.view.layout

  def see(self, weight: Variable) -> Tensor:
    """Returns a tensor of the weight's shape in the shape of the engine's view."""
    return weight if self.view is None else self.view.see(weight)

  def restore(self, mask: Variable) -> Tensor:
    """Returns a mask from the engine in the weight's shape."""
    return mask if self.view is None else self.view.restore(mask)


# The Pruning objects that were made by one call, and those whose maps have been checked. A layer
# may be in many models later, which need not have all the layers to which its maps refer.
_given_together: 'weakref.WeakKeyDictionary[Any, Any]' = weakref.WeakKeyDictionary()
_fitting: 'weakref.WeakSet[Any]' = weakref.WeakSet()

# The Pruning objects of layers whose dense weights check_maps has logged.
_logged: 'weakref.WeakSet[Any]' = weakref.WeakSet()


def note_given_together(layers: Sequence[Layer]) -> None:
  """Notes that one call pruned these layers, so that its maps refer to all of them."""
  together: 'weakref.WeakSet[Any]' = weakref.WeakSet(layer.pruning for layer in layers)
  _given_together.update({layer.pruning: together for layer in layers})


def note_copied(layer: Layer) -> None:
  """Notes that a layer is a copy, perhaps without the others to which its maps refer."""
  _fitting.add(layer.pruning)


def plans_of(layers: Sequence[Layer]) -> List[Tuple[Settings, PrunedTogether]]:
  """Returns the weights that are pruned together, with their settings; not those by channel.

  The records of the members are Planned.

  Args:
    layers: pruned layers that are built.

  Raises:
    errors.MapError: two keys of a map match one weight; or a key matches no weight, neither of
      these layers nor of those that were pruned in the same call.
    errors.BlockError: the settings fit no weight.
  """
  found: List[Tuple[Settings, PrunedTogether]] = []
  for settings, same in by_settings(layers).items():
    if settings.spec.channel_pruning:
      continue  # See channel_masks.py.
    _check_keys(settings.spec, same)
    planned, dense = _seen(_weights_of(same), settings.spec)
    found.extend((settings, together)
                 for together in plan_training(planned, settings.spec, dense, whole=False))
  return found


def _check_keys(spec: PruningSpec, layers: Sequence[Layer]) -> None:
  """Raises errors.MapError if a key of a map that is not checked yet matches no weight."""
  new = {layer.pruning for layer in layers} - set(_fitting)
  elsewhere = set().union(*(_given_together.get(pruning, ()) for pruning in new)) - {
      layer.pruning for layer in layers}
  if new and all(pruning.made for pruning in elsewhere):
    names = [weight.name for weight in _weights_of(layers)]
    spec.check_weights(names + sorted({weight.name for pruning in elsewhere
                                       for weight in pruning.weights}))
    _fitting.update(new)


def check_maps(layers: Sequence[Layer]) -> None:
  """Checks the settings of pruned layers against their weights, once all are built.

  Logs one line, once, with the weights that m of n leaves dense.

  Raises: see plans_of.
  """
  if not all(layer.pruning.made for layer in layers):
    return
  plans_of(layers)
  new = [layer for layer in layers if layer.pruning not in _logged]
  _logged.update(layer.pruning for layer in new)
  reasons = [reason for settings, same in by_settings(new).items()
             for reason in _seen(_weights_of(same), settings.spec)[1].values()]
  if reasons:
    logging.warning('sparsity_m_by_n leaves these weights dense, because it cannot prune them '
                    'along their input channels: %s', '; '.join(reasons))


def by_settings(layers: Sequence[Layer]) -> Dict[Settings, List[Layer]]:
  """Returns layers by their settings, in their order."""
  found: Dict[Settings, List[Layer]] = collections.OrderedDict()
  for layer in layers:
    found.setdefault(layer.pruning.settings, []).append(layer)
  return found


def _weights_of(layers: Sequence[Layer]) -> List[PrunedWeight]:
  return [weight for layer in layers for weight in layer.pruning.weights]


def _seen(records: Sequence[PrunedWeight], spec: PruningSpec
          ) -> Tuple[List[Planned], Dict[Any, str]]:
  """Returns the weights in the engine's view; and why m of n leaves some dense, by identity."""
  planned: List[Planned] = []
  dense: Dict[Any, str] = {}
  for record in records:
    dims = spec.block_dims_for(record.name, record.group)
    if not spec.intra_block_sparsity or tuple(dims) == (1, 1):
      planned.append(Planned(record))
      continue
    view = view_of(record.layer, record.weight)
    planned.append(Planned(record, view))
    reason = _why_dense(view, record, dims[1], spec.target_for(record.name, record.group))
    if reason:
      dense[record.identity] = '%s (%s)' % (record.name, reason)
  return planned, dense


def _why_dense(view: Optional[View], record: PrunedWeight, length: int, target: float) -> str:
  """Returns why m of n cannot prune a weight; '' if it can, or if it could prune no weight.

  Args:
    view: the weight by its input channels; None if these are unknown.
    length: n, or -1 for all input channels.
    target: the target sparsity of the weight.
  """
  if view is None:
    return 'shape %s, whose input channels are not known' % (tuple(record.weight.shape),)
  if view.inputs < 2:
    return '%d input channel' % view.inputs
  if view.inputs < length or length == -1:
    if target and not dropped(view.inputs, target):
      return '%d input channels, too few to drop one at a sparsity of %g' % (view.inputs, target)
  return ''
