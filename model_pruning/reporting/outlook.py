# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The part of a page about TFLite: weights of one fate together."""

import re
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from model_pruning.export.tflite_names import map_key
from model_pruning.reporting import tflite
from model_pruning.reporting.weight import WeightReport

_NUMBER = re.compile(r'\d+(\.\d+)?')


class Group(NamedTuple):
  """Weights that TFLite treats alike.

  Attributes:
    names: of the weights.
    op: the operation that uses them; '' if unknown.
    stored: how a float model stores them; see tflite.Prospect.
    skips: for which quantizations the runtime skips the zeros; '' for none.
    why: why not, with the numbers of the first weight; '' if it does.
    advice: hyperparameters with which it would; '' if nothing would help, or it does.
  """
  names: List[str]
  op: str
  stored: str
  skips: str
  why: str
  advice: str


def groups_of(weights: Sequence[WeightReport]) -> List[Group]:
  """Returns the masked weights of a model, grouped by their fate, the largest group first."""
  found: Dict[Tuple[Any, ...], List[Tuple[WeightReport, tflite.Prospect]]] = {}
  for weight in weights:
    if weight.masked and weight.zeros:
      prospect = tflite.prospect_of(weight)
      key = (weight.details.op, prospect.stored, prospect.skips,
             _NUMBER.sub('#', prospect.why), prospect.wanted)
      found.setdefault(key, []).append((weight, prospect))
  names = [weight.name for weight in weights]
  groups = [_group(members, names) for members in found.values()]
  return sorted(groups, key=lambda group: (bool(group.skips), -len(group.names)))


def _group(members: Sequence[Tuple[WeightReport, tflite.Prospect]], names: Sequence[str]) -> Group:
  first, prospect = members[0]
  advice = []
  if prospect.wanted is not None:
    key = map_key(first.name, names) if len(members) == 1 else '...'
    if prospect.wanted.block:
      advice.append('block_dims_map=[%s:%s]' % (key, prospect.wanted.block))
    if prospect.wanted.sparsity:
      advice.append('weight_sparsity_map=[%s:%g]' % (key, prospect.wanted.sparsity))
  return Group([weight.name for weight, _ in members], first.details.op, prospect.stored,
               ', '.join(prospect.skips), prospect.why, ','.join(advice))
