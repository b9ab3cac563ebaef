# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The TFLite part of a page: weights that TFLite treats alike, in groups."""

import re
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from model_pruning.reporting import tflite
from model_pruning.reporting.advice import Advice
from model_pruning.reporting.pattern_findings import wanted_hparams
from model_pruning.reporting.weight import WeightReport

_NUMBER = re.compile(r'\d+(\.\d+)?')


class Group(NamedTuple):
  """Weights that TFLite treats alike.

  Attributes:
    names: names of the weights.
    op: the operation that uses them; '' if unknown.
    stored: how a float model stores them; see tflite.Prospect.
    skips: the quantizations for which kernels skip the zeros; '' for none.
    why: why kernels do not skip them, with the numbers of the first weight; '' if they do.
    advice: hyperparameters with which they would; '' if nothing would help, or they already do.
  """
  names: List[str]
  op: str
  stored: str
  skips: str
  why: str
  advice: str


def groups_of(weights: Sequence[WeightReport]) -> List[Group]:
  """Returns the masked weights by how TFLite treats them: unskipped first, then large groups."""
  found: Dict[Tuple[Any, ...], List[Tuple[WeightReport, tflite.Prospect]]] = {}
  for weight in weights:
    if weight.masked and weight.zeros:
      prospect = tflite.prospect_of(weight, tflite.FEWEST_BLOCKS)
      key = (weight.details.op, prospect.stored, prospect.skips,
             _NUMBER.sub('#', prospect.why), prospect.wanted)
      found.setdefault(key, []).append((weight, prospect))
  advice = Advice(weights)
  groups = [_group(members, advice) for members in found.values()]
  return sorted(groups, key=lambda group: (bool(group.skips), -len(group.names)))


def _group(members: Sequence[Tuple[WeightReport, tflite.Prospect]], keys: Advice) -> Group:
  first, prospect = members[0]
  advice = []
  if len(members) == 1 or any(keys.pool_of(weight) or keys.is_n_of_m(weight)
                              for weight, _ in members):
    advice.append(wanted_hparams(members, keys))
  elif prospect.wanted is not None:
    if prospect.wanted.block:
      advice.append('block_dims_map=[...:%s]' % prospect.wanted.block)
    if prospect.wanted.sparsity:
      advice.append('weight_sparsity_map=[...:%g]' % prospect.wanted.sparsity)
  return Group([weight.name for weight, _ in members], first.details.op, prospect.stored,
               ', '.join(prospect.skips), prospect.why,
               ','.join(filter(None, advice)))
