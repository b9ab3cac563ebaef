# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""The spec that a graph was pruned by, kept in the graph, so that its files say their targets.

A collection of strings holds it. Checkpoints keep it in their .meta files, and SavedModels in
their meta graphs.
"""

import dataclasses
import json
from typing import Any, Dict, Iterable, Optional, Union

from model_pruning import errors
from model_pruning import names
from model_pruning.compat import tf
from model_pruning.hparams.defaults import get_pruning_hparams
from model_pruning.hparams.spec import LARGEST_STEP
from model_pruning.hparams.spec import PruningSpec
from model_pruning.schedules import weight_sparsity
from model_pruning.schedules.base import PruningSchedule

_LONGEST = 2**20  # Characters of an entry; maps are lists of a few hundred entries at most.


@dataclasses.dataclass(frozen=True)
class StoredSpec:
  """The spec that a model was pruned by.

  Attributes:
    spec: the spec. Its target sparsities are the ones that the schedule ends at.
    end_step: the first step from which on the schedule asks for these; None if unknown.
  """
  spec: PruningSpec
  end_step: Optional[int]

  @classmethod
  def create(cls, spec: PruningSpec, sparsity: Any = None) -> Optional['StoredSpec']:
    """Returns the spec to store; None if the final sparsity is unknown.

    Args:
      spec: gives the targets, maps and patterns.
      sparsity: the replacement of its schedule: a PruningSchedule or a float; None for nothing.
        Where a tensor or a function ends is unknown.
    """
    if sparsity is None:
      return cls(spec, spec.sparsity_function_end_step)
    if isinstance(sparsity, PruningSchedule):
      if not weight_sparsity.is_final_known(spec, sparsity):
        return None
      return _ending(spec, sparsity, _end_of(sparsity))
    return _ending(spec, float(sparsity), 0) if isinstance(sparsity, (int, float)) else None

  def to_text(self) -> str:
    """Returns a JSON object: the hyperparameters, maps as lists of texts, and end_step."""
    values: Dict[str, Any] = dataclasses.asdict(self.spec)
    for key in ('weight_sparsity_map', 'group_sparsity_map'):
      values[key] = ['%s:%r' % entry for entry in values[key]]
    for key in ('block_dims_map', 'group_block_dims_map'):
      values[key] = ['%s:%dx%d' % (name, *dims) for name, dims in values[key]]
    return json.dumps({'hparams': values, 'end_step': self.end_step}, sort_keys=True)

  @classmethod
  def from_text(cls, text: str) -> Optional['StoredSpec']:
    """Returns the spec in the output of to_text; None if the text is something else, or damaged."""
    if len(text) > _LONGEST:
      return None
    try:
      # An import into a scope puts the name of the scope in front.
      content = json.loads(text[text.index('{'):])
      hparams = get_pruning_hparams()
      hparams.override_from_dict(content['hparams'])
      end = content['end_step']
      known = isinstance(end, int) and 0 <= end <= LARGEST_STEP
      return cls(PruningSpec.from_hparams(hparams), end if known else None)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
      return None


def _ending(spec: PruningSpec, sparsity: Union[PruningSchedule, float],
            end_step: Optional[int]) -> Optional[StoredSpec]:
  """Returns a spec with the targets that a schedule or a constant sparsity ends at."""
  def final(own: Optional[float] = None) -> float:
    if isinstance(sparsity, PruningSchedule):
      return float(weight_sparsity.final(spec, sparsity, own))
    return float(weight_sparsity.sparsities_at(0, spec, sparsity)(own))

  try:
    return StoredSpec(dataclasses.replace(
        spec, target_sparsity=final(),
        weight_sparsity_map=tuple((key, final(own)) for key, own in spec.weight_sparsity_map),
        group_sparsity_map=tuple((key, final(own)) for key, own in spec.group_sparsity_map)),
                      end_step)
  except (errors.PruningError, ZeroDivisionError):  # Such as a sparsity of 1 or more.
    return None


def _end_of(schedule: PruningSchedule) -> Optional[int]:
  """Returns the first step that no update follows; None if there is none, or it is unknown."""
  if not schedule.is_over(LARGEST_STEP):
    return None
  low, high = 0, LARGEST_STEP
  while low < high:
    middle = (low + high) // 2
    if schedule.is_over(middle):
      high = middle
    else:
      low = middle + 1
  return low


def remember(spec: PruningSpec, sparsity: Any = None) -> None:
  """Enters a spec into the default graph, in the place of an earlier one of the same name.

  Args: see StoredSpec.create. If the final sparsity is unknown, nothing is entered.
  """
  graph = tf.get_default_graph()
  kept = [entry for entry in graph.get_collection(names.COLLECTION_OF_HPARAMS)
          if _name_of(entry) != spec.name]
  stored = StoredSpec.create(spec, sparsity)
  graph.clear_collection(names.COLLECTION_OF_HPARAMS)  # No empty one, which no file could hold.
  for entry in kept + ([stored.to_text()] if stored else []):
    graph.add_to_collection(names.COLLECTION_OF_HPARAMS, entry)


def _name_of(entry: Any) -> Optional[str]:
  found = StoredSpec.from_text(_text(entry))
  return found.spec.name if found else None


def _text(entry: Any) -> str:
  return entry.decode('utf-8', 'replace') if isinstance(entry, bytes) else str(entry)


def among(entries: Iterable[Any]) -> Optional[StoredSpec]:
  """Returns the spec among the entries of a collection; None if there is none, or they differ.

  Args:
    entries: texts, or bytes as meta graphs have them.
  """
  found = [StoredSpec.from_text(_text(entry)) for entry in entries]
  known = {dataclasses.replace(each, spec=dataclasses.replace(each.spec, name='any')): each
           for each in found if each is not None}
  return next(iter(known.values())) if len(known) == 1 and None not in found else None
