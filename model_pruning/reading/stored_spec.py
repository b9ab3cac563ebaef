# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
"""Stores the spec of a pruned graph in the graph, so that model files contain their targets.

A graph collection of strings holds it. Checkpoints have it in their .meta files, and SavedModels
in their meta graphs.
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

_LONGEST = 2**20  # Characters of an entry; a map has a few hundred entries at most.


@dataclasses.dataclass(frozen=True)
class StoredSpec:
  """The spec with which a model was pruned.

  Attributes:
    spec: the spec; its target sparsities are the final ones of the schedule.
    end_step: the first step at which the schedule requests these targets; None if unknown.
  """
  spec: PruningSpec
  end_step: Optional[int]

  @classmethod
  def create(cls, spec: PruningSpec, sparsity: Any = None) -> Optional['StoredSpec']:
    """Returns the spec to store; None if the final sparsity is unknown.

    Args:
      spec: the spec with targets, maps and patterns.
      sparsity: what replaces the spec's schedule: a PruningSchedule or a float; None for nothing.
        The final value of a tensor or a function is unknown.
    """
    if sparsity is None:
      return cls(spec, spec.sparsity_function_end_step)
    if isinstance(sparsity, PruningSchedule):
      if not weight_sparsity.is_final_known(spec, sparsity):
        return None
      return _ending(spec, sparsity, _end_of(sparsity))
    return _ending(spec, float(sparsity), 0) if isinstance(sparsity, (int, float)) else None

  def to_text(self) -> str:
    """Returns a JSON object: the hyperparameters, maps as lists of strings, and end_step."""
    values: Dict[str, Any] = dataclasses.asdict(self.spec)
    for key in ('weight_sparsity_map', 'group_sparsity_map'):
      values[key] = ['%s:%r' % entry for entry in values[key]]
    for key in ('block_dims_map', 'group_block_dims_map'):
      values[key] = ['%s:%dx%d' % (name, *dims) for name, dims in values[key]]
    return json.dumps({'hparams': values, 'end_step': self.end_step}, sort_keys=True)

  @classmethod
  def from_text(cls, text: str) -> Optional['StoredSpec']:
    """Returns the spec that to_text wrote; None if the text is not one, or damaged."""
    if len(text) > _LONGEST:
      return None
    try:
      # Importing a graph into a scope prepends the scope's name.
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
  """Returns the spec with the final targets of a schedule or of a constant sparsity."""
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
  except (errors.PruningError, ZeroDivisionError):  # For example a sparsity of 1 or more.
    return None


def _end_of(schedule: PruningSchedule) -> Optional[int]:
  """Returns the first step after which no update comes; None if there is none, or it is unknown."""
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
  """Stores a spec in the default graph, replacing an earlier one of the same name.

  If the final sparsity is unknown, nothing is stored.

  Args:
    spec, sparsity: see StoredSpec.create.
  """
  graph = tf.get_default_graph()
  kept = [entry for entry in graph.get_collection(names.COLLECTION_OF_HPARAMS)
          if _name_of(entry) != spec.name]
  stored = StoredSpec.create(spec, sparsity)
  graph.clear_collection(names.COLLECTION_OF_HPARAMS)  # Files cannot hold an empty collection.
  for entry in kept + ([stored.to_text()] if stored else []):
    graph.add_to_collection(names.COLLECTION_OF_HPARAMS, entry)


def _name_of(entry: Any) -> Optional[str]:
  found = StoredSpec.from_text(_text(entry))
  return found.spec.name if found else None


def _text(entry: Any) -> str:
  return entry.decode('utf-8', 'replace') if isinstance(entry, bytes) else str(entry)


def among(entries: Iterable[Any]) -> Optional[StoredSpec]:
  """Returns the spec among a collection's entries; None if there is none, or they differ.

  Args:
    entries: strings, or bytes as in meta graphs.
  """
  found = [StoredSpec.from_text(_text(entry)) for entry in entries]
  known = {dataclasses.replace(each, spec=dataclasses.replace(each.spec, name='any')): each
           for each in found if each is not None}
  return next(iter(known.values())) if len(known) == 1 and None not in found else None
